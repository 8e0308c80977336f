"""Step functions of time, computed exactly from the instants at which they change. Values are right limits:
at an instant all its changes have been applied."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.periods import Periods, merged
from models.record import Steps

CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Level:
    """How many things there are. `ups`: times (s) at which one comes, `downs`: at which one goes, both sorted."""

    ups: np.ndarray
    downs: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """Levels at `times`: the same shape."""
        return self.ups.searchsorted(times, side="right") - self.downs.searchsorted(times, side="right")

    def peak(self, start: float, end: float) -> int:
        """Highest level from `start` to `end`, both included."""
        first, last = self.ups.searchsorted([start, end], side="right")
        levels = np.arange(first + 1, last + 1)
        levels -= self.downs.searchsorted(self.ups[first:last], side="right")
        return max(int(self.at(np.array(start))), int(levels.max(initial=0)))

    def seconds(self, periods: Periods) -> np.ndarray:
        """Seconds of `periods` for which the level is 0, 1, 2, ..."""
        counted = [part for start, end in zip(*periods, strict=True) for part in self._seconds_between(start, end)]
        total = np.zeros(max((low + len(seconds) for low, seconds in counted), default=1))
        for low, seconds in counted:
            total[low : low + len(seconds)] += seconds
        return total

    def above(self, bound: float) -> Periods:
        """When the level is above `bound` (at least 0). There is a down for each up: infinite where it never comes."""
        # Level k is reached from the (i + k)-th up to the (i + 1)-th down, for some i.
        beyond = int(np.floor(bound))
        return merged(self.ups[beyond:], self.downs[: max(len(self.ups) - beyond, 0)])

    def _seconds_between(self, start: float, end: float) -> list[tuple[int, np.ndarray]]:
        """(lowest level, seconds at it and those above it) of stretches of time with few changes each."""
        edges = np.concatenate([self.ups[::CHUNK], self.downs[::CHUNK]])
        edges = np.unique(np.concatenate([[start], edges[(edges > start) & (edges < end)], [end]]))
        return [self._stretch(low, high) for low, high in pairwise(edges)]

    def _stretch(self, start: float, end: float) -> tuple[int, np.ndarray]:
        ups, downs = (
            times[times.searchsorted(start, side="right") : times.searchsorted(end, side="left")]
            for times in (self.ups, self.downs)
        )
        times = np.concatenate([ups, downs])
        order = np.argsort(times, kind="stable")
        levels = np.cumsum(np.concatenate([[self.at(np.array(start))], np.where(order < len(ups), 1, -1)]))
        low = int(levels.min())
        return low, np.bincount(levels - low, np.diff(times[order], prepend=start, append=end))


def mean_level(seconds: np.ndarray) -> float:
    """Average over time, from the seconds at each level."""
    return float((np.arange(len(seconds)) * seconds).sum() / seconds.sum())


def level_quantile(seconds: np.ndarray, q: float) -> int:
    """The smallest level that is not exceeded for a share `q` of the time."""
    reached = np.cumsum(seconds)
    # Sums of many durations differ from the whole by rounding.
    return int(reached.searchsorted(q * reached[-1] * (1 - 1e-12)))


def step_at(steps: Steps, times: np.ndarray) -> np.ndarray:
    """Values of a step function at `times`: the same shape."""
    changes, values = steps
    return np.append(0, values)[changes.searchsorted(times, side="right")]


def step_peak(steps: Steps, start: float, end: float) -> float:
    """Highest value from `start` to `end`, both included."""
    changes = steps[0]
    inside = changes[(changes > start) & (changes <= end)]
    return float(step_at(steps, np.append(start, inside)).max())


def seconds_in(steps: Steps, value: float, start: float, end: float) -> float:
    """Seconds between `start` and `end` in which the step function has `value`."""
    changes, values = steps
    edges = np.clip(np.append(changes, end), start, end)
    return float(np.diff(edges)[values == value].sum())
