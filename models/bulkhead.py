"""A bulkhead at work: room for so many attempts, and a line of those that wait for it."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from models.limits import Bulkhead

Waiter = TypeVar("Waiter")


class BulkheadState(Generic[Waiter]):
    """The room of one instance. It waits for nothing: who leaves is told whose turn it is now.

    As Resilience4j's `SemaphoreBulkhead` with a fair semaphore: room is given in the order in which it was asked for.
    """

    def __init__(self, spec: Bulkhead) -> None:
        self.most = spec.max_concurrent
        self.max_wait = spec.max_wait
        self.inside = 0
        self.line: deque[Waiter] = deque()

    def enters(self) -> bool:
        """Asks for room. Whether there is some, which is taken."""
        if self.inside == self.most:
            return False
        self.inside += 1
        return True

    def stand_in_line(self, waiter: Waiter) -> None:
        """Somebody waits until it is called, or withdraws."""
        self.line.append(waiter)

    def withdraw(self, waiter: Waiter) -> None:
        """Somebody waits no longer."""
        self.line.remove(waiter)

    def leaves(self) -> Waiter | None:
        """Somebody goes. Who has its room from now on; None: nobody waits."""
        if self.line:
            return self.line.popleft()
        self.inside -= 1
        return None
