"""Kafka's classic protocol: a rebalance gathers all members; and its eager form, in which they stop for it."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import simpy

from models.consumer import Consumer
from models.log import Cursor
from models.log_life import LogLife
from models.membership import Coordinator
from simulator.simulation import TIMER, Simulation


class Classic(Coordinator):
    """A rebalance waits for every member until it has come or is expelled, which `max_poll_interval` does at last."""

    def __init__(
        self, sim: Simulation, name: str, terms: Consumer, cursors: Sequence[Cursor], concurrency: float, place: int
    ) -> None:
        super().__init__(sim, name, terms, cursors, concurrency, place)
        self._signal: simpy.Event = sim.event()
        self._running = False
        self._changed = False

    def surrendered(self, life: LogLife | None = None) -> None:
        """A member has come, or patience has run out: look whether the wait is over."""
        if not self._signal.triggered:
            self._signal.succeed()

    def changed(self) -> None:
        """A rebalance begins, or the one that runs looks again."""
        self._changed = True
        if self._running:
            self.surrendered()
        else:
            self._running = True
            self.rebalances.append(self.sim.now)
            self.begin()
            self.sim.process(self.rebalance())
        self.on_change()

    def replaced(self, old: LogLife, new: LogLife) -> None:
        """It may have been waited for."""
        self.surrendered()

    def begin(self) -> None:
        """A rebalance begins."""

    def rebalance(self) -> Generator[simpy.Event, object, None]:
        """What happens from the beginning of a rebalance to its end."""
        raise NotImplementedError

    def call(self) -> None:
        """A round begins: everybody is to come."""

    def has_come(self, life: LogLife) -> bool:
        """Whether a member need not be waited for."""
        raise NotImplementedError

    def gather(self, number: int = 0) -> Generator[simpy.Event, object, None]:
        """A round: all members come, and `rebalance_time` passes. Whoever comes or goes meanwhile starts it anew."""
        while self._changed:
            self.call()
            yield from self._all_come()
            self._changed = False
            luck = self.luck.uniform(len(self.rebalances), number)
            yield self.sim.wait_until(self.sim.now + self.terms.rebalance_time.ppf(luck), TIMER, self.place)

    def _all_come(self) -> Generator[simpy.Event, object, None]:
        patience = self.sim.now + self.patience
        self.sim.call_at(patience, TIMER, self.surrendered, self.place)
        while not all(map(self.has_come, self.members)):
            if self.sim.now >= patience:
                for life in [life for life in self.in_order() if not self.has_come(life)]:
                    self.expel(life)
            else:
                self._signal = self.sim.event()
                yield self._signal


class Eager(Classic):
    """Everybody stops; when the last has, and `rebalance_time` has passed, the partitions are dealt anew."""

    def begin(self) -> None:
        """Nobody takes more; what is in hand is finished."""
        for life in self.members:
            life.open = life.open and not life.linked

    def is_open(self) -> bool:
        """Not while the others stand."""
        return not self._running

    def rebalance(self) -> Generator[simpy.Event, object, None]:
        """One round."""
        yield from self.gather()
        self._running = False
        self.deal()

    def has_come(self, life: LogLife) -> bool:
        """Whether no worker has an event in hand, but such as wait at a pausing breaker and poll."""
        in_touch = life.alive and life.linked and not life.frozen
        return in_touch and life.member and life.active == life.at_gate
