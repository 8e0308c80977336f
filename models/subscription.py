"""How a group takes the records of its topics: what differs between the models of delivery, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from models.gate import Gate
from models.instance import Instance, Life, Worker
from models.record import Commits

L = TypeVar("L", bound=Life)


class Membership(Protocol[L]):
    """The broker's side of a group's instances. `rebalances`: when they began (s)."""

    rebalances: list[float]
    on_change: Callable[[], None]

    @property
    def members(self) -> Collection[L]:
        """Who belongs to it, the dead included until they are missed."""

    def found(self, lives: Sequence[L]) -> None:
        """The group as it is at the start."""

    def join(self, life: L) -> None:
        """A new member, or one that was cut off and has noticed."""

    def leave(self, life: L) -> None:
        """A member says goodbye, or is cut off."""

    def miss(self, life: L) -> None:
        """An instance may have died, frozen or been cut off: if so, it says nothing any more."""

    def resumed(self, life: L) -> None:
        """An instance that was frozen or cut off goes on, and is in touch with the broker."""

    def broker_is(self, there: bool) -> None:
        """Whether the controller sees a node of the broker."""

    def surrendered(self, life: L) -> None:
        """A member that may not take more has put down what it had in hand."""


class Subscription(Protocol[L]):
    """One group's hold on its topics. A *place* is that of a partition of a topic, or of a queue, among all of the group's."""

    membership: Membership[L]

    def new_life(self, instance: Instance, gate: Gate | None, on_stopped: Callable[[Life], None]) -> L:
        """A life as this model of delivery needs it."""

    def new_worker(self, life: L) -> Worker:
        """A worker of a life, on its way."""

    def unserved(self) -> set[int]:
        """Places that nobody who runs consumes now."""

    def deliverable(self, topic: int) -> Iterator[int]:
        """Events of a topic of which the broker can still deliver a copy."""

    def leased(self, topic: int) -> Iterator[int]:
        """Events of a topic that the broker has handed out, whoever has them: none where it follows its instances."""
        return iter(())

    def write_off(self) -> None:
        """Says of records that are gone by now, and that nobody has looked for since, what has become of them."""
        return None

    def partitions(self) -> list[tuple[int, np.ndarray]]:
        """By place: its topic, and its events in the order in which they were appended."""

    def commits(self) -> list[Commits]:
        """By place; none but in a log."""
        return []

    def settled(self, topic: int) -> tuple[np.ndarray, np.ndarray]:
        """Events of a topic and when (s) their copies were committed, acknowledged or deleted; later ones last."""
