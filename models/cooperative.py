"""Kafka's incremental cooperative rebalance (KIP-429): two short rounds, in which only the partitions that move stand still.

Each round lasts until every member has polled, and `rebalance_time` more; nobody stops for it. The first tells who keeps what
and hands out what is nobody's. Where something must move its owner gives it up, and a second round hands it out.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import simpy

from models.assignment import sticky
from models.classic import Classic
from models.consumer import Consumer
from models.handover import Handover
from models.log import Cursor
from models.log_life import LogLife
from simulator.simulation import Simulation


class Cooperative(Classic):
    """`CooperativeStickyAssignor`. A dead member holds up the round, but only its own partitions stand still."""

    def __init__(
        self, sim: Simulation, name: str, terms: Consumer, cursors: Sequence[Cursor], concurrency: float, place: int
    ) -> None:
        super().__init__(sim, name, terms, cursors, concurrency, place)
        self.handover = Handover(self)
        self._absent: dict[LogLife, None] = {}

    def rebalance(self) -> Generator[simpy.Event, object, None]:
        """Rounds, until nothing more has to move."""
        number = 0
        while self._changed:
            yield from self.gather(number)
            number += 1
            self._changed = self._assign()
        self._running = False

    def call(self) -> None:
        """Everybody is to join at the next poll; who has nothing to do polls now."""
        self._absent = dict.fromkeys(self.members)
        for life in self.in_order():
            life.on_poll = self.polled
            life.answer()

    def has_come(self, life: LogLife) -> bool:
        """Whether it has joined in this round, which it does when it has nothing left to give up."""
        return life not in self._absent

    def replaced(self, old: LogLife, new: LogLife) -> None:
        """It joins in what round there is."""
        self.polled(new)

    def polled(self, life: LogLife) -> None:
        """It gives up what it must, and then joins."""
        self.handover.give_up(life)
        if not life.asked:
            life.on_poll = None
            self._absent.pop(life, None)
            self.surrendered()

    def _assign(self) -> bool:
        """Hands out what is nobody's and asks for what must move: whether there is any."""
        members = self.in_order()
        if not members:
            return False
        target = sticky(members, self.handover.owned(), len(self.handover.partitions))
        free: dict[LogLife, list[int]] = {}
        for partition, life in enumerate(target):
            owner = self.handover.owner(partition)
            if owner is None:
                free.setdefault(life, []).append(partition)
            elif owner is not life:
                owner.asked[partition] = self.sim.now
        for life, partitions in free.items():
            self.handover.take(life, partitions)
        return any(life.asked for life in members)
