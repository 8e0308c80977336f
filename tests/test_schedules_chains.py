"""Dependencies that call others, against schedules worked out by hand with constant times.

Unless a test says otherwise: one event at 1 s, a queue, one worker, a single delivery, and `a`, which calls `b`.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

from models.topology import affected

ONCE = {"redelivery": {"max_deliveries": 1}}
TWICE = {"max_attempts": 2, "backoff": "none"}


def played(a: Tables, b: Tables, *faults: Tables, consumer: Tables | None = None, events: int = 1, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "dependencies": ["a"], **ONCE, **(consumer or {})}},
        "dependencies": {"a": {"dependencies": ["b"], **a}, "b": b},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def count(run: Played, name: str) -> tuple[float, ...]:
    """Calls, errors, refusals and wasted calls of a dependency."""
    return tuple(run.value(f"dependencies.{name}", metric) for metric in ("calls", "errors", "rejected", "wasted"))


# -- what a chain takes --


def test_a_dependency_does_its_own_work_and_then_calls_others() -> None:
    """1 s of `a`, then 2 s of `b`; the effect is where the handler's own dependency is done."""
    run = played({"latency": 1.0}, {"latency": 2.0})
    assert run.effects() == [(4, 0)]
    assert run.value("dependencies.a", "latency_mean") == 3
    assert run.value("dependencies.b", "latency_mean") == 2
    assert run.value("consumers.c", "amplification") == 1


def test_what_it_calls_it_calls_in_order_and_down_the_chain() -> None:
    """`a` 1 s, `b` 1 s and its `d` 0.25 s, `d` itself 0.25 s."""
    more = {"a": {"latency": 1.0, "dependencies": ["b", "d"]}, "b": {"latency": 1.0, "dependencies": ["d"]}}
    run = played({}, {}, dependencies={**more, "d": {"latency": 0.25}})
    assert run.effects() == [(3.5, 0)]
    assert count(run, "d") == (2, 0, 0, 0)


def test_a_call_keeps_its_place_in_service_while_others_are_asked() -> None:
    """One at a time at `a`: the second call begins when the first has its answer from `b`, which is never busy twice."""
    run = played({"latency": 1.0, "concurrency": 1}, {"latency": 2.0}, consumer={"concurrency": 2}, events=2)
    assert run.effects() == [(4, 0), (7, 1)]
    assert run.value("dependencies.a", "utilization") == 6 / 60
    assert run.value("dependencies.b", "busy_mean") == 4 / 60


def test_a_call_in_its_turn_counts_as_load() -> None:
    """1 s for the first, 1.5 s for the second, which finds the first in service."""
    run = played({"latency": 1.0, "load_factor": 0.5}, {"latency": 2.0}, consumer={"concurrency": 2}, events=2)
    assert run.effects() == [(4, 0), (4.5, 1)]


def test_a_call_that_fails_by_itself_calls_nobody() -> None:
    run = played({"latency": 1.0, "error_rate": 1.0}, {"latency": 2.0})
    assert run.trail("discards") == [(2.0, 0)]
    assert count(run, "b") == (0, 0, 0, 0)


# -- failures and tries --


def test_what_fails_down_the_chain_fails_up_the_chain() -> None:
    run = played({"latency": 1.0}, {"latency": 2.0, "error_rate": 1.0})
    assert run.effects() == []
    assert run.trail("discards") == [(4.0, 0)]
    assert count(run, "a") == count(run, "b") == (1, 1, 0, 0)


def test_a_dependency_tries_again_by_its_own_retry() -> None:
    """`b` refuses until 3.75 s: calls at 2, 3 and 5 s, after waits of 1 and 2 s."""
    retry = {"max_attempts": 3, "backoff": "exponential", "base": 1.0}
    run = played({"latency": 1.0, "retry": retry}, {"latency": 2.0}, fault("outage", 0.0, 3.75, "dependencies.b"))
    assert run.effects() == [(7, 0)]
    assert count(run, "b") == (3, 0, 2, 0)
    assert run.value("consumers.c", "attempts_mean") == 1


