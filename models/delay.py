"""Things that become due: one schedule entry for all of them, however many wait."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

from simulator.simulation import WAIT_END, Alarm, Simulation

Item = TypeVar("Item")


class DelayLine(Generic[Item]):
    """Holds items until they are due and then hands each to `release(item)`, in order of due time, then of entry.

    Those that are `void` by then need no schedule entry. `kind`: of the happening, at ties.
    """

    def __init__(
        self,
        sim: Simulation,
        release: Callable[[Item], object],
        place: int = 0,
        kind: int = WAIT_END,
        is_void: Callable[[Item], bool] | None = None,
    ) -> None:
        self.sim = sim
        self.release = release
        self.place = place
        self.kind = kind
        self.is_void = is_void
        self.waiting: list[tuple[float, int, Item]] = []
        self._order = count()
        self._alarm: Alarm | None = None
        self._armed_for = float("inf")

    def __len__(self) -> int:
        return len(self.waiting)

    def put(self, due: float, item: Item) -> None:
        """Holds `item` until `due` (s)."""
        heappush(self.waiting, (due, next(self._order), item))
        if due < self._armed_for:
            self._arm(due)

    def _arm(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.silence()
        self._armed_for = due
        self._alarm = self.sim.call_at(due, self.kind, self._fall_due, self.place)

    def _fall_due(self) -> None:
        self._alarm, self._armed_for = None, float("inf")
        while self.waiting and self.waiting[0][0] <= self.sim.now:
            item = heappop(self.waiting)[2]
            if self.waiting and self.waiting[0][0] <= self.sim.now:
                self.sim.hold()
            self.release(item)
        if self.is_void is not None:
            while self.waiting and self.is_void(self.waiting[0][2]):
                heappop(self.waiting)
        if self.waiting and self.waiting[0][0] < self._armed_for:
            self._arm(self.waiting[0][0])
