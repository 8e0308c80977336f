"""A named stream of records, in partitions."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from models.broker import Delivery
from models.scalars import Count, Flag, Name
from models.sizes import SizeLaw
from simulator.distributions import Constant
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration, Size

Overflow = Literal["drop_oldest", "reject", "reject_dead_letter"]


class Topic(Spec):
    """`[topics.NAME]`: None in `retention`, `overflow`, `fifo`, `deduplication` and `delivery` stands for the broker's default.

    In a resolved scenario `retention = None` keeps records for ever. `message_size` is in bytes.
    """

    partitions: Count = 1
    retention: PositiveDuration | None = None
    retention_size: Annotated[Size, Field(gt=0)] | None = None
    message_ttl: Duration | None = None
    max_length: Count | None = None
    overflow: Overflow | None = None
    dead_letter: Name | None = None
    fifo: Flag | None = None
    deduplication: Duration | None = None
    message_size: SizeLaw = Constant(value=1024.0)
    quorum: Flag = True
    delivery: Delivery | None = None

    @property
    def longest_stay(self) -> float:
        """The age at which whatever is still there goes (s), infinite for none."""
        return min((age for age in (self.message_ttl, self.retention) if age is not None), default=math.inf)

    @property
    def refuses(self) -> bool:
        """Whether what is published may be refused."""
        return self.max_length is not None and self.overflow in ("reject", "reject_dead_letter")
