"""A group that is fed by queues, one on each of its topics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from models.back_pressure import BackPressure
from models.bindings import Bindings
from models.channel import Channel
from models.gate import Gate
from models.handling import Handling
from models.instance import Instance, Life
from models.limits import Prefetch
from models.queue import Queue
from models.queue_life import QueueLife
from models.queue_worker import QueueWorker
from models.removal import queue_on
from models.settlement import Settlement
from models.subscription import Subscription


class QueueSubscription(Subscription[QueueLife]):
    """`queues`: by topic."""

    membership: Bindings

    def __init__(
        self, name: str, settlement: Settlement, handlings: Sequence[Handling], channels: Sequence[Channel], place: int
    ) -> None:
        self.rules = settlement.rules
        self.settlement = settlement
        self.handlings = handlings
        self.queues: list[Queue] = []
        for topic, (handling, channel) in enumerate(zip(handlings, channels, strict=True)):
            self.queues.append(queue_on(channel, handling.journey, topic, self.rules.spec.single_active, place))
        self.membership = Bindings(settlement, self.queues, handlings, place)

    def new_life(self, instance: Instance, gate: Gate | None, on_stopped: Callable[[Life], None]) -> QueueLife:
        """As of any subscription."""
        prefetch, sim = self.rules.spec.prefetch, self.settlement.sim
        if isinstance(prefetch, Prefetch):
            life = QueueLife(sim, instance, gate, on_stopped, prefetch.min, self.rules.acknowledge_first)
            life.on_answer = BackPressure(prefetch, life, self.queues).on_answer
            return life
        room = math.inf if prefetch is None else float(prefetch)
        return QueueLife(sim, instance, gate, on_stopped, room, self.rules.acknowledge_first)

    def new_worker(self, life: QueueLife) -> QueueWorker:
        """As of any subscription."""
        return QueueWorker(life, self.rules, self.settlement, self.handlings, self.queues)

    def unserved(self) -> set[int]:
        """All queues, where nobody is connected who runs."""
        served = any(not life.frozen for life in self.membership.members)
        return set() if served else set(range(len(self.queues)))

    def deliverable(self, topic: int) -> Iterator[int]:
        """What is ready."""
        queue = self.queues[topic]
        yield from (event for _, event in queue.ready)
        yield from (event for _, event in queue.returned)

    def leased(self, topic: int) -> Iterator[int]:
        """As of any subscription: what was pushed into a connection is there until that is closed, even if nobody is."""
        return (event for life in self.membership.members for event in life.pushed(topic))

    def partitions(self) -> list[tuple[int, np.ndarray]]:
        """As of any subscription."""
        return [(queue.topic, np.arange(len(queue.journey.messages))) for queue in self.queues]

    def settled(self, topic: int) -> tuple[np.ndarray, np.ndarray]:
        """As of any subscription: by the acknowledgements, which only a traced run writes down."""
        settled = self.queues[topic].settled
        return settled["event"], settled["time"]
