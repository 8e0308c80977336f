"""What each fault does to lag: how high it rises, and how long until it is what it was before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.alarms import Alarm
from models.detection import measure_detection
from models.level import Level, level_quantile
from models.periods import Periods, clipped, covers, elapsed, gaps, length, merged, merged_spans
from models.record import FaultRecord, SystemRecord
from models.sheet import Sheet, ratio
from simulator.results import Measure

CALM = 60.0
"""Seconds without any fault that it takes to say what is normal."""

NORMAL_SHARE = 0.95


@dataclass(frozen=True)
class Disturbance:
    """A fault from start to end, with the windows that follow before recovery; `recovered`: when, None if never."""

    start: float
    end: float
    recovered: float | None

    def span(self, run_end: float) -> tuple[float, float]:
        """From the start to recovery, or to the end of the run."""
        return self.start, run_end if self.recovered is None else self.recovered


def measure_faults(record: SystemRecord, lags: Mapping[str, Level], alarms: Sequence[Alarm] = ()) -> list[Measure]:
    """Metrics of every fault, from the lag of the groups that it touches and the alerts on them.

    Windows count that overlap the measured time. `occurrences` and `downtime` add up over targets, overlapping windows
    of one target being down once; `peak_lag` is the highest lag of one group in any disturbance; `recovery_time` is the
    mean over disturbances, with the time from the end of the fault to the end of the run for one that did not recover. Where
    the normal level is measured, a group may be above it for 5 % of `hold`, as it is when nothing is wrong.
    """
    return [measure for fault in record.faults for measure in _measure_fault(fault, record, lags, alarms).measures]


def disturbed(record: SystemRecord, lags: Mapping[str, Level]) -> Periods:
    """When any fault disturbs the system: from its start to the recovery of the groups that it touches, and as long as it is
    there where it touches none."""
    spans: list[tuple[float, float]] = []
    for fault in record.faults:
        affected = [lags[name] for name in fault.affected]
        spans += [(start, end) for _, start, end in fault.windows]
        if fault.windows and affected:
            found = _disturbances_of(fault, fault.windows, affected, record)
            spans += [each.span(record.end) for each in found]
    return merged_spans(spans)


def _measure_fault(fault: FaultRecord, record: SystemRecord, lags: Mapping[str, Level], alarms: Sequence[Alarm]) -> Sheet:
    start, end = record.window
    sheet = Sheet(fault.name)
    windows = [window for window in fault.windows if window[1] <= end and window[2] >= start]
    sheet.count("occurrences", len(windows))
    sheet.value("downtime", _downtime(windows, record))
    affected = [lags[name] for name in fault.affected]
    found = _disturbances_of(fault, windows, affected, record) if windows and affected else []
    _measure_recovery(sheet, found, affected, record.end)
    if record.alerts:
        concerned = [alarm for alarm in alarms if alarm.alert.component in fault.affected]
        measure_detection(sheet, [each.span(record.end) for each in found], concerned)
    return sheet


def _downtime(windows: Sequence[tuple[str, float, float]], record: SystemRecord) -> float:
    spans: dict[str, list[tuple[float, float]]] = {}
    for target, start, end in windows:
        spans.setdefault(target, []).append((start, end))
    return sum(length(clipped(merged_spans(each), *record.window)) for each in spans.values())


def _measure_recovery(sheet: Sheet, found: Sequence[Disturbance], affected: Sequence[Level], run_end: float) -> None:
    lasts = [each.span(run_end)[1] for each in found]
    peaks = [level.peak(*each.span(run_end)) for each in found for level in affected]
    sheet.value("peak_lag", max(peaks, default=math.nan))
    times = [last - each.end for each, last in zip(found, lasts, strict=True)]
    recovered = sum(each.recovered is not None for each in found)
    sheet.value("recovery_time", ratio(sum(times), len(times)), "survival", censored=recovered < len(found))
    sheet.share("recovered_share", recovered, len(found))


def _disturbances_of(
    fault: FaultRecord, windows: Sequence[tuple[str, float, float]], affected: Sequence[Level], record: SystemRecord
) -> list[Disturbance]:
    calm = calm_time(record, min(start for _, start, _ in windows))
    above = [level.above(normal_lag(level, calm) if fault.normal is None else fault.normal) for level in affected]
    spans = sorted((start, end) for _, start, end in windows)
    excess = (1 - NORMAL_SHARE) * fault.hold if fault.normal is None else 0.0
    return disturbances(spans, Recovery(above, fault.hold, excess, record.end))


def calm_time(record: SystemRecord, before: float) -> Periods:
    """The time after warm-up and before a fault in which no fault was active; if it is too short, the first minute."""
    windows = merged_spans((start, end) for fault in record.faults for _, start, end in fault.windows)
    calm = gaps(windows, record.warmup, before)
    if length(calm) < CALM:
        return np.array([record.warmup]), np.array([min(record.warmup + CALM, record.end)])
    return calm


def normal_lag(level: Level, calm: Periods) -> float:
    """The lag that is not exceeded for 95 % of the `calm` time."""
    return level_quantile(level.seconds(calm), NORMAL_SHARE)


class Recovery:
    """When lag is normal again. `above`: for each group, when its lag is above normal.

    Recovery begins at an instant at which no group is above normal, if in the `hold` seconds from it none is for more
    than `excess` seconds. When nothing is wrong lag is above its 95th percentile for 5 % of the time; where it changes
    fast, it never stays below for as long as `hold`.
    """

    def __init__(self, above: Sequence[Periods], hold: float, excess: float, run_end: float) -> None:
        self.above = [clipped(periods, 0.0, run_end) for periods in above]
        self.hold = hold
        self.excess = excess
        self.run_end = run_end
        self.raised = merged(*(np.concatenate(bounds) for bounds in zip(*self.above, strict=True)))
        falls = self.raised[1]
        self.instants = falls[self._lasts_from(falls)]

    def after(self, end: float) -> float | None:
        """The first instant of recovery from `end` on, None if there is none before the run is over."""
        if not covers(self.raised, np.array(end)) and self._lasts_from(np.array([end]))[0]:
            return end
        place = int(self.instants.searchsorted(end))
        return float(self.instants[place]) if place < len(self.instants) else None

    def _lasts_from(self, instants: np.ndarray) -> np.ndarray:
        ends = instants + self.hold
        lasting = (instants < self.run_end) & (ends <= self.run_end)
        for periods in self.above:
            lasting &= elapsed(periods, ends) - elapsed(periods, instants) <= self.excess
        return lasting


def disturbances(windows: Sequence[tuple[float, float]], recovery: Recovery) -> list[Disturbance]:
    """Windows of a fault, by start, joined where one begins before recovery from those before it."""
    found: list[Disturbance] = []
    for window in windows:
        start, end = window
        if found and (found[-1].recovered is None or start < found[-1].recovered):
            last = found.pop()
            start, end = last.start, max(last.end, end)
        found.append(Disturbance(start, end, recovery.after(end)))
    return found
