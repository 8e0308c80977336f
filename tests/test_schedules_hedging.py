"""Hedged calls against schedules worked out by hand with constant times.

Unless a test says otherwise: one event at 1 s, a queue, a worker that calls `d` at once, and once more where that takes over
1 s, and a single delivery.
"""

from __future__ import annotations

from typing import Any

from played import Played, Tables, fault, together

ONCE = {"redelivery": {"max_deliveries": 1}}


def played(consumer: Tables, dependency: Tables, *faults: Tables, events: int = 1, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "dependencies": ["d"], "hedge_after": 1.0, **ONCE, **consumer}},
        "dependencies": {"d": dependency},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def slow_until(time: float, factor: float = 10.0) -> Tables:
    return fault("slowdown", 0.0, time, "dependencies.d", factor=factor)


def calls(run: Played) -> tuple[float, float]:
    return run.value("dependencies.d", "calls"), run.value("dependencies.d", "wasted")


def test_the_first_answer_wins_and_the_loser_has_its_effect_all_the_same() -> None:
    """The call of 1 s takes 5 s, its hedge of 2 s takes 0.5 s: effects at 2.5 and 6 s, and the next event begins at 2.5 s."""
    run = played({"prefetch": 1}, {"latency": 0.5}, slow_until(1.5), events=2)
    assert run.effects() == [(2.5, 0), (3.0, 1), (6.0, 0)]
    assert run.attempts() == [(1, 0), (2.5, 1)]
    assert calls(run) == (3, 1)
    assert run.value("consumers.c", "duplicate_effects") == 1
    assert run.value("consumers.c", "amplification") == 1.5
    assert run.value("consumers.c", "error_rate") == 0


def test_a_call_that_is_answered_at_the_instant_of_its_hedge_has_none() -> None:
    run = played({}, {"latency": 1.0})
    assert run.effects() == [(2, 0)]
    assert calls(run) == (1, 0)


def test_the_hedge_may_lose() -> None:
    """Calls of 1 and 2 s, both of 3 s: the caller goes on at 4 s; the hedge is done at 5 s for nobody."""
    run = played({"prefetch": 1}, {"latency": 3.0}, events=2)
    assert run.effects() == [(4, 0), (5, 0), (7, 1), (8, 1)]
    assert run.attempts() == [(1, 0), (4, 1)]
    assert calls(run) == (4, 2)


def test_a_transaction_has_one_effect_of_both() -> None:
    marks = {"order": "transaction", "ttl": 1000.0}
    run = played({"idempotency": marks}, {"latency": 0.5}, slow_until(1.5))
    assert run.effects() == [(2.5, 0)]
    assert calls(run) == (2, 1)


def test_an_error_before_the_hedge_is_the_answer() -> None:
    run = played({}, {"latency": 0.5, "error_rate": 1.0})
    assert run.trail("discards") == [(1.5, 0)]
    assert calls(run) == (1, 0)


def test_a_call_that_fails_while_its_hedge_is_out_leaves_it_to_the_hedge() -> None:
    """The first fails at 4 s, the second succeeds at 5 s."""
    errors = fault("errors", 3.0, 1.5, "dependencies.d", rate=1.0)
    run = played({}, {"latency": 3.0}, errors)
    assert run.effects() == [(5, 0)]
    assert run.states() == {"processed": 1}
    assert run.value("dependencies.d", "errors") == 1


def test_where_both_fail_the_attempt_fails_with_the_later_one() -> None:
    run = played({}, {"latency": 3.0, "error_rate": 1.0})
    assert run.trail("failures") == [(5.0, 0)]
    assert run.value("consumers.c", "error_rate") == 1


def test_a_hedge_that_is_refused_at_once_changes_nothing() -> None:
    run = played({}, {"latency": 3.0, "concurrency": 1, "queue_limit": 0})
    assert run.effects() == [(4, 0)]
    assert run.value("dependencies.d", "rejected") == 1
    assert run.value("consumers.c", "error_rate") == 0


def test_a_timeout_abandons_both() -> None:
    """Given up at 3.5 s; the effects come at 4 and 5 s."""
    run = played({"timeout": 2.5}, {"latency": 3.0})
    assert run.trail("discards") == [(3.5, 0)]
    assert run.effects() == [(4, 0), (5, 0)]
    assert calls(run) == (2, 2)


def test_every_dependency_is_hedged_and_only_the_last_is_the_effect() -> None:
    """`d` from 1 to 3.5 s with a hedge at 2 s, `e` from 3.5 s to 5.5 s with one at 4.5 s that is done at 6.5 s."""
    both = {"d": {"latency": 2.5}, "e": {"latency": 2.0}}
    run = played({"dependencies": ["d", "e"]}, {}, dependencies=both)
    assert run.effects() == [(5.5, 0), (6.5, 0)]
    assert run.value("consumers.c", "amplification") == 4


def test_a_crash_of_the_caller_leaves_both_at_the_dependency() -> None:
    redelivery = {"redelivery": {"max_deliveries": 2}}
    run = played(redelivery, {"latency": 3.0}, fault("crash", 2.5, 0.5))
    assert run.effects() == [(4, 0), (5, 0), (6, 0), (7, 0)]
    assert calls(run) == (4, 3)


def test_a_caller_that_stands_still_sends_its_hedge_when_it_goes_on() -> None:
    """Frozen from 1.5 to 3 s: the hedge goes out at 3 s; if the first answer is there by then, there is none."""
    run = played({}, {"latency": 3.0}, fault("pause", 1.5, 1.5))
    assert run.effects() == [(4, 0), (6, 0)]
    answered = played({}, {"latency": 1.5}, fault("pause", 1.5, 1.5))
    assert answered.effects() == [(2.5, 0)]
    assert calls(answered) == (1, 0)


def test_a_crash_of_the_dependency_loses_both() -> None:
    run = played({}, {"latency": 3.0}, fault("crash", 2.5, 0.5, "dependencies.d"))
    assert run.effects() == []
    assert run.trail("discards") == [(2.5, 0)]


def test_a_hedge_goes_by_the_network_too() -> None:
    """0.25 s each way: an attempt from 1.5 s on. The first call's answer is cut off at 4.75 s and its connection seen to fail
    at 5 s; that of the hedge of 2.5 s comes home at 6 s."""
    network = {"latency": 0.25}
    cut = {"name": "cut", "kind": "partition", "between": [["dependencies.d"], ["consumers.c"]], "one_way": True}
    run = played({}, {"latency": 3.0}, {**cut, "at": 4.5, "for": 0.5}, network=network)
    assert run.effects() == [(4.75, 0), (5.75, 0)]
    assert run.trail("failures") == []
    assert run.value("consumers.c", "utilization") == 4.5 / 60


def test_a_breaker_sees_one_call() -> None:
    """Both attempts succeed though their first calls never do: nothing opens."""
    breaker = {"size": 2, "minimum_calls": 1, "failure_rate": 0.1}
    errors = [fault("errors", 3.5, 1.0, "dependencies.d", rate=1.0), fault("errors", 7.5, 1.0, "dependencies.d", rate=1.0)]
    run = played({"breaker": breaker, "prefetch": 1}, {"latency": 3.0}, *errors, events=2)
    assert run.effects() == [(5, 0), (9, 1)]
    assert run.value("consumers.c", "breaker_trips") == 0
