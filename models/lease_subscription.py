"""A group that receives from leased queues, one on each of its topics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from models.channel import Channel
from models.fifo import FifoLine
from models.gate import Gate
from models.handling import Handling
from models.instance import Instance, Life
from models.lease import LeaseQueue, Line, StandardLine
from models.lease_life import LeaseLife
from models.lease_worker import LeaseWorker
from models.pollers import Pollers
from models.settlement import Settlement
from models.subscription import Subscription


class LeaseSubscription(Subscription[LeaseLife]):
    """`queues`: by topic."""

    membership: Pollers

    def __init__(
        self, name: str, settlement: Settlement, handlings: Sequence[Handling], channels: Sequence[Channel], place: int
    ) -> None:
        self.rules = settlement.rules
        self.settlement = settlement
        self.handlings = handlings
        self.queues: list[LeaseQueue] = []
        self.membership = Pollers(self.queues)
        for topic, (handling, channel) in enumerate(zip(handlings, channels, strict=True)):
            line: Line = FifoLine(channel.messages) if channel.fifo else StandardLine()
            late_works = self.rules.spec.late_delete == "works" or (self.rules.spec.late_delete is None and not channel.fifo)
            age = channel.spec.longest_stay if channel.spec.longest_stay <= channel.sim.horizon else math.inf
            queue = LeaseQueue(settlement, handling, topic, line, late_works, place, self.membership.call, age)
            self.queues.append(queue)
            channel.queues.append(queue)

    def new_life(self, instance: Instance, gate: Gate | None, on_stopped: Callable[[Life], None]) -> LeaseLife:
        """As of any subscription."""
        return LeaseLife(self.settlement.sim, instance, gate, on_stopped)

    def new_worker(self, life: LeaseLife) -> LeaseWorker:
        """As of any subscription."""
        return LeaseWorker(life, self.rules, self.settlement, self.handlings, self.queues, self.membership)

    def unserved(self) -> set[int]:
        """All queues, where nobody polls."""
        served = any(life.open and not life.frozen for life in self.membership.members)
        return set() if served else set(range(len(self.queues)))

    def deliverable(self, topic: int) -> Iterator[int]:
        """What is visible."""
        return (copy.event for copy in self.queues[topic].line)

    def leased(self, topic: int) -> Iterator[int]:
        """As of any subscription: what is hidden, whoever has it."""
        return (copy.event for copy in self.queues[topic].leased.values())

    def partitions(self) -> list[tuple[int, np.ndarray]]:
        """As of any subscription."""
        return [(queue.topic, np.arange(len(self.handlings[queue.topic].journey.messages))) for queue in self.queues]

    def settled(self, topic: int) -> tuple[np.ndarray, np.ndarray]:
        """As of any subscription: by the deletions, which only a traced run writes down."""
        settled = self.queues[topic].settled
        return settled["event"], settled["time"]
