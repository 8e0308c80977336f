"""A worker's tries where something limits them: by chance, after a wait for a token, with room beside the others, or not."""

from __future__ import annotations

from models.guards import Guards, Turn
from models.handling import Handling
from models.instance import Life
from models.outcome import LIMITED, OK, OVERDUE, POISON, RETURNED, SUPPRESSED
from models.rules import Rules
from models.trying import Trying
from models.waiting import INFINITY, Story, Wait

UNASKED = (POISON, LIMITED, OVERDUE, RETURNED)
"""Outcomes of tries that came to no answer of a backend, of which the throttle hears nothing."""


class Guarding(Trying):
    """Who tries within limits: from the outside in throttle, rate limit, timeout, bulkhead, and the attempt.

    The waits hold the worker, which works and polls no more meanwhile, as a thread that is blocked in a handler. An instance
    that is to stop gives back what waits, unless it has settled that before.
    """

    def __init__(self, life: Life, rules: Rules) -> None:
        super().__init__(life, rules)
        if rules.guarded:
            self.try_once = self.guarded

    def guarded(self, handling: Handling, event: int) -> Story:
        """A try through the throttle, which learns how it ended."""
        guards, gate, began = self.life.guards, self.life.gate, self.sim._now
        assert guards is not None
        self.probing = gate is not None
        throttle = guards.throttle
        if throttle is None:
            return (yield from self._limited(guards, handling, event))
        tries = handling.journey.attempts[event] + handling.journey.refused[event]
        if handling.throttle_luck(event, tries + 1) < throttle.probability(began):
            throttle.record(False, began)
            return self._not_tried(handling, event, LIMITED, began)
        outcome = yield from self._limited(guards, handling, event)
        if outcome not in UNASKED:
            throttle.record(outcome <= SUPPRESSED, self.sim._now)
        return outcome

    def _limited(self, guards: Guards, handling: Handling, event: int) -> Story:
        """With a token, within the timeout and with room, an attempt."""
        began, limiter, bulkhead = self.sim._now, guards.limiter, guards.bulkhead
        if limiter is not None and (seconds := limiter.reserve(began)):
            if seconds == INFINITY:
                return self._not_tried(handling, event, LIMITED, began)
            yield from self._wait_for(guards, guards.begin(self.bell, began + seconds))
            if self._gives_back():
                return self._not_tried(handling, event, RETURNED, began)
        deadline = self.sim._now + self.rules.timeout
        if bulkhead is None:
            return (yield from self.attempt(handling, event, deadline, self.sim._now - began))
        if not bulkhead.enters() and (outcome := (yield from self._wait_for_room(guards, deadline))):
            return self._not_tried(handling, event, outcome, began)
        self.when_over = guards.leave
        outcome = yield from self.attempt(handling, event, deadline, self.sim._now - began)
        if self.when_over is not None:
            self.when_over = None
            guards.leave()
        return outcome

    def _wait_for_room(self, guards: Guards, deadline: float) -> Story:
        """In the bulkhead's line. OK: it has room."""
        bulkhead = guards.bulkhead
        assert bulkhead is not None
        until = min(self.sim._now + bulkhead.max_wait, deadline)
        if until > self.sim._now:
            turn = guards.begin(self.bell, until)
            bulkhead.stand_in_line(turn)
            yield from self._wait_for(guards, turn)
            if not turn.came:
                bulkhead.withdraw(turn)
            elif self.sim._now < deadline and not self._gives_back():
                return OK
            else:
                guards.leave()
            if self._gives_back():
                return RETURNED
        return LIMITED if self.sim._now < deadline else OVERDUE

    def _wait_for(self, guards: Guards, turn: Turn) -> Wait:
        """Until its turn comes, or its time is up, or the event is to be given back."""
        self.held_since = self.sim._now
        while not (turn.came or turn.until <= self.sim._now or self._gives_back()):
            turn.listening = True
            yield from self.listen()
        guards.end(turn)
        self.put_down()

    def _gives_back(self) -> bool:
        return self.life.stopping and not self.rules.settles_first

    def _not_tried(self, handling: Handling, event: int, outcome: int, began: float) -> int:
        """The try that began then ends without an attempt."""
        now, gate = self.sim._now, self.life.gate
        if outcome != RETURNED:
            handling.journey.refuse(event, now)
        if gate is not None:
            self.probing = False
            gate.tell(outcome, now, now - began)
        return outcome
