"""Closed forms of hedged calls and of dependencies that call others, at other values than the cases have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from theory import Effort, Run, Study, Tables, agree, exponential, form, poisson, queue

Values = Mapping[str, float]
EFFORT = Effort(20, 5, 0.3)


# -- hedges ------------------------------------------------------------------------------------------------------------


def hedging(mu: float, after: float, wrong: float) -> Tables:
    """Any number of calls at once, each exponential with rate `mu`, of which a share is `wrong`."""
    fields = {"dependencies": ["s"], "hedge_after": after, "redelivery": {"max_deliveries": 1}}
    server = {"latency": exponential(1 / mu), "error_rate": wrong}
    return {**queue(poisson(150), concurrency="unlimited", **fields), "dependencies": {"s": server}}


def hedged(mu: float, after: float, wrong: float) -> Values:
    """A call is late with probability q. The caller waits for it alone until `after`; then for the first success of two, or
    for the second failure: both have the law of the smaller, and where that has failed, another one of one."""
    late = math.exp(-mu * after)
    return {
        "calls": 1 + late,
        "fails": wrong * (1 - late) + wrong**2 * late,
        "stay": (1 - late) / mu + late * (1 / (2 * mu) + wrong / mu),
        "effects": (1 - wrong) * (1 + late),
    }


def read_hedged(run: Run) -> Values:
    events = run.metric("produced", "producers.p")
    return {
        "calls": run.metric("amplification"),
        "fails": run.metric("error_rate"),
        "stay": run.times("produced", "settled").mean(),
        "effects": run.metric("effects") / events,
    }


HEDGES = [
    form(
        f"hedge after {after} of 1/{mu}, {wrong:.0%} wrong",
        hedging(mu, after, wrong),
        hedged(mu, after, wrong),
        read_hedged,
        EFFORT,
    )
    for mu, after, wrong in ((2.0, 0.25, 0.3), (10.0, 0.1, 0.1), (5.0, 0.5, 0.6))
]


# -- chains ------------------------------------------------------------------------------------------------------------

MEANS = {"a": 0.1, "b": 0.2, "d": 0.4}
RATE = 50.0


def in_a_row() -> Tables:
    """Each calls the next one; any number at once."""
    chain: dict[str, Any] = {name: {"latency": exponential(mean)} for name, mean in MEANS.items()}
    chain["a"]["dependencies"], chain["b"]["dependencies"] = ["b"], ["d"]
    return {**queue(poisson(RATE), concurrency="unlimited", dependencies=["a"]), "dependencies": chain}


def read_in_a_row(run: Run) -> Values:
    found = {f"busy {name}": run.metric("busy_mean", f"dependencies.{name}") for name in MEANS}
    return {"stay": run.metric("latency_mean"), "variance": run.metric("latency_sd") ** 2, **found}


def little() -> Values:
    """Stays add up, and so do their variances; who waits for the rest of the chain is busy as long."""
    left = {name: sum(list(MEANS.values())[place:]) for place, name in enumerate(MEANS)}
    busy = {f"busy {name}": RATE * stay for name, stay in left.items()}
    return {"stay": left["a"], "variance": sum(mean**2 for mean in MEANS.values()), **busy}


ROWS = {"a": (0.9, 20.0), "b": (0.8, 10.0), "d": (0.7, 15.0)}
"""Availability, and time from one failure to the next (s)."""


def failing() -> Tables:
    """Outages of each, independent of the others', that refuse at once; what does not take time fails as it is met."""
    chain: dict[str, Any] = {name: {"latency": 0} for name in ROWS}
    chain["a"]["dependencies"] = ["b", "d"]
    faults = [
        {
            "name": name, "kind": "outage", "target": f"dependencies.{name}",
            "time_to_failure": exponential(up * cycle), "time_to_repair": exponential((1 - up) * cycle),
        }
        for name, (up, cycle) in ROWS.items()
    ]  # fmt: skip
    group = queue(poisson(5), concurrency="unlimited", dependencies=["a"], redelivery={"max_deliveries": 1})
    return {**group, "dependencies": chain, "faults": faults}


def read_failing(run: Run) -> Values:
    calls, refused = ({n: run.metric(m, f"dependencies.{n}") for n in ROWS} for m in ("calls", "rejected"))
    return {"succeed": 1 - run.metric("error_rate"), "reach": (calls["b"] - refused["b"]) / calls["a"]}


CHAINS = [
    form("stays in a row", in_a_row(), little(), read_in_a_row, Effort(20, 18, 0.3), warmup=8),
    form(
        "availabilities in a row", failing(), {"succeed": 0.9 * 0.8 * 0.7, "reach": 0.9 * 0.8}, read_failing,
        Effort(20, 200, 0.3),
    ),
]  # fmt: skip


@pytest.mark.parametrize("study", [*HEDGES, *CHAINS], ids=lambda study: study.name)
def test_calls_agree_with_theory(study: Study) -> None:
    agree(study, study.quick)
