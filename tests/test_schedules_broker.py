"""Nodes that fail, against schedules worked out by hand: what is lost, what is there twice, who cannot publish for how long.

What is the same everywhere stands in `published.py`. Undisturbed, event k is produced at k + 1, acknowledged then by the leader
or at k + 1.5 by all, and readable at k + 1.5. A crash of the leader at 5.2 is noticed at 7.2, and another leads from 8.2 on.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Tables, fault
from published import NODE, Published, cut, down

OTHERS = ["broker.nodes[1]", "broker.nodes[2]"]
LEADER: Tables = {"acks": "leader"}
ALL: Tables = {"acks": "all"}
SURE: Tables = {"acks": "all", "idempotent": True}
CRASH = down("crash", 5.2, 4.0)
QUEUE: Tables = {"profile": "rabbitmq"}
WORK: Tables = {"prefetch": 2, "service": 1.5}


def undisturbed(*events: int, after: float = 0.5) -> list[tuple[float, int]]:
    """Acknowledgements or readings of events that nothing has delayed."""
    return [(event + 1.0 + after, event) for event in events]


# -- a leader is lost --


def test_what_nobody_answers_is_kept_until_there_is_a_connection() -> None:
    """Event 4 was on its way to the followers; 5, 6 and 7 wait for a connection, which is tried for at 7, 8 and 9."""
    run = Published({"acks": "none"}, CRASH, duration=14.0)
    kept = [(9, 5), (9, 6), (9, 7)]
    assert run.acknowledged() == [*undisturbed(*range(5), after=0.0), *kept, *undisturbed(*range(8, 14), after=0.0)]
    assert run.records() == [0, 1, 2, 3, 8, 5, 6, 7, 9, 10, 11, 12, 13]
    assert run.believed() == {}
    assert run.lost() == [4]
    assert run.retries() == []
    assert run.value("topics.t", "lost") == 1
    assert run.value("system", "loss_rate") == 1 / 14


def test_what_is_kept_for_a_connection_is_given_up_in_the_end() -> None:
    run = Published({"acks": "none", "delivery_timeout": 2.5}, CRASH, duration=14.0)
    assert run.records() == [0, 1, 2, 3, 8, 6, 7, 9, 10, 11, 12, 13]
    assert run.believed() == {"failed": [5]}


def test_who_asks_for_none_believes_that_a_silent_machine_has_it_all() -> None:
    """Nothing tells that the machine is gone from 5.2 on: 5, 6 and 7 are lost, until another leads from 8.2 on."""
    run = Published({"acks": "none"}, down("power_loss", 5.2, 4.0), duration=14.0)
    assert run.believed() == {"unsent": [5, 6, 7]}
    assert run.lost() == [4]


def test_what_is_on_its_way_to_a_node_that_dies_is_lost_where_nobody_answers() -> None:
    """Event 4 arrives at 5.5, after the crash."""
    run = Published({"acks": "none"}, CRASH, broker={"publish_latency": 0.5}, duration=14.5)
    assert run.believed() == {"unsent": [4]}
    assert run.records() == [0, 1, 2, 3, 8, 5, 6, 7, 9, 10, 11, 12, 13]


def test_a_client_that_waits_for_its_event_goes_on_when_that_was_lost_unseen() -> None:
    """It thinks for a second after each event, which is handled half a second after it was sent; those that vanish at 5.5, 6.5
    and 7.5 are over at once."""
    arrivals = {"process": "closed", "clients": 1, "think": 1.0}
    run = Published({"acks": "none", "arrivals": arrivals}, down("power_loss", 5.2, 4.0), duration=14.0)
    assert [time for time, _ in run.acknowledged()] == [1, 2.5, 4, 5.5, 6.5, 7.5, 8.5, 10, 11.5, 13]
    assert run.believed() == {"unsent": [3, 4, 5]}


def test_what_only_the_leader_had_acknowledged_is_lost_with_it() -> None:
    """Event 5 is refused at 6, 7 and 8, and stored at 9 as 6 and 7 are, behind event 8 which came first."""
    run = Published(LEADER, CRASH, duration=14.0)
    assert run.acknowledged() == [
        *undisturbed(*range(5), after=0.0), (9, 5), (9, 6), (9, 7), *undisturbed(*range(8, 14), after=0.0),
    ]  # fmt: skip
    assert run.records() == [0, 1, 2, 3, 8, 7, 6, 5, 9, 10, 11, 12, 13]
    assert run.retries() == [(7, 5), (8, 5), (8, 6), (9, 5), (9, 6), (9, 7)]
    assert run.lost() == [4]
    assert run.believed() == {}


def test_nothing_is_lost_that_all_have_acknowledged() -> None:
    """Event 4 was not acknowledged: its connection breaks at 5.2, and it is tried again at 6.2, 7.2 and 8.2."""
    run = Published(ALL, CRASH, duration=14.0)
    assert run.acknowledged()[:10] == [
        *undisturbed(0, 1, 2, 3), (8.7, 4), (9.5, 5), (9.5, 6), (9.5, 7), *undisturbed(8, 9),
    ]  # fmt: skip
    assert run.records() == [0, 1, 2, 3, 4, 8, 7, 6, 5, 9, 10, 11, 12, 13]
    assert run.retries() == [(6.2, 4), (7, 5), (7.2, 4), (8, 5), (8, 6), (8.2, 4), (9, 5), (9, 6), (9, 7)]
    assert run.lost() == []
    assert run.believed() == {"unconfirmed": [13]}


def test_an_idempotent_producer_keeps_the_order() -> None:
    """Events 5 to 7 wait behind 4 and go out with it at 8.2; 8 comes when all of them are on their way."""
    run = Published(SURE, CRASH, duration=14.0)
    assert run.records() == list(range(14))
    assert run.acknowledged()[4:9] == [(8.7, 4), (8.7, 5), (8.7, 6), (8.7, 7), (9.5, 8)]
    assert run.retries() == [(6.2, 4), (7.2, 4), (8.2, 4)]


def test_so_does_one_with_a_single_request_in_flight() -> None:
    """Each waits for the answer to the one before: 5, 6 and 7, gathered meanwhile, go at 8.7, and 8 at 9.2."""
    run = Published({**ALL, "max_in_flight": 1}, CRASH, duration=14.0)
    assert run.records() == list(range(14))
    assert run.acknowledged()[4:10] == [(8.7, 4), (9.2, 5), (9.2, 6), (9.2, 7), (9.7, 8), (10.5, 9)]


def test_a_partition_is_unavailable_until_another_leads_and_short_of_a_replica_until_its_own_is_back() -> None:
    run = Published(LEADER, CRASH, duration=14.0)
    assert run.unserved() == [(5.2, 8.2)]
    assert run.value("topics.t", "available_fraction") == pytest.approx(1 - 3 / 14)
    assert run.sizes() == [(7.2, 2), (9.7, 3)]


def test_with_no_node_left_dead_processes_refuse_at_once_and_dead_machines_never() -> None:
    """Back at 11.2, leading again at 12.2. A second try is a producer's last: what comes from 5.2 to 11.2 is given up only
    where somebody refuses it."""
    once: Tables = {**LEADER, "retry": {"backoff": "fixed", "base": 1.0, "max_attempts": 2}}
    nobody = Published(once, fault("crash", 5.2, 6.0, "broker.nodes"), duration=16.0)
    assert nobody.believed() == {"failed": [5, 6, 7, 8, 9, 10]}
    assert nobody.acknowledged()[5:] == [(13, 11), (13, 12), (14, 13), (15, 14), (16, 15)]
    silent = Published(once, fault("power_loss", 5.2, 6.0, "broker.nodes"), duration=16.0)
    assert silent.believed() == {}
    assert silent.acknowledged()[5:11] == [(12.2, event) for event in range(5, 11)]


def test_a_crash_that_nobody_notices_changes_no_leader() -> None:
    """Event 3 has a second try refused at 5.2; the copies go on at 5.7, so that it is committed at 6.2."""
    run = Published(SURE, down("crash", 4.2, 1.5), duration=9.0)
    assert run.unserved() == [(4.2, 5.7)]
    assert run.sizes() == []
    assert run.records() == list(range(9))
    assert run.acknowledged()[3:7] == [(6.2, 3), (6.7, 4), (6.7, 5), (7.5, 6)]


@pytest.mark.parametrize(("crash", "kept"), [(5.499, 4), (5.5, 4), (5.501, 5)])
def test_a_copy_that_is_due_at_the_instant_of_the_crash_is_not_made(crash: float, kept: int) -> None:
    run = Published(LEADER, down("crash", crash, 4.0), duration=5.9)
    assert sum(1 for time, _ in run.available() if time <= 5.9) == kept


def test_copies_made_at_intervals_lose_what_has_come_since_the_last_one() -> None:
    run = Published(LEADER, down("crash", 5.9, 4.0), broker={"replication_interval": 2.0}, duration=14.0)
    assert run.available()[:4] == [(2, 0), (2, 1), (4, 2), (4, 3)]
    assert run.lost() == [4]


# -- followers --


def test_the_death_of_a_follower_stalls_who_waits_for_all_until_it_is_noticed() -> None:
    run = Published(SURE, down("crash", 5.2, 6.0, node=2), duration=14.0)
    assert run.acknowledged()[3:9] == [(4.5, 3), (7.2, 4), (7.2, 5), (7.5, 6), (8.5, 7), (9.5, 8)]
    assert run.available() == run.acknowledged()
    assert run.retries() == []
    assert run.unserved() == []
    assert run.sizes() == [(7.2, 2), (11.7, 3)]


def test_one_that_is_back_before_it_is_missed_stalls_them_until_it_has_caught_up() -> None:
    run = Published(SURE, down("crash", 4.2, 1.5, node=1), duration=9.0)
    assert run.acknowledged()[2:7] == [(3.5, 2), (6.2, 3), (6.2, 4), (6.5, 5), (7.5, 6)]
    assert run.sizes() == []


def test_too_few_in_sync_refuse_before_the_append_and_after_it() -> None:
    """4, 5 and 6 are in the leader's log when the set shrinks at 7.2: stored, refused, and stored again; 7 to 11 are not
    stored before all three are there again, at 11.7."""
    run = Published(ALL, down("crash", 5.2, 6.0, node=2), broker={"min_insync_replicas": 3}, duration=14.0)
    assert run.records() == [0, 1, 2, 3, 4, 5, 6, 11, 10, 9, 8, 7, 4, 5, 6, 12, 13]
    assert run.available()[4:7] == [(7.2, 4), (7.2, 5), (7.5, 6)]
    assert run.acknowledged()[4:12] == [(12.7, 4), (12.7, 5), (13, 6), *((12.5, event) for event in range(7, 12))]
    assert [time for time, event in run.retries() if event == 4] == [8.2, 9.2, 10.2, 11.2, 12.2]
    assert run.trail("duplicates") == [(12.7, 4), (12.7, 5), (13, 6)]
    sure = Published(SURE, down("crash", 5.2, 6.0, node=2), broker={"min_insync_replicas": 3}, duration=14.0)
    assert sure.records() == list(range(14))
    assert sure.acknowledged()[4:7] == [(12.2, 4), (12.2, 5), (12.2, 6)]


@pytest.mark.parametrize("acks", ["none", "leader"])
def test_who_does_not_wait_for_all_does_not_care_how_many_are_in_sync(acks: str) -> None:
    run = Published({"acks": acks}, down("crash", 5.2, 6.0, node=2), broker={"min_insync_replicas": 3}, duration=14.0)
    assert run.acknowledged() == undisturbed(*range(14), after=0.0)
    assert run.records() == list(range(14))


def test_a_follower_that_is_cut_off_from_the_leader_alone_leaves_the_set_after_thirty_to_forty_five_seconds() -> None:
    """The leader looks every 15 s: at 30 it is too soon, at 45 it expels the follower; that is back 0.5 s after the cut."""
    run = Published(SURE, cut([NODE], ["broker.nodes[2]"], 4.2, 46.0), duration=52.0)
    assert run.sizes() == [(45, 2), (50.7, 3)]
    assert run.acknowledged()[2:34] == [(3.5, 2), *((45, event) for event in range(3, 34))]
    assert run.records() == list(range(52))


def test_so_does_one_that_copies_too_slowly_until_it_is_fast_again() -> None:
    """A hundred times 0.5 s; at the end it has at once what is on its way."""
    patient = {**SURE, "request_timeout": 100.0}
    run = Published(patient, down("slowdown", 4.2, 47.0, node=2, factor=100.0), duration=60.0)
    assert run.sizes() == [(45, 2), (51.7, 3)]
    assert run.acknowledged()[3:45] == [(4.5, 3), *((45, event) for event in range(4, 44)), (45.5, 44)]
    assert run.acknowledged()[-1] == (60.5, 59)


# -- elections --

FOLLOWERS = [down("crash", 3.2, 6.8, node=1), down("crash", 3.2, 6.8, node=2)]


def test_with_nobody_in_sync_a_partition_waits_for_the_last_that_was() -> None:
    """The followers leave the set at 5.2 and are back at 10, but the leader, gone at 8.2, had been alone in it."""
    run = Published(LEADER, *FOLLOWERS, down("crash", 8.2, 6.0))
    assert run.unserved() == [(8.2, 15.2)]
    assert run.sizes() == [(5.2, 2), (5.2, 1), (15.7, 2), (15.7, 3)]
    assert run.records()[:8] == list(range(8))
    assert run.lost() == []


def test_an_unclean_election_takes_who_is_there_and_loses_what_it_lacks() -> None:
    """The followers had stopped at event 1. The group is away until 16 and has read nothing of the rest."""
    away = fault("stop", 0.0, 16.0)
    run = Published(LEADER, *FOLLOWERS, down("crash", 8.2, 6.0), away, broker={"unclean_election": True})
    assert run.unserved() == [(8.2, 11.2)]
    assert run.records() == [0, 1, 11, 10, 9, 8, *range(12, 20)]
    assert run.lost() == [2, 3, 4, 5, 6, 7]
    assert [event for _, event in run.effects()] == [0, 1, *range(8, 19)]


def test_a_leader_that_is_back_drops_what_the_others_do_not_have_and_copies_the_rest() -> None:
    """Node 1 leads from 8.2 on, without event 4, which node 0 had. That copies what came since, and leads from 15.2 on; event
    11, on its way at 12.2, is lost."""
    run = Published(LEADER, CRASH, down("crash", 12.2, 8.0, node=1), down("crash", 12.2, 8.0, node=2), duration=18.0)
    assert run.topic.replicas[0].leader == 0
    assert run.unserved() == [(5.2, 8.2), (12.2, 15.2)]
    assert run.records()[:10] == [0, 1, 2, 3, 8, 7, 6, 5, 9, 10]
    assert run.lost() == [4, 11]


# -- planned stops and standstills --


def test_a_planned_stop_hands_over_what_it_leads() -> None:
    """Followers get at once what is on its way. Who waited for its acknowledgement does not know that it is stored."""
    run = Published(SURE, down("stop", 4.2, 3.5), duration=9.0)
    assert run.unserved() == []
    assert run.sizes() == [(4.2, 2), (8.2, 3)]
    assert run.available()[2:6] == [(3.5, 2), (4.2, 3), (5.7, 4), (6.5, 5)]
    assert run.acknowledged()[2:6] == [(3.5, 2), (5.2, 3), (5.7, 4), (6.5, 5)]
    assert run.records() == list(range(9))
    doubled = Published(ALL, down("stop", 4.2, 3.5), duration=9.0)
    assert doubled.records() == [0, 1, 2, 3, 4, 3, 5, 6, 7, 8]
    assert doubled.retries() == [(5.2, 3)]
    assert Published(LEADER, down("stop", 4.2, 3.5), duration=9.0).records() == list(range(9))


def test_a_node_that_stands_still_meets_what_has_come_when_it_goes_on() -> None:
    run = Published(SURE, down("pause", 4.2, 1.5), duration=9.0)
    assert run.unserved() == [(4.2, 5.7)]
    assert run.passage.stored[:6].tolist() == [1, 2, 3, 4, 5.7, 6]
    assert run.acknowledged()[2:6] == [(3.5, 2), (6.2, 3), (6.2, 4), (6.5, 5)]
    assert run.retries() == []


def test_one_that_stands_still_for_too_long_is_replaced_and_refuses_what_has_waited() -> None:
    """Requests time out after 3 s: at 8 that of event 4, and with it the connection of the three behind it."""
    run = Published({**LEADER, "request_timeout": 3.0}, down("pause", 4.2, 6.0), duration=14.0)
    assert run.unserved() == [(4.2, 7.2)]
    assert run.sizes() == [(6.2, 2), (10.7, 3)]
    assert run.records() == [0, 1, 2, 8, 4, 5, 6, 7, 9, 10, 11, 12, 13]
    assert run.lost() == [3]
    assert run.retries() == [(9, 4), (9, 5), (9, 6), (9, 7)]


# -- power --


@pytest.mark.parametrize("flush", [0, 5.0, "never"])
def test_one_machine_without_power_loses_what_the_others_do_not_have(flush: Any) -> None:
    """Nobody hears of it: who has sent waits for 30 s, or until the machine is back at 12.2 and knows of nothing."""
    run = Published(LEADER, down("power_loss", 8.2, 4.0), broker={"flush_interval": flush}, duration=16.0)
    assert run.records() == [0, 1, 2, 3, 4, 5, 6, 12, 8, 9, 10, 11, 13, 14, 15]
    assert run.lost() == [7]
    assert run.unserved() == [(8.2, 11.2)]
    assert run.retries() == [(13.2, 8), (13.2, 9), (13.2, 10), (13.2, 11)]


@pytest.mark.parametrize(("flush", "kept"), [(0, 7), (5.0, 4), (3.0, 5), ("never", 0)])
def test_all_without_power_lose_what_was_not_flushed(flush: Any, kept: int) -> None:
    """Event 3 was in the followers' logs at 4.5, event 4 at 5.5: after the flush at 5. Node 2 was the last in sync."""
    every = [down("power_loss", 8.2, 4.0, node=node) for node in range(3)]
    away = fault("stop", 0.0, 13.0)
    run = Published(LEADER, *every, away, broker={"flush_interval": flush}, duration=16.0)
    assert run.topic.replicas[0].leader == 2
    assert run.records() == [*range(kept), 8, 9, 10, 11, 13, 12, 14, 15]
    assert run.lost() == list(range(kept, 8))
    assert run.unserved() == [(8.2, 13.2)]


