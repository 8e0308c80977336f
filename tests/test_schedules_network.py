"""Consumers and a network that is cut, slow or lossy, against schedules worked out by hand with constant times.

Unless a test says otherwise: one partition or queue, ten events that all arrive at 1 s, 1 s of work for each, two instances of
which the first has the partition; a cut is between `consumers.c[0]` and the broker, from 3.5 s on.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

from models.log_worker import LogWorker
from models.simple_log_worker import SimpleLogWorker

LOG: Tables = {"commit": "batch", "batch": 5, "session_timeout": 6.0, "heartbeat_interval": 1e-8}
QUEUE: Tables = {"heartbeat_timeout": 6.0, "prefetch": 2}
LEASE: Tables = {"visibility_timeout": 10.0, "batch": 3, "instances": 1}
FIRST = ["consumers.c[0]"]


def played(
    consumer: Tables, *faults: Tables, events: int = 10, profile: str = "kafka", duration: float = 40.0, **more: Any
) -> Played:
    tables: Tables = {
        "run": {"duration": duration},
        "broker": {"profile": profile, **more.pop("broker", {})},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "service": 1.0, "instances": 2, **consumer}},
        "faults": list(faults),
        **more,
    }
    return Played(tables)


def log(*faults: Tables, events: int = 10, more: Tables | None = None, **consumer: Any) -> Played:
    return played(LOG | consumer, *faults, events=events, **(more or {}))


def queue(*faults: Tables, events: int = 6, more: Tables | None = None, **consumer: Any) -> Played:
    return played(QUEUE | consumer, *faults, events=events, profile="rabbitmq", **(more or {}))


def lease(*faults: Tables, events: int = 3, more: Tables | None = None, **consumer: Any) -> Played:
    return played(LEASE | consumer, *faults, events=events, profile="sqs", **(more or {}))


def cut(at: float, lasting: float, one: list[str] = FIRST, other: tuple[str, ...] = ("broker",), **fields: Any) -> Tables:
    return {"name": f"cut at {at}", "kind": "partition", "between": [one, list(other)], "at": at, "for": lasting, **fields}


def deaf(at: float, lasting: float) -> Tables:
    """What the broker sends does not reach the instance."""
    return {**cut(at, lasting), "between": [["broker"], FIRST], "one_way": True}


def every_second(first: float, *events: int) -> list[tuple[float, int]]:
    return [(first + n, event) for n, event in enumerate(events)]


def in_turn(first: float, period: float, count: int) -> list[tuple[float, int]]:
    return [(round(first + n * period, 6), n) for n in range(count)]


ARRIVING = {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0, "limit": 10}}}
"""An event a second, from 1 s on."""

# -- a log: cut off for longer than the session --


@pytest.mark.parametrize("protocol", ["eager", "cooperative", "server"])
@pytest.mark.parametrize("one_way", [False, True])
def test_a_zombie_works_on_and_all_it_did_is_done_again(protocol: str, one_way: bool) -> None:
    """Its session ends at 9.5 s, the rebalance 1 s later; its commit at 6 s was not heard."""
    run = log(cut(3.5, 20.0, one_way=one_way), rebalance=protocol)
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(11.5, *range(10))]
    assert run.commits() == [(15.5, 5), (20.5, 10)]
    assert run.trail("duplicates") == every_second(11.5, 0, 1, 2, 3, 4)
    assert run.rebalances() == [9.5, 23.5]


def test_a_cut_off_instance_counts_as_unavailable_and_its_partitions_as_not_served() -> None:
    """20 s of the 80 s of two instances; nobody has the partition until 10.5 s, and when c[0] rejoins nothing is waiting."""
    run = log(cut(3.5, 20.0))
    assert run.value("consumers.c", "availability") == 0.75
    assert run.value("consumers.c", "served") == pytest.approx(1 - 7 / 40)


def test_the_session_runs_from_the_last_heartbeat() -> None:
    run = log(cut(3.5, 20.0), heartbeat_interval=3.0)
    (expelled, back) = run.rebalances()
    assert 6.5 < expelled < 9.5
    assert back == 23.5


def test_an_instance_that_dies_while_it_is_cut_off_is_missed_no_later() -> None:
    run = log(cut(3.5, 20.0), fault("crash", 5.5, 60.0, FIRST[0]))
    assert run.rebalances() == [9.5]
    assert run.effects() == [*every_second(2, 0, 1, 2, 3), *every_second(11.5, *range(10))]


def test_a_goodbye_that_is_not_heard_is_none() -> None:
    """The instance stops when it has handled record 3 at 5 s; its session ends at 9.5 s."""
    run = log(cut(3.5, 20.0), fault("stop", 4.5, 60.0, FIRST[0]))
    assert run.rebalances() == [9.5]
    assert run.effects() == [*every_second(2, 0, 1, 2, 3), *every_second(11.5, *range(10))]


def test_an_instance_that_starts_while_it_is_cut_off_joins_when_the_cut_heals() -> None:
    run = log(cut(3.5, 20.0), fault("crash", 5.5, 2.0, FIRST[0]))
    assert run.rebalances() == [9.5, 23.5]


# -- a log: cut off for less than the session --


def test_a_cut_within_the_session_is_a_delay_and_the_next_commit_makes_up_for_those_tried_in_it() -> None:
    run = log(cut(3.5, 4.0))
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(8.5, 5, 6, 7, 8, 9)]
    assert run.commits() == [(12.5, 10)]
    assert run.rebalances() == []


def test_an_automatic_commit_that_was_not_heard_is_made_up_for_at_the_next() -> None:
    """Due every 5 s; the records are done at 3 s."""
    assert log(cut(4.0, 4.0), commit="auto", events=2).commits() == [(10.0, 2)]


def test_a_cut_that_heals_before_a_commit_is_due_changes_nothing() -> None:
    assert log(cut(4.0, 0.9), commit="auto", events=2).commits() == [(5.0, 2)]


def test_an_instance_that_hears_nothing_commits_what_it_has_and_stays_a_member() -> None:
    run = log(deaf(3.5, 20.0))
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(24.5, 5, 6, 7, 8, 9)]
    assert run.commits() == [(6.0, 5), (28.5, 10)]
    assert run.rebalances() == []


def test_a_member_that_hears_nothing_of_a_rebalance_is_expelled_when_patience_ends() -> None:
    """The other goes at 5 s and is back at 7 s, but the group waits 10 s for the one that cannot hear it."""
    run = log(deaf(3.5, 30.0), fault("stop", 5.0, 2.0, "consumers.c[1]"), max_poll_interval=10.0)
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(17.0, 5, 6, 7, 8, 9)]
    assert run.trail("duplicates") == []


# -- a log: committed first --


def test_nothing_is_lost_or_doubled_by_a_cut_alone_where_commits_come_first() -> None:
    run = log(cut(3.5, 20.0), commit="before")
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(11.5, 5, 6, 7, 8, 9)]


def test_what_a_zombie_had_committed_first_is_lost_if_it_dies() -> None:
    """It is at record 3 when it crashes."""
    run = log(cut(3.5, 20.0), fault("crash", 4.5, 30.0, FIRST[0]), commit="before")
    assert run.effects() == [*every_second(2, 0, 1, 2), *every_second(11.5, 5, 6, 7, 8, 9)]
    assert run.trail("losses") == [(4.5, 3), (4.5, 4)]


# -- a log: static members --


def test_a_static_member_that_was_cut_off_within_its_session_has_everything_back_at_once() -> None:
    """It restarts at 7 s and cannot join before 13.5 s; a dynamic one waits until the dead one's session ends at 23.5 s."""
    faults = cut(3.5, 10.0), fault("crash", 5.0, 2.0, FIRST[0])
    static, dynamic = (
        log(*faults, instances=1, session_timeout=20.0, static_membership=how, events=5) for how in (True, False)
    )
    assert static.effects() == [*every_second(2, 0, 1, 2), *every_second(14.5, 0, 1, 2, 3, 4)]
    assert static.rebalances() == []
    assert dynamic.effects() == [*every_second(2, 0, 1, 2), *every_second(25.5, 0, 1, 2, 3, 4)]
    assert dynamic.rebalances() == [13.5]


