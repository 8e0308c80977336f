"""Series of a broker and of those who publish to it, worked out by hand."""

from __future__ import annotations

import numpy as np

from models.message import Messages
from models.record import ProducerRecord, TopicRecord
from models.series import broker_series, producer_series

NAN = np.nan
TIMES = np.linspace(0.0, 10.0, 6)


def topic(
    name: str, without_leader: list[list[tuple[float, float]]], in_sync: list[tuple[list[float], list[int]]]
) -> TopicRecord:
    steps = [(np.array(times), np.array(sizes)) for times, sizes in in_sync]
    return TopicRecord(
        name=name, messages=Messages(name, single=False), again=np.empty(0), sends=np.empty(0), in_sync=steps,
        without_leader=without_leader,
    )  # fmt: skip


def producer(given_up: list[float] | None, blocked: list[tuple[float, float]]) -> ProducerRecord:
    return ProducerRecord(
        name="producers.web", topic="orders", produced=np.array([1.0, 3.0, 3.5, 9.0]), stored=np.array([1.0, 5.5, NAN, 9.0]),
        acknowledged=np.array([2.0, 6.0, NAN, NAN]), verdicts=np.zeros(4, dtype=np.int8), retries=np.empty(0), blocked=blocked,
        sends=np.ones(4), instances=2, given_up=None if given_up is None else np.array(given_up),
    )  # fmt: skip


def test_unavailability_is_the_mean_share_of_partitions_over_each_interval() -> None:
    topics = [
        topic("a", [[(1.0, 4.0)], []], [([0.0], [1]), ([0.0], [1])]),
        topic("b", [[(3.0, 3.5), (9.0, 12.0)]], [([0.0], [1])]),
    ]
    found = broker_series(topics, TIMES)
    assert set(found) == {("broker", "unavailable")}
    assert np.allclose(found["broker", "unavailable"], np.array([0.0, 0.5, 1.25, 0.0, 0.0, 0.5]) / 3)


def test_in_sync_sets_count_where_there_are_several_replicas() -> None:
    replicas = [([0.0, 4.0, 7.0], [3, 2, 3]), ([0.0], [3])]
    found = broker_series([topic("a", [[], []], replicas), topic("alone", [[]], [([0.0], [1])])], TIMES)
    assert found["broker", "in_sync"].tolist() == [3.0, 3.0, 2.5, 2.5, 3.0, 3.0]
    assert found["broker", "in_sync_min"].tolist() == [3.0, 3.0, 2.0, 2.0, 3.0, 3.0]


def test_topics_that_are_not_kept_on_nodes_have_no_broker_series() -> None:
    assert broker_series([topic("plain", [], [])], TIMES) == {}


def test_an_event_waits_until_it_is_acknowledged_or_given_up() -> None:
    found = producer_series(producer([NAN, NAN, 7.0, NAN], []), TIMES)
    assert found["producers.web", "unacknowledged"].tolist() == [0.0, 0.0, 2.0, 1.0, 0.0, 1.0]
    assert found["producers.web", "acknowledged"].tolist() == [0.0, 0.5, 0.0, 0.5, 0.0, 0.0]


def test_blocked_instances_are_counted_over_each_interval() -> None:
    found = producer_series(producer([NAN] * 4, [(1.0, 4.0), (3.0, 4.0)]), TIMES)
    assert found["producers.web", "blocked"].tolist() == [0.0, 0.5, 1.5, 0.0, 0.0, 0.0]


def test_where_nothing_is_between_producer_and_broker_nothing_waits() -> None:
    assert set(producer_series(producer(None, []), TIMES)) == {("producers.web", "produced")}
