"""An instance of a consumer group, and its lives: what a crash ends, a pause freezes, and a restart begins anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import simpy

from models.budget import BudgetState
from models.gate import Gate
from models.log import Cursor, Seek
from models.queue import Queue
from models.record import DOWN, PAUSED, RUNNING, STARTING
from simulator.recorder import Trail
from simulator.simulation import Simulation, Waker

INFINITY = float("inf")


class Worker(Protocol):
    """A worker of a life, as far as the life must know it."""

    bell: Waker
    polled_at: float
    busy_since: float
    held_since: float

    def leave(self, now: float) -> None:
        """The life ends while the worker is wherever it is."""


class Life:
    """One run of an instance's process, from start to crash or stop.

    `mark` changes whenever the life is disturbed (death, freeze, thaw): a worker that finds it changed after a wait looks
    closer. `open`: whether workers may take new events. A worker of a dead life waits for `never`.
    """

    def __init__(self, sim: Simulation, instance: Instance, number: int, gate: Gate | None) -> None:
        self.sim = sim
        self.instance = instance
        self.number = number
        self.gate = gate
        self.budget: BudgetState | None = None
        self.began = sim.now
        self.alive = True
        self.frozen = False
        self.stopping = False
        self.open = False
        self.mark = 0
        self.freezes: list[tuple[float, float]] = []
        self.never = sim.event()
        self.thawed: simpy.Event = sim.event()
        self.workers: list[Worker] = []
        self.idle: list[Worker] = []
        self.active = self.at_gate = 0
        self.spawn: Callable[[Life], Worker] | None = None
        self.place = instance.place
        self.member = False
        self.idle_since = sim.now
        # in a log
        self.ready: deque[Cursor] = deque()
        self.owned: list[Cursor] = []
        self.seeking: dict[Cursor, Seek] = {}
        self.share = 1
        self.commit_interval = self.commit_due = INFINITY
        # in a queue
        self.prefetch = INFINITY
        self.acknowledges_first = False
        self.buffer: deque[tuple[int, Queue, int, int]] = deque()
        self.unacked: dict[int, tuple[Queue, int, int, float]] = {}
        self.tags = 0

    def is_done(self) -> bool:
        """Whether a life that is stopping has nothing left to do."""
        return not self.active and not self.frozen and not (self.acknowledges_first and self.buffer)

    def call_worker(self) -> None:
        """Wakes an idle worker, or starts one where their number is unlimited."""
        if self.idle:
            self.idle.pop().bell.ring_at_once()
        elif self.spawn is not None and self.alive and not self.frozen:
            self.workers.append(self.spawn(self))

    def commit_by_itself(self, now: float, polling: bool = False) -> None:
        """Auto-commit of what is handled, at the first poll after the interval; an idle consumer polls all the time.

        With several workers any of them polls for the instance.
        """
        if self.commit_due > now or self.frozen or (self.active and not polling):
            return
        time = now if self.active else max(self.commit_due, self.idle_since)
        for cursor in self.owned:
            cursor.commit(cursor.handled, time)
        missed = 0 if self.active or not self.commit_interval else (now - time) // self.commit_interval
        self.commit_due = time + (missed + 1) * self.commit_interval

    def overlap(self, start: float, now: float) -> float:
        """Seconds of [start, now] in which the life was frozen."""
        return sum(max(0.0, min(end, now) - max(begin, start)) for begin, end in self.freezes)

    def freeze(self) -> None:
        """The process stands still; its clock goes on."""
        self.frozen = True
        self.mark += 1
        self.freezes.append((self.sim.now, float("inf")))

    def thaw(self) -> None:
        """It goes on where it was."""
        self.frozen = False
        self.mark += 1
        begin, _ = self.freezes.pop()
        self.freezes.append((begin, self.sim.now))
        self.idle_since = self.sim.now
        thawed, self.thawed = self.thawed, self.sim.event()
        thawed.succeed()
        if self.spawn is not None:
            for _ in range(len(self.buffer) + len(self.ready)):
                self.call_worker()

    def die(self) -> None:
        """The process is gone with its memory."""
        now = self.sim.now
        self.alive = self.open = False
        self.mark += 1
        for worker in self.workers:
            worker.leave(now)
        for cursor in self.owned:
            cursor.forget(now)
        self.idle.clear()
        self.ready.clear()

    def has_room(self) -> bool:
        """Whether fewer messages than the prefetch are unacknowledged, and it wants more."""
        return len(self.unacked) < self.prefetch and not self.stopping

    def hand(self, queue: Queue, place: int, event: int) -> None:
        """The broker pushes a copy; a worker takes it from the buffer when it is free."""
        tag = self.tags
        self.tags = tag + 1
        if not self.acknowledges_first:
            self.unacked[tag] = (queue, place, event, self.sim._now)
        self.buffer.append((tag, queue, place, event))
        queue.journey.deliveries[event] += 1
        if self.idle:
            self.idle.pop().bell.ring()
        elif self.open:
            self.call_worker()


class Instance:
    """A place in the group. Faults count up and down here: any crash or stop keeps it down, any pause keeps it frozen.

    `states`: (time, state) at each change.
    """

    def __init__(self, sim: Simulation, name: str, index: int, place: int) -> None:
        self.sim = sim
        self.name = name
        self.index = index
        self.place = place
        self.down = 0
        self.pauses = 0
        self.slow = 1.0
        self.failure_rate = 0.0
        self.lives = 0
        self.starts = 0
        self.life: Life | None = None
        self.states = Trail(time="d", state="b")

    def note(self) -> None:
        """Writes down the state after a change."""
        life = self.life
        if self.down:
            state = DOWN
        elif life is None:
            state = STARTING
        else:
            state = PAUSED if life.frozen else RUNNING
        self.states.add(self.sim.now, state)
