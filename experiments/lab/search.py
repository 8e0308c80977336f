"""The first of several values in a row that meets the objectives: by bisection, and by trying all where that misleads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.lab.trials import Trial, Trials, Value

CHECKS = 3
MOST_TRIED = 33
"""Values of a grid that stands for all where there are more."""


@dataclass(frozen=True)
class Found:
    """`value`: None where nothing meets the objectives. `monotone`: no value beyond one that does was seen to violate them."""

    value: Value | None
    largest: bool
    monotone: bool


def search(trials: Trials, values: Sequence[Value], largest: bool | None = None) -> Found:
    """The smallest or the `largest` of `values`, which rise, that meets the objectives.

    Which of the two is meant is found out where it is not given: the largest, if the low end meets the objectives and the
    high end does not. It is found by bisection, then looked for what contradicts it: beside it, and in the middle of both
    sides. Where there is such a thing, or the two ends fail for different reasons, every value is tried, or a grid of 33
    of them.
    """
    trials.ahead = math.ceil(math.log2(len(values))) + CHECKS
    low, high = trials.at([values[0], values[-1]])
    if largest is None:
        largest = low.met and not high.met
    row = values[::-1] if largest else values
    opposed = bool(low.failing and high.failing) and not low.failing & high.failing
    place = None if opposed else _checked(trials, row)
    tried = _in_row(trials, largest)
    first = next((trial.value for trial in tried if trial.met), None)
    if opposed or first != (None if place is None else row[place]) or not _is_monotone(tried):
        first = _scanned(trials, row, largest)
    return Found(first, largest, _is_monotone(_in_row(trials, largest)))


def _checked(trials: Trials, row: Sequence[Value]) -> int | None:
    """The place that bisection finds, None where neither end meets the objectives; values beside it are tried as well."""
    first, last = trials.at([row[0], row[-1]])
    end = len(row) - 1
    if not first.met and not last.met:
        place, checks = None, {end // 3, 2 * end // 3}
    else:
        place = 0 if first.met else _bisected(trials, row, 0, end)
        checks = {min(place + 1, end), (place + end) // 2, max(place - 1, 0) // 2}
    trials.ahead = 0
    trials.at([row[check] for check in sorted(checks)])
    return place


def _bisected(trials: Trials, row: Sequence[Value], bad: int, good: int) -> int:
    """The place after `bad`, up to `good`, from which on the objectives are met."""
    while good - bad > 1:
        trials.ahead = math.ceil(math.log2(good - bad)) - 1 + CHECKS
        middle = (bad + good) // 2
        if trials.at([row[middle]])[0].met:
            good = middle
        else:
            bad = middle
    return good


def _scanned(trials: Trials, row: Sequence[Value], largest: bool) -> Value | None:
    """The first value of all that meets the objectives; of a grid, made finer before the first one that does."""
    count = min(len(row), MOST_TRIED)
    trials.ahead = 0
    trials.at([row[round(step * (len(row) - 1) / max(count - 1, 1))] for step in range(count)])
    tried = _in_row(trials, largest)
    good = next((number for number, trial in enumerate(tried) if trial.met), None)
    if good is None:
        return None
    place = row.index(tried[good].value)
    return row[_bisected(trials, row, row.index(tried[good - 1].value), place) if good else place]


def _in_row(trials: Trials, largest: bool) -> list[Trial]:
    return trials.done[::-1] if largest else trials.done


def _is_monotone(tried: Sequence[Trial]) -> bool:
    first = next((number for number, trial in enumerate(tried) if trial.met), len(tried))
    return all(trial.verdict != "violated" for trial in tried[first:])
