"""Sets of times as disjoint periods: starts and ends (s), both ascending, each end beyond its start."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Periods = tuple[np.ndarray, np.ndarray]


def merged(starts: np.ndarray, ends: np.ndarray) -> Periods:
    """The times that are in at least one of [start, end); shapes (n,), in any order."""
    lasting = starts < ends
    starts, ends = starts[lasting], ends[lasting]
    if not (starts[1:] >= starts[:-1]).all():
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
    reach = np.maximum.accumulate(ends)
    apart = starts[1:] > reach[:-1]
    return starts[np.append(True, apart)[: len(starts)]], reach[np.append(apart, True)[: len(starts)]]


def merged_spans(spans: Iterable[tuple[float, float]]) -> Periods:
    """The times that are in at least one span."""
    rows = np.array(list(spans), dtype=float).reshape(-1, 2)
    return merged(rows[:, 0], rows[:, 1])


def clipped(periods: Periods, start: float, end: float) -> Periods:
    """What of `periods` lies between `start` and `end`."""
    starts, ends = periods
    if end <= start:
        return starts[:0], ends[:0]
    inside = slice(ends.searchsorted(start, side="right"), starts.searchsorted(end, side="left"))
    return np.maximum(starts[inside], start), np.minimum(ends[inside], end)


def gaps(periods: Periods, start: float, end: float) -> Periods:
    """What of the time between `start` and `end` no period covers."""
    starts, ends = clipped(periods, start, end)
    return merged(np.append(start, ends), np.append(starts, end))


def length(periods: Periods) -> float:
    """Seconds in all."""
    return float((periods[1] - periods[0]).sum())


def elapsed(periods: Periods, times: np.ndarray) -> np.ndarray:
    """Seconds of `periods` that are over at each of `times`: the same shape."""
    starts, ends = periods
    place = starts.searchsorted(times, side="right")
    over = np.append(0.0, np.cumsum(ends - starts))[place]
    return np.asarray(over - np.maximum(np.append(-np.inf, ends)[place] - times, 0.0))


def covers(periods: Periods, times: np.ndarray) -> np.ndarray:
    """Whether each of `times` is in a period: the same shape."""
    starts, ends = periods
    return np.asarray(starts.searchsorted(times, side="right") > ends.searchsorted(times, side="right"))
