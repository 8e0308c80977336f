"""A service that handlers call, with a finite capacity."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.by_name import ByName
from models.later import later
from models.limits import Limit
from models.retry import Retry
from models.scalars import TABLE, UNLIMITED, Count, Name, Rate, Whole
from simulator.distributions import Dist
from simulator.spec import Spec
from simulator.units import Duration, Fraction


class Dependency(Spec):
    """`[dependencies.NAME]`: at most `concurrency` calls in service and `queue_limit` waiting, the next one refused.

    A call takes `latency` x (1 + `load_factor` x calls in service) seconds.
    """

    latency: Dist
    error_rate: Fraction = 0.0
    concurrency: Annotated[Count | None, UNLIMITED] = None
    queue_limit: Annotated[Whole | None, UNLIMITED] = None
    load_factor: Rate = 0.0
    limit: Annotated[Limit | None, TABLE] = None
    dependencies: tuple[Name, ...] = Field((), json_schema_extra=later())
    retry: Annotated[Retry | None, ByName("retry")] = Field(None, json_schema_extra=later())
    timeout: Annotated[Duration | None, ByName("timeout")] = Field(None, json_schema_extra=later())
