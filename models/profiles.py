"""Profiles: what a broker product, in a version, does where the scenario says nothing. Their values are in one table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from models.broker import Delivery
from models.profile_table import TABLE, Absent, Row


@dataclass(frozen=True)
class Profile:
    """One version of a product; `about` says in a line what it stands for."""

    name: str
    about: str

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Its part of the table."""
        return tuple(row for row in TABLE if self.name in row.profiles)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Its values as nested tables, as a scenario would write them; what the product does not have is left out."""
        tables: dict[str, Any] = {}
        for row in self.rows:
            *path, field = row.field.split(".")
            table = tables
            for step in path:
                table = table.setdefault(step, {})
            if not isinstance(row.value, Absent):
                table[field] = row.value
        return tables

    @property
    def delivery(self) -> Delivery:
        """Its own model of delivery."""
        delivery: Delivery = self.defaults["broker"]["delivery"]
        return delivery

    @property
    def fifo(self) -> bool:
        """Whether its topics keep the order of message groups."""
        return bool(self.defaults["topics"].get("fifo", False))


PROFILES: dict[str, Profile] = {
    name: Profile(name, about)
    for name, about in {
        "kafka-4": "Apache Kafka 4 (KRaft), its Java clients, and Spring Kafka's error handler",
        "kafka-3": "Apache Kafka 3.9 with ZooKeeper, the same clients",
        "rabbitmq-4": "RabbitMQ 4, quorum queues, without publisher confirms",
        "rabbitmq-3.13": "RabbitMQ 3.13, quorum queues: no delivery limit, alarm at 40 % of memory",
        "sqs-standard": "Amazon SQS, standard queues, with an AWS SDK in standard retry mode",
        "sqs-fifo": "Amazon SQS, FIFO queues: ordered by message group, deduplicated",
    }.items()
}
"""By name, of each product the one first that its bare name stands for."""

NEWEST: dict[str, str] = {"kafka": "kafka-4", "rabbitmq": "rabbitmq-4", "sqs": "sqs-standard"}
"""What the bare name of a product stands for."""


def profile_of(name: str) -> Profile:
    """The profile that `[broker] profile` names."""
    return PROFILES[NEWEST.get(name, name)]


def at_home(own: Profile, delivery: Delivery, fifo: bool | None = None) -> Profile:
    """The profile whose own delivery it is: `own` where it fits, else the first; `fifo` None takes either kind of topic."""
    alike = [profile for profile in (own, *PROFILES.values()) if profile.delivery == delivery]
    return next((profile for profile in alike if fifo in (None, profile.fifo)), alike[0])
