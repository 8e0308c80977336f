"""Policies inside one another, and everything going wrong at once: the books balance and the counts are sane."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from claims import Tables, check, check_run, run

FRONT = {"latency": 0.05, "concurrency": 4, "dependencies": ["d"], "timeout": 0.3, "retry": {"max_attempts": 2, "base": 0.1}}
SCARCE = {"latency": {"dist": "exponential", "mean": 0.3}, "concurrency": 1, "queue_limit": 1, "error_rate": 0.1}

POLICIES: dict[str, Tables] = {
    "retry": {"retry": {"max_attempts": 3, "base": 0.2, "jitter": "full", "max_elapsed": 2.0}},
    "throttled retry": {"retry": {"preset": "grpc", "jitter": "decorrelated_v2", "budget": {"max_tokens": 4.0}}},
    "breaker fails": {"breaker": {"size": 4, "minimum_calls": 3, "open_for": 2.0, "half_open_calls": 2}},
    "breaker pauses": {"breaker": {"size": 4, "minimum_calls": 3, "open_for": 2.0, "half_open_calls": 2, "on_open": "pause"}},
    "breaker of the group": {"breaker": {"window": "time", "size": 3, "minimum_calls": 3, "open_for": 2.0, "scope": "group"}},
    "retry topic": {"redelivery": {"max_deliveries": 3, "base": 0.5, "jitter": "equal", "through": "retry_topic"}},
    "in its place": {"redelivery": {"max_deliveries": 3, "immediate": 1}},
    "for ever": {"redelivery": {"max_deliveries": 0, "delays": [0.5]}},
    "redrive": {"dead_letter": {"topic": "letters", "redrive_after": 2.0, "redrive_times": 2, "redrive_rate": 2.0}},
    "redrive to topic": {"dead_letter": {"topic": "letters", "redrive_after": 2.0, "redrive_to": "topic"}},
    "known poison": {"poison": 0.2, "permanent": "discard"},
    "marks": {"idempotency": {"ttl": 3.0, "latency": 0.05}},
    "transaction": {"idempotency": {"ttl": 1000.0, "latency": 0.05, "order": "transaction"}},
    "mark first": {"idempotency": {"ttl": 3.0, "order": "mark_then_do", "store": "marks", "max_keys": 10}},
    "claims": {"idempotency": {"ttl": 1000.0, "order": "claim", "lease": 1.0, "store": "marks"}},
    "without the store": {"idempotency": {"ttl": 1000.0, "store": "marks", "on_outage": "process", "latency": 0.02}},
    "timeout": {"timeout": 0.5},
    "rate limit": {"rate_limit": {"rate": 2.0, "burst": 2, "max_wait": 1.0}},
    "bulkhead": {"bulkhead": {"max_concurrent": 1, "max_wait": 0.25}},
    "throttle": {"throttle": {"k": 1.5, "window": 5.0}},
    "wide": {"concurrency": "unlimited"},
    "two workers": {"concurrency": 2},
    "publishes": {"publishes": [{"topic": "done", "probability": 0.7, "count": 2}]},
    "little memory": {"memory": "8KiB"},
    "hedged": {"hedge_after": 0.2, "useful_for": 1.0},
    "chain": {"dependencies": ["front"]},
    "slow start": {"startup": {"dist": "exponential", "mean": 1.0}},
    "by lag": {"autoscale": {"target": 2.0, "min": 0, "max": 4, "interval": 0.5, "cooldown": 2.0, "startup": 0.25}},
    "timetable": {"autoscale": {"schedule": [[3.0, 4], [6.25, 1], [9.0, 3], [16.0, 0], [16.25, 2]]}},
}
OF_A_LOG: dict[str, Tables] = {
    "sheds": {"shed_above": 6, "service_per": "event"},
    "batches": {"service_per": "batch", "batch": 4},
    "auto": {"commit": "auto", "commit_interval": 1.0, "batch": 3},
    "by record": {"commit": "record", "batch": 3},
    "before": {"commit": "before", "batch": 3},
    "atomic": {"commit": "transaction", "batch": 3},
    "impatient": {"max_poll_interval": 1.5, "batch": 4},
    "polling": {"poll_interval": 0.25},
    "cooperative": {"rebalance": "cooperative"},
    "server side": {"rebalance": "server"},
    "static": {"static_membership": True},
}
OF_A_QUEUE: dict[str, Tables] = {
    "prefetch": {"prefetch": 2},
    "back pressure": {"prefetch": {"min": 1, "max": 6, "target": 0.5}},
    "sheds": {"shed_above": 6},
    "acknowledged first": {"acknowledge": "before"},
    "single active": {"single_active": True},
    "impatient": {"consumer_timeout": 1.5},
    "cut off": {"heartbeat_timeout": 1.0},
}
OF_A_LEASE: dict[str, Tables] = {
    "batches": {"service_per": "batch", "batch": 4},
    "sheds": {"shed_above": 6, "service_per": "event"},
    "deleted first": {"acknowledge": "before", "batch": 3},
    "extended": {"extend_lease": True},
    "short lease": {"visibility_timeout": 0.5},
    "late": {"late_delete": "fails"},
    "polling": {"poll_interval": 0.25, "poll_wait": 0.5},
}
EVERY = {
    "log": {**POLICIES, **OF_A_LOG},
    "queue": {**POLICIES, **OF_A_QUEUE},
    "lease": {**POLICIES, **OF_A_LEASE},
    "fifo": {**POLICIES, **OF_A_LEASE},
}
PROFILES = {"log": "kafka", "queue": "rabbitmq", "lease": "sqs", "fifo": "sqs"}
TOPICS: dict[str, Tables] = {"log": {"t": {"partitions": 3}}, "queue": {}, "lease": {}, "fifo": {"t": {"fifo": True}}}
TERMS: dict[str, Tables] = {
    "log": {"session_timeout": 2.0, "heartbeat_interval": 0.5, "rebalance_time": 0.5},
    "queue": {},
    "lease": {"visibility_timeout": 2.0},
    "fifo": {"visibility_timeout": 2.0},
}


def compatible(delivery: str, *names: str) -> bool:
    """Whether no two of the policies set the same field."""
    fields = [field for name in names for field in EVERY[delivery][name]]
    return len(fields) == len(set(fields))


PAIRS = [
    (delivery, pair)
    for delivery, policies in EVERY.items()
    for pair in combinations(policies, 2)
    if compatible(delivery, *pair)
]


def mixtures() -> list[tuple[str, tuple[str, ...]]]:
    """Sets of compatible policies in which every pair occurs: each begins with a pair that is still missing, and grows by
    whichever policy adds most missing pairs."""
    found: list[tuple[str, tuple[str, ...]]] = []
    missing: dict[tuple[str, tuple[str, ...]], None] = dict.fromkeys(PAIRS)
    while missing:
        delivery, chosen = next(iter(missing))
        while True:
            gains = {
                name: sum((delivery, pair) in missing for pair in pairs_with(delivery, name, chosen))
                for name in EVERY[delivery]
                if name not in chosen and compatible(delivery, name, *chosen)
            }
            if not gains or not max(gains.values()):
                break
            chosen = (*chosen, max(gains, key=lambda name: gains[name]))
        found.append((delivery, chosen))
        for pair in combinations(sorted(chosen, key=list(EVERY[delivery]).index), 2):
            missing.pop((delivery, pair), None)
    return found


def pairs_with(delivery: str, name: str, chosen: tuple[str, ...]) -> list[tuple[str, ...]]:
    order = list(EVERY[delivery]).index
    return [tuple(sorted((name, other), key=order)) for other in chosen]


def mixed(delivery: str, names: tuple[str, ...]) -> Tables:
    group: Tables = {}
    for name in names:
        group |= EVERY[delivery][name]
    return system(delivery, group)


def system(delivery: str, group: Tables, **more: Any) -> Tables:
    """A group that calls a scarce dependency, and everything that can strike it in 20 s."""
    members = TERMS[delivery]
    reader = {"topic": "letters", "service": 0.1, **members}
    writes_letters = "dead_letter" in group
    return {
        "run": {"duration": 20.0},
        "broker": {"profile": PROFILES[delivery]},
        "topics": TOPICS[delivery],
        "producers": {
            "p": {
                "topic": "t",
                "arrivals": {"process": "poisson", "rate": 4.0},
                "keys": {"dist": "zipf", "count": 9, "exponent": 1.0},
                "poison": 0.05,
            }
        },
        "dependencies": {"d": SCARCE, "front": FRONT},
        "stores": {"marks": {"latency": 0.05, "replication_lag": 1.0, "failover_time": 0.5}},
        "consumers": {
            "c": {
                "topic": "t",
                "instances": 2,
                "service": {"dist": "exponential", "mean": 0.1},
                "transient_failure": 0.1,
                "dependencies": ["d"],
                **members,
                **group,
            },
            **({"reader": reader} if writes_letters else {}),
        },
        "faults": [
            {"name": "crash", "kind": "crash", "target": "consumers.c[0]", "every": 6.0, "for": 1.0},
            {"name": "during it", "kind": "crash", "target": "consumers.c[1]", "at": 6.5, "for": 0.25},
            {"name": "freeze", "kind": "pause", "target": "consumers.c[1]", "at": 11.0, "for": 3.0},
            {"name": "deploy", "kind": "stop", "target": "consumers.c", "at": 15.5, "for": 0.5},
            {"name": "outage", "kind": "outage", "target": "dependencies.d", "at": 7.0, "for": 2.0},
            {"name": "silence", "kind": "outage", "silent": True, "target": "dependencies.d", "at": 12.0, "for": 1.0},
            {"name": "failover", "kind": "crash", "target": "stores.marks", "every": 5.5, "for": 2.0},
            {"name": "mute store", "kind": "outage", "silent": True, "target": "stores.marks", "at": 3.0, "for": 0.5},
            {"name": "rush", "kind": "surge", "factor": 3.0, "target": "producers.p", "at": 9.0, "for": 3.0},
        ],
        "alerts": [
            {"name": "behind", "component": "consumers.c", "metric": "lag", "above": 5, "for": 0.5},
            {"name": "failing", "component": "consumers.c", "metric": "error_rate", "above": 0.2},
        ],
        **more,
    }


MIXTURES = [pytest.param(*mixture, id=f"{mixture[0]}: {' + '.join(mixture[1])}") for mixture in mixtures()]


@pytest.mark.parametrize(("delivery", "names"), MIXTURES)
def test_policies_work_together_each_with_each_other(delivery: str, names: tuple[str, ...]) -> None:
    tables = mixed(delivery, names)
    check_run(tables, run(tables))


def everything(delivery: str, on_open: str) -> Tables:
    """A breaker inside tries inside marks inside deliveries, then dead letters, and back."""
    names = ("retry", "breaker fails", "retry topic", "redrive", "marks", "timeout", "publishes", "two workers")
    tables = mixed(delivery, names)
    tables["run"] = {"duration": 150.0}
    tables["consumers"]["c"] |= {"transient_failure": 0.4, **({} if delivery == "queue" else {"batch": 3})}
    tables["consumers"]["c"]["breaker"] = {**POLICIES["breaker fails"]["breaker"], "on_open": on_open}
    return tables


@pytest.mark.parametrize("delivery", EVERY)
@pytest.mark.parametrize("on_open", ["fail", "pause"])
def test_everything_at_once_happens_and_the_books_balance(delivery: str, on_open: str) -> None:
    tables = everything(delivery, on_open)
    check(tables)
    metrics = {(m.component, m.metric): m.value for m in run(tables).measurements[0].metrics}
    counts = ["redelivered", "dead_letter_moves", "redriven", "breaker_trips", "processed", "duplicate_effects"]
    assert not [name for name in counts if not metrics["consumers.c", name]]
    assert (metrics["consumers.c", "short_circuited"] > 0) == (on_open == "fail")
    assert not [name for name in ("calls", "errors", "rejected", "wasted") if not metrics["dependencies.d", name]]
    assert delivery != "log" or metrics["consumers.c", "rebalances"] > 3


@pytest.mark.long
@pytest.mark.parametrize(("delivery", "names"), MIXTURES)
def test_any_policies_work_together_with_any_seed(delivery: str, names: tuple[str, ...]) -> None:
    tables = mixed(delivery, names)
    for seed in range(2, 12):
        check_run(tables, run(tables, seed))
