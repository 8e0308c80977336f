"""A queue as RabbitMQ keeps it: ready messages in order, pushed to the consumers that have room, back in place if returned."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Protocol

from models.journey import BROKER, Journey
from simulator.recorder import Trail


class Taker(Protocol):
    """A consumer to whom messages are pushed."""

    def has_room(self) -> bool:
        """Whether it may hold one more unacknowledged message."""

    def hand(self, queue: Queue, place: int, event: int) -> None:
        """Takes a copy."""


class Queue:
    """One group's queue on a topic.

    A copy is known by its place: `ready` holds (place, event) in order, `returned` those that came back, which always
    stand before what was never handed out. `handed` counts how often a copy that came back, or was put in again, has been
    handed out; `waited` is of its last delay. `places` counts the copies ever appended, `again` those beyond an event's first.
    `settled`: acknowledgements, written only for a trace.
    """

    def __init__(self, journey: Journey, topic: int, single_active: bool) -> None:
        self.journey = journey
        self.topic = topic
        self.single_active = single_active
        self.ready: deque[tuple[int, int]] = deque()
        self.returned: list[tuple[int, int]] = []
        self.handed: dict[int, int] = {}
        self.waited: dict[int, float] = {}
        self.takers: deque[Taker] = deque()
        self.places = self.again = 0
        self.settled = Trail(event="i", time="d")
        self.served = True
        self.on_failure: Callable[[], None] | None = None
        self.handed_out: Callable[[], Iterator[int]] | None = None

    def append(self, event: int) -> None:
        """A new message at the tail."""
        place = self.places
        self.places = place + 1
        self.ready.append((place, event))
        if self.takers:
            self.push()

    def append_again(self, event: int, now: float, count: int = 0, waited: float = 0.0) -> None:
        """A further copy at the tail, of a message that has been handed out `count` times before."""
        self.again += 1
        if count:
            self.handed[self.places], self.waited[self.places] = count, waited
        self.append(event)

    def put_back(self, place: int, event: int) -> None:
        """Returns a copy to its place; `push` hands it out again."""
        heappush(self.returned, (place, event))

    def push(self) -> None:
        """Hands ready messages to consumers with room, one each in turn (with a single active one: all to the first)."""
        takers = self.takers
        while takers and (self.returned or self.ready) and self.served:
            taker = takers[0]
            if not taker.has_room():
                if self.single_active:
                    return
                takers.popleft()
                continue
            place, event = heappop(self.returned) if self.returned else self.ready.popleft()
            if not self.single_active:
                takers.rotate(-1)
            taker.hand(self, place, event)

    def serve(self, served: bool) -> None:
        """Whether its leader is there."""
        self.served = served
        if served:
            self.push()

    def kept(self) -> Iterator[int]:
        """Events of which it holds a copy, ready or handed out."""
        yield from (event for _, event in self.ready)
        yield from (event for _, event in self.returned)
        if self.handed_out is not None:
            yield from self.handed_out()

    def lose_leader(self) -> None:
        """The leader is gone: what is unacknowledged is ready again for the next."""
        if self.on_failure is not None:
            self.on_failure()

    def lose(self, events: Iterable[int], now: float) -> None:
        """A leader takes messages with it."""
        gone = set(events)
        if gone:
            self.ready = deque(copy for copy in self.ready if copy[1] not in gone)
            self.returned = [copy for copy in self.returned if copy[1] not in gone]
            heapify(self.returned)
            for event in gone:
                if self.journey.effect[event] != self.journey.effect[event]:
                    self.journey.lose(event, now, BROKER)

    def join(self, taker: Taker) -> None:
        """A consumer has come, or has room again: it stands at the end of the line."""
        if taker not in self.takers:
            self.takers.append(taker)
        self.push()

    def leave(self, taker: Taker) -> None:
        """A consumer has gone."""
        if taker in self.takers:
            self.takers.remove(taker)
