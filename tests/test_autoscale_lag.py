"""The built-in scenario `autoscale-lag` shows what its description says."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from models import System
from simulator import replicate
from simulator.results import Result

RUNS, SEED = 2, 1
RUSH, OVER, END = 120.0, 360.0, 540.0
SHORT = {"run.duration": END, "faults[0].at": RUSH, "faults[0].for": OVER - RUSH}
GROUP = "consumers.billing"
SOON, LATE = "30s", "5m"


@cache
def run(cooldown: str, **changes: Any) -> Result:
    fields = {f"{GROUP}.{name}": value for name, value in changes.items()}
    system = System.load("autoscale-lag").with_(SHORT | {f"{GROUP}.autoscale.cooldown": cooldown} | fields)
    return replicate(system, runs=RUNS, seed=SEED)


def mean(cooldown: str, metric: str, component: str = GROUP, **changes: Any) -> float:
    return run(cooldown, **changes).value(component, metric).mean


def series(cooldown: str, metric: str, since: float, until: float, **changes: Any) -> np.ndarray:
    """A series of every run between two times, shape (runs, points)."""
    measurements = run(cooldown, **changes).measurements
    inside = (measurements[0].times > since) & (measurements[0].times <= until)
    return np.array([left.series[GROUP, metric][inside] for left in measurements])


def test_too_short_a_cooldown_shrinks_the_group_in_the_middle_of_the_rush() -> None:
    wanted = series(SOON, "instances", RUSH + 30.0, OVER)
    assert (wanted.max(axis=1) == 12).all()
    assert (np.diff(wanted) < 0).sum(axis=1).min() >= 2
    assert (wanted.min(axis=1) < 8).all()
    patient = series(LATE, "instances", RUSH + 30.0, OVER)
    assert (np.diff(patient) >= 0).all()


def test_each_change_costs_a_rebalance_in_which_the_whole_group_stands() -> None:
    assert mean(SOON, "rebalances") > 2 * mean(LATE, "rebalances")
    assert series(SOON, "throughput", RUSH, OVER).min(axis=1).max() == 0
    assert mean(SOON, "served") < mean(LATE, "served") - 0.05


def test_patience_has_less_latency_and_a_higher_price() -> None:
    assert mean(LATE, "latency_mean") < 0.6 * mean(SOON, "latency_mean")
    assert mean(LATE, "cost", "system") > 1.1 * mean(SOON, "cost", "system")


def test_at_first_who_comes_makes_it_worse() -> None:
    """The first new instances are wanted at 15 s and there at 35 s; the rebalance that they begin stops everybody, and while
    it lasts lag rises by all that arrives, 50 a second more than if the two had gone on."""
    during = RUSH + 35.0, RUSH + 50.0
    more = series(LATE, "lag", *during) - series(LATE, "lag", *during, instances=2, autoscale=None)
    assert (more.max(axis=1) > 100).all()


def test_a_server_side_rebalance_makes_the_first_rise_lower_and_does_not_end_the_flapping() -> None:
    assert mean(SOON, "lag_max", rebalance="server") < 0.92 * mean(SOON, "lag_max")
    assert mean(SOON, "rebalances", rebalance="server") > 2 * mean(LATE, "rebalances")
