"""The built-in scenario `idempotency-window` shows what its description says."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from scipy.stats import poisson

from models import System
from simulator import replicate
from simulator.results import Result

SHORT = {
    "run.duration": 60.0,
    "consumers.payment.dead_letter.redrive_after": 20.0,
    "consumers.shipping.idempotency.ttl": 10.0,
}
GROUP = "consumers.shipping"


@cache
def run(*changes: tuple[str, Any]) -> Result:
    return replicate(System.load("idempotency-window").with_(SHORT | dict(changes)), runs=2, seed=1)


def mean(metric: str, *changes: tuple[str, Any], of: str = GROUP) -> float:
    return run(*changes).value(of, metric).mean


LONGER = ("consumers.shipping.idempotency.ttl", 40.0)
LIMITED = ("consumers.shipping.idempotency.max_keys", 100)


def test_what_comes_back_after_its_mark_is_gone_is_shipped_twice() -> None:
    assert mean("duplicate_effects") == mean("redriven", of="consumers.payment") > 20
    assert mean("suppressed") == 0


def test_marks_that_outlast_the_way_back_suppress_all_of_it() -> None:
    assert mean("duplicate_effects", LONGER) == 0
    assert mean("suppressed", LONGER) == mean("duplicate_effects")


def test_a_limit_of_keys_cuts_the_window_short_again() -> None:
    """Of 100 keys, e^-10 live through the thousand events of 20 s. After the last arrival no more come: of 0.5 dead letters a
    second those of the last 2 s are still known, one in a run; below the upper end of a 99 % interval of two runs."""
    suppressed = mean("suppressed", LONGER, LIMITED)
    assert 2 * suppressed <= poisson.ppf(0.995, 2 * 1.0)
    assert mean("duplicate_effects", LONGER, LIMITED) == mean("duplicate_effects") - suppressed


def test_payment_saves_what_it_had_given_up_once() -> None:
    """One in a hundred fails twice, of which one in a hundred fails twice again."""
    assert mean("saved", of="consumers.payment") == pytest.approx(mean("redriven", of="consumers.payment"), rel=0.1)
