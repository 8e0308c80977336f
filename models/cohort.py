"""The events that count: those of a topic that were produced in the measured window, and their fate in a group."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from models.journey import Journey
from models.message import NONE
from models.record import BACKLOG, DEAD_LETTERED, DISCARDED, EXPIRED, IN_FLIGHT, LOST, GroupRecord
from models.sample import Sample
from models.sheet import Sheet, ratio
from simulator.recorder import Trail, view


class Cohort:
    """The events of one journey that were produced from `start` to `end`: they have successive numbers."""

    def __init__(self, journey: Journey, states: np.ndarray, start: float, end: float) -> None:
        produced = view(journey.messages.produced)
        self.journey = journey
        self.first = int(produced.searchsorted(start, side="left"))
        self.stop = int(produced.searchsorted(end, side="right"))
        self.produced = produced[self.first : self.stop]
        self.available = journey.messages.available()[self.first : self.stop]
        self.states = states[self.first : self.stop]

    def __len__(self) -> int:
        return self.stop - self.first

    def of(self, column: array[float] | array[int]) -> np.ndarray:
        """The part of an indexed column that is about these events."""
        return view(column)[self.first : self.stop]

    def rows(self, trail: Trail) -> int:
        """How many rows of a trail are about these events."""
        return len(self.among(trail["event"]))

    def among(self, events: np.ndarray) -> np.ndarray:
        """Those of `events` that belong here."""
        return events[(events >= self.first) & (events < self.stop)]

    @property
    def stored(self) -> int:
        """How many of them were stored."""
        return int(np.count_nonzero(~np.isnan(self.journey.messages.stored()[self.first : self.stop])))

    def in_state(self, state: int) -> int:
        """How many are in a state at the end."""
        return int(np.count_nonzero(self.states == state))

    @property
    def born(self) -> np.ndarray:
        """Production times of the first ancestors (s)."""
        messages = self.journey.messages
        return self.produced if messages.single else self.of(messages.born)

    def pending(self, column: array[float]) -> np.ndarray:
        """Which of them can still get a time in `column` and have none."""
        alive = (self.states == BACKLOG) | (self.states == IN_FLIGHT)
        alive &= np.isnan(self.of(column))
        return np.asarray(alive)

    def waiting(self, end: float) -> np.ndarray:
        """Which of them can be read at the end and were never handed to a worker; what is on its way does not wait yet."""
        return self.pending(self.journey.started) & (self.available <= end)


def measure_events(
    sheet: Sheet, group: GroupRecord, sends: Sequence[np.ndarray], window: tuple[float, float], end: float
) -> None:
    """Event metrics of a group, over the events produced in `window`; the run went on until `end`. `sends`: by topic, how often
    each event was sent."""
    journeys = zip(group.journeys, group.states, strict=True)
    cohorts = [Cohort(journey, states, *window) for journey, states in journeys]
    pairs = zip(cohorts, group.live, strict=True) if group.publishes else ()
    missing = sum(int(np.count_nonzero(unpublished(each.journey, live)[each.first : each.stop])) for each, live in pairs)
    _measure_effects(sheet, cohorts)
    sent = sum(int(each[cohort.first : cohort.stop].sum()) for cohort, each in zip(cohorts, sends, strict=True))
    _measure_attempts(sheet, cohorts, sent, group.has_dependencies)
    _measure_fates(sheet, cohorts, missing)
    _measure_times(sheet, cohorts, end)
    polls, records = group.batch_sizes
    sheet.value("batch_size_mean", ratio(records, polls))
    sheet.count("empty_polls", group.empty_polls)


def _measure_effects(sheet: Sheet, cohorts: Sequence[Cohort]) -> None:
    deliveries = [each.of(each.journey.deliveries) for each in cohorts]
    delivered = sum(int(each.sum()) for each in deliveries)
    distinct = sum(int(np.count_nonzero(each)) for each in deliveries)
    processed = sum(_processed(each) for each in cohorts)
    duplicates = sum(each.rows(each.journey.duplicates) for each in cohorts)
    sheet.count("delivered", delivered)
    sheet.count("processed", processed)
    sheet.count("effects", processed + duplicates)
    sheet.count("duplicate_effects", duplicates)
    sheet.rate("duplicate_rate", duplicates, processed)
    sheet.count("redelivered", delivered - distinct)
    sheet.count("suppressed", sum(each.rows(each.journey.suppressions) for each in cohorts))


def _measure_attempts(sheet: Sheet, cohorts: Sequence[Cohort], sent: int, has_dependencies: bool) -> None:
    """Each layer that tries again makes more of what it is given: sends of an event, deliveries of what was sent, attempts at a
    delivery, calls of an attempt. Their product is `total_amplification`, calls by event."""
    events, delivered = sum(map(len, cohorts)), sum(int(each.of(each.journey.deliveries).sum()) for each in cohorts)
    columns = [each.of(each.journey.attempts) for each in cohorts]
    attempts = sum(int(each.sum()) for each in columns)
    tried = sum(int(np.count_nonzero(each)) for each in columns)
    calls = sum(int(each.of(each.journey.calls).sum()) for each in cohorts) if has_dependencies else attempts
    sheet.value("attempts_mean", ratio(attempts, tried))
    sheet.value("amplification", ratio(calls, tried))
    sheet.value("sends_per_event", ratio(sent, events))
    sheet.value("deliveries_per_send", ratio(delivered, sent))
    sheet.value("attempts_per_delivery", ratio(attempts, delivered))
    sheet.value("calls_per_attempt", ratio(calls, attempts))
    sheet.value("total_amplification", ratio(calls, events))
    sheet.share("error_rate", sum(each.rows(each.journey.failures) for each in cohorts), attempts)
    sheet.count("short_circuited", sum(each.rows(each.journey.refusals) for each in cohorts))


def _measure_fates(sheet: Sheet, cohorts: Sequence[Cohort], missing: int) -> None:
    events = sum(each.stored for each in cohorts)
    fates = {state: sum(each.in_state(state) for each in cohorts) for state in range(LOST + 1)}
    unfinished = fates[BACKLOG] + fates[IN_FLIGHT]
    sheet.count("dead_lettered", fates[DEAD_LETTERED])
    sheet.count("dead_letter_moves", sum(each.rows(each.journey.moves) for each in cohorts))
    sheet.share("dead_letter_rate", fates[DEAD_LETTERED], events - unfinished)
    sheet.count("redriven", sum(each.rows(each.journey.redrives) for each in cohorts))
    sheet.count("saved", sum(_saved(each) for each in cohorts))
    sheet.count("discarded", fates[DISCARDED])
    sheet.count("expired", fates[EXPIRED])
    sheet.count("lost", fates[LOST])
    sheet.count("unpublished", missing)
    sheet.count("out_of_order", sum(_out_of_order(each) for each in cohorts))
    sheet.count("backlog", fates[BACKLOG])
    sheet.count("in_flight", fates[IN_FLIGHT])
    sheet.share("unfinished_share", unfinished, events)


def _measure_times(sheet: Sheet, cohorts: Sequence[Cohort], end: float) -> None:
    waits = [(each.available, each.of(each.journey.started), each.waiting(end)) for each in cohorts]
    sheet.times("wait", _sample(waits, end), "mean", "p50", "p95", "p99")
    del waits
    latencies = [(each.produced, each.of(each.journey.effect), each.pending(each.journey.effect)) for each in cohorts]
    latency = _sample(latencies, end)
    sheet.times("latency", latency, "mean", "sd", "p50", "p95", "p99", "p999")
    if not all(each.journey.messages.single for each in cohorts):
        del latency
        latency = _sample([(each.born, *rest) for each, (_, *rest) in zip(cohorts, latencies, strict=True)], end)
    sheet.times("end_to_end", latency, "mean", "p99")


def _sample(columns: Sequence[tuple[np.ndarray, ...]], end: float) -> Sample:
    """Times from one column to another; `pending` says which events still wait for the second at the `end`."""
    return Sample(
        (_known(until - since) for since, until, _ in columns), (_known(end - since[pending]) for since, _, pending in columns)
    )


def _known(times: np.ndarray) -> np.ndarray:
    known = ~np.isnan(times)
    return times if known.all() else times[known]


def _processed(cohort: Cohort) -> int:
    return int(np.count_nonzero(~np.isnan(cohort.of(cohort.journey.effect))))


def _saved(cohort: Cohort) -> int:
    """Events whose first effect came after a redrive."""
    redrives = cohort.journey.redrives
    events, first = np.unique(redrives["event"], return_index=True)
    saved = events[view(cohort.journey.effect)[events] >= redrives["time"][first]]
    return len(cohort.among(saved))


def unpublished(journey: Journey, live: np.ndarray) -> np.ndarray:
    """Which events have had an effect but were not followed by their publishes, with no copy left that would do them."""
    events = len(live)
    done = ~np.isnan(view(journey.effect, events))
    return np.asarray(done & ~live & ~np.array(journey.published[:events], dtype=bool))


def _out_of_order(cohort: Cohort) -> int:
    messages = cohort.journey.messages
    if not messages.key:
        return 0
    return len(cohort.among(overtaken(view(messages.key, len(messages)), view(cohort.journey.effect, len(messages)))))


def overtaken(keys: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Numbers of the events whose first effect came after that of a later event with the same key.

    By event: `keys`, NONE for none, and `effects`, times that are nan where there was none.
    """
    done = np.flatnonzero((keys != NONE) & ~np.isnan(effects))
    if not len(done):
        return done
    keys = keys[done]
    keys = keys.astype(np.uint16) if keys.max() < 1 << 16 else keys  # which numpy sorts in linear time
    by_key = np.argsort(keys, kind="stable")
    ranks = np.empty(len(done), dtype=np.int32)
    ranks[np.argsort(effects[done], kind="stable")] = np.arange(len(done), dtype=np.int32)
    turns = keys[by_key].astype(np.int64)
    turns *= len(done)
    turns += ranks[by_key]
    del ranks, keys
    # From the back, the lowest turn so far is of the same key, or of a higher one and so no lower than the next.
    lowest = np.minimum.accumulate(turns[::-1])[::-1]
    return done[by_key[:-1][turns[:-1] > lowest[1:]]]
