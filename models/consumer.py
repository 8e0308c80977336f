"""A group of instances that handles the events of its topics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.autoscale import Autoscale
from models.breaker import Breaker
from models.by_name import ByName
from models.dead_letters import DeadLetter
from models.idempotency import Idempotency
from models.later import later
from models.limits import Bulkhead, Prefetch, RateLimit, Throttle
from models.producer import Outbox
from models.retry import Redelivery, Retry
from models.scalars import TABLE, UNLIMITED, Count, Flag, Members, Name, Whole
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
    is unlimited. `late_delete = None`: "works", but in a FIFO queue. `hedge_after`: a dependency that has not answered by then
    is called a second time, and the first success counts.

    `shed_above`: load shedding by the length of the line. A worker that takes an event while more than so many others wait for
    its instance drops it: settled unhandled and *discarded*, even where there is a dead-letter topic, because it is shed to be
    rid of the work. For an instance wait: in a log the records of its partitions that can be read, polled or not; in a queue
    what is ready, and what was pushed to it and not begun; in a lease what is visible, and what it has received and not begun.
    So the oldest go first and those that are handled are fresh.
    """

    topic: Name | tuple[Name, ...]
    instances: Members = 1
    concurrency: Count | Literal["unlimited"] = 1
    service: Dist = AT_ONCE
    service_per: Literal["event", "batch"] = "event"
    transient_failure: Fraction = 0.0
    poison: Fraction = 0.0
    permanent: Literal["retry", "dead_letter", "discard"] = "retry"
    dependencies: tuple[Name, ...] = ()
    publishes: tuple[Publish, ...] = ()
    outbox: Annotated[Outbox | None, TABLE] = None
    useful_for: Duration | None = None
    timeout: Annotated[Duration | None, ByName("timeout")] = None
    hedge_after: Duration | None = None

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
    autoscale: Annotated[Autoscale | None, TABLE] = None
    memory: Annotated[Size | None, UNLIMITED] = None
    throttle: Annotated[Throttle | None, ByName("throttle")] = None
    shed_above: Whole | None = None

    retry: Annotated[Retry | None, ByName("retry")] = None
    redelivery: Annotated[Redelivery | None, ByName("redelivery", optional=False)] = None
    dead_letter: Annotated[DeadLetter | None, TABLE] = None
    breaker: Annotated[Breaker | None, ByName("breaker")] = None
    idempotency: Annotated[Idempotency | None, TABLE] = None
    bulkhead: Annotated[Bulkhead | None, ByName("bulkhead")] = None
    rate_limit: Annotated[RateLimit | None, ByName("rate_limit")] = None

    @property
    def limits_tries(self) -> bool:
        """Whether a try may be refused, or have to wait, for what its instance tries besides."""
        return not (self.rate_limit is None and self.bulkhead is None and self.throttle is None)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it subscribes to, in order."""
        return (self.topic,) if isinstance(self.topic, str) else self.topic

    @property
    def first_instances(self) -> int:
        """How many instances there are at time 0."""
        return self.instances if self.autoscale is None else self.autoscale.first(self.instances)

    @property
    def most_instances(self) -> int:
        """How many instances there may ever be: the places that faults and links can name."""
        return self.instances if self.autoscale is None else self.autoscale.most(self.instances)
