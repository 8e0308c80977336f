"""Queues that expire, drop and refuse messages, against schedules worked out by hand, with constant times.

Unless a test says otherwise: six messages arrive at 1 s, each takes 2 s, and one instance takes one at a time.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together


def played(topic: Tables, *faults: Tables, consumer: Tables | None = None, events: int = 6, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "rabbitmq"},
        "topics": {"t": topic},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "service": 2.0, "prefetch": 1, **(consumer or {})}},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def reader(topic: str = "d", **fields: Any) -> Tables:
    return {"topic": topic, "service": 0.0, **fields}


def books(run: Played, component: str) -> dict[str, int]:
    table = run.result.measurements[0].tables["books"]
    rows = zip(table["component"], table["term"], table["value"], strict=True)
    return {term: value for name, term, value in rows if name == component and value}


# -- time to live --


def test_a_message_past_its_ttl_is_dropped_at_the_head() -> None:
    run = played({"message_ttl": 5.0})
    assert run.effects() == [(3, 0), (5, 1), (7, 2)]
    assert run.trail("expiries") == [(6, 3), (6, 4), (6, 5)]
    assert run.states() == {"processed": 3, "expired": 3}
    assert run.value("topics.t", "expired") == run.value("consumers.c", "expired") == 3
    assert run.value("system", "loss_rate") == 0.5
    assert run.value("consumers.c", "lag_mean") * 60 == 6 * 2 + 5 * 2 + 4 * 1 + 1 * 1


def test_a_message_that_is_due_as_a_consumer_becomes_free_is_handed_out() -> None:
    run = played({"message_ttl": 4.0})
    assert run.effects() == [(3, 0), (5, 1), (7, 2)]
    assert run.trail("expiries") == [(5, 3), (5, 4), (5, 5)]


def test_what_waits_at_a_consumer_does_not_expire() -> None:
    run = played({"message_ttl": 3.0}, consumer={"prefetch": 3})
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3)]
    assert run.trail("expiries") == [(4, 4), (4, 5)]


def test_a_ttl_of_zero_leaves_only_what_is_handed_out_at_once() -> None:
    run = played({"message_ttl": 0.0}, consumer={"prefetch": 2})
    assert run.effects() == [(3, 0), (5, 1)]
    assert run.trail("expiries") == [(1, n) for n in range(2, 6)]


def test_the_retention_of_a_queue_is_a_ttl() -> None:
    assert played({"retention": 5.0, "message_ttl": 9.0}).trail("expiries") == [(6, 3), (6, 4), (6, 5)]


def test_a_returned_message_keeps_its_age() -> None:
    """Message 1 is in hand at 4 s, and handed out again at 5 s; the others become too old at 6 s."""
    run = played({"message_ttl": 5.0}, fault("crash", 4.0, 1.0))
    assert run.effects() == [(3, 0), (7, 1)]
    assert run.trail("expiries") == [(6, n) for n in range(2, 6)]


def test_a_message_that_comes_back_too_old_is_not_handed_out_again() -> None:
    run = played({"message_ttl": 5.0}, fault("crash", 6.5, 1.0, "consumers.c[0]"), consumer={"instances": 2})
    assert run.effects() == [(3, 0), (3, 1), (5, 2), (5, 3), (7, 5)]
    assert run.trail("expiries") == [(6.5, 4)]


def test_a_message_grows_old_in_the_delay_before_it_is_requeued() -> None:
    """It fails at 3 s; after 4 s in a delay it is 6 s old."""
    late = {"through": "requeue", "delays": [4.0], "max_deliveries": 9}
    run = played({"message_ttl": 5.0}, consumer={"transient_failure": 1.0, "redelivery": late}, events=1)
    assert run.attempts() == [(1, 0)]
    assert run.trail("expiries") == [(7, 0)]


def test_a_message_that_is_put_in_again_begins_a_new_age() -> None:
    late = {"through": "retry_topic", "delays": [4.0], "max_deliveries": 3}
    run = played({"message_ttl": 5.0}, consumer={"transient_failure": 1.0, "redelivery": late}, events=1)
    assert run.attempts() == [(1, 0), (7, 0), (13, 0)]
    assert run.states() == {"discarded": 1}


def test_expired_messages_go_to_the_dead_letter_topic() -> None:
    consumers = {"c": {"topic": "t", "service": 2.0, "prefetch": 1}, "d": reader(service=1.0)}
    run = played({"message_ttl": 5.0, "dead_letter": "d"}, consumers=consumers)
    assert run.states() == {"processed": 3, "expired": 3}
    assert run.effects("d") == [(7, 0), (8, 1), (9, 2)]
    events = run.result.events
    assert list(events.loc[events["group"] == "consumers.d", "parent"]) == [3, 4, 5]


def test_the_letters_of_each_group_are_their_own() -> None:
    """Group b takes 4 s a message: all but two expire for it. Those that expire for both are moved twice."""
    consumers = {"c": {"topic": "t", "service": 2.0, "prefetch": 1}, "d": reader()}
    consumers["b"] = {**consumers["c"], "service": 4.0}
    run = played({"message_ttl": 5.0, "dead_letter": "d"}, consumers=consumers)
    assert run.trail("expiries", "b") == [(6, n) for n in range(2, 6)]
    assert books(run, "consumers.d") == {"arrived": 4, "processed": 4}
    assert run.value("consumers.d", "duplicate_effects") == 3


def test_a_queue_that_nobody_reads_delays_what_it_moves() -> None:
    """Every second arrival is handled 5 s late; the run drains for it."""
    tables = {
        "run": {"duration": 3.5, "drain": True},
        "broker": {"profile": "rabbitmq"},
        "topics": {"wait": {"message_ttl": 5.0, "dead_letter": "t"}},
        "producers": {
            name: {"topic": topic, "arrivals": {"process": "constant", "rate": 1.0, "start": start}}
            for name, topic, start in (("p", "t", 0.0), ("q", "wait", 0.5))
        },
        "consumers": {"c": reader("t")},
    }
    run = Played(tables)
    assert [time for time, _ in run.effects()] == [1, 2, 3, 6.5, 7.5, 8.5]
    assert run.value("topics.wait", "stored") == 3


# -- length --


def test_too_many_messages_drop_the_oldest() -> None:
    """Message 0 is at the consumer and does not count."""
    run = played({"max_length": 2})
    assert run.trail("expiries") == [(1, 1), (1, 2), (1, 3)]
    assert run.effects() == [(3, 0), (5, 4), (7, 5)]
    assert books(run, "producers.p") == {"produced": 6, "published": 6}


def test_what_a_dead_consumer_returns_counts_again() -> None:
    """Four were at the consumer when it crashed, and two behind it: the oldest two are too many."""
    run = played({"max_length": 4}, fault("crash", 2.0, 1.0), consumer={"prefetch": 4})
    assert run.trail("expiries") == [(2, 0), (2, 1)]
    assert run.effects() == [(5, 2), (7, 3), (9, 4), (11, 5)]


def test_what_a_consumer_returns_to_take_it_again_is_not_too_much() -> None:
    failing = {"transient_failure": 1.0, "redelivery": {"max_deliveries": 2}}
    run = played({"max_length": 5}, consumer=failing)
    assert run.attempts()[:4] == [(1, 0), (3, 0), (5, 1), (7, 1)]
    assert run.trail("expiries") == []


@pytest.mark.parametrize(("acks", "term"), [("none", "unsent"), ("all", "failed")])
def test_a_full_queue_refuses_the_newest(acks: str, term: str) -> None:
    producers = {"p": {**together(6), "acks": acks}}
    run = played({"max_length": 2, "overflow": "reject"}, producers=producers)
    assert run.effects() == [(3, 0), (5, 1), (7, 2)]
    assert books(run, "producers.p") == {"produced": 6, "published": 3, term: 3}
    assert books(run, "consumers.c") == {"arrived": 3, "processed": 3}
    assert run.value("topics.t", "rejected") == 3
    assert run.value("topics.t", "stored") == run.value("consumers.c", "lag_max") == 3
    assert run.value("producers.p", term) == 3
    assert run.value("system", "loss_rate") == (0.5 if acks == "none" else 0.0)


def test_a_refused_message_may_go_to_the_dead_letter_topic() -> None:
    consumers = {"c": {"topic": "t", "service": 2.0, "prefetch": 1}, "d": reader()}
    run = played({"max_length": 2, "overflow": "reject_dead_letter", "dead_letter": "d"}, consumers=consumers)
    assert run.effects("d") == [(1, 0), (1, 1), (1, 2)]
    assert books(run, "producers.p") == {"produced": 6, "published": 3, "unsent": 3}


def test_what_is_refused_is_not_dead_lettered_without_being_told_to() -> None:
    consumers = {"c": {"topic": "t", "service": 2.0, "prefetch": 1}, "d": reader()}
    run = played({"max_length": 2, "overflow": "reject", "dead_letter": "d"}, consumers=consumers)
    assert run.effects("d") == []


@pytest.mark.parametrize(("acks", "term"), [("none", "published"), ("all", "phantom")])
def test_what_one_of_two_queues_refuses_is_stored_in_the_other(acks: str, term: str) -> None:
    """The queue of c takes 0 to 2. That of b takes all: its consumer has room for four."""
    consumers = {"c": {"topic": "t", "service": 2.0, "prefetch": 1}, "b": reader("t", service=1.0, prefetch=4)}
    producers = {"p": {**together(6), "acks": acks}}
    run = played({"max_length": 2, "overflow": "reject"}, consumers=consumers, producers=producers)
    assert run.states() == {"processed": 3, "expired": 3}
    assert run.states("b") == {"processed": 6}
    terms = books(run, "producers.p")
    assert sum(terms.values()) == 12
    assert terms[term] == (6 if term == "published" else 3)
    assert run.value("topics.t", "rejected") == 0
    assert run.value("topics.t", "expired") == 3


def test_publishing_to_a_full_queue_counts_as_unpublished() -> None:
    """Group c handles six at once and publishes each; the reader has room for one, its queue for two more."""
    consumers = {
        "c": {"topic": "t", "publishes": [{"topic": "next"}]},
        "d": {"topic": "next", "service": 2.0, "prefetch": 1},
    }
    topics = {"next": {"max_length": 2, "overflow": "reject"}}
    run = played({}, consumers=consumers, topics=topics)
    assert books(run, "consumers.d") == {"arrived": 3, "processed": 3}
    assert run.value("consumers.c", "unpublished") == run.value("topics.next", "rejected") == 3
    assert run.value("producers.p", "published") == 6
    assert run.value("consumers.d", "lag_max") == 3


# -- who waits for them --


def test_clients_go_on_when_what_they_sent_has_expired_or_was_refused() -> None:
    """Three clients send at 1 s; what is not handed out at once expires at 2.5 s, or is refused."""
    clients = {"p": {"topic": "t", "arrivals": {"process": "closed", "clients": 3, "think": 1.0}}}
    run = played({"message_ttl": 1.5}, producers=clients, consumer={"service": 10.0}, run={"duration": 7.0})
    produced = [round(t, 6) for t in run.journey().messages.produced]
    assert produced == [1, 1, 1, 3.5, 3.5, 6, 6]
    run = played({"max_length": 1, "overflow": "reject"}, producers=clients, consumer={"service": 9.0}, run={"duration": 3.5})
    assert [round(t, 6) for t in run.journey().messages.produced] == [1, 1, 1, 2, 3]


# -- letters of a group --


@pytest.mark.parametrize(("after", "effects", "state"), [(2.0, 1, "dead_lettered"), (9.0, 0, "expired")])
def test_a_dead_letter_is_gone_when_its_topic_says_so(after: float, effects: int, state: str) -> None:
    """It is moved at 3 s; redriven before 8 s it comes back, fails again, and rests until 60 s at least."""
    letters = {"topic": "d", "redrive_after": after}
    consumer = {"transient_failure": 1.0, "redelivery": {"max_deliveries": 1}, "dead_letter": letters}
    topics = {"t": {}, "d": {"message_ttl": 5.0 if state == "expired" else 58.0}}
    run = played({}, consumer=consumer, events=1, topics=topics)
    assert len(run.trail("redrives")) == effects
    assert run.states() == {state: 1}
    assert run.trail("fades") == ([(8, 0)] if state == "expired" else [])
    assert run.value("consumers.c", "dead_lettered") == (state == "dead_lettered")


# -- outages --


@pytest.mark.parametrize("delivery", ["queue", "log"])
def test_an_outage_loses_what_comes_in_it_but_for_the_last_that_is_kept(delivery: str) -> None:
    """Lost is l (D - R): at 10/s, of 20 s without a consumer, 5 s are kept. At the ends nothing falls together."""
    tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "rabbitmq" if delivery == "queue" else "kafka"},
        "topics": {"t": {"retention": 5.0}},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 10.0}}},
        "consumers": {"c": {"topic": "t", **({"reset": "earliest"} if delivery == "log" else {})}},
        "faults": [fault("stop", 10.05, 20.0)],
    }
    if delivery == "log":
        tables["consumers"]["c"] |= {"rebalance_time": 0.0}
    run = Played(tables)
    assert run.value("consumers.c", "expired") == 10 * (20 - 5)
    tables["topics"]["t"]["retention"] = 21.0
    assert Played(tables).value("consumers.c", "expired") == 0


@pytest.mark.parametrize("overflow", ["drop_oldest", "reject"])
def test_an_outage_loses_what_exceeds_the_queue(overflow: str) -> None:
    """Lost is l D - M."""
    arrivals = {"process": "constant", "rate": 10.0}
    producers = {"p": {"topic": "t", "arrivals": arrivals}}
    limits = {"max_length": 120, "overflow": overflow}
    run = played(limits, fault("stop", 10.05, 20.0), producers=producers, consumer={"service": 0.0})
    lost = run.value("consumers.c", "expired") if overflow == "drop_oldest" else run.value("topics.t", "rejected")
    assert lost == 10 * 20 - 120


# -- leases --


def test_a_leased_queue_deletes_what_is_too_old() -> None:
    """Message 0, received again at 5 s, is too old when its lease ends; the others are seen by nobody as they go, at 6 s."""
    run = played(
        {"retention": 5.0},
        broker={"profile": "sqs"},
        consumers={"c": {"topic": "t", "service": 2.0, "batch": 1, "transient_failure": 1.0, "visibility_timeout": 2.5}},
        run={"duration": 20.0},
    )
    assert run.attempts() == [(1, 0), (3, 1), (5, 0)]
    assert run.trail("expiries") == [(6, n) for n in range(1, 6)] + [(7.5, 0)]
    assert run.states() == {"expired": 6}


def test_unsafe_dead_letters_find_a_partition_of_their_own_topic() -> None:
    """The events of t are more than those of d have been, whatever their numbers."""
    consumer = {"transient_failure": 1.0, "redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "d", "safe": False}}
    topics = {"t": {"max_length": 9, "overflow": "reject"}, "d": {"delivery": "log", "partitions": 3}}
    run = played({}, consumer=consumer, topics=topics)
    assert run.states() == {"dead_lettered": 6}
    assert sum(len(partition.records) for partition in run.parts.channels["d"].partitions) == 6


# -- brokers that fail --


def test_without_a_leader_nothing_expires_until_there_is_one() -> None:
    """Of six at 1 s two are handled; the only node is away from 4 s to 9 s, and what is too old by then goes at once."""
    run = played({"message_ttl": 5.0}, fault("crash", 4.0, 5.0, "broker.nodes[0]"), consumer={"prefetch": 1})
    assert {time for time, _ in run.trail("expiries")} == {9.0}
    assert run.states()["expired"] >= 4


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_records_of_a_replicated_log_go_as_those_of_any_other(reset: str) -> None:
    """With three nodes and no lag between them, and a follower that fails for a while."""
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "kafka", "nodes": 3, "replication_factor": 3, "min_insync_replicas": 2, "replication_lag": 0.0},
        "topics": {"t": {"retention": 5.0}},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0, "limit": 12}}},
        "consumers": {"c": {"topic": "t", "service": 2.0, "batch": 1, "reset": reset}},
        "faults": [fault("crash", 30.0, 5.0, "broker.nodes[2]")],
    }
    run = Played(tables)
    if reset == "earliest":
        assert run.trail("expiries") == [(11, 5), (13, 7), (15, 9), (17, 11)]
    else:
        assert run.trail("losses") == [(11, n) for n in range(6, 11)]
        assert run.effects()[-1] == (14, 11)


def test_a_group_may_read_what_is_written_ahead_beside_what_is_kept_by_nodes() -> None:
    """That the queue of u refuses brings nodes with it. Topic t has only arrivals, u's dead letters are stored as they come."""
    tables: Tables = {
        "run": {"duration": 10.0},
        "broker": {"profile": "kafka"},
        "topics": {"u": {"delivery": "queue", "message_ttl": 0.5, "max_length": 1, "overflow": "reject", "dead_letter": "d"}},
        "producers": {
            name: {"topic": topic, "arrivals": {"process": "constant", "rate": rate, "limit": 3}}
            for name, topic, rate in (("p", "t", 1.0), ("q", "u", 0.5))
        },
        "consumers": {"c": {"topic": ["t", "d"], "service": 0.25}},
    }
    run = Played(tables)
    assert run.effects() == [(1.25, 0), (2.25, 1), (3.25, 2)]
    assert run.effects(topic=1) == [(2.75, 0), (4.75, 1), (6.75, 2)]