@pytest.mark.parametrize("duration", [14.0, 30.0])
def test_what_is_gone_is_lost_whether_or_not_somebody_comes_to_look_for_it(duration: float) -> None:
    """The nodes come back at 12.2 with nothing, and one leads from 13.2 on; the consumer is away until 20 s."""
    every = [down("power_loss", 8.2, 4.0, node=node) for node in range(3)]
    four = {"acks": "leader", "arrivals": {"process": "constant", "rate": 1.0, "limit": 4}}
    broker = {"flush_interval": "never"}
    run = Published(four, *every, fault("stop", 0.0, 20.0), broker=broker, duration=duration)
    assert run.lost() == [0, 1, 2, 3]
    assert run.states() == {"lost": 4}


# -- a network in parts --


def test_an_isolated_leader_acknowledges_what_will_be_lost() -> None:
    """From 4.2 to 10.2, and what was on its way before: seven events, one a second."""
    run = Published(LEADER, cut([NODE, "producers.p"], OTHERS, 4.2, 6.0), duration=14.0)
    assert run.acknowledged() == undisturbed(*range(14), after=0.0)
    assert run.lost() == [3, 4, 5, 6, 7, 8, 9]
    assert run.records() == [0, 1, 2, 10, 11, 12, 13]
    assert run.unserved() == [(6.2, 7.2)]
    assert run.sizes() == [(6.2, 2), (10.7, 3)]


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_a_producer_that_reaches_both_sides_stays_with_the_isolated_leader_as_long_as_that_answers(latency: float) -> None:
    run = Published(LEADER, cut([NODE], OTHERS, 4.2, 6.0), broker={"publish_latency": latency}, duration=14.9)
    assert run.lost() == [3, 4, 5, 6, 7, 8, 9]
    assert sorted(run.records()) == [0, 1, 2, 10, 11, 12, 13]


