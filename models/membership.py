"""Who belongs to a log's consumer group: sessions, joining and leaving, and the eager rebalance that stops everybody.

Kafka's classic protocol: a member that dies is missed when its session ends, counted from its last heartbeat; a rebalance
waits until every member has stopped or is expelled, and then deals the partitions again, p to member p mod members.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence

import simpy

from models.consumer import Consumer
from models.log import Cursor
from models.log_life import LogLife
from simulator.simulation import TIMER, Simulation
from simulator.streams import Stream


class Coordinator:
    """The broker's side of one group. `members` includes the dead until their sessions end."""

    def __init__(
        self, sim: Simulation, name: str, terms: Consumer, cursors: Sequence[Cursor], concurrency: float, place: int
    ) -> None:
        self.sim = sim
        self.terms = terms
        self.patience = terms.max_poll_interval or math.inf
        self.cursors = cursors
        self.concurrency = concurrency
        self.place = place
        self.members: list[LogLife] = []
        self.rebalances: list[float] = []
        self.on_change: Callable[[], None] = _nothing
        self._stream: Stream = sim.stream(f"{name}/rebalance")
        self._heartbeats: Stream = sim.stream(f"{name}/heartbeat")
        self._signal: simpy.Event = sim.event()
        self._running = False
        self._changed = False

    def found(self, lives: Sequence[LogLife]) -> None:
        """The group as it is at the start, with no rebalance."""
        self.members = list(lives)
        for life in lives:
            life.member = True
        self._deal()

    def join(self, life: LogLife) -> None:
        """A new member, or one that was expelled and has noticed."""
        self.members.append(life)
        self.members.sort(key=lambda member: (member.instance.index, member.number))
        life.member = True
        self._rebalance()

    def leave(self, life: LogLife) -> None:
        """A member says goodbye, or is expelled: what it does from now on is refused."""
        if not life.member:
            return
        life.member = life.open = False
        self.members.remove(life)
        for cursor in life.owned:
            cursor.hand_to(None, self.sim.now)
        life.owned = []
        life.ready.clear()
        self.on_change()
        self._rebalance()

    def miss(self, life: LogLife) -> None:
        """Heartbeats stop now; unless they come back the session ends `session_timeout` after the last of them."""
        phase = self._heartbeats.uniform(life.instance.index, life.number) * (self.terms.heartbeat_interval or 0.0)
        if life.frozen and not life.alive:
            return  # its heartbeats stopped when it froze
        mark = life.mark

        def expire() -> None:
            died_frozen = not life.alive and life.mark == mark + 1
            if life.mark == mark or died_frozen:
                self.leave(life)

        self.sim.call_at(self.sim.now + (self.terms.session_timeout or math.inf) - phase, TIMER, expire, self.place)

    def resumed(self, life: LogLife) -> None:
        """A frozen member goes on: perhaps it has not polled for too long."""
        self._check_polls(life)

    def watch_polls(self, life: LogLife, when: float) -> None:
        """One timer per life, on the worker that has not polled for longest."""
        if when == math.inf:
            return

        def look() -> None:
            if life.alive:
                self.watch_polls(life, self._check_polls(life))

        self.sim.call_at(when, TIMER, look, life.place)

    def _check_polls(self, life: LogLife) -> float:
        """A client that has not polled for `max_poll_interval` leaves the group by itself. Returns when to look again."""
        now, limit = self.sim.now, self.patience
        oldest = min((w.polled_at for w in life.workers if w.polled_at == w.polled_at), default=now)
        if oldest + limit > now:
            return oldest + limit
        if life.member and not life.frozen:
            life.open = False
            self.leave(life)
        return now + limit

    def surrendered(self, life: LogLife | None = None) -> None:
        """A member has stopped, or patience has run out: look whether the wait is over."""
        if not self._signal.triggered:
            self._signal.succeed()

    def _rebalance(self) -> None:
        self._changed = True
        for life in self.members:
            life.open = False
        if self._running:
            self.surrendered()
        else:
            self._running = True
            self.rebalances.append(self.sim.now)
            self.sim.process(self._eager())
        self.on_change()

    def _eager(self) -> Generator[simpy.Event, object, None]:
        """Everybody stops; then the partitions are dealt. Whoever comes or goes meanwhile starts the wait anew."""
        while self._changed:
            yield from self._all_stopped()
            self._changed = False
            luck = self._stream.uniform(len(self.rebalances))
            yield self.sim.wait_until(self.sim.now + self.terms.rebalance_time.ppf(luck), TIMER, self.place)
        self._running = False
        self._deal()

    def _all_stopped(self) -> Generator[simpy.Event, object, None]:
        patience = self.sim.now + self.patience
        self.sim.call_at(patience, TIMER, self.surrendered, self.place)
        while True:
            waited_for = [life for life in self.members if not _has_stopped(life)]
            if not waited_for:
                return
            if self.sim.now >= patience:
                for life in waited_for:
                    self.leave(life)
                continue
            self._signal = self.sim.event()
            yield self._signal

    def _deal(self) -> None:
        """Everybody has stopped and commits what is done; partition p goes to member p mod members."""
        for cursor in self.cursors:
            if cursor.owner is not None:
                cursor.commit(cursor.handled, self.sim.now)
        for life in self.members:
            life.owned = []
            life.ready.clear()
        for cursor in self.cursors:
            owner = self.members[cursor.partition.number % len(self.members)] if self.members else None
            if owner is not None:
                owner.owned.append(cursor)
            cursor.hand_to(owner, self.sim.now)
        for life in self.members:
            life.share = max(1, -int(-len(life.owned) // self.concurrency))
            life.open = not life.stopping
        self.sim.hold()
        for life in self.members:
            if life.gate is not None:
                life.gate.let_look()
            for _ in range(len(life.ready)):
                life.call_worker()
        self.on_change()


def _nothing() -> None:
    """Nobody listens."""


def _has_stopped(life: LogLife) -> bool:
    """Whether a member has stopped: no worker has an event in hand, but such as wait at a pausing breaker and poll."""
    return life.alive and not life.frozen and life.active == life.at_gate
