"""Lag of each partition of a group, its share of the keys, and whether somebody was there to consume it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.lag import Stays
from models.level import Level
from models.message import NONE
from models.periods import clipped, length, merged
from models.record import GroupRecord
from models.sheet import Sheet


@dataclass(frozen=True)
class PartitionRow:
    """A row of the table `partitions`: number of the partition in its topic, distinct events, highest measured lag.

    The hottest key is the one that most events have (of equals the lowest number), NONE where they have none; its
    share is of all events.
    """

    component: str
    topic: str
    partition: int
    events: int
    lag_max: int
    hottest_key: int
    hottest_key_share: float


class Partitions:
    """The partitions of a group. `finishes` and `again` (its redriven events): by topic, as its journeys are."""

    def __init__(self, group: GroupRecord, finishes: Sequence[np.ndarray], again: Sequence[Stays]) -> None:
        self.group = group
        self.finishes = finishes
        self.again = again

    def measure(self, sheet: Sheet, start: float, end: float) -> list[PartitionRow]:
        """Writes down `lag_partition_max` and `served` from `start` to `end`, and returns the rows."""
        rows, numbers, unserved = [], Counter[int](), [np.empty((2, 0))]
        for place, (topic, records) in enumerate(self.group.partitions):
            events = records if (records[1:] > records[:-1]).all() else np.unique(records)
            level = self._level(topic, events)
            rows.append(self._row(topic, numbers[topic], events, level.peak(start, end)))
            numbers[topic] += 1
            unserved += self._unserved(place, level)
        lonely = clipped(merged(*np.concatenate(unserved, axis=1)), start, end)
        sheet.value("lag_partition_max", max((row.lag_max for row in rows), default=0))
        sheet.value("served", 1 - length(lonely) / (end - start))
        return rows

    def _level(self, topic: int, events: np.ndarray) -> Level:
        again = self.again[topic].of(events)
        available = self.group.journeys[topic].messages.available()[events]
        events, available = events[~np.isnan(available)], available[~np.isnan(available)]
        starts = np.concatenate([available, again.starts])
        ends = np.concatenate([np.maximum(self.finishes[topic][events], available), again.ends])
        starts.sort(kind="stable")
        ends.sort(kind="stable")
        return Level(starts, ends)

    def _unserved(self, place: int, level: Level) -> list[np.ndarray]:
        """When the partition had lag and no owner: arrays of starts and ends, shape (2, k)."""
        spans = [(start, end) for partition, start, end in self.group.unserved if partition == place]
        lagging = level.above(0) if spans else (np.empty(0), np.empty(0))
        return [np.stack(clipped(lagging, start, end)) for start, end in spans]

    def _row(self, topic: int, number: int, events: np.ndarray, lag_max: int) -> PartitionRow:
        key, share = _hottest(self.group.journeys[topic].messages.keys()[events])
        return PartitionRow(self.group.name, self.group.topics[topic], number, len(events), lag_max, key, share)


def _hottest(keys: np.ndarray) -> tuple[int, float]:
    present, counts = np.unique(keys[keys != NONE], return_counts=True)
    if not len(present):
        return NONE, math.nan
    hottest = int(counts.argmax())
    return int(present[hottest]), float(counts[hottest] / len(keys))
