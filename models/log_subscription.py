"""A group that reads logs: a cursor on every partition of its topics, and on its own retry partitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from models.channel import Channel
from models.gate import Gate
from models.handling import Handling
from models.instance import Instance, Life
from models.log import Cursor, Partition
from models.log_life import LogLife
from models.log_worker import LogWorker
from models.membership import Coordinator
from models.protocols import PROTOCOLS
from models.record import Commits
from models.removal import cursor_on
from models.retained_log_worker import RetainedLogWorker, SimpleRetainedLogWorker
from models.retention import RetainedCursor
from models.settlement import Settlement
from models.simple_log_worker import SimpleLogWorker
from models.subscription import Subscription
from simulator.recorder import view


class LogSubscription(Subscription[LogLife]):
    """`retry_partitions`: by topic and number. Only partitions of topics have a place, those of retries have none. `retained`:
    records go from a log of it by themselves."""

    membership: Coordinator

    def __init__(
        self, name: str, settlement: Settlement, handlings: Sequence[Handling], channels: Sequence[Channel], place: int
    ) -> None:
        self.sim = settlement.sim
        self.rules = settlement.rules
        self.settlement = settlement
        self.handlings = handlings
        self.cursors: list[Cursor] = []
        self.retry_partitions: list[list[Partition]] = []
        for topic, (handling, channel) in enumerate(zip(handlings, channels, strict=True)):
            retries = [Partition(partition.number) for partition in channel.partitions]
            self.retry_partitions.append(retries)
            reset = self.rules.spec.reset
            self.cursors += [cursor_on(self.sim, each, handling.journey, topic, place, reset) for each in channel.partitions]
            for partition in retries if self.rules.uses_retry_topic else ():
                self.cursors.append(Cursor(self.sim, partition, handling.journey, topic, True, place))
        if any(cursor.guarded for cursor in self.cursors):
            for cursor in self.cursors:
                cursor.guarded = True
        self.retained = any(isinstance(cursor, RetainedCursor) for cursor in self.cursors)
        self.main = [cursor for cursor in self.cursors if not cursor.retry]
        protocol, spec = PROTOCOLS[self.rules.spec.rebalance or "eager"], self.rules.spec
        self.membership = protocol(self.sim, name, spec, self.cursors, self.rules.concurrency, place)

    def new_life(self, instance: Instance, gate: Gate | None, on_stopped: Callable[[Life], None]) -> LogLife:
        """As of any subscription; it is watched for polling."""
        interval = self.rules.spec.commit_interval if self.rules.commit == "auto" else math.inf
        life = LogLife(self.sim, instance, gate, on_stopped, interval)
        life.commits_first = self.rules.commit == "before"
        self.membership.watch_polls(life, self.sim.now + self.membership.patience)
        return life

    def new_worker(self, life: LogLife) -> LogWorker:
        """As of any subscription; a simple one where that is enough."""
        simple = self.rules.simple and life.trip is None
        kind: type[LogWorker] = SimpleLogWorker if simple else LogWorker
        if self.retained:
            kind = SimpleRetainedLogWorker if simple else RetainedLogWorker
        return kind(life, self.rules, self.settlement, self.handlings, self.retry_partitions)

    def unserved(self) -> set[int]:
        """Partitions that no running member owns, or that stand still in a rebalance."""
        return {place for place, cursor in enumerate(self.main) if not _serves(cursor)}

    def deliverable(self, topic: int) -> Iterator[int]:
        """Events behind the position of a partition's owner, or behind what is committed where it has none."""
        for cursor in self.cursors:
            if cursor.topic == topic:
                yield from cursor.partition.left_from(max(_unread(cursor), cursor.written_off))

    def write_off(self) -> None:
        """As of any subscription."""
        for cursor in self.cursors:
            cursor.write_off(self.sim.now)
            for start, end in cursor.partition.gaps:
                cursor.lose(max(start, _unread(cursor)), end, self.sim.now)

    def partitions(self) -> list[tuple[int, np.ndarray]]:
        """As of any subscription."""
        return [(cursor.topic, view(cursor.records)) for cursor in self.main]

    def commits(self) -> list[Commits]:
        """As of any subscription."""
        return [(_appended(cursor), cursor.commits["time"], cursor.commits["offset"]) for cursor in self.main]

    def settled(self, topic: int) -> tuple[np.ndarray, np.ndarray]:
        """As of any subscription: by the commits, retry partitions last."""
        events, times = [np.empty(0, dtype=np.int64)], [np.empty(0)]
        for cursor in self.cursors:
            if cursor.topic == topic and len(cursor.commits):
                offsets = np.arange(min(len(cursor.records), cursor.committed))
                first = np.searchsorted(cursor.commits["offset"], offsets, side="right")
                events.append(view(cursor.records)[offsets])
                times.append(cursor.commits["time"][first])
        return np.concatenate(events), np.concatenate(times)


def _serves(cursor: Cursor) -> bool:
    owner = cursor.owner
    return isinstance(owner, LogLife) and owner.alive and not owner.frozen and owner.open and owner.reaches(cursor)


def _unread(cursor: Cursor) -> int:
    """The first offset that its owner has still to take, or the next one where it has none."""
    owner = cursor.owner
    return cursor.position if isinstance(owner, Life) and owner.alive else cursor.committed


def _appended(cursor: Cursor) -> np.ndarray:
    times: np.ndarray = cursor.journey.messages.stored()[view(cursor.records)]
    again = cursor.partition.appended
    times[np.fromiter(again.keys(), dtype=np.int64)] = np.fromiter(again.values(), dtype=np.float64)
    return times