def test_who_waits_for_all_at_an_isolated_leader_waits_until_it_learns_what_it_is() -> None:
    """It tells them at 10.2, and 1 s later they are tried again, five at a time."""
    run = Published(SURE, cut([NODE, "producers.p"], OTHERS, 4.2, 6.0), duration=14.0)
    assert run.records() == list(range(14))
    assert run.lost() == []
    assert run.retries() == [*((11.2, event) for event in range(3, 8)), (11.7, 8), (11.7, 9)]
    assert run.acknowledged()[2:12] == [
        (3.5, 2), *((11.7, event) for event in range(3, 8)), *((12.2, event) for event in (8, 9, 10)), (12.5, 11),
    ]  # fmt: skip


def test_a_producer_on_the_side_of_the_majority_goes_to_the_new_leader_when_its_requests_have_timed_out() -> None:
    run = Published({**LEADER, "request_timeout": 3.0}, cut([NODE], [*OTHERS, "producers.p"], 4.2, 6.0), duration=14.0)
    assert run.retries() == [(9, 4), (9, 5), (9, 6), (9, 7)]
    assert run.records() == [0, 1, 2, 8, 4, 5, 6, 7, 9, 10, 11, 12, 13]
    assert run.lost() == [3]


@pytest.mark.parametrize("producer", [LEADER, SURE])
def test_a_minority_elects_nobody(producer: Tables) -> None:
    """Of two nodes neither side is a majority: the leader stays, nothing is lost, and who waits for all waits."""
    pair = {"nodes": 2, "replication_factor": 2}
    run = Published(producer, cut([NODE, "producers.p"], ["broker.nodes[1]"], 4.2, 6.0), broker=pair, duration=14.0)
    assert run.records() == list(range(14))
    assert run.lost() == []
    assert run.unserved() == []
    assert run.available()[2:12] == [(3.5, 2), *((10.7, event) for event in range(3, 10)), *undisturbed(10, 11)]


