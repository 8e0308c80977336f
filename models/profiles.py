"""What a broker product does where the scenario says nothing.

Values of Kafka 4, RabbitMQ 4 (quorum queue) and SQS (standard queue), as they ship. RabbitMQ's delivery limit of 20
allows 21 deliveries. Seconds, unless a unit is given.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from models.broker import Delivery, ProfileName
from simulator.spec import Spec


class Profile(Spec):
    """Defaults by the kind of component that has the field, as a scenario would write them; what is absent is none."""

    delivery: Delivery
    broker: dict[str, Any] = Field(default_factory=dict)
    topics: dict[str, Any] = Field(default_factory=dict)
    producers: dict[str, Any] = Field(default_factory=dict)
    consumers: dict[str, Any] = Field(default_factory=dict)
    redelivery: dict[str, Any]
    safe: bool


KAFKA = Profile(
    delivery="log",
    broker={
        "detection_time": {"dist": "uniform", "low": 7.0, "high": 9.0},
        "election_time": 0.5,
        "flush_interval": "never",
    },
    topics={"retention": "7d"},
    producers={
        "acks": "all",
        "request_timeout": 30.0,
        "delivery_timeout": 120.0,
        "retry": {
            "backoff": "exponential",
            "base": 0.1,
            "factor": 2.0,
            "cap": 1.0,
            "jitter": "proportional",
            "spread": 0.2,
        },
        "buffer": 32_000,
        "overflow": "block",
        "max_block": 60.0,
    },
    consumers={
        "batch": 500,
        "poll_wait": 0.5,
        "commit": "auto",
        "session_timeout": 45.0,
        "heartbeat_interval": 3.0,
        "max_poll_interval": 300.0,
        "rebalance": "eager",
    },
    redelivery={"through": "seek", "max_deliveries": 10},
    safe=True,
)

RABBITMQ = Profile(
    delivery="queue",
    broker={"detection_time": 2.0, "election_time": 2.0, "flush_interval": 0.0, "memory_alarm": 0.6},
    topics={"overflow": "drop_oldest"},
    producers={"acks": "none", "request_timeout": 30.0, "overflow": "block"},
    consumers={"heartbeat_timeout": 60.0, "consumer_timeout": 1800.0},
    redelivery={"through": "requeue", "max_deliveries": 21},
    safe=False,
)

SQS = Profile(
    delivery="lease",
    broker={"detection_time": 0.0, "election_time": 0.0, "flush_interval": 0.0},
    topics={"retention": "4d"},
    producers={
        "acks": "all",
        "request_timeout": 10.0,
        "delivery_timeout": 30.0,
        "retry": {
            "backoff": "exponential",
            "base": 1.0,
            "factor": 2.0,
            "cap": 20.0,
            "jitter": "full",
            "max_attempts": 3,
        },
        "overflow": "drop",
        "max_block": 0.0,
    },
    consumers={"batch": 10, "poll_wait": 20.0, "visibility_timeout": 30.0},
    redelivery={"through": "lease", "max_deliveries": 0},
    safe=True,
)

PROFILES: dict[ProfileName, Profile] = {
    "kafka": KAFKA,
    "kafka-3": KAFKA,
    "kafka-4": KAFKA,
    "rabbitmq": RABBITMQ,
    "rabbitmq-4": RABBITMQ,
    "sqs": SQS,
    "sqs-standard": SQS,
}
"""By the name that `[broker] profile` takes. Kafka 3 and 4 agree in all of these values."""

AT_HOME: dict[Delivery, Profile] = {profile.delivery: profile for profile in (KAFKA, RABBITMQ, SQS)}
"""The profile whose own model of delivery it is; a topic that departs from its broker takes its defaults from here."""
