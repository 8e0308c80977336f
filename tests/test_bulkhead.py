"""Bulkheads: room for so many attempts, and consumers that wait for it, against schedules worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

from models.bulkhead import BulkheadState
from models.limits import Bulkhead

ONCE = {"redelivery": {"max_deliveries": 1}}


def crowded(
    events: int,
    bulkhead: Tables,
    *faults: Tables,
    dependency: Tables | None = None,
    network: Tables | None = None,
    **consumer: Any,
) -> Played:
    """Events that all arrive at 1 s; as many workers as they take, unless the consumer has it otherwise."""
    group = {"topic": "t", "concurrency": "unlimited", "bulkhead": bulkhead, **ONCE, **consumer}
    if dependency is not None:
        group["dependencies"] = ["d"]
    return Played(
        {
            "run": {"duration": 60.0},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": together(events)},
            "consumers": {"c": group},
            "dependencies": {} if dependency is None else {"d": dependency},
            "faults": list(faults),
            "network": network or {},
        }
    )


# -- the room --


def test_there_is_room_for_so_many_and_then_for_those_in_line_as_they_came() -> None:
    room: BulkheadState[str] = BulkheadState(Bulkhead(max_concurrent=2))
    assert [room.enters() for _ in range(3)] == [True, True, False]
    room.stand_in_line("a")
    room.stand_in_line("b")
    room.stand_in_line("c")
    room.withdraw("b")
    assert [room.leaves(), room.enters(), room.leaves(), room.leaves()] == ["a", False, "c", None]
    assert [room.enters(), room.enters()] == [True, False]


# -- at work --


def test_who_finds_no_room_is_refused_without_an_attempt() -> None:
    run = crowded(3, {"max_concurrent": 2}, service=1.0)
    assert run.effects() == [(2, 0), (2, 1)]
    assert run.trail("refusals") == run.trail("discards") == [(1, 2)]
    assert run.value("consumers.c", "error_rate") == 0


def test_who_may_wait_has_room_in_its_turn() -> None:
    run = crowded(5, {"max_concurrent": 2, "max_wait": 5.0}, service=1.0)
    assert run.effects() == [(2, 0), (2, 1), (3, 2), (3, 3), (4, 4)]


def test_room_at_the_instant_at_which_the_wait_ends_is_in_time_and_later_is_not() -> None:
    run = crowded(3, {"max_concurrent": 1, "max_wait": 1.0}, service=1.0)
    assert run.effects() == [(2, 0), (3, 1)]
    assert run.trail("refusals") == [(2, 2)]


def test_nobody_who_comes_later_overtakes_the_line() -> None:
    """Event 0 fails at 2 s, when event 1 has the room, and is tried again behind event 2."""
    retry = {"max_attempts": 2, "backoff": "none"}
    run = crowded(3, {"max_concurrent": 1, "max_wait": 9.0}, service=1.0, transient_failure=1.0, retry=retry)
    assert run.trail("failures") == [(2, 0), (3, 1), (4, 2), (5, 0), (6, 1), (7, 2)]


def test_the_wait_counts_to_the_timeout() -> None:
    """It waits for 1 s and has 0.5 s left for a service of 1 s; the next is still in line when it times out."""
    run = crowded(3, {"max_concurrent": 1, "max_wait": 9.0}, service=1.0, timeout=1.5)
    assert run.effects() == [(2, 0)]
    assert run.trail("failures") == [(2.5, 1)]
    assert run.trail("refusals") == [(2.5, 2)]


def test_an_attempt_that_times_out_in_its_service_leaves_at_once() -> None:
    run = crowded(2, {"max_concurrent": 1, "max_wait": 9.0}, service=3.0, timeout=2.0)
    assert run.trail("failures") == [(3, 0)]
    assert run.trail("refusals") == [(3, 1)]


@pytest.mark.parametrize(
    ("network", "refusals", "effects"),
    [
        ({}, [3, 6], [4, 7]),
        ({"links": {"consumers.c -> dependencies.d": {"loss": 0.0}}}, [3, 6], [4, 7]),
        ({"latency": 0.25}, [3.5, 4.5], [4.75, 8.75]),
    ],
)
def test_room_is_held_until_an_abandoned_call_is_over(network: Tables, refusals: list[float], effects: list[float]) -> None:
    """The call of 1 s goes on to 4 s, though its caller gives it up at 2 s; it is tried again at 3 s, in vain, and at 4 s, and
    at 6 s in vain. Where all ways take 0.25 s the first call, at 1.5 s, is over at the dependency at 4.75 s."""
    group = {"timeout": 1.0, "retry": {"max_attempts": 4, "delays": [1.0]}}
    run = crowded(1, {"max_concurrent": 1}, dependency={"latency": 3.0}, network=network, **group)
    assert run.trail("refusals") == [(time, 0) for time in refusals]
    assert run.effects() == [(time, 0) for time in effects]


def test_a_crash_empties_the_room() -> None:
    crash = fault("crash", 1.5, 0.5)
    run = crowded(2, {"max_concurrent": 1, "max_wait": 9.0}, crash, service=1.0, redelivery={})
    assert run.effects() == [(3, 0), (4, 1)]


def test_a_silent_outage_holds_the_room_to_its_end() -> None:
    """The call of 1 s is given up at 2 s, and known to be lost at 5 s; tries at 3, 4 and 6 s."""
    silence = fault("outage", 0.5, 4.5, "dependencies.d", silent=True)
    retry = {"max_attempts": 5, "delays": [1.0, 1.0, 2.0]}
    run = crowded(1, {"max_concurrent": 1}, silence, dependency={"latency": 0.5}, timeout=1.0, retry=retry)
    assert run.trail("refusals") == [(3, 0), (4, 0)]
    assert run.effects() == [(6.5, 0)]


def test_the_wait_counts_as_held_and_not_as_work() -> None:
    run = crowded(2, {"max_concurrent": 1, "max_wait": 9.0}, service=3.0, concurrency=2)
    assert run.value("consumers.c", "held") == pytest.approx(3.0 / 120.0)
    assert run.value("consumers.c", "utilization") == pytest.approx(6.0 / 120.0)


def test_a_frozen_process_gives_its_room_on_when_it_goes_on() -> None:
    """A second of service ends at 4 s instead of 2 s; the wait of at most 2 s was over at 3 s."""
    pause = fault("pause", 1.5, 2.0)
    assert crowded(2, {"max_concurrent": 1, "max_wait": 9.0}, pause, service=1.0).effects() == [(4, 0), (5, 1)]
    late = crowded(2, {"max_concurrent": 1, "max_wait": 2.0}, pause, service=1.0)
    assert (late.effects(), late.trail("refusals")) == ([(4, 0)], [(3.5, 1)])


def test_an_instance_that_stops_gives_back_what_waits() -> None:
    stop = fault("stop", 1.5, 0.25)
    run = crowded(2, {"max_concurrent": 1, "max_wait": 9.0}, stop, service=1.0, redelivery={})
    assert run.effects() == [(2, 0), (3, 1)]
    before = crowded(2, {"max_concurrent": 1, "max_wait": 9.0}, stop, service=1.0, acknowledge="before")
    assert before.effects() == [(2, 0), (3, 1)]
    assert before.states() == {"processed": 2}


def test_a_breaker_counts_refusals_and_gets_its_probe_back_from_what_is_given_back() -> None:
    breaker = {"failures": 2, "size": 10, "minimum_calls": 10, "open_for": 100.0}
    run = crowded(4, {"max_concurrent": 1}, service=1.0, breaker=breaker)
    assert run.value("consumers.c", "breaker_trips") == 1
    assert run.trail("refusals") == [(1, 1), (1, 2), (1, 3)]


@pytest.mark.parametrize(("profile", "workers"), [("kafka", 4), ("rabbitmq", 4), ("sqs", 4), ("sqs", "unlimited")])
def test_all_models_of_delivery_have_it(profile: str, workers: Any) -> None:
    bulkhead = {"max_concurrent": 2, "max_wait": 9.0}
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": profile},
        "topics": {"t": {"partitions": 4}} if profile == "kafka" else {},
        "producers": {"p": {**together(4), "keys": {"dist": "uniform", "count": 400}}},
        "consumers": {"c": {"topic": "t", "concurrency": workers, "batch": 1, "service": 1.0, "bulkhead": bulkhead}},
    }
    if profile == "rabbitmq":
        del tables["consumers"]["c"]["batch"]
    run = Played(tables, seed=4)
    assert [time for time, _ in run.effects()] == [2, 2, 3, 3]
