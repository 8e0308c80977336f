"""Idempotency: remembering which events a group has handled, so that a second delivery is suppressed."""

from typing import Literal, Self

from pydantic import Field, model_validator

from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Duration

Order = Literal["do_then_mark", "mark_then_do", "claim", "transaction"]
LATER_ORDERS: tuple[Order, ...] = ("mark_then_do", "claim")
"""Orders that the format names and no process plays yet."""


class Idempotency(Spec):
    """One look-up per delivery, and a mark that suppresses the event for `ttl` seconds from then.

    `order` says when the mark becomes durable: after the effect (a crash between the two repeats it), before it (a
    crash loses it), by a claim with a `lease`, or with it in one transaction. `atomic` is short for the last (true) or
    for its opposite (false). `latency` is paid by the look-up and by a mark of its own.
    """

    order: Order | None = Field(None, json_schema_extra={"default": "do_then_mark"})
    atomic: bool | None = Field(None, strict=True)
    ttl: Duration
    latency: Dist = Field(default_factory=lambda: Constant(value=0.0))
    on_outage: Literal["process", "fail"] | None = Field(None, json_schema_extra={"later": True, "default": "fail"})
    lease: Duration | None = Field(None, json_schema_extra={"later": True})
    max_keys: int | None = Field(None, ge=1, strict=True, json_schema_extra={"later": True})
    store: str | None = Field(None, json_schema_extra={"later": True})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.order is not None and self.atomic is not None and self.atomic != (self.order == "transaction"):
            raise ValueError(f'`atomic = {str(self.atomic).lower()}` contradicts `order = "{self.order}"`')
        return self

    @property
    def protocol(self) -> Order:
        """The order in force: `order`, else what `atomic` is short for, else do_then_mark."""
        return self.order or ("transaction" if self.atomic else "do_then_mark")


class Marks:
    """The marks of one store, told the time in seconds, which must not go back.

    A mark made at t holds in [t, t + ttl); made again it holds anew. Kept in two generations, each open for `ttl`, of
    which the elder is thrown away whole: never more marks than were made in the last 2 ttl, at constant cost for each.
    """

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self._began = 0.0
        self._young: dict[int, float] = {}
        self._old: dict[int, float] = {}

    def __len__(self) -> int:
        """Marks in memory, those included that no longer hold but are not yet thrown away."""
        return len(self._young) + len(self._old)

    def seen(self, event: int, now: float) -> bool:
        """Whether `event` bears a mark that holds at `now`."""
        made = self._young.get(event)
        if made is None:
            made = self._old.get(event)
        return made is not None and now < made + self.ttl

    def mark(self, event: int, now: float) -> None:
        """Marks `event` from `now` on."""
        if now >= self._began + self.ttl:
            self._old = self._young
            self._young = {}
            self._began = now
        self._young[event] = now