def test_no_try_begins_after_max_elapsed() -> None:
    """Calls at 2, 3 and 4 s; the next would begin 3 s after the first."""
    retry = {"max_attempts": 9, "backoff": "fixed", "base": 1.0, "max_elapsed": 2.0}
    run = played({"latency": 1.0, "retry": retry}, {"latency": 2.0}, fault("outage", 0.0, 30.0, "dependencies.b"))
    assert run.trail("discards") == [(4.0, 0)]
    assert count(run, "b") == (3, 0, 3, 0)


def test_what_has_timed_out_is_not_taken_back() -> None:
    """Calls of `b` at 2 and 3.5 s are given up 1.5 s later and done 2 s later."""
    run = played({"latency": 1.0, "retry": TWICE, "timeout": 1.5}, {"latency": 2.0})
    assert run.trail("discards") == [(5.0, 0)]
    assert count(run, "a") == (1, 1, 0, 0)
    assert count(run, "b") == (2, 0, 0, 2)


def test_an_answer_at_the_instant_of_the_timeout_is_in_time() -> None:
    run = played({"latency": 1.0, "timeout": 2.0}, {"latency": 2.0})
    assert run.effects() == [(4, 0)]


def test_a_caller_that_is_gone_stops_nothing_down_the_chain() -> None:
    """Attempts of 1 and 2.5 s time out after 1.5 s; the chain of each goes on to its effect at 4 and 5.5 s."""
    run = played({"latency": 1.0}, {"latency": 2.0}, consumer={"timeout": 1.5, "retry": TWICE})
    assert run.trail("discards") == [(4.0, 0)]
    assert run.effects() == [(4, 0), (5.5, 0)]
    assert count(run, "a") == (2, 0, 0, 2)
    assert count(run, "b") == (2, 0, 0, 0)


def test_tries_multiply_from_layer_to_layer() -> None:
    """Everybody tries twice: 2, 4 and 8 calls."""
    service = {"latency": 0.25, "retry": TWICE}
    chain = {"a": {**service, "dependencies": ["b"]}, "b": {**service, "dependencies": ["d"]}}
    run = played({}, {}, consumer={"retry": TWICE}, dependencies={**chain, "d": {"latency": 0.25, "error_rate": 1.0}})
    assert [count(run, name)[0] for name in "abd"] == [2, 4, 8]


@pytest.mark.parametrize(("scope", "calls"), [("instance", 6), ("group", 5)])
def test_a_budget_is_one_for_all_calls_of_a_process_or_of_the_whole_run(scope: str, calls: int) -> None:
    """A bucket of two tokens and three events, at 2, 4 and 6 s: the crash at 3.5 s brings a new bucket, or the same."""
    retry = {"max_attempts": 2, "backoff": "none", "budget": {"ratio": 0.0, "burst": 2}, "scope": scope}
    arrivals = {"process": "constant", "rate": 0.5, "limit": 3}
    run = played(
        {"latency": 0.1, "retry": retry}, {"latency": 0.1, "error_rate": 1.0},
        fault("crash", 3.5, 0.25, "dependencies.a"),
        producers={"p": {"topic": "t", "arrivals": arrivals}},
    )  # fmt: skip
    assert count(run, "b")[0] == calls


# -- faults --


def test_a_crash_in_the_middle_loses_the_connection_and_leaves_the_rest_at_work() -> None:
    """`a` dies at 3 s while it waits for `b`, which goes on for nobody."""
    run = played({"latency": 1.0}, {"latency": 2.0}, fault("crash", 3.0, 1.0, "dependencies.a"))
    assert run.effects() == []
    assert run.trail("discards") == [(3.0, 0)]
    assert count(run, "a") == (1, 1, 0, 0)
    assert count(run, "b") == (1, 0, 0, 1)
    assert run.value("dependencies.a", "busy_mean") == 2 / 60


def test_a_crash_in_the_middle_ends_its_waits_between_tries() -> None:
    retry = {"max_attempts": 2, "backoff": "fixed", "base": 5.0}
    faults = fault("outage", 0.0, 3.0, "dependencies.b"), fault("crash", 4.0, 1.0, "dependencies.a")
    run = played({"latency": 1.0, "retry": retry}, {"latency": 2.0}, *faults)
    assert run.trail("discards") == [(4.0, 0)]
    assert count(run, "b") == (1, 0, 1, 0)


