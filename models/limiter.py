"""A rate limiter at work: a bucket of tokens that says how long a try has to wait for one."""

from __future__ import annotations

from models.limits import RateLimit

INFINITY = float("inf")
NOTHING = 1e-9
"""A wait as short (s) is none, but the rounding of a sum."""


class LimiterState:
    """The bucket of one instance, full at first. It is told the time (s), which must not go back, and waits for nothing.

    A bucket of `burst` tokens that gains `rate` per second is as well described by the instant at which it would be full
    again (GCRA): every token that is taken puts that off by 1 / `rate`, and one is there when no more than `burst` - 1 are
    missing. Who has to wait takes its token at once, ahead of time, and so keeps its place before all that come later
    (Resilience4j, `AtomicRateLimiter.reservePermission`; Guava, `RateLimiter.reserve`).

    Who would have to wait for longer than `max_wait` is refused at once and takes nothing, as by Guava's
    `tryAcquire(timeout)`. (Resilience4j's `acquirePermission` lets it wait for `timeoutDuration` before it is refused.)
    """

    def __init__(self, spec: RateLimit) -> None:
        self.spec = spec
        self.period = 1.0 / spec.rate
        self.full_at = 0.0

    def reserve(self, now: float) -> float:
        """Takes a token. Returns the seconds until it is there, 0 for at once; infinite, and no token, for a refusal."""
        full_at = max(self.full_at, now)
        last = now + (self.spec.burst - 1) * self.period
        wait = full_at - last
        if wait <= NOTHING:
            full_at, wait = min(full_at, last), 0.0
        elif wait > self.spec.max_wait + NOTHING:
            return INFINITY
        self.full_at = full_at + self.period
        return wait
