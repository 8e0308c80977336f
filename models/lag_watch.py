"""The lag of a group while it runs: the same number of events, at that instant, as is measured after the run."""

from __future__ import annotations

import numpy as np

from models.journey import Journey
from models.lag import redriven
from simulator.recorder import view


class LagWatch:
    """Of one topic's events. What was not finished at the last look is remembered: a look costs as much as there is lag, and
    as many events as have come since. `read`: rows of each trail that have been seen."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.known = 0
        self.unfinished = np.empty(0, dtype=np.int64)
        self.ends = (journey.suppressions, journey.moves, journey.discards, journey.losses, journey.expiries)
        self.read = [0] * len(self.ends)

    def count(self, now: float) -> int:
        """Events in lag at `now` (s), later each time it is asked for."""
        journey, messages = self.journey, self.journey.messages
        produced = int(view(messages.produced).searchsorted(now, side="right"))
        unfinished = np.append(self.unfinished, np.arange(self.known, produced))
        self.known = produced
        unfinished = unfinished[np.isnan(view(journey.effect)[unfinished])]
        ended = self._ended()
        if len(ended):
            unfinished = unfinished[~np.isin(unfinished, ended)]
        self.unfinished = unfinished
        there = np.count_nonzero(messages.available()[unfinished] <= now)
        again = redriven(journey)
        return int(there) + int(np.count_nonzero((again.starts <= now) & (again.ends > now)))

    def _ended(self) -> np.ndarray:
        """Events that have ended otherwise than by an effect since the last look, with repetitions."""
        rows = [trail["event"][first:] for trail, first in zip(self.ends, self.read, strict=True)]
        self.read = [len(trail) for trail in self.ends]
        return np.concatenate(rows)