# -- a log: what needs the broker --


def test_a_move_to_another_topic_waits_with_its_record_until_it_is_heard() -> None:
    """The attempt fails at 2 s; the cut heals at 5 s, so that the retry topic has the record at 5 s, for 3 s."""
    faults = cut(1.5, 3.5), fault("errors", 1.5, 1.0, FIRST[0], rate=1.0)
    run = log(*faults, events=2, redelivery={"through": "retry_topic", "delays": [3.0]})
    assert run.effects() == [(6, 1), (9, 0)]
    assert run.value("consumers.c", "held") == pytest.approx(3 / 80)


def test_a_record_that_is_tried_again_in_its_place_needs_no_broker() -> None:
    faults = cut(1.5, 3.5), fault("errors", 1.5, 1.0, FIRST[0], rate=1.0)
    run = log(*faults, events=1, redelivery={"through": "seek", "max_deliveries": 5})
    assert run.attempts() == [(1, 0), (5, 0)]


def test_a_retry_partition_is_not_read_through_a_cut() -> None:
    """The record fails at 2 s and is back in the retry topic at 5 s; the cut is from 3 s to 8 s."""
    faults = cut(3.0, 5.0), fault("errors", 1.5, 1.0, FIRST[0], rate=1.0)
    run = log(*faults, events=1, redelivery={"through": "retry_topic", "delays": [3.0]})
    assert run.attempts() == [(1, 0), (8, 0)]


