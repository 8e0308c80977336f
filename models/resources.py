"""What the broker's memory and disks hold, and what happens when that is too much.

RabbitMQ: above `vm_memory_high_watermark` times its memory, or without free disk, the broker blocks every connection that
publishes, and consumers go on until there is room again (Memory and Disk Alarms). Kafka: a leader whose disk is full stores
nothing more (`KAFKA_STORAGE_ERROR`, which clients try again) until retention has made room; a real node then takes the log
directory out of service until it is restarted. The broker looks every second.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.cluster import Cluster
from models.draws import ONCE, Draw
from models.log import Partition
from models.retention import RetainedPartition
from models.stored import StoredTopic
from simulator.recorder import Trail
from simulator.simulation import TIMER, Simulation

INFINITY = float("inf")
LOOK = 1.0
"""How often the broker looks (s)."""


class Resources:
    """`sizes`: of messages (bytes), by topic. `blocked`: spans (s) in which nobody could publish. `memory_left`, `disk_left`:
    the share that can be used."""

    def __init__(
        self, sim: Simulation, cluster: Cluster, topics: Sequence[StoredTopic], sizes: Sequence[Draw], place: int
    ) -> None:
        self.sim = sim
        self.cluster = cluster
        self.topics = list(zip(topics, sizes, strict=True))
        self.place = place
        self.blocked = Trail(start="d", end="d")
        self.memory_left = self.disk_left = 1.0
        self._counted: dict[Partition, tuple[int, float]] = {}
        self._blocked_since = 0.0
        self._looks = 0
        self._look_later()

    def _look_later(self) -> None:
        self._looks += 1
        self.sim.call_at(self._looks * LOOK, TIMER, self._look, self.place)

    def _look(self) -> None:
        spec, cluster = self.cluster.spec, self.cluster
        disk = INFINITY if spec.disk is None else spec.disk * self.disk_left
        limits = [disk]
        if spec.memory is not None:
            limits.append(spec.memory * self.memory_left * (1.0 if spec.memory_alarm is None else spec.memory_alarm))
        queues = [(topic, size) for topic, size in self.topics if topic.delivery != "log"]
        self._block(bool(queues) and sum(self._waiting(*each) for each in queues) > min(limits))
        if spec.disk is not None:
            disks = self._disks()
            cluster.full = {node.number for node in cluster.nodes if disks[node.number] >= disk}
        self._look_later()

    def _block(self, blocks: bool) -> None:
        if blocks == self.cluster.blocks:
            return
        self.cluster.blocks = blocks
        if blocks:
            self._blocked_since = self.sim.now
        else:
            self.blocked.add(self._blocked_since, self.sim.now)
        for tell in self.cluster.disturbed:
            tell()

    def finish(self, now: float) -> None:
        """The run is over."""
        if self.cluster.blocks:
            self.blocked.add(self._blocked_since, now)

    def _waiting(self, topic: StoredTopic, size: Draw) -> float:
        """Bytes of a topic that its queues hold: ready, or with consumers that have not settled them."""
        return sum(size.at(event, ONCE) for queue in topic.queues for event in queue.kept())

    def _disks(self) -> list[float]:
        """Bytes of logs on each node's disk."""
        disks = [0.0] * len(self.cluster.nodes)
        for topic, size in self.topics:
            for partition, replicas in zip(topic.partitions, topic.replicas, strict=True):
                if topic.delivery == "log":
                    kept = self._kept(partition, size)
                    for node in replicas.nodes:
                        disks[node] += kept
        return disks

    def _kept(self, partition: Partition, size: Draw) -> float:
        """Bytes that a partition holds."""
        if isinstance(partition, RetainedPartition):
            return partition.kept(self.sim.now)
        counted, total = self._counted.get(partition, (0, 0.0))
        if counted > len(partition.records):
            counted, total = 0, 0.0
        total += sum(size.at(event, ONCE) for event in partition.records[counted:])
        self._counted[partition] = len(partition.records), total
        return total
