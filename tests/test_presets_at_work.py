"""Presets at work: their delays have the documented means, and simulated handlers run as often as the libraries say."""

from __future__ import annotations

import math
import random
import statistics
from itertools import accumulate
from typing import Any

import pandas as pd
import pytest
from played import Played, together

from models import System
from models.consumer import Consumer
from models.presets import presets_of
from models.retry import Redelivery, Retry
from simulator import replicate

Z99 = 2.576

MEANS: dict[str, list[float]] = {
    "resilience4j": [0.5, 0.5],
    "resilience4j-exponential": [0.5, 0.75],
    "kafkajs": [0.3, 0.6, 1.2, 2.4, 4.8],
    "masstransit": [],
    "masstransit-redelivery": [0.0] * 5,
    "polly": [2.0] * 3,
    "polly-exponential": [2 * 0.8724, 2 * 1.1583, 2 * 2.0844],
    "aws-sdk-standard": [0.5, 1.0],
    "aws-sdk-2026": [0.025, 0.05],
    "aws-sdk-2026-dynamodb": [0.0125, 0.025, 0.05],
    "grpc": [0.1, 0.2, 0.4],
    "finagle": [0.0] * 20,
    "temporal": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0, 100.0],
    "google-sre": [0.05, 0.1],
}
"""Mean waits of `retry` between one attempt and the next (s); of an unlimited number the first."""

WAITS: dict[str, list[float]] = {
    "spring-kafka": [0.0] * 9,
    "spring-kafka-retry-topic": [1.0, 1.0],
    "kafkajs": [9.6] * 9,
    "nservicebus": [0.0] * 5 + [10.0] + [0.0] * 5 + [20.0] + [0.0] * 5 + [30.0] + [0.0] * 5,
    "masstransit": [],
    "masstransit-redelivery": [300.0, 900.0, 1800.0],
    "temporal": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0, 100.0],
    "sqs-redrive": [30.0] * 4,
}
"""Waits of `redelivery` between deliveries (s), in a lease what is left of 30 s; of an unlimited number the first."""

HOME = {
    "spring-kafka": "kafka",
    "kafkajs": "kafka",
    "sqs-redrive": "sqs",
    "temporal": "sqs",
    "spring-kafka-retry-topic": "kafka",
}
UNLIMITED = {"retry": {"temporal"}, "redelivery": {"temporal", "kafkajs"}}


def policy(field: str, name: str) -> Any:
    return getattr(Consumer.model_validate({"topic": "t", field: name}), field)


def test_every_preset_of_retry_and_redelivery_has_its_delays_documented_here() -> None:
    assert set(MEANS) == set(presets_of("retry"))
    assert set(WAITS) == set(presets_of("redelivery"))


@pytest.mark.parametrize("name", MEANS)
def test_the_delays_of_retry_have_the_documented_means(name: str) -> None:
    """Exactly those where there is no jitter, else within the 99 % interval of 4,000 sequences."""
    retry: Retry = policy("retry", name)
    luck, means = random.Random(11), MEANS[name]
    assert retry.max_attempts == (1_000_000 if name in UNLIMITED["retry"] else len(means) + 1)
    made: list[list[float]] = []
    for _ in range(4_000 if retry.jitter else 1):
        sequence, known = [], 0.0
        for attempt in range(1, len(means) + 1):
            seconds, known = retry.step(attempt, luck.random(), known)
            sequence.append(seconds)
        made.append(sequence)
    for place, mean in enumerate(means):
        sample = [sequence[place] for sequence in made]
        margin = Z99 * statistics.stdev(sample) / math.sqrt(len(sample)) if retry.jitter else 1e-12
        assert abs(statistics.fmean(sample) - mean) <= margin, (place, statistics.fmean(sample))


@pytest.mark.parametrize("name", [name for name in WAITS if name != "sqs-redrive"])
def test_the_delays_of_redelivery_are_the_documented_ones(name: str) -> None:
    redelivery: Redelivery = policy("redelivery", name)
    assert redelivery.max_deliveries == (0 if name in UNLIMITED["redelivery"] else len(WAITS[name]) + 1)
    assert [redelivery.wait(failed, 0.5) for failed in range(1, len(WAITS[name]) + 1)] == WAITS[name]


def played(profile: str, duration: float, **fields: Any) -> Played:
    """One event at 1 s that always fails, at once, and is dead-lettered in the end."""
    consumer = {"topic": "t", "transient_failure": 1.0, "dead_letter": {"topic": "dead"}, **fields}
    tables = {
        "run": {"duration": duration},
        "broker": {"profile": profile},
        "producers": {"p": together(1)},
        "consumers": {"c": consumer},
    }
    return Played(tables)


@pytest.mark.parametrize("name", [name for name in MEANS if name not in UNLIMITED["retry"]])
def test_an_event_that_always_fails_is_attempted_so_often_as_the_library_says(name: str) -> None:
    run = played("rabbitmq", 120.0, retry=name, redelivery={"max_deliveries": 1})
    assert len(run.attempts()) == len(MEANS[name]) + 1
    assert run.states() == {"dead_lettered": 1}


@pytest.mark.parametrize("name", WAITS)
def test_an_event_that_always_fails_is_delivered_when_the_library_says(name: str) -> None:
    due = [1.0, *(1.0 + wait for wait in accumulate(WAITS[name]))]
    run = played(HOME.get(name, "rabbitmq"), due[-1] + (35.0 if name == "sqs-redrive" else 5.0), redelivery=name)
    assert [time for time, _ in run.attempts()] == pytest.approx(due)
    assert run.states() == ({"backlog": 1} if name in UNLIMITED["redelivery"] else {"dead_lettered": 1})


