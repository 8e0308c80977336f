"""A log as Kafka keeps it: partitions that only grow, and for each consumer group a cursor on each of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappush
from typing import Protocol

from models.journey import BROKER, CONSUMER, Journey
from simulator.recorder import Trail
from simulator.simulation import DELIVERY, WAIT_END, Alarm, Simulation, priority

INFINITY = float("inf")


class Seek:
    """A consumer's memory of a record that it tries again in its place: how often it has failed, what is known (`waited`) of
    the last delay but those at once, when it is due (s), and the row of that delay in the journey."""

    __slots__ = ("due", "failed", "offset", "row", "waited")

    def __init__(self, offset: int, failed: int, waited: float, due: float, row: int) -> None:
        self.offset = offset
        self.failed = failed
        self.waited = waited
        self.due = due
        self.row = row


class Led(Protocol):
    """The replicas of a partition. `leader`: the number of the node that leads them, if any."""

    leader: int | None


class Owner(Protocol):
    """Who reads partitions: it keeps those with unread records in line, and calls a worker of its own. `heard`: whether what it
    sends arrives at the broker."""

    ready: deque[Cursor]
    seeking: dict[Cursor, Seek]
    heard: bool

    @property
    def trip(self) -> object | None:
        """What it costs to reach the broker; None for nothing."""

    def reaches(self, cursor: Cursor) -> bool:
        """Whether it can read that partition."""

    def commit_arrives(self, cursor: Cursor) -> bool:
        """Whether what it commits now is heard."""

    def call_worker(self) -> None:
        """There is something to read; nothing else happens in the caller's turn."""


class Partition:
    """Records in order: `records` holds event numbers; `appended` the times (s) of those that are not first copies.

    A retry partition also keeps, per record, how often its delivery has failed and its last delay (s). Where the producer
    writes ahead, `times` has the time of each event, and a record exists only from then on. On nodes that can fail `visible`
    has the time of each record from which on it can be read, as long as it is `served`; `gaps` are ranges of offsets that a
    leader took with it. `led`: by whom.
    """

    visible: array[float] | None = None
    served = True
    gaps: list[tuple[int, int]]
    led: Led | None = None

    def __init__(self, number: int, times: array[float] | None = None) -> None:
        self.number = number
        self.times = times
        self.records = array("i")
        self.appended: dict[int, float] = {}
        self.cursors: list[Cursor] = []
        self.failed = array("i")
        self.waited = array("d")
        self.gaps = []

    def append(self, event: int) -> None:
        """Stores a record; groups that sleep at the end of the partition are woken."""
        self.records.append(event)
        for cursor in self.cursors:
            if cursor.asleep:
                cursor.wake()

    def is_stored(self) -> None:
        """Its records are kept by nodes."""
        self.visible = array("d")

    def append_at(self, event: int, visible: float, again_at: float | None) -> None:
        """Stores a record that can be read later; a further copy of its event if `again_at` is given."""
        assert self.visible is not None
        if again_at is not None:
            self.appended[len(self.records)] = again_at
        self.records.append(event)
        self.visible.append(visible)
        for cursor in self.cursors:
            if cursor.asleep:
                cursor.stir()

    def recommit(self, visible: Sequence[float]) -> None:
        """The last records can be read from other times on."""
        if visible:
            assert self.visible is not None
            self.visible[-len(visible) :] = array("d", visible)
            self._stir()

    def forget_last(self, count: int) -> None:
        """The last records, which nobody could read, are gone."""
        if count:
            assert self.visible is not None
            keep = len(self.records) - count
            del self.records[keep:], self.visible[keep:]
            for offset in [offset for offset in self.appended if offset >= keep]:
                del self.appended[offset]

    def lose_from(self, keep: int, now: float) -> None:
        """Records from that offset on are gone, which somebody could read."""
        gap = keep, len(self.records)
        self.gaps.append(gap)
        for cursor in self.cursors:
            cursor.lose(max(keep, cursor.position), len(self.records), now)
        self._stir()

    def left_from(self, offset: int) -> Iterator[int]:
        """Events of the records from that offset on, but for those that a leader took with it."""
        for start, end in (*sorted(self.gaps), (len(self.records), len(self.records))):
            yield from self.records[offset:start]
            offset = max(offset, end)

    def serve(self, served: bool) -> None:
        """Whether somebody answers who wants to read."""
        self.served = served
        if served:
            self._stir()

    def _stir(self) -> None:
        for cursor in self.cursors:
            if cursor.owner is not None and (cursor.asleep or cursor.is_armed()):
                cursor.stir()

    def append_again(self, event: int, now: float, count: int = 0, waited: float = 0.0) -> None:
        """Stores a further copy of an event, with what its next delivery must know."""
        self.appended[len(self.records)] = now
        self.failed.append(count)
        self.waited.append(waited)
        self.append(event)


