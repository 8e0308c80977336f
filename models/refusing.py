"""A topic whose queues refuse what is published when they are full, each by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.limited_queue import LimitedQueue
from models.replica import ReplicaSet
from models.stored import StoredTopic


class RefusingTopic(StoredTopic):
    """RabbitMQ (`overflow = reject-publish`): a publisher that wants to know is told that a message was refused if any queue
    refused it; those that did not have it all the same. What all refuse is not stored.

    A batch is refused as a whole.
    """

    def welcomes(self, replicas: ReplicaSet, acks: str | None, number: int, events: Iterable[int]) -> bool:
        """As of any topic: unless all its queues are full."""
        messages = len(tuple(events)) + self._on_their_way()
        full = bool(self.queues) and all(queue.is_full_for(messages) for queue in self._limited())
        return not full and super().welcomes(replicas, acks, number, events)

    def is_partly_full(self, events: Sequence[int]) -> bool:
        """As of any topic."""
        messages = len(events) + self._on_their_way()
        return any(queue.is_full_for(messages) for queue in self._limited())

    def _on_their_way(self) -> int:
        """Messages that are stored, and not in the queues yet."""
        return sum(not entry.enqueued for replicas in self.replicas for entry in replicas.tail)

    def _limited(self) -> list[LimitedQueue]:
        return [queue for queue in self.queues if isinstance(queue, LimitedQueue)]

    def turn_away(self, events: Sequence[int], heard: bool) -> None:
        """As of any topic: refused events are dead-lettered, the first time, where that is wanted."""
        now = self.sim.now
        for event in events:
            if event not in self.rejected:
                self.rejected[event] = now
                for queue in self._limited():
                    queue.turn_away(event)
            if not heard:
                for journey in self.journeys:
                    journey.settled(event)
