"""Leased queues against schedules worked out by hand, with constant times.

Unless a test says otherwise: messages arrive at 1 s, each takes 2 s, one instance receives one at a time, and a lease is
so long that it does not matter.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

ONE_KEY = {"dist": "uniform", "count": 1}


def played(
    consumer: Tables, *faults: Tables, events: int = 6, fifo: bool = False, duration: float = 60.0, **more: Any
) -> Played:
    """`fifo`: one group of messages in a FIFO queue."""
    tables: Tables = {
        "run": {"duration": duration},
        "broker": {"profile": "sqs"},
        "topics": {"t": {"fifo": fifo}},
        "producers": {"p": {**together(events), **({"keys": ONE_KEY} if fifo else {})}},
        "consumers": {"c": {"topic": "t", "service": 2.0, "batch": 1, **consumer}},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def deliveries(run: Played, name: str = "c") -> list[int]:
    journey = run.journey(name)
    return list(journey.deliveries[: len(journey.messages)])


def errors(until: float) -> Tables:
    return fault("errors", 0.0, until, rate=1.0)


# -- nobody tells of an instance that is gone --


def test_what_a_crash_leaves_comes_back_when_its_lease_ends() -> None:
    """1 is received at 3 s and its lease ends at 8 s; it stands before 4, which was sent later."""
    run = played({"visibility_timeout": 5.0}, fault("crash", 4.0, 1.0))
    assert run.effects() == [(3, 0), (7, 2), (9, 3), (11, 1), (13, 4), (15, 5)]
    assert deliveries(run) == [1, 2, 1, 1, 1, 1]


def test_a_crash_brings_back_what_is_not_deleted_of_a_batch() -> None:
    """0, 1 and 2 are received at 1 s; 1 is in hand at 4 s."""
    run = played({"batch": 3, "visibility_timeout": 8.0}, fault("crash", 4.0, 1.0))
    assert run.effects() == [(3, 0), (7, 3), (9, 4), (11, 5), (13, 1), (15, 2)]
    assert deliveries(run) == [1, 2, 2, 1, 1, 1]


def test_a_planned_stop_finishes_what_is_in_hand_and_leaves_the_rest_to_their_leases() -> None:
    run = played({"batch": 3, "visibility_timeout": 8.0}, fault("stop", 4.0, 3.0), events=3)
    assert run.effects() == [(3, 0), (5, 1), (11, 2)]
    assert deliveries(run) == [1, 1, 2]


def test_a_paused_instance_loses_its_leases_and_its_effects_still_happen() -> None:
    """Frozen from 2 to 10 s with 1 s of 0 left; instance 1 receives 0 at 6 s, when its lease ends."""
    group = {"instances": 2, "visibility_timeout": 5.0}
    run = played(group, fault("pause", 2.0, 8.0, "consumers.c[0]"), events=1)
    assert run.effects() == [(8, 0), (11, 0)]


def test_a_frozen_instance_receives_nothing_and_goes_on_when_it_thaws() -> None:
    run = played({}, fault("pause", 0.5, 8.0), events=1)
    assert run.attempts() == [(8.5, 0)]


def test_what_an_instance_was_called_for_at_its_crash_is_another_ones() -> None:
    """The message and the crash fall together; the crash comes first."""
    run = played({"instances": 2}, fault("crash", 1.0, 50.0, "consumers.c[0]"), events=1)
    assert run.attempts() == [(1, 0)]


def test_a_crash_at_the_instant_of_a_completion_precedes_it() -> None:
    run = played({"visibility_timeout": 5.0}, fault("crash", 3.0, 1.0), events=1)
    assert run.effects() == [(8, 0)]


# -- leases --


def test_each_message_of_a_batch_has_its_lease_from_the_receive() -> None:
    """Received at 1 s, leases until 4 s: instance 1 receives 1 and 2 then, and both work on each."""
    run = played({"instances": 2, "batch": 3, "visibility_timeout": 3.0}, events=3)
    assert run.effects() == [(3, 0), (5, 1), (6, 1), (7, 2), (8, 2)]
    assert deliveries(run) == [1, 2, 2]


def test_a_late_deletion_that_works_ends_it() -> None:
    """Both leases are over before the work is done, and nobody else polls."""
    run = played({"batch": 3, "visibility_timeout": 3.0}, events=3)
    assert run.effects() == [(3, 0), (5, 1), (7, 2)]
    assert deliveries(run) == [1, 1, 1]


def test_a_late_deletion_that_fails_leaves_it_to_whoever_has_it() -> None:
    """Instance 0 has received 2 at 1 s and at 7 s, instance 1 at 4 s: the one of 7 s deletes it at 9 s."""
    group = {"instances": 2, "batch": 3, "visibility_timeout": 3.0, "late_delete": "fails"}
    run = played(group, events=3)
    assert run.effects() == [(3, 0), (5, 1), (6, 1), (7, 2), (8, 2), (9, 2)]
    assert deliveries(run) == [1, 2, 3]


def test_a_completion_at_the_instant_at_which_the_lease_ends_is_in_time() -> None:
    run = played({"instances": 2, "visibility_timeout": 2.0, "late_delete": "fails"}, events=1)
    assert run.attempts() == [(1, 0)]


@pytest.mark.parametrize(("service", "timeout"), [(7.0, 2.0), (6.5, 2.0), (5.0, 4.0), (3.0, 4.0)])
def test_with_idle_pollers_a_message_is_received_once_more_for_each_lease_that_its_service_outlasts(
    service: float, timeout: float
) -> None:
    run = played({"instances": 5, "service": service, "visibility_timeout": timeout}, events=1)
    received = 1 + int(service // timeout)
    assert run.effects() == [(1 + n * timeout + service, 0) for n in range(received)]
    assert run.value("consumers.c", "duplicate_effects") == received - 1


def test_an_extended_lease_lasts_as_long_as_the_work() -> None:
    run = played({"instances": 5, "service": 7.0, "visibility_timeout": 2.0, "extend_lease": True}, events=1)
    assert run.effects() == [(8, 0)]
    assert deliveries(run) == [1]


@pytest.mark.parametrize("kind", ["crash", "pause"])
def test_an_extended_lease_ends_a_full_timeout_after_the_last_extension(kind: str) -> None:
    """Extended at 1, 2 and 3 s."""
    group = {"instances": 2, "service": 7.0, "visibility_timeout": 2.0, "extend_lease": True}
    run = played(group, fault(kind, 3.5, 40.0, "consumers.c[0]"), events=1)
    assert run.attempts() == [(1, 0), (5, 0)]


def test_an_instance_that_thaws_in_time_extends_at_once() -> None:
    """Extended at 1, 2, 3 s; frozen from 3.5 to 4.5 s; then extended at 4.5, 5.5, ... while the work lasts until 9 s."""
    group = {"instances": 2, "service": 7.0, "visibility_timeout": 2.0, "extend_lease": True}
    run = played(group, fault("pause", 3.5, 1.0, "consumers.c[0]"), events=1)
    assert run.effects() == [(9, 0)]
    assert deliveries(run) == [1]


def test_a_failure_ends_the_extension() -> None:
    """Extended at 1, 2, 3 s, failed at 3.5 s, back at 5 s."""
    run = played({"service": 2.5, "visibility_timeout": 2.0, "extend_lease": True}, errors(4.0), events=1)
    assert run.attempts() == [(1, 0), (5, 0)]


def test_what_waits_in_a_batch_is_not_extended() -> None:
    """0 is worked on from 1 to 4 s; the lease of 1 ends at 3 s, and it is no use to extend it at 4 s."""
    group = {"instances": 2, "service": 3.0, "batch": 2, "visibility_timeout": 2.0, "extend_lease": True}
    run = played(group, events=2)
    assert run.effects() == [(4, 0), (6, 1), (7, 1)]


def test_a_batch_served_as_one_is_extended_as_one() -> None:
    group = {"instances": 2, "service": 7.0, "batch": 3, "visibility_timeout": 2.0, "extend_lease": True}
    run = played({**group, "service_per": "batch"}, events=3)
    assert run.effects() == [(8, 0), (8, 1), (8, 2)]
    assert deliveries(run) == [1, 1, 1]


# -- failures --


def test_a_failure_is_left_to_its_lease_and_others_come_first() -> None:
    """0 fails at 3 s and is back at 6 s, before 3."""
    run = played({"visibility_timeout": 5.0}, errors(4.0), events=4)
    assert run.attempts() == [(1, 0), (3, 1), (5, 2), (7, 0), (9, 3)]


def test_a_message_that_always_fails_is_dead_lettered_after_its_receives_times_the_timeout() -> None:
    group = {"visibility_timeout": 5.0, "redelivery": {"max_deliveries": 3}, "dead_letter": {"topic": "d"}}
    run = played(group, errors(60.0), events=1)
    assert run.attempts() == [(1, 0), (6, 0), (11, 0)]
    assert run.trail("moves") == [(16.0, 0)]
    assert run.states() == {"dead_lettered": 1}


def test_without_a_dead_letter_topic_it_is_discarded() -> None:
    run = played({"visibility_timeout": 5.0, "redelivery": {"max_deliveries": 2}}, errors(60.0), events=1)
    assert run.trail("discards") == [(11.0, 0)]


def test_receives_that_a_crash_cuts_short_count() -> None:
    group = {"visibility_timeout": 5.0, "redelivery": {"max_deliveries": 2}, "dead_letter": {"topic": "d"}}
    run = played(group, fault("crash", 2.0, 1.0), fault("crash", 7.0, 1.0), events=1)
    assert run.trail("moves") == [(11.0, 0)]


def test_a_message_can_be_dead_lettered_while_it_is_worked_on() -> None:
    """Received at 1 s and at 3 s; moved at 5 s; both effects happen, and it counts as processed."""
    group = {"instances": 5, "service": 7.0, "visibility_timeout": 2.0, "redelivery": {"max_deliveries": 2}}
    run = played({**group, "dead_letter": {"topic": "d"}}, events=1)
    assert run.trail("moves") == [(5.0, 0)]
    assert run.effects() == [(8, 0), (10, 0)]
    assert run.states() == {"processed": 1}


def test_a_delay_changes_the_visibility() -> None:
    run = played({"redelivery": {"delays": [1.5, 4.0]}}, errors(7.0), events=1)
    assert run.attempts() == [(1, 0), (4.5, 0), (10.5, 0)]
    delays = run.journey().delays
    assert list(zip(delays["start"], delays["end"], strict=True)) == [(3.0, 4.5), (6.5, 10.5)]


def test_a_delay_is_no_use_once_the_lease_is_over() -> None:
    """Instance 0 fails at 3 s, when instance 1 has it since 2.5 s; that fails at 4.5 s, its lease over since 4 s."""
    group = {"instances": 2, "visibility_timeout": 1.5, "redelivery": {"delays": [20.0]}}
    run = played(group, errors(5.0), events=1)
    assert run.attempts()[:3] == [(1, 0), (2.5, 0), (4, 0)]
    assert not len(run.journey().delays)


def test_immediate_rounds_come_back_at_once() -> None:
    run = played({"redelivery": {"immediate": 1, "delays": [3.0]}}, errors(10.5), events=1)
    assert run.attempts() == [(1, 0), (3, 0), (8, 0), (10, 0)]


def test_immediate_rounds_without_a_delay_alternate_with_the_lease() -> None:
    run = played({"visibility_timeout": 6.0, "redelivery": {"immediate": 1}}, errors(11.5), events=1)
    assert run.attempts() == [(1, 0), (3, 0), (9, 0), (11, 0)]


def test_a_retry_topic_settles_it_and_sends_it_again_to_the_tail() -> None:
    redelivery = {"through": "retry_topic", "delays": [1.0], "max_deliveries": 2}
    run = played({"redelivery": redelivery}, errors(4.0), events=3)
    assert run.attempts() == [(1, 0), (3, 1), (5, 2), (7, 0)]
    run = played({"redelivery": redelivery}, errors(60.0), events=1)
    assert run.attempts() == [(1, 0), (4, 0)]
    assert run.trail("discards") == [(6.0, 0)]


@pytest.mark.parametrize(("permanent", "trail"), [("dead_letter", "moves"), ("discard", "discards")])
def test_a_failure_known_to_be_permanent_is_given_up_at_once(permanent: str, trail: str) -> None:
    run = played({"poison": 1.0, "permanent": permanent, "dead_letter": {"topic": "d"}}, events=2)
    assert run.trail(trail) == [(3.0, 0), (5.0, 1)]
    assert deliveries(run) == [1, 1]


def test_a_redriven_message_starts_a_new_receive_count() -> None:
    """Moved at 5 s after two receives, back at 8 s, moved again at 12 s."""
    group = {"visibility_timeout": 2.0, "service": 1.0, "redelivery": {"max_deliveries": 2}}
    letters = {"topic": "d", "redrive_after": 3.0}
    run = played({**group, "dead_letter": letters}, errors(60.0), events=1)
    assert run.attempts() == [(1, 0), (3, 0), (8, 0), (10, 0)]
    assert run.trail("moves") == [(5.0, 0), (12.0, 0)]
    assert run.trail("redrives") == [(8.0, 0)]


def test_dead_letters_are_redriven_at_their_rate() -> None:
    group = {"visibility_timeout": 4.0, "service": 0.0, "redelivery": {"max_deliveries": 1}, "batch": 3}
    letters = {"topic": "d", "redrive_after": 1.0, "redrive_rate": 0.5}
    run = played({**group, "dead_letter": letters}, errors(5.5), events=3)
    assert run.trail("redrives") == [(6.0, 0), (8.0, 1), (10.0, 2)]
    assert run.effects() == [(6, 0), (8, 1), (10, 2)]


def test_a_dead_letter_queue_can_be_read() -> None:
    group = {"visibility_timeout": 4.0, "redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "d"}}
    consumers = {"c": {"topic": "t", "service": 2.0, **group}, "d": {"topic": "d", "service": 1.0}}
    run = played({}, errors(60.0), events=1, consumers=consumers)
    assert run.effects("d") == [(6, 0)]


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


def published_twice(window: float) -> Played:
    """The handler of t publishes to u at 5 s and, because it outlasts its lease, at 8 s; u has handled the first by then."""
    consumers = {
        "c": {"topic": "t", "service": 4.0, "instances": 2, "visibility_timeout": 3.0, "publishes": [{"topic": "u"}]},
        "u": {"topic": "u", "service": 0.5},
    }
    topics = {"u": {"fifo": True, "deduplication": window}}
    return played({}, events=1, consumers=consumers, topics=topics)


@pytest.mark.parametrize(("window", "delivered"), [(0.0, 2), (2.0, 2), (3.0, 2), (3.5, 1), (300.0, 1)])
def test_a_second_copy_within_the_window_is_accepted_and_not_delivered(window: float, delivered: int) -> None:
    run = published_twice(window)
    assert run.effects() == [(5, 0), (8, 0)]
    assert run.effects("u") == [(5.5, 0), (8.5, 0)][:delivered]
    assert run.value("topics.u", "stored") == delivered


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
