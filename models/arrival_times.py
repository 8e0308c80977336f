"""Times of arrivals: unit-exponential sums through the inverse of the cumulated rate: rates move times, never numbers.

An arrival's *level* is the sum of the unit-mean gaps up to it, which depends on the seed alone. It arrives when the
cumulated rate, the integral of rate times factor from `start` on, reaches its level. A surge changes the factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from models.arrivals import (
    BurstArrivals,
    ConstantArrivals,
    OpenArrivals,
    PoissonArrivals,
    ProfileArrivals,
    RenewalArrivals,
    SineArrivals,
    TraceArrivals,
)
from simulator.distributions import residual
from simulator.streams import Stream, name_key

BLOCK = 4096
KEPLER_STEPS = 6  # reach the last bit for any amplitude


class ArrivalClock:
    """Times of the arrivals of one producer in one replication, in blocks.

    `producer` is the path of the producer ("producers.NAME"). The times depend on seed, replication, specification and
    factors alone, to the last bit, wherever blocks are cut.
    """

    def __init__(self, spec: OpenArrivals, stream: Callable[[str], Stream], producer: str) -> None:
        self._spec = spec
        self._rate = _cumulated_rate(spec, stream, producer)
        self._levels = _Levels(spec, stream, producer)
        self._begins, self._at_level, self._at_base = np.zeros(1), np.zeros(1), np.zeros(1)
        self._factors = np.ones(1)
        self._next = 0
        self._last = np.array([spec.start])

    def next_block(self) -> list[float]:
        """Absolute times (seconds) of the next arrivals, ascending; empty when none comes at this factor, or at all."""
        levels = self._levels.since(self._next)
        if self._spec.limit is not None:
            levels = levels[: max(0, self._spec.limit - self._next)]
        times = self._times(levels)
        if self._spec.stop is not None:
            times = times[times <= self._spec.stop]
        if times.size:
            self._next += times.size
            self._last = np.concatenate((self._last[-1:], times))
        block: list[float] = times.tolist()
        return block

    def set_factor(self, now: float, factor: float, taken: int) -> None:
        """From `now` on the rate is `factor` times the undisturbed one; the next block begins after the first `taken`.

        `taken` reaches back into the last block at most. Arrivals due by `now` keep their times, also if not yet taken.
        """
        self._last = self._last[: self._last.size - (self._next - taken)]
        self._next = taken
        if factor == self._factors[-1]:
            return
        base = self._rate.level(max(now, self._spec.start))
        level = self._at_level[-1] + max(0.0, base - self._at_base[-1]) * self._factors[-1]
        self._begins = np.append(self._begins, now)
        self._at_level, self._at_base = np.append(self._at_level, level), np.append(self._at_base, base)
        self._factors = np.append(self._factors, factor)

    def _times(self, levels: np.ndarray) -> np.ndarray:
        era = self._at_level.searchsorted(levels, side="right") - 1
        era = era[self._factors[era] > 0]
        levels = levels[: era.size]
        if not levels.size:
            return levels
        base = self._at_base[era] + (levels - self._at_level[era]) / self._factors[era]
        times = self._rate.times(base)
        # Rounding must not send an arrival back before its predecessor or before the change that moved it.
        times = np.maximum(times, self._begins[era[: times.size]])
        return np.maximum.accumulate(np.maximum(times, self._last[-1]))


class _Levels:
    """Levels of the arrivals, cumulated in order of k, one block at a time and forwards."""

    def __init__(self, spec: OpenArrivals, stream: Callable[[str], Stream], producer: str) -> None:
        self._spec = spec
        self._stream, self._key = stream(f"{producer}/arrivals"), name_key(producer)
        self._number, self._block = -1, np.zeros(1)

    def since(self, k: int) -> np.ndarray:
        """Levels of the arrivals from the k-th (from 0) to the end of its block."""
        number, offset = divmod(k, BLOCK)
        if isinstance(self._spec, TraceArrivals):
            return self._spec.times[k : k - offset + BLOCK]
        while self._number < number:
            self._number += 1
            gaps = self._gaps(self._number * BLOCK)
            gaps[0] += self._block[-1]
            self._block = np.cumsum(gaps)
        return self._block[offset:]

    def _gaps(self, first: int) -> np.ndarray:
        if isinstance(self._spec, ConstantArrivals):
            return np.ones(BLOCK)
        luck = self._stream.block(self._key, first, BLOCK)
        if isinstance(self._spec, RenewalArrivals):
            return self._spec.interarrival.ppf_array(luck)
        gaps: np.ndarray = -np.log1p(-luck)
        return gaps


class _CumulatedRate(Protocol):
    """Integral of a rate from the start of the arrivals on, and its inverse."""

    def level(self, time: float) -> float:
        """Cumulated rate at `time`, which is not before the start."""

    def times(self, levels: np.ndarray) -> np.ndarray:
        """Times at which it reaches the ascending `levels`, or the first few of them, at least one."""


def _cumulated_rate(spec: OpenArrivals, stream: Callable[[str], Stream], producer: str) -> _CumulatedRate:
    match spec:
        case PoissonArrivals() | ConstantArrivals():
            return _Steady(spec.start, spec.rate)
        case RenewalArrivals() | TraceArrivals():
            return _Steady(spec.start, 1.0)
        case BurstArrivals():
            return _Alternating(spec, stream(f"{producer}/stays"), name_key(producer))
        case ProfileArrivals():
            return _Lines(spec)
        case SineArrivals():
            return _Sine(spec)


class _Steady:
    def __init__(self, start: float, rate: float) -> None:
        self._start, self._rate = start, rate

    def level(self, time: float) -> float:
        return (time - self._start) * self._rate

    def times(self, levels: np.ndarray) -> np.ndarray:
        return self._start + levels / self._rate


class _Lines:
    """A rate that goes in straight lines between knots and repeats."""

    def __init__(self, spec: ProfileArrivals) -> None:
        self._period = spec.period
        self._knots, self._rates = spec.knots()
        lengths = np.diff(self._knots)
        self._slopes = np.diff(self._rates) / lengths
        areas = (self._rates[1:] + self._rates[:-1]) / 2 * lengths
        self._reached = np.concatenate(([0.0], np.cumsum(areas)))
        self._before = 0.0
        self._before = self.level(spec.start)

    def level(self, time: float) -> float:
        periods, phase = divmod(time - self._knots[0], self._period)
        line = min(int(self._knots.searchsorted(self._knots[0] + phase, side="right")), self._slopes.size) - 1
        passed = self._knots[0] + phase - self._knots[line]
        inside = (self._rates[line] + self._slopes[line] / 2 * passed) * passed
        return float(periods * self._reached[-1] + self._reached[line] + inside - self._before)

    def times(self, levels: np.ndarray) -> np.ndarray:
        periods, rest = np.divmod(levels + self._before, self._reached[-1])
        line = np.minimum(self._reached.searchsorted(rest, side="right"), self._slopes.size) - 1
        missing = rest - self._reached[line]
        rate = self._rates[line]
        root = np.sqrt(np.maximum(rate * rate + 2 * self._slopes[line] * missing, 0.0))
        passed = np.divide(2 * missing, rate + root, out=np.zeros_like(missing), where=missing > 0)
        times: np.ndarray = periods * self._period + self._knots[line] + passed
        return times


class _Sine:
    """The inverse is Kepler's equation, M = E - a sin E, with a = amplitude and E = 2 pi t / period + pi / 2."""

    def __init__(self, spec: SineArrivals) -> None:
        self._amplitude = spec.amplitude
        self._pace = 2 * math.pi / spec.period
        self._per_radian = spec.base / self._pace
        self._before = 0.0
        self._before = self.level(spec.start)

    def level(self, time: float) -> float:
        anomaly = self._pace * time
        return self._per_radian * (anomaly + self._amplitude * (1 - math.cos(anomaly))) - self._before

    def times(self, levels: np.ndarray) -> np.ndarray:
        mean_anomaly = (levels + self._before) / self._per_radian + math.pi / 2 - self._amplitude
        turns = np.rint(mean_anomaly / (2 * math.pi)) * (2 * math.pi)
        rest = mean_anomaly - turns
        anomaly = turns + np.copysign(_kepler(np.abs(rest), self._amplitude), rest)
        times: np.ndarray = (anomaly - math.pi / 2) / self._pace
        return times


