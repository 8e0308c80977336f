"""An instance of a consumer group, and its lives: what a crash ends, a pause freezes, and a restart begins anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import simpy

from models.budget import BudgetState
from models.gate import Gate
from models.guards import Guards
from models.line import Line
from models.mark_store import Road
from models.outgoing import Outgoing
from models.record import AWAY, CUT_OFF, DOWN, LEAVING, PAUSED, RUNNING, STARTING
from models.uplink import Trip, Uplink
from simulator.recorder import Trail
from simulator.simulation import Simulation, Waker


class Worker(Protocol):
    """A worker of a life, as far as the life must know it."""

    bell: Waker
    polled_at: float
    busy_since: float
    held_since: float

    def leave(self, now: float) -> None:
        """The life ends while the worker is wherever it is."""

    def holds(self, topic: int) -> Iterator[int]:
        """Events of a topic that it has taken and not settled."""

    def uncommitted(self, topic: int) -> Iterator[int]:
        """Events of a topic whose publishes wait for a commit."""


class Memory(Protocol):
    """The memory of an instance, as far as that must know it. `kills`: when a lack of it ended its process (s)."""

    kills: list[float]

    def take(self, life: Life, topic: int, event: int) -> None:
        """An event was handed to it."""

    def set_left(self, left: float, life: Life | None) -> None:
        """Another share of it can be used from now on."""


class Clock(Protocol):
    """What stands while an instance is down."""

    def falls(self) -> None:
        """It is down for one more reason."""

    def rises(self) -> None:
        """One of the reasons is gone."""


class Life:
    """One run of an instance's process, from start to crash or stop.

    `mark` changes whenever the life is disturbed (death, freeze, thaw): a worker that finds it changed after a wait looks
    closer. `open`: whether workers may take new events. A worker of a dead life waits for `never`. `on_stopped` is called
    when the last worker of one that is not open has put down what it had in hand. `heard`, `linked`: as of its uplink; one that
    is not linked does not know what has become of its membership. Bells in `unheard` ring when it is heard again. `on_answer`
    is told of every call of a dependency that ends: when it began (s), and its outcome.
    """

    def __init__(self, sim: Simulation, instance: Instance, gate: Gate | None, on_stopped: Callable[[Life], None]) -> None:
        self.sim = sim
        self.instance = instance
        self.number = instance.lives
        instance.lives += 1
        self.uplink, self.trip = instance.uplink, instance.trip
        self.heard = self.uplink is None or self.uplink.heard
        self.linked = self.uplink is None or self.uplink.linked
        self.unheard: list[Waker] = []
        self.gate = gate
        self.on_stopped = on_stopped
        self.budget: BudgetState | None = None
        self.guards: Guards | None = None
        self.on_answer: Callable[[float, int], None] | None = None
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

    def is_done(self) -> bool:
        """Whether a life that is stopping has nothing left to do."""
        return not self.active and not self.frozen

    def untaken(self) -> int:
        """How many workers could find something to take here."""
        return 0

    def holds(self, topic: int) -> Iterator[int]:
        """Events of a topic that it was handed and has not settled."""
        for worker in self.workers:
            yield from worker.holds(topic)

    def uncommitted(self, topic: int) -> Iterator[int]:
        """Events of a topic whose publishes wait for a commit."""
        for worker in self.workers:
            yield from worker.uncommitted(topic)

    def catch_up(self, now: float) -> None:
        """What it does by itself, without an event of its own, is done as far as `now` (s)."""

    def take_leave(self) -> None:
        """A clean goodbye: what is done is settled."""

    def relink(self) -> None:
        """Its uplink has changed."""
        assert self.uplink is not None
        self.heard, self.linked = self.uplink.heard, self.uplink.linked
        if self.heard:
            unheard, self.unheard = self.unheard, []
            for bell in unheard:
                bell.ring()

    def answer(self) -> None:
        """A worker has nothing in hand, or what waits at a breaker: the instance polls, where it has to."""

    def call_worker(self) -> None:
        """Wakes an idle worker, or starts one where their number is unlimited."""
        if self.idle:
            self.idle.pop().bell.ring_at_once()
        elif self.spawn is not None and self.alive and not self.frozen:
            self.workers.append(self.spawn(self))

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
        thawed, self.thawed = self.thawed, self.sim.event()
        thawed.succeed()
        if self.spawn is not None:
            for _ in range(self.untaken()):
                self.call_worker()

    def die(self) -> None:
        """The process is gone with its memory."""
        now = self.sim.now
        self.alive = self.open = False
        self.mark += 1
        for worker in self.workers:
            worker.leave(now)
        self.idle.clear()


class Instance:
    """A place in the group. Faults count up and down here: any crash or stop keeps it down, any pause keeps it frozen. So does
    autoscaling, which may want nobody in it (`away`): a fault of such a place strikes nobody, and keeps out whoever is wanted
    there before it is over. `living`: lives that go on, former ones included. `clock`: of the faults that strike it.

    `uplink`: None where nothing can come between it and the broker. `trip`: what it costs to reach it; None for nothing.
    `lines`, `hedge_lines`: to its dependencies, in their order, and `road`: to its store; None where nothing is
    between. `states`: (time, state) at each change.
    `slow`: how many times as long its work takes; `cpu`: the share of its processors that is left to it; `memory`: None where
    that has no limit.
    """

    def __init__(self, sim: Simulation, name: str, index: int, place: int) -> None:
        self.sim = sim
        self.name = name
        self.index = index
        self.place = place
        self.down = 0
        self.pauses = 0
        self.slow = self.cpu = 1.0
        self.memory: Memory | None = None
        self.failure_rate = 0.0
        self.lives = 0
        self.living = 0
        self.starts = 0
        self.away = False
        self.clock: Clock | None = None
        self.life: Life | None = None
        self.outgoing: dict[str, Outgoing] = {}
        self.uplink: Uplink | None = None
        self.trip: Trip | None = None
        self.lines: list[Line] | None = None
        self.hedge_lines: list[Line] | None = None
        self.road: Road | None = None
        self.states = Trail(time="d", state="b")

    def is_timed_by(self, clock: Clock) -> None:
        """Faults strike it, by a clock of their own."""
        self.clock = clock
        if self.away:
            clock.falls()

    def is_wanted(self, wanted: bool) -> None:
        """Whether autoscaling wants somebody here has changed."""
        self.away = not wanted
        if self.clock is not None:
            if wanted:
                self.clock.rises()
            else:
                self.clock.falls()

    def note(self) -> None:
        """Writes down the state after a change."""
        life = self.life
        if self.away:
            state = LEAVING if self.living else AWAY
        elif self.down:
            state = DOWN
        elif life is None:
            state = STARTING
        elif life.frozen:
            state = PAUSED
        else:
            state = CUT_OFF if self.uplink is not None and self.uplink.cut_off else RUNNING
        self.states.add(self.sim.now, state)
