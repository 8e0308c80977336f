"""A life of an instance that is fed by queues: what was pushed to it, and what it has not acknowledged.

Its connection is TCP: what is sent while it is cut arrives when it heals, unless the connection is closed before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from models.gate import Gate
from models.instance import Instance, Life
from models.journey import CONSUMER
from models.queue import Queue
from simulator.simulation import COMPLETION, DELIVERY, Simulation

INFINITY = float("inf")
Push = tuple[int, Queue, int, int]
"""Tag, queue, place and event."""


class Word:
    """What a worker has to say of a push: `say` is the broker's part; due at the broker at `due` (s)."""

    __slots__ = ("due", "push", "say")

    def __init__(self, due: float, push: Push, say: Callable[[], None]) -> None:
        self.due = due
        self.push = push
        self.say = say


class Passing:
    """A push on its way; what is through waits for those before it."""

    __slots__ = ("is_through", "push")

    def __init__(self, push: Push) -> None:
        self.push = push
        self.is_through = False


class QueueLife(Life):
    """`buffer`: pushed, and not taken by a worker; `unacked`: by tag, with the time of hand-over. `coming`: pushed, and not yet
    there; `words`: said, and not yet heard.
    """

    def __init__(
        self,
        sim: Simulation,
        instance: Instance,
        gate: Gate | None,
        on_stopped: Callable[[Life], None],
        prefetch: float,
        acknowledges_first: bool,
    ) -> None:
        super().__init__(sim, instance, gate, on_stopped)
        self.prefetch = prefetch
        self.acknowledges_first = acknowledges_first
        self.buffer: deque[Push] = deque()
        self.coming: deque[Passing] = deque()
        self.words: deque[Word] = deque()
        self.unacked: dict[int, tuple[Queue, int, int, float]] = {}
        self.tags = 0

    def is_done(self) -> bool:
        """As of any life: what was acknowledged first must still be handled."""
        to_come = self.buffer or (self.coming and self.linked)
        return super().is_done() and not (self.acknowledges_first and to_come)

    def untaken(self) -> int:
        """A worker for each message."""
        return len(self.buffer)

    def holds(self, topic: int) -> Iterator[int]:
        """As of any life: also what no worker has taken yet."""
        yield from super().holds(topic)
        yield from self.pushed(topic)
        if self.acknowledges_first:
            yield from (event for _, queue, _, event in self._untreated() if queue.topic == topic)
            yield from (word.push[3] for word in self.words if word.push[1].topic == topic)

    def pushed(self, topic: int) -> Iterator[int]:
        """Events of a topic that the broker has pushed and hopes to be acknowledged, or that have not arrived."""
        yield from (event for queue, _, event, _ in self.unacked.values() if queue.topic == topic)
        yield from (passing.push[3] for passing in self.coming if passing.push[1].topic == topic)

    def has_room(self) -> bool:
        """Whether fewer messages than the prefetch are unacknowledged, and it wants more."""
        return len(self.unacked) < self.prefetch and not self.stopping

    def hand(self, queue: Queue, place: int, event: int) -> None:
        """The broker pushes a copy; a worker takes it from the buffer when it is free."""
        tag = self.tags
        self.tags = tag + 1
        if not self.acknowledges_first:
            self.unacked[tag] = (queue, place, event, self.sim._now)
        queue.journey.deliveries[event] += 1
        if self.trip is None and self.linked and not self.coming:
            self._take((tag, queue, place, event))
        else:
            self._await((tag, queue, place, event))
        if self.instance.memory is not None:
            self.instance.memory.take(self, queue.topic, event)

    def _take(self, push: Push) -> None:
        self.buffer.append(push)
        if self.idle:
            self.idle.pop().bell.ring()
        elif self.open:
            self.call_worker()

    # -- the network --------------------------------------------------------------------------------------------------

    def _await(self, push: Push) -> None:
        """A push takes its time, and does not overtake another."""
        _, queue, _, event = push
        passing = Passing(push)
        waits: Iterator[float] = iter((0.0,))
        if self.trip is not None:
            journey = queue.journey
            waits = self.trip.push(self._node, journey.messages.identity(event), journey.deliveries[event])
            if not self.trip.varies:
                waits = iter((sum(waits),))
        self.coming.append(passing)
        self._carry(passing, waits)

    def _carry(self, passing: Passing, waits: Iterator[float]) -> None:
        """The next of the waits until it has come through."""
        seconds = next(waits, None)
        if seconds is None:
            passing.is_through = True
            self._arrive()
        else:
            self.sim.call_at(self.sim._now + seconds, DELIVERY, partial(self._carry, passing, waits), self.place)

    def _arrive(self) -> None:
        while self.coming and self.coming[0].is_through and self.linked:
            self._take(self.coming.popleft().push)

    def say(self, push: Push, word: Callable[[], None]) -> None:
        """Tells the broker what has become of a push, if it is ever heard."""
        due, (_, queue, _, event) = self.sim._now, push
        if self.trip is not None:
            journey = queue.journey
            due += self.trip.word(self._node, journey.messages.identity(event), journey.deliveries[event])
        if due == INFINITY:
            self._drop(push)
        elif due > self.sim._now or not self.heard or self.words:
            if self.words:
                due = max(due, self.words[-1].due)
            self.words.append(Word(due, push, word))
            self.sim.call_at(due, COMPLETION, self._hear, self.place)
        else:
            word()

    def _hear(self) -> None:
        while self.words and self.words[0].due <= self.sim._now and self.heard:
            self.words.popleft().say()

    @property
    def _node(self) -> int:
        """The node to which it is connected: the instances are spread over them."""
        assert self.trip is not None
        return self.instance.index % len(self.trip.there)

    def relink(self) -> None:
        """As of any life."""
        super().relink()
        if self.words or self.coming:
            self.sim.hold()
            self._hear()
            self._arrive()

    def _untreated(self) -> Iterator[Push]:
        yield from self.buffer
        yield from (passing.push for passing in self.coming)

    def _drop(self, push: Push) -> None:
        """It goes no further: it stays unacknowledged, or is gone if it was acknowledged first."""
        _, queue, _, event = push
        if self.acknowledges_first and queue.journey.effect[event] != queue.journey.effect[event]:
            queue.journey.lose(event, self.sim.now, CONSUMER)

    def forget(self, queue: Queue) -> None:
        """The queue has lost its leader and knows nothing of what it has pushed."""
        if self.linked:
            kept = [push for push in self.buffer if push[1] is not queue]
            self.buffer.clear()
            self.buffer.extend(kept)
        self.coming = deque(each for each in self.coming if each.push[1] is not queue)

    def close(self) -> dict[int, tuple[Queue, int, int, float]]:
        """The connection is over, with what came by it. Returns what was not acknowledged."""
        for push in self._untreated():
            self._drop(push)
        held, self.unacked = self.unacked, {}
        self.buffer.clear()
        self.coming.clear()
        return held

    def die(self) -> None:
        """As of any life: what it has said before is heard, if anything is."""
        self.stopping = True
        words, self.words = self.words, deque()
        for word in words:
            if self.heard:
                word.say()
            else:
                self._drop(word.push)
        super().die()
