"""A queue that removes messages by itself: those that have waited for too long, and those that are too many.

RabbitMQ (TTL, Queue Length Limit; the rules of a quorum queue): a message expires when it is at the head and older than the
TTL, counted from when it was put into the queue, whatever has become of it since; messages at consumers neither expire nor
count. With one TTL for all none hides behind another, so that each expires when it is due. A queue that is longer than
`max_length` drops its oldest messages, or refuses new ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop
from typing import Self

from models.journey import Journey
from models.queue import Queue, Taker
from models.topic import Topic
from simulator.simulation import TIMER, Alarm, Simulation

INFINITY = float("inf")


@dataclass(frozen=True)
class Limits:
    """What a topic's queues are held to: age (s) and number of ready messages, infinite for none, and what is refused."""

    age: float
    length: float
    refuses: bool
    buries_refused: bool

    @classmethod
    def of(cls, topic: Topic) -> Self | None:
        """Those of a topic; None where it has none."""
        if topic.longest_stay == INFINITY and topic.max_length is None:
            return None
        length = INFINITY if topic.max_length is None else topic.max_length
        return cls(topic.longest_stay, length, topic.refuses, topic.overflow == "reject_dead_letter")


class LimitedQueue(Queue):
    """`since`: when the copy of each place was enqueued (s). What is removed is told to `bury`."""

    def __init__(
        self,
        sim: Simulation,
        journey: Journey,
        topic: int,
        single_active: bool,
        limits: Limits,
        bury: Callable[[int], object],
        place: int,
    ) -> None:
        super().__init__(journey, topic, single_active)
        self.sim = sim
        self.limits = limits
        self.bury = bury
        self.place = place
        self.since = array("d")
        self.members: list[Taker] = []
        self._alarm: Alarm | None = None
        self._armed_for = INFINITY

    @property
    def length(self) -> int:
        """How many messages are ready."""
        return len(self.ready) + len(self.returned)

    # -- what comes ---------------------------------------------------------------------------------------------------

    def is_full_for(self, messages: int) -> bool:
        """Whether it would refuse so many at once."""
        return self.limits.refuses and self.length + messages > self.limits.length

    def turn_away(self, event: int) -> None:
        """Where a refused copy goes."""
        if self.limits.buries_refused:
            self.bury(event)

    def _refuse(self, event: int) -> None:
        """For its group the event has expired, unless another copy of it is handled."""
        self.journey.expire(event, self.sim._now)
        self.turn_away(event)

    def append_again(self, event: int, now: float, count: int = 0, waited: float = 0.0) -> None:
        """As of any queue, unless it is full. A copy that is put in again begins a new age."""
        if self.is_full_for(1):
            self._refuse(event)
        else:
            super().append_again(event, now, count, waited)

    def append(self, event: int) -> None:
        """As of any queue, unless it is full."""
        if self.is_full_for(1):
            self._refuse(event)
            return
        place = self.places
        self.places = place + 1
        self.since.append(self.sim._now)
        self.ready.append((place, event))
        self.push()

    def join(self, taker: Taker) -> None:
        """As of any queue."""
        if taker not in self.members:
            self.members.append(taker)
        super().join(taker)

    def leave(self, taker: Taker) -> None:
        """As of any queue."""
        if taker in self.members:
            self.members.remove(taker)
        super().leave(taker)

    # -- what goes ----------------------------------------------------------------------------------------------------

    def push(self) -> None:
        """As of any queue; what came back too old is not handed out again, and what is too many goes. Without a leader nothing
        is removed either."""
        if not self.served:
            return
        self._remove_old(self.sim._now, inclusive=False)
        super().push()
        if not self.limits.refuses and self.length > self.limits.length and not self._is_awaited():
            while self.length > self.limits.length:
                self._remove()
        self._watch()

    def _is_awaited(self) -> bool:
        """Whether a consumer has room that is not in line yet: it returns a message and goes on with the next."""
        return not self.single_active and any(member.has_room() for member in self.members)

    def _head(self) -> int:
        return self.returned[0][0] if self.returned else self.ready[0][0]

    def _due(self) -> float:
        """When the head expires, if it is still there then."""
        return self.since[self._head()] + self.limits.age if self.length else INFINITY

    def _remove_old(self, now: float, inclusive: bool) -> None:
        while (due := self._due()) < now or (inclusive and due <= now):
            self._remove()

    def _remove(self) -> None:
        place, event = heappop(self.returned) if self.returned else self.ready.popleft()
        self.handed.pop(place, None)
        self.waited.pop(place, None)
        self.journey.expire(event, self.sim._now)
        self.bury(event)

    def _watch(self) -> None:
        """One timer for all: what is handed out before it rings costs none."""
        due = self._due()
        if due < self._armed_for:
            if self._alarm is not None:
                self._alarm.silence()
            self._armed_for = due
            self._alarm = self.sim.call_at(due, TIMER, self._ring, self.place)

    def _ring(self) -> None:
        self._alarm, self._armed_for = None, INFINITY
        if not self.served:
            return
        self._remove_old(self.sim._now, inclusive=True)
        self._watch()
