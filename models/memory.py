"""The memory of an instance: what it holds in hand takes room, and with too much of it the process is killed and comes back.

A container over its limit is killed at once, without a word (Linux's OOM killer). Kubernetes starts it again at once the first
time, then after 10 s, doubled each time up to 300 s, and forgets this after 10 minutes without a kill (CrashLoopBackOff). What
it held is handed out again, so that it may die of it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.draws import ONCE, Draw
from models.instance import Instance, Life
from simulator.simulation import FAILURE, Simulation

FIRST_WAIT, LONGEST_WAIT, FORGOTTEN_AFTER = 10.0, 300.0, 600.0


class Memory:
    """The memory of one instance, `limit` bytes, of which `left` is the share that it may use. `sizes`: of the events (bytes),
    by topic of its group. `kill`, `restart`: what is done to the instance. `kills`: when it was (s).

    What it holds is added up again only when as much has been handed to it as there was room for.
    """

    def __init__(
        self, sim: Simulation, limit: float, sizes: Sequence[Draw], kill: Callable[[Instance], None],
        restart: Callable[[Instance], None],
    ) -> None:  # fmt: skip
        self.sim = sim
        self.limit = limit
        self.left = 1.0
        self.sizes = sizes
        self.kill = kill
        self.restart = restart
        self.kills: list[float] = []
        self._room = 0.0
        self._counted_in: Life | None = None
        self._in_a_row = 0
        self._killed_at = 0.0

    def set_left(self, left: float, life: Life | None) -> None:
        """Another share of it can be used from now on."""
        self.left = left
        self._counted_in = None
        if life is not None:
            self._count(life)

    def take(self, life: Life, topic: int, event: int) -> None:
        """An event was handed to it."""
        self._room -= self.sizes[topic].at(event, ONCE)
        if self._room < 0.0 or self._counted_in is not life:
            self._count(life)

    def _count(self, life: Life) -> None:
        held = sum(size.at(event, ONCE) for topic, size in enumerate(self.sizes) for event in set(life.holds(topic)))
        self._counted_in, self._room = life, self.limit * self.left - held
        if self._room < 0.0:
            self.sim.call_at(self.sim.now, FAILURE, lambda: self._kill(life), life.place)

    def _kill(self, life: Life) -> None:
        """It is killed, and comes back: at once the first time."""
        instance, now = life.instance, self.sim.now
        if instance.life is not life:
            return
        self.sim.hold()
        if now - self._killed_at >= FORGOTTEN_AFTER:
            self._in_a_row = 0
        self._in_a_row += 1
        self._killed_at = now
        self.kills.append(now)
        self.kill(instance)
        if instance.clock is not None:
            instance.clock.falls()
        wait = 0.0 if self._in_a_row == 1 else min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (self._in_a_row - 2))
        self.sim.call_at(now + wait, FAILURE, lambda: self._come_back(instance), instance.place)

    def _come_back(self, instance: Instance) -> None:
        """It is started again; a clock of faults that counts its time up has stood meanwhile."""
        if instance.clock is not None:
            instance.clock.rises()
        self.restart(instance)
