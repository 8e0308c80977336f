"""Whether a partition is served, and by how many replicas in sync: written down, and told to those who read."""

from __future__ import annotations

from models.entry import INFINITY, Store
from simulator.recorder import Trail


class Service:
    """`without_leader`: spans (s) without a leader that served; `sizes`: of the in-sync set, from `replicas` on."""

    def __init__(self, store: Store, replicas: int) -> None:
        self.store = store
        self.replicas = replicas
        self.without_leader = Trail(start="d", end="d")
        self.sizes = Trail(time="d", size="q")
        self._unserved_since = INFINITY
        self._lost = False

    def note_leader(self, serving: bool, lost: bool, now: float) -> None:
        """Whether a leader serves now, and whether there is none, or only a dead one."""
        if serving and self._unserved_since < INFINITY:
            self.without_leader.add(self._unserved_since, now)
            self._unserved_since = INFINITY
            self.store.serve(True)
        elif not serving and self._unserved_since == INFINITY:
            self._unserved_since = now
            self.store.serve(False)
        if lost and not self._lost:
            self.store.lose_leader()
        self._lost = lost

    def note_size(self, size: int, now: float) -> None:
        """How many replicas are in sync from now on."""
        self.sizes.add(now, size)

    def finish(self, now: float) -> None:
        """The run is over."""
        if self._unserved_since < INFINITY:
            self.without_leader.add(self._unserved_since, now)
            self._unserved_since = now
