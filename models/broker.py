"""The cluster that keeps the topics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.scalars import UNLIMITED, Count, Factor, Flag
from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Duration, Fraction, PositiveDuration, Size

Delivery = Literal["log", "queue", "lease"]
"""Who gets a record and when it is done: an owned partition with offsets, a queue with acknowledgements, or leases."""

ProfileName = Literal[
    "kafka", "kafka-4", "kafka-3", "rabbitmq", "rabbitmq-4", "rabbitmq-3.13", "sqs", "sqs-standard", "sqs-fifo"
]
"""A product's version, or a product for its newest one."""

MOST_NODES = 1000
"""Of one cluster: a failure of each is felt by every partition."""

AT_ONCE = Constant(value=0.0)


class Broker(Spec):
    """`[broker]`: None stands for the default of `profile`.

    `detection_time` runs from a crash to its being noticed, `election_time` from there to a new leader serving.
    Latencies are one way. A node takes `max_publish_rate` events per second and lets the others wait their turn, as Kafka's
    quotas delay and do not refuse.
    """

    profile: ProfileName = "kafka"
    delivery: Delivery | None = None
    nodes: Annotated[Count, Field(le=MOST_NODES)] = 1
    replication_factor: Count = 1
    min_insync_replicas: Count = 1
    detection_time: Dist | None = None
    election_time: Dist | None = None
    replication_lag: Dist = Constant(value=0.002)
    replication_interval: PositiveDuration | None = None
    unclean_election: Flag = False
    flush_interval: Duration | Literal["never"] | None = None
    publish_latency: Dist = AT_ONCE
    acknowledge_latency: Dist = AT_ONCE
    deliver_latency: Dist = AT_ONCE
    disk: Annotated[Size | None, UNLIMITED] = None
    memory: Annotated[Size | None, UNLIMITED] = None
    memory_alarm: Fraction | None = None
    max_publish_rate: Annotated[Factor | None, UNLIMITED] = None
