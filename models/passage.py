"""How events came into a topic whose broker can fail or takes time: when each was stored, readable, acknowledged, given up."""

from __future__ import annotations

from array import array

import numpy as np

from simulator.recorder import BLOCK, NAN, grow


class Passage:
    """Columns by event number, times in s, NaN until they happen (a time to come can still change).

    stored: when a leader first appended a copy. available: when a copy could first be read. acknowledged: when its publisher
    knew. failed: 1 where the publisher gave it up. sends: how often it was sent, by whoever publishes it. `cut_off`:
    when the last of an event's uncommitted copies was dropped.
    """

    def __init__(self) -> None:
        self.stored = array("d")
        self.available = array("d")
        self.acknowledged = array("d")
        self.failed = bytearray()
        self.sends = array("I")
        self.cut_off: dict[int, float] = {}

    def make_room(self) -> None:
        """Extends the columns by a block of events."""
        for column in (self.stored, self.available, self.acknowledged):
            grow(column, NAN)
        self.failed.extend(bytes(BLOCK))
        grow(self.sends)

    def is_stored(self, event: int) -> bool:
        """Whether a copy was ever appended."""
        return self.stored[event] == self.stored[event]

    def is_decided(self, event: int) -> bool:
        """Whether its publisher knows, or believes to know, what became of it."""
        return self.acknowledged[event] == self.acknowledged[event] or bool(self.failed[event])

    def close(self, end: float) -> None:
        """The run is over: what was to be stored later was not."""
        stored, available = np.frombuffer(self.stored), np.frombuffer(self.available)
        late = stored > end
        stored[late] = available[late] = NAN
