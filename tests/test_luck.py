"""Common random numbers: a draw belongs to an event and an attempt, and nothing that changes elsewhere moves it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from claims import content, differences
from played import Played, Tables, fault

from models import System
from simulator import replicate

HERE = Path(__file__).parent
EXPONENTIAL = {"dist": "exponential", "mean": 1.0}


def shop() -> Tables:
    """Two chains that share nothing: orders -> payment -> payments -> ledger, and clicks -> counter."""
    log = {"session_timeout": 6.0, "heartbeat_interval": 1.0}
    return {
        "run": {"duration": 40.0},
        "topics": {"orders": {"partitions": 3}, "payments": {"partitions": 2}},
        "producers": {
            "checkout": {
                "topic": "orders",
                "arrivals": {"process": "poisson", "rate": 3.0},
                "keys": {"dist": "zipf", "count": 20, "exponent": 1.0},
                "poison": 0.05,
            },
            "site": {"topic": "clicks", "arrivals": {"process": "poisson", "rate": 3.0}},
        },
        "dependencies": {"gateway": {"latency": {"dist": "exponential", "mean": 0.2}, "error_rate": 0.2, "concurrency": 2}},
        "consumers": {
            "payment": {
                "topic": "orders",
                "instances": 2,
                "service": {"dist": "exponential", "mean": 0.1},
                "dependencies": ["gateway"],
                "transient_failure": 0.1,
                "publishes": [{"topic": "payments"}],
                "redelivery": {"max_deliveries": 3, "base": 0.5, "jitter": "full"},
                **log,
            },
            "ledger": {"topic": "payments", "service": {"dist": "gamma", "mean": 0.1, "cv": 0.5}, **log},
            "counter": {"topic": "clicks", "instances": 2, "service": {"dist": "exponential", "mean": 0.2}, **log},
        },
        "faults": [
            {
                "name": "crash",
                "kind": "crash",
                "target": "consumers.counter",
                "time_to_failure": 10.0,
                "time_to_repair": 2.0,
            }
        ],
    }


def result(tables: Tables, **options: Any) -> Any:
    return replicate(System.from_dict(tables), runs=1, seed=3, trace=True, **options)


def services(run: Played, name: str = "c") -> np.ndarray:
    """Seconds from hand-over to effect, where workers are unlimited and nothing fails: each event's service."""
    journey = run.journey(name)
    events = len(journey.messages)
    seconds: np.ndarray = np.array(journey.effect[:events]) - np.array(journey.started[:events])
    return seconds


def durations(run: Played) -> dict[int, list[float]]:
    """Seconds of each attempt of each event, where every failure is followed by the next attempt at once."""
    ends: dict[int, list[float]] = {}
    for time, event in sorted(run.attempts() + run.effects()):
        ends.setdefault(event, []).append(time)
    return {event: np.diff(found).round(5).tolist() for event, found in ends.items()}


# -- what changes elsewhere moves nothing --


@pytest.mark.parametrize(
    "change",
    [
        {"consumers.payment.instances": 3},
        {"consumers.payment.transient_failure": 0.6},
        {"consumers.payment.breaker": {"size": 4, "minimum_calls": 4}},
        {"dependencies.gateway.error_rate": 0.9},
        {"producers.checkout.arrivals.rate": 5.0},
        {"topics.orders.partitions": 5},
    ],
)
def test_changing_one_chain_moves_nothing_in_the_other(change: Tables) -> None:
    one = System.from_dict(shop())
    other = one.with_(change)
    chain = ("checkout", "orders", "payment", "payments", "gateway", "ledger")
    before, after = (content(replicate(each, runs=1, seed=3, trace=True), chain) for each in (one, other))
    assert before
    assert not differences(before, after)


def test_a_new_component_moves_nothing_in_those_that_were_there() -> None:
    tables, more = shop(), shop()
    more["producers"] = {"new": {"topic": "new", "arrivals": {"process": "constant", "rate": 7.0}}, **more["producers"]}
    more["consumers"] = {"new": {"topic": "new", "service": 0.1, "instances": 3}, **more["consumers"]}
    assert not differences(content(result(tables), ("new",)), content(result(more), ("new",)))


def test_another_group_on_a_topic_moves_nothing_in_the_first() -> None:
    tables, more = shop(), shop()
    more["consumers"] = {"audit": {"topic": ["orders", "payments"], "service": EXPONENTIAL}, **more["consumers"]}
    hidden = ("audit", "orders", "payments")
    assert not differences(content(result(tables), hidden), content(result(more), hidden))


# -- surges and profiles move times, never numbers --


def surged(factor: float) -> Played:
    producer = {"topic": "t", "arrivals": {"process": "poisson", "rate": 3.0}, "keys": {"dist": "uniform", "count": 50}}
    consumer = {"topic": "t", "service": EXPONENTIAL, "concurrency": "unlimited"}
    tables: Tables = {
        "run": {"duration": 40.0, "drain": True},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": producer | {"poison": 0.1}},
        "consumers": {"c": {**consumer, "redelivery": {"max_deliveries": 1}}},
        "faults": [fault("surge", 10.0, 10.0, "producers.p", factor=factor)],
    }
    return Played(tables)


