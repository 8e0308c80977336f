"""What a group does with the events of one topic: the luck of each attempt, the effect, and what is published."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.call import Called, Step
from models.channel import Channel
from models.consumer import Consumer
from models.draws import ONCE, drawer, rare_drawer, uniform_drawer
from models.inbox import UNKNOWN, Inbox
from models.journey import MARK, Journey
from models.marks import SEEN
from models.outbox import Outbox
from models.outcome import ERROR, OK, SUPPRESSED
from models.outgoing import Outgoing, Post
from simulator.recorder import grow
from simulator.simulation import Simulation
from simulator.streams import Stream, name_key


class Publication:
    """One entry of `publishes`: whether an event has children and which, the same each time it is published."""

    def __init__(self, sim: Simulation, group: str, place: int, spec: object, target: Channel, journey: Journey) -> None:
        self.target = target
        self.probability: float = spec.probability  # type: ignore[attr-defined]
        self.count: int = spec.count  # type: ignore[attr-defined]
        self.key = name_key(group, place)
        self.stream: Stream = sim.stream(f"{group}/publishes[{place}]")
        self.source = target.messages.add_source(group)
        self.journey = journey
        self.children = array("i")
        journey.messages.growers.append(self._make_room)
        while len(self.children) < journey.messages.capacity * self.count:
            self._make_room()

    def _make_room(self) -> None:
        for _ in range(self.count):
            grow(self.children, -1)

    def publish(self, event: int, now: float) -> None:
        """Stores the event's children in the target topic, or a further record of each that is there."""
        for child, is_new in self.children_of(event, now):
            if is_new:
                self.target.append(child)
            else:
                self.target.send_again(child, now)

    def children_of(self, event: int, now: float) -> Iterator[tuple[int, bool]]:
        """The event's children, and whether each was unknown before now."""
        messages = self.journey.messages
        if self.probability < 1.0 and self.stream.uniform(messages.identity(event)) >= self.probability:
            return
        first = event * self.count
        for copy in range(self.count):
            child = self.children[first + copy]
            is_new = child < 0
            if is_new:
                luck = copy if self.count > 1 else None
                child = self.target.add_child(messages, event, self.source, self.key, luck, now)
                self.children[first + copy] = child
            yield child, is_new


class Leg(NamedTuple):
    """One dependency that a handler calls: its seconds and error luck by event and attempt; whether its success is the effect;
    and what it calls in its turn."""

    server: Called
    latency: Callable[[int, int], float]
    error: Callable[[int, int], float]
    last: bool
    onward: Sequence[Step]


class Handling:
    """The handler of a group for one of its topics. `calls`: each dependency in order; `hedges`: as they are called a second
    time, where they are, with luck of its own."""

    def __init__(
        self,
        sim: Simulation,
        group: str,
        spec: Consumer,
        journey: Journey,
        servers: Sequence[Called],
        targets: list[Channel],
        inbox: Inbox | None,
    ) -> None:
        self.sim = sim
        self.journey = journey
        messages = journey.messages
        self.service = drawer(sim.stream(f"{group}/service"), messages, spec.service)
        self.failure = uniform_drawer(sim.stream(f"{group}/failure"), messages)
        self.poison = uniform_drawer(sim.stream(f"{group}/poison"), messages, ONCE)
        self.retry_luck = rare_drawer(sim.stream(f"{group}/retry"), messages)
        self.throttle_luck = rare_drawer(sim.stream(f"{group}/throttle"), messages)
        self.redelivery_luck = rare_drawer(sim.stream(f"{group}/redelivery"), messages)
        self.inbox = inbox
        self.transaction = inbox is not None and inbox.transaction
        self.calls: list[Leg] = []
        self.hedges: list[Leg] = []
        for place, server in enumerate(servers):
            nth = sum(other is server for other in servers[:place])
            name = f"{group}/{server.name}" + (f"#{nth + 1}" if nth else "")
            latency = drawer(sim.stream(f"{name}/latency"), messages, server.spec.latency)
            error = uniform_drawer(sim.stream(f"{name}/error"), messages)
            last = place == len(servers) - 1
            self.calls.append(Leg(server, latency.at, error.at, last, server.steps(name, messages)))
            if spec.hedge_after is not None:
                luck = f"{name}/hedge"
                late = rare_drawer(sim.stream(f"{luck}/latency"), messages, server.spec.latency)
                wrong = rare_drawer(sim.stream(f"{luck}/error"), messages)
                self.hedges.append(Leg(server, late, wrong, last, server.steps(luck, messages)))
        self._publishes_several = sum(publish.count for publish in spec.publishes) > 1
        self.publications = [
            Publication(sim, group, place, publish, target, journey)
            for place, (publish, target) in enumerate(zip(spec.publishes, targets, strict=True))
        ]

    def apply(self, event: int) -> int:
        """The effect happens now; in a transaction only if no mark holds, and the mark is made with it, or neither."""
        if self.transaction:
            assert self.inbox is not None
            found = self.inbox.commit(event, self.journey.attempts[event])
            if found == SEEN:
                return SUPPRESSED
            if found == UNKNOWN:
                return ERROR
        self.journey.effect_applied(event, self.sim._now)
        return OK

    def publish(self, event: int, now: float) -> None:
        """Everything that the handler publishes when it has succeeded."""
        if self._publishes_several:
            self.sim.hold()
        for publication in self.publications:
            publication.publish(event, now)
        self.journey.published[event] = 1

    def post(self, event: int, now: float, outgoing: Mapping[str, Outgoing]) -> list[Post]:
        """Sends everything that the handler publishes on its way, by the clients of its instance."""
        return [
            outgoing[publication.target.name].post(child)
            for publication in self.publications
            for child, _ in publication.children_of(event, now)
        ]

    def put_in(self, outboxes: Mapping[str, Outbox]) -> None:
        """Everything that the handler publishes is stored with its effects."""

        def put(event: int) -> None:
            for publication in self.publications:
                target = publication.target
                for child, _ in publication.children_of(event, self.sim._now):
                    outboxes[target.name].publish(child, target.partition_of(child).number)
            self.journey.published[event] = 1

        self.journey.on_effect.append(put)

    def check_published(self, on_their_way: Mapping[str, Container[int]]) -> None:
        """The run is over: an event is published only if all its children were stored, or are surely going to be."""
        for publication in self.publications:
            stored, going = publication.target.messages.stored(), on_their_way.get(publication.target.name, ())
            children = np.array(publication.children, dtype=np.int64).reshape(-1, publication.count)
            missing = (children >= 0) & np.isnan(np.append(stored, np.nan)[children])
            missing[missing] = [child not in going for child in children[missing]]
            for event in np.flatnonzero(missing.any(axis=1)):
                self.journey.published[event] = 0

    def suppress(self, event: int, now: float) -> None:
        """The event is marked as done and is not handled again: lost, if nothing was ever done."""
        journey = self.journey
        journey.suppressions.add(event, now)
        if journey.effect[event] != journey.effect[event]:
            journey.lose(event, now, MARK)
