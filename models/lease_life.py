"""A life of an instance that receives from leased queues: its workers poll, each for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from models.gate import Gate
from models.instance import Instance, Life
from models.instance import Worker as AnyWorker
from simulator.simulation import Simulation


class Poller(AnyWorker, Protocol):
    """A worker that polls."""

    life: LeaseLife
    is_deaf: bool

    def miss_answer(self) -> None:
        """It is in a poll that is answered, and does not hear it; it cannot poll again before it is linked."""

    def note_polls(self, now: float) -> None:
        """The long polls that came back empty by `now`, since it began to wait, are written down."""

    def poll_again(self) -> None:
        """Its process goes on after a freeze; if it waits for messages it begins to do so now."""

    def hold_still(self) -> None:
        """Its process stands still, or is gone: it extends no lease."""


class LeaseLife(Life):
    """`looking`: a worker was started that has not polled yet."""

    workers: list[Poller]  # type: ignore[assignment]

    def __init__(self, sim: Simulation, instance: Instance, gate: Gate | None, on_stopped: Callable[[Life], None]) -> None:
        super().__init__(sim, instance, gate, on_stopped)
        self.looking = False

    def catch_up(self, now: float) -> None:
        """As of any life: empty polls."""
        for worker in self.workers:
            worker.note_polls(now)

    def relink(self) -> None:
        """As of any life: nothing is extended or received by one that is not heard."""
        was_heard = self.heard
        super().relink()
        for worker in self.workers:
            worker.is_deaf = worker.is_deaf and not self.linked
            if was_heard and not self.heard:
                worker.hold_still()
            elif self.heard and not self.frozen:
                worker.poll_again()

    def freeze(self) -> None:
        """As of any life."""
        super().freeze()
        for worker in self.workers:
            worker.hold_still()

    def thaw(self) -> None:
        """As of any life."""
        super().thaw()
        for worker in self.workers:
            worker.poll_again()
