"""The built-in scenario `visibility-timeout` shows what its description says."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Any

import pytest

from models import System
from simulator import replicate
from simulator.distributions import Lognormal
from simulator.results import Result

GROUP = "consumers.invoices"
RUNS, SEED = 4, 1


@cache
def run(*changes: tuple[str, Any]) -> Result:
    system = System.load("visibility-timeout").with_({f"{GROUP}.{name}": value for name, value in changes})
    return replicate(system, runs=RUNS, seed=SEED)


def mean(metric: str, *changes: tuple[str, Any]) -> float:
    return run(*changes).value(GROUP, metric).mean


def test_messages_whose_service_outlasts_the_lease_are_received_again() -> None:
    """As many as P(S > V), within a 99 % interval."""
    system = System.load("visibility-timeout").with_({"faults": [], "run.drain": True})
    group = system.consumers["invoices"]
    assert isinstance(group.service, Lognormal)
    assert group.visibility_timeout is not None
    sigma = group.service.sigma
    typical = math.log(group.service.mean) - sigma**2 / 2
    expected = 1 - NormalDist(typical, sigma).cdf(math.log(group.visibility_timeout))
    events = replicate(system, runs=RUNS, seed=SEED, trace=True).events
    assert events is not None
    received_again = events.loc[events["group"] == GROUP, "deliveries"] > 1
    width = 2.576 * math.sqrt(expected * (1 - expected) / len(received_again))
    assert expected == pytest.approx(1 / 15, rel=0.05)
    assert abs(received_again.mean() - expected) <= width


def test_duplicates_fall_as_the_lease_is_raised() -> None:
    rates = [mean("duplicate_rate", ("visibility_timeout", seconds)) for seconds in (5.0, 10.0, 20.0, 60.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[1] > 0.05
    assert rates[-1] < 0.01


def test_extending_the_lease_ends_duplicates() -> None:
    assert mean("duplicate_rate", ("extend_lease", True)) < 0.01


def test_what_was_done_is_dead_lettered_all_the_same() -> None:
    assert mean("dead_letter_moves") > 0
    assert mean("dead_lettered") < mean("dead_letter_moves")
    assert mean("dead_letter_moves", ("visibility_timeout", 60.0)) == 0


def test_a_longer_lease_makes_what_a_crash_leaves_wait_longer() -> None:
    assert 2 * mean("lag_seconds_max") < mean("lag_seconds_max", ("visibility_timeout", 240.0))
