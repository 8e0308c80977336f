"""Times of events of which some are not over: quantiles with lower bounds among them, and moments of the finished."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


class Sample:
    """Times (s) that are known and, for what is `pending`, how long it has lasted so far: a lower bound.

    Both in any shape (n,) and order, in parts that are joined.
    """

    def __init__(self, finished: Iterable[np.ndarray], pending: Iterable[np.ndarray]) -> None:
        self.finished = _sorted(finished)
        self.pending = _sorted(pending)

    @property
    def mean(self) -> float:
        """Of the finished; nan if there are none."""
        return float(self.finished.mean()) if len(self.finished) else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation of the finished; nan for fewer than two."""
        return float(self.finished.std(ddof=1)) if len(self.finished) > 1 else math.nan

    def quantiles(self, shares: Iterable[float]) -> list[tuple[float, bool]]:
        """Quantiles of all, by linear interpolation, and whether each lies at a pending time and so is a lower bound.

        A pending time follows the finished ones that are as long. Without any time: nan.
        """
        if not len(self.finished) + len(self.pending):
            return [(math.nan, False) for _ in shares]
        together = self.finished
        if len(self.pending):
            together = np.sort(np.concatenate([self.finished, self.pending]), kind="stable")
        return [self._quantile(together, share) for share in shares]

    def _quantile(self, together: np.ndarray, share: float) -> tuple[float, bool]:
        place = share * (len(together) - 1)
        low, high = math.floor(place), math.ceil(place)
        value = together[low] + (together[high] - together[low]) * (place - low)
        return float(value), self._is_pending(together, low) or self._is_pending(together, high)

    def _is_pending(self, together: np.ndarray, place: int) -> bool:
        shorter = self.pending.searchsorted(together[place], side="left")
        return bool(place >= shorter + self.finished.searchsorted(together[place], side="right"))


def _sorted(parts: Iterable[np.ndarray]) -> np.ndarray:
    joined = np.concatenate([np.empty(0), *parts])
    joined.sort()
    return joined
