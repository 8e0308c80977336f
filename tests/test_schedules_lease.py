"""Leases against schedules worked out by hand, with constant times, as `leased.played` has it."""

from __future__ import annotations

import pytest
from leased import deliveries, errors, played
from played import fault

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


# -- a broker that fails --


def test_while_the_broker_is_gone_nothing_is_received_or_deleted_and_leases_run_on() -> None:
    """The delete of 3 s is not heard, and the lease of 0 is over at 6 s."""
    run = played({"visibility_timeout": 5.0}, fault("crash", 2.0, 8.0, "broker.nodes[0]"), events=2)
    assert run.attempts() == [(1, 0), (10, 0), (12, 1)]


@pytest.mark.parametrize(("lasting", "attempts"), [(2.0, [(1, 0)]), (6.0, [(1, 0), (8, 0)])])
def test_an_extension_is_tried_until_the_broker_hears_it(lasting: float, attempts: list[tuple[int, int]]) -> None:
    """Extended at 1 s, so that the lease would end at 6 s; from 4 s on it is extended again, from 8 s on it is too late."""
    group = {"instances": 2, "service": 12.0, "visibility_timeout": 5.0, "extend_lease": True}
    run = played(group, fault("crash", 2.0, lasting, "broker.nodes[0]"), events=1)
    assert run.attempts() == attempts


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