def test_a_transaction_of_a_zombie_publishes_nothing() -> None:
    """It is expelled at 9.5 s, and its batch was to be committed at 6 s; the other's are at 15.5 s and 20.5 s."""
    run = log(
        cut(3.5, 20.0), commit="transaction", publishes=[{"topic": "u"}], more={"topics": {"t": {}, "u": {}}},
    )  # fmt: skip
    assert run.commits() == [(15.5, 5), (20.5, 10)]
    assert len(run.parts.channels["u"].messages) == 10
    assert len(run.parts.channels["u"].again) == 0


# -- a log: nodes --

THREE = {"nodes": 3, "detection_time": 2.0, "election_time": 1.0}


def test_an_instance_cut_off_from_one_node_cannot_read_what_that_leads_and_stays_a_member() -> None:
    """Topic u is led by the same node as t; of three partitions those of numbers 1 and 2 are led by others."""
    tables: Tables = {"topics": {"t": {"partitions": 3}}, "broker": THREE, "producers": {"p": {**ARRIVING["p"]}}}
    run = log(cut(0.5, 30.0, other=("broker.nodes[0]",)), instances=1, more=tables)
    number = {event: partition.number for partition in run.parts.channels["t"].partitions for event in partition.records}
    assert {number[event] for time, event in run.effects() if time <= 30.5} == {1, 2}
    assert {number[event] for time, event in run.effects() if time > 30.5} == {0}
    assert run.rebalances() == []
    assert run.value("consumers.c", "availability") == 1.0


def test_commits_to_a_broker_that_is_not_there_are_not_made_and_nobody_is_expelled() -> None:
    """The only node is gone from 3.5 s to 13.5 s, and leads again 1 s later."""
    broker = {"detection_time": 2.0, "election_time": 1.0}
    run = log(fault("crash", 3.5, 10.0, "broker.nodes[0]"), more={"broker": broker})
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(15.5, 5, 6, 7, 8, 9)]
    assert run.commits() == [(19.5, 10)]
    assert run.rebalances() == []
    assert run.value("consumers.c", "availability") == 1.0


def test_a_new_coordinator_gives_the_dead_a_new_session() -> None:
    """The instance dies at 5.5 s, while there is no broker; that is back at 13.5 s, so that the session ends at 19.5 s."""
    faults = fault("crash", 3.5, 10.0, "broker.nodes[0]"), fault("crash", 5.5, 30.0, FIRST[0])
    assert log(*faults, more={"broker": {"detection_time": 2.0, "election_time": 1.0}}).rebalances() == [19.5, 35.5]


# -- a queue --


def test_a_connection_that_is_cut_is_closed_after_the_heartbeat_timeout_and_what_it_held_returns() -> None:
    """c[0] has 0 and 2 in hand when it is cut off at 1.5 s; the broker closes at 7.5 s."""
    run = queue(cut(1.5, 20.0))
    assert run.effects() == [(2, 0), (2, 1), (3, 2), (3, 3), (4, 4), (5, 5), (8.5, 0), (9.5, 2)]
    assert run.value("consumers.c", "availability") == 0.75
    assert run.states() == {"processed": 6}


def test_acknowledgements_made_in_a_short_cut_arrive_when_it_heals() -> None:
    run = queue(cut(1.5, 3.0))
    assert run.effects() == [(2, 0), (2, 1), (3, 2), (3, 3), (4, 4), (5, 5)]
    events = run.result.events
    assert events is not None
    assert events["settled"].tolist() == [4.5, 2, 4.5, 3, 4, 5]


