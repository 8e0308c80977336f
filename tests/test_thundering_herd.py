"""The built-in scenario `thundering-herd` shows what its description says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from models import System
from simulator import replicate
from simulator.results import Result

RUNS, SEED, USUAL = 3, 1, 20
FAILS, BACK = 20.0, 28.0
GROUP, DIRECTORY = "consumers.sessions", "dependencies.directory"


@cache
def run(jitter: str) -> Result:
    return replicate(System.load("thundering-herd").with_({f"{GROUP}.retry.jitter": jitter}), runs=RUNS, seed=SEED)


def attempts(jitter: str, since: float, until: float) -> np.ndarray:
    """How many attempts began in each tenth of a second between two times, shape (runs, points): each is a call."""
    measurements = run(jitter).measurements
    times = measurements[0].times.round(6)
    inside = (times > since) & (times <= until)
    return np.array([left.series[GROUP, "attempts"][inside] * 0.1 for left in measurements])


def test_without_jitter_all_that_failed_together_come_again_together() -> None:
    """400 logins wait when it fails: 200 a second for 2 s. They are back 1, 3, 7 and 15 s later, with the usual ones."""
    for after in (1.0, 3.0, 7.0, 15.0):
        herd = attempts("none", FAILS + after - 0.1, FAILS + after + 0.1).max(axis=1)
        assert (herd > 300 + USUAL).all()
        assert herd.mean() == pytest.approx(400 + 2 * USUAL, abs=60)


def test_long_after_the_outage_the_herd_comes_twice_more() -> None:
    quiet = attempts("none", 40.0, 50.0)
    for time in (35.0, 51.0):
        assert (attempts("none", time - 0.1, time + 0.1).max(axis=1) > 5 * quiet.max()).all()


def test_jitter_takes_the_peaks_away() -> None:
    """Over the whole run, and where the herd came after the outage."""
    assert attempts("full", FAILS, 60.0).max() < attempts("none", FAILS, 60.0).max(axis=1).min() / 3
    for time in (35.0, 51.0):
        with_it, without = (attempts(jitter, time - 1.0, time + 1.0).max(axis=1) for jitter in ("full", "none"))
        assert (with_it < without / 5).all()


def test_jitter_does_not_make_less_calls_and_recovers_sooner() -> None:
    calls = {jitter: run(jitter).value(DIRECTORY, "calls").mean for jitter in ("none", "full")}
    assert calls["full"] > calls["none"]
    late = {jitter: run(jitter).value(GROUP, "latency_p99").mean for jitter in ("none", "full")}
    assert late["full"] < 0.9 * late["none"]
