"""The built-in scenario `retry-storm` shows what its description says."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from models import System
from simulator import replicate
from simulator.results import Result

RUNS, SEED, RATE, END = 2, 1, 12, 210
GROUP, GATEWAY, BANK = "consumers.payment", "dependencies.gateway", "dependencies.bank"
BUDGET = {"ratio": 0.1}
BREAKER = {"window": "time", "size": 10, "minimum_calls": 20, "open_for": "5s"}
CURES: dict[str, dict[str, Any]] = {
    "one layer": {f"{GATEWAY}.retry.max_attempts": 1},
    "the other layer": {f"{GROUP}.retry.max_attempts": 1},
    "a budget of the gateway": {f"{GATEWAY}.retry.budget": BUDGET},
    "a budget of the handler": {f"{GROUP}.retry.budget": BUDGET},
    "a breaker": {f"{GROUP}.breaker": BREAKER},
}


@cache
def run(name: str = "") -> Result:
    changes = {"faults": []} if name == "calm" else CURES.get(name, {})
    return replicate(System.load("retry-storm").with_({"run.duration": END, **changes}), runs=RUNS, seed=SEED)


def goodput(name: str, since: float, until: float) -> np.ndarray:
    """Events a second with an effect in time, between two times (s): one number for each run."""
    measurements = run(name).measurements
    inside = (measurements[0].times > since) & (measurements[0].times <= until)
    return np.array([left.series[GROUP, "goodput"][inside].mean() for left in measurements])


def test_all_is_well_before_the_slowdown_and_without_it() -> None:
    assert goodput("", 20, 60) == pytest.approx(RATE, rel=0.1)
    assert goodput("calm", 60, END) == pytest.approx(RATE, rel=0.1)
    assert run("calm").value(BANK, "rejected").mean == 0


def test_it_stays_down_when_the_slowdown_is_over() -> None:
    """It ends at 1 min 30 s; for the last of two minutes after it every event is still answered too late, or never."""
    assert goodput("", 150, END).max() < 0.05 * RATE
    assert run().value("faults.slow bank", "recovered_share").mean == 0


def test_two_layers_of_three_attempts_ask_for_more_than_the_bank_can_do_and_nearly_all_of_its_work_is_for_nobody() -> None:
    events = run().value("producers.checkout", "produced").mean
    calls, rejected, wasted = (run().value(BANK, metric).mean for metric in ("calls", "rejected", "wasted"))
    assert 7 < calls / events <= 9
    assert wasted > 0.8 * (calls - rejected)
    assert run().value(BANK, "utilization").mean > 0.8


@pytest.mark.parametrize("name", CURES)
def test_a_layer_less_a_budget_or_a_breaker_frees_it(name: str) -> None:
    assert goodput(name, 150, END) == pytest.approx(RATE, rel=0.1)
    assert run(name).value("faults.slow bank", "recovered_share").mean == 1


def test_what_frees_it_asks_for_no_more_than_the_bank_can_do() -> None:
    for name in CURES:
        assert run(name).value(BANK, "calls").mean < 0.3 * run().value(BANK, "calls").mean
