"""Load shedding: what a consumer drops because more than so many wait behind it."""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

TERMS: dict[str, Tables] = {"kafka": {}, "rabbitmq": {}, "sqs": {"batch": 1}}


def shedding(profile: str, events: int, *faults: Tables, producers: Tables | None = None, **consumer: Any) -> Played:
    group = {"topic": "t", "service": 1.0, **TERMS[profile], **consumer}
    return Played(
        {
            "run": {"duration": 60.0},
            "broker": {"profile": profile},
            "producers": producers or {"p": together(events)},
            "consumers": {"c": group},
            "faults": list(faults),
        }
    )


@pytest.mark.parametrize("profile", TERMS)
@pytest.mark.parametrize("batch", [1, 3, 10])
def test_what_has_more_than_so_many_behind_it_is_dropped_unhandled(profile: str, batch: int) -> None:
    """Of ten the first six have more than three behind them, wherever those are."""
    held = {"prefetch": batch} if profile == "rabbitmq" else {"batch": batch}
    run = shedding(profile, 10, shed_above=3, **held)
    assert run.trail("discards") == [(1, event) for event in range(6)]
    assert run.effects() == [(2, 6), (3, 7), (4, 8), (5, 9)]
    assert run.states() == {"discarded": 6, "processed": 4}
    assert run.value("consumers.c", "discarded") == 6
    assert run.value("consumers.c", "attempts_mean") == 1


@pytest.mark.parametrize("profile", TERMS)
def test_with_none_allowed_to_wait_only_the_latest_is_handled(profile: str) -> None:
    assert shedding(profile, 5, shed_above=0).effects() == [(2, 4)]


@pytest.mark.parametrize("profile", TERMS)
def test_a_line_that_is_short_enough_is_left_alone(profile: str) -> None:
    assert shedding(profile, 5, shed_above=4).states() == {"processed": 5}


@pytest.mark.parametrize("profile", TERMS)
def test_in_overload_the_line_stays_at_its_length_and_what_is_handled_is_fresh(profile: str) -> None:
    """Two arrive a second and one is handled: never more than four wait, for about four seconds' handling."""
    producers = {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 2.0}}}
    run = shedding(profile, 0, producers=producers, shed_above=4)
    assert run.value("consumers.c", "lag_max") <= 8
    assert run.value("consumers.c", "latency_p99") <= 4.0
    assert run.value("consumers.c", "throughput") == pytest.approx(1.0, abs=0.05)
    assert run.value("consumers.c", "discarded") == pytest.approx(60, abs=5)


@pytest.mark.parametrize("profile", TERMS)
def test_it_is_discarded_even_where_there_is_a_dead_letter_topic(profile: str) -> None:
    redelivery = {"max_deliveries": 1, **({"through": "retry_topic"} if profile == "sqs" else {})}
    letters = {"dead_letter": {"topic": "dead"}, "redelivery": redelivery}
    run = shedding(profile, 10, shed_above=3, transient_failure=1.0, **letters)
    assert run.states() == {"discarded": 6, "dead_lettered": 4}


@pytest.mark.parametrize("profile", TERMS)
def test_nothing_is_looked_up_or_tried_of_what_is_dropped(profile: str) -> None:
    marks = {"ttl": 1000.0, "latency": 0.5}
    run = shedding(profile, 10, shed_above=3, idempotency=marks, retry={"max_attempts": 3})
    assert [time for time, _ in run.trail("discards")] == [1.0] * 6
    assert run.value("consumers.c", "short_circuited") == 0


def test_the_lines_of_all_partitions_of_an_instance_count_together() -> None:
    """Of twelve in four partitions those of one instance's two are six, or as keys fall, and three of them may wait."""
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "kafka"},
        "topics": {"t": {"partitions": 4}},
        "producers": {"p": together(12)},
        "consumers": {"c": {"topic": "t", "instances": 2, "service": 1.0, "shed_above": 3}},
    }
    run = Played(tables)
    assert run.states() == {"discarded": 4, "processed": 8}


@pytest.mark.parametrize("profile", ["rabbitmq", "sqs"])
def test_all_workers_of_an_instance_have_one_line(profile: str) -> None:
    """Of two workers the first drops six and begins with the seventh, which three are behind; the other has the eighth."""
    run = shedding(profile, 10, shed_above=3, concurrency=2)
    assert run.states() == {"discarded": 6, "processed": 4}
    assert run.effects() == [(2, 6), (2, 7), (3, 8), (3, 9)]


@pytest.mark.parametrize("profile", TERMS)
def test_what_is_dropped_does_not_come_back_after_a_crash(profile: str) -> None:
    terms = {
        "kafka": {"commit": "record", "session_timeout": 1.0, "heartbeat_interval": 0.1},
        "sqs": {"visibility_timeout": 2.0},
    }
    run = shedding(profile, 10, fault("crash", 1.5, 0.5), shed_above=3, **terms.get(profile, {}))
    assert run.trail("discards") == [(1, event) for event in range(6)]
    assert run.states() == {"discarded": 6, "processed": 4}
