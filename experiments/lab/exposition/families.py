"""What is exposed of a run: names as the exporters of brokers and libraries have them, others begin with `edasim_`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from experiments.lab.exposition.text import Family
from models.alarms import exceeded
from models.alerts import Alert
from models.journey import Journey
from models.lag import Lag, finishes, lag_of, redriven
from models.level import step_at
from models.periods import covers
from models.record import CLOSED, HALF_OPEN, OPEN, DependencyRecord, GroupRecord, ProducerRecord, SystemRecord, TopicRecord
from models.series import arrival_times, attempt_times, dependency_series, group_series
from simulator.recorder import view

HELP = {
    "edasim_produced_total": "Events produced.",
    "edasim_publish_retries_total": "Events that a producer sent again.",
    "kafka_topic_partition_current_offset": "Current Offset of a Broker at Topic/Partition",
    "kafka_topic_partition_in_sync_replica": "Number of In-Sync Replicas for this Topic/Partition",
    "kafka_consumergroup_current_offset": "Current Offset of a ConsumerGroup at Topic/Partition",
    "kafka_consumergroup_lag": "Current Approximate Lag of a ConsumerGroup at Topic/Partition",
    "rabbitmq_queue_messages_ready": "Messages ready to be delivered to consumers",
    "rabbitmq_queue_messages_unacked": "Messages delivered to consumers but not yet acknowledged",
    "rabbitmq_queue_messages": "Sum of ready and unacknowledged messages - total queue depth",
    "aws_sqs_approximate_number_of_messages_visible_average": "Messages that can be received.",
    "aws_sqs_approximate_number_of_messages_not_visible_average": "Messages hidden until their lease ends.",
    "edasim_lag": "Events available to a group and not finished, in delays and in flight included.",
    "edasim_lag_seconds": "Age of the oldest event that is available to a group and not finished.",
    "edasim_lag_waiting": "Events without an effect that wait in a delay.",
    "edasim_dead_letters": "Copies that rest in a group's dead-letter topic.",
    "edasim_available_total": "Events that became available to a group.",
    "edasim_consumed_total": "Events that had their first effect in a group.",
    "edasim_effects_total": "Effects in a group, repeated ones included.",
    "edasim_attempts_total": "Attempts that a group began.",
    "edasim_retries_total": "Attempts that a group began beyond the first of each event.",
    "edasim_failures_total": "Attempts that failed in a group.",
    "edasim_dead_letter_moves_total": "Copies that a group moved to its dead-letter topic.",
    "edasim_latency_seconds_total": "Seconds from production to first effect, summed over the events consumed.",
    "resilience4j_circuitbreaker_state": "The states of the circuit breaker",
    "edasim_dependency_calls_total": "Calls to a dependency.",
    "edasim_dependency_busy": "Calls in service at a dependency.",
    "edasim_dependency_queue": "Calls that wait at a dependency.",
    "ALERTS": "1 while an alert is pending or firing.",
}
"""Of each family, in the order in which they are written."""

UNITS = {"edasim_lag_seconds": "seconds"}

STATES = {"closed": CLOSED, "open": OPEN, "half_open": HALF_OPEN}


class Exposed:
    """Families that are filled in, at `times` (s, shape (points,)) of a run."""

    def __init__(self, times: np.ndarray) -> None:
        self.times = times
        self.families = {name: Family(name, said, name.endswith("_total"), UNITS.get(name, "")) for name, said in HELP.items()}

    def add(self, family: str, values: np.ndarray, /, **labels: str) -> None:
        """One series: values at the times, nan where it has none."""
        self.families[family].series.append((labels, np.asarray(values, dtype=float)))

    def count(self, family: str, happenings: Iterable[np.ndarray], /, **labels: str) -> None:
        """A counter of what happened at times, in parts, of which each is sorted with nan last."""
        none = np.zeros(len(self.times), dtype=np.int64)
        self.add(family, sum((part.searchsorted(self.times, side="right") for part in happenings), none), **labels)


def expose(record: SystemRecord, exposed: Exposed) -> None:
    """Everything that the columns of a run tell."""
    for producer in record.producers:
        _expose_producer(producer, exposed)
    for topic in record.topics.values():
        _expose_topic(topic, exposed)
    for group in record.groups:
        journeys = [(journey, finishes(journey), redriven(journey)) for journey in group.journeys]
        lag = lag_of(journeys)
        _expose_group(group, lag, exposed)
        _expose_partitions(group, exposed)
        _expose_breakers(group, exposed)
        for alert in record.alerts:
            if alert.component == group.name:
                _expose_alert(alert, group, lag, exposed)
    for dependency in record.dependencies:
        _expose_dependency(dependency, exposed)


def _named(component: str) -> str:
    return component.partition(".")[2]


def _expose_producer(producer: ProducerRecord, exposed: Exposed) -> None:
    labels = {"producer": _named(producer.name), "topic": producer.topic}
    exposed.count("edasim_produced_total", [producer.produced], **labels)
    exposed.count("edasim_publish_retries_total", [producer.retries], **labels)


def _expose_topic(topic: TopicRecord, exposed: Exposed) -> None:
    for number, steps in enumerate(topic.in_sync):
        labels = {"topic": topic.name, "partition": str(number)}
        exposed.add("kafka_topic_partition_in_sync_replica", step_at(steps, exposed.times), **labels)


def _expose_group(group: GroupRecord, lag: Lag, exposed: Exposed) -> None:
    name, journeys = _named(group.name), group.journeys
    series = group_series(group, lag, exposed.times)
    for metric in ("lag", "lag_seconds", "lag_waiting", "dead_letters"):
        exposed.add(f"edasim_{metric}", series[group.name, metric], consumergroup=name)
    effects = [np.sort(view(each.effect)) for each in journeys]
    retries = [each.retries["time"] for each in journeys]
    counted = {
        "available": [arrival_times(each) for each in journeys],
        "consumed": effects,
        "effects": [*effects, *(np.sort(each.duplicates["time"]) for each in journeys)],
        "attempts": [part for each in journeys for part in attempt_times(each)],
        "retries": retries,
        "failures": [each.failures["time"] for each in journeys],
        "dead_letter_moves": [each.moves["time"] for each in journeys],
    }
    for metric, happenings in counted.items():
        exposed.count(f"edasim_{metric}_total", happenings, consumergroup=name)
    latencies = sum(_latencies_until(each, exposed.times) for each in journeys)
    exposed.add("edasim_latency_seconds_total", np.asarray(latencies), consumergroup=name)


def _latencies_until(journey: Journey, times: np.ndarray) -> np.ndarray:
    """Seconds from production to first effect of the events that had theirs by each of `times`, added up."""
    events = len(journey.messages)
    effects = view(journey.effect, events)
    order = np.argsort(effects, kind="stable")
    effects, produced = effects[order], view(journey.messages.produced, events)[order]
    seconds = np.append(0.0, np.cumsum(np.nan_to_num(effects - produced)))
    return np.asarray(seconds[effects.searchsorted(times, side="right")])


def _expose_partitions(group: GroupRecord, exposed: Exposed) -> None:
    """The ends of the partitions of a log and what the group has committed, as kafka_exporter shows them."""
    numbers = dict.fromkeys(group.topics, 0)
    for (place, _), (appended, times, offsets) in zip(group.partitions, group.commits, strict=False):
        topic = group.topics[place]
        labels = {"topic": topic, "partition": str(numbers[topic])}
        numbers[topic] += 1
        end = np.sort(appended).searchsorted(exposed.times, side="right")
        committed = step_at((times, offsets), exposed.times)
        family = exposed.families["kafka_topic_partition_current_offset"]
        if all(known != labels for known, _ in family.series):
            exposed.add(family.name, end, **labels)
        labels = {"consumergroup": _named(group.name), **labels}
        exposed.add("kafka_consumergroup_current_offset", committed, **labels)
        exposed.add("kafka_consumergroup_lag", np.maximum(end - committed, 0), **labels)


def _expose_breakers(group: GroupRecord, exposed: Exposed) -> None:
    """As Resilience4j's Micrometer binding shows them: 1 in the state that it is in, by instance where each has its own."""
    for number, steps in enumerate(group.breakers if group.has_breaker else ()):
        own = {"instance": str(number)} if len(group.breakers) > 1 else {}
        for state, code in STATES.items():
            values = step_at(steps, exposed.times) == code
            exposed.add("resilience4j_circuitbreaker_state", values, name=_named(group.name), **own, state=state)


def _expose_alert(alert: Alert, group: GroupRecord, lag: Lag, exposed: Exposed) -> None:
    starts, ends = exceeded(alert, group, lag)
    fired = np.minimum(starts + alert.for_, ends)
    for state, since, until in (("pending", starts, fired), ("firing", fired, ends)):
        lasting = since < until
        holds = covers((since[lasting], until[lasting]), exposed.times)
        labels = {"alertname": alert.name, "alertstate": state, "consumergroup": _named(group.name)}
        exposed.add("ALERTS", np.where(holds, 1.0, np.nan), **labels)


def _expose_dependency(dependency: DependencyRecord, exposed: Exposed) -> None:
    name = _named(dependency.name)
    exposed.count("edasim_dependency_calls_total", [np.sort(dependency.begin)], dependency=name)
    for (_, metric), values in dependency_series(dependency, exposed.times).items():
        exposed.add(f"edasim_dependency_{metric}", values, dependency=name)