# -- queues --


def test_a_quorum_queue_hands_out_again_what_was_unacknowledged_when_its_leader_was_lost() -> None:
    """Events 2, in hand from 4.5 to 6, and 3, handed over at 4.5, are ready again for the leader of 8.2."""
    run = Published(ALL, down("crash", 5.2, 10.0), broker=QUEUE, consumer=WORK, duration=14.0)
    assert run.unserved() == [(5.2, 8.2)]
    assert run.effects() == [(3, 0), (4.5, 1), (6, 2), (9.7, 2), (11.2, 3), (12.7, 4)]
    assert run.journey().deliveries[:5].tolist() == [1, 1, 2, 2, 1]
    assert run.lost() == []
    unsure = Published({"acks": "none"}, down("crash", 5.2, 10.0), broker=QUEUE, consumer=WORK, duration=14.0)
    assert unsure.believed() == {}
    assert unsure.lost() == [4]


def test_a_queue_whose_leader_stands_still_hands_out_nothing_twice() -> None:
    run = Published(ALL, down("pause", 5.2, 1.0), broker=QUEUE, consumer=WORK, duration=14.0)
    assert run.unserved() == [(5.2, 6.2)]
    assert run.effects() == [(3.0 + 1.5 * event, event) for event in range(8)]
    assert run.trail("duplicates") == []