def test_an_outage_of_the_middle_does_not_stop_what_it_has_begun() -> None:
    run = played({"latency": 1.0}, {"latency": 2.0}, fault("outage", 1.5, 10.0, "dependencies.a"))
    assert run.trail("discards") == [(1.5, 0)]
    assert run.effects() == [(4, 0)]
    assert count(run, "a") == (1, 0, 0, 1)


def test_a_silent_end_of_the_chain_holds_all_of_it_until_somebody_loses_patience() -> None:
    silence = fault("outage", 0.0, 30.0, "dependencies.b", silent=True)
    patient = played({"latency": 1.0}, {"latency": 2.0}, silence)
    assert patient.trail("discards") == [(30.0, 0)]
    assert patient.value("dependencies.a", "busy_mean") == 29 / 60
    run = played({"latency": 1.0, "timeout": 4.0}, {"latency": 2.0}, silence)
    assert run.trail("discards") == [(6.0, 0)]


def test_a_slowdown_of_the_middle_slows_its_own_work_alone() -> None:
    run = played({"latency": 1.0}, {"latency": 2.0}, fault("slowdown", 0.0, 30.0, "dependencies.a", factor=3.0))
    assert run.effects() == [(6, 0)]


# -- the network between --


def cut(at: float, lasting: float, *sides: str, **more: Any) -> Tables:
    return {"name": "cut", "kind": "partition", "between": [[side] for side in sides], "at": at, "for": lasting, **more}


def test_a_link_between_dependencies_takes_its_time() -> None:
    """Alone that one, 0.25 s to `b`, 0.5 s back."""
    there, back = "dependencies.a -> dependencies.b", "dependencies.b -> dependencies.a"
    links = {there: {"latency": 0.25}, back: {"latency": 0.5}}
    run = played({"latency": 1.0}, {"latency": 2.0}, network={"links": links})
    assert run.effects() == [(4.75, 0)]
    assert run.value("dependencies.b", "latency_mean") == 2


def test_a_link_between_dependencies_that_loses_is_noticed_by_the_timeout() -> None:
    """Nothing comes back from `b`: three calls, each waited for 3 s."""
    links = {"dependencies.b -> dependencies.a": {"loss": 1.0}}
    retry = {"max_attempts": 3, "backoff": "none"}
    run = played({"latency": 1.0, "timeout": 3.0, "retry": retry}, {"latency": 2.0}, network={"links": links})
    assert run.trail("discards") == [(11.0, 0)]
    assert count(run, "b")[:3] == (3, 0, 0)


def test_a_cut_between_dependencies_is_silent_until_it_heals() -> None:
    """The call of 2 s is answered at 4 s into a cut that ends at 10 s, and is seen to be lost then; the next one goes
    through."""
    run = played({"latency": 1.0, "retry": TWICE}, {"latency": 2.0}, cut(3.0, 7.0, "dependencies.a", "dependencies.b"))
    assert run.effects() == [(12, 0)]
    assert count(run, "b") == (2, 0, 0, 0)


def test_a_cut_between_dependencies_leaves_the_callers_of_each_alone() -> None:
    other = {"c": {"topic": "t", "dependencies": ["a"], **ONCE}, "other": {"topic": "t", "dependencies": ["b"], **ONCE}}
    run = played({"latency": 1.0}, {"latency": 2.0}, cut(0.0, 10.0, "dependencies.a", "dependencies.b"), consumers=other)
    assert run.effects("other") == [(3, 0)]
    assert run.effects() == []


# -- who is touched --


def test_a_fault_at_the_end_of_a_chain_touches_whoever_calls_its_beginning() -> None:
    consumers = {"c": {"topic": "t", "dependencies": ["a"], **ONCE}, "other": {"topic": "t", "service": 0.1}}
    run = played({"latency": 1.0}, {"latency": 2.0}, fault("outage", 20.0, 10.0, "dependencies.b"), consumers=consumers)
    scenario = run.parts.scenario
    assert affected(scenario.faults[0], scenario) == ["consumers.c"]
