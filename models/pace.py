"""How much time a round has to take that may go on for ever: with less, the clock would hardly move."""

from __future__ import annotations

from models.outline import Outline
from simulator.distributions import Dist

MOST_STEPS = 1e9
"""Rounds of one after the other that a run may take; at a million a second they last a quarter of an hour."""
FOR_EVER = 1_000_000
"""A number of tries that is as good as no limit where they take no time."""


def shortest_step(scenario: Outline) -> float:
    """The least seconds that a round without end may take in a run."""
    return scenario.run.duration / MOST_STEPS


def at_rest(duration: Dist, scenario: Outline) -> bool:
    """Whether nearly all durations of that law are too short to move the clock."""
    return duration.ppf(0.99) < shortest_step(scenario)
