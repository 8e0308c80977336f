"""Requests that wait at a leader until their records are committed: Kafka's produce purgatory."""

from __future__ import annotations

from collections.abc import Iterable

from models.entry import INFINITY, Asking, Entry
from models.nodes import Nodes
from simulator.simulation import DELIVERY


class Purgatory:
    """Those of one partition. `stranded`: requests at a leader that was replaced and does not know it."""

    def __init__(self, cluster: Nodes) -> None:
        self.cluster = cluster
        self.sim = cluster.sim
        self.stranded: list[Asking] = []

    def answer_later(self, entry: Entry) -> None:
        """Tells the requests that wait for a record when it is committed, if it is."""
        if not entry.asking or entry.commit == INFINITY:
            return

        def tell() -> None:
            if entry.alive and entry.commit <= self.sim._now:
                asking, entry.asking = entry.asking, []
                for request in asking:
                    request.committed()

        self.sim.call_at(entry.commit, DELIVERY, tell, self.cluster.place)

    def strand(self, entries: Iterable[Entry]) -> None:
        """The leader is replaced."""
        for entry in entries:
            self.stranded += entry.asking
            entry.asking = []

    def refuse(self) -> None:
        """A former leader that learns what it is tells so those who wait there; one that has died tells nobody."""
        stranded, cluster = self.stranded, self.cluster
        self.stranded = [each for each in stranded if cluster.lives(each.node) and not cluster.in_quorum(each.node)]
        for request in stranded:
            if cluster.in_quorum(request.node):
                request.refused()
