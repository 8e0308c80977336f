"""What a log removes by itself: records that are too old, or too many, whoever has read them or not.

Kafka (`retention.ms`, `retention.bytes`, `auto.offset.reset`): records go from the front of a partition, and a consumer whose
position is gone finds that out at its next poll and is reset. Kafka looks every five minutes and removes whole segments, so
that records go late; here each goes exactly when it is `retention` old, and as soon as the records after it have
`retention_size` bytes, but none before it is committed (Kafka removes nothing beyond the high watermark). A record that was
handed out is handled, whatever becomes of it in the log.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.draws import ONCE, Draw, drawer
from models.journey import SKIPPED, Journey
from models.log import Cursor, Partition
from models.message import Messages
from models.topic import Topic
from simulator.recorder import view
from simulator.simulation import TIMER, Alarm, Simulation


@dataclass(frozen=True)
class Retention:
    """How old (s) records may become and how many bytes a partition keeps, infinite for no limit; `sizes` by event (bytes)."""

    age: float
    size: float
    sizes: Draw


def retention_of(sim: Simulation, topic: Topic, messages: Messages) -> Retention | None:
    """What removes records of a log within the run; None if nothing does."""
    age = topic.longest_stay if topic.longest_stay <= sim.horizon else math.inf
    size = math.inf if topic.retention_size is None else topic.retention_size
    if min(age, size) == math.inf:
        return None
    return Retention(age, size, size_of(sim, topic, messages))


def size_of(sim: Simulation, topic: Topic, messages: Messages) -> Draw:
    """Size of each message of a topic (bytes)."""
    return drawer(sim.stream(f"topics.{messages.topic}/size"), messages, topic.message_size, ONCE)


class RetainedPartition(Partition):
    """`reach`: bytes up to the end of each record, as far as they had to be added up."""

    def __init__(
        self, sim: Simulation, number: int, times: array[float] | None, messages: Messages, retention: Retention
    ) -> None:
        super().__init__(number, times)
        self.sim = sim
        self.messages = messages
        self.retention = retention
        self.reach = array("d")
        self._weighs = retention.size < math.inf

    def append(self, event: int) -> None:
        """As of any partition."""
        super().append(event)
        self._tell()

    def append_at(self, event: int, visible: float, again_at: float | None) -> None:
        """As of any partition."""
        super().append_at(event, visible, again_at)
        self._tell()

    def _tell(self) -> None:
        for cursor in self.cursors:
            if cursor.journey.on_settled and isinstance(cursor, RetainedCursor):
                cursor.watch()

    def recommit(self, visible: Sequence[float]) -> None:
        """As of any partition."""
        super().recommit(visible)
        self._tell()

    def forget_last(self, count: int) -> None:
        """As of any partition."""
        super().forget_last(count)
        del self.reach[len(self.records) :]

    def appended_at(self, offset: int) -> float:
        """When a record was appended, or will be (s)."""
        again = self.appended.get(offset)
        if again is not None:
            return again
        event, passage = self.records[offset], self.messages.passage
        return self.messages.produced[event] if passage is None else passage.stored[event]

    def readable_at(self, offset: int) -> float:
        """From when on a record can be read (s), as far as is known."""
        if self.visible is not None:
            return self.visible[offset]
        return 0.0 if self.times is None else self.times[self.records[offset]]

    def removed_at(self, offset: int) -> float:
        """When a record goes, or has gone (s), as far as is known: infinite, if it cannot be read, or if only its size can
        remove it and has not."""
        due = self.appended_at(offset) + self.retention.age
        if self._weighs:
            if len(self.reach) < len(self.records):
                self._add_up()
            last = bisect_left(self.reach, self.reach[offset] + self.retention.size, offset + 1)
            if last < len(self.records):
                due = min(due, self.appended_at(last))
        return max(due, self.readable_at(offset))

    def _add_up(self) -> None:
        reach, size = self.reach, self.retention.sizes.at
        total = reach[-1] if reach else 0.0
        for event in self.records[len(reach) :]:
            total += size(event, ONCE)
            reach.append(total)

    def kept(self, now: float) -> float:
        """Bytes of the records that are left."""
        self._add_up()
        first = self.first_left(now)
        return (self.reach[-1] if self.reach else 0.0) - (self.reach[first - 1] if first else 0.0)

    def first_left(self, now: float) -> int:
        """Offset of the first record that is left, or of the next to come."""
        return bisect_right(range(len(self.records)), now, key=self.removed_at)

    def end(self, now: float) -> int:
        """Offset behind the last record that can be read."""
        times, records = self.times, self.records
        if self.visible is not None:
            return bisect_right(self.visible, now)
        return len(records) if times is None else bisect_right(records, now, key=times.__getitem__)

    def is_lost(self, offset: int) -> bool:
        """Whether a leader took that record with it."""
        return any(start <= offset < end for start, end in self.gaps)

    def stays(self) -> np.ndarray:
        """Times (s) at which each record came and at which it went, or will go: shape (2, records)."""
        came = self.messages.stored()[view(self.records)]
        came[np.fromiter(self.appended.keys(), dtype=np.int64)] = np.fromiter(self.appended.values(), dtype=np.float64)
        goes = came + self.retention.age
        if self._weighs:
            self._add_up()
            last = view(self.reach).searchsorted(view(self.reach) + self.retention.size)
            followed = last < len(came)
            goes[followed] = np.minimum(goes[followed], came[last[followed]])
        readable = np.fromiter(map(self.readable_at, range(len(came))), dtype=np.float64, count=len(came))
        return np.stack([came, np.maximum(goes, readable)])


class RetainedCursor(Cursor):
    """Where a group stands on a partition whose records go.

    A record that goes unread expires when it goes, one that is in hand then only if it comes back. With `latest` a group whose
    position is gone loses, beside them, what is left.
    """

    def __init__(
        self, sim: Simulation, partition: RetainedPartition, journey: Journey, topic: int, place: int, latest: bool
    ) -> None:
        super().__init__(sim, partition, journey, topic, False, place)
        self.log = partition
        self.latest = latest
        self._timer: Alarm | None = None
        self._armed_for = math.inf

    def write_off(self, now: float) -> None:
        """As of any cursor: those that nobody has read have expired, each when it went."""
        log, end = self.log, len(self.records)
        offset = max(self.position, self.written_off)
        while offset < end and (time := log.removed_at(offset)) <= now:
            self._expire(offset, time)
            offset += 1
            self.written_off = offset

    def _expire(self, offset: int, time: float) -> None:
        if self.log.is_lost(offset):
            self.lose(offset, offset + 1, time)
        else:
            self.journey.expire(self.records[offset], time)

    def go_back(self, offset: int) -> None:
        """As of any cursor: what has gone while it was in hand expires as it comes back."""
        now = self.sim._now
        self.write_off(now)
        gone = self.log.first_left(now)
        for each in range(offset, min(gone, self.position)):
            self._expire(each, now)
        self.position, self.written_off = offset, max(self.written_off, gone)
        if self.journey.on_settled:
            self.watch()

    def forget(self, now: float) -> None:
        """As of any cursor."""
        super().forget(now)
        self.go_back(self.committed)

    def is_gone(self, now: float) -> bool:
        """Whether the record that it stands at is gone, and a leader is there to say so."""
        if self.position >= len(self.records) or not self.log.served:
            return False
        if self.owner is None or not self.owner.reaches(self):
            return False
        return self.log.removed_at(self.position) <= now

    def reset(self, now: float) -> None:
        """The poll found the position gone: it goes on at the first record that is left, or behind the last."""
        assert self.owner is not None
        self.write_off(now)
        start = self.log.first_left(now)
        if self.latest:
            first, start = start, max(start, self.log.end(now))
            for offset in range(first, start):
                self._skip(offset, now)
        self.position = self.handled = start
        self.owner.seeking.pop(self, None)

    def _skip(self, offset: int, now: float) -> None:
        event = self.records[offset]
        if self.log.is_lost(offset):
            self.lose(offset, offset + 1, now)
        elif self.journey.effect[event] != self.journey.effect[event]:
            self.journey.lose(event, now, SKIPPED)

    def watch(self) -> None:
        """Where somebody waits to be told: one timer for all, on the first record that is unread."""
        self.write_off(self.sim._now)
        first = max(self.position, self.written_off)
        due = self.log.removed_at(first) if first < len(self.records) else math.inf
        if due < self._armed_for:
            if self._timer is not None:
                self._timer.silence()
            self._armed_for = due
            self._timer = self.sim.call_at(due, TIMER, self._ring, self.place)

    def _ring(self) -> None:
        self._timer, self._armed_for = None, math.inf
        self.watch()
