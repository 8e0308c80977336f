"""Jitter that remembers: what a wait has to know of the one before reaches it, wherever tries are made again."""

from __future__ import annotations

import math
from typing import Any

import pytest
from played import Played, together

BASE = 2.0
JITTER = {"base": BASE, "jitter": "decorrelated_v2"}
EVENTS, TRIES = 12, 5
THROUGH = [("rabbitmq", "requeue"), ("rabbitmq", "retry_topic"), ("kafka", "retry_topic"), ("kafka", "seek"), ("sqs", "lease")]
THROUGH += [("sqs", "retry_topic")]


def point(place: float) -> float:
    return BASE / 1.4 * 2.0**place * math.tanh(math.sqrt(4.0 * place))


def tables(profile: str, events: int = EVENTS, **fields: Any) -> dict[str, Any]:
    """Events that fail at once, all at one time."""
    return {
        "run": {"duration": 400},
        "broker": {"profile": profile},
        "topics": {"t": {}},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "concurrency": EVENTS, "transient_failure": 1.0, **fields}},
    }


def assert_points(played: Played, events: int = EVENTS) -> None:
    """The n-th wait ends between the points n - 1 and n, from the first try on."""
    tries: dict[int, list[float]] = {}
    for time, event in played.attempts():
        tries.setdefault(event, []).append(time)
    assert len(tries) == events
    for times in tries.values():
        assert len(times) == TRIES
        for n, time in enumerate(times[1:], 1):
            assert point(n - 1) - 1e-5 <= time - times[0] <= point(n) + 1e-5


def test_the_tries_of_retry_go_from_point_to_point() -> None:
    played = Played(tables("rabbitmq", retry={"max_attempts": TRIES, **JITTER}, redelivery={"max_deliveries": 1}))
    assert_points(played)


@pytest.mark.parametrize(("profile", "through"), THROUGH)
def test_deliveries_go_from_point_to_point_whatever_brings_them_back(profile: str, through: str) -> None:
    events = 1 if through == "seek" else EVENTS
    redelivery = {"through": through, "max_deliveries": TRIES, **JITTER}
    assert_points(Played(tables(profile, events, redelivery=redelivery, dead_letter={"topic": "dead"})), events)


def test_what_is_remembered_outlasts_rounds_at_once() -> None:
    redelivery = {"through": "requeue", "max_deliveries": 2 * TRIES, "immediate": 1, **JITTER}
    played = Played(tables("rabbitmq", redelivery=redelivery))
    first = [time for time, event in played.attempts() if event == 0]
    assert first[::2] == first[1::2]
    for n, time in enumerate(first[2::2], 1):
        assert point(n - 1) <= time - first[0] <= point(n)


def test_a_producer_that_publishes_again_goes_from_point_to_point() -> None:
    """It is never answered: a request times out after 1 s, then comes the wait."""
    data = tables("kafka")
    terms = {"request_timeout": 1.0, "delivery_timeout": 300, "idempotent": False, "retry": {"max_attempts": TRIES, **JITTER}}
    data["producers"]["p"] |= terms
    data["network"] = {"links": {"producers.p -> broker": {"loss": 1.0}}}
    played = Played(data)
    publisher = played.parts.producers["producers.p"].publisher
    assert publisher is not None
    (client,) = [instance.way.client for instance in publisher.instances]
    retries: dict[int, list[float]] = {event: [] for event in range(EVENTS)}
    for time, event in zip(client.courier.retries["time"], client.courier.retries["event"], strict=True):
        retries[event].append(time)
    for times in retries.values():
        assert len(times) == TRIES - 1
        for n, time in enumerate(times, 1):
            assert point(n - 1) <= time - 1.0 - n <= point(n)


def test_a_dependency_that_calls_another_again_goes_from_point_to_point() -> None:
    """What it calls fails at once: its own call fails with the last of its tries."""
    data = tables("rabbitmq", transient_failure=0.0, dependencies=["front"], redelivery={"max_deliveries": 1})
    data["dependencies"] = {
        "front": {"latency": 0, "dependencies": ["back"], "retry": {"max_attempts": TRIES, **JITTER}},
        "back": {"latency": 0, "error_rate": 1.0},
    }
    played = Played(data)
    failures = played.trail("failures")
    assert len(failures) == EVENTS
    assert all(point(TRIES - 2) <= time - 1.0 <= point(TRIES - 1) for time, _ in failures)
    assert played.value("dependencies.back", "calls") == EVENTS * TRIES
