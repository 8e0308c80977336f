"""The memory of a client for events that are not resolved, and the line of those for which there is no room.

Kafka's `buffer.memory` and `max.block.ms`: a caller waits for room for so long and then gives its event up; where events are
dropped instead nobody waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized
from heapq import heappop, heappush

from models.entry import INFINITY, Entry
from models.producer import Terms
from simulator.recorder import Trail
from simulator.simulation import TIMER, Alarm, Simulation


class Buffer:
    """`held`: what a client holds that is not resolved; `coming`: entries whose answers are on their way for sure, by event.

    `accept` and `give_up` are called with what leaves the line. `blocked`: spans (s) in which somebody waited.
    """

    def __init__(
        self, sim: Simulation, terms: Terms, held: Sized,
        accept: Callable[[int, int], None], give_up: Callable[[int], None], place: int,
    ) -> None:  # fmt: skip
        self.sim = sim
        self.held = held
        self.accept = accept
        self.give_up = give_up
        self.place = place
        self.room = INFINITY if terms.buffer is None else terms.buffer
        self.patience = INFINITY if terms.max_block is None else terms.max_block
        self.drops = terms.overflow == "drop"
        self.line: deque[tuple[int, int, float]] = deque()
        self.coming: dict[int, Entry] = {}
        self.blocked = Trail(start="d", end="d")
        self._answers: list[tuple[float, int]] = []
        self._blocked_since = INFINITY
        self._serving = False
        self._alarm: Alarm | None = None

    def has_room(self) -> bool:
        """Whether one more event fits in."""
        answers, now, coming = self._answers, self.sim._now, self.coming
        while answers and answers[0][0] <= now:
            answered, event = heappop(answers)
            entry = coming.get(event)
            if entry is not None and entry.answered == answered:
                del coming[event]
        return len(coming) + len(self.held) < self.room

    def expect(self, entry: Entry) -> None:
        """The answer for an entry will come, at a known time."""
        self.coming[entry.event] = entry
        heappush(self._answers, (entry.answered, entry.event))

    def unexpected(self) -> list[Entry]:
        """Takes back everything that is expected from now on."""
        coming = [entry for entry in self.coming.values() if entry.answered >= self.sim.now]
        self.coming.clear()
        self._answers.clear()
        return coming

    def queue(self, event: int, number: int) -> None:
        """There is no room for an event that is to go to that partition."""
        if self.drops:
            self.give_up(event)
            return
        self.line.append((event, number, self.sim.now + self.patience))
        if len(self.line) == 1:
            self._blocked_since = self.sim.now
            self._watch()

    def _watch(self) -> None:
        """Looks at the head of the line when its patience ends, or an answer makes room."""
        if self._alarm is not None:
            self._alarm.silence()
            self._alarm = None
        if self.line:
            when = min(self.line[0][2], self._answers[0][0] if self._answers else INFINITY)
            if when < INFINITY:
                self._alarm = self.sim.call_at(when, TIMER, self.serve, self.place)

    def serve(self) -> None:
        """Room may have been made, or somebody's patience may have ended."""
        line, now = self.line, self.sim.now
        if not line or self._serving:
            return
        self._serving = True
        while line and (line[0][2] <= now or self.has_room()):
            event, number, _ = line.popleft()
            if self.has_room():
                self.accept(event, number)
            else:
                self.give_up(event)
        self._serving = False
        self._watch()
        if not line:
            self.finish()

    def clear_line(self) -> list[int]:
        """Everybody who waits goes away. Returns their events."""
        gone = [event for event, _, _ in self.line]
        self.line.clear()
        self._watch()
        self.finish()
        return gone

    def finish(self) -> None:
        """Nobody waits any longer, or the run is over."""
        if self._blocked_since < INFINITY:
            self.blocked.add(self._blocked_since, self.sim.now)
            self._blocked_since = INFINITY
