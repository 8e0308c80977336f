"""Clients that do not know, against schedules worked out by hand: lost requests and lost answers, patience, buffers, outboxes.

What is the same everywhere stands in `published.py`: event k is produced at k + 1; undisturbed, its leader acknowledges it then
and all of them at k + 1.5. A failed try is repeated after 1 s.
"""

from __future__ import annotations

import pytest
from played import Tables, fault
from published import Published, cut, down

LEADER: Tables = {"acks": "leader"}
SURE: Tables = {"acks": "all", "idempotent": True}
SHORT: Tables = {**LEADER, "request_timeout": 1.5}
REQUESTS = cut(["producers.p"], ["broker"], 4.2, 7.0, one_way=True)
ANSWERS = cut(["broker"], ["producers.p"], 4.2, 7.0, one_way=True)
ONE: Tables = {"arrivals": {"process": "constant", "rate": 1.0, "start": 4.0, "limit": 1}}
"""A single event, produced at 5."""
INSTANCE = "producers.p[0]"


def undisturbed(*events: int, after: float = 0.0) -> list[tuple[float, int]]:
    return [(event + 1.0 + after, event) for event in events]


# -- what gets lost on the way --


def test_a_lost_request_stores_nothing_and_a_lost_answer_stores_twice() -> None:
    """Events 4 and 5 are sent into a cut of 2 s, time out after 2 s, and go again a second later."""
    asked = {**LEADER, "request_timeout": 2.0}
    lost = Published(asked, {**REQUESTS, "for": 2.0}, duration=10.0)
    assert lost.records() == [0, 1, 2, 3, 6, 7, 4, 8, 5, 9]
    unheard = Published(asked, {**ANSWERS, "for": 2.0}, duration=10.0)
    assert unheard.records() == [0, 1, 2, 3, 4, 5, 6, 7, 4, 8, 5, 9]
    for run in (lost, unheard):
        assert run.acknowledged()[4:7] == [(8, 4), (9, 5), (7, 6)]
        assert run.retries() == [(8, 4), (9, 5)]
        assert run.believed() == {}
    assert unheard.trail("duplicates") == [(8.5, 4), (9.5, 5)]
    assert unheard.value("topics.t", "stored") == 12


def test_brokers_know_again_what_an_idempotent_producer_repeats() -> None:
    """The answer to event 3 was to come at 4.5; it times out at 6, and the connection with it: 4 and 5 go again too, at 7."""
    run = Published({**SURE, "request_timeout": 2.0}, {**ANSWERS, "for": 2.0}, duration=10.0)
    assert run.records() == list(range(10))
    assert run.retries() == [(7, 3), (7, 4), (7, 5)]
    assert run.acknowledged()[2:7] == [(3.5, 2), (7, 3), (7, 4), (7, 5), (7.5, 6)]


def test_what_gets_lost_is_drawn_anew_for_every_try() -> None:
    """Half of the requests and half of the answers: no try of an event has the luck of another."""
    links = {"producers.p -> broker": {"loss": 0.5}, "broker -> producers.p": {"loss": 0.5}}
    patient = {**SHORT, "retry": {"backoff": "fixed", "base": 0.25}, "arrivals": {"process": "constant", "rate": 20.0}}
    run = Published({**patient, "request_timeout": 0.5}, network={"links": links}, duration=40.0)
    tries = [1 + sum(event == each for _, event in run.retries()) for each in range(600)]
    assert {1, 2, 3, 4, 5} <= set(tries)
    assert sum(tries) / 600 == pytest.approx(4.0, abs=0.4)


def test_latencies_add_up() -> None:
    """A quarter of a second there, half of one to the followers, an eighth back."""
    ways = {"publish_latency": 0.25, "acknowledge_latency": 0.125}
    for faults in ((), (down("crash", 100.0, 1.0),)):
        run = Published(SURE, *faults, broker=ways, duration=5.0)
        assert run.available()[:4] == undisturbed(*range(4), after=0.75)
        assert run.acknowledged()[:4] == undisturbed(*range(4), after=0.875)
        assert run.believed() == {"waiting": [4]}
        assert run.value("producers.p", "publish_latency_mean") == pytest.approx(0.875)


def test_an_answer_that_is_on_its_way_when_its_node_dies_arrives() -> None:
    """Event 3 was stored at 4.25 and is acknowledged at 4.375, though it dies with its leader at 4.3; 4 is refused at 5.25."""
    ways = {"publish_latency": 0.25, "acknowledge_latency": 0.125}
    run = Published(LEADER, down("crash", 4.3, 4.0), broker=ways, duration=7.5)
    assert run.acknowledged()[3] == (4.375, 3)
    assert run.retries() == [(6.375, 4), (7.375, 5)]
    assert run.lost() == [3]


