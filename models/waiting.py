"""Waiting in a life: what waits in a dead one never comes back, in a frozen one it goes on when that thaws."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

import simpy

from models.instance import Life
from simulator.simulation import BEGINNING, COMPLETION, DELIVERY, WAIT_END, Waker, priority

Story = Generator[simpy.Event, Any, int]
Wait = Generator[simpy.Event, Any, None]
INFINITY = float("inf")


class Waiting:
    """Who tells a story in a life. What it yields is re-armed and sends it on directly: `alarm` when work is done,
    `sleep_alarm` when a wait is over, `bell` when it is called.

    After every wait it looks whether the life was disturbed meanwhile.
    """

    def __init__(self, life: Life) -> None:
        self.life = life
        self.sim = life.sim
        self.instance = life.instance
        story, place = self.run(), life.place
        self.resume: list[Callable[[Any], None]] = [story.send]  # type: ignore[list-item]
        self.alarm = Waker(self.sim, priority(COMPLETION, place), self.resume)
        self.bell = Waker(self.sim, priority(DELIVERY, place), self.resume)
        self.sleep_alarm = Waker(self.sim, priority(WAIT_END, place), self.resume)
        self.sim.call_at(self.sim.now, BEGINNING, lambda: next(story))

    def run(self) -> Wait:
        """The story, from the first thing that happens at this instant on; it ends with a wait for `life.never`."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Wait:
        """Waits by the clock, which a freeze does not stop."""
        mark = self.life.mark
        yield self.sleep_alarm.at(self.sim._now + seconds)
        if self.life.mark != mark:
            yield from self.disturbed()

    def await_fetches(self, fetches: Sequence[Iterator[float]], varies: bool) -> Wait:
        """Waits until the last of what is fetched is there; step by step where links may change meanwhile."""
        if not varies:
            if seconds := max(map(sum, fetches)):
                yield from self.sleep(seconds)
            return
        steps = [(self.sim._now, place) for place in range(len(fetches))]
        while steps:
            due, place = heappop(steps)
            if due > self.sim._now:
                yield from self.sleep(due - self.sim._now)
            if (seconds := next(fetches[place], INFINITY)) < INFINITY:
                heappush(steps, (self.sim._now + seconds, place))

    def listen(self) -> Wait:
        """Sleeps until its bell rings."""
        mark = self.life.mark
        yield self.bell.wait()
        if self.life.mark != mark:
            yield from self.disturbed()

    def work(self, seconds: float) -> Wait:
        """Work of the instance itself, which a freeze stops."""
        began, mark = self.sim._now, self.life.mark
        yield self.alarm.at(began + seconds)
        if self.life.mark != mark:
            yield from self.disturbed(began, seconds)

    def disturbed(self, began: float = 0.0, work: float = 0.0, deadline: float = INFINITY) -> Wait:
        """The life was disturbed during a wait: gone for ever, or frozen. `work` from `began` on takes that much longer, up to
        the deadline, which is by the clock."""
        life, sim = self.life, self.sim
        while True:
            if not life.alive:
                yield life.never
            if life.frozen:
                assert life.thawed.callbacks is not None
                life.thawed.callbacks.append(self.resume[0])
                yield life.thawed
                continue
            due = min(began + work + life.overlap(began, sim._now), deadline) if work else 0.0
            if due <= sim._now:
                return
            yield self.alarm.at(due)
