"""Where the records of a replicated partition are read: in a log, or in the queues of all groups of a topic."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

from models.channel import Bound
from models.delay import DelayLine
from models.entry import INFINITY, Entry
from models.log import Partition
from models.passage import Passage
from simulator.simulation import Simulation


class Shelf(Protocol):
    """The topic to which records belong."""

    sim: Simulation
    passage: Passage
    queues: list[Bound]

    def readable(self, entry: Entry) -> None:
        """A record can be read from its commit on."""

    def readable_anew(self, entries: Sequence[Entry]) -> None:
        """The last records of a partition can be read from other times on."""

    def drop(self, entry: Entry, now: float) -> None:
        """A record that nobody could read is cut off."""


class LogStore:
    """A partition of a log: a record can be read from its commit on, while there is a leader."""

    def __init__(self, topic: Shelf, partition: Partition) -> None:
        self.topic = topic
        self.partition = partition

    def __len__(self) -> int:
        return len(self.partition.records)

    def append(self, entry: Entry) -> None:
        """As of any store."""
        self.partition.append_at(entry.event, entry.commit, entry.appended if entry.again else None)
        self.topic.readable(entry)

    def recommit(self, entries: Sequence[Entry]) -> None:
        """As of any store."""
        self.topic.readable_anew(entries)
        self.partition.recommit([entry.commit for entry in entries])

    def truncate(self, keep: int, cut_off: Sequence[Entry]) -> None:
        """As of any store: what nobody could read goes without a trace, what somebody could leaves a gap."""
        now = self.topic.sim.now
        uncommitted = [entry for entry in cut_off if entry.commit > now]
        for entry in uncommitted:
            self.topic.drop(entry, now)
        partition = self.partition
        partition.forget_last(len(uncommitted))
        if keep < len(partition.records):
            partition.lose_from(keep, now)

    def appended_at(self, place: int) -> float:
        """As of any store."""
        again = self.partition.appended.get(place)
        return self.topic.passage.stored[self.partition.records[place]] if again is None else again

    def serve(self, served: bool) -> None:
        """As of any store."""
        self.partition.serve(served)

    def lose_leader(self) -> None:
        """As of any store: where a group stands is kept apart from the log."""


class QueueStore:
    """All queues of a topic: a message is ready from its commit on."""

    def __init__(self, topic: Shelf, place: int) -> None:
        self.topic = topic
        self.events = array("i")
        self.times = array("d")
        self.pending: DelayLine[Entry] = DelayLine(topic.sim, self._due, place)

    def __len__(self) -> int:
        return len(self.events)

    def append(self, entry: Entry) -> None:
        """As of any store."""
        self.events.append(entry.event)
        self.times.append(entry.appended)
        self.topic.readable(entry)
        if entry.commit <= self.topic.sim.now:
            self._due(entry)
        elif entry.commit < INFINITY:
            self.pending.put(entry.commit, entry)

    def _due(self, entry: Entry) -> None:
        if entry.alive and entry.commit <= self.topic.sim.now and not entry.enqueued:
            entry.enqueued = True
            for queue in self.topic.queues:
                if entry.again:
                    queue.append_again(entry.event, self.topic.sim.now)
                else:
                    queue.append(entry.event)

    def recommit(self, entries: Sequence[Entry]) -> None:
        """As of any store."""
        self.topic.readable_anew(entries)
        for entry in entries:
            if entry.commit < INFINITY:
                self.pending.put(entry.commit, entry)

    def truncate(self, keep: int, cut_off: Sequence[Entry]) -> None:
        """As of any store."""
        now = self.topic.sim.now
        for entry in cut_off:
            if not entry.enqueued:
                self.topic.drop(entry, now)
        waiting = {entry.event for entry in cut_off if not entry.enqueued}
        gone = [event for event in self.events[keep:] if event not in waiting]
        del self.events[keep:], self.times[keep:]
        for queue in self.topic.queues:
            queue.lose(gone, now)

    def appended_at(self, place: int) -> float:
        """As of any store."""
        return self.times[place]

    def serve(self, served: bool) -> None:
        """As of any store."""
        for queue in self.topic.queues:
            queue.serve(served)

    def lose_leader(self) -> None:
        """As of any store: what is unacknowledged is ready again for the next leader."""
        for queue in self.topic.queues:
            queue.lose_leader()
