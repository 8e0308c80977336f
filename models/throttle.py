"""Client-side throttling at work: a client that is refused too often refuses its own requests."""

from __future__ import annotations

from models.breaker import FAILED, TimeWindow
from models.limits import Throttle


class ThrottleState:
    """What one instance remembers. It is told the time in seconds, which must not go back.

    Google, Site Reliability Engineering, chapter "Handling Overload": over the last two minutes a client counts `requests`,
    all that the application tried, and `accepts`, those that the backend accepted; it rejects a further one by itself with
    probability max(0, (requests - k accepts) / (requests + 1)). What it rejects counts as a request, so that it sends about
    `k` times as much as is accepted. The window is of whole seconds by the clock, the one that runs included.
    """

    def __init__(self, spec: Throttle) -> None:
        self.k = spec.k
        self._window = TimeWindow(spec.seconds)

    def probability(self, now: float) -> float:
        """With what probability a request is rejected now."""
        window = self._window
        window.drop_old(now)
        accepts = window.calls - window.failed
        return max(0.0, (window.calls - self.k * accepts) / (window.calls + 1))

    def record(self, accepted: bool, now: float) -> None:
        """A request was accepted by the backend, or rejected by it or by the client itself."""
        self._window.add(0 if accepted else FAILED, now)
