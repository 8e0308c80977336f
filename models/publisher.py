"""The instances of a producer, each with its client, and with an outbox where there is one."""

from __future__ import annotations

from collections.abc import Callable

from models.client import Client
from models.outbox import Outbox
from models.passage import Passage
from models.producer import Producer
from models.stored import StoredTopic
from simulator.recorder import Trail
from simulator.simulation import Simulation


class Direct:
    """Events that live in the memory of one instance until they are published."""

    def __init__(self, publisher: Publisher, path: str, topic: StoredTopic, place: int) -> None:
        self.publisher = publisher
        self.passage = publisher.passage
        self.client = Client(publisher.sim, path, publisher.name, publisher.spec, topic, topic.cluster, self, place)
        self.publish = self.client.publish

    def acknowledged(self, event: int, time: float) -> None:
        """As of any owner."""
        self.passage.acknowledged[event] = time

    def gave_up(self, event: int) -> None:
        """As of any owner."""
        self.publisher.fail(event)

    def vanished(self, event: int) -> None:
        """As of any owner."""
        self.publisher.forget(event)

    def crash(self) -> None:
        """They are gone."""
        for event in self.client.crash():
            self.gave_up(event)

    def stand_still(self) -> None:
        """What is under way goes on."""

    def go_on(self) -> None:
        """And has gone on."""


class ProducerInstance:
    """One instance: `down` and `frozen` count the faults that keep it so."""

    def __init__(self, publisher: Publisher, index: int, topic: StoredTopic, place: int) -> None:
        self.path = f"{publisher.name}[{index}]"
        self.down = self.frozen = 0
        spec = publisher.spec
        self.way: Direct | Outbox
        if spec.outbox is None:
            self.way = Direct(publisher, self.path, topic, place)
        else:
            self.way = Outbox(publisher.sim, self.path, publisher.name, spec, topic, spec.outbox.poll, place)

    def crash(self) -> None:
        """The process is gone: with all that it held, unless that is in an outbox."""
        self.down += 1
        if self.down == 1:
            self.way.crash()

    def stop(self) -> None:
        """A planned stop: it takes no more, and sends what it holds; what is in an outbox waits there."""
        self.down += 1
        self.way.stand_still()

    def restart(self) -> None:
        """A crash or stop is over."""
        self.down -= 1
        self._go_on()

    def pause(self) -> None:
        """It stands still."""
        self.frozen += 1
        if self.frozen == 1:
            self.way.stand_still()
            self.way.client.freeze()

    def resume(self) -> None:
        """It goes on."""
        self.frozen -= 1
        if not self.frozen:
            self.way.client.thaw()
            self._go_on()

    def _go_on(self) -> None:
        if not (self.down or self.frozen):
            self.way.go_on()

    def is_busy(self) -> bool:
        """Whether an event of it is not decided yet."""
        return self.way.client.is_busy() or (isinstance(self.way, Outbox) and bool(self.way.rows))


class Publisher:
    """A producer's events on their way: the k-th goes to instance k mod instances, or to the next one that is up."""

    def __init__(self, sim: Simulation, name: str, spec: Producer, topic: StoredTopic, place: int) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.passage: Passage = topic.passage
        self.given_up = Trail(event="i", time="d")
        self.on_gone: list[Callable[[int], object]] = []
        self.instances = [ProducerInstance(self, index, topic, place + index) for index in range(spec.instances)]

    def publish(self, event: int, k: int, number: int) -> None:
        """The k-th event is to be stored in that partition; nobody takes it where all instances are down."""
        instances = self.instances
        for turn in range(len(instances)):
            instance = instances[(k + turn) % len(instances)]
            if not instance.down:
                instance.way.publish(event, number)
                return
        self.fail(event)

    def fail(self, event: int) -> None:
        """The event is given up."""
        self.passage.failed[event] = 1
        self.given_up.add(event, self.sim.now)
        self.forget(event)

    def forget(self, event: int) -> None:
        """Nothing more becomes of the event."""
        for tell in self.on_gone:
            tell(event)

    def is_busy(self) -> bool:
        """Whether an event of it is not decided yet."""
        return any(instance.is_busy() for instance in self.instances)

    def finish(self) -> None:
        """The run is over."""
        for instance in self.instances:
            instance.way.client.buffer.finish()
