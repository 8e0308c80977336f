"""Times as they were observed, some of them only in part, and the likelihood of a law given them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize, special

from experiments.lab.fit.laws import Exponential, Law, Pareto, Theta, Uniform, Values

STEP = 1e-3
"""Of the differences in the logarithm of a parameter that stand for the curvature of the likelihood."""

NOTHING = np.empty(0)


@dataclass(frozen=True, eq=False)
class Sample:
    """Times in seconds. `whole`: seen from start to end; `cut`: only known to be longer, as the observation ended;
    `rest`: seen from the start of the observation on, in which they were under way.

    A stationary renewal process makes the density of a `rest` S(x) / mean (Cox 1962), which is how the simulator draws
    the first time to failure.
    """

    whole: Values
    cut: Values = field(default_factory=NOTHING.copy)
    rest: Values = field(default_factory=NOTHING.copy)

    @property
    def complete(self) -> bool:
        return not (self.cut.size or self.rest.size)

    @property
    def ends(self) -> int:
        """How many times were seen to end."""
        return int(self.whole.size + self.rest.size)

    def log_likelihood(self, law: Law, theta: Theta) -> float:
        total = float(law.log_density(self.whole, theta).sum())
        if not self.complete:
            total += float(law.log_survival(np.concatenate([self.cut, self.rest]), theta).sum())
            total -= self.rest.size * math.log(law.mean(theta))
        return total

    def likeliest(self, law: Law) -> tuple[float, ...]:
        """The parameters under which the sample is likeliest. With times seen in part: in closed form for the
        exponential (all time / times that ended), else by Nelder and Mead's search from the fit to the others.
        """
        if isinstance(law, Exponential):
            return (float(self.whole.sum() + self.cut.sum() + self.rest.sum()) / self.ends,)
        start = tuple(law.estimate(self.whole[None]).ravel().tolist())
        if self.complete:
            return start

        def depth(free: Values) -> float:
            return _finite(-self.log_likelihood(law, law.bound(free)))

        bottom = optimize.fmin(depth, law.free(start), xtol=1e-6, ftol=1e-8, maxiter=4000, disp=False)
        return tuple(law.bound(np.asarray(bottom)).tolist())

    def bounds(self, law: Law, theta: Theta, level: float) -> list[tuple[float, float]]:
        """An interval for each parameter, nan where the data do not fix it.

        Exact for exponential, Pareto's alpha and uniform (Johnson, Kotz, Balakrishnan 1994); else from the observed
        information, in logarithms (weights: logits), which is right for many values.
        """
        if isinstance(law, Exponential):
            low, high = _chi_square(2 * self.ends, level)
            return [(2 * self.ends * theta[0] / high, 2 * self.ends * theta[0] / low)]
        if isinstance(law, Pareto):
            return _pareto(self.whole.size, theta, level)
        if isinstance(law, Uniform):
            reach = (theta[1] - theta[0]) * ((1 - level) ** (-1 / (self.whole.size - 1)) - 1)
            return [(max(0.0, theta[0] - reach), theta[0]), (theta[1], theta[1] + reach)]
        return self._by_information(law, theta, level)

    def _by_information(self, law: Law, theta: Theta, level: float) -> list[tuple[float, float]]:
        centre = law.free(theta)
        steps = STEP * np.eye(len(centre))

        def height(*moves: Values) -> float:
            return self.log_likelihood(law, law.bound(centre + sum(moves)))

        information = np.array([
            [-(height(a, b) - height(a, -b) - height(-a, b) + height(-a, -b)) / (4 * STEP**2) for b in steps] for a in steps
        ])  # fmt: skip
        if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 1e-6 * self.ends:
            return [(math.nan, math.nan)] * len(centre)
        deviation = np.sqrt(np.diag(np.linalg.inv(information))) * special.ndtri(0.5 + level / 2)
        return list(zip(law.bound(centre - deviation).tolist(), law.bound(centre + deviation).tolist(), strict=True))


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 1e300


def _chi_square(freedom: int, level: float) -> tuple[float, float]:
    tails = np.array([0.5 - level / 2, 0.5 + level / 2])
    low, high = 2 * special.gammaincinv(freedom / 2, tails)
    return float(low), float(high)


def _pareto(n: int, theta: Theta, level: float) -> list[tuple[float, float]]:
    """Of the mean with the least time as it was found, which is known to 1 / n; infinite where alpha may be 1."""
    mean, alpha = float(theta[0]), float(theta[1])
    low, high = (alpha * bound / (2 * n) for bound in _chi_square(2 * (n - 1), level))
    least = mean * (alpha - 1) / alpha
    longest = least * low / (low - 1) if low > 1 else math.inf
    return [(least * high / (high - 1), longest), (low, high)]
