"""A named stream of records, in partitions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.broker import Delivery
from models.later import later
from models.scalars import Count, Flag, Name
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration, Size


class Topic(Spec):
    """`[topics.NAME]`: None in `retention`, `overflow`, `fifo`, `deduplication` and `delivery` stands for the broker's default.

    In a resolved scenario `retention = None` keeps records for ever.
    """

    partitions: Count = 1
    retention: PositiveDuration | None = None
    retention_size: Size | None = Field(None, json_schema_extra=later())
    message_ttl: Duration | None = Field(None, json_schema_extra=later())
    max_length: Count | None = Field(None, json_schema_extra=later())
    overflow: Literal["drop_oldest", "reject", "reject_dead_letter"] | None = Field(
        None, json_schema_extra=later("drop_oldest")
    )
    dead_letter: Name | None = Field(None, json_schema_extra=later())
    fifo: Flag | None = None
    deduplication: Duration | None = None
    message_size: Size | dict[str, Any] = Field(1024.0, json_schema_extra=later())
    quorum: Flag = True
    delivery: Delivery | None = None
