"""Series on a grid of times, from the same columns as the metrics. Values are right limits; rates are those over the
interval of the grid that ends there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from models.journey import Journey
from models.lag import Lag, dead_letter_level, waiting_level
from models.level import Level, step_at
from models.presence import number_running, number_wanted
from models.record import OPEN, DependencyRecord, GroupRecord, ProducerRecord, TopicRecord
from models.slos import Slo
from simulator.recorder import view

POINTS = 601

Series = dict[tuple[str, str], np.ndarray]

SUMMARIES = ("_mean", "_p50", "_p95", "_p99", "_max", "_fraction")
"""Endings of metrics that sum up a series."""


def group_series(group: GroupRecord, lag: Lag, times: np.ndarray) -> Series:
    """Series of a consumer group at `times`."""
    journeys = group.journeys
    found = {
        "lag": lag.level.at(times),
        "lag_seconds": lag.oldest.age_at(times),
        "lag_waiting": waiting_level(journeys).at(times),
        "arrivals": rates((arrival_times(each) for each in journeys), times),
        "throughput": rates((np.sort(view(each.effect)) for each in journeys), times),
        "attempts": rates((part for each in journeys for part in attempt_times(each)), times),
        "failures": rates((each.failures["time"] for each in journeys), times),
        "dead_letters": dead_letter_level(journeys).at(times),
    }
    if group.useful_for is not None:
        found["goodput"] = rates((np.sort(in_time(each, group.useful_for)) for each in journeys), times)
    if group.autoscales:
        found["instances"] = number_wanted(group.life, times)
        found["instances_running"] = number_running(group.life, times)
    if group.has_breaker:
        opened = np.sum([step_at(steps, times) == OPEN for steps in group.breakers], axis=0)
        each = group.autoscales and not group.shares_breaker
        found["breaker_open"] = opened / (np.maximum(number_wanted(group.life, times), 1) if each else len(group.breakers))
    return {(group.name, metric): np.asarray(values, dtype=float) for metric, values in found.items()}


def in_time(journey: Journey, seconds: float) -> np.ndarray:
    """Times of first effects that came within so many `seconds` of the production of their events."""
    effect = view(journey.effect, len(journey.messages))
    useful: np.ndarray = effect[effect - view(journey.messages.produced) <= seconds]
    return useful


def arrival_times(journey: Journey) -> np.ndarray:
    """Times at which events could first be read, sorted, nan last."""
    available = journey.messages.available()
    return available if journey.messages.passage is None else np.sort(available)


def dependency_series(dependency: DependencyRecord, times: np.ndarray) -> Series:
    """Calls in service and waiting at `times`."""
    return {
        (dependency.name, "busy"): step_at(dependency.busy, times).astype(float),
        (dependency.name, "queue"): step_at(dependency.queue, times).astype(float),
    }


def producer_series(producer: ProducerRecord, times: np.ndarray) -> Series:
    """Events produced per second; where a broker is between, also those acknowledged per second, the `unacknowledged`, which
    are produced and neither acknowledged nor given up, and the number of instances `blocked`, without room for an event."""
    found = {"produced": rates([producer.produced], times)}
    if producer.given_up is not None:
        acknowledged = np.sort(producer.acknowledged)
        decided = np.sort(np.fmin(producer.acknowledged, producer.given_up))
        found["acknowledged"] = rates([acknowledged], times)
        found["unacknowledged"] = Level(producer.produced, decided[~np.isnan(decided)]).at(times).astype(float)
        found["blocked"] = _mean_number(producer.blocked, times)
    return {(producer.name, metric): values for metric, values in found.items()}


def broker_series(topics: Iterable[TopicRecord], times: np.ndarray) -> Series:
    """Over the partitions of all topics that are kept on nodes: the share `unavailable`, without a leader that serves, in the
    interval up to each of `times`; of those with several replicas the mean size `in_sync` of the in-sync set and the smallest,
    `in_sync_min`. Nothing where there are none."""
    kept = [topic for topic in topics if topic.in_sync]
    found: Series = {}
    if kept:
        spans = [span for topic in kept for partition in topic.without_leader for span in partition]
        partitions = sum(len(topic.in_sync) for topic in kept)
        found["broker", "unavailable"] = _mean_number(spans, times) / partitions
        sizes = [step_at(steps, times) for topic in kept for steps in topic.in_sync if steps[1].max() > 1]
        if sizes:
            found["broker", "in_sync"] = np.mean(sizes, axis=0)
            found["broker", "in_sync_min"] = np.min(sizes, axis=0).astype(float)
    return found


def _mean_number(spans: Collection[tuple[float, float]], times: np.ndarray) -> np.ndarray:
    """How many spans there are at once, on average over the interval up to each of `times`, 0 at the first."""
    starts, ends = (_seconds_since(np.sort(edges), times) for edges in np.array(spans, dtype=float).reshape(-1, 2).T)
    return np.append(0.0, np.maximum(np.diff(starts - ends), 0.0) / np.diff(times))


def _seconds_since(instants: np.ndarray, times: np.ndarray) -> np.ndarray:
    """At each of `times` the seconds since each of the `instants` that are over, added up."""
    over = instants.searchsorted(times, side="right")
    seconds: np.ndarray = over * times - np.append(0.0, np.cumsum(instants))[over]
    return seconds


def rates(happenings: Iterable[np.ndarray], times: np.ndarray) -> np.ndarray:
    """Happenings per second over the interval up to each of `times`, 0 at the first; each part sorted, nan last."""
    none = np.zeros(len(times), dtype=np.int64)
    counted = sum((part.searchsorted(times, side="right") for part in happenings), none)
    return np.append(0.0, np.diff(counted) / np.diff(times))


def slo_violation(slos: Sequence[Slo], series: Mapping[tuple[str, str], np.ndarray], measured: np.ndarray) -> float:
    """Share of the `measured` points of the grid at which a series behind an SLO is on the wrong side, nan for none."""
    behind = [(slo, (slo.component, _base(slo.metric))) for slo in slos]
    wrong = [_wrong(slo, series[key][measured]) for slo, key in behind if key in series]
    return float(np.logical_or.reduce(wrong).mean()) if wrong else np.nan


def _wrong(slo: Slo, values: np.ndarray) -> np.ndarray:
    if slo.below is not None:
        return values >= slo.below
    return values <= slo.above


def _base(metric: str) -> str:
    ending = next((ending for ending in SUMMARIES if metric.endswith(ending)), "")
    return metric.removesuffix(ending)


def attempt_times(journey: Journey) -> tuple[np.ndarray, np.ndarray]:
    """Times of first attempts, which begin with the hand-over to a worker or are `late`, and of the others."""
    events = len(journey.messages)
    at_once = view(journey.attempts, events) > 0
    at_once[journey.late["event"]] = False
    first = np.concatenate([view(journey.started, events)[at_once], journey.late["time"]])
    first.sort()
    return first, journey.retries["time"]
