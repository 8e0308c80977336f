"""Series on a grid of times, from the same columns as the metrics. Values are right limits; rates are those over the
interval of the grid that ends there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from models.journey import Journey
from models.lag import Lag, dead_letter_level, waiting_level
from models.level import step_at
from models.record import OPEN, DependencyRecord, GroupRecord, ProducerRecord
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
        "arrivals": rates((np.sort(each.messages.available()) for each in journeys), times),
        "throughput": rates((np.sort(view(each.effect)) for each in journeys), times),
        "attempts": rates((part for each in journeys for part in _attempts(each)), times),
        "failures": rates((each.failures["time"] for each in journeys), times),
        "dead_letters": dead_letter_level(journeys).at(times),
    }
    if group.has_breaker:
        found["breaker_open"] = np.mean([step_at(steps, times) == OPEN for steps in group.breakers], axis=0)
    return {(group.name, metric): np.asarray(values, dtype=float) for metric, values in found.items()}


def dependency_series(dependency: DependencyRecord, times: np.ndarray) -> Series:
    """Calls in service and waiting at `times`."""
    return {
        (dependency.name, "busy"): step_at(dependency.busy, times).astype(float),
        (dependency.name, "queue"): step_at(dependency.queue, times).astype(float),
    }


def producer_series(producer: ProducerRecord, times: np.ndarray) -> Series:
    """Events produced, per second."""
    return {(producer.name, "produced"): rates([producer.produced], times)}


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


def _attempts(journey: Journey) -> tuple[np.ndarray, np.ndarray]:
    """Times of first attempts, which begin with the hand-over to a worker or are `late`, and of the others."""
    events = len(journey.messages)
    at_once = view(journey.attempts, events) > 0
    at_once[journey.late["event"]] = False
    first = np.concatenate([view(journey.started, events)[at_once], journey.late["time"]])
    first.sort()
    return first, journey.retries["time"]
