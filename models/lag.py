"""Lag of a group: the events that are available to it and not finished, and how long the oldest of them has been so.

An event is in lag from the time at which it could first be read until its first effect, or until a copy is suppressed,
dead-lettered, discarded, lost or expired. One that is redriven without having had an effect is in lag again, from its
redrive until the next of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.journey import Journey
from models.level import Level, level_quantile, mean_level
from models.record import GroupRecord
from models.sheet import Sheet
from simulator.recorder import Trail, view

REDRIVE, MOVE, OTHER = range(3)


@dataclass(frozen=True, eq=False)
class Stays:
    """Stays of events somewhere: `events`, and `starts` and `ends` (s; infinite where not ended). Shapes (n,)."""

    events: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def of(self, events: np.ndarray) -> Stays:
        """Those of some events."""
        if not len(self.events):
            return self
        among = np.isin(self.events, events)
        return Stays(self.events[among], self.starts[among], self.ends[among])


@dataclass(frozen=True, eq=False)
class Oldest:
    """The oldest stay at any time. `starts`: shape (n,), sorted; `reach`: latest end of each and those before it."""

    starts: np.ndarray
    reach: np.ndarray

    def age_at(self, times: np.ndarray) -> np.ndarray:
        """Ages (s) at `times`, 0 where nothing stays: the same shape, right limits."""
        starts = np.append(self.starts, np.inf)[self.reach.searchsorted(times, side="right")]
        return np.asarray(np.maximum(times - starts, 0.0))

    def ages(self, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
        """Between `start` and `end` each oldest stay ages from the first to the second of these (s), shapes (k,)."""
        oldest = np.empty(len(self.reach), dtype=bool)
        oldest[:1] = True
        np.greater(self.reach[1:], self.reach[:-1], out=oldest[1:])
        starts, ends = self.starts[oldest], self.reach[oldest]
        young = np.maximum(starts, start)
        np.maximum(young[1:], ends[:-1], out=young[1:])
        old = np.minimum(ends, end, out=ends)
        lasting = young < old
        young -= starts
        old -= starts
        return young[lasting], old[lasting]


@dataclass(frozen=True, eq=False)
class Lag:
    """How many events are in lag, and the oldest of them."""

    level: Level
    oldest: Oldest


def finishes(journey: Journey) -> np.ndarray:
    """When each event is first finished (s), infinite if it is not: shape (events,)."""
    times = view(journey.effect, len(journey.messages)).copy()
    np.copyto(times, np.inf, where=np.isnan(times))
    for trail in (journey.suppressions, journey.moves, journey.discards, journey.losses, journey.expiries):
        np.minimum.at(times, trail["event"], trail["time"])
    return times


def redriven(journey: Journey) -> Stays:
    """Stays in lag that begin with a redrive: of each event apart, in order of their starts."""
    events, starts = journey.redrives["event"], journey.redrives["time"]
    if not len(events):
        return Stays(events, starts, starts)
    ends = _next_finishes(journey)
    unprocessed = ~(view(journey.effect)[events] < starts)
    return _apart(events[unprocessed], starts[unprocessed], ends[unprocessed])


def waiting(journey: Journey) -> Stays:
    """Stays in a delay of events in lag: of each event apart, in order of their starts, and no longer than it is in lag."""
    events, starts, ends = journey.delays["event"], journey.delays["start"], journey.delays["end"]
    until = finishes(journey)[events]
    again = redriven(journey)
    for row in np.flatnonzero(until <= starts):
        stay = np.flatnonzero((again.events == events[row]) & (again.starts <= starts[row]))
        until[row] = again.ends[stay[-1]] if len(stay) else starts[row]
    return _apart(events, starts, np.maximum(np.minimum(ends, until), starts))


def lag_of(journeys: Sequence[tuple[Journey, np.ndarray, Stays]]) -> Lag:
    """Lag over journeys, each with its `finishes` and `redriven`."""
    stays = [_stay(journey, finish) for journey, finish, _ in journeys]
    starts = [times for (start, _), (_, _, again) in zip(stays, journeys, strict=True) for times in (start, again.starts)]
    ends = [times for (_, end), (_, _, again) in zip(stays, journeys, strict=True) for times in (end, again.ends)]
    available, finished = _in_order(starts, ends)
    del ends
    level = Level(available, np.sort(finished, kind="stable"))
    return Lag(level, Oldest(available, np.maximum.accumulate(finished)))


def _stay(journey: Journey, finish: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When each event that could be read was available and finished, in order of the former."""
    available = journey.messages.available()
    if journey.messages.passage is None:
        return available, finish
    order = np.argsort(available, kind="stable")
    order = order[: np.count_nonzero(~np.isnan(available))]
    return available[order], np.maximum(finish, available)[order]


def measure_lag(sheet: Sheet, lag: Lag, start: float, end: float) -> None:
    """Number and age over the time from `start` to `end`."""
    seconds = lag.level.seconds((np.array([start]), np.array([end])))
    sheet.value("lag_mean", mean_level(seconds))
    sheet.value("lag_p99", level_quantile(seconds, 0.99))
    sheet.value("lag_max", lag.level.peak(start, end))
    young, old = lag.oldest.ages(start, end)
    sheet.value("lag_seconds_mean", ((old - young) * (old + young)).sum() / 2 / (end - start))
    young.sort()
    old.sort()
    sheet.value("lag_seconds_p99", age_exceeded_for(young, old, 0.01 * (end - start)))
    sheet.value("lag_seconds_max", old[-1] if len(old) else 0.0)


