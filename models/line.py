"""A caller's connection with a dependency: calls that take time to get there, are lost on the way, or are not answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from models.call import Call, Called
from models.links import Links
from models.outcome import PENDING, REFUSED, TIMEOUT
from simulator.simulation import COMPLETION, DELIVERY, TIMER, Simulation

GIVES_UP = 924.6
"""When TCP tells that nothing is answered (s): what Linux's `tcp_retries2` of 15 amounts to."""


class Line:
    """The calls of an instance, or of a dependency, at `path`, to a dependency. What becomes of them on the way is drawn by the
    name of the `sender`, and by a `turn` where it has several lines there.

    A loss is that of a whole message, which nobody sends again. What it or a cut stops is silent: a request that does not
    arrive has no effect, a call whose answer does not arrive has had it. The caller waits for its timeout; without one it sees
    the connection fail when the cut heals, or TCP gives up. A request that arrives twice is served twice; nobody waits for what
    comes of the second.
    """

    def __init__(
        self, sim: Simulation, links: Links, path: str, server: Called, place: int, sender: str, turn: str = ""
    ) -> None:
        self.sim = sim
        self.links = links
        self.path = path
        self.server = server
        self.other = f"dependencies.{server.name}"
        self.to = links.way(path, self.other, stream=f"network/{sender} -> {self.other}{turn}")
        self.back = links.way(self.other, path, stream=f"network/{self.other} -> {sender}{turn}")
        self.place = place
        self.unanswered: list[Call] = []
        self._dialling: Call | None = None
        links.listeners.append(self._look)

    def call(self, call: Call, identity: int, n: int) -> None:
        """The request of the n-th attempt sets out. If it is refused at once its outcome is set; else it is told later."""
        if not self.links.open(self.path, self.other):
            self.unanswered.append(call)
        elif self.to.loses(identity, n):
            self._lose(call)
        elif seconds := self.to.seconds(identity, n):
            self._send(call, partial(self._arrive, call, identity, n), seconds, self.to.doubles(identity, n))
        else:
            doubled = self.to.doubles(identity, n)
            self._dialling = call
            self._arrive(call, identity, n)
            self._dialling = None
            if doubled:
                self._arrive_again(call)

    def _send(self, call: Call, arrive: Callable[[], None], seconds: float, doubled: bool) -> None:
        self.sim.call_at(self.sim._now + seconds, DELIVERY, arrive, self.place)
        if doubled:
            self.sim.call_at(self.sim._now + seconds, DELIVERY, partial(self._arrive_again, call), self.place)

    def _arrive_again(self, call: Call) -> None:
        """The server takes it for another request."""
        again = Call(call.work, call.event, call.last, call.latency, call.error_luck, None, call.onward)
        again.abandon(TIMEOUT)
        self.server.call(again)

    def _arrive(self, call: Call, identity: int, n: int) -> None:
        """The server serves it for a caller that may have gone."""
        there = Call(call.work, call.event, call.last, call.latency, call.error_luck, None, call.onward)
        there.answer = partial(self._answer, call, there, identity, n)
        call.remote = there
        if call.outcome != PENDING:
            there.abandon(call.outcome, None if call.when_over is None else partial(call.end, call.outcome))
        self.server.call(there)
        if there.outcome == REFUSED:
            self._answer(call, there, identity, n)

    def _answer(self, call: Call, there: Call, identity: int, n: int) -> None:
        if call.outcome != PENDING:
            call.end(there.outcome)
            return
        if not self.links.open(self.other, self.path):
            self.unanswered.append(call)
        elif self.back.loses(identity, n):
            self._lose(call)
        elif seconds := self.back.seconds(identity, n):
            self.sim.call_at(self.sim._now + seconds, COMPLETION, partial(call.end, there.outcome), self.place)
        elif call is self._dialling:
            call.outcome = there.outcome
        else:
            call.end(there.outcome)

    def _lose(self, call: Call) -> None:
        self.sim.call_at(self.sim._now + GIVES_UP, TIMER, partial(call.end, REFUSED), self.place)

    def _look(self) -> None:
        """Links have changed: where they have healed, whoever still waits sees that nothing will come."""
        if self.unanswered and self.links.both(self.path, self.other):
            lost, self.unanswered = self.unanswered, []
            self.sim.hold()
            for call in lost:
                call.end(REFUSED)
