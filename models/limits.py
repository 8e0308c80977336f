"""Limits on what a consumer or a dependency takes on at once or per second."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from models.scalars import Count, Factor
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration


class RateLimit(Spec):
    """A bucket of `burst` tokens that gains `rate` per second; who finds it empty waits up to `max_wait` seconds.

    Of each instance, and full when that starts. Every try takes a token, those of `retry` too. One that would have to wait
    for longer is refused at once, which is a failed try without an attempt. The limiter lies inside the breaker and outside
    the timeout (Resilience4j's order of decorators: Retry, CircuitBreaker, RateLimiter, TimeLimiter, Bulkhead): the breaker
    counts its refusals as failures and its waits as part of the call, as Resilience4j does where `RequestNotPermitted` is
    not ignored; the timeout begins after the wait.
    """

    rate: Factor
    burst: Count
    max_wait: Duration


class Limit(Spec):
    """A dependency's throttle: a bucket of `burst` tokens that gains `rate` per second; beyond it a call is refused."""

    rate: Factor
    burst: Count


class Bulkhead(Spec):
    """At most `max_concurrent` attempts at once of an instance; the next waits up to `max_wait` seconds for room, in line.

    It lies inside the timeout, which runs while a try waits. A try that finds no room in time is refused, which is a failed
    try without an attempt. The room is held until the work is over: an attempt that has timed out while its dependency still
    works keeps it until that call ends, as Resilience4j's bulkhead does around a `CompletionStage` that the time limiter has
    given up.
    """

    max_concurrent: Count
    max_wait: Duration = 0.0


class Prefetch(Spec):
    """Back pressure: a prefetch between `min` and `max` that holds the dependency's latency at `target` seconds.

    Of each instance, by the latencies of its own calls: additive increase, multiplicative decrease (Jacobson; Netflix
    concurrency-limits, `AIMDLimit`), from `min` on. After as many calls as the prefetch that succeeded within `target` it
    grows by one; a call that took longer, timed out or was refused halves it. Calls that had begun before the last halving
    are not looked at, so that one slow moment halves it once; an error in time says nothing. Messages beyond a smaller
    prefetch stay where they are. (AMQP: `basic.qos` of a running channel, or link credit; as there it means nothing with
    `acknowledge = "before"`.)
    """

    min: Count
    max: Count
    target: PositiveDuration

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is above `max` ({self.max})")
        return self


class Throttle(Spec):
    """Client-side throttling (Google SRE book): requests beyond `k` times those accepted in `window` seconds.

    Of each instance. Before a try it is decided by chance whether the instance rejects it by itself, which is a failed try
    without an attempt. A try counts when its outcome is known: as accepted where it succeeded, as not accepted after an error,
    a refusal, a timeout or a transient failure, and not at all where it did not get as far (poison, no token, no room).
    It lies inside the breaker and outside the rate limit.
    """

    k: Factor = 2.0
    window: PositiveDuration = Field(120.0, le=1e6)

    @property
    def seconds(self) -> int:
        """The window in whole seconds."""
        return max(1, math.ceil(self.window))