def age_exceeded_for(young: np.ndarray, old: np.ndarray, seconds: float) -> float:
    """The smallest age that is exceeded for at most `seconds`, where ages grow from some `young` to some `old`.

    Both sorted, each by itself: which belong together does not matter. By bisection down to neighbouring floats.
    """

    def exceeded_for(age: float) -> float:
        later, earlier = old[old.searchsorted(age) :], young[young.searchsorted(age) :]
        return float(later.sum() - earlier.sum()) - age * (len(later) - len(earlier))

    if exceeded_for(0.0) <= seconds:
        return 0.0
    low, high = 0.0, float(old[-1])
    while low < (middle := (low + high) / 2) < high:
        if exceeded_for(middle) <= seconds:
            high = middle
        else:
            low = middle
    return high


def waiting_level(journeys: Sequence[Journey]) -> Level:
    """How many events without an effect are in a delay."""
    stays = [waiting(journey) for journey in journeys]
    return Level(_joined([each.starts for each in stays]), _joined([each.ends for each in stays]))


def dead_letter_level(journeys: Sequence[Journey]) -> Level:
    """How many copies rest in the dead-letter topic."""
    moves = [each.moves["time"] for each in journeys]
    gone = [trail["time"] for each in journeys for trail in (each.redrives, each.fades)]
    return Level(_joined(moves), _joined(gone))


def committed_level(group: GroupRecord) -> Level:
    """Ends of the partitions less their committed offsets, in all. Offsets start at 0 and never go back."""
    committed = [np.repeat(times, np.diff(offsets, prepend=0)) for _, times, offsets in group.commits]
    return Level(_joined([appended for appended, _, _ in group.commits]), _joined(committed))


def _next_finishes(journey: Journey) -> np.ndarray:
    """For each redrive, when the event is finished after it (s), infinite if it is not."""
    again = journey.redrives["event"]
    processed = np.unique(again)
    effects = view(journey.effect)[processed]
    happenings = [_rows(journey.redrives, REDRIVE), _rows(journey.moves, MOVE)]
    happenings += [_rows(trail, OTHER) for trail in (journey.suppressions, journey.discards, journey.losses, journey.expiries)]
    happenings.append((processed, effects, np.full(len(processed), OTHER)))
    events, times, kinds = (np.concatenate(column) for column in zip(*happenings, strict=True))
    turns = np.full(len(events), len(events))  # at one instant: move, redrive, move, ..., and then what ends all that
    for kind, first in ((MOVE, 0), (REDRIVE, 1)):
        turns[kinds == kind] = first + 2 * _ordinals(events[kinds == kind])
    order = np.lexsort((turns, times, events))
    follower = np.where(kinds[order] != REDRIVE, np.arange(len(order)), len(order))
    follower = np.append(np.minimum.accumulate(follower[::-1])[::-1], len(order))[1:]
    following = np.append(order, -1)[follower]
    same = (following >= 0) & (events[following] == events[order])
    ends = np.empty(len(events))
    ends[order] = np.where(same & ~np.isnan(times[following]), times[following], np.inf)
    return ends[: len(again)]


def _rows(trail: Trail, kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return trail["event"], trail["time"], np.full(len(trail), kind)


def _ordinals(events: np.ndarray) -> np.ndarray:
    """For each entry, how many equal ones precede it."""
    order = np.argsort(events, kind="stable")
    first = np.flatnonzero(np.diff(events[order], prepend=-1))
    ordinals = np.empty(len(events), dtype=np.int64)
    ordinals[order] = np.arange(len(events)) - np.repeat(first, np.diff(first, append=len(events)))
    return ordinals


def _apart(events: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Stays:
    """Stays of which those of one event do not overlap: copies of it are counted once."""
    order = np.lexsort((starts, events))
    events, starts, ends = events[order], starts[order], np.maximum(starts, ends)[order]
    same = events[1:] == events[:-1]
    while (late := same & (ends[:-1] > starts[1:])).any():
        starts[1:][late] = ends[:-1][late]
        np.maximum(ends, starts, out=ends)
    order = np.argsort(starts, kind="stable")
    lasting = order[starts[order] < ends[order]]
    return Stays(events[lasting], starts[lasting], ends[lasting])


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """All times, sorted; one part that is in order stays as it is."""
    filled = [part for part in parts if len(part)]
    if len(filled) == 1 and (filled[0][1:] >= filled[0][:-1]).all():
        return filled[0]
    return np.sort(np.concatenate([np.empty(0), *filled]), kind="stable")


def _in_order(starts: Sequence[np.ndarray], ends: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends in order of the starts; one part, which is in order, stays as it is."""
    filled = [place for place, part in enumerate(starts) if len(part)]
    if len(filled) == 1:
        return starts[filled[0]], ends[filled[0]]
    joined = np.concatenate([np.empty(0), *starts])
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate([np.empty(0), *ends])[order]
