"""A queue as SQS keeps it: what is received is hidden for a time, and can be received again unless it is deleted.

Amazon SQS Developer Guide: the visibility timeout of a message runs from its receive, each message of a batch by itself;
there is no connection, so that the end of the lease is all that tells of a consumer that is gone. Every receive counts, and
a message whose receives are used up goes to the dead-letter queue when its last lease ends. In a standard queue order is
best effort: here messages are received in the order in which they were sent, and one that comes back stands in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Protocol

from models.delay import DelayLine
from models.handling import Handling
from models.journey import BROKER
from models.outcome import OK
from models.settlement import Settlement
from simulator.recorder import NAN, Trail
from simulator.simulation import TIMER

INFINITY = float("inf")


class Copy:
    """A message in a queue. `receives` counts, and the latest names the lease in force; `until`: when that ends (s), while it
    is `hidden`; `tended`: its consumer extends it, and has done so since `kept` (s; NaN: not). `waited`: of its last delay;
    `old`: it is kept no longer, if it comes back."""

    __slots__ = ("event", "gone", "hidden", "kept", "old", "place", "receives", "tended", "timer", "until", "waited")

    def __init__(self, place: int, event: int, receives: int, waited: float) -> None:
        self.place = place
        self.event = event
        self.receives = receives
        self.waited = waited
        self.hidden = self.gone = self.tended = self.old = False
        self.until = self.kept = NAN
        self.timer = 0


class Line(Protocol):
    """The messages of a queue that can be received, and which of them next."""

    def __bool__(self) -> bool:
        """Whether there is one."""

    def __iter__(self) -> Iterator[Copy]:
        """What is neither hidden nor gone, in no order."""

    def add(self, copy: Copy) -> None:
        """A new message."""

    def take(self, most: int) -> list[Copy]:
        """The next ones, which are hidden from now on."""

    def put_back(self, copy: Copy) -> None:
        """A hidden one can be seen again."""

    def drop(self, copy: Copy) -> None:
        """One is gone, hidden or not."""

    def group_of(self, copy: Copy) -> int | None:
        """What a failure of that message holds up, where order is kept."""


class StandardLine:
    """In the order in which they were sent. `returned`: those that have come back, which are older than all of `fresh`."""

    def __init__(self) -> None:
        self.fresh: deque[Copy] = deque()
        self.returned: list[tuple[int, Copy]] = []
        self.add = self.fresh.append

    def __bool__(self) -> bool:
        """As of any line."""
        while self.returned and self.returned[0][1].gone:
            heappop(self.returned)
        return bool(self.returned or self.fresh)

    def __iter__(self) -> Iterator[Copy]:
        """As of any line."""
        yield from self.fresh
        yield from (copy for _, copy in self.returned if not copy.gone)

    def take(self, most: int) -> list[Copy]:
        """As of any line."""
        taken: list[Copy] = []
        while len(taken) < most and self:
            taken.append(heappop(self.returned)[1] if self.returned else self.fresh.popleft())
        return taken

    def put_back(self, copy: Copy) -> None:
        """As of any line."""
        heappush(self.returned, (copy.place, copy))

    def drop(self, copy: Copy) -> None:
        """As of any line; one that had come back is passed over when its turn comes."""
        if not copy.hidden and self.fresh and copy.place >= self.fresh[0].place:
            self.fresh.remove(copy)

    def group_of(self, copy: Copy) -> int | None:
        """None: nothing waits for another."""
        return None


class LeaseQueue:
    """One group's queue on a topic.

    `places` counts the copies ever sent, `again` those beyond an event's first, `removed` those gone. `leased`: what is hidden,
    by place.
    `settled`: deletions, written only for a trace. `on_available` is called when something can be received. `served`: the
    broker answers; while it does not, nothing is received, deleted or extended, and leases run on.
    What is `age` old (s; SQS: `MessageRetentionPeriod`), from when it was sent, is deleted: at once if it is visible, else as
    it comes back.
    """

    def __init__(
        self, settlement: Settlement, handling: Handling, topic: int, line: Line, late_works: bool, place: int,
        on_available: Callable[[], None], age: float,
    ) -> None:  # fmt: skip
        self.sim = settlement.sim
        self.settlement = settlement
        self.rules = settlement.rules
        self.handling = handling
        self.deliveries = handling.journey.deliveries
        self.topic = topic
        self.line = line
        self.late_works = late_works
        assert self.rules.spec.visibility_timeout is not None
        self.timeout = self.rules.spec.visibility_timeout
        self.on_available = on_available
        self.leased: dict[int, Copy] = {}
        self.places = self.again = self.removed = 0
        self.served = True
        self.settled = Trail(event="i", time="d")
        self.age = age
        self._aging: DelayLine[Copy] = DelayLine(self.sim, self._grows_old, place, TIMER, lambda copy: copy.gone)
        self._ends: DelayLine[tuple[Copy, int]] = DelayLine(self.sim, self._falls_due, place, TIMER, _is_void)

    def append(self, event: int, receives: int = 0, waited: float = 0.0) -> None:
        """A new message."""
        copy = Copy(self.places, event, receives, waited)
        self.line.add(copy)
        self.places += 1
        if self.age < INFINITY:
            self._aging.put(self.sim._now + self.age, copy)
        self._call()

    def append_again(self, event: int, now: float, count: int = 0, waited: float = 0.0) -> None:
        """A further copy, of a message that has been received `count` times before."""
        self.again += 1
        self.append(event, count, waited)

    def receive(self, most: int) -> list[Copy]:
        """Hands out up to `most` messages, each with a lease of its own from now."""
        copies = self.line.take(most) if self.served else []
        until = self.sim._now + self.timeout
        for copy in copies:
            copy.receives += 1
            copy.hidden, copy.tended = True, False
            self.leased[copy.place] = copy
            self._lease_until(copy, until)
            self.deliveries[copy.event] += 1
        return copies

    def delete(self, copy: Copy, receive: int) -> bool:
        """Whether it is gone now by the word of whom it was handed to in its `receive`-th receive, maybe long ago."""
        if copy.gone or not self.served or not (self.late_works or self._holds(copy, receive)):
            return False
        self._remove(copy)
        if self.sim.trace:
            self.settled.add(copy.event, self.sim._now)
        self._call()
        return True

    def change_visibility(self, copy: Copy, receive: int, seconds: float) -> bool:
        """It is seen again after that time from now. Whether it is: not if the lease is over."""
        if not self.served or not self._holds(copy, receive):
            return False
        copy.kept, copy.tended = NAN, False
        self._lease_until(copy, self.sim._now + seconds)
        return True

    # -- a consumer that extends --------------------------------------------------------------------------------------

    def keep(self, copy: Copy, receive: int) -> None:
        """From now on its consumer sets its visibility anew, to the full timeout, every half of that time."""
        if self._holds(copy, receive):
            copy.tended = True
            copy.kept = self.sim._now if self.served else NAN

    def let_go(self, copy: Copy, receive: int) -> None:
        """The consumer extends it no more; it ends a full timeout after it last did."""
        if self._holds(copy, receive):
            copy.tended = False
            self._stop_extending(copy)

    def _stop_extending(self, copy: Copy) -> None:
        if copy.kept == copy.kept:
            copy.until, copy.kept = self._kept_until(copy), NAN

    def _kept_until(self, copy: Copy) -> float:
        half = self.timeout / 2
        return copy.kept + (self.sim._now - copy.kept) // half * half + self.timeout

    # -- a broker that fails ------------------------------------------------------------------------------------------

    def serve(self, served: bool) -> None:
        """Whether there is a node to answer. Consumers that extend try it again until they are heard."""
        self.served = served
        for copy in self.leased.values():
            if copy.tended and served:
                copy.kept = self.sim._now
            else:
                self._stop_extending(copy)
        self._call()

    def kept(self) -> Iterator[int]:
        """As of any queue."""
        yield from (copy.event for copy in self.line)
        yield from (copy.event for copy in self.leased.values())

    def lose_leader(self) -> None:
        """As of any queue: leases are kept with the messages."""

    def lose(self, events: Iterable[int], now: float) -> None:
        """Messages are gone with the nodes that had them, whoever works on them."""
        gone, journey = set(events), self.handling.journey
        for copy in [copy for copy in (*self.line, *self.leased.values()) if copy.event in gone]:
            self._remove(copy)
        for event in gone:
            if journey.effect[event] != journey.effect[event]:
                journey.lose(event, now, BROKER)

    # -- the end of a lease -------------------------------------------------------------------------------------------

    def _holds(self, copy: Copy, receive: int) -> bool:
        return copy.hidden and not copy.gone and copy.receives == receive

    def _lease_until(self, copy: Copy, until: float) -> None:
        copy.until = until
        copy.timer += 1
        self._ends.put(until, (copy, copy.timer))

    def _falls_due(self, lease: tuple[Copy, int]) -> None:
        copy = lease[0]
        if _is_void(lease):
            return
        until = self._kept_until(copy) if copy.kept == copy.kept else copy.until
        if until > self.sim._now:
            self._lease_until(copy, until)
            return
        if self.rules.gives_up(OK, copy.receives):
            self._remove(copy)
            self.settlement.give_up(self.handling, copy.event, OK, self)
        elif copy.old:
            self._delete_old(copy)
        else:
            del self.leased[copy.place]
            copy.hidden = False
            self.line.put_back(copy)
        self._call()

    def _grows_old(self, copy: Copy) -> None:
        if copy.hidden:
            copy.old = True
        elif not copy.gone:
            self._delete_old(copy)

    def _delete_old(self, copy: Copy) -> None:
        self._remove(copy)
        self.handling.journey.expire(copy.event, self.sim._now)

    def _remove(self, copy: Copy) -> None:
        self.leased.pop(copy.place, None)
        self.line.drop(copy)
        copy.gone = True
        self.removed += 1

    def can_be_received(self) -> bool:
        """Whether a poll would bring a message."""
        return self.served and bool(self.line)

    def visible(self) -> int:
        """How many messages are neither hidden nor gone."""
        return self.places - self.removed - len(self.leased)

    def _call(self) -> None:
        if self.served and self.line:
            self.on_available()


def _is_void(lease: tuple[Copy, int]) -> bool:
    """Whether the message is gone, or that lease of it."""
    copy, timer = lease
    return copy.gone or copy.timer != timer
