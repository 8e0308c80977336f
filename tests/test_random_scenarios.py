"""Conservation, reproducibility and the policies' promises, over random systems from the whole format."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from claims import Tables, check
from hypothesis import HealthCheck, assume, given, seed, settings
from scenarios import systems

from models.errors import BadScenario

PATIENCE = 10.0
"""Seconds of wall time within which all runs of an example end; they take a tenth of a second."""

SEARCH = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}


class Stuck(AssertionError):
    """The clock of a run stands still, or it goes on for ever."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Ends what takes longer."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise Stuck(f"not over after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def hold(tables: Tables) -> None:
    with within(PATIENCE):
        try:
            check(tables)
        except BadScenario:
            assume(False)


@settings(max_examples=80, derandomize=True, **SEARCH)
@given(systems())
def test_what_must_hold_of_every_system_holds(tables: Tables) -> None:
    hold(tables)


@pytest.mark.long
@pytest.mark.parametrize("number", range(4))
def test_what_must_hold_of_every_system_holds_of_many(number: int) -> None:
    seed(number)(settings(max_examples=1000, **SEARCH)(given(systems())(hold)))()
