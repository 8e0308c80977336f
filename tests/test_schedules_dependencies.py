"""Calls to dependencies, timeouts and breakers against schedules worked out by hand with constant times.

Unless a test says otherwise: a queue, events that all arrive at 1 s, one instance with one worker, which calls `d` at once.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together


def played(
    consumer: Tables, dependency: Tables, *faults: Tables, events: int = 1, duration: float = 60.0, **more: Any
) -> Played:
    tables: Tables = {
        "run": {"duration": duration},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "dependencies": ["d"], **consumer}},
        "dependencies": {"d": dependency},
        "faults": list(faults),
    }
    return Played({**tables, **more})


ONCE = {"redelivery": {"max_deliveries": 1}}


# -- timeouts --


def test_an_effect_counts_though_its_caller_has_timed_out_and_the_retry_doubles_it() -> None:
    """Calls begin at 1 and 3 s, are given up 2 s later, and are done after 3 s, at 4 and 6 s."""
    retry = {"max_attempts": 2, "backoff": "none"}
    run = played({"timeout": 2.0, "retry": retry, **ONCE}, {"latency": 3.0})
    assert run.effects() == [(4, 0), (6, 0)]
    assert run.trail("discards") == [(5.0, 0)]
    assert run.states() == {"processed": 1}
    assert run.value("dependencies.d", "wasted") == 2


def test_an_answer_at_the_instant_of_its_timeout_is_in_time() -> None:
    run = played({"timeout": 2.0, **ONCE}, {"latency": 2.0})
    assert run.effects() == [(3, 0)]
    assert run.value("consumers.c", "error_rate") == 0


def test_service_at_the_instant_of_its_timeout_is_in_time() -> None:
    run = played({"timeout": 2.0, "service": 2.0, "dependencies": [], **ONCE}, {"latency": 1.0})
    assert run.effects() == [(3, 0)]


def test_service_beyond_the_timeout_dies_with_it() -> None:
    run = played({"timeout": 2.0, "service": 2.5, **ONCE}, {"latency": 1.0})
    assert run.effects() == []
    assert run.trail("discards") == [(3.0, 0)]
    assert run.value("dependencies.d", "calls") == 0


def test_the_timeout_is_of_the_attempt_not_of_the_call() -> None:
    """1 s of service and 0.5 s of the first call leave the second call 0.5 s; only the last call is the effect."""
    both = {"d": {"latency": 0.5}, "e": {"latency": 3.0}}
    run = played({"service": 1.0, "dependencies": ["d", "e"], "timeout": 2.0, **ONCE}, {}, dependencies=both)
    assert run.trail("discards") == [(3.0, 0)]
    assert run.effects() == [(5.5, 0)]


def test_a_crash_of_the_caller_does_not_stop_its_call() -> None:
    run = played({}, {"latency": 3.0}, fault("crash", 2.0, 0.5))
    assert run.effects() == [(4.0, 0), (5.5, 0)]


def test_callers_that_gave_up_still_stand_in_line() -> None:
    """One call at a time: the second attempt's call waits for the first one's work and is done 3 s after that, at 7 s."""
    retry = {"max_attempts": 2, "backoff": "none"}
    run = played({"timeout": 2.0, "retry": retry, **ONCE}, {"latency": 3.0, "concurrency": 1})
    assert run.effects() == [(4, 0), (7, 0)]


# -- limits --


def test_calls_beyond_the_queue_are_refused_at_once() -> None:
    """Five workers call at 1 s: one is served, two wait, two are refused."""
    run = played({"concurrency": 5, **ONCE}, {"latency": 2.0, "concurrency": 1, "queue_limit": 2}, events=5)
    assert run.effects() == [(3, 0), (5, 1), (7, 2)]
    assert run.trail("discards") == [(1.0, 3), (1.0, 4)]
    assert run.value("dependencies.d", "rejected") == 2


def test_load_slows_every_call_by_those_in_service() -> None:
    """1, 1.5 and 2 s for the first, second and third of three calls at once."""
    run = played({"concurrency": 3}, {"latency": 1.0, "load_factor": 0.5}, events=3)
    assert run.effects() == [(2, 0), (2.5, 1), (3, 2)]


def test_a_limit_throttles_with_an_error() -> None:
    """A bucket of two tokens that gains one in 2 s: two calls at 1 s, and one each at 3 and 5 s."""
    redelivery = {"through": "requeue", "delays": [0.5]}
    run = played({"concurrency": 4, "redelivery": redelivery}, {"latency": 0.1, "limit": {"rate": 0.5, "burst": 2}}, events=4)
    assert [time for time, _ in run.effects()] == [1.1, 1.1, 3.1, 5.1]


# -- outages --


def test_an_outage_refuses_at_once_and_its_work_in_hand_is_done() -> None:
    """The call of 1 s loses its connection at 2 s, but its effect happens at 4 s; further calls are refused until 6 s."""
    redelivery = {"through": "requeue", "delays": [1.5]}
    run = played({"redelivery": redelivery}, {"latency": 3.0}, fault("outage", 2.0, 4.0, "dependencies.d"))
    assert run.attempts() == [(1, 0), (3.5, 0), (5, 0), (6.5, 0)]
    assert run.effects() == [(4, 0), (9.5, 0)]


def test_a_silent_outage_times_out() -> None:
    redelivery = {"through": "requeue", "delays": [1.5]}
    silence = fault("outage", 0.5, 4.0, "dependencies.d", silent=True)
    run = played({"redelivery": redelivery, "timeout": 2.0}, {"latency": 1.0}, silence)
    assert run.attempts() == [(1, 0), (4.5, 0)]
    assert run.effects() == [(5.5, 0)]


def test_a_silent_outage_holds_callers_without_a_timeout_until_its_end() -> None:
    """The effect of the call that went in before it happens at 3 s; its answer is lost."""
    silence = fault("outage", 1.5, 8.5, "dependencies.d", silent=True)
    run = played({"prefetch": 1}, {"latency": 2.0}, silence, events=2)
    assert run.attempts() == [(1, 0), (10, 0), (12, 1)]
    assert run.effects() == [(3, 0), (12, 0), (14, 1)]


def test_a_crash_of_the_dependency_loses_its_work_in_hand() -> None:
    redelivery = {"through": "requeue", "delays": [1.5]}
    run = played({"redelivery": redelivery}, {"latency": 3.0}, fault("crash", 2.0, 1.0, "dependencies.d"))
    assert run.effects() == [(6.5, 0)]


def test_a_fault_that_ends_makes_way_for_one_that_starts_at_that_instant() -> None:
    """Two outages from 2 to 3 and from 3 to 4 s: a call at 3 s is refused."""
    faults = [fault("outage", 2.0, 1.0, "dependencies.d"), fault("outage", 3.0, 1.0, "dependencies.d")]
    run = played({"service": 1.0, "redelivery": {"through": "requeue"}}, {"latency": 0.5}, *faults)
    assert run.attempts() == [(1, 0), (2, 0), (3, 0)]
    assert run.effects() == [(4.5, 0)]


def test_overlapping_slowdowns_multiply_and_are_taken_back_exactly() -> None:
    """Calls that begin at 1, 3 (3 x), 9 (6 x), 21 (2 x) and 25 s, one after the other."""
    faults = [
        fault("slowdown", 2.0, 10.0, "dependencies.d", factor=3.0),
        fault("slowdown", 5.0, 20.0, "dependencies.d", factor=2.0),
    ]
    run = played({"prefetch": 1}, {"latency": 2.0}, *faults, events=5)
    assert [time for time, _ in run.effects()] == [3, 9, 21, 25, 27]


# -- breakers --

BREAKER = {"size": 2, "minimum_calls": 2, "open_for": 10.0, "half_open_calls": 1}


def test_an_open_breaker_that_pauses_takes_nothing_and_then_probes() -> None:
    """One worker: failures at 2 and 3 s open it until 13 s. Three: the first to fail at 2 s begins again before the second
    one's failure opens it until 12 s; the probe is alone, and all others follow its success."""
    group = {
        "dependencies": [], "service": 1.0, "prefetch": 4, "breaker": {**BREAKER, "on_open": "pause"},
        "redelivery": {"through": "requeue"},
    }  # fmt: skip
    errors = fault("errors", 0.0, 5.0, rate=1.0)
    run = played(group, {"latency": 1.0}, errors, events=4)
    assert [time for time, _ in run.attempts()] == [1, 2, 13, 14, 15, 16]
    wide = played({**group, "concurrency": 3}, {"latency": 1.0}, errors, events=4)
    assert [time for time, _ in wide.attempts()] == [1, 1, 1, 2, 12, 13, 13, 13]
    assert wide.value("consumers.c", "short_circuited") == 0