def test_nservicebus_runs_a_handler_24_times_and_waits_for_60_s() -> None:
    """(5 + 1)(3 + 1) runs: six at once, and six more after each of 10, 20 and 30 s."""
    run = played("rabbitmq", 100.0, redelivery="nservicebus")
    assert [time for time, _ in run.attempts()] == [1.0] * 6 + [11.0] * 6 + [31.0] * 6 + [61.0] * 6
    assert run.states() == {"dead_lettered": 1}


def test_masstransit_tries_again_inside_its_redeliveries() -> None:
    """Six attempts at once in each of four deliveries."""
    run = played("rabbitmq", 4000.0, retry="masstransit-redelivery", redelivery="masstransit-redelivery")
    assert [time for time, _ in run.attempts()] == [1.0] * 6 + [301.0] * 6 + [1201.0] * 6 + [3001.0] * 6
    assert run.states() == {"dead_lettered": 1}


def test_the_bulkhead_of_resilience4j_lets_25_in_and_turns_the_next_away() -> None:
    consumer = {"topic": "t", "concurrency": "unlimited", "service": "10s", "bulkhead": "resilience4j"}
    tables = {
        "run": {"duration": 20.0},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": together(30)},
        "consumers": {"c": consumer | {"redelivery": "masstransit", "dead_letter": {"topic": "dead"}}},
    }
    assert Played(tables).states() == {"processed": 25, "dead_lettered": 5}


def test_the_time_limiter_of_resilience4j_waits_for_1_s() -> None:
    run = played("rabbitmq", 20.0, service="1001ms", transient_failure=0.0, timeout="resilience4j", redelivery="masstransit")
    assert run.trail("failures") == [(2.0, 0)]


# -- Brooker's strategies ----------------------------------------------------------------------------------------------

EVENTS = 3000
BURST = 20.0
RETRIES = {"max_attempts": 4, "backoff": "none"}
STRATEGIES: dict[str, dict[str, Any]] = {
    "no retries": {},
    "three retries": {"retry": RETRIES},
    "bucket": {"retry": RETRIES | {"budget": {"ratio": 0.1, "burst": BURST}, "scope": "group"}},
    "breaker": {
        "retry": RETRIES,
        "breaker": {"size": 1000, "minimum_calls": 1000, "failure_rate": 0.1, "open_for": "1h", "half_open_calls": 1},
    },
}


def outcome(strategy: str, failure: float) -> tuple[float, float]:
    """Share of events that succeed, and tries per event; a try fails with that probability, by itself."""
    consumer = {"topic": "t", "concurrency": "unlimited", "service": "1ms", "transient_failure": failure}
    arrivals = {"process": "constant", "rate": 100.0, "limit": EVENTS}
    tables = {
        "run": {"duration": EVENTS / 100 + 10},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": {"topic": "t", "arrivals": arrivals}},
        "consumers": {"c": consumer | {"redelivery": {"max_deliveries": 1}} | STRATEGIES[strategy]},
    }
    events = replicate(System.from_dict(tables), runs=1, seed=3, jobs=1, trace=True).events
    assert isinstance(events, pd.DataFrame)
    assert len(events) == EVENTS
    return float((events["state"] == "processed").mean()), float(events["attempts"].mean())


def assert_share(found: float, exact: float) -> None:
    assert abs(found - exact) <= Z99 * math.sqrt(exact * (1 - exact) / EVENTS) + 1e-12


def assert_load(found: float, failure: float, attempts: int) -> None:
    """A truncated geometric number of tries."""
    share = [failure ** (n - 1) * (1.0 - failure) for n in range(1, attempts)] + [failure ** (attempts - 1)]
    mean = sum(n * p for n, p in enumerate(share, 1))
    assert mean == pytest.approx((1 - failure**attempts) / (1 - failure))
    spread = math.sqrt(sum(n * n * p for n, p in enumerate(share, 1)) - mean**2)
    assert abs(found - mean) <= Z99 * spread / math.sqrt(EVENTS) + 1e-12


@pytest.mark.parametrize("failure", [0.0, 0.05, 0.2, 0.35, 0.5])
def test_without_retries_success_is_1_less_f_and_with_three_it_is_1_less_f4_at_the_load_of_both(failure: float) -> None:
    success, load = outcome("no retries", failure)
    assert_share(success, 1 - failure)
    assert load == 1.0
    success, load = outcome("three retries", failure)
    assert_share(success, 1 - failure**4)
    assert_load(load, failure, 4)


@pytest.mark.parametrize("strategy", ["bucket", "breaker"])
@pytest.mark.parametrize("failure", [0.0, 0.05])
def test_a_bucket_and_a_breaker_of_a_tenth_do_nothing_where_few_fail(strategy: str, failure: float) -> None:
    success, load = outcome(strategy, failure)
    assert (success, load) == outcome("three retries", failure)
    assert_share(success, 1 - failure**4)
    assert_load(load, failure, 4)


@pytest.mark.parametrize("failure", [0.2, 0.35, 0.5])
def test_where_many_fail_a_bucket_adds_a_tenth_and_a_breaker_takes_load_away(failure: float) -> None:
    """Every try that is made succeeds with 1 - f, whoever allows it: success = (1 - f) load."""
    success, load = outcome("bucket", failure)
    retries = (load - 1) * EVENTS
    assert 0.1 * EVENTS + BURST - 1.2 <= retries <= 0.1 * EVENTS + BURST
    assert_share(success, (1 - failure) * load)
    success, load = outcome("breaker", failure)
    assert load == pytest.approx(1000 / EVENTS, abs=1e-9)
    assert abs(success - (1 - failure) * load) <= Z99 * math.sqrt(1000 * failure * (1 - failure)) / EVENTS
