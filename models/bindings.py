"""Who is connected to a group's queues: what a connection holds returns when it closes, at once or after silence.

RabbitMQ: a process that dies closes its connection, which requeues all its unacknowledged messages; one that only falls
silent is cut off after `heartbeat_timeout`; a message held longer than `consumer_timeout` closes the channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from models.handling import Handling
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
        self._silences: dict[QueueLife, int] = {}
        self._fallen = 0
        for queue in queues:
            queue.on_failure = partial(self._requeue, queue)
            queue.handed_out = partial(self._handed_out, queue)

    def _handed_out(self, queue: Queue) -> Iterator[int]:
        for life in self.members:
            yield from (event for of, _, event, _ in life.unacked.values() if of is queue)

    def _requeue(self, queue: Queue) -> None:
        """The queue has lost its leader, and with it who holds what: all of it is ready again for the next."""
        for life in self.members:
            held = [(tag, place, event) for tag, (of, place, event, _) in life.unacked.items() if of is queue]
            self.sim.hold()
            for tag, place, event in held:
                del life.unacked[tag]
                self._return(queue, place, event)
            if not life.acknowledges_first:
                life.forget(queue)
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
        self._silences.pop(life, None)
        for queue in self.queues:
            queue.leave(life)
        held = life.close()
        self.sim.hold()
        for queue, place, event, _ in held.values():
            self._return(queue, place, event)
        for queue in self.queues:
            queue.push()
        self.on_change()

    def miss(self, life: QueueLife) -> None:
        """As of any membership: a dead process is noticed at once if it is linked; else the connection is closed after
        `heartbeat_timeout`, by the broker or, if it is only that it hears nothing, by the client."""
        if not life.alive and life.linked:
            self.leave(life)
        elif life.member and (life.frozen or not life.linked) and life not in self._silences:
            self._close_after(self.terms.heartbeat_timeout or INFINITY, life)

    def _close_after(self, seconds: float, life: QueueLife) -> None:
        self._fallen += 1
        silence = self._silences[life] = self._fallen

        def close() -> None:
            if self._silences.get(life) == silence:
                self.leave(life)

        self.sim.call_at(self.sim.now + seconds, TIMER, close, self.place)

    def broker_is(self, there: bool) -> None:
        """As of any membership: nodes that go take their connections with them, which the queues notice."""

    def resumed(self, life: QueueLife) -> None:
        """As of any membership: one whose connection was closed connects again."""
        self._silences.pop(life, None)
        self.surrendered(life)

    def surrendered(self, life: QueueLife) -> None:
        """A worker is free whose connection was closed: the client connects again, if it can."""
        if life.alive and life.linked and not life.stopping and not life.member:
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
                if life.linked and not (life.stopping or life.frozen):
                    self.join(life)
            else:
                self._watch(life, min(oldest, self.sim.now) + limit)

        self.sim.call_at(when, TIMER, look, self.place)


def _nothing() -> None:
    """Nobody listens."""
