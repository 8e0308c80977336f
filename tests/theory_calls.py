"""Hedged calls, and dependencies that call others, agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from theory import Effort, Inputs, Run, Study, Tables, exponential, poisson, queue

Values = Mapping[str, float | np.ndarray]
ONCE = {"redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "dead"}}


def layers(i: Inputs) -> Tables:
    """The handler tries its callee, and so does every dependency but the last."""
    tries = {"max_attempts": i["max_attempts"], "backoff": "none"}
    names = [f"d{layer}" for layer in range(i["layers"])]
    chain: Tables = {one: {"latency": 0, "dependencies": [other], "retry": tries} for one, other in pairwise(names)}
    chain[names[-1]] = {"latency": 0, "error_rate": i["p"]}
    group = queue(poisson(1000), concurrency="unlimited", dependencies=names[:1], retry=tries, **ONCE)
    return {**group, "dependencies": chain}


def read_layers(run: Run) -> Values:
    events = run.metric("produced", "producers.p")
    return {
        "calls_at_bottom_per_request": run.metric("calls", f"dependencies.d{run.inputs['layers'] - 1}") / events,
        "p_request_fails": run.metric("dead_letter_rate"),
    }


def hedged(i: Inputs) -> Tables:
    fields = {"dependencies": ["s"], "hedge_after": i["hedge_after"], **ONCE}
    group = queue(poisson(200), concurrency="unlimited", **fields)
    return {**group, "dependencies": {"s": {"latency": exponential(1 / i["mu"])}}}


def read_hedged(run: Run) -> Values:
    """What the caller waits for: an effect may come first from a server whose answer is the second."""
    return {
        "mean_latency": run.metric("latency_mean"),
        "requests_per_call": run.metric("amplification"),
        "latency_p99": run.times("produced", "effect"),
    }


STUDIES = [
    Study("R02 layers", layers, read_layers, Effort(20, 1.5, 0.6), Effort(60, 40)),
    Study("R15 hedging", hedged, read_hedged, Effort(20, 8, 0.4), Effort(40, 150)),
]
