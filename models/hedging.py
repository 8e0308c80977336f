"""Hedged calls: a dependency that has not answered for a while is called a second time, and the first success counts.

As gRPC's hedging policy (`hedgingDelay`, two attempts, every failure a non-fatal status: proposal A6, "gRPC Retry Design") and
"The Tail at Scale" (Dean and Barroso 2013), but that nothing is taken back: the call that comes too late goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from models.call import Call
from models.handling import Handling
from models.instance import Life
from models.outcome import PENDING, SUPPRESSED
from models.waiting import INFINITY
from simulator.simulation import TIMER, Alarm, priority


class Race:
    """A call and perhaps its hedge, as one: its `outcome` is the first success, or the failure after which none is out.

    A call that fails before its hedge is sent is a failure at once. `due`: when the hedge is sent (s).
    """

    __slots__ = ("answer", "calls", "due", "handling", "n", "out", "outcome", "place", "when_over")

    def __init__(self, call: Call, handling: Handling, place: int, n: int, due: float) -> None:
        self.calls: list[Call] = []
        self.handling = handling
        self.place = place
        self.n = n
        self.due = due
        self.outcome = PENDING
        self.answer = call.answer
        self.out = 0
        self.when_over: Callable[[], None] | None = None
        self.add(call)

    def add(self, call: Call) -> None:
        """A call that is under way."""
        call.answer = partial(self._heard, call)
        self.calls.append(call)

    def _heard(self, call: Call) -> None:
        if call.outcome <= SUPPRESSED or all(other.outcome != PENDING for other in self.calls):
            self._settle(call.outcome)
            if self.answer is not None:
                self.answer()

    def _settle(self, outcome: int) -> None:
        self.outcome = outcome
        out = [call for call in self.calls if call.outcome == PENDING]
        self.out = len(out)
        for call in out:
            call.abandon(outcome, self._over)

    def _over(self) -> None:
        self.out -= 1
        if not self.out and self.when_over is not None:
            self.when_over()

    def abandon(self, outcome: int, when_over: Callable[[], None] | None = None) -> None:
        """Nobody waits for it any more. `when_over` is called when all of it is over."""
        self.answer = None
        self.when_over = when_over
        self._settle(outcome)


class Hedging:
    """The hedges of one worker, sent `after` so many seconds. One timer, set again where it finds that it is early."""

    def __init__(self, life: Life, after: float) -> None:
        self.life = life
        self.sim = life.sim
        self.after = after
        self.race: Race | None = None
        self._watch_at = INFINITY
        self._timer = Alarm(life.sim, priority(TIMER, life.place))
        self._on_time: list[Callable[[object], None]] = [self._ring]

    def follow(self, call: Call, handling: Handling, place: int, n: int) -> Race:
        """The n-th attempt has called the dependency at that place, and waits."""
        due = self.sim._now + self.after
        race = self.race = Race(call, handling, place, n, due)
        if self._watch_at == INFINITY:
            self._watch(due)
        return race

    def _watch(self, due: float) -> None:
        self._watch_at = due
        self._timer.at(due).callbacks = self._on_time

    def _ring(self, _: object) -> None:
        self._watch_at = INFINITY
        race = self.race
        if race is None or race.outcome != PENDING or len(race.calls) > 1:
            return
        if race.due > self.sim._now:
            self._watch(race.due)
        else:
            self._send(race)

    def _send(self, race: Race) -> None:
        """The second call; a process that stands still sends it when it goes on, if it is still needed."""
        life = self.life
        if race.outcome != PENDING:
            return
        if life.frozen:
            assert life.thawed.callbacks is not None
            life.thawed.callbacks.append(lambda _: self._send(race))
            return
        event, journey = race.calls[0].event, race.handling.journey
        journey.calls[event] += 1
        server, latency, error, last, onward = race.handling.hedges[race.place]
        hedge = Call(race.handling, event, last, latency(event, race.n), error(event, race.n), None, onward)
        if (lines := life.instance.hedge_lines) is None:
            server.call(hedge)
        else:
            lines[race.place].call(hedge, journey.messages.identity(event), race.n)
        if hedge.outcome == PENDING:
            race.add(hedge)
