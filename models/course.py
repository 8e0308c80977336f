"""The way of events into replicated partitions when nothing can go wrong: every time of it worked out when they arrive."""

from __future__ import annotations

from array import array

import numpy as np

from models.broker import Broker
from models.links import Way
from models.message import Messages
from models.passage import Passage
from models.producer import Producer
from simulator.distributions import Constant
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
        self._sim = sim
        self._held: dict[tuple[int, int], float] = {}

    def write(self, first: int, times: np.ndarray, partitions: np.ndarray) -> None:
        """Events from the number `first` on, produced at `times` into `partitions`."""
        stored = times + self.to.base
        available = stored.copy()
        for partition in np.unique(partitions):
            mine = np.flatnonzero(partitions == partition)
            available[mine] = self._committed(int(partition), first + mine, stored[mine])
        passage, acks = self.passage, self.spec.acks
        if not self.to.instant:
            passage.stored.frombytes(stored.tobytes())
        passage.available.frombytes(available.tobytes())
        answered = times if acks == "none" else (available if acks == "all" else stored) + self.back.base
        passage.acknowledged.frombytes(np.ascontiguousarray(answered).tobytes())
        passage.failed.extend(bytes(len(times)))

    def _committed(self, partition: int, events: np.ndarray, stored: np.ndarray) -> np.ndarray:
        """When every follower of a partition holds its records."""
        broker, available = self.broker, stored
        for turn in range(1, broker.replication_factor):
            node = (partition + turn) % broker.nodes
            if broker.replication_interval is not None:
                held = np.ceil(stored / broker.replication_interval) * broker.replication_interval
            else:
                held = stored + self._lags(partition, node, events)
            held = np.maximum(np.maximum.accumulate(held), self._held.get((partition, node), 0.0))
            self._held[partition, node] = float(held[-1])
            available = np.maximum(available, held)
        return available

    def _lags(self, partition: int, node: int, events: np.ndarray) -> np.ndarray | float:
        if isinstance(self.broker.replication_lag, Constant):
            return self.broker.replication_lag.value
        stream = self._sim.stream(f"topics.{self.messages.topic}[{partition}]/replication")
        first, last = int(events[0]), int(events[-1])
        luck = stream.block(self.key, first, last - first + 1, node)[events - first]
        return self.broker.replication_lag.ppf_array(luck)