def test_what_is_pushed_into_a_connection_that_is_cut_waits_until_it_is_closed() -> None:
    """An event a second, pushed to each in turn; c[0] is cut off from 2.5 s on and its connection closed at 8.5 s."""
    run = queue(cut(2.5, 20.0), prefetch=10, service=0.5, more={"producers": ARRIVING})
    assert run.effects()[:6] == [(1.5, 0), (2.5, 1), (4.5, 3), (6.5, 5), (8.5, 7), (9.0, 2)]
    assert run.effects()[6:] == [(9.5, 4), (10.0, 6), (10.5, 8), (11.0, 9)]


def test_what_is_pushed_into_a_connection_that_heals_is_late() -> None:
    run = queue(cut(2.5, 5.0), prefetch=10, service=0.5, more={"producers": ARRIVING})
    assert run.effects() == [
        (1.5, 0), (2.5, 1), (4.5, 3), (6.5, 5), (8.0, 2), (8.5, 4), (8.5, 7), (9.0, 6), (9.5, 8), (10.5, 9),
    ]  # fmt: skip


@pytest.mark.parametrize(("lasting", "lost"), [(20.0, [2, 4, 6]), (5.0, [])])
def test_what_was_acknowledged_first_is_lost_with_its_connection(lasting: float, lost: list[int]) -> None:
    """Pushed into the cut at 3, 5 and 7 s; closed at 8.5 s, unless the cut has healed at 7.5 s."""
    run = queue(cut(2.5, lasting), acknowledge="before", service=0.5, more={"producers": ARRIVING})
    assert run.trail("losses") == [(8.5, event) for event in lost]
    assert run.states()["processed"] == 10 - len(lost)


def test_a_process_that_dies_behind_a_cut_is_noticed_when_that_heals() -> None:
    """The broker would close at 21.5 s, but the cut heals at 6.5 s, and then the connection is seen to be gone."""
    run = queue(cut(1.5, 5.0), fault("crash", 2.5, 30.0, FIRST[0]), heartbeat_timeout=20.0)
    assert run.effects() == [(2, 0), (2, 1), (3, 3), (4, 4), (5, 5), (7.5, 0), (8.5, 2)]


def test_a_connection_on_which_nothing_is_heard_is_closed_though_acknowledgements_arrive() -> None:
    run = queue(deaf(1.5, 20.0))
    assert run.effects()[:4] == [(2, 0), (2, 1), (3, 2), (3, 3)]
    assert run.trail("duplicates") == []


# -- leases --


def test_a_deletion_that_is_not_heard_is_a_delivery_at_the_end_of_the_lease() -> None:
    """Three messages received at 1 s; those done at 3 s and 4 s are not deleted, and come back at 11 s."""
    run = lease(cut(2.5, 5.0))
    assert run.effects() == [(2, 0), (3, 1), (4, 2), (12, 1), (13, 2)]
    assert run.value("consumers.c", "availability") == pytest.approx(1 - 5 / 40)


def test_what_was_deleted_first_is_not_touched_by_a_cut() -> None:
    assert lease(cut(2.5, 5.0), acknowledge="before").effects() == [(2, 0), (3, 1), (4, 2)]


def test_another_instance_receives_while_one_is_cut_off() -> None:
    """An event a second and a single event a receive: the first worker would get all but for the cut from 2.5 s to 12.5 s."""
    run = lease(cut(2.5, 10.0), service=0.5, batch=1, instances=2, more={"producers": ARRIVING})
    assert run.effects() == in_turn(1.5, 1.0, 10)


def test_a_receive_whose_answer_is_not_heard_hides_its_messages_for_a_lease() -> None:
    """The long poll that was open gets the message of 3 s; nobody polls again before the cut heals at 32.5 s."""
    run = lease(deaf(2.5, 30.0), service=0.5, more={"producers": {"p": {**ARRIVING["p"], "arrivals": {
        "process": "constant", "rate": 1.0, "limit": 3}}}})  # fmt: skip
    assert run.effects() == [(1.5, 0), (2.5, 1), (33.0, 2)]
    assert run.journey().deliveries[2] == 2


