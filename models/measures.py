"""Metrics, series and tables of a run, from the columns that it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from models.alarms import Alarm, alarm
from models.cohort import measure_events, unpublished
from models.detection import alarm_table, measure_alarms
from models.lag import Lag, committed_level, dead_letter_level, finishes, lag_of, measure_lag, redriven, waiting_level
from models.level import Level, mean_level, seconds_in, step_peak
from models.message import Messages
from models.partitions import PartitionRow, Partitions
from models.periods import clipped, length
from models.presence import paid_seconds, unwanted_seconds
from models.record import (
    DEAD_LETTERED,
    DISCARDED,
    EXPIRED,
    FAILED,
    LOST,
    OPEN,
    REJECTED,
    RUNNING,
    DependencyRecord,
    GroupRecord,
    ProducerRecord,
    Steps,
    SystemRecord,
    TopicRecord,
)
from models.recovery import disturbed, measure_faults
from models.sample import Sample
from models.series import (
    POINTS,
    Series,
    broker_series,
    dependency_series,
    group_series,
    in_time,
    producer_series,
    slo_violation,
)
from models.sheet import Sheet, ratio
from models.trace import trace_events
from models.verdicts import PHANTOM, PUBLISHED, UNSENT, count_verdicts, verdicts_of
from simulator.recorder import view
from simulator.results import Columns, Measure, Measurement, Window

Seconds = tuple[float, float]


@dataclass
class Groups:
    """What is made of the groups of a run, one after the other. `lags`: of those that a fault touches;
    `alarms`: by the name of the alert."""

    measures: list[Measure] = field(default_factory=list)
    series: Series = field(default_factory=dict)
    partitions: list[PartitionRow] = field(default_factory=list)
    lags: dict[str, Level] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)


def measure(record: SystemRecord) -> Measurement:
    """Everything that is measured of a run. Event metrics are over the events produced in the measured window, whatever
    becomes of them until the end; time metrics are over that window. The grid of the series has 600 intervals."""
    times = np.linspace(0.0, record.duration, POINTS)
    groups = _measure_groups(record, times)
    series = groups.series
    measures = [each for producer in record.producers for each in _measure_producer(producer, record.window)]
    measures += [each for name in record.topics for each in _measure_topic(name, record, groups.partitions)]
    measures += groups.measures
    for producer in record.producers:
        series |= producer_series(producer, times)
    series |= broker_series(record.topics.values(), times)
    for dependency in record.dependencies:
        measures += _measure_dependency(dependency, record)
        series |= dependency_series(dependency, times)
    alarms = [groups.alarms[alert.name] for alert in record.alerts]
    measures += measure_faults(record, groups.lags, alarms)
    if alarms:
        measures += measure_alarms(alarms, disturbed(record, groups.lags), record.window)
    measures += _measure_system(record, groups)
    windows = [(fault.name.removeprefix("faults."), *window) for fault in record.faults for window in fault.windows]
    rows = [[getattr(row, column.name) for column in fields(row)] for row in groups.partitions]
    return Measurement(
        metrics=tuple(measures),
        times=times,
        series=series,
        windows=tuple(Window(*window) for window in windows),
        tables={
            "partitions": _table([column.name for column in fields(PartitionRow)], rows),
            "faults": _table(["fault", "target", "start", "end"], windows),
            "alerts": alarm_table(alarms, record.end),
        },
        events=trace_events(record.groups) if record.trace else None,
    )


def _measure_groups(record: SystemRecord, times: np.ndarray) -> Groups:
    touched = {name for fault in record.faults for name in fault.affected}
    found = Groups()
    for group in record.groups:
        sheet = Sheet(group.name)
        sends = [record.topics[topic].sends for topic in group.topics]
        measure_events(sheet, group, sends, record.window, record.end)
        lag = _measure_lags(sheet, group, found.partitions, record.window)
        _measure_work(sheet, group, record.window)
        found.measures += sheet.measures
        found.series |= group_series(group, lag, times)
        if group.name in touched:
            found.lags[group.name] = lag.level
        watched = [alert for alert in record.alerts if alert.component == group.name]
        found.alarms |= {alert.name: alarm(alert, group, lag, record.end) for alert in watched}
    return found


def _measure_lags(sheet: Sheet, group: GroupRecord, rows: list[PartitionRow], window: Seconds) -> Lag:
    finish = [finishes(journey) for journey in group.journeys]
    again = [redriven(journey) for journey in group.journeys]
    rows += Partitions(group, finish, again).measure(sheet, *window)
    if group.commits:
        committed = committed_level(group)
        sheet.value("lag_committed_mean", mean_level(committed.seconds(_whole(window))))
        sheet.value("lag_committed_max", committed.peak(*window))
        del committed
    lag = lag_of(list(zip(group.journeys, finish, again, strict=True)))
    del finish
    measure_lag(sheet, lag, *window)
    sheet.value("lag_waiting_max", waiting_level(group.journeys).peak(*window))
    sheet.value("dead_letter_depth_max", dead_letter_level(group.journeys).peak(*window))
    return lag


def _measure_work(sheet: Sheet, group: GroupRecord, window: Seconds) -> None:
    """What workers, instances and breakers did with their time."""
    start, end = window
    effects = [view(journey.effect) for journey in group.journeys]
    done = sum(int(np.count_nonzero((times >= start) & (times <= end))) for times in effects)
    sheet.rate("throughput", done, end - start)
    if group.useful_for is not None:
        useful = np.concatenate([in_time(journey, group.useful_for) for journey in group.journeys])
        sheet.rate("goodput", _within(useful, window), end - start)
    if 0 < group.worker_time < np.inf:
        sheet.value("utilization", group.busy / group.worker_time)
        sheet.value("held", group.held / group.worker_time)
    absent = unwanted_seconds(group.life, window)
    sheet.value("availability", _share_of_time(group.life, RUNNING, window, absent))
    idle = 0.0 if group.shares_breaker else absent
    sheet.value("breaker_open_fraction", _share_of_time(group.breakers, OPEN, window, idle) if group.has_breaker else 0.0)
    if group.autoscales:
        sheet.value("instances_mean", paid_seconds(group.life, window) / (end - start))
    sheet.count("breaker_trips", _within(group.trips, window))
    sheet.count("rebalances", _within(group.rebalances, window))
    if group.kills is not None:
        sheet.count("memory_kills", _within(group.kills, window))


def _measure_producer(producer: ProducerRecord, window: Seconds) -> list[Measure]:
    sheet = Sheet(producer.name)
    first, last = window
    measured = slice(producer.produced.searchsorted(first, side="left"), producer.produced.searchsorted(last, side="right"))
    sheet.count("produced", len(producer.produced[measured]))
    verdicts = producer.verdicts[measured]
    for verdict, count in count_verdicts(verdicts).items():
        sheet.count(verdict, count)
    sheet.value("sends_per_event", ratio(int(producer.sends[measured].sum()), len(verdicts)))
    sheet.count("publish_retries", _within(producer.retries, window))
    latency = Sample([(producer.acknowledged[measured] - producer.produced[measured])[verdicts == PUBLISHED]], [])
    sheet.times("publish_latency", latency, "mean", "p50", "p95", "p99")
    blocked = sum(length(clipped((np.array([start]), np.array([end])), *window)) for start, end in producer.blocked)
    sheet.value("blocked_time", blocked / producer.instances)
    return sheet.measures


def _measure_topic(name: str, record: SystemRecord, partitions: Sequence[PartitionRow]) -> list[Measure]:
    """`size_max`: a log holds all that was appended and has not gone, a queue what the group furthest behind had not finished.
    `expired`: distinct events that were so for one group or more; `rejected`: that were refused as too many, stored later or
    not."""
    topic = record.topics[name]
    messages, again = topic.messages, topic.again
    first, stop = _numbers(messages, record.window)
    sheet = Sheet(f"topics.{name}")
    group = next((group for group in record.groups if name in group.topics), None)
    there = np.count_nonzero(~np.isnan(messages.stored()[first:stop]))
    stored, size = int(there) + int(np.count_nonzero((again >= first) & (again < stop))), stop + len(again)
    size = size if topic.largest is None else topic.largest
    if group is not None and not group.commits:
        size = max((row.lag_max for row in partitions if row.topic == name), default=0)
    sheet.count("stored", stored)
    sheet.count("lost", int(np.count_nonzero((topic.lost >= first) & (topic.lost < stop))))
    sheet.count("expired", int(np.count_nonzero(_expired(name, record)[first:stop])))
    sheet.count("rejected", int(np.count_nonzero((topic.rejected >= first) & (topic.rejected < stop))))
    sheet.value("size_max", size)
    sheet.value("available_fraction", _available(topic, record.window))
    return sheet.measures


def _expired(topic: str, record: SystemRecord) -> np.ndarray:
    """Of each event of a topic whether it has expired for any group."""
    expired = np.zeros(len(record.topics[topic].messages), dtype=bool)
    for group in record.groups:
        for name, states in zip(group.topics, group.states, strict=True):
            if name == topic:
                expired[np.flatnonzero(states == EXPIRED)] = True
    return expired


def _available(topic: TopicRecord, window: Seconds) -> float:
    """Share of time in which a partition had a leader that served, mean over the partitions."""
    spans = [np.array([start, end]) for partition in topic.without_leader for start, end in partition]
    without = sum(length(clipped((span[:1], span[1:]), *window)) for span in spans)
    return 1.0 - without / ((window[1] - window[0]) * max(1, len(topic.without_leader)))


def _measure_dependency(dependency: DependencyRecord, record: SystemRecord) -> list[Measure]:
    """Over the calls that began in the measured window. A call that is refused has no latency."""
    start, end = record.window
    called = (dependency.begin >= start) & (dependency.begin <= end)
    begin, finish, outcome = dependency.begin[called], dependency.end[called], dependency.outcome[called]
    served, finished = outcome != REJECTED, ~np.isnan(finish)
    sheet = Sheet(dependency.name)
    sheet.count("calls", len(begin))
    sheet.count("errors", int(np.count_nonzero(outcome == FAILED)))
    sheet.count("rejected", int(np.count_nonzero(outcome == REJECTED)))
    sheet.count("wasted", int(np.count_nonzero(dependency.wasted[called])))
    if dependency.concurrency < np.inf:
        sheet.value("utilization", dependency.busy_seconds / (dependency.concurrency * (end - start)))
    sheet.value("busy_mean", dependency.busy_seconds / (end - start))
    latency = Sample([(finish - begin)[served & finished]], [record.end - begin[served & ~finished]])
    sheet.times("latency", latency, "mean", "p99")
    sheet.value("queue_max", step_peak(dependency.queue, start, end))
    return sheet.measures


def _measure_system(record: SystemRecord, groups: Groups) -> list[Measure]:
    """Over pairs of an event produced in the measured window and acknowledged, and a group that it is for."""

    def total(metric: str) -> float:
        return sum(each.value for each in groups.measures if each.metric == metric)

    fates = np.zeros(4, dtype=np.int64)
    for group in record.groups:
        for journey, states, live in zip(group.journeys, group.states, group.live, strict=True):
            missing = unpublished(journey, live) if group.publishes else np.zeros(len(states), dtype=bool)
            fates += _fates(journey.messages, states, missing, record)
    pairs, lost, dead, phantom = fates.tolist()
    sheet = Sheet("system")
    sheet.share("loss_rate", lost, pairs)
    sheet.share("dead_letter_rate", dead, pairs)
    sheet.rate("phantom_rate", phantom, pairs)
    sheet.rate("duplicate_rate", total("duplicate_effects"), pairs)
    if record.slos:
        measured = np.linspace(0.0, record.duration, POINTS) >= record.warmup
        sheet.value("slo_violation", slo_violation(record.slos, groups.series, measured))
    return sheet.measures


def _fates(messages: Messages, states: np.ndarray, missing: np.ndarray, record: SystemRecord) -> np.ndarray:
    """Of a topic's measured events in a group: how many were acknowledged, and of these lost (unsent ones too, and those of
    which what follows is `missing`) and dead letters; and how many are phantoms, of which there may be more."""
    measured = slice(*_numbers(messages, record.window))
    verdicts, found = verdicts_of(messages, record.end)[measured], states[measured]
    acknowledged = (verdicts == PUBLISHED) | (verdicts == UNSENT)
    lost = (verdicts == UNSENT) | np.isin(found, (LOST, EXPIRED, DISCARDED)) | missing[measured]
    counted = acknowledged, acknowledged & lost, acknowledged & (found == DEAD_LETTERED), verdicts == PHANTOM
    return np.array([np.count_nonzero(each) for each in counted])


def _numbers(messages: Messages, window: Seconds) -> tuple[int, int]:
    """The first number of the events produced in `window`, and the first after them."""
    produced = view(messages.produced)
    return int(produced.searchsorted(window[0], side="left")), int(produced.searchsorted(window[1], side="right"))


def _within(times: np.ndarray, window: Seconds) -> int:
    return int(np.count_nonzero((times >= window[0]) & (times <= window[1])))


def _share_of_time(steps: Sequence[Steps], value: int, window: Seconds, absent: float) -> float:
    """The share of all time, but for the seconds for which they were `absent`, in which they had `value`."""
    start, end = window
    return ratio(sum(seconds_in(each, value, start, end) for each in steps), len(steps) * (end - start) - absent)


def _whole(window: Seconds) -> tuple[np.ndarray, np.ndarray]:
    return np.array([window[0]]), np.array([window[1]])


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Columns:
    listed = list(rows)
    return {name: [row[place] for row in listed] for place, name in enumerate(names)}
