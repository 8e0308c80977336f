"""A topic at work: its messages, and either its partitions or the queues that groups have bound to it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Protocol

from models.journey import Journey
from models.keys import partition_of
from models.log import Partition
from models.message import NO_LUCK, NONE, Messages
from models.retention import RetainedPartition, retention_of
from models.topic import Topic
from simulator.recorder import Trail
from simulator.simulation import Simulation
from simulator.streams import child_identity


class Bound(Protocol):
    """A group's queue that is bound to the topic. `places`: copies ever appended; `again`: those beyond an event's first."""

    places: int
    again: int

    def append(self, event: int) -> None:
        """A new message."""

    def append_again(self, event: int, now: float) -> None:
        """A further copy of one."""

    def serve(self, served: bool) -> None:
        """Whether there is a node to serve it."""

    def kept(self) -> Iterator[int]:
        """Events of which it holds a copy, ready or handed out."""

    def lose_leader(self) -> None:
        """The node that leads it is gone, with what it knew of who holds what."""

    def lose(self, events: Iterable[int], now: float) -> None:
        """A leader takes messages with it."""


class Channel:
    """One topic of one replication. `again`: copies beyond each event's first, (event, time). `resent`: events that handlers
    have published again, (event, time), where sending takes no time.

    `times`: from when on each event can be read, where its producer writes it before (it is `ahead`). `journeys`: its
    groups'. `dead_letters`: where that goes which the topic's limits remove or refuse.
    """

    def __init__(self, sim: Simulation, name: str, spec: Topic, messages: Messages, times: array[float] | None = None) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.delivery = delivery = spec.delivery or "log"
        self.fifo = bool(spec.fifo)
        self.deduplication = spec.deduplication or 0.0
        self.messages = messages
        self.ahead = times is not None
        retention = retention_of(sim, spec, messages) if delivery == "log" else None
        numbers = range(spec.partitions if delivery == "log" else 1)
        self.partitions: list[Partition] = [
            Partition(number, times) if retention is None else RetainedPartition(sim, number, times, messages, retention)
            for number in numbers
        ]
        self.queues: list[Bound] = []
        self.dead_letters: Channel | None = None
        self._source = NONE
        self.journeys: list[Journey] = []
        self._sent: dict[int, float] = {}
        self.again = Trail(event="i", time="d")
        self.resent = Trail(event="i", time="d")
        self.adopted: dict[tuple[str, int], int] = {}
        self._spread = sim.stream(f"topics.{name}/partition")
        self._partition_of_key: dict[int, int] = {}

    def partition_of(self, event: int, origin: Messages | None = None) -> Partition:
        """The partition of an event, which may be of another topic still: by its key, or drawn once where it has none."""
        partitions = self.partitions
        if len(partitions) == 1:
            return partitions[0]
        messages = self.messages if origin is None else origin
        key = messages.key[event] if messages.key else NONE
        if key == NONE:
            return partitions[int(self._spread.uniform(messages.identity(event)) * len(partitions))]
        number = self._partition_of_key.get(key)
        if number is None:
            number = self._partition_of_key[key] = partition_of(key, len(partitions))
        return partitions[number]

    def uncommitted(self) -> Iterable[int]:
        """Events of which a copy is stored that no queue has yet."""
        return ()

    def append(self, event: int) -> None:
        """Stores the first copy of an event."""
        if self.delivery == "log":
            self.partition_of(event).append(event)
        for queue in self.queues:
            queue.append(event)

    def send_again(self, event: int, now: float) -> None:
        """A producer sends an event that is here once more: accepted, but not stored within `deduplication` seconds of the
        last time that it was, whether that copy is still there or not (Amazon SQS, FIFO queues)."""
        self.resent.add(event, now)
        if self.deduplication:
            if now < self._sent.get(event, self.messages.produced[event]) + self.deduplication:
                return
            self._sent[event] = now
        self.append_again(event, now)

    def append_again(self, event: int, now: float) -> None:
        """Stores a further copy of an event, for every group."""
        self.again.add(event, now)
        if self.delivery == "log":
            self.partition_of(event).append_again(event, now)
        for queue in self.queues:
            queue.append_again(event, now)

    def buries_in(self, channel: Channel) -> None:
        """What this topic's limits remove goes to another topic."""
        self.dead_letters = channel
        self._source = channel.messages.add_source(f"topics.{self.name}")

    def bury(self, event: int) -> None:
        """A copy was removed, or refused: it is moved to the dead-letter topic, if there is one."""
        if self.dead_letters is not None:
            self.sim.hold()
            self.dead_letters.adopt(self.messages, event, self._source, self.sim._now)

    def takes(self, origin: Messages, event: int) -> bool:
        """Whether a record of an event of another topic would be stored now."""
        return True

    def add_child(self, parents: Messages, parent: int, source: int, key: int, copy: int | None, now: float) -> int:
        """A new event, not stored yet, from a handler; `copy` is None where there is one, which has its root's luck."""
        messages = self.messages
        luck = messages.luck_of(parents, parent) if copy is None else NO_LUCK
        event = messages.add(now, parents.key_of(parent), parents.born_at(parent), parent, source, luck)
        if luck is NO_LUCK:
            messages.identities[event] = child_identity(parents.identity(parent), key, copy or 0)
        return event

    def adopt(self, origin: Messages, event: int, source: int, now: float) -> None:
        """Stores an event of another topic that was moved here (a dead letter): the same event, whenever it comes again."""
        known = self.adopted.get((origin.topic, event))
        if known is not None:
            self.append_again(known, now)
            return
        messages = self.messages
        mine = messages.add(now, origin.key_of(event), origin.born_at(event), event, source)
        messages.identities[mine] = origin.identity(event)
        if event in origin.poisoned:
            messages.poisoned.add(mine)
        self.adopted[(origin.topic, event)] = mine
        self.append(mine)