def test_a_quorum_queue_stands_still_without_a_majority_and_loses_nothing() -> None:
    gone = [down("crash", 5.2, 4.0, node=node) for node in (1, 2)]
    run = Published(ALL, *gone, broker=QUEUE, consumer=WORK, duration=14.0)
    assert run.unserved() == [(5.2, 9.2)]
    assert run.acknowledged()[3:10] == [(4.5, 3), *((9.7, event) for event in range(4, 9)), (10.5, 9)]
    assert run.effects() == [(3, 0), (4.5, 1), (6, 2), (7.5, 3), (11.2, 4), (12.7, 5)]
    assert run.retries() == []


def test_a_quorum_queue_does_not_wait_for_the_slowest() -> None:
    """One follower is gone: the other makes a majority with the leader."""
    run = Published(ALL, down("crash", 5.2, 4.0, node=1), broker=QUEUE, duration=14.0)
    assert run.acknowledged() == undisturbed(*range(14))


def test_a_classic_queue_is_down_until_its_node_is_back() -> None:
    """Nobody is elected, nothing is lost; what was unacknowledged is handed out again."""
    run = Published(ALL, CRASH, broker=QUEUE, consumer=WORK, duration=14.0, topics={"t": {"quorum": False}})
    assert run.unserved() == [(5.2, 9.2)]
    assert run.acknowledged()[:5] == undisturbed(*range(5), after=0.0)
    assert run.acknowledged()[5:10] == [(10, event) for event in range(5, 10)]
    assert run.effects() == [(2.5, 0), (4, 1), (5.5, 2), (10.7, 2), (12.2, 3), (13.7, 4)]
    assert run.lost() == []


