"""Arrivals: when a producer's events come into being. These are the specifications; `arrival_times` tells the times."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from models.scalars import LARGEST
from simulator.columns import read_column
from simulator.distributions import Dist
from simulator.spec import Spec
from simulator.units import Duration, Fraction, PositiveDuration, parse_duration

Rate = Annotated[float, Field(strict=True, ge=0)]
PositiveRate = Annotated[float, Field(strict=True, gt=0)]


class ArrivalSpec(Spec):
    """What every arrival process has: arrivals in [start, stop] (seconds), at most `limit` of them, `size` events each.

    Rates are in arrivals per second, and `limit` counts arrivals. The shape of a rate (`profile`, `sine`) is a function
    of simulated time, so that `start` cuts it and does not shift it.
    """

    has_constant_law: ClassVar[bool] = True

    start: Duration = 0.0
    stop: Duration | None = None
    limit: int | None = Field(default=None, strict=True, ge=1, le=LARGEST)
    size: int = Field(default=1, strict=True, ge=1, le=LARGEST)

    @model_validator(mode="after")
    def _stops_after_its_start(self) -> Self:
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"stop ({self.stop:g} s) must be later than start ({self.start:g} s)")
        return self

    @property
    def stationary(self) -> bool:
        """Whether the law of the arrivals is the same at all times of a run."""
        return self.has_constant_law and self.start == 0 and self.stop is None and self.limit is None

    @property
    def mean_rate(self) -> float | None:
        """Events per second in the long run while it produces, size included; None where only a run can tell."""
        return None


class PoissonArrivals(ArrivalSpec):
    """Independent arrivals at a constant mean rate."""

    process: Literal["poisson"] = "poisson"
    rate: PositiveRate

    @property
    def mean_rate(self) -> float:
        return self.rate * self.size


class ConstantArrivals(ArrivalSpec):
    """An arrival every 1 / rate seconds, the first one such period after `start`."""

    process: Literal["constant"] = "constant"
    rate: PositiveRate

    @property
    def mean_rate(self) -> float:
        return self.rate * self.size


class RenewalArrivals(ArrivalSpec):
    """Independent gaps of the law `interarrival`, the first of them from `start` on."""

    process: Literal["renewal"] = "renewal"
    interarrival: Dist

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if not self.interarrival.mean > 0:
            raise ValueError("interarrival must have a mean above 0 s")
        return self

    @property
    def mean_rate(self) -> float:
        return self.size / self.interarrival.mean


class BurstArrivals(ArrivalSpec):
    """Poisson arrivals whose rate alternates between two values, each kept for a random stay (an MMPP if exponential).

    It starts in its stationary law: a state with the probability of its mean stay, and there with a residual stay.
    """

    process: Literal["bursts"] = "bursts"
    rates: tuple[Rate, Rate]
    stays: tuple[Dist, Dist]

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if not any(self.rates):
            raise ValueError("rates must not both be 0")
        if not all(stay.mean > 0 for stay in self.stays):
            raise ValueError("stays must have means above 0 s")
        return self

    @property
    def mean_rate(self) -> float:
        (low, high), (first, second) = self.rates, [stay.mean for stay in self.stays]
        return self.size * (low * first + high * second) / (first + second)


class ProfileArrivals(ArrivalSpec):
    """Poisson arrivals whose rate goes in straight lines from point (time, rate) to point, and repeats after `period`.

    From the last point the line goes to the first point of the next period. A step is two points close to each other. A
    last point at `period` itself, beside a first one at 0, closes the period with a step there.
    """

    has_constant_law: ClassVar[bool] = False

    process: Literal["profile"] = "profile"
    points: tuple[tuple[Duration, Rate], ...] = Field(min_length=1)
    period: PositiveDuration

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        times = [time for time, _ in self.points]
        for before, after in pairwise(times):
            if after <= before:
                raise ValueError(f"points must have increasing times: {after:g} s follows {before:g} s")
        if self.period < times[-1]:
            raise ValueError(f"period ({self.period:g} s) must not be before the last point ({times[-1]:g} s)")
        if not any(rate for _, rate in self.points):
            raise ValueError("points must not all have the rate 0")
        return self

    def knots(self) -> np.ndarray:
        """Times (seconds) and rates of one whole period from the first point on, its end included: shape (2, n)."""
        start, rate = self.points[0]
        end = start + self.period
        closed = self.points if self.points[-1][0] == end else (*self.points, (end, rate))
        return np.array(closed, dtype=np.float64).T

    @property
    def mean_rate(self) -> float:
        times, rates = self.knots()
        return self.size * float(np.trapezoid(rates, times)) / self.period


class SineArrivals(ArrivalSpec):
    """Poisson arrivals at the rate base (1 + amplitude sin(2 pi t / period)), t in seconds of simulated time."""

    has_constant_law: ClassVar[bool] = False

    process: Literal["sine"] = "sine"
    base: PositiveRate
    amplitude: Fraction
    period: PositiveDuration

    @property
    def mean_rate(self) -> float:
        return self.base * self.size


class TraceArrivals(ArrivalSpec):
    """Arrivals at the times in a column of a .csv or .parquet file, ascending, counted from `start` in `unit`.

    A relative `file` is sought in the validation context's "base" (default: the working directory) and kept as an
    absolute path, so that a dump is valid anywhere. The times are read once, at validation, and travel with copies and
    pickles.
    """

    has_constant_law: ClassVar[bool] = False

    process: Literal["trace"] = "trace"
    file: str
    column: str
    unit: Literal["ns", "us", "ms", "s", "m", "min", "h", "d", "w"] = "s"
    _times: bytes = PrivateAttr(b"")

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
        times = np.array(read_column(Path(self.file), self.column)) * parse_duration(f"1{self.unit}")
        if times[0] < 0:
            raise ValueError(f"column {self.column!r} must hold times from 0 on; row 1 is {times[0]:g} s")
        backwards = np.flatnonzero(np.diff(times) < 0)
        if backwards.size:
            row = backwards[0] + 2
            raise ValueError(f"column {self.column!r} must be ascending; row {row} is earlier than the row before")
        self._times = times.tobytes()
        return self

    @property
    def times(self) -> np.ndarray:
        """Times of the arrivals in seconds from `start`, ascending: shape (rows,)."""
        return np.frombuffer(self._times)

    @property
    def mean_rate(self) -> float | None:
        times = self.times
        return float(self.size * times.size / times[-1]) if times[-1] > 0 else None


class ClosedArrivals(ArrivalSpec):
    """A fixed number of clients: each thinks, sends an event, and goes on when that event is settled everywhere."""

    process: Literal["closed"] = "closed"
    clients: int = Field(strict=True, ge=1, le=LARGEST)
    think: Dist


OpenArrivals = (
    PoissonArrivals | ConstantArrivals | RenewalArrivals | BurstArrivals | ProfileArrivals | SineArrivals | TraceArrivals
)
Arrivals = Annotated[OpenArrivals | ClosedArrivals, Field(discriminator="process")]
