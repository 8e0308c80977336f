"""Kafka's consumer rebalance protocol (KIP-848): the broker assigns, and each partition moves by itself, with no barrier.

When members come or go the broker computes the assignment at once, from the one before. A partition that moves is asked for,
and reaches its new owner `rebalance_time` (heartbeats, the first fetch) after the old one has given it up or is expelled.
Nobody waits for anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.assignment import sticky
from models.consumer import Consumer
from models.handover import Handover
from models.log import Cursor
from models.log_life import LogLife
from models.membership import Coordinator
from simulator.simulation import TIMER, Simulation


class ServerSide(Coordinator):
    """`target`: the member that each partition belongs to, and moves to if it is not there."""

    def __init__(
        self, sim: Simulation, name: str, terms: Consumer, cursors: Sequence[Cursor], concurrency: float, place: int
    ) -> None:
        super().__init__(sim, name, terms, cursors, concurrency, place)
        self.handover = Handover(self)
        self.target: list[LogLife] = []
        self._moving = False
        self._on_the_way: set[int] = set()

    def found(self, lives: Sequence[LogLife]) -> None:
        """Everything is where it belongs."""
        super().found(lives)
        owners = map(self.handover.owner, range(len(self.handover.partitions)))
        self.target = [owner for owner in owners if owner is not None]

    def changed(self) -> None:
        """A new assignment, and what it asks of whom."""
        if not self._moving:
            self._moving = True
            self.rebalances.append(self.sim.now)
        members, had = self.in_order(), dict[LogLife, list[int]]()
        for partition, life in enumerate(self.target):
            had.setdefault(life, []).append(partition)
        self.target = sticky(members, had, len(self.handover.partitions)) if members else []
        for partition in range(len(self.handover.partitions)):
            self._reconcile(partition)
        for life in members:
            life.answer()
        self._look_whether_settled()
        self.on_change()

    def replaced(self, old: LogLife, new: LogLife) -> None:
        """What belonged to the former process belongs to the new one, which has nothing in hand."""
        self.target = [new if life is old else life for life in self.target]
        self.polled(new)

    def polled(self, life: LogLife) -> None:
        """It gives up what it must."""
        for partition in self.handover.give_up(life):
            self._send(partition)
        if not life.asked:
            life.on_poll = None

    def _reconcile(self, partition: int) -> None:
        owner = self.handover.owner(partition)
        if owner is None:
            self._send(partition)
        elif owner is self.target[partition]:
            owner.asked.pop(partition, None)
        elif partition not in owner.asked:
            self._ask(owner, partition)

    def _ask(self, owner: LogLife, partition: int) -> None:
        """Who does not give it up within `max_poll_interval` is expelled."""
        since = owner.asked[partition] = self.sim.now
        owner.on_poll = self.polled

        def lose_patience() -> None:
            if owner.asked.get(partition) == since:
                self.expel(owner)

        self.sim.call_at(since + self.patience, TIMER, lose_patience, self.place)

    def _send(self, partition: int) -> None:
        """A partition that is nobody's will reach whom it belongs to then."""
        if partition in self._on_the_way or not self.members:
            return
        self._on_the_way.add(partition)
        seconds = self.terms.rebalance_time.ppf(self.luck.uniform(len(self.rebalances), partition))
        self.sim.call_at(self.sim.now + seconds, TIMER, lambda: self._arrive(partition), self.place)

    def _arrive(self, partition: int) -> None:
        self._on_the_way.discard(partition)
        if self.target:
            self.handover.take(self.target[partition], [partition])
            self._look_whether_settled()

    def _look_whether_settled(self) -> None:
        if self._moving:
            self._moving = any(self.handover.owner(partition) is not life for partition, life in enumerate(self.target))
