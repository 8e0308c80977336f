"""What became of each message of a topic in one consumer group: times and counts in columns, rarer happenings as trails."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable

from models.message import Messages
from simulator.recorder import BLOCK, NAN, Trail, grow

CAUSES = ("broker", "consumer", "mark", "move", "skipped")
BROKER, CONSUMER, MARK, MOVE, SKIPPED = range(5)


class Journey:
    """Columns by event number: `started` (first handed to a worker, s), `effect` (first effect, s), `attempts`, `deliveries`,
    `calls` (dependency calls; only where the group has dependencies), `published` (1 where its publishes were done; only
    where the group publishes). Times are NaN until they happen. Trails have a row for each happening, in order of time.
    """

    def __init__(self, messages: Messages, has_dependencies: bool, publishes: bool) -> None:
        self.messages = messages
        self.started = array("d")
        self.effect = array("d")
        self.attempts = array("I")
        self.deliveries = array("I")
        self.calls = array("I")
        self.published = bytearray()
        self.retries = Trail(event="i", time="d")  # attempts beyond an event's first
        self.late = Trail(event="i", time="d")  # first attempts that began after the hand-over to a worker
        self.failures = Trail(event="i", time="d")  # failed attempts
        self.refusals = Trail(event="i", time="d")  # tries refused without an attempt
        self.duplicates = Trail(event="i", time="d")  # effects beyond an event's first
        self.suppressions = Trail(event="i", time="d")  # deliveries dropped because the event was marked as done
        self.delays = Trail(event="i", start="d", end="d")  # waiting for redelivery, in a delay (end: when it is due)
        self.moves = Trail(event="i", time="d")  # to the dead-letter topic
        self.redrives = Trail(event="i", time="d")  # and back
        self.fades = Trail(event="i", time="d")  # gone from there for its age
        self.discards = Trail(event="i", time="d")
        self.expiries = Trail(event="i", time="d")  # removed by a limit of the topic, in any order
        self.losses = Trail(event="i", time="d", cause="b")  # cause: index into CAUSES
        self.refused: Counter[int] = Counter()
        self.on_effect: list[Callable[[int], object]] = []
        self.on_settled: list[Callable[[int], object]] = []
        self._has_dependencies = has_dependencies
        self._publishes = publishes
        while len(self.started) < messages.capacity:
            self.make_room()
        messages.growers.append(self.make_room)

    def make_room(self) -> None:
        """Extends the columns by a block of events."""
        grow(self.started, NAN)
        grow(self.effect, NAN)
        grow(self.attempts)
        grow(self.deliveries)
        if self._has_dependencies:
            grow(self.calls)
        if self._publishes:
            self.published.extend(bytes(BLOCK))

    def effect_applied(self, event: int, now: float) -> None:
        """The handler's effect on the world happened, for the first time or again."""
        for publish in self.on_effect:
            publish(event)
        if self.effect[event] != self.effect[event]:
            self.effect[event] = now
            for tell in self.on_settled:
                tell(event)
        else:
            self.duplicates.add(event, now)

    def refuse(self, event: int, now: float) -> None:
        """A try was refused without an attempt: by the breaker, or by what limits tries."""
        self.refusals.add(event, now)
        self.refused[event] += 1

    def turn(self, event: int, refused: bool) -> int:
        """The ordinal by which the wait after the latest try is drawn: of the attempt, or one of its own after a refusal."""
        return self.attempts[event] + ((self.refused[event] << 32) if refused else 0)

    def discard(self, event: int, now: float) -> None:
        """The group gave a copy up for good."""
        self.discards.add(event, now)
        self.settle(event)

    def move(self, event: int, now: float) -> None:
        """A copy went to the dead-letter topic."""
        self.moves.add(event, now)
        self.settle(event)

    def expire(self, event: int, time: float) -> None:
        """A limit of the topic removed a copy at `time`, or never took it; of an event that has had its effect nothing is
        written."""
        if self.effect[event] != self.effect[event]:
            self.expiries.add(event, time)
            self.settle(event)

    def lose(self, event: int, now: float, cause: int) -> None:
        """A copy is gone that was not handled."""
        self.losses.add(event, now, cause)
        self.settle(event)

    def settle(self, event: int) -> None:
        """Tells whoever waits that nothing more is to be expected of an event, unless its effect has told it already."""
        if self.effect[event] != self.effect[event]:
            for tell in self.on_settled:
                tell(event)
