"""Client-side throttling: the formula of the SRE book, where it comes to rest, and at work."""

from __future__ import annotations

import random

import numpy as np
import pytest
from played import Played, Tables, together
from scipy import stats

from models import System
from models.limits import Throttle
from models.throttle import ThrottleState
from simulator import replicate


def throttle(k: float = 2.0, window: float = 120.0) -> ThrottleState:
    return ThrottleState(Throttle(k=k, window=window))


def told(state: ThrottleState, accepted: int, rejected: int, now: float = 0.0) -> ThrottleState:
    for outcome, times in ((True, accepted), (False, rejected)):
        for _ in range(times):
            state.record(outcome, now)
    return state


# -- the formula --


@pytest.mark.parametrize(
    ("k", "accepted", "rejected", "probability"),
    [(2.0, 0, 0, 0.0), (2.0, 5, 5, 0.0), (2.0, 4, 6, 2 / 11), (2.0, 0, 9, 9 / 10), (1.1, 10, 10, 9 / 21), (1.0, 1, 1, 1 / 3)],
)
def test_the_probability_is_that_of_the_book(k: float, accepted: int, rejected: int, probability: float) -> None:
    assert told(throttle(k), accepted, rejected).probability(0.5) == pytest.approx(probability)


def test_what_is_older_than_the_window_is_forgotten_in_whole_seconds() -> None:
    state = told(throttle(window=2.5), 0, 9, now=0.9)
    assert state.probability(2.9) == 0.9
    assert state.probability(3.0) == 0.0
    state.record(False, 3.2)
    assert state.probability(3.9) == 0.5


def test_where_k_times_the_accepted_share_is_above_one_nothing_is_rejected() -> None:
    """With a share a of requests accepted, p = max(0, 1 - k a) at its fixed point."""
    luck, state, rejected = random.Random(5), throttle(), 0
    for request in range(20_000):
        now = request / 50.0
        if luck.random() < state.probability(now):
            rejected += request >= 6_000
            state.record(False, now)
        else:
            state.record(luck.random() < 0.8, now)
    assert rejected == 0  # when chance at the beginning has left the window


def test_where_it_is_below_one_the_requests_die_out_but_for_the_one_in_the_denominator() -> None:
    """Nothing accepted: a request passes with 1 / (requests + 1), so that 6,000 in the window let one in 6,000 pass."""
    luck, state, passed = random.Random(5), throttle(), 0
    for request in range(50_000):
        now = request / 50.0
        if luck.random() < state.probability(now):
            state.record(False, now)
        else:
            state.record(luck.random() < 0.2, now)
            passed += request >= 20_000
    assert passed < 0.01 * 30_000


# -- at work --


def test_as_much_as_k_times_what_is_accepted_is_sent() -> None:
    """A backend that accepts C of R requests a second: with N = R W in the window 1 - p = (1 + k C W) / (N + 1).

    At the rest, s = R (1 - p) are sent and all but C refused. C = 5, k = 2, R = 25, W = 30 s: 40 % of 25.
    """
    accepted, rate, window, k = 5.0, 25.0, 30.0, 2.0
    tables: Tables = {
        "run": {"duration": 240.0, "warmup": 60.0},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": rate}}},
        "dependencies": {"d": {"latency": 0.0, "limit": {"rate": accepted, "burst": 20}}},
        "consumers": {
            "c": {
                "topic": "t",
                "dependencies": ["d"],
                "throttle": {"k": k, "window": window},
                "redelivery": {"max_deliveries": 1},
            }
        },
    }
    result = replicate(System.from_dict(tables), runs=10, seed=3)
    found = np.array(
        [
            1.0 - {(m.component, m.metric): m.value for m in each.metrics}["consumers.c", "short_circuited"] / produced(each)
            for each in result.measurements
        ]
    )
    exact = (1 + k * accepted * window) / (rate * window + 1)
    half = stats.t.ppf(0.995, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5
    assert half < 0.03 * exact
    assert abs(found.mean() - exact) <= half


def produced(measurement) -> float:
    return next(m.value for m in measurement.metrics if m.metric == "produced")


def alone(consumer: Tables, events: int = 9, dependency: Tables | None = None, profile: str = "rabbitmq") -> Played:
    group = {"topic": "t", "throttle": {"k": 1.0}, "redelivery": {"max_deliveries": 1}, **consumer}
    if dependency is not None:
        group["dependencies"] = ["d"]
    return Played(
        {
            "run": {"duration": 60.0},
            "broker": {"profile": profile},
            "producers": {"p": together(events)},
            "consumers": {"c": group},
            "dependencies": {} if dependency is None else {"d": dependency},
        }
    )


@pytest.mark.parametrize("profile", ["kafka", "rabbitmq", "sqs"])
def test_a_rejected_try_makes_no_attempt_and_is_retried(profile: str) -> None:
    retry = {"max_attempts": 3, "backoff": "none"}
    through = {"sqs": "retry_topic"}.get(profile)
    redelivery = {"max_deliveries": 1, **({"through": through} if through else {})}
    run = alone({"transient_failure": 1.0, "retry": retry, "redelivery": redelivery}, 20, profile=profile)
    tries = len(run.trail("failures")) + len(run.trail("refusals"))
    assert tries == 60
    assert 1 <= len(run.trail("failures")) <= 12  # of the n-th try 1 in n: 4.7 in the mean, sd 1.8
    assert run.value("consumers.c", "short_circuited") == len(run.trail("refusals"))
    assert run.states() == {"discarded": 20}


@pytest.mark.parametrize(
    ("consumer", "dependency"),
    [
        ({"transient_failure": 1.0}, None),
        ({}, {"latency": 0.1, "error_rate": 1.0}),
        ({"timeout": 0.05}, {"latency": 0.1}),
        ({}, {"latency": 0.1, "concurrency": 1, "limit": {"rate": 0.001, "burst": 1}}),
    ],
)
def test_failures_errors_refusals_and_timeouts_are_not_accepted(consumer: Tables, dependency: Tables | None) -> None:
    assert alone(consumer, 30, dependency).trail("refusals")


@pytest.mark.parametrize(
    "consumer", [{"poison": 1.0}, {"rate_limit": {"rate": 0.1, "burst": 1, "max_wait": 0.0}}, {"service": 0.1}, {}]
)
def test_poison_and_what_other_limits_refuse_are_not_counted(consumer: Tables) -> None:
    """With k = 1 the first that is not accepted would make the next ones doubtful."""
    run = alone(consumer, 30)
    limited = 29 if "rate_limit" in consumer else 0
    assert run.value("consumers.c", "short_circuited") == limited
    throttle = run.group().instances[0].life.guards.throttle
    assert throttle is not None
    assert throttle.probability(60.0) == 0.0


def test_the_chance_of_a_try_is_its_own() -> None:
    """Common random numbers: with another k the same tries have the same luck, so that more are rejected, and the same."""
    found = [
        {event for _, event in alone({"transient_failure": 0.5, "throttle": {"k": k}}, 200).trail("refusals")}
        for k in (1.0, 1.0, 1.5)
    ]
    assert found[0] == found[1]
    assert found[0] > found[2]


def test_each_instance_remembers_for_itself_and_a_restarted_one_nothing() -> None:
    run = alone({"transient_failure": 1.0, "instances": 2}, 60)
    calls = [instance.life.guards.throttle._window.calls for instance in run.group().instances]
    assert calls == [30, 30]
