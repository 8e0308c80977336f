"""Back pressure: a prefetch that follows the latency of a dependency, and what becomes of those before it."""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

from models.back_pressure import PrefetchState
from models.limits import Prefetch
from models.outcome import ERROR, OK, REFUSED, TIMEOUT

# -- the rule --


def rounds(state: PrefetchState, calls: int, now: float, seconds: float = 0.5, outcome: int = OK) -> int:
    for _ in range(calls):
        state.answered(now - seconds, now, outcome)
    return state.prefetch


def test_it_grows_by_one_after_as_many_successes_as_it_is() -> None:
    state = PrefetchState(Prefetch(min=1, max=4, target=1.0))
    assert [rounds(state, 1, 9.0) for _ in range(7)] == [2, 2, 3, 3, 3, 4, 4]
    assert rounds(state, 100, 9.0) == 4


def test_an_answer_later_than_the_target_halves_it_and_one_at_the_target_does_not() -> None:
    state = PrefetchState(Prefetch(min=2, max=20, target=1.0))
    state.prefetch = 13
    assert rounds(state, 1, 10.0, seconds=1.0) == 13
    assert rounds(state, 1, 10.0, seconds=1.25) == 6
    assert rounds(state, 1, 20.0, seconds=1.25) == 3
    assert rounds(state, 1, 30.0, seconds=1.25) == 2


def test_a_refusal_or_a_timeout_halves_it_and_an_error_in_time_says_nothing() -> None:
    state = PrefetchState(Prefetch(min=1, max=20, target=1.0))
    state.prefetch = 8
    assert rounds(state, 20, 10.0, outcome=ERROR) == 8
    assert rounds(state, 1, 20.0, outcome=REFUSED) == 4
    assert rounds(state, 1, 30.0, outcome=TIMEOUT) == 2


def test_calls_that_had_begun_before_it_was_halved_are_not_looked_at() -> None:
    state = PrefetchState(Prefetch(min=1, max=20, target=1.0))
    state.prefetch = 16
    assert [rounds(state, 1, 10.0 + late, seconds=2.0 + late) for late in (0.0, 0.5, 0.75)] == [8, 8, 8]
    assert rounds(state, 1, 12.5, seconds=2.0) == 4


# -- at work --


def pressed(prefetch: Any, events: int, dependency: Tables, *faults: Tables, **consumer: Any) -> Played:
    group = {"topic": "t", "dependencies": ["d"], "concurrency": "unlimited", "prefetch": prefetch, **consumer}
    return Played(
        {
            "run": {"duration": 60.0},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": together(events)},
            "consumers": {"c": group},
            "dependencies": {"d": dependency},
            "faults": list(faults),
        }
    )


def test_what_was_handed_out_grows_round_by_round() -> None:
    """One of 1 s from 1 s; then two at once, with whose answers it is three; then three, then four."""
    run = pressed({"min": 1, "max": 4, "target": 1.0}, 14, {"latency": 1.0})
    assert [time for time, _ in run.effects()] == [2, *[3] * 2, *[4] * 3, *[5] * 4, *[6] * 4]


def test_a_slow_dependency_keeps_it_small_and_a_quick_one_lets_it_grow_again() -> None:
    """With min = 1: a slow answer after a slow answer leaves it there; from 20 s on the dependency is quick again."""
    slow = fault("slowdown", 0.0, 20.0, "dependencies.d", factor=4.0)
    run = pressed({"min": 1, "max": 3, "target": 1.0}, 10, {"latency": 1.0}, slow)
    assert [time for time, _ in run.effects()] == [5, 9, 13, 17, 21, 22, 23, 23, 24, 24]


def test_a_crash_begins_again_with_the_least() -> None:
    run = pressed({"min": 1, "max": 4, "target": 1.0}, 10, {"latency": 1.0}, fault("crash", 3.5, 0.5))
    # 1 + 2 done by 3 s; three calls are under way at 3.5 s, and take effect, and are made again.
    assert [time for time, _ in run.effects()] == [2, 3, 3, 4, 4, 4, 5, 6, 6, 7, 7, 7, 8]


def test_no_more_is_in_service_at_the_dependency_than_it_can_do_in_the_target() -> None:
    """Latency (1 + number in service) x 0.1 s and a target of 1 s: the prefetch saws between 5 and 10, where a fixed one
    of 40 waits for 4 s."""
    dependency = {"latency": 0.1, "load_factor": 1.0}
    free = pressed(40, 400, dependency)
    held = pressed({"min": 1, "max": 40, "target": 1.0}, 400, dependency)
    assert free.value("dependencies.d", "latency_mean") > 3.5
    assert 0.5 < held.value("dependencies.d", "latency_mean") < 1.0
    assert 4 < held.group().instances[0].life.prefetch < 12


def test_a_queue_that_fills_behind_it_slows_its_producers() -> None:
    """A slow dependency from 10 s: less is taken in, the queue is full, its producer is refused and has its buffer full."""

    def run(prefetch: Any, until: float) -> Played:
        tables: Tables = {
            "run": {"duration": 60.0},
            "broker": {"profile": "rabbitmq"},
            "topics": {"t": {"max_length": 20, "overflow": "reject"}},
            "producers": {
                "p": {
                    "topic": "t",
                    "arrivals": {"process": "constant", "rate": 20.0},
                    "acks": "all",
                    "retry": {"backoff": "fixed", "base": 0.5},
                    "buffer": 10,
                    "overflow": "block",
                }
            },
            "consumers": {"c": {"topic": "t", "dependencies": ["d"], "concurrency": "unlimited", "prefetch": prefetch}},
            "dependencies": {"d": {"latency": 0.2}},
            "faults": [fault("slowdown", 10.0, until - 10.0, "dependencies.d", factor=20.0)],
        }
        return Played(tables)

    pressure = {"min": 2, "max": 100, "target": 0.5}
    quick, slow = run(pressure, 10.5), run(pressure, 40.0)
    assert quick.value("producers.p", "blocked_time") == 0
    assert slow.value("producers.p", "blocked_time") > 20
    assert slow.value("topics.t", "rejected") > 0
    assert run("unlimited", 40.0).value("producers.p", "blocked_time") == 0


@pytest.mark.parametrize("fields", [{"instances": 2}, {"concurrency": 3}, {"single_active": True}, {"acknowledge": "before"}])
def test_everything_is_done_whatever_else_is_set(fields: Tables) -> None:
    run = pressed({"min": 1, "max": 9, "target": 0.5}, 100, {"latency": {"dist": "exponential", "mean": 0.3}}, **fields)
    assert run.states() == {"processed": 100}
