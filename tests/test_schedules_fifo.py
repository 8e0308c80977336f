"""FIFO queues and deduplication against schedules worked out by hand, with constant times, as `leased.played` has it."""

from __future__ import annotations

import pytest
from leased import deliveries, errors, played
from played import Played, Tables, fault, together

# -- FIFO --


def test_a_message_group_is_handled_one_by_one() -> None:
    run = played({"instances": 3}, events=3, fifo=True)
    assert run.attempts() == [(1, 0), (3, 1), (5, 2)]


def test_messages_without_a_key_wait_for_no_other() -> None:
    run = played({"instances": 3}, events=3, topics={"t": {"fifo": True}}, producers={"p": together(3)})
    assert run.attempts() == [(1, 0), (1, 1), (1, 2)]


def test_a_message_group_waits_behind_one_whose_consumer_is_gone() -> None:
    group = {"instances": 2, "visibility_timeout": 10.0}
    run = played(group, fault("crash", 2.0, 50.0, "consumers.c[0]"), events=3, fifo=True)
    assert run.attempts() == [(1, 0), (11, 0), (13, 1), (15, 2)]


@pytest.mark.parametrize("redelivery", [{}, {"delays": [1.0]}])
def test_a_failure_in_a_batch_holds_up_the_rest_of_its_group(redelivery: Tables) -> None:
    """0 fails at 3 s. 1 and 2 are not handled, and the group waits until their leases end at 11 s."""
    group = {"batch": 3, "visibility_timeout": 10.0, "redelivery": redelivery}
    run = played(group, errors(4.0), events=3, fifo=True)
    assert run.attempts() == [(1, 0), (11, 0), (13, 1), (15, 2)]
    assert deliveries(run) == [2, 2, 2]


def test_a_failure_that_is_given_up_holds_up_nothing() -> None:
    group = {"batch": 3, "permanent": "discard"}
    run = played(group, fault("poison", 0.0, 4.0, rate=1.0), events=3, fifo=True)
    assert run.attempts() == [(1, 0), (3, 1), (5, 2)]


def test_a_late_deletion_fails_in_a_fifo_queue() -> None:
    """0 is received at 1 and 4 s and dead-lettered at 7 s, although both have worked on it; then 1 fares alike."""
    group = {"instances": 2, "service": 4.0, "visibility_timeout": 3.0, "redelivery": {"max_deliveries": 2}}
    run = played({**group, "dead_letter": {"topic": "d"}}, events=2, fifo=True)
    assert run.effects() == [(5, 0), (8, 0), (11, 1), (14, 1)]
    assert run.trail("moves") == [(7.0, 0), (13.0, 1)]


def test_a_late_deletion_that_works_opens_its_group() -> None:
    """0, which instance 1 has since 4 s, is deleted at 5 s, and 1 can be received."""
    group = {"instances": 2, "service": 4.0, "visibility_timeout": 3.0, "late_delete": "works"}
    run = played(group, events=2, fifo=True)
    assert run.attempts() == [(1, 0), (4, 0), (5, 1), (8, 1)]


def test_a_receive_takes_all_it_may_of_one_group_before_the_next() -> None:
    producers = {"p": {**together(12), "keys": {"dist": "uniform", "count": 3}}}
    run = played({"batch": 4}, topics={"t": {"fifo": True}}, producers=producers)
    groups: dict[int, list[int]] = {}
    for event in range(12):
        groups.setdefault(run.journey().messages.key_of(event), []).append(event)
    line, expected = list(groups.values()), []
    while line:
        room = 4
        while line and room:
            first = line.pop(line.index(min(line)))
            expected += first[:room]
            line += [first[room:]] if first[room:] else []
            room -= len(first[:room])
    assert len(groups) == 3
    assert [event for _, event in run.attempts()] == expected


# -- deduplication --


def published_twice(window: float, latency: float = 0.0) -> Played:
    """The handler of t publishes to u at 5 s and, because it outlasts its lease, at 8 s; u has handled the first by then.
    `latency`: of the way to the broker, s."""
    consumers = {
        "c": {"topic": "t", "service": 4.0, "instances": 2, "visibility_timeout": 3.0, "publishes": [{"topic": "u"}]},
        "u": {"topic": "u", "service": 0.5},
    }
    topics = {"u": {"fifo": True, "deduplication": window}}
    broker = {"profile": "sqs", "publish_latency": latency}
    return played({}, events=1, consumers=consumers, topics=topics, broker=broker)


@pytest.mark.parametrize(("window", "delivered"), [(0.0, 2), (2.0, 2), (3.0, 2), (3.5, 1), (300.0, 1)])
def test_a_second_copy_within_the_window_is_accepted_and_not_delivered(window: float, delivered: int) -> None:
    run = published_twice(window)
    assert run.effects() == [(5, 0), (8, 0)]
    assert run.effects("u") == [(5.5, 0), (8.5, 0)][:delivered]
    assert run.value("topics.u", "stored") == delivered


@pytest.mark.parametrize(("window", "delivered"), [(3.0, 2), (3.5, 1)])
def test_the_window_counts_from_when_the_first_copy_was_stored(window: float, delivered: int) -> None:
    run = published_twice(window, latency=0.25)
    assert run.effects("u") == [(6.0, 0), (9.0, 0)][:delivered]
    assert run.value("topics.u", "stored") == delivered


@pytest.mark.parametrize("latency", [0.0, 0.25])
def test_what_the_broker_itself_moves_back_is_no_second_copy(latency: float) -> None:
    """Dead-lettered at 3 s and moved back to the topic at 5 s, well within the window."""
    letters = {"topic": "d", "redrive_after": 2.0, "redrive_to": "topic"}
    group = {"service": 1.0, "visibility_timeout": 2.0, "redelivery": {"max_deliveries": 1}, "dead_letter": letters}
    broker = {"profile": "sqs", "publish_latency": latency}
    run = played(group, errors(4.0), events=1, fifo=True, broker=broker)
    assert run.trail("redrives") == [(5.0 + latency, 0)]
    assert run.effects() == [(6.0 + 2 * latency, 0)]
