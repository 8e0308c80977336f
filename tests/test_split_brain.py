"""The built-in scenario `split-brain` shows what its description says."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.stats import poisson

from models import System
from simulator import replicate
from simulator.results import Result

RUNS, SEED = 2, 2
SPLIT, HEALED = 35.0, 95.0
SHORT = {"run.duration": 140.0, "faults[0].at": SPLIT}


@cache
def run(acks: str, timeout: float = 120.0) -> Result:
    changes = {"producers.near.acks": acks, "producers.near.delivery_timeout": timeout}
    return replicate(System.load("split-brain").with_(SHORT | changes), runs=RUNS, seed=SEED)


def mean(acks: str, component: str, metric: str) -> float:
    return run(acks).value(component, metric).mean


def waiting(acks: str, producer: str, time: float) -> np.ndarray:
    """Events that are not acknowledged at a time, of every run."""
    found = run(acks).measurements
    return np.array([left.series[producer, "unacknowledged"][np.searchsorted(left.times, time)] for left in found])


def test_all_that_the_cut_off_leader_acknowledges_is_lost() -> None:
    """Its third of the 30 events a second for a minute, within a 99 % interval."""
    low, high = poisson.ppf([0.005, 0.995], RUNS * 30 / 3 * (HEALED - SPLIT))
    assert low <= RUNS * mean("leader", "topics.events", "lost") <= high
    assert mean("leader", "producers.near", "published") == mean("leader", "producers.near", "produced")
    assert mean("leader", "consumers.audit", "lost") == mean("leader", "topics.events", "lost")
    assert mean("leader", "system", "loss_rate") > 0.05


def test_with_all_acknowledgements_nothing_is_lost_and_everything_waits_for_the_network() -> None:
    """Requests that were lost are sent again when they have timed out: 30 s after the network has healed at the latest."""
    assert mean("all", "system", "loss_rate") == 0
    assert mean("all", "topics.events", "lost") == 0
    low, high = poisson.ppf([0.005, 0.995], 30 * (HEALED - SPLIT - 1))
    before = waiting("all", "producers.near", HEALED - 1)
    assert ((low <= before) & (before <= high)).all()
    assert waiting("all", "producers.near", HEALED + 35).max() < 30


def test_what_waits_longer_than_its_delivery_timeout_is_reported_failed() -> None:
    """At least what was produced in the first 20 of the 60 seconds; the leader that was cut off stored some of it."""
    impatient = run("all", 40.0)
    failed, phantom = (impatient.value("producers.near", verdict).mean for verdict in ("failed", "phantom"))
    assert RUNS * (failed + phantom) >= poisson.ppf(0.01, RUNS * 30 * (HEALED - SPLIT - 40.0))
    assert phantom > 0
    assert impatient.value("system", "loss_rate").mean == 0


def test_the_producer_beside_the_majority_waits_for_its_request_timeout_and_loses_nothing() -> None:
    """The election is over after 9.5 s; until a request has timed out after 30 s a third of its events wait."""
    low, high = poisson.ppf([0.005, 0.995], 60 / 3 * 29)
    before = waiting("leader", "producers.far", SPLIT + 29)
    assert ((low <= before) & (before <= high)).all()
    assert waiting("leader", "producers.far", SPLIT + 35).max() < 10
    assert mean("leader", "producers.far", "published") == mean("leader", "producers.far", "produced")
