"""Who is connected to a group's queues: what a connection holds returns when it closes, at once or after silence.

RabbitMQ: a process that dies closes its connection, which requeues all its unacknowledged messages; one that only falls
silent is cut off after `heartbeat_timeout`; a message held longer than `consumer_timeout` closes the channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from models.handling import Handling
from models.journey import CONSUMER
from models.outcome import OK
from models.queue import Queue
from models.queue_life import QueueLife
from models.settlement import Settlement
from simulator.simulation import TIMER

INFINITY = float("inf")


class Bindings:
    """The broker's side of one group of consumers of queues."""

    def __init__(self, settlement: Settlement, queues: Sequence[Queue], handlings: Sequence[Handling], place: int) -> None:
        self.settlement = settlement
        self.sim = settlement.sim
        self.rules = settlement.rules
        self.terms = self.rules.spec
        self.queues = queues
        self.handlings = handlings
        self.place = place
        self.members: list[QueueLife] = []
        self.rebalances: list[float] = []
        self.on_change: Callable[[], None] = _nothing
        for queue in queues:
            queue.on_failure = partial(self._requeue, queue)

    def _requeue(self, queue: Queue) -> None:
        """The queue has lost its leader, and with it who holds what: all of it is ready again for the next."""
        for life in self.members:
            held = [(tag, place, event) for tag, (of, place, event, _) in life.unacked.items() if of is queue]
            for tag, place, event in held:
                del life.unacked[tag]
                self._return(queue, place, event)
            if not life.acknowledges_first:
                kept = [each for each in life.buffer if each[1] is not queue]
                life.buffer.clear()
                life.buffer.extend(kept)
            queue.join(life)

    def _return(self, queue: Queue, place: int, event: int) -> None:
        handed = queue.handed[place] = queue.handed.get(place, 0) + 1
        if self.rules.gives_up(OK, handed):
            self.settlement.give_up(self.handlings[queue.topic], event, OK, queue)
        else:
            queue.put_back(place, event)

    def found(self, lives: Sequence[QueueLife]) -> None:
        """The connections at the start."""
        for life in lives:
            self.join(life)

    def join(self, life: QueueLife) -> None:
        """A consumer connects."""
        life.member = life.open = True
        self.members.append(life)
        for queue in self.queues:
            queue.join(life)
        if life.gate is not None:
            life.gate.let_look()
        if self.terms.consumer_timeout is not None:
            self._watch(life, self.sim.now + self.terms.consumer_timeout)
        self.on_change()

    def leave(self, life: QueueLife) -> None:
        """The connection closes: what it holds goes back to its place, or is given up if this was the last delivery."""
        if not life.member:
            return
        life.member = life.open = False
        self.members.remove(life)
        for queue in self.queues:
            queue.leave(life)
        if life.acknowledges_first:
            self._lose_buffer(life)
        held, life.unacked = life.unacked, {}
        life.buffer.clear()
        for queue, place, event, _ in held.values():
            self._return(queue, place, event)
        for queue in self.queues:
            queue.push()
        self.on_change()

    def _lose_buffer(self, life: QueueLife) -> None:
        for _, queue, _, event in life.buffer:
            if queue.journey.effect[event] != queue.journey.effect[event]:
                queue.journey.lose(event, self.sim.now, CONSUMER)

    def miss(self, life: QueueLife) -> None:
        """Heartbeats stop now: a dead process is noticed at once, a silent one after `heartbeat_timeout`."""
        if not life.alive:
            self.leave(life)
        elif self.terms.heartbeat_timeout is not None:
            mark = life.mark

            def cut_off() -> None:
                if life.mark == mark:
                    self.leave(life)

            self.sim.call_at(self.sim.now + self.terms.heartbeat_timeout, TIMER, cut_off, self.place)

    def resumed(self, life: QueueLife) -> None:
        """A frozen instance goes on: one that was cut off connects again."""
        self.surrendered(life)

    def surrendered(self, life: QueueLife) -> None:
        """A worker is free whose connection was closed: the client connects again."""
        if life.alive and not life.stopping and not life.member:
            self.join(life)

    def _watch(self, life: QueueLife, when: float) -> None:
        """One timer per connection, on its oldest unacknowledged message."""
        limit = self.terms.consumer_timeout
        assert limit is not None

        def look() -> None:
            if not (life.alive and life.member):
                return
            oldest = next((handed_at for _, _, _, handed_at in life.unacked.values()), INFINITY)
            if oldest + limit <= self.sim.now:
                self.leave(life)
                if not (life.stopping or life.frozen):
                    self.join(life)
            else:
                self._watch(life, min(oldest, self.sim.now) + limit)

        self.sim.call_at(when, TIMER, look, self.place)


def _nothing() -> None:
    """Nobody listens."""
