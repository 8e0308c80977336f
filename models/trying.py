"""A worker's tries at an event: through the breaker, again after a failure, each an attempt of the handler."""

from __future__ import annotations

from collections.abc import Callable, Generator

import simpy

from models.calling import Calling
from models.draws import ONCE
from models.gate import Gate
from models.handling import Handling
from models.instance import Life
from models.outcome import OK, OVERDUE, POISON, RETURNED, SHORT, SUPPRESSED, TIMEOUT, TRANSIENT
from models.rules import Rules
from models.waiting import INFINITY, Story, Wait
from simulator.recorder import NAN


class Trying(Calling):
    """Who attempts events. `busy_since`, `held_since`: start of the attempt, or of the wait with an event in hand (s);
    `served`: the service of the batch is done; `probing`: an attempt for which the breaker waits is under way. `try_once`: an
    attempt, or what stands before it."""

    def __init__(self, life: Life, rules: Rules) -> None:
        super().__init__(life, rules)
        self.busy_since = self.held_since = self.polled_at = NAN
        self.served = False
        self.probing = False
        self.try_once: Callable[[Handling, int], Story] = self.attempt

    def tries(self, handling: Handling, event: int) -> Story:
        """The tries of `retry`, each through the breaker."""
        retry, sim, gate, budget = self.rules.retry, self.sim, self.life.gate, self.life.budget
        began, failed, waited, taken, memory = sim._now, 0, 0.0, 0.0, 0.0
        if budget is not None:
            budget.begins(began)
        while True:
            if gate is None or gate.admits(sim._now) or (gate.pauses and (yield from self._wait_at(gate))):
                outcome = yield from self.try_once(handling, event)
            elif gate.pauses:
                return RETURNED
            else:
                outcome = SHORT
                handling.journey.refuse(event, sim._now)
            if budget is not None and outcome <= SUPPRESSED:
                budget.succeeded(taken)
            if outcome <= SUPPRESSED or outcome == RETURNED or retry is None:
                return outcome
            failed += 1
            if outcome == POISON and self.rules.knows_poison:
                return outcome
            if budget is not None and outcome < SHORT:
                budget.failed()
            if failed >= retry.max_attempts:
                return outcome
            luck = handling.retry_luck(event, handling.journey.turn(event, outcome >= SHORT))
            waited, memory = retry.step(failed, luck, memory)
            if not retry.permits(failed, sim._now + waited - began):
                return outcome
            if budget is not None and not (taken := budget.takes(outcome in (TIMEOUT, OVERDUE), sim._now)):
                return outcome
            self.held_since = sim._now
            yield from self.sleep(waited)
            self.put_down()
            if self.life.stopping and not self.rules.settles_first:
                return RETURNED

    def _wait_at(self, gate: Gate) -> Generator[simpy.Event, object, bool]:
        """The breaker is open and the instance pauses: the event stays in hand, and polling goes on. False: stopping."""
        life = self.life
        self.held_since, polled_at, self.polled_at = self.sim._now, self.polled_at, NAN
        allowed = False
        life.at_gate += 1
        if life.active == life.at_gate and not life.open:
            life.on_stopped(life)
        life.answer()
        while not (allowed or life.stopping) and self.still_wanted():
            gate.waiting.append(self.bell)
            yield from self.listen()
            if life.open and self.still_wanted():
                allowed = gate.admits(self.sim._now)
        life.at_gate -= 1
        if polled_at == polled_at:
            self.polled_at = self.sim._now
        self.put_down()
        return allowed

    def still_wanted(self) -> bool:
        """Whether the event in hand is still this worker's to handle."""
        return True

    def wait_for_intake(self, gate: Gate) -> Wait:
        """While the breaker is open and the instance pauses, it takes no event."""
        while gate.refuses_intake() and not self.life.stopping:
            gate.changed()
            gate.waiting.append(self.bell)
            yield from self.listen()

    def attempt(self, handling: Handling, event: int, deadline: float = INFINITY, waited: float = 0.0) -> Story:
        """Service, dependencies, effect: what a handler does, within `timeout`, or up to a deadline (s) from before; it has
        `waited` (s) since the breaker let it in."""
        sim, journey, rules, life = self.sim, handling.journey, self.rules, self.life
        began, gate = sim._now, life.gate
        n = journey.attempts[event] = journey.attempts[event] + 1
        if n > 1:
            journey.retries.add(event, began)
        elif journey.started[event] != began:
            journey.late.add(event, began)
        service = 0.0 if self.served else handling.service.at(event, n) * self.slowness()
        self.served = False
        self.busy_since, self.probing = began, gate is not None
        done, limit = began + service, began + rules.timeout
        if limit < deadline:
            deadline = limit
        mark = life.mark
        yield self.alarm.at(done if done <= deadline else deadline)
        if life.mark != mark:
            yield from self.disturbed(began, service, deadline)
            done += life.overlap(began, sim._now)
        outcome = OK
        if done > deadline:
            outcome = TIMEOUT
        elif rules.may_be_poison and self._poisoned(handling, event):
            outcome = POISON
        elif rules.may_fail and handling.failure.at(event, n) < either(rules.failure_rate, self.instance.failure_rate):
            outcome = TRANSIENT
        elif handling.calls:
            outcome = yield from self.call_dependencies(handling, event, n, deadline)
        elif handling.transaction:
            outcome = handling.apply(event)
        else:
            journey.effect_applied(event, sim._now)
        now = sim._now
        rules.busy += now - began
        self.busy_since = NAN
        if outcome > SUPPRESSED:
            journey.failures.add(event, now)
        if gate is not None:
            self.probing = False
            gate.tell(outcome, now, now - began + waited)
        return outcome

    def slowness(self) -> float:
        """How many times as long work that begins now takes. Workers are threads: where fewer processors are left than have
        something in hand they share them."""
        instance = self.instance
        if instance.cpu >= 1.0:
            return instance.slow
        processors = self.rules.concurrency * instance.cpu
        crowd = self.life.active / processors if processors < INFINITY else 1.0 / instance.cpu
        return instance.slow * max(1.0, crowd)

    def _poisoned(self, handling: Handling, event: int) -> bool:
        if event in handling.journey.messages.poisoned:
            return True
        rate = self.rules.poison_rate
        return rate > 0.0 and handling.poison.at(event, ONCE) < rate

    def put_down(self) -> None:
        self.rules.held += self.sim._now - self.held_since
        self.held_since = NAN


def either(rate: float, other: float) -> float:
    """Rate at which one of two independent causes strikes, or both."""
    return rate if not other else 1.0 - (1.0 - rate) * (1.0 - other)
