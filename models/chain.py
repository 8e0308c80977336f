"""Dependencies that call others: after its own work a call keeps its place in service while its server asks on its behalf."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Mapping, Sequence

import simpy

from models.budget import BudgetState
from models.call import Call, Called, Step
from models.delay import DelayLine
from models.dependency import Dependency
from models.draws import drawer, rare_drawer, uniform_drawer
from models.line import Line
from models.links import Links
from models.message import Messages
from models.outcome import ERROR, OK, PENDING, TIMEOUT
from simulator.recorder import grow
from simulator.simulation import COMPLETION, TIMER, WAIT_END, Simulation, Waker, priority

Story = Generator[simpy.Event, object, int]


class Chain:
    """How one dependency calls others, in order, each with `retry` and `timeout` of its own, as a service with blocking clients
    does: the thread that serves a call waits for them.

    A try that has timed out is not taken back. `budget`: one for all that it calls, of scope "instance" lost with the
    process. `called`: the dependencies in order; `networks`: for those that a network is between, by name.
    """

    def __init__(
        self, sim: Simulation, name: str, spec: Dependency, called: Sequence[Called], networks: Mapping[str, Links], place: int
    ) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.called = called
        self.networks = networks
        self.place = place
        self.orders = priority(COMPLETION, place), priority(WAIT_END, place)
        self.patience: DelayLine[tuple[Errand, Call]] = DelayLine(sim, _give_up, place, TIMER, _is_over)
        self.budget = self._new_budget()

    def _new_budget(self) -> BudgetState | None:
        retry = self.spec.retry
        return None if retry is None or retry.budget is None else BudgetState(retry.budget)

    def crash(self) -> None:
        """The process is gone with its memory."""
        if self.spec.retry is not None and self.spec.retry.scope == "instance":
            self.budget = self._new_budget()

    def stages(self, name: str, messages: Messages) -> tuple[Stage, ...]:
        """What it calls for one of `messages`; `name`: of the luck of the way to here."""
        found = []
        for place, called in enumerate(self.called):
            nth = sum(other is called for other in self.called[:place])
            found.append(Stage(self, called, name, f"#{nth + 1}" if nth else "", messages))
        return tuple(found)

    def expect(self, errand: Errand, asked: Call) -> None:
        """A call is waited for as long as `timeout` allows."""
        if self.spec.timeout is not None:
            self.patience.put(self.sim._now + self.spec.timeout, (errand, asked))


def _give_up(waiting: tuple[Errand, Call]) -> None:
    errand, asked = waiting
    if asked.outcome == PENDING:
        asked.abandon(TIMEOUT)
        errand.bell.ring()


def _is_over(waiting: tuple[Errand, Call]) -> bool:
    return waiting[1].outcome != PENDING


class Stage:
    """One dependency that another calls, for the events of one topic. `begun`: by event, how many calls have been made here:
    the ordinal by which their luck is drawn."""

    def __init__(self, chain: Chain, called: Called, caller: str, turn: str, messages: Messages) -> None:
        sim, luck = chain.sim, f"{caller} -> {called.name}{turn}"
        self.retry = chain.spec.retry
        self.called = called
        self.identity = messages.identity
        self.latency = drawer(sim.stream(f"{luck}/latency"), messages, called.spec.latency).at
        self.error = uniform_drawer(sim.stream(f"{luck}/error"), messages).at
        self.luck = rare_drawer(sim.stream(f"{luck}/retry"), messages)
        self.onward = called.steps(luck, messages)
        self.line: Line | None = None
        links = chain.networks.get(called.name)
        if links is not None:
            self.line = Line(sim, links, f"dependencies.{chain.name}", called, chain.place, caller, turn)
        self.begun = array("I")
        messages.growers.append(self._make_room)
        while len(self.begun) < messages.capacity:
            self._make_room()

    def _make_room(self) -> None:
        grow(self.begun)

    def ask(self, call: Call, answer: Callable[[], object]) -> Call:
        """As of any step."""
        event = call.event
        n = self.begun[event] = self.begun[event] + 1
        asked = Call(call.work, event, False, self.latency(event, n), self.error(event, n), answer, self.onward)
        if self.line is None:
            self.called.call(asked)
        else:
            self.line.call(asked, self.identity(event), n)
        return asked

    def wait_after(self, event: int, failed: int, memory: float) -> tuple[float, float]:
        """As of any step."""
        assert self.retry is not None
        return self.retry.step(failed, self.luck(event, self.begun[event]), memory)


class Errand:
    """What a server does for one call beyond its own work; `done(call, failed)` is called at its end."""

    def __init__(self, chain: Chain, call: Call, done: Callable[[Call, bool], None]) -> None:
        self.chain = chain
        self.call = call
        self.done = done
        self.asked: Call | None = None
        self._story = self._run()
        resume = [self._story.send]
        self.bell, self.rest = (Waker(chain.sim, order, resume) for order in chain.orders)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Its own work is done."""
        next(self._story)

    def die(self) -> None:
        """Its process is gone: what it has called goes on without it."""
        self.bell.silence()
        self.rest.silence()
        if self.asked is not None and self.asked.outcome == PENDING:
            self.asked.abandon(ERROR)
        self._story.close()

    def _run(self) -> Story:
        outcome = OK
        for step in self.call.onward:
            outcome = yield from self._tries(step)
            if outcome != OK:
                break
        self.done(self.call, outcome != OK)
        yield self.bell.wait()
        return outcome

    def _tries(self, step: Step) -> Story:
        """Calls a dependency, again where it fails and `retry` allows."""
        chain, sim, event = self.chain, self.chain.sim, self.call.event
        retry, budget, began = chain.spec.retry, chain.budget, sim._now
        failed, memory, taken = 0, 0.0, 0.0
        if budget is not None:
            budget.begins(began)
        while True:
            asked = self.asked = step.ask(self.call, self.bell.ring)
            if asked.outcome == PENDING:
                chain.expect(self, asked)
                yield self.bell.wait()
            outcome = asked.outcome
            if budget is not None and outcome == OK:
                budget.succeeded(taken)
            failed += 1
            if budget is not None and outcome != OK:
                budget.failed()
            if outcome == OK or retry is None or failed >= retry.max_attempts:
                return outcome
            waited, memory = step.wait_after(event, failed, memory)
            if not retry.permits(failed, sim._now + waited - began):
                return outcome
            if budget is not None and not (taken := budget.takes(outcome == TIMEOUT, sim._now)):
                return outcome
            yield self.rest.at(sim._now + waited)