def test_a_surge_moves_times_and_no_number() -> None:
    plain, surge = surged(1.0), surged(4.0)
    messages, more = plain.journey().messages, surge.journey().messages
    count = len(messages)
    assert len(more) > count + 50
    assert list(messages.keys()) == list(more.keys()[:count])
    assert messages.poisoned == {event for event in more.poisoned if event < count}
    np.testing.assert_allclose(services(plain), services(surge)[:count], rtol=0, atol=1e-9)
    early = np.array(messages.produced) < 10.0
    assert (np.array(messages.produced)[early] == np.array(more.produced[:count])[early]).all()
    assert (np.array(messages.produced)[~early] > np.array(more.produced[:count])[~early]).all()


# -- attempts --


def attempted(consumer: Tables, events: int = 40, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": 4100.0},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 0.01, "limit": events}}},
        "consumers": {"c": {"topic": "t", "service": EXPONENTIAL, **consumer}},
    }
    return Played({**tables, **more})


def test_every_attempt_draws_anew_and_the_same_whether_tried_again_or_delivered_again() -> None:
    failing = {"transient_failure": 0.7}
    delivered = durations(attempted({**failing, "redelivery": {"max_deliveries": 9}}))
    tried = durations(
        attempted({**failing, "retry": {"max_attempts": 9, "backoff": "none"}, "redelivery": {"max_deliveries": 1}})
    )
    mixed = durations(
        attempted({**failing, "retry": {"max_attempts": 3, "backoff": "none"}, "redelivery": {"max_deliveries": 3}})
    )
    assert delivered == tried == mixed
    several = [found for found in delivered.values() if len(found) > 2]
    assert len(several) > 10
    assert all(len(set(found)) == len(found) for found in several)


def test_a_higher_failure_rate_adds_failures_and_takes_none_away() -> None:
    rates = [0.1, 0.3, 0.6]
    runs = [attempted({"transient_failure": rate, "redelivery": {"max_deliveries": 1}}) for rate in rates]
    failed = [{event for _, event in run.trail("failures")} for run in runs]
    assert failed[0] < failed[1] < failed[2]


def test_a_jitter_or_a_breaker_changes_no_service() -> None:
    failing = {"transient_failure": 0.5, "concurrency": "unlimited"}
    plain = attempted({**failing, "redelivery": {"delays": [3.0]}})
    jittered = attempted({**failing, "redelivery": {"base": 1.0, "jitter": "decorrelated"}, "dead_letter": {"topic": "d"}})
    first = [event for event, n in enumerate(plain.journey().attempts[:40]) if n == 1]
    assert len(first) > 10
    np.testing.assert_allclose(services(plain)[first], services(jittered)[first], rtol=0, atol=1e-9)
    assert list(plain.journey().attempts[:40]) == list(jittered.journey().attempts[:40])


def test_each_group_on_a_topic_has_luck_of_its_own() -> None:
    consumer = {"topic": "t", "service": EXPONENTIAL}
    run = attempted({}, consumers={"c": consumer, "d": consumer})
    one, other = services(run, "c"), services(run, "d")
    assert (np.abs(one - other) > 1e-6).all()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


def test_a_derived_event_keeps_its_luck_whatever_happens_upstream() -> None:
    """Event k of the producer, published by `c`, gets the same service in `d` in whatever order it arrives there."""

    def downstream(**upstream: Any) -> dict[int, float]:
        consumers = {
            "c": {"topic": "t", "service": EXPONENTIAL, "publishes": [{"topic": "u"}], **upstream},
            "d": {"topic": "u", "service": EXPONENTIAL, "concurrency": "unlimited"},
        }
        producers = {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 2.0, "limit": 60}}}
        run = attempted({}, consumers=consumers, producers=producers)
        parents = run.journey("d").messages.parent
        return {parents[event]: round(seconds, 6) for event, seconds in enumerate(services(run, "d"))}

    plain = downstream()
    assert len(plain) == 60
    assert plain == downstream(concurrency="unlimited") == downstream(instances=3, transient_failure=0.3)


def test_a_batch_s_draw_is_that_of_its_first_event() -> None:
    group = {"topic": "t", "service": EXPONENTIAL, "batch": 4, "session_timeout": 6.0, "heartbeat_interval": 1.0}
    producers = {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 0.01, "limit": 10, "size": 4}}}
    runs = [
        attempted({}, consumers={"c": {**group, "service_per": per}}, producers=producers, broker={"profile": "kafka"})
        for per in ("batch", "event")
    ]
    by_batch, by_event = services(runs[0]), services(runs[1])
    for first in range(0, 40, 4):
        np.testing.assert_allclose(by_batch[first : first + 4], by_event[first], rtol=0, atol=1e-9)


# -- the same run everywhere --


def digest() -> str:
    """Of two replications of the shop, in this process."""
    found = content(replicate(System.from_dict(shop()), runs=2, seed=3, trace=True))
    return hashlib.sha256(repr(sorted(found.items(), key=repr)).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    code = f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]; import test_luck; print(test_luck.digest())"
    found = {digest()}
    for seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        found.add(subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip())
    assert len(found) == 1


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers() -> None:
    system = System.from_dict(shop())
    alone = content(replicate(system, runs=3, seed=3, trace=True))
    assert not differences(alone, content(replicate(system, runs=3, seed=3, jobs=2, trace=True)))


def test_another_seed_gives_another_run() -> None:
    system = System.from_dict(shop())
    one, other = (content(replicate(system, runs=1, seed=seed, trace=True)) for seed in (3, 4))
    assert one["consumers.counter", "events"] != other["consumers.counter", "events"]
