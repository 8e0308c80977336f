"""A worker that is fed by a queue: takes what was pushed to its instance, handles it, acknowledges or returns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from models.handling import Handling
from models.journey import CONSUMER
from models.outcome import RETURNED, SUPPRESSED
from models.queue import Queue
from models.queue_life import Push, QueueLife
from models.rules import Rules
from models.settlement import Again, Settlement
from models.waiting import Wait
from models.worker import Worker


class InPlace(Again):
    """A delivery to come of a copy that returns to its place in its queue."""

    __slots__ = ("place", "queue")

    def __init__(self, queue: Queue, place: int, event: int, count: int, waited: float) -> None:
        super().__init__(queue, queue.journey, event, count, waited)
        self.queue = queue
        self.place = place

    def arrive(self, now: float) -> None:
        """As of any delivery to come."""
        queue = self.queue
        queue.handed[self.place], queue.waited[self.place] = self.count, self.waited
        queue.put_back(self.place, self.event)
        queue.push()


class QueueWorker(Worker):
    """`in_hand`: the event that it handles."""

    life: QueueLife

    def __init__(
        self,
        life: QueueLife,
        rules: Rules,
        settlement: Settlement,
        handlings: Sequence[Handling],
        queues: Sequence[Queue],
    ) -> None:
        self.settlement = settlement
        self.handlings = handlings
        self.queues = queues
        self.in_hand: tuple[Handling, int] | None = None
        super().__init__(life, rules)

    def run(self) -> Wait:
        """Take, handle, settle; sleep when there is nothing."""
        life, rules, buffer, gate = self.life, self.rules, self.life.buffer, self.life.gate
        while not life.stopping or (rules.acknowledge_first and (buffer or life.coming)):
            if gate is not None and gate.refuses_intake():
                yield from self.wait_for_intake(gate)
            if not buffer or not (life.open or life.stopping):
                life.idle.append(self)
                yield from self.listen()
                continue
            push = buffer.popleft()
            _, queue, _, event = push
            handling = self.handlings[queue.topic]
            self.in_hand = handling, event
            life.active += 1
            started = queue.journey.started
            if started[event] != started[event]:
                started[event] = self.sim._now
            outcome = yield from self.handle(handling, event)
            self.in_hand = None
            self._settle(push, handling, outcome)
            life.active -= 1
            if not life.active and not life.open:
                life.on_stopped(life)
        yield life.never

    def _settle(self, push: Push, handling: Handling, outcome: int) -> None:
        """Says what has become of it, where there is anything to say."""
        life = self.life
        if outcome == RETURNED:
            if life.acknowledges_first:
                handling.journey.lose(push[3], self.sim.now, CONSUMER)
        elif outcome <= SUPPRESSED and life.acknowledges_first:
            return
        elif life.trip is None and life.heard and not life.words:
            self._settled(push, handling, outcome)
        else:
            life.say(push, partial(self._settled, push, handling, outcome))

    def _settled(self, push: Push, handling: Handling, outcome: int) -> None:
        """The broker is told."""
        life, (tag, queue, place, event) = self.life, push
        if life.acknowledges_first:
            self._failed(queue, None, handling, event, outcome, queue.handed.pop(place, 0) + 1, 0.0)
            return
        if life.unacked.pop(tag, None) is None:
            return
        if self.sim.trace:
            queue.settled.add(event, self.sim._now)
        handed = queue.handed.pop(place, 0) + 1 if queue.handed else 1
        if outcome > SUPPRESSED:
            waited = queue.waited.pop(place, 0.0)
            self._failed(queue, place, handling, event, outcome, handed, waited)
        if len(life.unacked) + 1 >= life.prefetch and life.member:
            for other in self.queues:
                other.join(life)

    def _failed(
        self, queue: Queue, place: int | None, handling: Handling, event: int, outcome: int, handed: int, waited: float
    ) -> None:
        """Another delivery, or none; a copy that was acknowledged first (no place) can only be published again."""
        rules, desk = self.rules, self.settlement
        requeues = rules.through == "requeue"
        if rules.gives_up(outcome, handed) or (requeues and place is None):
            desk.give_up(handling, event, outcome, queue)
            return
        seconds, waited = desk.wait(handling, event, outcome, handed, waited)
        if requeues and place is not None:
            desk.deliver_later(InPlace(queue, place, event, handed, waited), seconds)
        else:
            desk.deliver_later(Again(queue, queue.journey, event, handed, waited), seconds)

    def line_behind(self) -> int:
        """As of any worker: what is ready, and what its life was pushed."""
        return len(self.life.buffer) + sum(len(queue.ready) + len(queue.returned) for queue in self.queues)

    def holds(self, topic: int) -> Iterator[int]:
        """As of any worker: what it handles."""
        if self.in_hand is not None and self.in_hand[0] is self.handlings[topic]:
            yield self.in_hand[1]

    def leave(self, now: float) -> None:
        """The life ends: what was acknowledged before it was handled is lost."""
        super().leave(now)
        if self.rules.acknowledge_first and self.in_hand is not None:
            handling, event = self.in_hand
            if handling.journey.effect[event] != handling.journey.effect[event]:
                handling.journey.lose(event, now, CONSUMER)
