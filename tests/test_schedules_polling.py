"""Consumers of leased queues, how they poll and what they do, against schedules worked out by hand (as in `leased`)."""

from __future__ import annotations

import pytest
from leased import deliveries, errors, played
from played import fault, together

# -- deletion before the work --


def test_deleting_first_loses_what_a_crash_finds_in_hand_or_in_the_batch() -> None:
    run = played({"acknowledge": "before", "batch": 3}, fault("crash", 4.0, 1.0))
    assert run.trail("losses") == [(4.0, 1), (4.0, 2)]
    assert run.effects() == [(3, 0), (7, 3), (9, 4), (11, 5)]


def test_deleting_first_loses_nothing_at_a_planned_stop() -> None:
    run = played({"acknowledge": "before", "batch": 3}, fault("stop", 4.0, 30.0), events=3)
    assert run.effects() == [(3, 0), (5, 1), (7, 2)]


def test_what_was_deleted_first_comes_back_only_if_it_is_sent_again() -> None:
    run = played({"acknowledge": "before", "visibility_timeout": 3.0}, errors(4.0), events=2)
    assert run.trail("discards") == [(3.0, 0)]
    redelivery = {"through": "retry_topic", "delays": [1.0]}
    run = played({"acknowledge": "before", "redelivery": redelivery}, errors(4.0), events=2)
    assert run.attempts() == [(1, 0), (3, 1), (5, 0)]


# -- polling --


def test_a_long_poll_ends_with_the_first_message_and_idle_polls_are_counted() -> None:
    """Idle from 0 to 50 s and from 52 to 200 s."""
    run = played({"poll_wait": 20.0}, events=1, duration=200.0, producers={"p": together(1, at=50.0)})
    assert run.attempts() == [(50, 0)]
    assert run.value("consumers.c", "empty_polls") == 2 + 7


def test_an_idle_consumer_costs_no_event() -> None:
    """A poll a millisecond for a day."""
    run = played({"poll_wait": 0.001}, events=1, duration=86_400.0)
    assert run.value("consumers.c", "empty_polls") == pytest.approx(86_398_000, rel=1e-5)


def test_between_polls_nothing_is_received() -> None:
    """Polls last from 0 to 2, from 12 to 14 s, ..."""
    group = {"poll_wait": 2.0, "poll_interval": 10.0}
    run = played(group, producers={"p": together(1, at=5.0)}, duration=30.0)
    assert run.attempts() == [(12, 0)]
    assert run.value("consumers.c", "empty_polls") == 1 + 2
    assert played(group, producers={"p": together(1, at=2.0)}).attempts() == [(2, 0)]
    assert played(group, producers={"p": together(1, at=2.5)}).attempts() == [(12, 0)]


def test_short_polls_find_what_is_there_by_then() -> None:
    run = played({"poll_wait": 0.0, "poll_interval": 3.0}, events=1)
    assert run.attempts() == [(3, 0)]


def test_workers_poll_each_for_itself() -> None:
    run = played({"instances": 2, "concurrency": 2, "batch": 1}, events=5)
    assert run.attempts() == [(1, 0), (1, 1), (1, 2), (1, 3), (3, 4)]


def test_unlimited_workers_take_a_batch_each() -> None:
    run = played({"concurrency": "unlimited", "batch": 2}, events=6)
    assert run.attempts() == [(1, 0), (1, 2), (1, 4), (3, 1), (3, 3), (3, 5)]
    assert run.value("consumers.c", "batch_size_mean") == 2


def test_a_group_on_two_queues_takes_turns() -> None:
    producers = {"p": together(2), "q": {**together(2), "topic": "u"}}
    run = played({"topic": ["t", "u"]}, producers=producers)
    assert run.attempts(topic=0) == [(1, 0), (5, 1)]
    assert run.attempts(topic=1) == [(3, 0), (7, 1)]


# -- policies --


def test_idempotency_suppresses_a_second_delivery() -> None:
    """Instance 1 receives 0 at 4 s, looks it up, and both work; the delivery of 7 s finds the mark of 5 s."""
    group = {"instances": 3, "service": 4.0, "visibility_timeout": 3.0, "late_delete": "fails"}
    run = played({**group, "idempotency": {"ttl": 100.0}}, events=1)
    assert run.effects() == [(5, 0), (8, 0)]
    assert run.trail("suppressions") == [(7.0, 0)]


def test_a_retry_holds_its_lease_and_its_worker() -> None:
    """Tries from 1 to 3 and from 4 to 6 s; the lease is over at 4.5 s and instance 1 receives it."""
    group = {"instances": 2, "visibility_timeout": 3.5, "retry": {"delays": [1.0]}}
    run = played(group, errors(4.0), events=1)
    assert run.attempts() == [(1, 0), (4, 0), (4.5, 0)]
    assert run.effects() == [(6, 0), (6.5, 0)]


def test_a_breaker_that_pauses_takes_nothing_and_leases_run_on() -> None:
    """0 fails at 3 s and opens the breaker until 8 s; 1, received with it, waits in hand, but its lease ends at 5 s.
    From 8 s on it is the probe, whose late deletion works; 0 and 2 are received at 10 s."""
    breaker = {"failures": 1, "size": 1, "open_for": 5.0, "half_open_calls": 1, "on_open": "pause"}
    run = played({"batch": 2, "visibility_timeout": 4.0, "breaker": breaker}, errors(4.0), events=3)
    assert run.attempts() == [(1, 0), (3, 1), (10, 0), (12, 2)]
    assert run.effects() == [(10, 1), (12, 0), (14, 2)]
    assert deliveries(run) == [2, 1, 1]


# -- what is measured --


def test_what_is_leased_at_the_end_is_in_flight_and_what_is_visible_is_backlog() -> None:
    """At 4 s 0 is deleted, 1 in hand, 2 received with it; 3 is visible."""
    run = played({"batch": 3}, events=4, duration=4.0)
    assert run.states() == {"processed": 1, "in_flight": 2, "backlog": 1}


def test_what_a_dead_consumer_has_is_in_flight_until_its_lease_ends() -> None:
    assert played({}, fault("crash", 2.0, 50.0), events=1, duration=10.0).states() == {"in_flight": 1}
    run = played({"visibility_timeout": 5.0}, fault("crash", 2.0, 50.0), events=1, duration=10.0)
    assert run.states() == {"backlog": 1}


def test_time_without_pollers_is_not_served() -> None:
    """Crashed from 2 to 12 s of 50 s, with lag all the time."""
    run = played({"service": 2.0}, fault("crash", 2.0, 10.0), events=40, duration=50.0)
    assert run.value("consumers.c", "served") == pytest.approx(0.8)
    assert run.value("consumers.c", "availability") == pytest.approx(0.8)
    assert run.value("consumers.c", "utilization") == pytest.approx(39 / 40)


def test_a_run_that_drains_waits_for_leases() -> None:
    run = played(
        {"visibility_timeout": 25.0}, fault("crash", 2.0, 1.0), events=1,
        run={"duration": 10.0, "drain": True, "drain_limit": 100.0},
    )  # fmt: skip
    assert run.effects() == [(28, 0)]
