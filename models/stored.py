"""A topic whose records are kept by nodes that can fail: each partition with its replicas, and where its records are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from models.channel import Channel
from models.cluster import Cluster
from models.draws import drawer
from models.entry import INFINITY, Entry
from models.journey import BROKER
from models.message import Messages
from models.passage import Passage
from models.replica import ReplicaSet
from models.stores import LogStore, QueueStore
from models.topic import Topic
from simulator.recorder import NAN
from simulator.simulation import Simulation


class House(Protocol):
    """Who stores surely, for the broker itself."""

    def pending(self) -> Collection[int]:
        """Events of which it does not know yet that a copy is stored."""

    def post(self, event: int) -> object:
        """An event of the topic, for the first time or again."""


class StoredTopic(Channel):
    """A channel on nodes. `replicas`: by partition; a queue has one. `passage`: how its events came in. `accepted`: the latest
    record of each event, where copies are dropped; `moved`: what the broker itself is about to store again, which is none.
    `rejected`: when an event was first refused because it was too much (s)."""

    def __init__(self, sim: Simulation, name: str, spec: Topic, messages: Messages, cluster: Cluster) -> None:
        super().__init__(sim, name, spec, messages)
        self.cluster = cluster
        self.passage = self.messages.passage = Passage()
        self.messages.growers.append(self.passage.make_room)
        self.replicas: list[ReplicaSet] = []
        self.rejected: dict[int, float] = {}
        self._lags: dict[int, Callable[[int, int], float]] = {}
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
            replicas = ReplicaSet(cluster, name, partition.number, places, store, majority, self._copy_seconds)
            partition.led = replicas
            self.replicas.append(replicas)
        cluster.replicas += self.replicas
        self.house: House
        self.accepted: dict[int, Entry] = {}
        self.moved: set[int] = set()

    def _copy_seconds(self, event: int, node: int, leader: int) -> float:
        """How long an event takes from a leader to another node once it sets out, which is at intervals or at once."""
        draw, cluster = self._lags.get(node), self.cluster
        if cluster.interval is not None:
            return cluster.detours.seconds(leader, node, self.messages.identity(event))
        if draw is None:
            law = cluster.spec.replication_lag
            stream = self.sim.stream(f"topics.{self.name}/replication")
            draw = self._lags[node] = drawer(stream, self.messages, law, usual=node).at
        seconds = draw(event, node) * cluster.nodes[node].slow
        return (
            seconds + cluster.detours.seconds(leader, node, self.messages.identity(event)) if cluster.detours.ways else seconds
        )

    def has_enough(self, replicas: ReplicaSet) -> bool:
        """Whether enough replicas are in sync to acknowledge to who wants all of them."""
        return replicas.majority or len(replicas.in_sync) >= self.cluster.spec.min_insync_replicas

    def welcomes(self, replicas: ReplicaSet, acks: str | None, number: int, events: Iterable[int]) -> bool:
        """Whether the leader takes these events, from a publisher who wants so many acknowledgements."""
        return replicas.leader not in self.cluster.full and (acks != "all" or self.has_enough(replicas))

    def is_partly_full(self, events: Sequence[int]) -> bool:
        """Whether a queue would refuse these events: none does, but where a topic is to refuse what is too much."""
        return False

    def turn_away(self, events: Sequence[int], heard: bool) -> None:
        """The leader refuses these events, and their publisher hears of it or not."""

    def append_to(self, event: int, replicas: ReplicaSet) -> Entry:
        """The leader stores a record of the event, or has one that it takes for the same."""
        passage = self.passage
        if self.deduplication and (before := self._accepted_before(event)) is not None:
            return before
        again = passage.is_stored(event)
        if again:
            self.again.add(event, self.sim._now)
        else:
            passage.stored[event] = self.sim._now
        entry = replicas.append(event, again)
        if self.deduplication:
            self.accepted[event] = entry
        return entry

    def _accepted_before(self, event: int) -> Entry | None:
        """What stands for a copy that is accepted and dropped: the record, or its likeness once that is committed."""
        entry, now = self.accepted.get(event), self.sim._now
        if event in self.moved:
            self.moved.remove(event)
            return None
        if entry is None or not entry.alive or now >= entry.appended + self.deduplication:
            return None
        if entry.commit > now:
            return entry
        likeness = Entry(entry.number, entry.leader, event, now, True)
        likeness.commit = now
        return likeness

    def append(self, event: int) -> None:
        """As of any channel: what the broker itself or a transaction stores gets there sooner or later."""
        self.house.post(event)

    def send_again(self, event: int, now: float) -> None:
        """As of any channel."""
        self.house.post(event)

    def append_again(self, event: int, now: float) -> None:
        """As of any channel."""
        if self.deduplication:
            self.moved.add(event)
        self.house.post(event)

    def takes(self, origin: Messages, event: int) -> bool:
        """As of any channel."""
        return self.replicas[self.partition_of(event, origin).number].serves()

    def uncommitted(self) -> Iterator[int]:
        """As of any channel."""
        for replicas in self.replicas:
            yield from (entry.event for entry in replicas.tail if self.delivery != "log" and not entry.enqueued)
        yield from (event for event in self.house.pending() if self.passage.is_stored(event))

    def readable(self, entry: Entry) -> None:
        """A record can be read from its commit on: an event from the first one of its records on."""
        available, event = self.passage.available, entry.event
        if not available[event] <= entry.commit:
            available[event] = entry.commit if entry.commit < INFINITY else NAN

    def readable_anew(self, entries: Sequence[Entry]) -> None:
        """The last records of a partition can be read from other times on."""
        available, now = self.passage.available, self.sim._now
        for entry in entries:
            if not available[entry.event] < now:
                available[entry.event] = NAN
        for entry in entries:
            self.readable(entry)

    def drop(self, entry: Entry, now: float) -> None:
        """A record that nobody could read is cut off."""
        event, passage = entry.event, self.passage
        if not passage.available[event] <= now:
            passage.available[event] = NAN
        passage.cut_off[event] = now
        if passage.is_decided(event):
            self._settle(event)

    def fork(self, event: int, decided: bool) -> None:
        """A leader that is none any more stores a record, which it will cut off when it learns of it. `decided`: its
        publisher does not try again."""
        passage, now = self.passage, self.sim.now
        if not passage.is_stored(event):
            passage.stored[event] = now
        passage.cut_off[event] = now
        if decided:
            self._settle(event)

    def _settle(self, event: int) -> None:
        """Nobody will do anything about the event any more."""
        for journey in self.journeys:
            journey.settle(event)


def lose_what_was_cut_off(topic: StoredTopic) -> None:
    """The run is over: what was cut off and is not stored in another record is lost to every group."""
    alive = {entry.event for replicas in topic.replicas for entry in replicas.tail}
    for event, when in topic.passage.cut_off.items():
        if topic.passage.available[event] != topic.passage.available[event] and event not in alive:
            for journey in topic.journeys:
                journey.lose(event, when, BROKER)
