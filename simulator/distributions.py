"""Distributions of durations, given by what people know of them, and drawn by inverting one uniform number.

Every draw is the quantile of one u in [0, 1), so that a changed parameter keeps the same luck. Times are in seconds.
"""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_serializer, model_validator
from scipy.special import gammaincinv, ndtri

from simulator.columns import read_column
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration, parse_duration

Z99 = float(ndtri(0.99))
P99_LIMIT = math.exp(Z99**2 / 2)
NEWTON_STEPS = 64
NEWTON_TOLERANCE = 1e-11  # relative; the error after a step this small is its square

# Beyond these bounds quantiles leave the range of a float.
Variation = Annotated[float, Field(strict=True, gt=0, le=100, description="standard deviation / mean")]
Shape = Annotated[float, Field(strict=True, ge=0.01)]
Weight = Annotated[float, Field(strict=True, ge=1e-9, le=1e9)]


class Distribution(Spec):
    """A law of durations: its `mean` in seconds, and its quantiles for one number or for an array of them."""

    dist: str

    if TYPE_CHECKING:  # a field where the user gives it, else a property

        @property
        def mean(self) -> float: ...

    def ppf(self, u: float) -> float:
        """The quantile (seconds) of u in [0, 1); always finite."""
        return float(self._quantile(u, math))

    def ppf_array(self, u: np.ndarray) -> np.ndarray:
        """The quantiles (seconds) of all elements of u, in the shape of u."""
        return np.asarray(self._quantile(u, np))

    @abstractmethod
    def _quantile(self, u: Any, lib: Any) -> Any:
        """One formula for both: u is a number and `lib` is math, or u is an array and `lib` is numpy."""


class Constant(Distribution):
    """Always `value`; written as a bare duration."""

    dist: Literal["constant"] = "constant"
    value: Duration

    @model_serializer
    def _bare(self) -> float:
        return self.value

    @property
    def mean(self) -> float:
        return self.value

    def _quantile(self, u: Any, lib: Any) -> Any:
        return self.value + 0 * u


class Uniform(Distribution):
    """Equally likely anywhere between `low` and `high`."""

    dist: Literal["uniform"] = "uniform"
    low: Duration
    high: PositiveDuration

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be below high; they are {self.low:g} s and {self.high:g} s")
        return self

    @property
    def mean(self) -> float:
        return self.low + (self.high - self.low) / 2

    def _quantile(self, u: Any, lib: Any) -> Any:
        return self.low + u * (self.high - self.low)


class Exponential(Distribution):
    """Memoryless: F(t) = 1 - exp(-t / mean)."""

    dist: Literal["exponential"] = "exponential"
    mean: PositiveDuration

    def _quantile(self, u: Any, lib: Any) -> Any:
        return -self.mean * lib.log1p(-u)


class Lognormal(Distribution):
    """The exponential of a normal, by its mean and either `cv` (standard deviation / mean) or its 99th percentile.

    With p99 two laws fit; this is the one with the smaller sigma, z - sqrt(z² - 2 ln(p99 / mean)), z = 2.3263.
    """

    dist: Literal["lognormal"] = "lognormal"
    mean: PositiveDuration
    cv: Variation | None = None
    p99: PositiveDuration | None = None

    @model_validator(mode="after")
    def _spread_is_given_once(self) -> Self:
        if (self.cv is None) == (self.p99 is None):
            raise ValueError("give exactly one of cv and p99")
        if self.p99 is not None and not 1 < self.p99 / self.mean < P99_LIMIT:
            raise ValueError(f"p99 / mean must lie within (1, {P99_LIMIT:.2f}); it is {self.p99 / self.mean:.4g}")
        return self

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        if self.p99 is None:
            return math.sqrt(math.log1p((self.cv or 0) ** 2))
        distance = 2 * math.log(self.p99 / self.mean)
        return distance / (Z99 + math.sqrt(Z99**2 - distance))  # the smaller root, without cancellation

    def _quantile(self, u: Any, lib: Any) -> Any:
        sigma = self.sigma
        return self.mean * lib.exp(sigma * (ndtri(u) - sigma / 2))


class Gamma(Distribution):
    """Gamma with shape 1 / cv² and scale mean · cv²; where 1 / cv² is whole, that many stages (Erlang)."""

    dist: Literal["gamma"] = "gamma"
    mean: PositiveDuration
    cv: Variation

    def _quantile(self, u: Any, lib: Any) -> Any:
        square = self.cv**2
        return self.mean * square * gammaincinv(1 / square, u)


class Weibull(Distribution):
    """F(t) = 1 - exp(-(t / scale)^shape), scale = mean / Γ(1 + 1 / shape); failures cluster where shape < 1."""

    dist: Literal["weibull"] = "weibull"
    mean: PositiveDuration
    shape: Shape

    def _quantile(self, u: Any, lib: Any) -> Any:
        power = 1 / self.shape
        return self.mean / math.gamma(1 + power) * lib.pow(-lib.log1p(-u), power)


class Pareto(Distribution):
    """Classical Pareto on [x_min, ∞): F(t) = 1 - (x_min / t)^alpha, x_min = mean (alpha - 1) / alpha.

    There is a mean only where alpha > 1.
    """

    dist: Literal["pareto"] = "pareto"
    mean: PositiveDuration
    alpha: Annotated[float, Field(strict=True, gt=1)]

    def _quantile(self, u: Any, lib: Any) -> Any:
        return self.mean * ((self.alpha - 1) / self.alpha) * lib.pow(1 - u, -1 / self.alpha)


