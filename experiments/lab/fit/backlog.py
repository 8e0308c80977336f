"""Arrivals and lag of the past -> a trace of arrivals, and how much the group can do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.fit.laws import Values
from experiments.lab.fit.prometheus import Observed
from experiments.lab.fit.reading import BadDataError
from experiments.lab.fit.writing import duration, line
from simulator.statistics import poisson_interval
from simulator.units import format_rate

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
BUSY = 0.95
"""The quantile, over all intervals, of the events finished in one that stands for as many as can be finished in one."""

STILL = 0.1
"""An interval in which less than this part of that is finished is taken as an outage."""

LEAST = 5
"""Intervals under saturation below which only a bound is told."""

RESAMPLES = 999
SHORTEST = 10
MOST_ROWS = 5_000_000


@dataclass(frozen=True, eq=False)
class Lag:
    """What lag and arrivals say. `capacity` (events/s) with its 95 % interval: nan where the group was never saturated;
    then `at_least` is all that is known of it. `workers`: the instances times their concurrency that the group had."""

    observed: Observed
    finished: Values
    """Events finished in the interval that ends at each time, shape (n,), 0 at the first."""
    saturated: np.ndarray
    stalled: np.ndarray
    capacity: float
    ci_low: float
    ci_high: float
    at_least: float
    workers: int
    seed: int

    @property
    def known(self) -> bool:
        """Whether the group was saturated for long enough that its capacity shows."""
        return not math.isnan(self.capacity)

    @property
    def size(self) -> int:
        """Events of one arrival of the trace: 1, or more where it would else have more than five million rows."""
        return max(1, math.ceil(float(self.observed.arrivals.sum()) / MOST_ROWS))

    @cached_property
    def arrival_times(self) -> Values:
        """Times of the arrivals in seconds from the first observation on: each interval has as many as it had, at times
        that are uniform in it, as those of a Poisson process given their number."""
        seconds = self.observed.times - self.observed.times[0]
        totals = np.floor(np.cumsum(self.observed.arrivals) / self.size + 1e-9).astype(int)
        counts = np.diff(totals)
        luck = np.random.default_rng(self.seed).random(int(counts.sum()))
        return np.sort(np.repeat(seconds[:-1], counts) + luck * np.repeat(np.diff(seconds), counts))

    @property
    def line(self) -> str:
        """The lines to paste: the arrivals of a producer and, where the capacity is known, the service of a consumer."""
        return "\n".join(filter(None, (self.arrivals_line, self.service_line)))

    @property
    def arrivals_line(self) -> str:
        size = {"size": self.size} if self.size > 1 else {}
        return line("arrivals", {"process": "trace", "file": "arrivals.parquet", "column": "seconds", **size})

    @property
    def service_line(self) -> str:
        """Mean time of a worker per event, "" where the capacity is not known; lag tells nothing of its law."""
        return line("service", duration(self.workers / self.capacity)) if self.known else ""

    @property
    def finding(self) -> str:
        """One sentence: the capacity with its interval, or the bound."""
        if not self.known:
            return f"never saturated for long: the capacity is at least {format_rate(self.at_least)}"
        low, high = format_rate(self.ci_low).removesuffix(" /s"), format_rate(self.ci_high)
        return f"capacity {format_rate(self.capacity)} ({low} – {high}) from {int(self.saturated.sum())} saturated intervals"

    @property
    def table(self) -> pd.DataFrame:
        """A row per interval: time (its end), seconds, arrivals, finished, lag at its end, saturated, stalled."""
        import pandas as pd

        o = self.observed
        return pd.DataFrame({
            "time": o.times, "seconds": np.diff(o.times, prepend=o.times[:1]), "arrivals": o.arrivals,
            "finished": self.finished, "lag": o.lag, "saturated": self.saturated, "stalled": self.stalled,
        }).iloc[1:].reset_index(drop=True)  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write intervals.csv, the table, and arrivals.parquet, which `line` names."""
        import pandas as pd

        self.table.to_csv(folder / "intervals.csv", index=False, lineterminator="\n")
        pd.DataFrame({"seconds": self.arrival_times}).to_parquet(folder / "arrivals.parquet", index=False)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.finding)}</p><pre>{escape(self.line)}</pre>"


def lag(observed: Observed, workers: int = 1, saturated_above: float | None = None, seed: int = 1) -> Lag:
    """Arrivals to replay, and the capacity of the group that worked on them.

    What an interval finishes is its arrivals less the growth of lag. The group was *saturated* in an interval that began
    with more lag than an interval finishes (`saturated_above`, by default the 95th percentile of all), for then it cannot
    have run dry; intervals in which it stood still, as in an outage, are left out. The capacity is the median of what
    such intervals finish per second, with a moving-block bootstrap (Künsch 1989) of blocks of n^(1/3) intervals. With
    fewer than five the bound is the best Poisson bound over all intervals, the level shared out among them (Bonferroni).

    Saturation is of the group as a whole: where one partition alone has a backlog, or a prefetch without limit hands it
    all to one instance, the figure is what the group did and not what it could do. Raises BadDataError for fewer than 10
    times and for `workers` below 1.
    """
    if len(observed.times) < SHORTEST:
        raise BadDataError(f"found {len(observed.times)} times; at least {SHORTEST} are needed")
    if workers < 1:
        raise BadDataError(f"workers: found {workers}; must be 1 or more")
    seconds = np.diff(observed.times)
    finished = observed.arrivals[1:] - np.diff(observed.lag)
    usual = float(np.quantile(finished / seconds, BUSY))
    enough = usual * seconds if saturated_above is None else np.full(len(seconds), saturated_above)
    stalled = finished / seconds < STILL * usual
    saturated = (observed.lag[:-1] > 0) & (observed.lag[:-1] >= enough) & ~stalled
    capacity = _median_with_interval((finished / seconds)[saturated], np.random.default_rng(seed))
    return Lag(
        observed, np.append(0.0, finished), np.append(False, saturated), np.append(False, stalled),
        *capacity, _at_least(finished, seconds), workers, seed,
    )  # fmt: skip


def _median_with_interval(rates: Values, chance: np.random.Generator) -> tuple[float, float, float]:
    n = len(rates)
    if n < LEAST:
        return math.nan, math.nan, math.nan
    block = math.ceil(n ** (1 / 3))
    begins = chance.integers(0, n - block + 1, (RESAMPLES, math.ceil(n / block)))
    places = (begins[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :n]
    low, high = np.quantile(np.median(rates[places], axis=1), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(np.median(rates)), float(low), float(high)


def _at_least(finished: Values, seconds: Values) -> float:
    level = 1 - (1 - LEVEL) / len(seconds)
    bounds = [poisson_interval(max(0.0, n), s, level)[0] for n, s in zip(finished.tolist(), seconds.tolist(), strict=True)]
    return max(bounds)
