"""Where an event rests that its group has given up, and how it comes back."""

from __future__ import annotations

from typing import Annotated, Literal

from models.scalars import UNLIMITED, Factor, Flag, Name, Whole
from simulator.spec import Spec
from simulator.units import Duration


class DeadLetter(Spec):
    """A group's `dead_letter`: `topic` takes what is given up.

    Each event is put back `redrive_after` seconds after its move, at most `redrive_times` times and `redrive_rate`
    events per second: to its own group, or to the source topic, where every group meets it again.
    `safe = None` stands for the default of the broker's profile.
    """

    topic: Name
    safe: Flag | None = None
    redrive_after: Duration | None = None
    redrive_rate: Annotated[Factor | None, UNLIMITED] = None
    redrive_times: Whole = 1
    redrive_to: Literal["group", "topic"] = "group"
