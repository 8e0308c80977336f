"""What is told in short because it is told a million times gives what the long way gives, to the last bit."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import simpy

from models import System
from models.parts import Parts
from simulator import replicate
from simulator.simulation import Simulation

BUSY = {
    "run": {"duration": 120, "warmup": 5, "seed": 3},
    "topics": {"t": {"partitions": 6}},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 40}, "keys": {"dist": "uniform", "count": 9}}},
    "consumers": {
        "c": {
            "topic": "t",
            "instances": 3,
            "service": {"dist": "gamma", "mean": 0.05, "cv": 0.7},
            "transient_failure": 0.1,
            "session_timeout": "6s",
            "heartbeat_interval": "1s",
            "redelivery": {"through": "retry_topic", "max_deliveries": 4, "base": "300ms", "jitter": "full"},
            "dead_letter": {"topic": "d", "redrive_after": "10s"},
        }
    },
    "faults": [
        {"name": "crash", "target": "consumers.c[0]", "kind": "crash", "at": 20, "for": 5},
        {"name": "stop", "target": "consumers.c[1]", "kind": "stop", "at": 45, "for": 5},
        {"name": "freeze", "target": "consumers.c[2]", "kind": "pause", "at": 60, "for": 3},
        {"name": "zombie", "target": "consumers.c[2]", "kind": "pause", "at": 80, "for": 12},
        {"name": "slow", "target": "consumers.c", "kind": "slowdown", "factor": 2.0, "at": 70, "for": 20},
        {"name": "errors", "target": "consumers.c[0]", "kind": "errors", "rate": 0.5, "at": 100, "for": 10},
    ],
}


def bits(tables: dict[str, Any], changes: dict[str, Any]) -> tuple[Any, ...]:
    measurement = replicate(System.from_dict(tables).with_(changes), runs=1, trace=True).measurements[0]
    series = {key: values.tobytes() for key, values in measurement.series.items()}
    events = {name: np.asarray(column).tolist() for name, column in (measurement.events or {}).items()}
    # Worker time is added up batch by batch or attempt by attempt, which rounds differently in the last bits.
    metrics = [replace(m, value=round(m.value, 12)) if m.metric == "utilization" else m for m in measurement.metrics]
    return repr(metrics), series, repr(events)


@pytest.mark.parametrize("commit", ["auto", "batch", "before"])
@pytest.mark.parametrize("through", ["retry_topic", "seek"])
def test_a_simple_group_is_handled_as_by_the_whole_pipeline(commit: str, through: str) -> None:
    changes = {"consumers.c.commit": commit, "consumers.c.redelivery.through": through}
    assert bits(BUSY, changes) == bits(BUSY, {**changes, "consumers.c.timeout": "1000d"})


CUTS = [
    {"name": "short", "kind": "partition", "between": [["consumers.c[1]"], ["broker"]], "at": 12, "for": 4},
    {"name": "long", "kind": "partition", "between": [["broker"], ["consumers.c[0]"]], "at": 50, "for": 12},
    {"name": "deaf", "kind": "partition", "between": [["broker"], ["consumers.c"]], "one_way": True, "at": 105, "for": 6},
]


@pytest.mark.parametrize("commit", ["auto", "batch", "before"])
@pytest.mark.parametrize("through", ["retry_topic", "seek"])
def test_a_simple_group_that_is_cut_off_is_handled_as_by_the_whole_pipeline(commit: str, through: str) -> None:
    changes = {"consumers.c.commit": commit, "consumers.c.redelivery.through": through, "faults": [*BUSY["faults"], *CUTS]}
    assert bits(BUSY, changes) == bits(BUSY, {**changes, "consumers.c.timeout": "1000d"})


@pytest.mark.parametrize("commit", ["auto", "batch"])
def test_arrivals_written_ahead_are_those_that_come_one_by_one(commit: str) -> None:
    idle = {"name": "none", "target": "producers.p", "kind": "surge", "factor": 1.0, "at": "10d", "for": 1}
    ahead = System.from_dict(BUSY).with_({"consumers.c.commit": commit})
    stepwise = ahead.with_({"faults": [*ahead.to_dict()["faults"], idle]})
    first, second = (replicate(system, runs=1).measurements[0] for system in (ahead, stepwise))
    assert [m for m in first.metrics if m.component == "consumers.c"] == [
        m for m in second.metrics if m.component == "consumers.c"
    ]
    assert all(first.series[key].tobytes() == second.series[key].tobytes() for key in first.series)


FAR = {"name": "far", "target": "broker.nodes[0]", "kind": "crash", "at": "10d", "for": 1}
"""A fault after the end, for which the nodes have to be there."""
REPLICATED = {"nodes": 3, "replication_factor": 3}


@pytest.mark.parametrize("acks", ["none", "leader", "all"])
@pytest.mark.parametrize(
    "broker",
    [
        {"replication_lag": {"dist": "exponential", "mean": 0.05}},
        {"replication_lag": 0.1, "nodes": 5},
        {"replication_interval": 0.7},
        {"replication_lag": {"dist": "gamma", "mean": 0.02, "cv": 2.0}, "acknowledge_latency": 0.03},
        {"publish_latency": 0.1, "acknowledge_latency": 0.05},
    ],
    ids=["random", "constant", "interval", "answers", "latencies"],
)
def test_a_course_written_ahead_is_the_one_that_replicas_and_clients_take(broker: dict[str, Any], acks: str) -> None:
    tables: dict[str, Any] = {
        "run": {"duration": 60, "warmup": 5, "seed": 3},
        "broker": {**REPLICATED, **broker},
        "topics": {"t": {"partitions": 4}},
        "producers": {"p": {"topic": "t", "acks": acks, "arrivals": {"process": "poisson", "rate": 30, "size": 2}}},
        "consumers": {"c": {"topic": "t", "instances": 2, "service": {"dist": "gamma", "mean": 0.02, "cv": 0.7}}},
    }
    elsewhere = {**FAR, "target": "consumers.c", "kind": "pause"}
    ahead, stepwise = (bits({**tables, "faults": [fault]}, {}) for fault in (elsewhere, FAR))
    assert ahead[0] == stepwise[0]
    assert ahead[1].items() <= stepwise[1].items()  # where there are nodes there are series of theirs
    assert ahead[2] == stepwise[2]


def scheduled(tables: dict[str, Any]) -> tuple[int, float]:
    """How many events a run has scheduled, and how many were produced."""
    kept: list[Simulation] = []

    def keep(sim: Simulation, parts: Parts) -> Generator[simpy.Event, Any, None]:
        kept.append(sim)
        yield sim.event()

    result = replicate(System(processes=[keep], **System.from_dict(tables).to_dict()), runs=1)
    return next(kept[0]._eid), result.value("producers.p", "produced").mean


@pytest.mark.parametrize(("delivery", "events"), [("log", 1), ("queue", 2)])
@pytest.mark.parametrize("acks", ["none", "leader", "all"])
def test_publishing_to_replicas_costs_no_event_beyond_the_arrival(acks: str, delivery: str, events: int) -> None:
    """A producer alone; in a queue there is one more event for each message, which makes it ready when it is committed."""
    tables: dict[str, Any] = {
        "run": {"duration": 100},
        "broker": {**REPLICATED, "delivery": delivery, "acknowledge_latency": "5ms"},
        "producers": {"p": {"topic": "t", "acks": acks, "arrivals": {"process": "poisson", "rate": 50}}},
        "faults": [FAR],
    }
    scheduled_events, produced = scheduled(tables)
    assert produced > 4000
    assert scheduled_events - events * produced < 20