def test_a_lease_that_cannot_be_extended_ends() -> None:
    """Work of 25 s, kept by extensions every 5 s: the last before the cut at 12.5 s is that of 11 s."""
    run = lease(cut(12.5, 27.0), events=1, service=25.0, extend_lease=True, instances=2)
    assert run.attempts() == [(1, 0), (21, 0)]


# -- dependencies --

SERVER: Tables = {"dependencies": {"d": {"latency": 1.0}}}
CALLING: Tables = {
    "dependencies": ["d"],
    "service": 0.0,
    "instances": 1,
    "redelivery": {"max_deliveries": 9, "through": "seek"},
}
AWAY = ("dependencies.d",)


def test_a_call_into_a_cut_is_silent_and_fails_when_that_heals() -> None:
    run = log(cut(0.5, 4.5, other=AWAY), events=1, more=SERVER, **CALLING)
    assert run.attempts() == [(1, 0), (5, 0)]
    assert run.effects() == [(6, 0)]
    assert run.value("dependencies.d", "calls") == 1


def test_a_caller_with_a_timeout_does_not_wait_for_the_end_of_a_cut() -> None:
    run = log(cut(0.5, 5.5, other=AWAY), events=1, more=SERVER, timeout=2.0, **CALLING)
    assert run.attempts() == [(1, 0), (3, 0), (5, 0), (6, 0)]
    assert run.effects() == [(7, 0)]


def test_a_call_whose_answer_does_not_arrive_has_had_its_effect() -> None:
    one_way = {**cut(0.5, 4.5), "between": [["dependencies.d"], FIRST], "one_way": True}
    run = log(one_way, events=1, more=SERVER, timeout=2.0, **CALLING)
    assert run.attempts() == [(1, 0), (3, 0), (5, 0)]
    assert run.effects() == [(2, 0), (4, 0), (6, 0)]


def test_a_cut_that_comes_and_goes_during_a_call_is_not_noticed() -> None:
    assert log(cut(1.2, 0.5, other=AWAY), events=1, more=SERVER, **CALLING).effects() == [(2, 0)]


def test_a_cut_from_a_dependency_leaves_the_broker_alone() -> None:
    run = log(cut(0.5, 4.5, other=AWAY), events=1, more=SERVER, **CALLING)
    assert run.value("consumers.c", "availability") == 1.0
    assert run.parts.cluster is None


# -- latencies --

NEAR: Tables = {"links": {"consumers.c -> broker": {"latency": 0.25}, "broker -> consumers.c": {"latency": 0.25}}}
SLOW: Tables = {"broker": {"deliver_latency": 0.5}}


@pytest.mark.parametrize("group", [log, lease])
@pytest.mark.parametrize("more", [SLOW, {"network": NEAR}], ids=["broker", "links"])
def test_a_poll_that_brings_something_costs_its_latency(group: Any, more: Tables) -> None:
    run = group(events=10, batch=5, instances=1, more=more)
    assert run.effects() == [*every_second(2.5, 0, 1, 2, 3, 4), *every_second(8.0, 5, 6, 7, 8, 9)]


@pytest.mark.parametrize("more", [SLOW, {"network": NEAR}], ids=["broker", "links"])
def test_a_queue_costs_its_latency_once_per_turn_when_the_prefetch_is_used_up(more: Tables) -> None:
    """The acknowledgement on its way and the push on its way; with room for two, one waits while the other is worked on."""
    first = 2.5 if more is SLOW else 2.25
    assert queue(prefetch=1, instances=1, more=more).effects() == in_turn(first, 1.5, 6)
    assert queue(prefetch=2, instances=1, more=more).effects() == in_turn(first, 1.0, 6)


def test_a_call_takes_its_way_there_and_back() -> None:
    links = {"consumers.c -> dependencies.d": {"latency": 0.25}, "dependencies.d -> consumers.c": {"latency": 0.5}}
    run = log(events=2, more={**SERVER, "network": {"links": links}}, **CALLING)
    assert run.effects() == [(2.25, 0), (4.0, 1)]
    assert run.commits() == [(4.5, 2)]


def test_an_answer_that_is_late_has_had_its_effect() -> None:
    links = {"dependencies.d -> consumers.c": {"latency": 0.5}}
    limits = {"timeout": 1.25, "redelivery": {"max_deliveries": 2, "through": "seek"}}
    run = log(events=1, more={**SERVER, "network": {"links": links}}, **CALLING | limits)
    assert run.effects() == [(2, 0), (3.25, 0)]
    assert run.value("dependencies.d", "wasted") == 0


