"""A circuit breaker with the workers that wait at it."""

from __future__ import annotations

import math

from models.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, BreakerState
from models.outcome import OK, POISON, RETURNED, SUPPRESSED
from simulator.simulation import TIMER, Alarm, Simulation


class Gate:
    """A breaker at work. With `on_open = "pause"` workers wait for it instead of failing; `waiting` are their bells.

    `began`, `ended`: when the life that has it did (s).
    """

    def __init__(self, sim: Simulation, spec: Breaker, place: int) -> None:
        self.sim = sim
        self.state = BreakerState(spec)
        self.pauses = spec.on_open == "pause"
        self.place = place
        self.waiting: list[Alarm] = []
        self.began, self.ended = sim.now, float("inf")
        self._seen = 0

    def end(self) -> None:
        """The life that has it is over: what timers were to do until now is done."""
        self.ended = self.sim.now
        self.state.advance(self.ended)

    def admits(self, now: float) -> bool:
        """Asks the breaker for a permission."""
        if self.state.state is CLOSED:
            return True
        allowed = self.state.allows(now)
        self.changed()
        return allowed

    def tell(self, outcome: int, now: float, seconds: float) -> None:
        """Tells the breaker how a call ended that took so many seconds; of poison, what was done before and what is given back
        it hears nothing."""
        if outcome in (POISON, SUPPRESSED, RETURNED):
            self.state.release(now)
        else:
            self.state.record(outcome != OK, now, seconds)
        self.changed()

    def refuses_intake(self) -> bool:
        """Whether an instance that pauses must not take another event now."""
        state = self.state
        if not self.pauses or state.state is CLOSED:
            return False
        state.advance(math.nextafter(self.sim._now, 0.0))
        return state.state is OPEN or (state.state is HALF_OPEN and not state.permissions)

    def changed(self) -> None:
        """Something was asked or told: where the state moved, whoever waits looks again, and the next timer is set."""
        if not self.pauses:
            return
        transitions = len(self.state.transitions)
        if transitions != self._seen:
            self._seen = transitions
            if self.state.due < float("inf"):
                self.sim.call_at(self.state.due, TIMER, self._timer, self.place)
            self.let_look()
        elif self.waiting and self.state.state is HALF_OPEN and self.state.permissions:
            self.let_look()

    def let_look(self) -> None:
        """Rings every waiting worker's bell."""
        waiting, self.waiting = self.waiting, []
        for bell in waiting:
            bell.ring()

    def _timer(self) -> None:
        self.state.advance(self.sim._now)
        self.changed()
