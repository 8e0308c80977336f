"""Back pressure: a prefetch that follows the latency of what the handler calls."""

from __future__ import annotations

from collections.abc import Sequence

from models.limits import Prefetch
from models.outcome import OK, REFUSED, TIMEOUT
from models.queue import Queue
from models.queue_life import QueueLife


class PrefetchState:
    """`prefetch` of one instance by the rules of `Prefetch`: up by one after a round of successes, down by half. It is told the
    time (s)."""

    def __init__(self, spec: Prefetch) -> None:
        self.spec = spec
        self.prefetch = spec.min
        self.halved_at = -1.0
        self._successes = 0

    def answered(self, began: float, now: float, outcome: int) -> None:
        """A call that began at `began` has ended."""
        spec = self.spec
        if began < self.halved_at:
            return
        if outcome in (REFUSED, TIMEOUT) or now - began > spec.target:
            self.prefetch = max(spec.min, self.prefetch // 2)
            self.halved_at = now
            self._successes = 0
        elif outcome == OK:
            self._successes += 1
            if self._successes >= self.prefetch:
                self.prefetch = min(spec.max, self.prefetch + 1)
                self._successes = 0


class BackPressure:
    """Keeps the prefetch of a life at what its state says."""

    def __init__(self, spec: Prefetch, life: QueueLife, queues: Sequence[Queue]) -> None:
        self.state = PrefetchState(spec)
        self.life = life
        self.queues = queues

    def on_answer(self, began: float, outcome: int) -> None:
        """As `Life.on_answer`: who has room for more is pushed more."""
        life, state = self.life, self.state
        state.answered(began, life.sim._now, outcome)
        grew, life.prefetch = state.prefetch > life.prefetch, state.prefetch
        if grew and life.member:
            for queue in self.queues:
                queue.join(life)
