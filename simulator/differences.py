"""What paired replications say of the difference between two models: its interval, how sure it is, and how small.

Every function is pure. Pairs come from common random numbers, so that what both models share cancels. A bound that the
data do not fix is nan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from simulator.statistics import NAN, Bounds, mean_interval

ROUNDING = 1e-12
"""Values that differ by no more than this share of their size are equal: sums in another order."""

LEVEL, NARROWER = 0.95, 0.90
"""Of the interval that is shown, and of the one that has to lie within the margin for two models to be the same."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The second value less the first, over `n` pairs.

    `ci_low`, `ci_high`: its 95 % interval; `inner`: its 90 % interval. `p_value`: two-sided, of no difference.
    `narrowing`: how many times wider the 95 % interval would be had the same values not been paired (Welch 1947).
    """

    difference: float
    ci_low: float
    ci_high: float
    n: int
    p_value: float
    inner: Bounds
    narrowing: float

    @property
    def identical(self) -> bool:
        """Whether two pairs or more have no difference at all."""
        return self.difference == self.ci_low == self.ci_high == 0.0


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """Mean of the differences of the pairs, shapes (n,), with Student's t interval and test; nan where n < 2."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    differences = np.where(abs(b - a) <= ROUNDING * np.maximum(abs(a), abs(b)), 0.0, b - a)
    shown, inner = mean_interval(differences, LEVEL), mean_interval(differences, NARROWER)
    return Paired(
        shown.mean, shown.ci_low, shown.ci_high, shown.n,
        p_value=_t_test(differences), inner=(inner.ci_low, inner.ci_high), narrowing=_narrowing(a, b, shown.half_width),
    )  # fmt: skip


def _t_test(differences: np.ndarray) -> float:
    n = len(differences)
    if n < 2:
        return NAN
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    if differences.min() == differences.max():
        return 2.0 ** (1 - n) if mean else 1.0
    return 2 * float(special.stdtr(n - 1, -abs(mean) / error))


def _narrowing(a: np.ndarray, b: np.ndarray, half_width: float) -> float:
    """Half-width of Welch's interval over that of the pairs: infinite where the pairs leave none, nan where neither has one."""
    if len(a) < 2:
        return NAN
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    variance = float(sum(parts))
    if not variance:
        return NAN
    freedom = variance**2 / (sum(part**2 for part in parts) / (len(a) - 1))
    unpaired = float(special.stdtrit(freedom, 0.5 + LEVEL / 2)) * math.sqrt(variance)
    return unpaired / half_width if half_width else math.inf


def paired_with_bounds(least: ArrayLike, most: ArrayLike) -> Paired:
    """Median of differences of which only bounds are known, shapes (n,), some infinite.

    The median may itself lie between two values: the middle of them, nan where one is infinite. The interval is that of
    order statistics, without assumptions about the distribution, and the p-value that of the sign test; a difference that
    may have either sign counts against both.
    """
    low, high = np.sort(np.asarray(least, dtype=float)), np.sort(np.asarray(most, dtype=float))
    n = len(low)
    with np.errstate(invalid="ignore"):
        point = _finite(float(np.median(low) + np.median(high)) / 2)
    surely = max(int((low > 0).sum()), int((high < 0).sum()))
    p_value = min(1.0, 2 * float(special.bdtrc(surely - 1, n, 0.5))) if surely else 1.0
    return Paired(
        point, *_median_bounds(low, high, LEVEL), n, p_value, inner=_median_bounds(low, high, NARROWER), narrowing=NAN
    )


def _median_bounds(low: np.ndarray, high: np.ndarray, level: float) -> Bounds:
    """Bounds of the median from sorted bounds of the values (Conover 1999, 3.2)."""
    n = len(low)
    left_out = sum(bool(2 * special.bdtr(k, n, 0.5) <= 1 - level) for k in range(n // 2))
    return (_finite(float(low[left_out - 1])), _finite(float(high[n - left_out]))) if left_out else (NAN, NAN)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else NAN


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family, in its order (Holm 1979); one that is nan stays so, and counts as a member."""
    size, adjusted, so_far = len(p_values), [NAN] * len(p_values), 0.0
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, place) in enumerate(known):
        so_far = max(so_far, min(1.0, (size - rank) * p))
        adjusted[place] = so_far
    return adjusted


def equivalent(bounds: Bounds, reference: float, margin: float = 0.05) -> bool:
    """Whether a 90 % interval of a difference lies within `margin` of the reference: two one-sided tests at 5 %."""
    allowed = margin * abs(reference)
    return -allowed <= bounds[0] and bounds[1] <= allowed
