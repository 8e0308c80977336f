"""The order of a partition, kept by an idempotent client or by one with a single request in flight.

What comes later waits while something before it is to be tried again, and what waits is gathered into one parcel. An
idempotent client sends on while others are out, and brokers refuse what does not follow on what they have
(OUT_OF_ORDER_SEQUENCE_NUMBER); once something has failed, while `max.in.flight.requests.per.connection` are out. One that is
not waits for every answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from models.parcel import DONE, DUE, OUT, Parcel


class Lane:
    """One partition's parcels that are not resolved, in order. `out`: those that are out; `unsent`: the others, by place.
    `broken`: one has failed, and there was none left since."""

    def __init__(self) -> None:
        self.parcels: deque[Parcel] = deque()
        self.out: list[Parcel] = []
        self.broken = False
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
        if parcel.state == OUT:
            self.out.append(parcel)
        else:
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
        self.out = [parcel for parcel in self.out if parcel.state == OUT]
        parcels = self.parcels
        while parcels and parcels[0].state == DONE:
            parcels.popleft()
            if parcels:
                parcels[0].before = None
        self.broken &= bool(parcels)

    def may_send(self, parcel: Parcel, in_flight: int) -> bool:
        """Whether it is the first one's turn: in any case, or while fewer are out than may be."""
        unlimited = in_flight > 1 and not self.broken
        return parcel is self.parcels[0] or unlimited or len(self.out) < in_flight


class Lanes:
    """By partition. `transmit`: sends a parcel, or keeps it for later. `in_flight`: how many may be out."""

    def __init__(self, transmit: Callable[[Parcel], None], in_flight: int) -> None:
        self.transmit = transmit
        self.in_flight = in_flight
        self._lanes: dict[int, Lane] = {}
        self._advancing: set[int] = set()

    def put(self, parcel: Parcel) -> None:
        """A parcel, to be sent or out."""
        self._lanes.setdefault(parcel.number, Lane()).put(parcel)

    def wait(self, parcel: Parcel) -> None:
        """A try has failed: it is to be sent again, sooner or later."""
        lane = self._lanes[parcel.number]
        lane.broken = True
        lane.wait(parcel)

    def advance(self, number: int) -> None:
        """Sends what may be sent."""
        lane = self._lanes.get(number)
        if lane is None or number in self._advancing:
            return
        self._advancing.add(number)
        while True:
            lane.tidy()
            first = lane.first()
            if first is None or first.state != DUE or not lane.may_send(first, self.in_flight):
                break
            self.transmit(first)
            if first.state == DUE:
                break
            lane.out.append(first)
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
