"""Idempotency: remembering which events a group has handled, so that a second delivery is suppressed."""

from typing import Literal, Self

from pydantic import Field, model_validator

from models.scalars import Name
from simulator.distributions import Dist
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration

Order = Literal["do_then_mark", "mark_then_do", "claim", "transaction"]


class Idempotency(Spec):
    """What a group asks its store before it handles an event, and what it leaves there, for `ttl` seconds.

    `order`: the mark is made after the effect (a crash between the two repeats it); before it (a crash, or a delivery that
    fails, loses it); with it in one transaction; or a claim is made before, that holds for `lease` seconds, and the mark
    after. `atomic` is short for the transaction (true) or do_then_mark (false). `latency` is paid by every request; None is
    that of the `store`, or nothing where the group has its own. `on_outage`: without an answer the delivery fails, or the
    event is handled unmarked; a group's own store always answers. Beyond `max_keys` marks one of them at random is dropped
    for the next.
    """

    order: Order | None = Field(None, json_schema_extra={"default": "do_then_mark"})
    atomic: bool | None = Field(None, strict=True)
    ttl: Duration
    latency: Dist | None = None
    on_outage: Literal["process", "fail"] = "fail"
    lease: PositiveDuration | None = None
    max_keys: int | None = Field(None, ge=1, strict=True)
    store: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.order is not None and self.atomic is not None and self.atomic != (self.order == "transaction"):
            raise ValueError(f'`atomic = {str(self.atomic).lower()}` contradicts `order = "{self.order}"`')
        return self

    @property
    def protocol(self) -> Order:
        """The order in force: `order`, else what `atomic` is short for, else do_then_mark."""
        return self.order or ("transaction" if self.atomic else "do_then_mark")
