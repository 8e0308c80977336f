"""A life of an instance that is fed by queues: what was pushed to it, and what it has not acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from models.gate import Gate
from models.instance import Instance, Life
from models.queue import Queue
from simulator.simulation import Simulation


class QueueLife(Life):
    """`buffer`: (tag, queue, place, event) pushed, and not taken by a worker; `unacked`: by tag, with the time of hand-over."""

    def __init__(
        self,
        sim: Simulation,
        instance: Instance,
        gate: Gate | None,
        on_stopped: Callable[[Life], None],
        prefetch: float,
        acknowledges_first: bool,
    ) -> None:
        super().__init__(sim, instance, gate, on_stopped)
        self.prefetch = prefetch
        self.acknowledges_first = acknowledges_first
        self.buffer: deque[tuple[int, Queue, int, int]] = deque()
        self.unacked: dict[int, tuple[Queue, int, int, float]] = {}
        self.tags = 0

    def is_done(self) -> bool:
        """As of any life: what was acknowledged first must still be handled."""
        return super().is_done() and not (self.acknowledges_first and self.buffer)

    def untaken(self) -> int:
        """A worker for each message."""
        return len(self.buffer)

    def holds(self, topic: int) -> Iterator[int]:
        """As of any life: also what no worker has taken yet."""
        yield from super().holds(topic)
        yield from (event for queue, _, event, _ in self.unacked.values() if queue.topic == topic)
        yield from (event for _, queue, _, event in self.buffer if queue.topic == topic)

    def has_room(self) -> bool:
        """Whether fewer messages than the prefetch are unacknowledged, and it wants more."""
        return len(self.unacked) < self.prefetch and not self.stopping

    def hand(self, queue: Queue, place: int, event: int) -> None:
        """The broker pushes a copy; a worker takes it from the buffer when it is free."""
        tag = self.tags
        self.tags = tag + 1
        if not self.acknowledges_first:
            self.unacked[tag] = (queue, place, event, self.sim._now)
        self.buffer.append((tag, queue, place, event))
        queue.journey.deliveries[event] += 1
        if self.idle:
            self.idle.pop().bell.ring()
        elif self.open:
            self.call_worker()