# -- closed loops --


def test_a_client_goes_on_when_its_event_is_given_up() -> None:
    """It thinks for a second. Event 0 is handled at 1.5 and 1 at 3; 2, 3 and 4 are refused; 5 goes to the new leader at 7."""
    closed = {"process": "closed", "clients": 1, "think": 1.0}
    run = Published({**LEADER, "arrivals": closed, "retry": {"max_attempts": 1}}, down("crash", 3.7, 10.0), duration=9.0)
    assert run.passage.stored[:2].tolist() == [1, 2.5]
    assert run.parts.channels["t"].messages.produced.tolist() == [1, 2.5, 4, 5, 6, 7, 8.5]
    assert run.believed() == {"failed": [2, 3, 4]}


def test_a_client_goes_on_when_its_event_is_cut_off() -> None:
    """Event 2 is on the isolated leader's log until another leads at 6.7; what comes to it then will never be anywhere."""
    closed = {"process": "closed", "clients": 1, "think": 1.0}
    run = Published({**LEADER, "arrivals": closed}, cut([NODE, "producers.p"], OTHERS, 3.7, 6.0), duration=12.0)
    assert run.parts.channels["t"].messages.produced.tolist() == pytest.approx([1, 2.5, 4, 7.7, 8.7, 9.7, 11.2])
    assert run.lost() == [2, 3, 4]
