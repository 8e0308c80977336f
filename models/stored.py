"""A topic whose records are kept by nodes that can fail: each partition with its replicas, and where its records are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from models.channel import Channel
from models.cluster import Cluster
from models.delay import DelayLine
from models.journey import BROKER
from models.log import Partition
from models.message import Messages
from models.passage import Passage
from models.replica import INFINITY, Entry, ReplicaSet
from models.topic import Topic
from simulator.recorder import NAN
from simulator.simulation import Simulation


class House(Protocol):
    """Who stores surely, for the broker itself. `posts`: what is not stored yet."""

    @property
    def posts(self) -> Mapping[int, object]:
        """By event."""

    def post(self, event: int) -> object:
        """An event of the topic, for the first time or again."""


class LogStore:
    """A partition of a log: a record can be read from its commit on, while there is a leader."""

    def __init__(self, topic: StoredTopic, partition: Partition) -> None:
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
        for entry in entries:
            self.topic.readable(entry)
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


class QueueStore:
    """All queues of a topic: a message is ready from its commit on."""

    def __init__(self, topic: StoredTopic, place: int) -> None:
        self.topic = topic
        self.events: list[int] = []
        self.times: list[float] = []
        self.pending: DelayLine[Entry] = DelayLine(topic.sim, self._due, place)

    def __len__(self) -> int:
        return len(self.events)

    def append(self, entry: Entry) -> None:
        """As of any store."""
        self.events.append(entry.event)
        self.times.append(entry.appended)
        self.topic.readable(entry)
        self._hold(entry)

    def _hold(self, entry: Entry) -> None:
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
        for entry in entries:
            self.topic.readable(entry)
            self._hold(entry)

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


class StoredTopic(Channel):
    """A channel on nodes. `replicas`: by partition; a queue has one. `passage`: how its events came in. `rejected`: when an
    event was first refused because it was too much (s)."""

    def __init__(self, sim: Simulation, name: str, spec: Topic, messages: Messages, cluster: Cluster) -> None:
        super().__init__(sim, name, spec, messages)
        self.cluster = cluster
        self.passage = self.messages.passage = Passage()
        self.messages.growers.append(self.passage.make_room)
        self.replicas: list[ReplicaSet] = []
        self.rejected: dict[int, float] = {}
        nodes, factor = len(cluster.nodes), cluster.spec.replication_factor
        majority = self.delivery != "log"
        for partition in self.partitions:
            places = [(partition.number + k) % nodes for k in range(factor if spec.quorum or not majority else 1)]
            store: LogStore | QueueStore
            if majority:
                store = QueueStore(self, cluster.place)
            else:
                partition.is_stored()
                store = LogStore(self, partition)
            self.replicas.append(ReplicaSet(cluster, f"topics.{name}[{partition.number}]", places, store, majority))
        cluster.replicas += self.replicas
        self.house: House

    def has_enough(self, replicas: ReplicaSet) -> bool:
        """Whether enough replicas are in sync to acknowledge to who wants all of them."""
        return replicas.majority or len(replicas.in_sync) >= self.cluster.spec.min_insync_replicas

    def welcomes(self, replicas: ReplicaSet, acks: str | None, number: int, events: Iterable[int]) -> bool:
        """Whether the leader takes these events, from a publisher who wants so many acknowledgements."""
        return acks != "all" or self.has_enough(replicas)

    def is_partly_full(self, events: Sequence[int]) -> bool:
        """Whether a queue would refuse these events: none does, but where a topic is to refuse what is too much."""
        return False

    def turn_away(self, events: Sequence[int], heard: bool) -> None:
        """The leader refuses these events, and their publisher hears of it or not."""

    def append_to(self, event: int, replicas: ReplicaSet) -> Entry:
        """The leader stores a record of the event, unless it is known as a repeat."""
        passage, now = self.passage, self.sim._now
        again = passage.is_stored(event)
        if again:
            if self.is_repeat(event, passage.stored[event], now):
                known = Entry(event, now, again)
                known.commit = now
                return known
            self.again.add(event, now)
        else:
            passage.stored[event] = now
        return replicas.append(event, self.messages.identity(event), again)

    def append(self, event: int) -> None:
        """As of any channel: what the broker itself or a transaction stores gets there sooner or later."""
        self.house.post(event)

    def append_again(self, event: int, now: float) -> None:
        """As of any channel."""
        self.house.post(event)

    def takes(self, origin: Messages, event: int) -> bool:
        """As of any channel."""
        replicas = self.replicas[self.partition_of(event, origin).number]
        return replicas.leader is not None and self.cluster.answers(replicas.leader)

    def uncommitted(self) -> Iterator[int]:
        """As of any channel."""
        for replicas in self.replicas:
            yield from (entry.event for entry in replicas.tail if self.delivery != "log" and not entry.enqueued)

    def readable(self, entry: Entry) -> None:
        """A record can be read from its commit on."""
        available, event = self.passage.available, entry.event
        if not available[event] <= self.sim._now:
            available[event] = entry.commit if entry.commit < INFINITY else NAN

    def drop(self, entry: Entry, now: float) -> None:
        """A record that nobody could read is cut off."""
        event, passage = entry.event, self.passage
        if not passage.available[event] <= now:
            passage.available[event] = NAN
        passage.cut_off[event] = now

    def fork(self, event: int) -> None:
        """A leader that is none any more stores a record, which it will cut off when it learns of it."""
        passage, now = self.passage, self.sim.now
        if not passage.is_stored(event):
            passage.stored[event] = now
        passage.cut_off[event] = now


def lose_what_was_cut_off(topic: StoredTopic) -> None:
    """The run is over: what was cut off and never stored again is lost to every group."""
    for event, when in topic.passage.cut_off.items():
        if topic.passage.available[event] != topic.passage.available[event]:
            for journey in topic.journeys:
                journey.lose(event, when, BROKER)
