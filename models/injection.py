"""Faults at work: when each strikes its targets."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from functools import partial
from heapq import heappop, heappush
from typing import Any

import simpy

from models.faults import Fault
from models.strikes import DOWNING, Strike, Strikes
from simulator.distributions import residual
from simulator.simulation import FAILURE, FAULT_END, FAULT_START, Simulation

Process = Generator[simpy.Event, Any, None]


class Crews:
    """Who repairs what one fault has broken: so many at once, what broke first comes first. None: any number."""

    def __init__(self, count: int | None) -> None:
        self.count = count
        self._free_at: list[float] = []

    def repaired(self, now: float, seconds: float) -> float:
        """When a repair of so many seconds that is asked for now is over (s)."""
        if self.count is None:
            return now + seconds
        begins = now if len(self._free_at) < self.count else max(now, heappop(self._free_at))
        heappush(self._free_at, begins + seconds)
        return begins + seconds


class Schedule:
    """When one fault strikes what follows the same schedule: one target, or with `together` all of them.

    `clock`: the target whose time up a renewal process counts. `first`: how many targets of the fault come before these.
    """

    def __init__(self, injection: Injection, fault: Fault, strikes: list[Strike], first: int, place: int) -> None:
        self.sim = injection.sim
        self.fault = fault
        self.strikes = strikes
        self.clock = strikes[0].target
        self.first = first
        self.place = place
        self.crews = injection.crews[fault.name]
        self.rows = injection.windows[fault.name]
        name = f"faults.{fault.name}" + ("" if fault.together else f"/{self.clock.path}")
        self.luck = self.sim.stream(name).uniform
        self._joins = self.sim.stream(f"faults.{fault.name}/joins").uniform

    def start(self) -> None:
        """Sets the fault on its way."""
        if self.fault.time_to_failure is not None:
            self.sim.process(self._renew())
            return
        for k, (start, seconds) in enumerate(self._windows()):
            for nth, strike in enumerate(self.strikes, self.first):
                if self._is_hit(k, nth):
                    begin = partial(self._strike, strike, seconds)
                    self.sim.call_at(start + nth * self.fault.stagger, FAULT_START, begin, self.place)

    def _windows(self) -> Iterable[tuple[float, float]]:
        fault, luck = self.fault, self.luck
        if fault.trace is not None:
            return fault.windows
        assert fault.for_ is not None
        if fault.at is not None:
            return [(fault.at, fault.for_.ppf(luck(0, 1)))]
        assert fault.every is not None
        count = int(self.sim.horizon / fault.every)
        return [(k * fault.every, fault.for_.ppf(luck(k - 1, 1))) for k in range(1, count + 1)]

    def _renew(self) -> Process:
        """Failure after failure; the time to the next runs while the target is up."""
        assert self.fault.time_to_failure is not None
        assert self.fault.time_to_repair is not None
        k = 0
        while True:
            life = self.fault.time_to_failure
            lasts = residual(life, self.luck(0, 0)) if k == 0 and not self.fault.from_new else life.ppf(self.luck(k, 0))
            yield from self._while_up(lasts)
            seconds = self.fault.time_to_repair.ppf(self.luck(k, 1))
            hit = [strike for nth, strike in enumerate(self.strikes, self.first) if self._is_hit(k, nth)]
            over = max([self._strike(strike, seconds) for strike in hit], default=self.sim.now)
            yield self.sim.wait_until(over, FAILURE, self.place)
            k += 1

    def _while_up(self, seconds: float) -> Process:
        clock = self.clock
        while True:
            down_before = clock.time_down()
            if clock.down:
                yield clock.came_up
                continue
            yield self.sim.wait_until(self.sim.now + seconds, FAILURE, self.place)
            seconds = clock.time_down() - down_before
            if seconds <= 0.0 and not clock.down:
                return

    def _is_hit(self, k: int, nth: int) -> bool:
        """Whether the k-th time meets the fault's n-th target."""
        return self.fault.probability >= 1.0 or self._joins(nth, k) < self.fault.probability

    def _strike(self, strike: Strike, seconds: float) -> float:
        """It happens to one target now. Returns when that is over (s)."""
        sim, now, target = self.sim, self.sim.now, strike.target
        sim.hold()
        row = len(self.rows)
        self.rows.append((target.path, now, math.inf))
        downs = self.fault.kind in DOWNING
        if downs:
            target.falls()
        strike.begin()

        def end() -> None:
            sim.hold()
            self.rows[row] = (target.path, now, sim.now)
            if downs:
                target.rises()
            strike.end()

        over = self.crews.repaired(now, seconds)
        sim.call_at(over, FAULT_END, end, self.place)
        return over


class Injection:
    """All faults of one replication. `windows`: by fault name, (target, start, end) of what has begun; end inf: not over."""

    def __init__(self, sim: Simulation, strikes: Strikes) -> None:
        self.sim = sim
        self.strikes = strikes
        self.crews: dict[str, Crews] = {}
        self.windows: dict[str, list[tuple[str, float, float]]] = {}

    def start(self, faults: Iterable[Fault]) -> None:
        """Sets every fault on its way, in the order of the scenario."""
        for place, fault in enumerate(faults):
            self.windows.setdefault(fault.name, [])
            self.crews[fault.name] = Crews(fault.crews)
            strikes = self.strikes.of(fault)
            if fault.together:
                Schedule(self, fault, strikes, 0, place).start()
            else:
                for first, strike in enumerate(strikes):
                    Schedule(self, fault, [strike], first, place).start()
