"""The distributions of the format, seen from data: estimates by maximum likelihood, densities and survival functions.

Times x are in seconds. The parameters theta of a law are those that the format asks for, first axis first: k numbers, or
an array of shape (k, samples, 1) for x of shape (samples, n). Formulas: Johnson, Kotz, Balakrishnan (1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from scipy import special

from experiments.lab.fit.phases import two_phases
from simulator.distributions import Dist, Distribution

Values = npt.NDArray[np.float64]
Theta = Sequence[float] | Values

_DIST: TypeAdapter[Distribution] = TypeAdapter(Dist)
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_ROUNDING = 1e-9


class Law:
    """A family of distributions. `needs_above_zero`: a value of 0 has no likelihood under it, or an unbounded one."""

    dist: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]
    needs_above_zero: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    """Whether the likelihood is smooth at its maximum, as inverting the information and censored times need it."""

    def estimate(self, x: Values) -> Values:
        """The likeliest theta for each row of x: shape (k, samples, 1)."""
        raise NotImplementedError

    def log_density(self, x: Values, theta: Theta) -> Values:
        raise NotImplementedError

    def log_survival(self, x: Values, theta: Theta) -> Values:
        """Log P(time > x)."""
        raise NotImplementedError

    def mean(self, theta: Theta) -> float:
        return float(theta[0])

    def fields(self, theta: Theta) -> dict[str, Any]:
        """The table of the format, durations in seconds."""
        return {"dist": self.dist, **dict(zip(self.parameters, map(float, theta), strict=True))}

    def spec(self, theta: Theta) -> Distribution:
        """The distribution of the format; pydantic's ValidationError where the format has none with such parameters."""
        return _DIST.validate_python(self.fields(theta))

    def free(self, theta: Theta) -> Values:
        """Coordinates that may be any real number."""
        logs: Values = np.log(np.asarray(theta, dtype=float))
        return logs

    def bound(self, coordinates: Values) -> Values:
        """The inverse of `free`."""
        return np.exp(coordinates)


class Exponential(Law):
    dist = "exponential"
    parameters = ("mean",)
    needs_above_zero = False

    def estimate(self, x: Values) -> Values:
        return np.stack([x.mean(axis=-1, keepdims=True)])

    def log_density(self, x: Values, theta: Theta) -> Values:
        return np.asarray(self.log_survival(x, theta) - np.log(theta[0]))

    def log_survival(self, x: Values, theta: Theta) -> Values:
        return np.asarray(-x / theta[0])


class Lognormal(Law):
    dist = "lognormal"
    parameters = ("mean", "cv")

    def estimate(self, x: Values) -> Values:
        logs = np.log(x)
        centre, square = logs.mean(axis=-1, keepdims=True), logs.var(axis=-1, keepdims=True)
        return np.stack([np.exp(centre + square / 2), np.sqrt(np.expm1(square))])

    def log_density(self, x: Values, theta: Theta) -> Values:
        sigma, z = self._standard(x, theta)
        return np.asarray(-np.log(x) - np.log(sigma) - _HALF_LOG_2PI - z * z / 2)

    def log_survival(self, x: Values, theta: Theta) -> Values:
        return np.asarray(special.log_ndtr(-self._standard(x, theta)[1]))

    def _standard(self, x: Values, theta: Theta) -> tuple[Any, Values]:
        square = np.log1p(np.square(theta[1]))
        return np.sqrt(square), (np.log(x) - np.log(theta[0]) + square / 2) / np.sqrt(square)


class Gamma(Law):
    dist = "gamma"
    parameters = ("mean", "cv")

    def estimate(self, x: Values) -> Values:
        """Newton's steps in 1 / shape (Minka 2002, "Estimating a Gamma distribution")."""
        mean = x.mean(axis=-1, keepdims=True)
        gap = np.maximum(np.log(mean) - np.log(x).mean(axis=-1, keepdims=True), 1e-12)
        shape = (3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
        for _ in range(8):
            wrong = np.log(shape) - special.digamma(shape) - gap
            slope = shape * shape * (1 / shape - special.polygamma(1, shape))
            shape = 1 / (1 / shape + wrong / slope)
        return np.stack([mean, 1 / np.sqrt(shape)])

    def log_density(self, x: Values, theta: Theta) -> Values:
        shape, scale = self._natural(theta)
        return np.asarray((shape - 1) * np.log(x) - x / scale - special.gammaln(shape) - shape * np.log(scale))

    def log_survival(self, x: Values, theta: Theta) -> Values:
        shape, scale = self._natural(theta)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(special.gammaincc(shape, x / scale)))

    def _natural(self, theta: Theta) -> tuple[Any, Any]:
        square = np.square(theta[1])
        return 1 / square, theta[0] * square


