"""Partitions that change hands one by one, while their owners go on with all others.

An owner that is asked for a partition gives it up at the first poll at which it has nothing of it in hand, and commits what is
done: Kafka calls the callback of a revocation inside `poll()`.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.log import Cursor
from models.log_life import LogLife
from models.log_worker import LogWorker
from models.membership import Coordinator


class Handover:
    """The partitions of a group by number: over all its topics, each with the group's own retry partition, if there is one."""

    def __init__(self, group: Coordinator) -> None:
        self.group = group
        self.sim = group.sim
        together: dict[tuple[int, int], list[Cursor]] = {}
        for cursor in group.cursors:
            together.setdefault((cursor.topic, cursor.partition.number), []).append(cursor)
        self.partitions = list(together.values())

    def owner(self, partition: int) -> LogLife | None:
        """Who has it, asked for it or not."""
        owner = self.partitions[partition][0].owner
        assert owner is None or isinstance(owner, LogLife)
        return owner

    def owned(self) -> dict[LogLife, list[int]]:
        """By member that has any: its partitions."""
        found: dict[LogLife, list[int]] = {}
        for partition in range(len(self.partitions)):
            owner = self.owner(partition)
            if owner is not None:
                found.setdefault(owner, []).append(partition)
        return found

    def give_up(self, owner: LogLife) -> list[int]:
        """The owner polls, and all that is done is committed. Returns what it gives up: asked for, and not in hand."""
        now = self.sim.now
        owner.catch_up(now)
        for cursor in owner.owned:
            cursor.commit(cursor.handled, now, surely=True)
        in_hand = _in_hand(owner)
        given = [partition for partition in owner.asked if in_hand.isdisjoint(self.partitions[partition])]
        for partition in given:
            del owner.asked[partition]
            for cursor in self.partitions[partition]:
                owner.owned.remove(cursor)
                if cursor in owner.ready:
                    owner.ready.remove(cursor)
                cursor.hand_to(None, now)
        if given:
            owner.share = self.group.share(owner)
            self.group.set_to_work(owner, 0)
            self.group.on_change()
        return given

    def take(self, owner: LogLife, partitions: Iterable[int]) -> None:
        """Partitions that were nobody's get an owner, who starts at the committed offsets."""
        before = len(owner.ready)
        for partition in partitions:
            for cursor in self.partitions[partition]:
                owner.owned.append(cursor)
                cursor.hand_to(owner, self.sim.now)
        owner.share = self.group.share(owner)
        self.sim.hold()
        self.group.set_to_work(owner, len(owner.ready) - before)
        self.group.on_change()


def _in_hand(owner: LogLife) -> set[Cursor]:
    """What its workers have polled and not finished, but for what waits at a pausing breaker."""
    busy = (worker for worker in owner.workers if worker.polled_at == worker.polled_at)
    return {run.cursor for worker in busy if isinstance(worker, LogWorker) for run in worker.runs}
