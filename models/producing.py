"""Producers at work: open ones follow their arrivals whatever happens, closed ones wait for what they sent."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from models.arrival_times import ArrivalClock
from models.arrivals import ClosedArrivals
from models.channel import Channel
from models.course import Course
from models.journey import Journey
from models.keys import partitions_of
from models.message import NONE
from models.producer import Producer
from models.publisher import Publisher
from simulator.recorder import BLOCK
from simulator.simulation import ARRIVAL, Alarm, Simulation, priority
from simulator.streams import name_key

Process = Generator[simpy.Event, Any, None]


class Producing:
    """One `[producers.NAME]` of one replication. What all kinds share: key, partition and poison of the k-th event.

    `events`: how many it has produced. `poison_rate`: the share of events that are poison now.
    """

    def __init__(self, sim: Simulation, name: str, spec: Producer, channel: Channel, place: int) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.channel = channel
        self.messages = channel.messages
        self.place = place
        self.key = name_key(name)
        self.root = self.messages.add_producer(name, self.key)
        self.events = 0
        self.poison_rate = spec.poison
        self.publisher: Publisher | None = None
        self.alarm = Alarm(sim, priority(ARRIVAL, place))
        self._keys = sim.stream(f"{name}/keys")
        self._poison = sim.stream(f"{name}/poison")
        self._spread = sim.stream(f"topics.{channel.name}/partition")
        self._partitions: list[int] = []
        self._block_keys: list[int] = []
        self._block_from = 0

    def draw(self, first: int, count: int) -> tuple[np.ndarray | None, np.ndarray]:
        """Keys (None: no keys) and partitions of `count` events from the `first` on."""
        partitions = len(self.channel.partitions)
        if self.spec.keys is not None:
            keys = self.spec.keys.numbers(self._keys.block(self.key, first, count))
            return keys, partitions_of(keys, partitions)
        luck = self._spread.block(self.key, first, count)
        return None, (luck * partitions).astype(np.int64)

    def _draw_block(self) -> None:
        keys, partitions = self.draw(self.events, BLOCK)
        self._block_from = self.events
        self._block_keys = [] if keys is None else keys.tolist()
        self._partitions = partitions.tolist()

    def produce(self) -> int:
        """The next event arrives and is stored. Returns its number."""
        k = self.events
        place = k - self._block_from
        if place >= len(self._partitions):
            self._draw_block()
            place = 0
        self.events = k + 1
        messages, now = self.messages, self.sim._now
        if messages.single:
            event = k
            if event >= messages.capacity:
                messages.make_room()
            messages.produced.append(now)
            if self._block_keys:
                messages.key.append(self._block_keys[place])
        else:
            key = self._block_keys[place] if self._block_keys else NONE
            event = messages.add(now, key, now, NONE, NONE, (self.root, k))
        if self.poison_rate and self._poison.uniform(messages.identity(event)) < self.poison_rate:
            messages.poisoned.add(event)
        channel = self.channel
        if self.publisher is not None:
            self.publisher.publish(event, k, self._partitions[place])
        elif channel.queues:
            for queue in channel.queues:
                queue.append(event)
        else:
            channel.partitions[self._partitions[place]].append(event)
        return event

    def end(self) -> None:
        """No arrivals any more."""
        raise NotImplementedError

    def _produce_arrival(self) -> None:
        for _ in range(self.spec.arrivals.size):
            self.produce()


class OpenProducing(Producing):
    """A producer whose arrivals do not wait for anything."""

    def __init__(self, sim: Simulation, name: str, spec: Producer, channel: Channel, place: int) -> None:
        super().__init__(sim, name, spec, channel, place)
        assert not isinstance(spec.arrivals, ClosedArrivals)
        self.clock = ArrivalClock(spec.arrivals, sim.stream, name)
        self.arrived = 0
        self.over = False
        self.process = sim.process(self.run())

    def run(self) -> Process:
        """Arrival by arrival, a block of times at once; a surge interrupts it, and the times are taken anew."""
        size = self.spec.arrivals.size
        while True:
            try:
                times = self.clock.next_block()
                if not times:
                    yield self.sim.event()
                for time in times:
                    yield self.alarm.at(time)
                    self.arrived += 1
                    if size == 1:
                        self.produce()
                    else:
                        self.sim.hold()
                        self._produce_arrival()
            except simpy.Interrupt:
                self.alarm = Alarm(self.sim, self.alarm.order)

    def set_factor(self, factor: float) -> None:
        """From now on arrivals come `factor` times as fast, unless they are over."""
        if self.over:
            return
        self.clock.set_factor(self.sim.now, factor, self.arrived)
        self.process.interrupt()

    def end(self) -> None:
        """No arrivals any more."""
        self.set_factor(0.0)
        self.over = True


class AheadProducing(Producing):
    """An open producer that nothing can disturb: it writes its arrivals into the log a block ahead, which costs no event each.

    Its records say when they exist; readers look at the time.
    """

    def __init__(
        self, sim: Simulation, name: str, spec: Producer, channel: Channel, place: int, until: float,
        course: Course | None = None,
    ) -> None:  # fmt: skip
        super().__init__(sim, name, spec, channel, place)
        assert not isinstance(spec.arrivals, ClosedArrivals)
        self.clock = ArrivalClock(spec.arrivals, sim.stream, name)
        self.until = until
        self.course = course
        sim.process(self.run())

    def run(self) -> Process:
        """Block by block, each when the one before it has arrived."""
        while True:
            times = np.asarray(self.clock.next_block())
            times = np.repeat(times[times <= self.until], self.spec.arrivals.size)
            if not len(times):
                return
            for first in range(0, len(times), BLOCK):
                self._write(times[first : first + BLOCK])
            yield self.alarm.at(float(times[-1]))

    def _write(self, times: np.ndarray) -> None:
        first, messages = self.events, self.messages
        self.events += len(times)
        while self.events > messages.capacity:
            messages.make_room()
        messages.produced.frombytes(times.tobytes())
        keys, partitions = self.draw(first, len(times))
        if self.course is not None:
            self.course.write(first, times, partitions)
        if keys is not None:
            messages.key.frombytes(keys.astype(np.int32).tobytes())
        for partition in self.channel.partitions:
            events = np.flatnonzero(partitions == partition.number) + first
            partition.records.frombytes(events.astype(np.int32).tobytes())
            for cursor in partition.cursors:
                if cursor.asleep:
                    cursor.asleep = False
                    cursor.rest()

    def end(self) -> None:
        """No arrivals any more: none was written beyond the end."""


class ClosedProducing(Producing):
    """Clients that each think, send, and wait until every group has settled what they sent."""

    def __init__(self, sim: Simulation, name: str, spec: Producer, channel: Channel, place: int) -> None:
        super().__init__(sim, name, spec, channel, place)
        assert isinstance(spec.arrivals, ClosedArrivals)
        self.arrivals = spec.arrivals
        self.groups = 0
        self.open = True
        self._think = sim.stream(f"{name}/think")
        self._unsettled: dict[int, tuple[set[int], set[int], Alarm]] = {}
        for client in range(self.arrivals.clients):
            sim.process(self.run(client))

    def run(self, client: int) -> Process:
        """The life of one client. Its n-th thought is drawn by (client, n)."""
        arrivals, sim = self.arrivals, self.sim
        alarm = Alarm(sim, priority(ARRIVAL, self.place))
        bell = Alarm(sim, priority(ARRIVAL, self.place))
        begin, turn = arrivals.start, 0
        while True:
            thought = arrivals.think.ppf(self._think.uniform(client, turn))
            yield alarm.at(max(begin, sim.now) + thought)
            turn += 1
            if not self._may_send():
                return
            if arrivals.size > 1:
                sim.hold()
            sent: set[int] = set()
            for _ in range(arrivals.size):
                event = len(self.messages)
                if self.groups:
                    sent.add(event)
                    self._unsettled[event] = set(range(self.groups)), sent, bell
                self.produce()
            if sent:
                yield bell.wait()

    def _may_send(self) -> bool:
        arrivals = self.arrivals
        if arrivals.stop is not None and self.sim.now > arrivals.stop:
            return False
        if arrivals.limit is not None and self.events >= arrivals.limit * arrivals.size:
            return False
        return self.open

    def told_by(self, journey: Journey) -> None:
        """One more group whose settling of events the clients wait for."""
        group = self.groups
        self.groups += 1

        def settled(event: int) -> None:
            groups, sent, bell = self._unsettled.get(event, (None, None, None))
            if groups is None or sent is None or bell is None:
                return
            groups.discard(group)
            if not groups:
                del self._unsettled[event]
                sent.remove(event)
                if not sent and bell.callbacks:
                    bell.ring()

        journey.on_settled.append(settled)

    def failed(self, event: int) -> None:
        """An event was given up: for its client it is settled everywhere."""
        _, sent, bell = self._unsettled.pop(event, (None, None, None))
        if sent is not None and bell is not None:
            sent.remove(event)
            if not sent and bell.callbacks:
                bell.ring()

    def end(self) -> None:
        """No arrivals any more."""
        self.open = False
