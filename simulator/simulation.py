"""The clock of one replication: a SimPy environment with absolute times, a fixed order at ties, and named streams."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.core import StopSimulation

from simulator.streams import Stream

# Kinds of happening at one instant, in the order in which they are settled. BEGINNING is SimPy's, users' processes have 1.
BEGINNING = 0
FAULT_END, FAULT_START, FAILURE, ARRIVAL, DELIVERY, COMPLETION, TIMER, WAIT_END = range(2, 10)
PLACES = 1 << 40


def priority(kind: int, place: int = 0) -> int:
    """SimPy priority of a happening: by its kind, then by the place of its component in the scenario."""
    return kind * PLACES + place


STANDSTILL = 1_000_000
"""Happenings at one instant after which no run is believed to come to an end."""


class StandstillError(ValueError):
    """A model in which things happen for ever at one instant."""


class Simulation(simpy.Environment):
    """One replication: simulated seconds from 0, and every random number a function of seed and replication."""

    def __init__(self, seed: int, replication: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.replication = replication
        self.trace = False
        self.horizon = float("inf")

    def stream(self, name: str) -> Stream:
        """The random stream of that name, e.g. `consumers.payment/service`."""
        return Stream(self.seed, self.replication, name)

    def run(self, until: float) -> None:  # type: ignore[override]
        """Runs everything that happens before `until` (s), or until somebody raises StopSimulation.

        SimPy's own loop, with its `step` written into it: a call less for each event.
        """
        queue = self._queue
        try:
            while queue and queue[0][0] < until:
                before = self._now
                for _ in range(STANDSTILL):
                    if not queue or queue[0][0] >= until:
                        break
                    self._now, _, _, event = heappop(queue)
                    callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
                    for callback in callbacks:
                        callback(event)
                    if not event._ok and not hasattr(event, "_defused"):
                        raise event._value
                else:
                    if self._now == before:
                        raise StandstillError(f"the clock stands still at {before:g} s: something goes round in no time")
            self._now = until
        except StopSimulation:
            return

    def call_at(self, time: float, kind: int, action: Callable[[], object], place: int = 0) -> Alarm:
        """Calls `action` at `time` (never before now). Returns the alarm; `silence` it to take the call back."""
        alarm = Alarm(self, priority(kind, place))
        alarm.at(max(time, self._now))
        alarm.callbacks = [lambda _: action()]  # type: ignore[list-item]
        return alarm

    def hold(self) -> None:
        """More happens at this instant than the caller's next step: who is woken by it waits for a turn of its own."""
        nothing: simpy.Event = _Nothing(self)
        heappush(self._queue, (self._now, priority(ARRIVAL), next(self._eid), nothing))  # type: ignore[misc]

    def wait_until(self, time: float, kind: int = WAIT_END, place: int = 0) -> Alarm:
        """An event at exactly `time`, for a process of the control plane to yield."""
        return Alarm(self, priority(kind, place)).at(max(time, self._now))


class _Nothing(simpy.Event):
    """A turn in the schedule in which nothing is done."""

    def __init__(self, env: Simulation) -> None:
        super().__init__(env)
        self._ok, self._value = True, None


class Alarm(simpy.Event):
    """An event that is armed again and again: what a process on the message path yields, at a third of a Timeout's cost.

    Armed `at` a time it goes through SimPy's schedule. `wait` makes it a bell: the process that yields it sleeps until `ring`.
    """

    env: Simulation

    def __init__(self, env: Simulation, order: int) -> None:
        self.env = env
        self.order = order
        self.callbacks = []
        self._ok = True
        self._value = None
        self._queue: list[Any] = env._queue
        self._eid = env._eid

    def at(self, time: float) -> Alarm:
        """Arms it for an absolute time, in seconds; it must not be armed already."""
        self.callbacks = []
        heappush(self._queue, (time, self.order, next(self._eid), self))
        return self

    def wait(self) -> Alarm:
        """Makes it a bell that only `ring` ends."""
        self.callbacks = []
        return self

    def ring(self) -> None:
        """Wakes who waits, now, after what else is due before its kind at this instant."""
        heappush(self._queue, (self.env._now, self.order, next(self._eid), self))

    def ring_at_once(self) -> None:
        """Like `ring`, for a caller that has nothing left to do: at once where nothing else is due at this instant."""
        queue = self._queue
        if queue and queue[0][0] <= self.env._now:
            heappush(queue, (self.env._now, self.order, next(self._eid), self))
            return
        callbacks, self.callbacks = self.callbacks, None  # type: ignore[assignment]
        for callback in callbacks:
            callback(self)

    def silence(self) -> None:
        """Takes back what it would have done; it stays in the schedule and does nothing."""
        self.callbacks = []


class Waker(Alarm):
    """An alarm that sends one story on by itself, without a SimPy process between them: `resume` holds the story's `send`."""

    def __init__(self, env: Simulation, order: int, resume: list[Callable[[Any], None]]) -> None:
        super().__init__(env, order)
        self.resume = resume

    def at(self, time: float) -> Waker:
        """As of any alarm."""
        self.callbacks = self.resume
        heappush(self._queue, (time, self.order, next(self._eid), self))
        return self

    def wait(self) -> Waker:
        """As of any alarm."""
        self.callbacks = self.resume
        return self
