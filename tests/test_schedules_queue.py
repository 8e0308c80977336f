"""A queue's consumers against schedules worked out by hand, with constant times.

Unless a test says otherwise: six messages arrive at 1 s, each takes 2 s, and one instance takes one at a time.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together


def played(consumer: Tables, *faults: Tables, events: int = 6, duration: float = 60.0, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": duration},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "service": 2.0, **consumer}},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def deliveries(run: Played) -> list[int]:
    journey = run.journey()
    return list(journey.deliveries[: len(journey.messages)])


# -- crashes --


@pytest.mark.parametrize("prefetch", [1, 3, None])
def test_a_crash_returns_what_was_not_acknowledged_to_its_place(prefetch: int | None) -> None:
    """Message 1 is in hand at 4 s; the instance is back at 5 s, and the order is as before."""
    run = played({} if prefetch is None else {"prefetch": prefetch}, fault("crash", 4.0, 1.0))
    assert run.effects() == [(3, 0), (7, 1), (9, 2), (11, 3), (13, 4), (15, 5)]
    returned = 5 if prefetch is None else prefetch
    assert deliveries(run) == [1] + [2] * returned + [1] * (5 - returned)


def test_a_crash_at_the_instant_of_an_acknowledgement_precedes_it() -> None:
    run = played({"prefetch": 1}, fault("crash", 3.0, 1.0))
    assert run.effects()[:2] == [(6, 0), (8, 1)]


def test_another_consumer_gets_a_returned_message_before_later_ones() -> None:
    """Instance 0 dies with message 2 in hand; instance 1 takes it as soon as it has room, at 5 s."""
    run = played({"instances": 2, "prefetch": 1}, fault("crash", 4.0, 50.0, "consumers.c[0]"))
    assert run.effects() == [(3, 0), (3, 1), (5, 3), (7, 2), (9, 4), (11, 5)]


def test_a_planned_stop_finishes_what_is_in_hand_and_returns_the_rest() -> None:
    run = played({"prefetch": 3}, fault("stop", 4.0, 4.0))
    assert run.effects() == [(3, 0), (5, 1), (10, 2), (12, 3), (14, 4), (16, 5)]
    assert deliveries(run) == [1, 1, 2, 2, 1, 1]


def test_a_crash_while_it_stops_kills_what_is_in_hand() -> None:
    run = played({"prefetch": 1}, fault("stop", 3.5, 4.0), fault("crash", 4.0, 1.0))
    assert run.effects()[:2] == [(3, 0), (9.5, 1)]


def test_a_stop_of_a_paused_instance_waits_until_it_thaws() -> None:
    """Frozen from 3.5 to 6.5 s with 1.5 s of work left; told to stop meanwhile it finishes at 8 s, and is back at 10 s."""
    run = played({"prefetch": 1}, fault("pause", 3.5, 3.0), fault("stop", 4.0, 6.0))
    assert run.effects()[:3] == [(3, 0), (8, 1), (12, 2)]


def test_acknowledging_first_loses_what_a_crash_finds_in_hand_or_in_the_buffer() -> None:
    run = played({"acknowledge": "before", "prefetch": 3}, fault("crash", 4.0, 1.0))
    assert run.trail("losses") == [(4.0, n) for n in range(1, 6)]
    assert run.effects() == [(3, 0)]


def test_acknowledging_first_loses_nothing_at_a_planned_stop() -> None:
    run = played({"acknowledge": "before"}, fault("stop", 4.0, 30.0))
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3), (11, 4), (13, 5)]


# -- silence --


def test_a_silent_consumer_is_cut_off_after_heartbeat_timeout_and_its_effects_still_happen() -> None:
    """Instance 0 freezes at 4 s with message 2 in hand, 1 s of it done, and is cut off at 9.5 s. Instance 1, which has 6 in
    hand, gets 2 at 11 s. Instance 0 thaws at 24 s, does the rest of 2, and connects again."""
    group = {"instances": 2, "prefetch": 1, "heartbeat_timeout": 5.5}
    run = played(group, fault("pause", 4.0, 20.0, "consumers.c[0]"), events=8)
    assert run.effects() == [(3, 0), (3, 1), (5, 3), (7, 4), (9, 5), (11, 6), (13, 2), (15, 7), (25, 2)]
    assert [life.member for life in run.group().lives] == [True, True]


def test_a_pause_within_the_heartbeat_timeout_only_delays() -> None:
    run = played({"prefetch": 2, "heartbeat_timeout": 5.0}, fault("pause", 4.0, 4.5))
    assert run.effects()[:3] == [(3, 0), (9.5, 1), (11.5, 2)]
    assert deliveries(run) == [1] * 6


def test_consumer_timeout_counts_from_the_hand_over_and_closes_the_channel() -> None:
    """Handed out at 1 s: at 4.5 s 1, 2 and 3 return and are handed out again at once; what is in hand goes on, is done at
    5 s, and its acknowledgement is refused, so that it is done again."""
    run = played({"prefetch": 4, "consumer_timeout": 3.5}, events=4)
    assert run.effects() == [(3, 0), (5, 1), (7, 1), (9, 2), (11, 2), (13, 3), (15, 3)]
    assert deliveries(run) == [1, 2, 3, 4]


def test_a_stopping_consumer_whose_channel_times_out_stays_away() -> None:
    group = {"service": 20.0, "single_active": True, "instances": 2, "consumer_timeout": 15.0}
    run = played(group, fault("stop", 3.0, 100.0, "consumers.c[0]"), events=1)
    assert run.effects()[:2] == [(21, 0), (36, 0)]
    assert len(run.group().lives) == 1


# -- turns --


def test_messages_are_dealt_in_turn_to_consumers_with_room() -> None:
    run = played({"instances": 3, "prefetch": 2}, events=6)
    handed = [[event for _, event in run.attempts()][n : n + 3] for n in (0, 3)]
    assert handed == [[0, 1, 2], [3, 4, 5]]
    assert run.effects() == [(3, 0), (3, 1), (3, 2), (5, 3), (5, 4), (5, 5)]


def test_prefetch_takes_messages_from_consumers_that_are_free() -> None:
    """Two instances with all they want in their buffers; a third one, which starts later, finds nothing."""
    run = played({"instances": 3}, fault("stop", 0.0, 1.5, "consumers.c[2]"), events=4)
    assert run.effects() == [(3, 0), (3, 1), (5, 2), (5, 3)]


def test_a_single_active_consumer_keeps_the_order_and_is_replaced_at_once() -> None:
    """Instance 0 alone works; it is told to stop at 4 s, finishes message 1, and instance 1 goes on."""
    group = {"instances": 2, "single_active": True, "prefetch": 1}
    run = played(group, fault("stop", 4.0, 50.0, "consumers.c[0]"), events=4)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3)]


def test_a_single_active_consumer_that_dies_hands_its_place_on() -> None:
    group = {"instances": 2, "single_active": True, "prefetch": 2}
    run = played(group, fault("crash", 4.0, 5.0, "consumers.c[0]"), events=4)
    assert run.effects() == [(3, 0), (6, 1), (8, 2), (10, 3)]


def test_unlimited_workers_take_everything_at_once() -> None:
    run = played({"concurrency": "unlimited"})
    assert run.effects() == [(3.0, n) for n in range(6)]


# -- failures --


def test_requeue_puts_a_failed_message_back_before_the_others() -> None:
    run = played({"prefetch": 1}, fault("errors", 2.0, 2.0, rate=1.0))
    assert run.attempts()[:3] == [(1, 0), (3, 0), (5, 1)]


def test_requeue_with_a_delay_keeps_its_place_but_lets_others_pass() -> None:
    """Message 0 fails at 3 s and is back after 5.5 s, first in line when 3 is done at 9 s."""
    redelivery = {"through": "requeue", "delays": [5.5]}
    run = played({"prefetch": 1, "redelivery": redelivery}, fault("errors", 2.0, 2.0, rate=1.0))
    assert [event for _, event in run.attempts()] == [0, 1, 2, 3, 0, 4, 5]
    assert run.effects()[3:5] == [(11, 0), (13, 4)]


def test_the_delivery_limit_counts_what_a_crash_cut_short() -> None:
    """Handed out at 1 s and, after a crash at 2 s, at 3 s, where it fails: that was the second and last delivery."""
    faults = [fault("crash", 2.0, 1.0), fault("errors", 4.0, 2.0, rate=1.0)]
    run = played({"redelivery": {"max_deliveries": 2}, "prefetch": 1}, *faults, events=2)
    assert run.trail("discards") == [(5.0, 0)]
    assert run.effects() == [(7, 1)]


def test_a_message_that_every_crash_finds_in_hand_reaches_the_delivery_limit() -> None:
    faults = [fault("crash", 2.0, 1.0), fault("crash", 4.0, 1.0)]
    run = played({"redelivery": {"max_deliveries": 2}, "prefetch": 1, "dead_letter": {"topic": "d"}}, *faults, events=1)
    assert run.trail("moves") == [(4.0, 0)]
    assert run.states() == {"dead_lettered": 1}


@pytest.mark.parametrize("others", [0, 1])
def test_what_a_channel_gives_up_as_it_closes_reaches_its_reader_together(others: int) -> None:
    """Three letters at 2 s are one batch for who reads them, whether or not something else is due at that instant."""
    reader = {"topic": "d"}
    writer = {"topic": "t", "service": 9.0, "consumer_timeout": 1.0, "redelivery": {"max_deliveries": 1}}
    tables: Tables = {
        "run": {"duration": 8.0},
        "broker": {"profile": "kafka"},
        "topics": {"t": {"delivery": "queue"}},
        "producers": {"p": together(3)},
        "consumers": {"c": {**writer, "dead_letter": {"topic": "d"}}, "reader": reader},
    }
    if others:
        tables["producers"]["other"] = {"topic": "o", "arrivals": {"process": "constant", "rate": 1.0}}
    assert Played(tables).value("consumers.reader", "batch_size_mean") == 3