# -- patience --


def test_a_producer_gives_up_what_it_could_not_deliver_in_time() -> None:
    """Event 4, sent at 5, 7.5 and 9.5, has until 10; 5 until 11; 6 is sent at 11.5, when the cut is over. Who waits for an
    answer from a dead connection fails with the first that times out on it."""
    timed = {**SHORT, "delivery_timeout": 5.0}
    run = Published(timed, REQUESTS, duration=14.0)
    assert run.believed() == {"failed": [4, 5]}
    assert [time for time, event in run.retries() if event in (4, 5)] == [7.5, 7.5, 9.5, 9.5]
    assert run.acknowledged()[4:8] == [(11.5, event) for event in (6, 7, 8, 9)]
    unheard = Published(timed, ANSWERS, duration=14.0)
    assert unheard.believed() == {"phantom": [4, 5]}
    assert unheard.records()[4:13] == [4, 5, 6, 4, 5, 7, 8, 4, 5]
    assert unheard.value("system", "phantom_rate") == 2 / 12


def test_without_a_second_try_what_is_not_answered_has_failed() -> None:
    run = Published({**SHORT, "retry": {"max_attempts": 1}}, ANSWERS, duration=14.0)
    assert run.believed() == {"phantom": [4, 5, 6, 7, 8, 9, 10]}
    assert run.records() == list(range(14))
    assert run.retries() == []


DEAF: Tables = {**SHORT, "retry": {"max_attempts": 1}}
UNHEARD = cut(["broker"], ["producers.p"], 4.2, 99.0, one_way=True)


def test_there_may_be_more_phantoms_than_acknowledged_events() -> None:
    """The first four are acknowledged, and of the others all but the last two have been waited for."""
    run = Published(DEAF, UNHEARD, duration=14.0)
    assert run.believed() == {"phantom": [4, 5, 6, 7, 8, 9, 10, 11], "unconfirmed": [12, 13]}
    summary = run.result.summary.set_index(["component", "metric"])
    assert summary.loc[("system", "phantom_rate"), "mean"] == 8 / 4


def test_what_was_not_acknowledged_is_not_lost() -> None:
    """Every attempt is given up before its effect, and nothing is published after that: of all four that count."""
    work = {"dependencies": ["d"], "timeout": 0.25, "redelivery": {"max_deliveries": 1}, "publishes": [{"topic": "u"}]}
    run = Published(DEAF, UNHEARD, duration=14.0, consumer=work, dependencies={"d": {"latency": 0.375}})
    assert run.value("consumers.c", "unpublished") == 13
    assert run.value("system", "loss_rate") == 1


@pytest.mark.parametrize(
    ("retry", "sends"),
    [
        ({"backoff": "exponential", "base": 0.5, "factor": 2.0, "cap": 1.5}, [5, 5.75, 7, 8.75, 10.5, 12.25]),
        ({"backoff": "linear", "base": 0.5}, [5, 5.75, 7, 8.75, 11, 13.75]),
        ({"delays": [1.75, 0.75]}, [5, 7, 8, 9, 10, 11, 12]),
        ({"backoff": "fixed", "base": 0.75, "max_attempts": 3}, [5, 6, 7]),
        ({"backoff": "fixed", "base": 0.75, "max_elapsed": 3.0}, [5, 6, 7, 8]),
    ],
)
def test_tries_follow_the_backoff(retry: Tables, sends: list[float]) -> None:
    """A try that is not answered is waited for a quarter of a second."""
    run = Published({**LEADER, **ONE, "request_timeout": 0.25, "retry": retry}, REQUESTS, duration=15.0)
    assert [5.0, *(time for time, _ in run.retries())] == sends
    assert run.believed() == ({} if sends[-1] > 11.2 else {"failed": [0]})


def test_an_answer_at_the_instant_of_its_timeout_is_in_time() -> None:
    for timeout, retries in ((0.5, []), (0.499, [(6.499, 0)])):
        run = Published({**SURE, **ONE, "request_timeout": timeout}, down("crash", 100.0, 1.0), duration=7.0)
        assert run.retries() == retries
        assert run.records() == [0]
    assert run.acknowledged() == [(6.499, 0)]


