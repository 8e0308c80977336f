"""What is told in short because it is told a million times gives what the long way gives, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models import System
from simulator import replicate

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
