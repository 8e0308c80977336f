"""Faults at work: when each strikes its targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any

import simpy

from models.faults import Fault
from models.strikes import DOWNING, Strike, Strikes, Target
from simulator.distributions import residual
from simulator.simulation import FAILURE, FAULT_END, FAULT_START, Simulation

Process = Generator[simpy.Event, Any, None]


class Injection:
    """All faults of one replication. `windows`: by fault name, (target, start, end) of what has begun; end inf: not over."""

    def __init__(self, sim: Simulation, strikes: Strikes) -> None:
        self.sim = sim
        self.strikes = strikes
        self.windows: dict[str, list[tuple[str, float, float]]] = {}

    def start(self, faults: Iterable[Fault]) -> None:
        """Sets every fault on its way, in the order of the scenario."""
        for place, fault in enumerate(faults):
            self.windows.setdefault(fault.name, [])
            strikes = self.strikes.of(fault)
            if fault.together:
                self._schedule(fault, strikes, strikes[0].target, place)
            else:
                for strike in strikes:
                    self._schedule(fault, [strike], strike.target, place)

    # -- when ---------------------------------------------------------------------------------------------------------

    def _schedule(self, fault: Fault, strikes: list[Strike], clock: Target, place: int) -> None:
        name = f"faults.{fault.name}" + ("" if fault.together else f"/{clock.path}")
        stream = self.sim.stream(name)
        if fault.time_to_failure is not None:
            self.sim.process(self._renew(fault, strikes, clock, place, stream.uniform))
            return
        for _k, (start, seconds) in enumerate(self._windows_of(fault, stream.uniform)):
            self.sim.call_at(start, FAULT_START, partial(self._strike, fault, strikes, seconds, place), place)

    def _windows_of(self, fault: Fault, luck: Callable[[int, int], float]) -> Iterable[tuple[float, float]]:
        if fault.trace is not None:
            return fault.windows
        assert fault.for_ is not None
        if fault.at is not None:
            return [(fault.at, fault.for_.ppf(luck(0, 1)))]
        assert fault.every is not None
        count = int(self.sim.horizon / fault.every)
        return [(k * fault.every, fault.for_.ppf(luck(k - 1, 1))) for k in range(1, count + 1)]

    def _renew(
        self, fault: Fault, strikes: list[Strike], clock: Target, place: int, luck: Callable[[int, int], float]
    ) -> Process:
        """Failure after failure; the time to the next runs while the target is up."""
        assert fault.time_to_failure is not None
        assert fault.time_to_repair is not None
        k = 0
        while True:
            life = fault.time_to_failure
            lasts = residual(life, luck(0, 0)) if k == 0 and not fault.from_new else life.ppf(luck(k, 0))
            yield from self._while_up(clock, lasts, place)
            seconds = fault.time_to_repair.ppf(luck(k, 1))
            self._strike(fault, strikes, seconds, place)
            yield self.sim.wait_until(self.sim.now + seconds, FAILURE, place)
            k += 1

    def _while_up(self, clock: Target, seconds: float, place: int) -> Process:
        while True:
            down_before = clock.time_down()
            if clock.down:
                yield clock.came_up
                continue
            yield self.sim.wait_until(self.sim.now + seconds, FAILURE, place)
            seconds = clock.time_down() - down_before
            if seconds <= 0.0 and not clock.down:
                return

    def _strike(self, fault: Fault, strikes: list[Strike], seconds: float, place: int) -> None:
        now = self.sim.now
        self.sim.hold()
        rows = self.windows[fault.name]
        first = len(rows)
        for strike in strikes:
            rows.append((strike.target.path, now, math.inf))
            if fault.kind in DOWNING:
                strike.target.falls()
            strike.begin()

        def over() -> None:
            self.sim.hold()
            for row, strike in enumerate(strikes, first):
                rows[row] = (strike.target.path, now, self.sim.now)
                if fault.kind in DOWNING:
                    strike.target.rises()
                strike.end()

        self.sim.call_at(now + seconds, FAULT_END, over, place)
