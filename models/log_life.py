"""A life of an instance that reads a log: the partitions it owns, and what it has in mind about them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from models.gate import Gate
from models.instance import Instance, Life
from models.log import Cursor, Seek
from simulator.simulation import Simulation


class LogLife(Life):
    """`ready`: its partitions with unread records, in line; `seeking`: records that it tries again in their place; `share`: how
    many partitions a worker may read at once. Auto-commit is every `commit_interval` (s), infinite where there is none.
    `commits_first`: it commits before it handles. `commits_made` counts commits, where some get lost.
    `asked`: numbers of the partitions that it is to give up, and since when (s). `on_poll`: to be told of its next poll.
    """

    def __init__(
        self,
        sim: Simulation,
        instance: Instance,
        gate: Gate | None,
        on_stopped: Callable[[Life], None],
        commit_interval: float,
    ) -> None:
        super().__init__(sim, instance, gate, on_stopped)
        self.ready: deque[Cursor] = deque()
        self.owned: list[Cursor] = []
        self.asked: dict[int, float] = {}
        self.on_poll: Callable[[LogLife], None] | None = None
        self.seeking: dict[Cursor, Seek] = {}
        self.share = 1
        self.commit_interval = commit_interval
        self.commit_due = self.began + commit_interval
        self.idle_since = sim.now
        self.commits_first = False
        self.commits_made = 0

    def reaches(self, cursor: Cursor) -> bool:
        """As of any owner: it reaches the node that leads the partition, and the broker where it must commit first. The group's
        own retry partitions are wherever it is linked to."""
        if self.uplink is None:
            return True
        if cursor.partition.led is None:
            return self.linked
        leader = cursor.partition.led.leader
        return (leader is None or leader in self.uplink.reached) and (self.heard or not self.commits_first)

    def commit_arrives(self, cursor: Cursor) -> bool:
        """As of any owner: a commit that gets lost is not said again; the next one says more."""
        if self.trip is None:
            return True
        self.commits_made += 1
        return not self.trip.loses_commit(cursor.partition.number % len(self.trip.there), self.number, self.commits_made)

    def relink(self) -> None:
        """As of any life: what it could not read it may read now."""
        super().relink()
        for cursor in self.owned if self.alive else ():
            if cursor.asleep or cursor.is_armed():
                cursor.stir()

    def untaken(self) -> int:
        """A worker for each partition."""
        return len(self.ready)

    def catch_up(self, now: float) -> None:
        """As of any life: the auto-commits of one that is idle, which polls all the time."""
        if not self.active:
            self.commit_by_itself(now)

    def take_leave(self) -> None:
        """As of any life: commits what is handled."""
        for cursor in self.owned:
            cursor.commit(cursor.handled, self.sim.now, surely=True)

    def answer(self) -> None:
        """As of any life: tells who waits for its poll, if it is a member and one of its workers is free."""
        if self.on_poll is None or not self.linked or not self.member or self.stopping or self.frozen or not self.alive:
            return
        if self.spawn is not None or self.active - self.at_gate < len(self.workers):
            self.on_poll(self)

    def commit_by_itself(self, now: float) -> None:
        """Auto-commit of what is handled, at the first poll after the interval; any worker polls for the instance."""
        if self.commit_due > now or self.frozen:
            return
        time = now if self.active else max(self.commit_due, self.idle_since)
        for cursor in self.owned:
            cursor.commit(cursor.handled, time)
        missed = 0 if self.active or not self.commit_interval else (now - time) // self.commit_interval
        self.commit_due = time + (missed + 1) * self.commit_interval

    def thaw(self) -> None:
        """As of any life."""
        self.idle_since = self.sim.now
        super().thaw()

    def die(self) -> None:
        """As of any life: what it owned is read again from where it committed."""
        super().die()
        for cursor in self.owned:
            cursor.forget(self.sim.now)
        self.ready.clear()
