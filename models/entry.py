"""A record on its way into a partition's replicas, and who has to do with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

INFINITY = math.inf


class Sender(Protocol):
    """Who published a record and was told in advance when its acknowledgement would come."""

    def recall(self, entry: Entry) -> None:
        """It will not come then: what becomes of it is to be seen. It is not told in advance any more."""


class Asking(Protocol):
    """A request that waits at a node until the records of it are committed."""

    node: int

    def refused(self) -> None:
        """The node does not lead any more."""

    def committed(self) -> None:
        """One of them is."""


class Entry:
    """A record of the partition `number` that its `leader` appended: who holds it from when on (s; infinite: not as things
    are), and from when on it is committed.

    `answered`: when its publisher knows of it, if that was told in advance; `sender`: whom to tell if it changes; `asking`:
    the requests that wait for it. `settled`: a failure has committed it. `alive`: it was not cut off. `enqueued`: consumers
    have got it.
    """

    __slots__ = (
        "again", "alive", "answered", "appended", "asking", "commit", "enqueued", "event", "held", "leader",
        "number", "sender", "settled",
    )  # fmt: skip

    def __init__(self, number: int, leader: int, event: int, appended: float, again: bool) -> None:
        self.number = number
        self.leader = leader
        self.event = event
        self.appended = appended
        self.again = again
        self.held: dict[int, float] = {}
        self.commit = self.answered = INFINITY
        self.sender: Sender | None = None
        self.asking: list[Asking] = []
        self.settled = False
        self.alive = True
        self.enqueued = False


class Store(Protocol):
    """Where the records of a partition are read."""

    def __len__(self) -> int:
        """Number of records."""

    def append(self, entry: Entry) -> None:
        """A record, readable from its `commit` on."""

    def recommit(self, entries: Sequence[Entry]) -> None:
        """The last records are readable from other times on."""

    def truncate(self, keep: int, cut_off: Sequence[Entry]) -> None:
        """Only the first `keep` records are left; `cut_off` are those of the others that were not all committed."""

    def appended_at(self, place: int) -> float:
        """When that record was appended (s)."""

    def serve(self, served: bool) -> None:
        """Whether there is a leader to read from."""

    def lose_leader(self) -> None:
        """The leader is gone, and with it who holds what."""
