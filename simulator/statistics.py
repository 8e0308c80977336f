"""What replications say together: intervals for means, counts, shares and unfinished times, and the end of a transient.

Every function is pure. Intervals are two-sided, of level 0.95 unless given; a bound that the data do not fix is nan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

Kind = Literal["value", "count", "rate", "share", "survival"]
Bounds = tuple[float, float]

FEW_EVENTS = 20
FEW_RUNS = 10
MUCH_SKEW = 2.0
BATCH = 5
NAN = math.nan


class Observation(Protocol):
    """One metric of one replication; `simulator.results.Measure` says what the fields mean."""

    @property
    def value(self) -> float: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def exposure(self) -> float: ...
    @property
    def censored(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `n` replications with the bounds of its interval; nan where there is none."""

    mean: float
    ci_low: float
    ci_high: float
    n: int

    @property
    def half_width(self) -> float:
        return (self.ci_high - self.ci_low) / 2


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over its replications: a row of the summary, nan for what it does not have."""

    mean: float
    ci_low: float
    ci_high: float
    std: float
    n: int
    min: float
    median: float
    max: float
    skewed: bool
    censored: bool


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of independent values, shape (n,), and Student's t interval: no bounds for n < 2, no width if all equal."""
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n == 0:
        return Interval(NAN, NAN, NAN, 0)
    if x.min() == x.max():
        bound = float(x[0]) if n > 1 else NAN
        return Interval(float(x[0]), bound, bound, n)
    mean = math.fsum(x) / n
    half = float(special.stdtrit(n - 1, 0.5 + level / 2)) * float(x.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def poisson_interval(events: float, exposure: float = 1.0, level: float = 0.95) -> Bounds:
    """Exact interval of a rate after `events` in `exposure` (Garwood 1936); no events give [0, 3.69 / exposure]."""
    tail = (1 - level) / 2
    low = float(special.gammaincinv(events, tail)) if events > 0 else 0.0
    return low / exposure, float(special.gammaincinv(events + 1, 1 - tail)) / exposure


def wilson(events: float, trials: float, level: float = 0.95) -> Bounds:
    """Score interval of a share after `events` in `trials` (Wilson 1927)."""
    z = float(special.ndtri(0.5 + level / 2))
    share, weight = events / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return (max(0.0, centre - half) if events > 0 else 0.0), (min(1.0, centre + half) if events < trials else 1.0)


def kaplan_meier_median(times: ArrayLike, censored: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Median of times of which the `censored` are lower bounds, and its interval; shapes (n,).

    The median is the first time at which the product-limit estimate (Kaplan, Meier 1958) is at most one half, nan where
    it stays above. The interval inverts the log-log interval of the estimate (Brookmeyer, Crowley 1982).
    """
    t, open_end = np.asarray(times, dtype=float), np.asarray(censored, dtype=bool)
    ends, deaths = np.unique(t[~open_end], return_counts=True)
    at_risk = np.array([(t >= end).sum() for end in ends])
    survival = np.cumprod(1 - deaths / at_risk)
    z = float(special.ndtri(0.5 + level / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(np.cumsum(deaths / (at_risk * (at_risk - deaths))))
        power = np.exp(z * deviation / np.log(survival))
        lower, upper = survival ** (1 / power), survival**power
    half = 0.5 + 1e-12
    return _first(ends, survival <= half), _first(ends, ~(lower > half)), _first(ends, upper <= half)


def _first(times: np.ndarray, holds: np.ndarray) -> float:
    return float(times[holds.argmax()]) if holds.any() else NAN


def mser5(series: ArrayLike) -> int:
    """Index in `series`, shape (n,), before which a transient is to be cut off: MSER-5 (White, Cobb, Spratt 2000).

    Batches of 5 points; the cut minimises the squared standard error of the mean of what is left. The last five batches
    are no candidates: so few values have a small spread by chance. Raises ValueError for fewer than 50 points or for
    missing values.
    """
    x = np.asarray(series, dtype=float)
    if len(x) < 10 * BATCH or not np.isfinite(x).all():
        finite = int(np.isfinite(x).sum())
        raise ValueError(f"MSER-5 needs {10 * BATCH} finite points or more; given {len(x)}, {finite} of them finite")
    shifted = x[: len(x) // BATCH * BATCH] - x[0]  # a constant series then has no rounding errors to be minimised
    batches = shifted.reshape(-1, BATCH).mean(axis=1)
    errors = [float(batches[d:].var()) / (len(batches) - d) for d in range(len(batches) - 5)]
    return int(np.argmin(errors)) * BATCH


def summarise(measures: Sequence[Observation]) -> Summary:
    """One metric over its replications, those without a value left out.

    Student's t, but: counts and rates with fewer than 20 events in all get the exact Poisson interval; shares with
    fewer than 20 events, or non-events, Wilson's; `survival` with an unfinished replication the Kaplan-Meier median in
    place of the mean. The exact intervals take events as independent; where few replications hold most of them,
    `skewed` warns.
    """
    known = [m for m in measures if not math.isnan(m.value) and m.exposure > 0]
    values = np.array([m.value for m in known])
    if not known:
        return Summary(NAN, NAN, NAN, NAN, 0, NAN, NAN, NAN, skewed=True, censored=False)
    mean, low, high = _estimate(known, values)
    return Summary(
        mean, low, high,
        std=float(values.std(ddof=1)) if len(values) > 1 else NAN,
        n=len(values),
        min=float(values.min()), median=float(np.median(values)), max=float(values.max()),
        skewed=len(values) < FEW_RUNS or abs(_skewness(values)) > MUCH_SKEW,
        censored=any(m.censored for m in known),
    )  # fmt: skip


def _estimate(known: Sequence[Observation], values: np.ndarray) -> tuple[float, float, float]:
    """Mean (or median) and bounds of the values of one metric, by the rules of its kind."""
    kind = known[0].kind
    censored = [m.censored for m in known]
    if kind == "survival" and any(censored):
        return kaplan_meier_median(values, censored)
    interval = mean_interval(values)
    bounds = interval.ci_low, interval.ci_high
    if kind == "count":
        events, exposure = round(math.fsum(values)), float(len(known))
    else:
        events, exposure = round(math.fsum(m.value * m.exposure for m in known)), math.fsum(m.exposure for m in known)
    if kind in ("count", "rate") and events < FEW_EVENTS:
        bounds = poisson_interval(events, exposure)
    if kind == "share" and min(events, exposure - events) < FEW_EVENTS:
        bounds = wilson(events, exposure)
    return interval.mean, *bounds


def _skewness(values: np.ndarray) -> float:
    """Third standardised moment, 0 for constant values."""
    if values.min() == values.max():
        return 0.0
    deviations = values - values.mean()
    return float((deviations**3).mean() / (deviations**2).mean() ** 1.5)
