"""What goes wrong, where, and when."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from models.scalars import UNLIMITED, Count, Flag, Rate, Text, Whole
from simulator.columns import read_column
from simulator.distributions import Dist
from simulator.spec import Spec
from simulator.units import Duration, Fraction, PositiveDuration

Kind = Literal[
    "crash", "stop", "pause", "outage", "slowdown", "delay", "errors", "loss", "duplicate", "partition", "poison",
    "surge", "power_loss", "exhaustion",
]  # fmt: skip

LINK_KINDS: tuple[Kind, ...] = ("delay", "loss", "duplicate")
"""What happens to what is sent on a link, or on all links from a component and to it."""

KINDS: dict[str, tuple[Kind, ...]] = {
    "consumers": ("crash", "stop", "pause", "slowdown", "errors", "poison", "exhaustion", *LINK_KINDS),
    "dependencies": ("crash", "outage", "slowdown", "errors", "exhaustion", *LINK_KINDS),
    "producers": ("crash", "stop", "pause", "surge", "poison", *LINK_KINDS),
    "broker": ("crash", "stop", "pause", "power_loss", "slowdown", "outage", "exhaustion", *LINK_KINDS),
    "stores": ("crash", "outage", "slowdown", "errors", "delay", "loss"),
}
"""The kinds of fault that each kind of component can have."""

RESOURCES: dict[str, tuple[str, ...]] = {
    "consumers": ("memory", "cpu"),
    "dependencies": ("cpu", "connections"),
    "broker": ("memory", "disk"),
}
"""What each kind of component can be short of."""

LATER_TARGETS = ("topics", "sagas", "aggregates")
"""The kinds of component that the format lets fail and that cannot yet."""


class Target(NamedTuple):
    """What a fault hits: `consumers.payment` all members or the component as a whole, `consumers.payment[2]` one. Faults on
    links have others: see `models.ends.meets`."""

    kind: str
    name: str
    member: int | None = None


def parse_target(path: str) -> Target:
    """The parts of a target's path; `name` is "" where it has none."""
    kind, _, name = path.partition(".")
    indexed = re.fullmatch(r"(.*)\[(\d{1,9})\]", name)
    return Target(kind, indexed[1], int(indexed[2])) if indexed else Target(kind, name)


class Fault(Spec):
    """`[[faults]]`: times in seconds from the start of the run; `for` is the attribute `for_`.

    When: `at` and `for`; or `time_to_failure` and `time_to_repair`, a renewal process; or `every` and `for`; or
    `trace`, a .csv or .parquet file with the columns start and duration (seconds), sought beside the scenario.

    The n-th target is struck n x `stagger` later than the first (a rolling deploy is a `stop` with it). Each is struck each
    time with `probability`: together, a shock of a common cause. `crews` repair so many at once, and what broke first comes
    first: what waits for them stays down so much longer.

    `exhaustion` leaves `to` of a `resource`. Consumers: of `memory`, so that instances are killed by what they hold; of `cpu`,
    so that busy workers share what is left. Dependencies: of `cpu`, likewise for calls in service; of `connections`, so that of
    the `concurrency` only so many calls are let in, those in line included. The broker: of `memory` or `disk`.
    """

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    target: Text | tuple[Text, ...] = ()
    kind: Kind
    silent: Flag = False
    factor: Rate | None = None
    add: Dist | None = None
    rate: Fraction | None = None
    between: tuple[tuple[Text, ...], tuple[Text, ...]] | None = None
    one_way: Flag = False
    resource: Literal["memory", "cpu", "disk", "connections"] | None = None
    to: Fraction | None = None
    at: Duration | None = None
    for_: Dist | None = Field(None, validation_alias="for", serialization_alias="for")
    time_to_failure: Dist | None = None
    time_to_repair: Dist | None = None
    trace: Text | None = None
    every: PositiveDuration | None = None
    hold: Duration = 30.0
    normal: Whole | None = None
    stagger: Duration = 0.0
    from_new: Flag = False
    together: Flag = False
    probability: Fraction = 1.0
    crews: Annotated[Count | None, UNLIMITED] = None
    _windows: tuple[tuple[float, float], ...] = PrivateAttr(())

    @property
    def targets(self) -> tuple[str, ...]:
        """The paths it hits, in order."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """Start and duration (seconds) of each window of the `trace`, by start; () without one."""
        return self._windows

    @field_validator("trace")
    @classmethod
    def _found(cls, trace: str | None, info: ValidationInfo) -> str | None:
        if trace is None:
            return None
        base = os.path.abspath((info.context or {}).get("base", ""))
        path = os.path.normpath(os.path.join(base, trace))
        if "\0" in path or not os.path.isfile(path):
            raise ValueError(f"there is no file {trace!r} in {base}")
        return path

    @model_validator(mode="after")
    def _read(self) -> Self:
        if self.trace is not None:
            self._windows = _read_windows(self.trace)
        return self


def _read_windows(path: str) -> tuple[tuple[float, float], ...]:
    """Windows (start, duration) in a trace file, by start; ValueError says what is wrong with it."""
    columns = (read_column(Path(path), column) for column in ("start", "duration"))
    windows = sorted(zip(*columns, strict=True))
    if any(start < 0 or duration < 0 for start, duration in windows):
        raise ValueError("start and duration must be seconds from 0 on")
    return tuple(windows)