class Cursor:
    """Where a group stands on a partition.

    Offsets: `position` is the next to be handed out, `handled` the next to be finished by the owner, `committed` where a
    new owner starts; what lies before `written_off` can no longer be read. `asleep`: drained, to be woken by the next record.
    `tenancy` counts owners: what a former one still does is refused by it. `lost`: events that a leader took with it.
    `guarded`: there may be nobody to read from, or the owner may be cut off.
    """

    def __init__(self, sim: Simulation, partition: Partition, journey: Journey, topic: int, retry: bool, place: int) -> None:
        self.sim = sim
        self.place = place + partition.number
        self.partition = partition
        self.times = partition.times
        self.records = partition.records
        self.journey = journey
        self.deliveries = journey.deliveries
        self.topic = topic
        self.retry = retry
        self.guarded = partition.visible is not None
        self.position = self.handled = self.committed = self.written_off = 0
        self.owner: Owner | None = None
        self.asleep = False
        self.lost: set[int] = set()
        self.alarm = self.waiting = Alarm(sim, priority(DELIVERY, place))
        self.tenancy = 0
        self._on_due: list[Callable[[object], None]] = [self.wake]
        self._queue, self._eid = sim._queue, sim._eid
        self.commits = Trail(time="d", offset="q")
        partition.cursors.append(self)

    def wake(self, _: object = None) -> None:
        """There is a record to be read again."""
        owner = self.owner
        assert owner is not None
        self.asleep = False
        owner.ready.append(self)
        owner.call_worker()

    def rest(self) -> None:
        """A worker has finished with what it took: sleep, or stand in line again where there is more."""
        if self.guarded:
            self._rest_on_nodes()
        elif self.position == len(self.records):
            self.asleep = True
        elif self.times is None or (due := self.times[self.records[self.position]]) <= self.sim._now:
            assert self.owner is not None
            self.owner.ready.append(self)
        else:
            self._arm(due)

    def is_armed(self) -> bool:
        """Whether it waits for a time at which there is something to read."""
        return self.alarm.callbacks is self._on_due

    def stir(self) -> None:
        """What can be read has changed for a cursor that nobody reads at the moment."""
        assert self.owner is not None
        if self.is_armed():
            self.alarm.silence()
            self.alarm = Alarm(self.sim, priority(DELIVERY, self.place))
        self.asleep = False
        before = len(self.owner.ready)
        self.rest()
        if len(self.owner.ready) > before:
            self.owner.call_worker()

    def readable(self, last: int, now: float) -> int:
        """The first offset up to `last` that cannot be read now, of a partition on nodes."""
        self._leap()
        partition = self.partition
        assert self.owner is not None
        if not partition.served or self.position >= last or not self.owner.reaches(self):
            return self.position
        for start, _ in partition.gaps:
            if start > self.position:
                last = min(last, start)
        if partition.visible is None:
            return last
        return bisect_right(partition.visible, now, self.position, last)

    def unread(self, now: float) -> int:
        """How many records there are to be read, where nobody is in the way."""
        end, visible, times = len(self.records), self.partition.visible, self.times
        if visible is not None:
            end = bisect_right(visible, now, self.position)
        elif times is not None:
            end = bisect_right(self.records, now, self.position, key=times.__getitem__)
        return end - self.position

    def _leap(self) -> None:
        """Passes over what is gone."""
        for start, end in self.partition.gaps:
            if start <= self.position < end:
                self.lose(self.position, end, self.sim.now)
                self.position = self.handled = end

    def lose(self, first: int, end: int, now: float) -> None:
        """A leader took records with it, of which some were not handled yet."""
        effect = self.journey.effect
        for event in self.records[first:end]:
            if effect[event] != effect[event] and event not in self.lost:
                self.lost.add(event)
                self.journey.lose(event, now, BROKER)

    def _rest_on_nodes(self) -> None:
        """Ready, asleep until something changes, or awake at the time at which the next record can be read."""
        self._leap()
        owner, visible = self.owner, self.partition.visible
        assert owner is not None
        if self.position == len(self.records) or not self.partition.served or not owner.reaches(self):
            self.asleep = True
            return
        due = 0.0 if visible is None else visible[self.position]
        if self.times is not None:
            due = self.times[self.records[self.position]]
        if due == INFINITY:
            self.asleep = True
        elif due <= self.sim._now:
            owner.ready.append(self)
        else:
            self._arm(due)

    def _arm(self, due: float) -> None:
        alarm = self.alarm
        alarm.callbacks = self._on_due
        heappush(self._queue, (due, alarm.order, next(self._eid), alarm))  # type: ignore[misc]

    def wait_until(self, due: float) -> None:
        """The first record is tried again then; nothing behind it is read before."""
        self.waiting = self.sim.call_at(due, WAIT_END, self.wake, self.place)

    def write_off(self, now: float) -> None:
        """Of records that are gone by then says what has become of them; here none goes."""

    def go_back(self, offset: int) -> None:
        """What was handed out from there on is read again."""
        self.position = offset

    def _break_off_wait(self, now: float) -> None:
        seek = self.owner.seeking.pop(self, None) if self.owner is not None else None
        if seek is not None and seek.due > now:
            self.journey.delays.change(seek.row, "end", now)

    def commit(self, offset: int, now: float, surely: bool = False) -> None:
        """Makes `offset` the start of the next owner, durably, if that is heard; `surely`: who says so waits for the answer."""
        if offset > self.committed and (owner := self.owner) is not None and owner.heard:
            if owner.trip is not None and not surely and not owner.commit_arrives(self):
                return
            self.committed = offset
            self.commits.add(now, offset)

    def forget(self, now: float) -> None:
        """The owner is gone, and with it what was committed before it was handled and waits to be tried again."""
        for event in self.records[self.position : self.committed]:
            if self.journey.effect[event] != self.journey.effect[event]:
                self.journey.lose(event, now, CONSUMER)
        self.position = max(self.position, self.committed)

    def hand_to(self, owner: Owner | None, now: float) -> None:
        """Gives the partition to a new owner, who starts at the committed offset; None: nobody's."""
        if self.owner is not None and self.owner is not owner:
            self._break_off_wait(now)
        self.forget(now)
        self.tenancy += 1
        for alarm in (self.alarm, self.waiting):
            alarm.silence()
        self.alarm = self.waiting = Alarm(self.sim, priority(DELIVERY, self.place))
        self.owner = owner
        self.asleep = False
        self.position = self.handled = self.committed
        seek = None if owner is None else owner.seeking.get(self)
        if seek is not None and seek.offset == self.position and seek.due > now:
            self.wait_until(seek.due)
        elif owner is not None:
            self.rest()
