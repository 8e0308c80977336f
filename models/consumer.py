"""A group of instances that handles the events of its topics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.breaker import Breaker
from models.by_name import ByName
from models.dead_letters import DeadLetter
from models.idempotency import Idempotency
from models.later import later
from models.limits import Autoscale, Bulkhead, Prefetch, RateLimit, Throttle
from models.producer import Outbox
from models.retry import Redelivery, Retry
from models.scalars import TABLE, UNLIMITED, Count, Flag, Name, Whole
from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Duration, Fraction, PositiveDuration, Size

AT_ONCE = Constant(value=0.0)
Commit = Literal["auto", "batch", "record", "before", "transaction"]


class Publish(Spec):
    """An event that a successful attempt publishes: `count` copies, with `probability`."""

    topic: Name
    probability: Fraction = 1.0
    count: Count = 1
    when: Literal["success"] | Name = Field("success", json_schema_extra=later())
    id: Literal["derived", "fresh"] = Field("derived", json_schema_extra=later())


class Consumer(Spec):
    """`[consumers.NAME]`: None stands for the default of the broker's profile, or for "none".

    Shares (`transient_failure`, `poison`) lie in [0, 1]; times are in seconds. In a resolved scenario `prefetch = None`
    is unlimited. `late_delete = None`: "works", but in a FIFO queue.
    """

    topic: Name | tuple[Name, ...]
    instances: Count = 1
    concurrency: Count | Literal["unlimited"] = 1
    service: Dist = AT_ONCE
    service_per: Literal["event", "batch"] = "event"
    transient_failure: Fraction = 0.0
    poison: Fraction = 0.0
    permanent: Literal["retry", "dead_letter", "discard"] = "retry"
    dependencies: tuple[Name, ...] = ()
    publishes: tuple[Publish, ...] = ()
    outbox: Annotated[Outbox | None, TABLE] = None
    useful_for: Duration | None = Field(None, json_schema_extra=later())
    timeout: Annotated[Duration | None, ByName("timeout")] = None
    hedge_after: Duration | None = Field(None, json_schema_extra=later())

    prefetch: Annotated[Count | Prefetch | None, UNLIMITED] = None
    batch: Count | None = None
    visibility_timeout: PositiveDuration | None = None
    extend_lease: Flag = False
    late_delete: Literal["works", "fails"] | None = None
    poll_wait: Duration | None = None
    poll_interval: Duration = 0.0

    commit: Commit | None = None
    commit_interval: Duration = 5.0
    acknowledge: Literal["after", "before"] = "after"
    reset: Literal["earliest", "latest"] = "latest"

    session_timeout: PositiveDuration | None = None
    heartbeat_interval: PositiveDuration | None = None
    max_poll_interval: PositiveDuration | None = None
    rebalance: Literal["eager", "cooperative", "server"] | None = None
    rebalance_time: Dist = Constant(value=1.0)
    static_membership: Flag = False
    single_active: Flag = False
    heartbeat_timeout: PositiveDuration | None = None
    consumer_timeout: PositiveDuration | None = None

    startup: Dist = AT_ONCE
    autoscale: Annotated[Autoscale | None, TABLE] = Field(None, json_schema_extra=later())
    memory: Annotated[Size | None, UNLIMITED] = None
    throttle: Annotated[Throttle | None, ByName("throttle")] = Field(None, json_schema_extra=later())
    shed_above: Whole | None = Field(None, json_schema_extra=later())

    retry: Annotated[Retry | None, ByName("retry")] = None
    redelivery: Annotated[Redelivery | None, ByName("redelivery", optional=False)] = None
    dead_letter: Annotated[DeadLetter | None, TABLE] = None
    breaker: Annotated[Breaker | None, ByName("breaker")] = None
    idempotency: Annotated[Idempotency | None, TABLE] = None
    bulkhead: Annotated[Bulkhead | None, ByName("bulkhead")] = Field(None, json_schema_extra=later())
    rate_limit: Annotated[RateLimit | None, ByName("rate_limit")] = Field(None, json_schema_extra=later())

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it subscribes to, in order."""
        return (self.topic,) if isinstance(self.topic, str) else self.topic