def _kepler(mean_anomaly: np.ndarray, eccentricity: float) -> np.ndarray:
    """Solve M = E - e sin E for M in [0, pi]: Newton from above, where the curve is convex, so it never overshoots."""
    bound = np.minimum(mean_anomaly + eccentricity, np.cbrt(math.pi**2 * mean_anomaly))
    for _ in range(KEPLER_STEPS):
        excess = bound - eccentricity * np.sin(bound) - mean_anomaly
        slope = 1 - eccentricity * np.cos(bound)
        bound = np.maximum(bound - np.divide(excess, slope, out=np.zeros_like(excess), where=slope > 0), 0.0)
    return bound


class _Alternating:
    """A rate that alternates between two values after random stays, which are drawn as they are needed."""

    def __init__(self, spec: BurstArrivals, stream: Stream, key: int) -> None:
        self._spec, self._stream, self._key = spec, stream, key
        means = [stay.mean for stay in spec.stays]
        self._first = int(stream.uniform(key) >= means[0] / sum(means))
        self._ends, self._reached, self._rates = np.array([spec.start]), np.zeros(1), np.zeros(1)

    def level(self, time: float) -> float:
        while self._ends[-1] <= time:
            self._draw()
        stay = int(self._ends.searchsorted(time, side="right"))
        return float(self._reached[stay - 1] + (time - self._ends[stay - 1]) * self._rates[stay])

    def times(self, levels: np.ndarray) -> np.ndarray:
        while self._reached[-1] <= levels[0]:
            self._draw()
        stay = self._reached.searchsorted(levels, side="right")
        stay = stay[stay < self._ends.size]
        beyond = levels[: stay.size] - self._reached[stay - 1]
        times: np.ndarray = np.minimum(self._ends[stay - 1] + beyond / self._rates[stay], self._ends[stay])
        return times

    def _draw(self) -> None:
        """As many stays again as there are, and at least 64."""
        drawn = self._ends.size - 1
        luck = self._stream.block(self._key, drawn, max(64, drawn))
        lengths, rates = np.empty_like(luck), np.empty_like(luck)
        for parity in (0, 1):
            state = (self._first + drawn + parity) % 2
            lengths[parity::2] = self._spec.stays[state].ppf_array(luck[parity::2])
            rates[parity::2] = self._spec.rates[state]
        if drawn == 0:
            lengths[0] = residual(self._spec.stays[self._first], float(luck[0]))
        self._rates = np.concatenate((self._rates, rates))
        self._ends = np.concatenate((self._ends, _cumulate(self._ends[-1], lengths)))
        self._reached = np.concatenate((self._reached, _cumulate(self._reached[-1], lengths * rates)))


def _cumulate(so_far: float, increments: np.ndarray) -> np.ndarray:
    increments = increments.copy()
    increments[0] += so_far
    return np.cumsum(increments)