def test_a_probe_that_fails_opens_the_breaker_for_longer() -> None:
    """Opened at 3 s for 4 s, and at 8 s, after the failed probe, for 8 s."""
    breaker = {**BREAKER, "open_for": 4.0, "open_factor": 2.0, "on_open": "pause"}
    group = {"dependencies": [], "service": 1.0, "breaker": breaker, "redelivery": {"through": "requeue"}}
    run = played(group, {"latency": 1.0}, fault("errors", 0.0, 9.0, rate=1.0))
    assert run.attempts() == [(1, 0), (2, 0), (7, 0), (16, 0)]


def test_an_open_breaker_that_fails_uses_up_deliveries() -> None:
    """Opened at 3 s by two deliveries, it refuses the other three at once."""
    group = {"dependencies": [], "service": 1.0, "breaker": BREAKER, "redelivery": {"max_deliveries": 5}}
    run = played(group, {"latency": 1.0}, fault("errors", 0.0, 9.0, rate=1.0))
    assert run.attempts() == [(1, 0), (2, 0)]
    assert run.trail("discards") == [(3.0, 0)]
    assert run.value("consumers.c", "short_circuited") == 3


def test_without_automatic_it_admits_a_call_only_strictly_after_the_wait() -> None:
    """Open from 3 s for 10 s: refused at 13 s, admitted at 13.5 s."""
    redelivery = {"through": "requeue", "delays": [0.0, 10.0, 0.5]}
    group = {"dependencies": [], "service": 1.0, "breaker": BREAKER, "redelivery": redelivery}
    run = played(group, {"latency": 1.0}, fault("errors", 0.0, 9.0, rate=1.0))
    assert run.attempts() == [(1, 0), (2, 0), (13.5, 0)]


