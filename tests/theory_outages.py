"""Outages and what they leave behind agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from theory import Effort, Inputs, Run, Study, Tables, average, constant, exponential, poisson, queue

Values = Mapping[str, float | np.ndarray]
ALONE = "consumers.c[0]"


def calling(arrivals: Tables, i: Inputs, fault: Tables) -> Tables:
    """Instant attempts at a dependency that has outages, tried again through a retry topic."""
    redelivery = {
        "max_deliveries": i["max_attempts"], "through": "retry_topic",
        "backoff": "exponential", "base": i["base"], "cap": i["cap"],
    }  # fmt: skip
    fields = {"dependencies": ["s"], "redelivery": redelivery, "dead_letter": {"topic": "dead"}}
    return {
        **queue(arrivals, concurrency="unlimited", **fields),
        "dependencies": {"s": {"latency": 0.0}},
        "faults": [{"name": "f", "target": "dependencies.s", "kind": "outage", **fault}],
    }


def read_outage(run: Run) -> Values:
    given_up = run.column("effects") == 0
    return {
        "retry_horizon": run.times("produced", "settled")[given_up].mean(),
        "mean_dlq_messages": run.metric("dead_lettered"),
        "dlq_fraction_of_arrivals_in_outage": run.metric("dead_letter_rate"),
        "mean_failed_attempts": run.metric("error_rate") * run.column("attempts").sum(),
    }


def read_outages(run: Run) -> Values:
    produced, given_up = run.column("produced"), run.column("effects") == 0
    edges = np.array([edge for _, *window in run.windows("f") for edge in window])
    inside = np.searchsorted(edges, produced, side="right") % 2 == 1
    return {
        "retry_horizon": run.times("produced", "settled")[given_up].mean(),
        "p_dlq_given_arrival_in_outage": given_up.sum() / inside.sum(),
        "mean_dlq_per_outage_at_10_per_s": given_up.sum() / (len(edges) / 2) * 10 / 0.2,
    }


def stopped(arrivals: Tables, service: Any, i: Inputs) -> Tables:
    fault = {"name": "f", "target": ALONE, "kind": "pause", "at": 20, "for": i["D"]}
    return {**queue(arrivals, service), "faults": [fault]}


def read_backlog(run: Run) -> Values:
    produced, done = run.every("produced"), run.every("effect")
    end = 20 + run.inputs["D"]
    emptied = done[:-1][(done[:-1] > end) & (produced[1:] > done[:-1])][0]
    left = np.count_nonzero(produced <= end) - np.count_nonzero(done <= end)
    waits = (run.every("started") - produced)[(produced > 20) & (produced < emptied)]
    return {
        "fluid_peak": run.metric("lag_max"),
        "fluid_drain_time": emptied - end,
        "fluid_max_lag": run.metric("lag_seconds_max"),
        "fluid_messages_delayed": len(waits),
        "fluid_mean_delay_of_delayed": waits.mean(),
        "stoch_mean_at_end_of_outage": left,
        "stoch_mean_time_to_empty": emptied - end,
    }


def growing(i: Inputs) -> Tables:
    """Instances that are stopped from the start, and come up one after the other."""
    first, most = int(i["c0"] / i["step"]), int(i["cmax"] / i["step"])
    waits = {n: i["t0"] + (n - first) * i["dt"] for n in range(first, most)}
    faults = [
        {"name": f"f{n}", "target": f"consumers.c[{n}]", "kind": "stop", "at": 0, "for": wait} for n, wait in waits.items()
    ]
    return {**queue(constant(i["lam2"]), 1 / i["step"], instances=most, prefetch=1), "faults": faults}


def read_growing(run: Run) -> Values:
    """Without what the instances have in hand, which a fluid has not."""
    produced, started = run.every("produced"), run.every("started")
    waiting = np.arange(1, len(produced) + 1) - np.searchsorted(np.sort(started), produced, side="right")
    return {
        "peak_backlog": waiting.max(),
        "time_of_peak": produced[waiting >= 0.9999 * waiting.max()][0],
        "time_to_empty": produced[np.flatnonzero(waiting > 1)[-1]],
        "backlog_area": average(run.occupancy("produced", "started")) * run.seconds,
    }


FLUID = ("peak", "drain_time", "max_lag", "messages_delayed", "mean_delay_of_delayed")
STUDIES = [
    Study(
        "O01 outage of fixed length",
        lambda i: calling(poisson(i["lam"], stop=i["D"]), i, {"at": 0, "for": i["D"]}),
        read_outage,
        Effort(20, 60, 0.06), Effort(70, 60),
        drain=False,
    ),
    Study(
        "O03 outages of exponential length",
        lambda i: calling(poisson(0.2), i, {"every": 250, "for": exponential(i["mttr"])}),
        read_outages,
        Effort(20, 16_000, 0.26), Effort(28, 250_000),
    ),
    Study(
        "O04 backlog, constant rates",
        lambda i: stopped(constant(i["lam"]), 1 / i["mu"], i),
        read_backlog,
        Effort(2, 800, 0.01), Effort(2, 800),
        rounding=1e-3,
        metrics=tuple(f"fluid_{metric}" for metric in FLUID),
    ),
    Study(
        "O04 backlog, random",
        lambda i: stopped(poisson(i["lam"]), exponential(1 / i["mu"]), i),
        read_backlog,
        Effort(6, 820, 1.03), Effort(520, 820),
        metrics=(
            "stoch_mean_at_end_of_outage", "stoch_sd_at_end_of_outage",
            "stoch_mean_time_to_empty", "stoch_sd_time_to_empty",
        ),
        spreads={
            "stoch_sd_at_end_of_outage": "stoch_mean_at_end_of_outage",
            "stoch_sd_time_to_empty": "stoch_mean_time_to_empty",
        },
    ),
    Study("O08 capacity in steps", growing, read_growing, Effort(2, 450, 0.01), Effort(2, 450), rounding=1e-3),
]  # fmt: skip
