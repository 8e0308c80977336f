"""Where events come from."""

from __future__ import annotations

from typing import Annotated, Literal

from models.arrivals import Arrivals
from models.backoff import Delays
from models.by_name import ByName
from models.keys import Keys
from models.scalars import TABLE, UNLIMITED, Count, Flag, Members, Name
from simulator.spec import Spec
from simulator.units import Duration, Fraction, PositiveDuration

Acks = Literal["none", "leader", "all"]


class PublishRetry(Delays):
    """When a publish that was not acknowledged is sent again: until `delivery_timeout`, or `max_attempts` sends.

    It has no budget: presets are taken without theirs.
    """

    max_attempts: Annotated[Count | None, UNLIMITED] = None
    max_elapsed: PositiveDuration | None = None


class Outbox(Spec):
    """Events stored with the effect and published by a relay that looks every `poll` seconds."""

    poll: PositiveDuration


class Terms(Spec):
    """How a client publishes: None stands for the default of the broker's profile.

    In a resolved scenario None in `buffer` is unlimited, in `retry`, `delivery_timeout` and `max_block` none. While nothing
    is broken requests in flight are not limited in number; then `max_in_flight` of a client that keeps the order are, for each
    partition, and what waits is sent as one. Without order it only says that a retry can be overtaken.
    """

    acks: Acks | None = None
    request_timeout: PositiveDuration | None = None
    delivery_timeout: PositiveDuration | None = None
    retry: Annotated[PublishRetry | None, ByName("retry", optional=False, without=("budget",))] = None
    buffer: Annotated[Count | None, UNLIMITED] = None
    overflow: Literal["block", "drop"] | None = None
    max_block: Duration | None = None
    linger: Duration = 0.0
    batch: Count = 1
    idempotent: Flag | None = None
    max_in_flight: Count = 5


class Producer(Terms):
    """`[producers.NAME]`: `poison` is a share of its events; with `outbox` they are stored before they are published."""

    topic: Name
    arrivals: Arrivals
    keys: Annotated[Keys | None, TABLE] = None
    instances: Members = 1
    outbox: Annotated[Outbox | None, TABLE] = None
    poison: Fraction = 0.0