def test_who_waits_less_than_the_copies_take_tries_again() -> None:
    """Copies take 3 s: without idempotence two more are stored before the first is answered. `delivery_timeout` counts too."""
    slow = {"replication_lag": 3.0}
    run = Published({"acks": "all", **ONE, "request_timeout": 1.0}, broker=slow, duration=12.0)
    assert run.records()[:3] == [0, 0, 0]
    given_up = Published({**SURE, **ONE, "delivery_timeout": 2.0}, broker=slow, duration=12.0)
    assert given_up.believed() == {"phantom": [0]}


def test_what_is_not_known_at_the_end_is_waiting_or_unconfirmed() -> None:
    patient = {**LEADER, "request_timeout": 100.0}
    assert Published(patient, {**REQUESTS, "for": 70.0}, duration=8.0).believed() == {"waiting": [4, 5, 6, 7]}
    assert Published(patient, {**ANSWERS, "for": 70.0}, duration=8.0).believed() == {"unconfirmed": [4, 5, 6, 7]}


# -- buffers --

WHOLE = cut(["producers.p"], ["broker"], 4.2, 7.0)


def test_who_finds_no_room_waits_for_it_and_then_gives_up() -> None:
    """Events 4 and 5 fill the buffer until 12.5. Event 6 waits from 7 to 9.5, 7 to 10.5, 8 to 11.5 and 9 to 12.5, just too
    short; 10 and 11 are let in then."""
    full = {**SHORT, "buffer": 2, "overflow": "block", "max_block": 2.5}
    run = Published(full, WHOLE, duration=14.0)
    assert run.believed() == {"failed": [6, 7, 8, 9]}
    assert run.acknowledged()[4:] == [*((12.5, event) for event in (4, 5, 10, 11)), (13, 12), (14, 13)]
    assert run.value("producers.p", "blocked_time") == 5.5
    patient = Published({**full, "max_block": 100.0}, WHOLE, duration=14.0)
    assert patient.believed() == {}
    assert patient.value("producers.p", "blocked_time") == 5.5


def test_who_does_not_wait_for_room_drops() -> None:
    run = Published({**SHORT, "buffer": 2, "overflow": "drop"}, WHOLE, duration=14.0)
    assert run.believed() == {"failed": [6, 7, 8, 9, 10, 11]}
    assert run.value("producers.p", "blocked_time") == 0


def test_what_is_not_acknowledged_takes_room_while_nothing_is_broken_too() -> None:
    """Copies take 2.5 s. Event 2 waits from 3 to 3.5, 3 from 4 to 4.5, 4 from 5 to 6, 5 until 7, and 6 until the end at 8."""
    small = {**SURE, "buffer": 2, "overflow": "block", "max_block": 100.0}
    run = Published(small, down("crash", 100.0, 1.0), broker={"replication_lag": 2.5}, duration=8.0)
    assert run.passage.stored[:5].tolist() == [1, 2, 3.5, 4.5, 6]
    assert run.value("producers.p", "blocked_time") == 0.5 + 0.5 + 3.0


def test_a_batch_goes_when_it_is_full_or_has_lingered() -> None:
    full = Published({**SURE, "linger": 2.5, "batch": 3}, duration=10.0)
    assert full.acknowledged() == [(3.5, 0), (3.5, 1), (3.5, 2), (6.5, 3), (6.5, 4), (6.5, 5), (9.5, 6), (9.5, 7), (9.5, 8)]
    assert full.believed() == {"waiting": [9]}
    lingering = Published({**SURE, "linger": 1.5, "batch": 3}, duration=8.0)
    assert lingering.acknowledged() == [(3, 0), (3, 1), (5, 2), (5, 3), (7, 4), (7, 5)]
    assert lingering.believed() == {"waiting": [6, 7]}


# -- instances --


def test_a_crashed_instance_takes_along_what_it_has_not_heard_of() -> None:
    """Event 3 is stored at 4; the answer comes at 4.5, also too late for a crash at that instant. Nobody takes event 4."""
    for crash in (4.2, 4.5):
        run = Published(SURE, fault("crash", crash, 1.0, INSTANCE), duration=8.0)
        assert run.believed() == {"phantom": [3], "failed": [4], "unconfirmed": [7]}
        assert run.records() == [0, 1, 2, 3, 5, 6, 7]
    run = Published(LEADER, fault("crash", 4.2, 1.0, INSTANCE), broker={"acknowledge_latency": 0.5}, duration=8.0)
    assert run.believed() == {"phantom": [3], "failed": [4], "unconfirmed": [7]}