def test_a_restart_starts_the_breaker_closed_and_empty() -> None:
    group = {
        "dependencies": [], "service": 1.0, "breaker": {**BREAKER, "on_open": "pause"}, "redelivery": {"through": "requeue"},
    }  # fmt: skip
    run = played(group, {"latency": 1.0}, fault("errors", 0.0, 5.0, rate=1.0), fault("crash", 5.0, 1.0))
    assert run.attempts() == [(1, 0), (2, 0), (6, 0)]


@pytest.mark.parametrize(("scope", "starts"), [("instance", [1, 1, 2, 2, 13, 13]), ("group", [1, 1, 2, 12, 13])])
def test_a_breaker_of_the_group_counts_the_failures_of_all_its_instances(scope: str, starts: list[float]) -> None:
    """Two instances that fail at 2 s: a shared breaker opens with the second of them, when the first has begun again; their
    own ones open at 3 s."""
    breaker = {**BREAKER, "scope": scope, "on_open": "pause"}
    group = {
        "dependencies": [], "service": 1.0, "instances": 2, "prefetch": 1, "breaker": breaker,
        "redelivery": {"through": "requeue"},
    }  # fmt: skip
    run = played(group, {"latency": 1.0}, fault("errors", 0.0, 5.0, rate=1.0), events=2)
    assert [time for time, _ in run.attempts()] == starts
