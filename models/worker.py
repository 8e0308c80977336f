"""A worker: takes an event in hand, handles it under its group's policies, and settles it. Told as a story."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

import simpy

from models.draws import ONCE
from models.gate import Gate
from models.handling import Handling
from models.instance import Life
from models.outcome import ERROR, OK, PENDING, POISON, RETURNED, SHORT, SUPPRESSED, TIMEOUT, TRANSIENT
from models.outgoing import Post
from models.rules import Rules
from models.server import Call
from models.waiting import INFINITY, Story, Wait, Waiting
from simulator.recorder import NAN
from simulator.simulation import TIMER, Alarm, priority


class Worker(Waiting):
    """One worker of a life. `busy_since`, `held_since`: start of the attempt, or of the wait with an event in hand (s)."""

    def __init__(self, life: Life, rules: Rules) -> None:
        super().__init__(life)
        self.rules = rules
        self.busy_since = self.held_since = self.polled_at = NAN
        self.deadline = INFINITY
        self.call: Call | None = None
        self.served = False
        self.probing = False
        self._watch_at = INFINITY
        self._timer = Alarm(life.sim, priority(TIMER, life.place))
        self._on_time: list[Callable[[object], None]] = [self._time_out]
        self._answer = self.bell.ring_at_once
        self.handle = self.attempt if rules.plain else self.deliver

    # -- one delivery -------------------------------------------------------------------------------------------------

    def deliver(self, handling: Handling, event: int) -> Story:
        """One delivery: look-up, tries, publishes, mark."""
        marks = handling.marks
        if marks is not None:
            yield from self._store(handling, event, 0)
            if marks.seen(event, self.sim._now):
                handling.suppress(event, self.sim._now)
                return SUPPRESSED
        outcome = yield from self.tries(handling, event)
        if outcome == OK:
            if self.rules.publishes_last:
                if self.instance.outgoing:
                    outcome = yield from self._publish(handling, event)
                else:
                    handling.publish(event, self.sim._now)
            if marks is not None and not handling.transaction and outcome == OK:
                yield from self._store(handling, event, 1)
                marks.mark(event, self.sim._now)
        elif outcome == SUPPRESSED:
            handling.suppress(event, self.sim._now)
        return outcome

    def _publish(self, handling: Handling, event: int) -> Story:
        """Publishes and waits for the answers, holding the event: an error where one is given up."""
        sim = self.sim
        self.held_since = sim._now
        posts = handling.post(event, sim._now, self.instance.outgoing)
        while not any(post.time == INFINITY for post in posts):
            if any(post.time != post.time for post in posts):
                self._hear_of(posts)
                yield from self.listen()
            elif (due := max((post.time for post in posts), default=0.0)) > sim._now:
                yield from self.sleep(due - sim._now)
            else:
                handling.journey.published[event] = 1
                self._put_down()
                return OK
        self._put_down()
        return ERROR

    def _hear_of(self, posts: Sequence[Post]) -> None:
        """The bell rings once, with the first that more is known of."""
        unknown = [post for post in posts if post.time != post.time]

        def ring() -> None:
            for post in unknown:
                post.listener = None
            self.bell.ring_at_once()

        for post in unknown:
            post.listener = ring

    def tries(self, handling: Handling, event: int) -> Story:
        """The tries of `retry`, each through the breaker."""
        retry, sim, gate, budget = self.rules.retry, self.sim, self.life.gate, self.life.budget
        began, failed, waited, taken = sim._now, 0, 0.0, 0.0
        if budget is not None:
            budget.begins(began)
        while True:
            if gate is None or gate.admits(sim._now) or (gate.pauses and (yield from self._wait_at(gate))):
                outcome = yield from self.attempt(handling, event)
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
            if (outcome == POISON and self.rules.knows_poison) or failed >= retry.max_attempts:
                return outcome
            luck = handling.retry_luck(event, handling.journey.turn(event, outcome == SHORT))
            waited = retry.delay(failed, luck, waited)
            if not retry.permits(failed, sim._now + waited - began):
                return outcome
            if budget is not None and not (taken := budget.takes(outcome == TIMEOUT, sim._now)):
                return outcome
            self.held_since = sim._now
            yield from self.sleep(waited)
            self._put_down()
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
        self._put_down()
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

    # -- one attempt --------------------------------------------------------------------------------------------------

    def attempt(self, handling: Handling, event: int) -> Story:
        """Service, dependencies, effect: what a handler does, within `timeout`."""
        sim, journey, rules, life = self.sim, handling.journey, self.rules, self.life
        began, gate = sim._now, life.gate
        n = journey.attempts[event] = journey.attempts[event] + 1
        if n > 1:
            journey.retries.add(event, began)
        elif journey.started[event] != began:
            journey.late.add(event, began)
        service = 0.0 if self.served else handling.service.at(event, n) * self.instance.slow
        self.served = False
        self.busy_since, self.probing = began, gate is not None
        done, deadline = began + service, began + rules.timeout
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
            outcome = yield from self._call_dependencies(handling, event, n, deadline)
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
            gate.tell(outcome, now, now - began)
        return outcome

    def _call_dependencies(self, handling: Handling, event: int, n: int, deadline: float) -> Story:
        """Each dependency in order; a call under way at the deadline is abandoned, not stopped."""
        life, lines = self.life, self.instance.lines
        self.deadline = deadline
        for place, (server, latency, error, last) in enumerate(handling.calls):
            handling.journey.calls[event] += 1
            call = self.call = Call(handling, event, last, latency(event, n), error(event, n), self._answer)
            if lines is None:
                server.call(call)
            else:
                lines[place].call(call, handling.journey.messages.identity(event), n)
            if call.outcome == PENDING:
                if deadline < self._watch_at:
                    self._watch(deadline)
                mark = life.mark
                yield self.bell.wait()
                if life.mark != mark:
                    yield from self.disturbed()
            if call.outcome != OK:
                break
        self.call, self.deadline = None, INFINITY
        return call.outcome

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
            self.call.abandon(TIMEOUT)
            self.bell.ring_at_once()

    def _poisoned(self, handling: Handling, event: int) -> bool:
        if event in handling.journey.messages.poisoned:
            return True
        rate = self.rules.poison_rate
        return rate > 0.0 and handling.poison.at(event, ONCE) < rate

    def _store(self, handling: Handling, event: int, step: int) -> Wait:
        """The look-up (step 0) or the mark (step 1) in the idempotency store."""
        assert handling.mark_latency is not None
        seconds = handling.mark_latency(event, 2 * handling.journey.deliveries[event] + step)
        if seconds > 0.0:
            mark = self.life.mark
            yield self.alarm.at(self.sim._now + seconds)
            if self.life.mark != mark:
                yield from self.disturbed()

    def wait_until_heard(self) -> Wait:
        """What must be told to the broker waits, with the event in hand."""
        self.held_since = self.sim._now
        while not self.life.heard:
            self.life.unheard.append(self.bell)
            yield from self.listen()
        self._put_down()

    def _put_down(self) -> None:
        self.rules.held += self.sim._now - self.held_since
        self.held_since = NAN

    def holds(self, topic: int) -> Iterator[int]:
        """Events of a topic that it has taken and not settled."""
        raise NotImplementedError

    def uncommitted(self, topic: int) -> Iterator[int]:
        """Events of a topic whose publishes wait for a commit: none, but in a log."""
        return iter(())

    def leave(self, now: float) -> None:
        """The life ends while the worker is wherever it is: what it calls goes on without it."""
        if self.busy_since == self.busy_since:
            self.rules.busy += now - self.busy_since
        if self.held_since == self.held_since:
            self.rules.held += now - self.held_since
        if self.call is not None and self.call.outcome == PENDING:
            self.call.abandon(ERROR)
        if self.probing and self.life.gate is not None and self.rules.shared_gate:
            self.life.gate.state.release(now)
            self.life.gate.changed()
        self.deadline = INFINITY


def either(rate: float, other: float) -> float:
    """Rate at which one of two independent causes strikes, or both."""
    return rate if not other else 1.0 - (1.0 - rate) * (1.0 - other)