def test_a_group_whose_network_costs_nothing_has_simple_workers_cut_or_not() -> None:
    for run, kind in ((log(), SimpleLogWorker), (log(cut(3.5, 4.0)), SimpleLogWorker), (log(more=SLOW), LogWorker)):
        assert {type(worker) for life in run.group().lives for worker in life.workers} == {kind}


# -- losses --


def test_a_request_that_is_lost_has_no_effect_and_an_answer_that_is_lost_had_it() -> None:
    for way, effects in (("consumers.c -> dependencies.d", []), ("dependencies.d -> consumers.c", [(2, 0), (4, 0)])):
        limits = {"timeout": 2.0, "redelivery": {"max_deliveries": 2, "through": "seek"}}
        run = log(events=1, more={**SERVER, "network": {"links": {way: {"loss": 1.0}}}}, **CALLING | limits)
        assert run.attempts() == [(1, 0), (3, 0)]
        assert run.effects() == effects


def test_without_a_timeout_tcp_gives_up_in_the_end() -> None:
    more = {**SERVER, "network": {"links": {"consumers.c -> dependencies.d": {"loss": 1.0}}}, "duration": 1000.0}
    assert log(events=1, more=more, max_poll_interval=2000.0, **CALLING).attempts() == [(1, 0), (925.6, 0)]


def test_commits_that_are_lost_are_made_up_for_by_the_next_and_at_last_by_a_goodbye() -> None:
    more = {"network": {"links": {"consumers.c -> broker": {"loss": 0.5}}}}
    run = log(fault("stop", 30.0, 5.0, FIRST[0]), events=12, instances=1, batch=12, commit="record", more=more)
    offsets = [offset for _, offset in run.commits()]
    assert 3 < len(offsets) < 12
    assert run.commits()[-1] == (30.0, 12)


# -- composed --


def test_a_breaker_inside_a_retry_goes_on_in_a_consumer_that_is_cut_off_during_a_rebalance() -> None:
    """c[1] goes at 3 s; c[0], told to stop, is in a batch, and cut off at 3.2 s; its session ends at 7.2 s. Its attempts fail
    until 6.5 s: at 1.5 s and 3 s, which opens the breaker until 4.9 s; the probe at 5 s opens it until 7.4 s; that of 7.5 s
    closes it. c[1] is back at 13 s, and c[0] at 23.2 s."""
    run = log(
        fault("errors", 0.0, 6.5, FIRST[0], rate=1.0),
        fault("stop", 3.0, 10.0, "consumers.c[1]"),
        cut(3.2, 20.0),
        events=3, service=0.5, rebalance_time=2.0, session_timeout=4.0,
        retry={"max_attempts": 10, "backoff": "fixed", "base": 1.0},
        breaker={"size": 2, "minimum_calls": 2, "open_for": 1.9, "half_open_calls": 1},
    )  # fmt: skip
    assert run.trail("refusals") == [(4.0, 0), (6.5, 0)]
    assert run.attempts()[:6] == [(1.0, 0), (2.5, 0), (5.0, 0), (7.5, 0), (8.0, 1), (8.5, 2)]
    assert run.effects() == [(8.0, 0), (8.5, 1), (9.0, 2), (15.5, 0), (16.0, 1), (16.5, 2)]
    assert run.commits() == [(16.5, 3)]
    assert run.rebalances() == [3.0, 13.0, 23.2]


def test_cuts_that_overlap_are_over_when_the_last_has_healed() -> None:
    run = log(cut(3.5, 4.0), {**cut(5.0, 5.0), "between": [["consumers.c"], ["broker"]]}, session_timeout=20.0)
    assert run.effects() == [*every_second(2, 0, 1, 2, 3, 4), *every_second(11.0, 5, 6, 7, 8, 9)]


def test_a_pause_within_a_cut_is_one_silence() -> None:
    """Silent from 3.5 s to 8.5 s; paused from 4.5 s to 6.5 s, which the work of record 3 takes longer."""
    run = log(cut(3.5, 5.0), fault("pause", 4.5, 2.0, FIRST[0]))
    assert run.effects()[:6] == [(2, 0), (3, 1), (4, 2), (7, 3), (8, 4), (9.5, 5)]
    assert run.rebalances() == []
