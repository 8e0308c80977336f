"""Circuit breaker: what stops calling a dependency that fails, as Resilience4j's `CircuitBreakerStateMachine` does."""

import math
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from simulator.spec import Spec
from simulator.units import Duration, Fraction, PositiveDuration

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"

FAILURE_RATE = 0.5
SIZE = {"count": 100, "time": 60}
OPENINGS_LIMIT = 60
"""Number of openings in a row after which the wait grows no further, so that it cannot overflow."""
SHORTEST_TIMEOUT = 0.001
"""Resilience4j counts in milliseconds: a time-out half open below one means none."""
FAILED, SLOW = 1, 2


class Breaker(Spec):
    """Rules of a circuit breaker; defaults of Resilience4j, except that calls are slow only where `slow_call` is given.

    `size` is a number of calls, or the whole seconds of a time window. `failure_rate` (0.5 unless `failures` is given)
    and `slow_call_rate` need `minimum_calls` in the window; `failures`, a number of failures in the window, needs no
    more calls than those. Half open, `failures` counts as `half_open_failures` where that is not given. A
    `half_open_timeout` below 1 ms is none. `on_open = "pause"` implies `automatic`. `counts_rejections`: a call that
    the breaker itself refuses is recorded as a failed one, which matters half open alone; by default it leaves no
    trace.
    """

    window: Literal["count", "time"] = "count"
    size: PositiveDuration | None = Field(None, le=1e6, description="100 calls, or 60 s of a time window")
    failure_rate: Fraction | None = Field(None, gt=0.0, json_schema_extra={"default": FAILURE_RATE})
    failures: int | None = Field(None, ge=1, strict=True)
    slow_call: Duration | None = None
    slow_call_rate: Fraction = Field(1.0, gt=0.0)
    minimum_calls: int = Field(100, ge=1, strict=True)
    open_for: Duration = 60.0
    open_factor: float = Field(1.0, ge=1.0, le=1000.0, strict=True)
    half_open_calls: int = Field(10, ge=1, le=1_000_000, strict=True)
    half_open_failures: int | None = Field(None, ge=1, strict=True)
    half_open_timeout: Duration | None = None
    automatic: bool = Field(False, strict=True)
    scope: Literal["instance", "group"] = "instance"
    on_open: Literal["fail", "pause"] = "fail"
    counts_rejections: bool = Field(False, strict=True)

    @field_validator("size", mode="before")
    @classmethod
    def _calls_or_seconds(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and info.data.get("window") == "count":
            raise ValueError(f'a count window has a number of calls, not "{value}"; did you mean `window = "time"`?')
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.failure_rate is not None and self.failures is not None:
            raise ValueError("`failure_rate` and `failures` are two rules for opening: give one")
        if self.size is not None and (self.size < 1 or self.size != int(self.size)):
            unit = "calls" if self.window == "count" else "seconds"
            raise ValueError(f"`size` is a whole number of {unit}, at least 1, not {self.size:g}")
        if self.window == "count" and self.failures is not None and self.failures > self.places:
            raise ValueError(f"{self.failures} `failures` never fit in a window of {self.places} calls")
        if self.slow_call is None and self.slow_call_rate != 1.0:
            raise ValueError("`slow_call_rate` means something only with `slow_call`")
        if self.half_open_failures is not None and self.half_open_failures > self.half_open_calls:
            raise ValueError(f"`half_open_failures` is at most `half_open_calls`, {self.half_open_calls}")
        return self

    @property
    def places(self) -> int:
        """Calls, or one-second buckets, that the window holds."""
        return int(SIZE[self.window] if self.size is None else self.size)


class CountWindow:
    """Outcomes of the last `size` calls: a ring with running sums."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._ring = bytearray(size)
        self.clear()

    def clear(self) -> None:
        """Forgets every call."""
        self._next = self.calls = self.failed = self.slow = 0

    def add(self, outcome: int, now: float) -> None:
        """Records a call: `outcome` is a sum of FAILED and SLOW."""
        place = self._next
        if self.calls == self.size:
            oldest = self._ring[place]
            self.failed -= oldest & FAILED
            self.slow -= oldest >> 1
        else:
            self.calls += 1
        self._ring[place] = outcome
        self.failed += outcome & FAILED
        self.slow += outcome >> 1
        self._next = place + 1 if place + 1 < self.size else 0


class TimeWindow:
    """Outcomes of the calls in this clock second and the `size` - 1 before it; whole seconds are dropped."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forgets every call."""
        self._second = 0
        self._buckets = [[0, 0, 0] for _ in range(self.size)]
        self.calls = self.failed = self.slow = 0

    def add(self, outcome: int, now: float) -> None:
        """Records a call that ended at `now` seconds: `outcome` is a sum of FAILED and SLOW."""
        self.drop_old(now)
        bucket = self._buckets[self._second % self.size]
        bucket[0] += 1
        bucket[1] += outcome & FAILED
        bucket[2] += outcome >> 1
        self.calls += 1
        self.failed += outcome & FAILED
        self.slow += outcome >> 1

    def drop_old(self, now: float) -> None:
        """Forgets the calls that are too old at `now` seconds."""
        second = int(now)
        if second == self._second:
            return
        for dropped in range(max(self._second, second - self.size) + 1, second + 1):
            bucket = self._buckets[dropped % self.size]
            self.calls -= bucket[0]
            self.failed -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = 0, 0, 0
        self._second = second


class BreakerState:
    """A circuit breaker at work, told the time in seconds, which must not go back. It starts closed and empty.

    A result is judged by the state in which it arrives, whatever the state in which its call was admitted. One that
    arrives while open changes nothing, for the window is thrown away at the next transition. `transitions` lists (time,
    new state). Timers (the wait while `automatic`, the time-out half open) act at their own instant when the breaker is
    next asked or told; a result at the instant of a timer precedes it.
    """

    def __init__(self, spec: Breaker) -> None:
        self.spec = spec
        self.state = CLOSED
        self.open_until = -math.inf
        self.transitions: list[tuple[float, str]] = []
        self.due = math.inf
        """Instant of the next transition by a timer; infinite when none is set. For the owner who waits for it."""
        self._timed = spec.automatic or spec.on_open == "pause"
        self._counts_refusals = spec.counts_rejections and spec.on_open == "fail"
        self._slow_call = math.inf if spec.slow_call is None else spec.slow_call
        self._openings_in_a_row = 0
        self.permissions = 0
        """Calls that may still begin while half open."""
        self._set_thresholds()

    def _set_thresholds(self) -> None:
        spec, size = self.spec, self.spec.places
        counting = spec.window == "count"
        self._window: CountWindow | TimeWindow = CountWindow(size) if counting else TimeWindow(size)
        self._minimum = min(spec.minimum_calls, size) if counting else spec.minimum_calls
        self._probes = CountWindow(spec.half_open_calls)
        self._probes_needed = min(spec.minimum_calls, spec.half_open_calls)
        if spec.failures is None:
            self._rate = FAILURE_RATE if spec.failure_rate is None else spec.failure_rate
            self._failures: float = math.inf
            self._probes_failures: float = spec.half_open_failures or math.inf
        else:
            self._rate = math.inf
            self._failures = spec.failures
            self._probes_failures = min(spec.half_open_failures or spec.failures, self._probes_needed)

    def allows(self, now: float) -> bool:
        """Asks for a permission at `now`; half open, a permission is taken, which only `release` gives back.

        Open becomes half open at the first call strictly after the wait; where that is automatic, when the wait is
        over.
        """
        if self.state is CLOSED:
            return True
        if self.due < now:
            self.advance(math.nextafter(now, -math.inf))
        if self.state is OPEN and now > self.open_until:
            self._half_open(now)
        if self.state is HALF_OPEN and self.permissions:
            self.permissions -= 1
            return True
        if self._counts_refusals:
            self.record(True, now)
        return False

    def record(self, failed: bool, now: float, duration: float = 0.0) -> None:
        """Tells of a call that ended at `now` after `duration` seconds; slow is longer than `slow_call`."""
        if self.due < now:
            self.advance(math.nextafter(now, -math.inf))
        outcome = failed + SLOW * (duration > self._slow_call)
        if self.state is CLOSED:
            window = self._window
            window.add(outcome, now)
            if (window.failed or window.slow) and self._should_open(window):
                self._open(now)
        elif self.state is HALF_OPEN:
            self._judge_probe(outcome, now)

    def _judge_probe(self, outcome: int, now: float) -> None:
        probes = self._probes
        probes.add(outcome, now)
        if probes.failed >= self._probes_failures:
            self._open(now)
        elif probes.calls >= self._probes_needed:
            if self._too_bad(probes):
                self._open(now)
            else:
                self._close(now)

    def _should_open(self, window: CountWindow | TimeWindow) -> bool:
        return window.failed >= self._failures or (window.calls >= self._minimum and self._too_bad(window))

    def _too_bad(self, window: CountWindow | TimeWindow) -> bool:
        return window.failed / window.calls >= self._rate or window.slow / window.calls >= self.spec.slow_call_rate

    def release(self, now: float) -> None:
        """Tells of a call whose outcome is ignored: its permission returns and nothing is recorded.

        As in Resilience4j the state at that time takes it back, but here never beyond `half_open_calls` free
        permissions.
        """
        if self.due < now:
            self.advance(math.nextafter(now, -math.inf))
        if self.state is HALF_OPEN:
            self.permissions = min(self.permissions + 1, self.spec.half_open_calls)

    def advance(self, now: float) -> None:
        """Does what timers were to do until `now`, inclusive, each at its own instant."""
        while self.due <= now:
            if self.state is OPEN:
                self._half_open(self.due)
            else:
                self._open(self.due)

    def _open(self, now: float) -> None:
        grown = self.spec.open_factor ** min(self._openings_in_a_row, OPENINGS_LIMIT)
        self._openings_in_a_row += 1
        self.open_until = now + self.spec.open_for * grown
        self._enter(OPEN, now, self.open_until if self._timed else math.inf)

    def _half_open(self, now: float) -> None:
        self._probes.clear()
        self.permissions = self.spec.half_open_calls
        timeout = self.spec.half_open_timeout or 0.0
        self._enter(HALF_OPEN, now, now + timeout if timeout >= SHORTEST_TIMEOUT else math.inf)

    def _close(self, now: float) -> None:
        self._window.clear()
        self._openings_in_a_row = 0
        self._enter(CLOSED, now, math.inf)

    def _enter(self, state: str, now: float, due: float) -> None:
        self.state = state
        self.due = due
        self.transitions.append((now, state))
