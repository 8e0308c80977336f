"""Queues and logs that remove messages by themselves agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from theory import Effort, Run, Study, constant, exponential, log, poisson, queue

Values = Mapping[str, float | np.ndarray]
DROP = 50


def bounded(i: Mapping[str, Any]) -> dict[str, Any]:
    """Beside the message in service, which is at its consumer, K - 1 may be ready."""
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu"]), prefetch=1)
    return {**tables, "topics": {"t": {"max_length": i["K"] - 1, "overflow": "reject"}}}


def read_bounded(run: Run) -> Values:
    return {
        "p_reject": run.metric("rejected", "topics.t") / run.metric("produced", "producers.p"),
        "throughput": run.metric("throughput"),
        "mean_in_system": run.metric("lag_mean"),
        "mean_in_queue": run.metric("lag_mean") - run.metric("utilization"),
        "mean_sojourn_accepted": run.metric("latency_mean"),
        "mean_wait_accepted": run.metric("wait_mean"),
    }


def impatient(i: Mapping[str, Any]) -> dict[str, Any]:
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu"]), prefetch=1)
    return {**tables, "topics": {"t": {"message_ttl": i["ttl"]}}}


def read_impatient(run: Run) -> Values:
    return {
        "p_expire": run.metric("expired") / run.metric("produced", "producers.p"),
        "p_idle": 1 - run.metric("utilization"),
        "mean_wait_served": run.metric("wait_mean"),
        "throughput": run.metric("throughput"),
    }


def forgotten(i: Mapping[str, Any]) -> dict[str, Any]:
    """A consumer that stands still for longer than the log keeps its records, and then goes on with the oldest left. Of the
    fluid a drop in `DROP` is looked at."""
    fault = {"name": "f", "target": "consumers.c[0]", "kind": "pause", "at": 20, "for": i["D"]}
    unmissed = {"reset": "earliest", "session_timeout": "10d", "max_poll_interval": "10d", "batch": 1}
    tables = log(constant(i["lam"] / DROP), DROP / i["mu"], **unmissed)
    return {**tables, "topics": {"t": {"retention": i["R"]}}, "faults": [fault]}


def read_forgotten(run: Run) -> Values:
    """The lag at the end of the outage, and the age of the oldest record that is handled after it."""
    produced, started, done = run.every("produced"), run.every("started"), run.every("effect")
    end = 20 + run.inputs["D"]
    late = started >= end
    waits = (started - produced)[late]
    at_once = np.flatnonzero(waits < 1e-9)
    expired = run.every("state") == "expired"
    return {
        "lost": run.metric("expired") * DROP,
        "backlog_at_end": DROP * np.count_nonzero((produced <= end) & ~expired & ~(done <= end)),
        "drain_time": started[late][at_once[0]] - end,
        "max_lag": waits.max(),
    }


STUDIES = [
    Study("Q05 bounded queue of a broker", bounded, read_bounded, Effort(20, 40, 0.11), Effort(48, 210), 10),
    Study("Q25 time to live", impatient, read_impatient, Effort(20, 40, 0.2), Effort(40, 1010), 10),
    Study("O07 retention", forgotten, read_forgotten, Effort(2, 10_000, 0.01), Effort(2, 10_000), rounding=1e-3),
]
