"""The instances of a producer, each with its client, and with an outbox where there is one."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.client import Client
from models.cluster import Cluster
from models.passage import Passage
from models.producer import Producer
from models.stored import StoredTopic
from simulator.simulation import TIMER, Simulation


class Relay:
    """An outbox: events are safe in it as soon as they are produced, and a relay that looks at multiples of `poll` publishes
    what is not marked as sent, in order. What a crash leaves unmarked is published again: at least once."""

    def __init__(self, sim: Simulation, poll: float, publish: Callable[[int, int], None], place: int) -> None:
        self.sim = sim
        self.poll = poll
        self.publish = publish
        self.place = place
        self.rows: dict[int, int] = {}
        self.sent: set[int] = set()
        self.stands = False
        self._armed = False

    def put(self, event: int, number: int) -> None:
        """An event is stored, to go to that partition."""
        self.rows[event] = number
        self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            next_look = (math.floor(self.sim.now / self.poll) + 1) * self.poll
            self.sim.call_at(next_look, TIMER, self._look, self.place)

    def _look(self) -> None:
        self._armed = False
        if self.stands:
            return
        for event in sorted(self.rows.keys() - self.sent):
            self.sent.add(event)
            self.publish(event, self.rows[event])

    def mark(self, event: int) -> None:
        """An event is known to be stored by the broker."""
        self.rows.pop(event, None)
        self.sent.discard(event)

    def again(self, event: int) -> None:
        """It is not known to be: the relay sends it again."""
        self.sent.discard(event)
        if event in self.rows and not self.stands:
            self._arm()

    def stand_still(self) -> None:
        """Nobody looks."""
        self.stands = True

    def go_on(self) -> None:
        """Somebody looks again, at the next multiple."""
        self.stands = False
        if self.rows:
            self._arm()


class ProducerInstance:
    """One instance: `down` and `frozen` count the faults that keep it so."""

    def __init__(self, publisher: Publisher, index: int, cluster: Cluster, topic: StoredTopic, place: int) -> None:
        self.publisher = publisher
        self.path = f"{publisher.name}[{index}]"
        self.down = self.frozen = 0
        spec = publisher.spec
        self.client = Client(publisher.sim, self.path, publisher.name, spec, topic, cluster, self, place)
        self.relay: Relay | None = None
        if spec.outbox is not None:
            self.relay = Relay(publisher.sim, spec.outbox.poll, self.client.publish, place)

    def publish(self, event: int, number: int) -> None:
        """An event is to be stored in that partition."""
        if self.relay is not None:
            self.relay.put(event, number)
        else:
            self.client.publish(event, number)

    def acknowledged(self, event: int, time: float) -> None:
        """As of any owner: an event of an outbox is marked when this is known."""
        self.publisher.passage.acknowledged[event] = time
        if self.relay is None:
            return
        if time <= self.client.sim.now:
            self.relay.mark(event)
        elif time == time:
            self.client.sim.call_at(time, TIMER, lambda: self._mark(event), self.client.place)

    def _mark(self, event: int) -> None:
        if self.relay is not None and self.publisher.passage.acknowledged[event] <= self.client.sim.now:
            self.relay.mark(event)

    def gave_up(self, event: int) -> None:
        """As of any owner: an outbox never does."""
        if self.relay is not None:
            self.relay.again(event)
        else:
            self.publisher.fail(event)

    def crash(self) -> None:
        """The process is gone: with all that it held, unless that is in an outbox."""
        self.down += 1
        if self.down == 1:
            if self.relay is not None:
                self.relay.stand_still()
            for event in self.client.crash():
                self.gave_up(event)

    def stop(self) -> None:
        """A planned stop: it takes no more, and sends what it holds; what is in an outbox waits there."""
        self.down += 1
        if self.relay is not None:
            self.relay.stand_still()

    def restart(self) -> None:
        """A crash or stop is over."""
        self.down -= 1
        if not self.down and self.relay is not None:
            self.relay.go_on()

    def pause(self) -> None:
        """It stands still."""
        self.frozen += 1
        if self.frozen == 1:
            if self.relay is not None:
                self.relay.stand_still()
            self.client.freeze()

    def resume(self) -> None:
        """It goes on."""
        self.frozen -= 1
        if not self.frozen:
            if self.relay is not None and not self.down:
                self.relay.go_on()
            self.client.thaw()


class Publisher:
    """A producer's events on their way: the k-th goes to instance k mod instances, or to the next one that is up."""

    def __init__(self, sim: Simulation, name: str, spec: Producer, topic: StoredTopic, cluster: Cluster, place: int) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.passage: Passage = topic.passage
        self.on_failed: list[Callable[[int], object]] = []
        self.instances = [ProducerInstance(self, index, cluster, topic, place + index) for index in range(spec.instances)]

    def publish(self, event: int, k: int, number: int) -> None:
        """The k-th event is to be stored in that partition; nobody takes it where all instances are down."""
        instances = self.instances
        for turn in range(len(instances)):
            instance = instances[(k + turn) % len(instances)]
            if not instance.down:
                instance.publish(event, number)
                return
        self.fail(event)

    def fail(self, event: int) -> None:
        """The event is given up."""
        self.passage.failed[event] = 1
        for tell in self.on_failed:
            tell(event)

    def is_busy(self) -> bool:
        """Whether an event of it is not decided yet."""
        return any(each.client.held or each.client.line or (each.relay and each.relay.rows) for each in self.instances)

    def finish(self) -> None:
        """The run is over."""
        for instance in self.instances:
            instance.client.finish()
