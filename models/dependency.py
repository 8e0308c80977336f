"""A service that handlers call, with a finite capacity."""

from __future__ import annotations

from typing import Annotated

from models.by_name import ByName
from models.limits import Limit
from models.retry import Retry
from models.scalars import TABLE, UNLIMITED, Count, Name, Rate, Whole
from simulator.distributions import Dist
from simulator.spec import Spec
from simulator.units import Duration, Fraction


class Dependency(Spec):
    """`[dependencies.NAME]`: at most `concurrency` calls in service and `queue_limit` waiting, the next one refused.

    A call takes `latency` x (1 + `load_factor` x calls in service) seconds of its own work; it fails by itself with
    `error_rate` at its end. Then it calls its own `dependencies` in order and keeps its place in service meanwhile, as a thread
    with a blocking client does; each of them is waited for up to `timeout` seconds and tried again by `retry`, whose budget is
    one for all that it calls (scope "instance": of one life of its process). Where one fails for good, so does the call.
    """

    latency: Dist
    error_rate: Fraction = 0.0
    concurrency: Annotated[Count | None, UNLIMITED] = None
    queue_limit: Annotated[Whole | None, UNLIMITED] = None
    load_factor: Rate = 0.0
    limit: Annotated[Limit | None, TABLE] = None
    dependencies: tuple[Name, ...] = ()
    retry: Annotated[Retry | None, ByName("retry")] = None
    timeout: Annotated[Duration | None, ByName("timeout")] = None
