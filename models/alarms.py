"""When alerts fire, from the columns of a run: exactly, not at the points of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.alerts import Alert
from models.journey import Journey
from models.lag import Lag, Oldest, dead_letter_level
from models.periods import Periods, merged
from models.record import LEAVING, OPEN, GroupRecord
from simulator.recorder import view

WINDOW = 60.0
"""Seconds that `error_rate` looks back."""


@dataclass(frozen=True, eq=False)
class Alarm:
    """When an alert fired and cleared (s), shapes (n,); it cleared at infinity where it still fires at the end of the run."""

    alert: Alert
    fired: np.ndarray
    cleared: np.ndarray


def alarm(alert: Alert, group: GroupRecord, lag: Lag, end: float) -> Alarm:
    """What an alert on `group` did in a run that went on until `end`."""
    starts, ends = exceeded(alert, group, lag)
    fired = starts + alert.for_
    firing = (fired < ends) & (fired <= end)
    cleared = ends[firing]
    return Alarm(alert, fired[firing], np.where(cleared > end, np.inf, cleared))


def exceeded(alert: Alert, group: GroupRecord, lag: Lag) -> Periods:
    """When the metric of an alert is above its bound."""
    if alert.metric == "lag":
        return lag.level.above(alert.above)
    if alert.metric == "lag_seconds":
        return _older(lag.oldest, alert.above)
    if alert.metric == "dead_letters":
        return _more_dead_letters(group.journeys, alert.above)
    if alert.metric == "breaker_open":
        return _more_open(group, alert.above)
    return _more_errors(group.journeys, alert.above)


def _older(oldest: Oldest, seconds: float) -> Periods:
    """From the instant at which the oldest event is so old; the times that follow are above."""
    return merged(oldest.starts + seconds, oldest.reach)


def _more_dead_letters(journeys: Sequence[Journey], bound: float) -> Periods:
    level = dead_letter_level(journeys)
    rest = np.full(len(level.ups) - len(level.downs), np.inf)
    return type(level)(level.ups, np.append(level.downs, rest)).above(bound)


def _more_open(group: GroupRecord, bound: float) -> Periods:
    """Of the breakers of instances those count that autoscaling wants."""
    those = group.life if group.autoscales and not group.shares_breaker else [(np.zeros(1), np.zeros(1))] * len(group.breakers)
    opened = [np.diff(np.where(codes == OPEN, 1, 0), prepend=0) for _, codes in group.breakers]
    wanted = [np.diff(np.where(states < LEAVING, 1, 0), prepend=0) for _, states in those]
    none = [[np.zeros(len(each), dtype=np.int64) for each in part] for part in (opened, wanted)]
    moments = [changes for changes, _ in (*group.breakers, *those)]
    times, (number, there) = _summed(moments, [*opened, *none[1]], [*none[0], *wanted])
    return _where(times, number / np.maximum(there, 1) > bound)


def _more_errors(journeys: Sequence[Journey], bound: float) -> Periods:
    failed = np.concatenate([journey.failures["time"] for journey in journeys])
    done = [view(journey.effect, len(journey.messages)) for journey in journeys]
    done += [journey.duplicates["time"] for journey in journeys]
    ended = np.concatenate([failed, *done])
    ended = ended[~np.isnan(ended)]
    ones = [np.full(len(times), step) for times in (failed, ended) for step in (1, -1)]
    none = [np.zeros(len(each), dtype=np.int64) for each in ones]
    moments = [failed, failed + WINDOW, ended, ended + WINDOW]
    times, (failures, ends) = _summed(moments, [*ones[:2], *none[2:]], [*none[:2], *ones[2:]])
    return _where(times, failures / np.maximum(ends, 1) > bound)


def _summed(times: Sequence[np.ndarray], *changes: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Instants, each once, and from each of them on the sums of the changes so far."""
    joined = np.concatenate(times)
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    last = np.append(joined[1:] != joined[:-1], True)[: len(joined)]
    return joined[last], [np.cumsum(np.concatenate(each)[order])[last] for each in changes]


def _where(times: np.ndarray, holds: np.ndarray) -> Periods:
    """The periods between `times` from which something `holds`, for ever from the last."""
    return merged(times[holds], np.append(times, np.inf)[1:][holds])