class Weibull(Law):
    dist = "weibull"
    parameters = ("mean", "shape")

    def estimate(self, x: Values) -> Values:
        """Newton's steps to the root of the likelihood equation of the shape, each at most a factor of 2."""
        largest = x.max(axis=-1, keepdims=True)
        logs = np.log(x / largest)
        centre = logs.mean(axis=-1, keepdims=True)
        shape = np.pi / np.sqrt(6) / logs.std(axis=-1, keepdims=True)
        for _ in range(25):
            weights = np.exp(shape * logs)
            weights /= weights.sum(axis=-1, keepdims=True)
            first = (weights * logs).sum(axis=-1, keepdims=True)
            spread = (weights * (logs - first) ** 2).sum(axis=-1, keepdims=True)
            step = (first - centre - 1 / shape) / (spread + 1 / shape**2)
            shape = np.clip(shape - step, shape / 2, shape * 2)
        scale = largest * np.exp(shape * logs).mean(axis=-1, keepdims=True) ** (1 / shape)
        return np.stack([scale * special.gamma(1 + 1 / shape), shape])

    def log_density(self, x: Values, theta: Theta) -> Values:
        logs = self._logs(x, theta)
        shape = np.asarray(theta[1])
        return np.asarray(np.log(shape) - np.log(x) + shape * logs - np.exp(shape * logs))

    def log_survival(self, x: Values, theta: Theta) -> Values:
        return np.asarray(-np.exp(theta[1] * self._logs(x, theta)))

    def _logs(self, x: Values, theta: Theta) -> Values:
        return np.asarray(np.log(x) - np.log(theta[0]) + special.gammaln(1 + 1 / np.asarray(theta[1])))


class Pareto(Law):
    dist = "pareto"
    parameters = ("mean", "alpha")
    smooth = False

    def estimate(self, x: Values) -> Values:
        least = x.min(axis=-1, keepdims=True)
        alpha = 1 / np.log(x / least).mean(axis=-1, keepdims=True)
        return np.stack([least * alpha / (alpha - 1), alpha])  # a mean below 0 where the law has none

    def log_density(self, x: Values, theta: Theta) -> Values:
        return np.asarray(np.log(np.asarray(theta[1])) - np.log(x) + self.log_survival(x, theta))

    def log_survival(self, x: Values, theta: Theta) -> Values:
        least = theta[0] * (np.asarray(theta[1]) - 1) / theta[1]
        return np.where(x < least * (1 - _ROUNDING), -np.inf, -theta[1] * np.log(np.maximum(x / least, 1)))


class Uniform(Law):
    dist = "uniform"
    parameters = ("low", "high")
    needs_above_zero = False
    smooth = False

    def estimate(self, x: Values) -> Values:
        return np.stack([x.min(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)])

    def log_density(self, x: Values, theta: Theta) -> Values:
        inside = (x >= theta[0]) & (x <= theta[1])
        return np.where(inside, -np.log(np.asarray(theta[1]) - theta[0]), -np.inf)

    def log_survival(self, x: Values, theta: Theta) -> Values:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.clip((theta[1] - x) / (np.asarray(theta[1]) - theta[0]), 0, 1)))

    def mean(self, theta: Theta) -> float:
        return float(theta[0] + theta[1]) / 2


class Hyperexponential(Law):
    """Two phases, the shorter first."""

    dist = "hyperexponential"
    parameters = ("means[0]", "means[1]", "weights[0]")

    def estimate(self, x: Values) -> Values:
        return two_phases(x)

    def log_density(self, x: Values, theta: Theta) -> Values:
        return self._mixed(x, theta, np.log(np.asarray(theta[0])), np.log(np.asarray(theta[1])))

    def log_survival(self, x: Values, theta: Theta) -> Values:
        return self._mixed(x, theta, 0.0, 0.0)

    def _mixed(self, x: Values, theta: Theta, first: Any, second: Any) -> Values:
        share = np.asarray(theta[2])
        return np.asarray(np.logaddexp(np.log(share) - first - x / theta[0], np.log1p(-share) - second - x / theta[1]))

    def mean(self, theta: Theta) -> float:
        return float(theta[2] * theta[0] + (1 - theta[2]) * theta[1])

    def fields(self, theta: Theta) -> dict[str, Any]:
        short, long, share = map(float, theta)
        return {"dist": self.dist, "means": [short, long], "weights": [share, 1 - share]}

    def free(self, theta: Theta) -> Values:
        return np.array([np.log(theta[0]), np.log(theta[1]), special.logit(theta[2])])

    def bound(self, coordinates: Values) -> Values:
        short, long, share = coordinates
        return np.array([np.exp(short), np.exp(long), special.expit(share)])


LAWS = (Exponential(), Lognormal(), Gamma(), Weibull(), Pareto(), Uniform(), Hyperexponential())
