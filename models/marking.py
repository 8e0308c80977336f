"""A delivery under idempotency: what is asked of the store before the work, and what is left there after it.

The four orders, and what a crash between two steps leads to: look-up, work, mark (the effect is repeated); mark unless seen,
work (it is lost, as after any delivery that fails); claim, work, mark (it is delayed until the claim's lease ends); look-up,
work with the mark in one transaction (nothing). Work that fails has its claim taken back by its owner.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import simpy

from models.guarding import Guarding
from models.handling import Handling
from models.inbox import AFTER, BEFORE, UNKNOWN, Inbox
from models.marks import HELD, SEEN
from models.outcome import BARRED, OK, SUPPRESSED
from models.waiting import INFINITY, Story, Wait
from simulator.simulation import COMPLETION

Answer = Generator[simpy.Event, Any, int]
TIMED_OUT = -2

STORE_TIMEOUT = 2.0
"""Seconds that a client of a store waits for an answer (Jedis: the default socket timeout)."""
TRIES = 2
"""How often a request is sent that is not answered: once more, blindly, for what became of it is not known."""


class Marking(Guarding):
    """Who handles each event once, as far as its store can tell."""

    def deliver(self, handling: Handling, event: int) -> Story:
        """One delivery without any marks."""
        raise NotImplementedError

    def deliver_once(self, handling: Handling, event: int) -> Story:
        """One delivery, unless the event is marked. Without an answer it fails, or is as if there were no store."""
        inbox = handling.inbox
        assert inbox is not None
        owner = next(inbox.owners)
        found = yield from self._ask(inbox, event, BEFORE, partial(inbox.begin, event, owner))
        if found == SEEN:
            handling.suppress(event, self.sim._now)
            return SUPPRESSED
        if found == HELD or (found == UNKNOWN and not inbox.fails_open):
            return self._barred(handling, event)
        outcome = yield from self.deliver(handling, event)
        if found == UNKNOWN:
            return outcome
        if outcome == OK and inbox.marks_after:
            marked = yield from self._ask(inbox, event, AFTER, partial(inbox.mark, event))
            if marked == UNKNOWN and not inbox.fails_open:
                return self._barred(handling, event)
        elif outcome > SUPPRESSED and inbox.protocol == "claim":
            yield from self._ask(inbox, event, AFTER, partial(inbox.release, event, owner))
        return outcome

    def _barred(self, handling: Handling, event: int) -> int:
        handling.journey.refused[event] += 1
        return BARRED

    def _ask(self, inbox: Inbox, event: int, step: int, request: Callable[[], int]) -> Answer:
        """What the store answers, or UNKNOWN. Who gets no answer in time asks once more: a claim is known by its owner, a
        mark by nobody."""
        n, life = inbox.ordinal(event, step), self.life
        if self.instance.road is None and not inbox.struck:
            seconds = inbox.latency(event, n)
            if seconds <= 0.0:
                return inbox.carry_out(request)
            mark = life.mark
            yield self.alarm.at(self.sim._now + seconds)
            answer = inbox.carry_out(request) if life.alive else UNKNOWN
            if life.mark != mark:
                yield from self.disturbed()
            return answer
        for again in range(TRIES):
            answer = yield from self._request(Errand(inbox, event, n + again, request))
            if answer != TIMED_OUT:
                return answer
        return UNKNOWN

    def _request(self, errand: Errand) -> Answer:
        """There and back, by the store's client; what is not answered in time may be carried out all the same."""
        sim, life, road, inbox = self.sim, self.life, self.instance.road, errand.inbox
        deadline = sim._now + STORE_TIMEOUT
        there = 0.0 if road is None else road.there(errand.identity, errand.n)
        due = sim._now + there + inbox.latency(errand.event, errand.n) * inbox.store.slow
        answer = TIMED_OUT
        if inbox.store.silent or due > deadline:
            if not inbox.store.silent and due < INFINITY:
                sim.call_at(due, COMPLETION, errand.carry_out, life.place)
        elif inbox.store.down:
            due, answer = sim._now + there, UNKNOWN
        else:
            mark = life.mark
            if due > sim._now:
                yield self.alarm.at(due)
            answer = errand.carry_out() if life.alive else UNKNOWN
            if life.mark != mark:
                yield from self.disturbed()
        back = due if road is None or answer == TIMED_OUT else due + road.home(errand.identity, errand.n)
        if answer == TIMED_OUT or back > deadline:
            yield from self._wait_until(deadline)
            return TIMED_OUT
        yield from self._wait_until(back)
        return answer

    def _wait_until(self, time: float) -> Wait:
        if time > self.sim._now:
            mark = self.life.mark
            yield self.alarm.at(time)
            if self.life.mark != mark:
                yield from self.disturbed()


class Errand:
    """A request on its way to the store: the `n`-th for an event. It notices which faults begin meanwhile."""

    __slots__ = ("_before", "event", "identity", "inbox", "n", "request")

    def __init__(self, inbox: Inbox, event: int, n: int, request: Callable[[], int]) -> None:
        store = inbox.store
        self.inbox = inbox
        self.event = event
        self.n = n
        self.request = request
        self.identity = inbox.journey.messages.identity(event)
        self._before = store.crashes, store.cuts, store.silences

    def carry_out(self) -> int:
        """The store has worked on it: the answer, UNKNOWN where it failed or its connection is lost, or none."""
        store = self.inbox.store
        crashes, cuts, silences = self._before
        if store.crashes != crashes or self.inbox.fails(self.event, self.n):
            return UNKNOWN
        answer = self.inbox.carry_out(self.request)
        if store.cuts != cuts:
            return UNKNOWN
        return answer if store.silences == silences else TIMED_OUT
