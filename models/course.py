"""The way of events into replicated partitions when nothing can go wrong: every time of it worked out when they arrive."""

from __future__ import annotations

from array import array

import numpy as np

from models.broker import Broker
from models.links import Way
from models.message import Messages
from models.passage import Passage
from models.producer import Producer
from simulator.simulation import Simulation


class Course:
    """Writes the `passage` of one producer's arrivals: times are those of `ReplicaSet` and `Client`, to the last bit.

    `to` and `back`: the ways to the leader and back, of constant latency. The followers of a partition copy in order.
    """

    def __init__(
        self, sim: Simulation, spec: Producer, broker: Broker, messages: Messages, key: int, to: Way, back: Way
    ) -> None:
        self.spec = spec
        self.broker = broker
        self.messages = messages
        self.key = key
        self.to, self.back = to, back
        self.passage = messages.passage = Passage()
        self.passage.stored = messages.produced if to.instant else array("d")
        self._luck = sim.stream(f"topics.{messages.topic}/replication")
        self._held: dict[tuple[int, int], float] = {}

    def write(self, first: int, times: np.ndarray, partitions: np.ndarray) -> None:
        """Events from the number `first` on, produced at `times` into `partitions`."""
        stored = times + self.to.base
        available = self._committed(first, stored, partitions)
        passage, acks = self.passage, self.spec.acks
        if not self.to.instant:
            passage.stored.frombytes(stored.tobytes())
        passage.available.frombytes(available.tobytes())
        answered = times if acks == "none" else (available if acks == "all" else stored) + self.back.base
        passage.acknowledged.frombytes(np.ascontiguousarray(answered).tobytes())
        passage.failed.extend(bytes(len(times)))

    def _committed(self, first: int, stored: np.ndarray, partitions: np.ndarray) -> np.ndarray:
        """When every follower of its partition holds each record."""
        broker, available = self.broker, stored.copy()
        due: dict[int, np.ndarray] = {}
        for partition in np.unique(partitions):
            mine = np.flatnonzero(partitions == partition)
            for turn in range(1, broker.replication_factor):
                node = (int(partition) + turn) % broker.nodes
                if node not in due:
                    due[node] = self._copied(first, stored, node)
                before = self._held.get((int(partition), node), 0.0)
                held = np.maximum(np.maximum.accumulate(due[node][mine]), before)
                self._held[int(partition), node] = float(held[-1])
                available[mine] = np.maximum(available[mine], held)
        return available

    def _copied(self, first: int, stored: np.ndarray, node: int) -> np.ndarray:
        """When a node would hold the records if it were not for those before them."""
        interval = self.broker.replication_interval
        if interval is not None:
            return np.asarray(np.ceil(stored / interval) * interval)
        luck = self._luck.block(self.key, first, len(stored), node)
        return np.asarray(stored + self.broker.replication_lag.ppf_array(luck))