def test_a_planned_stop_of_an_instance_takes_no_more_and_hears_the_rest() -> None:
    run = Published(SURE, fault("stop", 4.2, 2.0, INSTANCE), duration=8.0)
    assert run.believed() == {"failed": [4, 5], "unconfirmed": [7]}
    assert run.acknowledged()[3] == (4.5, 3)


def test_an_instance_that_stands_still_hears_and_sends_when_it_goes_on() -> None:
    run = Published(SURE, fault("pause", 4.2, 2.5, INSTANCE), duration=8.0)
    assert run.passage.stored[:8].tolist() == [1, 2, 3, 4, 6.7, 6.7, 7, 8]
    assert run.acknowledged()[3:7] == [(6.7, 3), (7.2, 4), (7.2, 5), (7.5, 6)]
    assert run.retries() == []


def test_other_instances_take_what_one_that_is_down_would_have() -> None:
    run = Published({**SURE, "instances": 2}, fault("crash", 4.2, 2.5, INSTANCE), duration=8.0)
    assert run.believed() == {"unconfirmed": [7]}
    both = Published({**SURE, "instances": 2}, fault("crash", 4.2, 2.5, "producers.p"), duration=8.0)
    assert both.believed() == {"phantom": [3], "failed": [4, 5], "unconfirmed": [7]}


# -- outboxes --

OUTBOX: Tables = {**SURE, "outbox": {"poll": 1.5}}


def test_an_outbox_is_emptied_at_every_look() -> None:
    """Looks are at 1.5, 3 (which finds what has come at that instant), 4.5, 6, 7.5, ..."""
    run = Published(OUTBOX, duration=7.0)
    assert run.passage.stored[:6].tolist() == [1.5, 3, 3, 4.5, 6, 6]
    assert run.acknowledged() == [(2, 0), (3.5, 1), (3.5, 2), (5, 3), (6.5, 4), (6.5, 5)]
    assert run.believed() == {"waiting": [6]}
    late: Tables = {**OUTBOX, "arrivals": {"process": "constant", "rate": 1.0, "start": 5.0, "limit": 1}}
    assert Published(late, duration=7.0).passage.stored[0] == 6


def test_an_outbox_publishes_again_what_it_does_not_know_to_be_published_and_loses_nothing() -> None:
    """Event 3 goes out at 4.5 and would be marked at 5; the instance is away from 4.7 to 5.7, and nobody takes event 4. The
    session is a new one, so that brokers do not know event 3 again."""
    run = Published(OUTBOX, fault("crash", 4.7, 1.0, INSTANCE), duration=10.0)
    assert run.records() == [0, 1, 2, 3, 3, 5, 6, 7, 8]
    assert run.acknowledged()[3:5] == [(6.5, 3), (6.5, 5)]
    assert run.believed() == {"failed": [4], "waiting": [9]}
    assert run.trail("duplicates") == [(6.5, 3)]


def test_an_outbox_never_gives_up() -> None:
    """A single try, which is lost until 11.2: it goes out at 6, and after a failure at the next look."""
    run = Published({**OUTBOX, **ONE, "request_timeout": 1.0, "retry": {"max_attempts": 1}}, WHOLE, duration=14.0)
    assert run.retries() == [(7.5, 0), (9, 0), (10.5, 0), (12, 0)]
    assert run.acknowledged() == [(12.5, 0)]


def test_records_that_come_in_one_request_can_be_read_together() -> None:
    """Events 0 and 1 come into being at 1 s and arrive at 1.25 s, in one request; nothing else is due then."""
    pairs = {
        "arrivals": {"process": "constant", "rate": 1.0, "size": 2, "limit": 3},
        "acks": "leader",
        "batch": 2,
        "linger": 0.5,
    }
    run = Published(pairs, broker={"nodes": 1, "replication_factor": 1, "publish_latency": 0.25}, duration=5.0)
    assert run.records() == [0, 1, 2, 3, 4, 5]
    assert run.value("consumers.c", "batch_size_mean") == 2


def test_what_cannot_be_read_yet_does_not_wait() -> None:
    """Events 0 and 1 are readable at 4 and 5 s; at the end, 4.5 s, 1, 2 and 3 are on their way."""
    run = Published({}, broker={"replication_lag": 3.0}, consumer={"batch": 1, "service": 9.0}, duration=4.5)
    assert run.available() == [(4, 0), (5, 1), (6, 2), (7, 3)]
    assert run.value("consumers.c", "wait_p50") == 0
