"""What alerts are worth: how soon they tell of a fault, and how often they tell of nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from models.alarms import Alarm
from models.periods import Periods, clipped, covers, gaps, length
from models.sheet import Sheet, ratio
from simulator.results import Columns, Measure

DAY = 86_400.0

Span = tuple[float, float]


def measure_detection(sheet: Sheet, disturbances: Sequence[Span], alarms: Iterable[Alarm]) -> None:
    """How soon `alarms`, those of the groups that a fault touches, tell of its `disturbances`, from start to recovery.

    `time_to_detect`: from the start of the fault to the first firing before recovery, mean over the disturbances that are
    detected, missing where none is; `detected_share`: how many are. An alert that fires already tells nothing new.
    """
    fired = np.sort(np.concatenate([np.empty(0), *(alarm.fired for alarm in alarms)]))
    found = [_first(fired, start, last) - start for start, last in disturbances]
    detected = [seconds for seconds in found if seconds < math.inf]
    sheet.value("time_to_detect", ratio(sum(detected), len(detected)))
    sheet.share("detected_share", len(detected), len(found))


def _first(times: np.ndarray, start: float, last: float) -> float:
    """The first of sorted `times` from `start` to `last`, infinity where there is none."""
    place = int(times.searchsorted(start))
    return float(times[place]) if place < len(times) and times[place] <= last else math.inf


def measure_alarms(alarms: Sequence[Alarm], disturbed: Periods, window: Span) -> list[Measure]:
    """Metrics of every alert over the measured window. False are the firings outside of every fault's disturbance, by days of
    that time; in a run without faults all are."""
    return [measure for alarm in alarms for measure in _measure_alarm(alarm, disturbed, window).measures]


def _measure_alarm(alarm: Alarm, disturbed: Periods, window: Span) -> Sheet:
    start, end = window
    sheet = Sheet(f"alerts.{alarm.alert.name}")
    fired = alarm.fired[(alarm.fired >= start) & (alarm.fired <= end)]
    calm = length(gaps(disturbed, start, end))
    false = ~covers(disturbed, fired)
    sheet.count("firings", len(fired))
    sheet.value("firing_fraction", length(clipped((alarm.fired, alarm.cleared), start, end)) / (end - start))
    sheet.rate("false_alarms_per_day", int(np.count_nonzero(false)), calm / DAY)
    return sheet


def alarm_table(alarms: Sequence[Alarm], end: float) -> Columns:
    """The table `alerts`: a row per firing, `cleared` nan where it still fires at the end."""
    rows = [
        (alarm.alert.name, alarm.alert.component, alarm.alert.metric, fired, cleared if cleared <= end else math.nan)
        for alarm in alarms
        for fired, cleared in zip(alarm.fired.tolist(), alarm.cleared.tolist(), strict=True)
    ]
    columns = ("alert", "component", "metric", "fired", "cleared")
    return {name: [row[place] for row in rows] for place, name in enumerate(columns)}