class Hyperexponential(Distribution):
    """Exponential with mean `means[i]` in a share `weights[i]` of cases; weights are scaled to sum 1.

    The quantile solves -ln S(t) = y = -ln(1 - u). The left side is concave, so Newton's steps from below never
    overshoot; the slope at 0, and each component alone, give a start from below.
    """

    dist: Literal["hyperexponential"] = "hyperexponential"
    means: Annotated[tuple[PositiveDuration, ...], Field(min_length=1)]
    weights: Annotated[tuple[Weight, ...], Field(min_length=1)]

    @field_validator("weights")
    @classmethod
    def _scaled(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        total = math.fsum(weights)
        # Scaled weights are left alone, so that validating them again gives an equal value.
        return weights if abs(total - 1) < 1e-15 else tuple(weight / total for weight in weights)

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.means) != len(self.weights):
            raise ValueError(f"{len(self.means)} means and {len(self.weights)} weights: each mean needs one weight")
        return self

    @property
    def mean(self) -> float:
        return math.fsum(weight * mean for weight, mean in self._parts)

    @cached_property
    def _parts(self) -> tuple[tuple[float, float], ...]:
        return tuple(zip(self.weights, self.means, strict=True))

    def _quantile(self, u: Any, lib: Any) -> Any:
        y = -lib.log1p(-u)
        t = y / sum(weight / mean for weight, mean in self._parts)
        larger = max if lib is math else np.maximum
        for weight, mean in self._parts:
            t = larger(t, mean * (y + math.log(weight)))
        for _ in range(NEWTON_STEPS):
            step = self._newton(y, t, lib)
            t = t + step
            small = step <= NEWTON_TOLERANCE * t
            if small if lib is math else small.all():
                break
        return t

    def _newton(self, y: Any, t: Any, lib: Any) -> Any:
        excess = density = 0.0  # S(t) / (1 - u) - 1, and f(t) / (1 - u)
        for weight, mean in self._parts:
            ratio = lib.expm1(y - t / mean)
            excess = excess + weight * ratio
            density = density + weight / mean * (1 + ratio)
        return lib.log1p(excess) * (1 + excess) / density


class Empirical(Distribution):
    """The values of one column of a CSV or Parquet file, in seconds: the quantile of u is the ceil(u n)-th smallest.

    A relative `file` is sought in the validation context's "base" (default: the working directory) and kept as an
    absolute path, so that a dump is valid anywhere. The values are read at validation and travel with pickles.
    """

    dist: Literal["empirical"] = "empirical"
    file: str
    column: str
    _values: tuple[float, ...] = ()

    @field_validator("file")
    @classmethod
    def _found(cls, file: str, info: ValidationInfo) -> str:
        base = os.path.abspath((info.context or {}).get("base", ""))
        path = os.path.normpath(os.path.join(base, file))
        if not os.path.isfile(path):
            raise ValueError(f"there is no file {file!r} in {base}")
        return path

    @model_validator(mode="after")
    def _read(self) -> Self:
        self._values = tuple(sorted(read_column(Path(self.file), self.column)))
        if self._values[0] < 0 or self._values[-1] == 0:
            raise ValueError(f"column {self.column!r} must hold durations: none negative, and not all 0")
        return self

    @property
    def mean(self) -> float:
        return math.fsum(self._values) / len(self._values)

    @cached_property
    def _steps(self) -> np.ndarray:
        return np.array(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Empirical):
            return False
        return (self.file, self.column, self._values) == (other.file, other.column, other._values)

    def __hash__(self) -> int:
        return hash((self.file, self.column))

    def _quantile(self, u: Any, lib: Any) -> Any:
        rank = lib.ceil(u * len(self._steps))
        return self._steps[np.intp(rank - (rank > 0))]


_Kind = Constant | Uniform | Exponential | Lognormal | Gamma | Weibull | Pareto | Hyperexponential | Empirical
Law = Annotated[_Kind, Field(discriminator="dist")]
"""Any distribution, as a table."""
KINDS = tuple(str(kind.model_fields["dist"].default) for kind in get_args(_Kind))


def _bare_is_constant(value: object) -> object:
    if isinstance(value, Distribution) or (isinstance(value, dict) and "dist" in value):
        return value
    try:
        return Constant(value=parse_duration(value))
    except ValueError as error:
        raise ValueError(f"{error}; or a table with dist, one of {', '.join(KINDS)}") from None


Dist = Annotated[Law, BeforeValidator(_bare_is_constant, json_schema_input_type=Duration | Law)]
"""Any distribution; a bare duration becomes a `Constant`."""


def residual(law: Distribution, luck: float) -> float:
    """Rest of a time that is under way when one looks: the x up to which the integral of P(time > y) is `luck` times the mean.

    The stationary residual life of renewal theory. The law is taken as its quantiles at the middles of 4096 cells that
    narrow towards the upper tail; exponential times have no memory and are drawn exactly.
    """
    if isinstance(law, Exponential | Constant):
        return law.ppf(luck) if isinstance(law, Exponential) else luck * law.value
    edges = 1 - (1 - np.linspace(0, 1, 4097)) ** 4
    values = law.ppf_array((edges[1:] + edges[:-1]) / 2)
    areas = np.cumsum((1 - edges[:-1]) * np.diff(values, prepend=0.0))
    return float(np.interp(luck * areas[-1], np.append(0.0, areas), np.append(0.0, values)))
