"""The order of a partition, kept by an idempotent client or by one with a single request in flight.

What comes later waits while something before it is to be tried again, and what waits is gathered into one parcel. An
idempotent client sends on while others are out: brokers refuse what does not follow on what they have (Kafka's
OUT_OF_ORDER_SEQUENCE_NUMBER). One without waits for every answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from models.parcel import DONE, DUE, OUT, Parcel


class Lane:
    """One partition's parcels that are not resolved, in order. `unsent`: those that are not out, by place."""

    def __init__(self) -> None:
        self.parcels: deque[Parcel] = deque()
        self.unsent: list[tuple[int, Parcel]] = []
        self.places = 0

    def put(self, parcel: Parcel) -> None:
        """At the end, or into the parcel that waits there."""
        last = self.parcels[-1] if self.parcels else None
        if last is not None and last.state == DUE and not last.tries:
            last.take(parcel.letters)
            return
        parcel.before, parcel.place = last, self.places
        self.places += 1
        self.parcels.append(parcel)
        if parcel.state != OUT:
            self.wait(parcel)

    def wait(self, parcel: Parcel) -> None:
        """It is to be sent, sooner or later."""
        heappush(self.unsent, (parcel.place, parcel))

    def first(self) -> Parcel | None:
        """The first that is not out."""
        unsent = self.unsent
        while unsent and unsent[0][1].state in (OUT, DONE):
            heappop(unsent)
        return unsent[0][1] if unsent else None

    def tidy(self) -> None:
        """Forgets what is resolved."""
        parcels = self.parcels
        while parcels and parcels[0].state == DONE:
            parcels.popleft()
            if parcels:
                parcels[0].before = None


class Lanes:
    """By partition. `transmit`: sends a parcel, or keeps it for later."""

    def __init__(self, transmit: Callable[[Parcel], None], idempotent: bool) -> None:
        self.transmit = transmit
        self.idempotent = idempotent
        self._lanes: dict[int, Lane] = {}
        self._advancing: set[int] = set()

    def put(self, parcel: Parcel) -> None:
        """A parcel, to be sent or out."""
        self._lanes.setdefault(parcel.number, Lane()).put(parcel)

    def wait(self, parcel: Parcel) -> None:
        """A try has failed: it is to be sent again, sooner or later."""
        self._lanes[parcel.number].wait(parcel)

    def advance(self, number: int) -> None:
        """Sends what may be sent."""
        lane = self._lanes.get(number)
        if lane is None or number in self._advancing:
            return
        self._advancing.add(number)
        while True:
            lane.tidy()
            first = lane.first()
            if first is None or first.state != DUE or not (self.idempotent or first is lane.parcels[0]):
                break
            self.transmit(first)
            if first.state == DUE:
                break
        self._advancing.discard(number)

    def misses(self, parcel: Parcel) -> bool:
        """Whether a leader has not stored what was sent before."""
        before = parcel.before
        while before is not None and before.state == DONE:
            before = before.before
        return before is not None and not all(letter.is_stored() for letter in before.letters)

    def clear(self) -> None:
        """Nothing is left."""
        self._lanes.clear()
