"""When faults were active, over all replications: at the same times in every run, or at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.results import Measurement, Result

Span = tuple[float, float]


@dataclass(frozen=True)
class FaultTimes:
    """The windows of one fault.

    `common`: (start, end) in seconds of the windows that are the same in every run, by start.
    `share`: for each point of the time grid the share of runs in which another window of the fault touches the
    interval up to the next point, shape (points,).
    """

    name: str
    common: tuple[Span, ...]
    share: npt.NDArray[np.float64]

    @property
    def random(self) -> bool:
        """Whether some windows differ from run to run."""
        return bool(self.share.any())


def grid(result: Result) -> npt.NDArray[np.float64]:
    """The times (seconds) that the series of every run reach: a run that drains ends when it is empty."""
    return np.asarray(min((run.times for run in result.measurements), key=len), dtype=float)


def fault_times(result: Result) -> list[FaultTimes]:
    """The windows of each fault of `result`, in the order in which faults first appear; times clipped to the grid."""
    runs, times = result.measurements, grid(result)
    names = list(dict.fromkeys(window.name for run in runs for window in run.windows))
    return [_times_of(name, runs, times) for name in names]


def _times_of(name: str, runs: Sequence[Measurement], times: npt.NDArray[np.float64]) -> FaultTimes:
    per_run = [_spans(run, name, float(times[-1])) for run in runs]
    common = set.intersection(*per_run)
    step = times[1] - times[0]
    share = np.zeros(len(times))
    for spans in per_run:
        active = np.zeros(len(times), dtype=bool)
        for start, end in spans - common:
            active |= (times + step > start) & (times < end)
        share += active
    return FaultTimes(name, tuple(sorted(common)), share / len(runs))


def _spans(run: Measurement, name: str, last: float) -> set[Span]:
    found = ((round(window.start, 6), round(min(window.end, last), 6)) for window in run.windows if window.name == name)
    return {(start, end) for start, end in found if end > start}
