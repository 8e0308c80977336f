"""A worker's calls of its handler's dependencies, one after the other, within the attempt's deadline."""

from __future__ import annotations

from collections.abc import Callable

from models.call import Call
from models.handling import Handling
from models.hedging import Hedging, Race
from models.instance import Life
from models.outcome import OK, PENDING, TIMEOUT
from models.rules import Rules
from models.waiting import INFINITY, Story, Waiting
from simulator.simulation import TIMER, Alarm, priority


class Calling(Waiting):
    """Who calls dependencies. `call`: the one under way, perhaps with its hedge; `deadline`: when it is abandoned (s).
    `when_over`: what waits for the end of the attempt, and of the call that this leaves behind."""

    def __init__(self, life: Life, rules: Rules) -> None:
        super().__init__(life)
        self.rules = rules
        self.deadline = INFINITY
        self.call: Call | Race | None = None
        self.when_over: Callable[[], None] | None = None
        after = rules.spec.hedge_after
        self.hedging = None if after is None else Hedging(life, after)
        self._watch_at = INFINITY
        self._timer = Alarm(life.sim, priority(TIMER, life.place))
        self._on_time: list[Callable[[object], None]] = [self._time_out]
        self._answer = self.bell.ring_at_once

    def call_dependencies(self, handling: Handling, event: int, n: int, deadline: float) -> Story:
        """Each dependency in order; a call under way at the deadline is abandoned, not stopped."""
        life, lines = self.life, self.instance.lines
        self.deadline = deadline
        for place, (server, latency, error, last, onward) in enumerate(handling.calls):
            handling.journey.calls[event] += 1
            began = self.sim._now
            call = Call(handling, event, last, latency(event, n), error(event, n), self._answer, onward)
            if lines is None:
                server.call(call)
            else:
                lines[place].call(call, handling.journey.messages.identity(event), n)
            asked: Call | Race = call
            if call.outcome == PENDING:
                if self.hedging is not None:
                    asked = self.hedging.follow(call, handling, place, n)
                self.call = asked
                if deadline < self._watch_at:
                    self._watch(deadline)
                mark = life.mark
                yield self.bell.wait()
                if life.mark != mark:
                    yield from self.disturbed()
            if life.on_answer is not None:
                life.on_answer(began, asked.outcome)
            if asked.outcome != OK:
                break
        self.call, self.deadline = None, INFINITY
        return asked.outcome

    def _watch(self, deadline: float) -> None:
        self._watch_at = deadline
        self._timer.at(max(deadline, self.sim._now)).callbacks = self._on_time

    def _time_out(self, _: object) -> None:
        """The one timer of this worker: the deadline in force may have moved since it was set."""
        self._watch_at = INFINITY
        if self.deadline == INFINITY or not self.life.alive:
            return
        if self.deadline > self.sim._now:
            self._watch(self.deadline)
        elif self.call is not None and self.call.outcome == PENDING:
            when_over, self.when_over = self.when_over, None
            self.call.abandon(TIMEOUT, when_over)
            self.bell.ring_at_once()
