"""Limits on what a consumer or a dependency takes on at once or per second."""

from __future__ import annotations

from typing import Literal

from models.scalars import Count, Factor, Whole
from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration


class RateLimit(Spec):
    """A bucket of `burst` tokens that gains `rate` per second; who finds it empty waits up to `max_wait` seconds."""

    rate: Factor
    burst: Count
    max_wait: Duration


class Limit(Spec):
    """A dependency's throttle: a bucket of `burst` tokens that gains `rate` per second; beyond it a call is refused."""

    rate: Factor
    burst: Count


class Bulkhead(Spec):
    """At most `max_concurrent` attempts at once; the next waits up to `max_wait` seconds for room."""

    max_concurrent: Count
    max_wait: Duration = 0.0


class Prefetch(Spec):
    """Back pressure: a prefetch between `min` and `max` that holds the dependency's latency at `target` seconds."""

    min: Count
    max: Count
    target: PositiveDuration


class Throttle(Spec):
    """Client-side throttling (Google SRE book): requests beyond `k` times those accepted in `window` seconds."""

    k: Factor = 2.0
    window: PositiveDuration = 120.0


class Autoscale(Spec):
    """Number of instances by a measured `metric`, or by a `schedule` of (seconds, instances)."""

    metric: Literal["lag"] | None = None
    target: Factor | None = None
    min: Whole | None = None
    max: Count | None = None
    interval: PositiveDuration | None = None
    cooldown: Duration | None = None
    startup: Dist = Constant(value=0.0)
    schedule: tuple[tuple[Duration, Whole], ...] | None = None
