"""What keeps one instance from trying too much: its rate limiter, bulkhead and throttle, and who waits at them."""

from __future__ import annotations

from models.bulkhead import BulkheadState
from models.consumer import Consumer
from models.delay import DelayLine
from models.limiter import LimiterState
from models.throttle import ThrottleState
from simulator.simulation import Alarm, Simulation


class Turn:
    """A wait of a worker for its turn, `until` then (s) at the latest. `came`: it is its turn; `listening`: it sleeps."""

    __slots__ = ("bell", "came", "listening", "until")

    def __init__(self, bell: Alarm, until: float) -> None:
        self.bell = bell
        self.until = until
        self.came = self.listening = False

    def call(self) -> None:
        """Wakes it, to look what has changed."""
        if self.listening:
            self.listening = False
            self.bell.ring()


class Guards:
    """Those of one life. `turns`: who waits, in order."""

    def __init__(self, sim: Simulation, spec: Consumer, place: int) -> None:
        self.limiter = None if spec.rate_limit is None else LimiterState(spec.rate_limit)
        self.bulkhead: BulkheadState[Turn] | None = None if spec.bulkhead is None else BulkheadState(spec.bulkhead)
        self.throttle = None if spec.throttle is None else ThrottleState(spec.throttle)
        self.turns: dict[Turn, None] = {}
        self._ends: DelayLine[Turn] = DelayLine(sim, Turn.call, place, is_void=lambda turn: turn not in self.turns)

    def begin(self, bell: Alarm, until: float) -> Turn:
        """A worker waits from now on."""
        turn = Turn(bell, until)
        self.turns[turn] = None
        self._ends.put(until, turn)
        return turn

    def end(self, turn: Turn) -> None:
        """It waits no longer."""
        del self.turns[turn]

    def leave(self) -> None:
        """Somebody leaves the bulkhead: the first in its line has the room."""
        assert self.bulkhead is not None
        turn = self.bulkhead.leaves()
        if turn is not None:
            turn.came = True
            turn.call()

    def let_look(self) -> None:
        """Wakes whoever waits: the instance is to stop."""
        for turn in self.turns:
            turn.call()
