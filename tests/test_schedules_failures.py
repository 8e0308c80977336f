"""Failures, and what is done about them, against schedules worked out by hand with constant times.

Unless a test says otherwise: a log of one partition, events that all arrive at 1 s, 2 s of work for each, one instance.
`errors` makes every attempt fail that ends within its time.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together


def played(consumer: Tables, *faults: Tables, events: int = 1, duration: float = 60.0, **more: Any) -> Played:
    group = {"topic": "t", "service": 2.0, "commit": "record", "session_timeout": 10.0, "heartbeat_interval": 1e-8}
    tables: Tables = {
        "run": {"duration": duration},
        "producers": {"p": together(events)},
        "consumers": {"c": group | consumer},
        "faults": list(faults),
    }
    return Played({**tables, **more, "consumers": {**tables["consumers"], **more.get("consumers", {})}})


def failing(start: float, end: float) -> Tables:
    """Every attempt that ends from `start` until before `end` fails."""
    return fault("errors", start, end - start, rate=1.0)


def times(happenings: list[tuple[float, int]]) -> list[float]:
    return [time for time, _ in happenings]


# -- retry topics --


def test_a_retry_topic_gives_a_record_back_exactly_after_its_delay() -> None:
    run = played({"redelivery": {"delays": [5.0]}}, failing(2, 4))
    assert run.attempts() == [(1, 0), (8, 0)]
    assert run.effects() == [(10, 0)]


def test_a_retry_topic_does_not_block_those_behind_and_adds_at_the_tail() -> None:
    """Records 0 and 1 fail at 3 and 5 s, and are back at 6 and 8 s while 2 and 3 are in hand; then they come in turn."""
    run = played({"redelivery": {"delays": [3.0]}, "batch": 1}, failing(2, 6), events=4)
    assert run.attempts() == [(1, 0), (3, 1), (5, 2), (7, 0), (9, 3), (11, 1)]


def test_only_the_group_that_failed_meets_the_record_again() -> None:
    other = {"topic": "t", "service": 0.5, "session_timeout": 10.0, "heartbeat_interval": 1.0}
    run = played({"redelivery": {"delays": [5.0]}}, failing(2, 4), consumers={"other": other})
    assert run.effects("other") == [(1.5, 0)]
    assert run.value("consumers.other", "delivered") == 1


def test_the_count_travels_with_the_record_through_a_retry_topic() -> None:
    """One delivery failed at 3 s; the instance is dead from 5 s to 25 s; the next failure is the second and last."""
    redelivery = {"delays": [5.0], "max_deliveries": 2}
    run = played({"redelivery": redelivery}, failing(2, 50), fault("crash", 5.0, 20.0))
    assert times(run.attempts()) == [1.0, 26.0]
    assert run.trail("discards") == [(28.0, 0)]


def test_a_queue_s_retry_topic_is_its_tail() -> None:
    """Message 0 fails at 3 s and is back at 4 s: behind 1 and 2, where `requeue` would have put it before them."""
    run = played(
        {"redelivery": {"through": "retry_topic", "delays": [1.0]}, "commit": None, "prefetch": 1,
         "session_timeout": None, "heartbeat_interval": None},
        failing(2, 4), events=3, broker={"profile": "rabbitmq"},
    )  # fmt: skip
    assert [event for _, event in run.attempts()] == [0, 1, 2, 0]


def test_delays_grow_from_delivery_to_delivery() -> None:
    redelivery = {"backoff": "exponential", "base": 1.0, "factor": 3.0, "cap": 5.0, "max_deliveries": 5}
    run = played({"redelivery": redelivery}, failing(2, 60))
    assert times(run.attempts()) == [1.0, 4.0, 9.0, 16.0, 23.0]  # 2 s of work and 1, 3, 5, 5 s of waiting


def test_immediate_rounds_come_before_each_delayed_one() -> None:
    redelivery = {"delays": [4.0], "immediate": 1, "max_deliveries": 4}
    run = played({"redelivery": redelivery}, failing(2, 60))
    assert times(run.attempts()) == [1.0, 3.0, 9.0, 11.0]


# -- seek --


def test_each_record_has_its_own_count_of_failures() -> None:
    """Record 0 fails once and is done; the first failure of record 1 is then not its last."""
    run = played({"redelivery": {"through": "seek", "max_deliveries": 2}}, failing(2.5, 3.5), failing(6.5, 7.5), events=2)
    assert run.attempts() == [(1, 0), (3, 0), (5, 1), (7, 1)]
    assert run.states() == {"processed": 2}


# -- tries within a delivery --


def test_tries_hold_the_worker_and_count_as_one_delivery() -> None:
    retry = {"max_attempts": 3, "backoff": "fixed", "base": 1.0}
    run = played({"retry": retry, "redelivery": {"max_deliveries": 1}}, failing(2, 7), events=2)
    assert run.attempts() == [(1, 0), (4, 0), (7, 0), (9, 1)]
    assert run.value("consumers.c", "delivered") == 2
    assert run.value("consumers.c", "held") == pytest.approx(2 / 60)


def test_no_try_begins_later_than_max_elapsed() -> None:
    """Tries begin at 1, 4 and 7 s: 6 s after the first is allowed, the one at 10 s is not."""
    retry = {"max_attempts": 9, "backoff": "fixed", "base": 1.0, "max_elapsed": 6.0}
    run = played({"retry": retry, "redelivery": {"max_deliveries": 1}}, failing(2, 60))
    assert times(run.attempts()) == [1.0, 4.0, 7.0]
    assert run.trail("discards") == [(9.0, 0)]


def test_known_poison_is_not_tried_again() -> None:
    group = {"retry": {"max_attempts": 3}, "permanent": "dead_letter", "dead_letter": {"topic": "d"}}
    run = played(group, producers={"p": {**together(1), "poison": 1.0}})
    assert run.attempts() == [(1, 0)]
    assert run.trail("moves") == [(3.0, 0)]


# -- dead letters --


@pytest.mark.parametrize(("letters", "trail"), [({"dead_letter": {"topic": "d"}}, "moves"), ({}, "discards")])
def test_the_last_delivery_leads_to_the_dead_letters_or_nowhere(letters: Tables, trail: str) -> None:
    run = played({"redelivery": {"through": "seek", "max_deliveries": 3}, **letters}, failing(2, 60))
    assert times(run.attempts()) == [1.0, 3.0, 5.0]
    assert run.trail(trail) == [(7.0, 0)]


def test_a_redrive_comes_exactly_when_due_and_counts_anew() -> None:
    """Dead-lettered at 5 s after two deliveries; redriven at 15 s; fails at 17 s, and its second delivery is a success."""
    group = {
        "redelivery": {"through": "seek", "max_deliveries": 2},
        "dead_letter": {"topic": "d", "redrive_after": 10.0},
    }
    run = played(group, failing(2, 18))
    assert times(run.attempts()) == [1.0, 3.0, 15.0, 17.0]
    assert run.effects() == [(19.0, 0)]
    assert run.value("consumers.c", "saved") == 1


@pytest.mark.parametrize(("redrive_times", "moves"), [(0, [3.0]), (1, [3.0, 10.0]), (2, [3.0, 10.0, 17.0])])
def test_an_event_is_redriven_at_most_redrive_times(redrive_times: int, moves: list[float]) -> None:
    letters = {"topic": "d", "redrive_after": 5.0, "redrive_times": redrive_times}
    run = played({"redelivery": {"max_deliveries": 1}, "dead_letter": letters}, failing(2, 60))
    assert times(run.trail("moves")) == moves
    assert run.states() == {"dead_lettered": 1}


def test_redrive_rate_spaces_the_redrives() -> None:
    """Dead-lettered at 3, 5 and 7 s, due at 13, 15 and 17 s; one in 4 s is let through."""
    letters = {"topic": "d", "redrive_after": 10.0, "redrive_rate": 0.25}
    run = played({"redelivery": {"max_deliveries": 1}, "dead_letter": letters}, failing(2, 8), events=3)
    assert run.trail("redrives") == [(13.0, 0), (17.0, 1), (21.0, 2)]


@pytest.mark.parametrize(("way", "seen"), [("group", [1.5]), ("topic", [1.5, 13.5])])
def test_a_redrive_to_the_topic_is_seen_by_every_group(way: str, seen: list[float]) -> None:
    letters = {"topic": "d", "redrive_after": 10.0, "redrive_to": way}
    other = {"topic": "t", "service": 0.5, "session_timeout": 10.0, "heartbeat_interval": 1.0}
    run = played({"redelivery": {"max_deliveries": 1}, "dead_letter": letters}, failing(2, 4), consumers={"other": other})
    assert run.effects() == [(15, 0)]
    assert times(run.effects("other")) == seen


def test_a_group_that_reads_the_dead_letters_meets_the_event_at_its_move() -> None:
    reader = {"topic": "d", "service": 0.5, "session_timeout": 10.0, "heartbeat_interval": 1.0}
    group = {"redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "d"}}
    run = played(group, failing(2, 60), events=2, consumers={"reader": reader})
    assert run.effects("reader") == [(3.5, 0), (5.5, 1)]


# -- idempotency --

MARKED = {"idempotency": {"ttl": 1000.0, "latency": 0.5}, "commit": "batch", "batch": 2}
"""Look-up from 1 to 1.5 s, effect at 3.5 s, mark durable at 4 s, the second event until 7 s, commit at 7 s."""


@pytest.mark.parametrize(
    ("crash", "effects", "suppressed"),
    [
        (3.5, [(17.0, 0), (20.0, 1)], 0),  # at the instant of the effect, which it precedes
        (3.7, [(3.5, 0), (17.2, 0), (20.2, 1)], 0),  # between effect and mark: doubled
        (4.0, [(3.5, 0), (17.5, 0), (20.5, 1)], 0),
        (4.2, [(3.5, 0), (18.2, 1)], 1),  # marked, not committed: look-ups of 0 at 15.2 s and of 1 at 15.7 s
    ],
)
def test_a_crash_between_effect_and_mark_doubles_and_after_the_mark_does_not(
    crash: float, effects: list[tuple[float, int]], suppressed: int
) -> None:
    """Back at once, it waits for its own session to end: it begins again 11 s after the crash."""
    run = played(MARKED, fault("crash", crash, 1.0), events=2)
    assert run.effects() == effects
    assert run.value("consumers.c", "suppressed") == suppressed


@pytest.mark.parametrize("crash", [3.2, 3.5, 3.7, 4.2])
def test_a_transaction_of_effect_and_mark_never_doubles(crash: float) -> None:
    idempotency = {"order": "transaction", "ttl": 1000.0, "latency": 0.5}
    run = played({**MARKED, "idempotency": idempotency}, fault("crash", crash, 1.0), events=2)
    assert run.value("consumers.c", "duplicate_effects") == 0
    assert run.states() == {"processed": 2}


def test_a_mark_that_has_expired_suppresses_nothing() -> None:
    group = {**MARKED, "idempotency": {"ttl": 5.0}, "service": 2.0}
    run = played(group, fault("crash", 4.0, 1.0), events=2)
    assert [event for _, event in run.effects()] == [0, 0, 1]
