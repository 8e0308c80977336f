"""Faults on links, against schedules worked out by hand with constant times: messages that are late, lost, or arrive twice.

Publishing as in `published.py`: event k is produced at k + 1 s, and followers have it 0.5 s later. Consuming: ten events that
all arrive at 1 s, 1 s of work for each. `NEARLY` loses every message that the tests send, without being a partition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from played import Played, Tables, fault, together
from published import Published, cut

from models.scenario import Scenario
from models.topology import affected

LEADER: Tables = {"acks": "leader"}
SURE: Tables = {"acks": "all", "idempotent": True}
HASTY: Tables = {**LEADER, "request_timeout": 1.5}
TO, FROM = "producers.p -> broker", "broker -> producers.p"
ASKING, ANSWERING = "consumers.c -> broker", "broker -> consumers.c"
CALLS, ANSWERS = "consumers.c -> dependencies.d", "dependencies.d -> consumers.c"
NEARLY = 1 - 1e-9


def delay(at: float, lasting: float, target: str, add: float, **fields: Any) -> Tables:
    return fault("delay", at, lasting, target, add=add, **fields)


def loss(at: float, lasting: float, target: str, rate: float = NEARLY) -> Tables:
    return fault("loss", at, lasting, target, rate=rate)


def twice(at: float, lasting: float, target: str) -> Tables:
    return fault("duplicate", at, lasting, target, rate=1.0)


def at(first: float, *events: int) -> list[tuple[float, int]]:
    return [(first + n, event) for n, event in enumerate(events)]


def consumed(*faults: Tables, events: int = 10, profile: str = "kafka", more: Tables | None = None, **consumer: Any) -> Played:
    tables: Tables = {
        "run": {"duration": 40.0},
        "broker": {"profile": profile},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "service": 1.0, **consumer}},
        "faults": list(faults),
    }
    return Played(tables | (more or {}))


def log(*faults: Tables, **consumer: Any) -> Played:
    return consumed(*faults, **{"commit": "batch", "batch": 5} | consumer)


def queue(*faults: Tables, **consumer: Any) -> Played:
    return consumed(*faults, profile="rabbitmq", **{"events": 4, "prefetch": 1} | consumer)


def lease(*faults: Tables, **consumer: Any) -> Played:
    return consumed(*faults, profile="sqs", **{"events": 3, "visibility_timeout": 10.0, "batch": 3} | consumer)


def calling(*faults: Tables, events: int = 2, dependency: Tables | None = None, **consumer: Any) -> Played:
    asked = {"dependencies": ["d"], "service": 0.0, "redelivery": {"max_deliveries": 9, "through": "seek"}}
    return log(*faults, events=events, more={"dependencies": {"d": {"latency": 1.0, **(dependency or {})}}}, **asked | consumer)


# -- publishing --


@pytest.mark.parametrize("target", [TO, "producers.p[0] -> broker.nodes[0]"])
def test_what_is_sent_while_a_fault_is_on_is_stored_later(target: str) -> None:
    """Events 4 and 5 are sent at 5 and 6 s."""
    run = Published(LEADER, delay(4.5, 2.0, target, 0.25), duration=9.0)
    assert run.available()[3:7] == [(4.5, 3), (5.75, 4), (6.75, 5), (7.5, 6)]
    assert run.acknowledged()[3:7] == [(4, 3), (5.25, 4), (6.25, 5), (7, 6)]


def test_an_answer_is_late_if_it_is_sent_while_the_fault_is_on() -> None:
    """That to event 3 is sent at 4.5 s, when the fault begins, and that to 5 at 6.5 s, when it ends."""
    run = Published(SURE, delay(4.5, 2.0, FROM, 0.25), duration=9.0)
    assert run.acknowledged()[2:7] == [(3.5, 2), (4.75, 3), (5.75, 4), (6.5, 5), (7.5, 6)]
    assert run.available()[2:7] == [(3.5, 2), (4.5, 3), (5.5, 4), (6.5, 5), (7.5, 6)]


@pytest.mark.parametrize("target", ["producers.p", "producers.p[0]", "broker", "broker.nodes", "network"])
def test_a_component_has_all_its_links_delayed(target: str) -> None:
    """There and back; the leader's own links are those of one node, but for `broker` and `network`, where copies take longer
    too: two seconds of the half of one that they take."""
    acknowledged = Published(LEADER, delay(4.5, 2.0, target, 0.25), duration=9.0).acknowledged()
    assert acknowledged[3:7] == [(4, 3), (5.5, 4), (6.5, 5), (7, 6)]


def test_a_lost_request_stores_nothing_and_a_lost_answer_stores_twice() -> None:
    """Events 4 and 5 time out after 1.5 s and go again 1 s later."""
    lost, unheard = (Published(HASTY, loss(4.5, 2.0, target), duration=11.0) for target in (TO, FROM))
    assert lost.records() == [0, 1, 2, 3, 6, 4, 7, 5, 8, 9, 10]
    assert unheard.records() == [0, 1, 2, 3, 4, 5, 6, 4, 7, 5, 8, 9, 10]
    for run in (lost, unheard):
        assert run.retries() == [(7.5, 4), (8.5, 5)]
        assert run.acknowledged()[3:7] == [(4, 3), (7.5, 4), (8.5, 5), (7, 6)]


def test_a_request_that_arrives_twice_is_stored_twice_unless_the_producer_is_idempotent() -> None:
    run = Published(LEADER, twice(4.5, 2.0, TO), duration=9.0)
    assert run.records() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8]
    assert run.trail("duplicates") == [(5.5, 4), (6.5, 5)]
    assert run.retries() == []
    sure = Published(SURE, twice(4.5, 2.0, TO), duration=9.0)
    assert sure.records() == list(range(9))
    assert sure.acknowledged() == Published(SURE, duration=9.0).acknowledged()


def test_what_a_handler_publishes_is_doubled_too() -> None:
    """Where its client is not idempotent, as Kafka's is."""
    for profile, stored in (("rabbitmq", 5), ("kafka", 4)):
        run = consumed(twice(0.5, 2.0, ASKING), events=4, profile=profile, publishes=[{"topic": "u"}])
        assert len(run.parts.channels["u"].messages) == 4
        assert run.value("topics.u", "stored") == stored


# -- between nodes --


@pytest.mark.parametrize("link", ["broker.nodes[0] -> broker.nodes[1]", "broker.nodes[1] -> broker.nodes[0]"])
def test_a_copy_takes_longer_over_a_slow_link_between_nodes_and_later_ones_wait_for_it(link: str) -> None:
    run = Published(SURE, delay(4.5, 2.0, link, 1.0), duration=9.0)
    assert run.available()[3:8] == [(4.5, 3), (6.5, 4), (7.5, 5), (7.5, 6), (8.5, 7)]
    assert run.acknowledged()[3:8] == run.available()[3:8]


def test_a_copy_that_gets_lost_is_sent_again_and_comes_through_when_the_fault_is_over() -> None:
    run = Published(SURE, loss(4.5, 2.0, "broker.nodes[0] -> broker.nodes[1]"), duration=9.0)
    assert run.available()[3:8] == [(4.5, 3), (7, 4), (7, 5), (7.5, 6), (8.5, 7)]


def test_a_follower_behind_a_link_that_is_too_slow_leaves_the_in_sync_set() -> None:
    """Kafka's `replica.lag.time.max.ms`: 30 s, looked after every 15 s; it is back one copy after the fault."""
    run = Published(LEADER, delay(4.5, 60.0, "broker.nodes[0] -> broker.nodes[1]", 40.0), duration=80.0)
    assert run.sizes() == [(45, 2), (65, 3)]


def test_a_link_between_nodes_that_is_given_by_name_adds_to_the_replication_lag() -> None:
    links = {"broker.nodes[0] -> broker.nodes[2]": {"latency": 0.25}}
    run = Published(SURE, network={"links": links}, duration=5.0)
    assert run.acknowledged()[:3] == [(1.75, 0), (2.75, 1), (3.75, 2)]


# -- consuming --


def test_a_fetch_that_is_late() -> None:
    run = log(delay(0.5, 2.0, ANSWERING, 0.5))
    assert run.effects() == [*at(2.5, 0, 1, 2, 3, 4), *at(7.5, 5, 6, 7, 8, 9)]


def test_pushes_that_are_late() -> None:
    """The second is acknowledged at 4 s, when the fault ends."""
    assert queue(delay(0.5, 3.5, ANSWERING, 0.5)).effects() == [(2.5, 0), (4, 1), (5, 2), (6, 3)]


def test_a_receive_and_its_answer_that_are_late() -> None:
    run = lease(delay(0.5, 9.0, "consumers.c[0]", 0.25))
    assert run.effects() == at(2.5, 0, 1, 2)
    events = run.result.events
    assert events is not None
    assert events["settled"].tolist() == [2.75, 3.75, 4.75]


def test_a_fetch_that_is_lost_is_sent_again() -> None:
    """At 1, 1.2, 1.6 and 2.4 s within the fault, and at 4 s after it."""
    assert log(loss(0.5, 2.0, ASKING)).effects() == [*at(5, 0, 1, 2, 3, 4), *at(10, 5, 6, 7, 8, 9)]
    assert lease(loss(0.5, 2.0, ASKING)).effects() == at(5, 0, 1, 2)


def test_a_push_that_is_lost_is_sent_again_and_those_behind_it_wait() -> None:
    """At 1, 1.2, 1.6 s within the fault, and at 2.4 s after it."""
    assert queue(loss(0.5, 1.5, ANSWERING), prefetch=4, events=2).effects() == [(3.4, 0), (4.4, 1)]


def test_a_deletion_that_is_lost_is_a_delivery_at_the_end_of_the_lease() -> None:
    assert lease(loss(1.5, 1.0, ASKING)).effects() == [*at(2, 0, 1, 2), (12, 0)]


def test_a_commit_that_is_lost_is_made_up_for_by_the_next() -> None:
    run = log(loss(2.5, 1.0, ASKING), commit="record", events=4)
    assert run.commits() == [(2, 1), (4, 3), (5, 4)]


def test_an_acknowledgement_that_is_lost_keeps_its_place_in_the_prefetch() -> None:
    run = queue(loss(1.5, 1.0, ASKING), prefetch=2, consumer_timeout=5.0)
    assert run.effects()[:4] == at(2, 0, 1, 2, 3)
    assert run.trail("duplicates") == [(7, 0)]


# -- calling --


def test_a_call_that_is_late_on_its_way() -> None:
    assert calling(delay(0.5, 1.5, CALLS, 0.25)).effects() == [(2.25, 0), (3.25, 1)]
    late = calling(delay(0.5, 1.5, CALLS, 1.5), events=1, timeout=2.0)
    assert late.attempts() == [(1, 0), (3, 0)]
    assert late.effects() == [(3.5, 0), (4, 0)]
    assert late.value("dependencies.d", "wasted") == 1


def test_a_lost_call_has_no_effect_and_a_lost_answer_had_it() -> None:
    asked, answered = calling(loss(0.5, 1.0, CALLS), timeout=2.0), calling(loss(1.5, 1.0, ANSWERS), timeout=2.0)
    assert asked.attempts() == answered.attempts() == [(1, 0), (3, 0), (4, 1)]
    assert asked.effects() == [(4, 0), (5, 1)]
    assert answered.effects() == [(2, 0), (4, 0), (5, 1)]


def test_a_call_that_arrives_twice_is_served_twice() -> None:
    """The second is served for nobody; where there is only one server, the next caller waits for it."""
    run = calling(twice(0.5, 1.0, CALLS))
    assert run.effects() == [(2, 0), (2, 0), (3, 1)]
    assert run.attempts() == [(1, 0), (2, 1)]
    assert run.value("dependencies.d", "calls") == 3
    assert run.value("dependencies.d", "wasted") == 1
    busy = calling(twice(0.5, 1.0, CALLS), dependency={"concurrency": 1})
    assert busy.effects() == [(2, 0), (3, 0), (4, 1)]


def test_idempotency_within_a_transaction_suppresses_the_second_of_a_doubled_call() -> None:
    marks = {"order": "transaction", "ttl": 100.0}
    assert calling(twice(0.5, 1.0, CALLS), idempotency=marks).effects() == [(2, 0), (3, 1)]


def test_a_call_that_a_dependency_makes_is_late_lost_or_doubled_too() -> None:
    """1 s of its own work, then 0.5 s at the one that it calls."""
    more = {"dependencies": {"d": {"latency": 1.0, "dependencies": ["e"], "timeout": 2.0}, "e": {"latency": 0.5}}}
    asked = {"dependencies": ["d"], "service": 0.0, "redelivery": {"max_deliveries": 9, "through": "seek"}}
    onward, run = "dependencies.d -> dependencies.e", {}
    for trouble in (delay(1.5, 1.0, onward, 0.25), loss(1.5, 1.0, "dependencies.e"), twice(1.5, 1.0, onward)):
        run[trouble["kind"]] = log(trouble, events=1, more=more, **asked)
    assert run["delay"].effects() == [(2.75, 0)]
    assert run["loss"].effects() == [(5.5, 0)]
    assert run["duplicate"].effects() == [(2.5, 0)]
    assert run["duplicate"].value("dependencies.e", "calls") == 2


# -- together --


def test_delays_add_up_and_each_is_over_when_it_ends() -> None:
    run = Published(LEADER, delay(4.5, 2.0, TO, 0.25), delay(5.5, 3.0, "producers.p -> broker.nodes", 0.5), duration=11.0)
    assert run.acknowledged()[3:10] == [(4, 3), (5.25, 4), (6.75, 5), (7.5, 6), (8.5, 7), (9, 8), (10, 9)]


def test_a_fault_that_overlaps_itself_adds_up_too() -> None:
    """From 2, 4, 6 and 8 s, for 3.5 s each."""
    every = {"name": "f", "kind": "delay", "target": TO, "add": 0.25, "every": 2.0, "for": 3.5}
    run = Published(LEADER, every, duration=10.0)
    assert run.acknowledged()[:6] == [(1, 0), (2.25, 1), (3.25, 2), (4.5, 3), (5.5, 4), (6.5, 5)]
    way = run.parts.producers["producers.p"].publisher.instances[0].way.client.routes.to[0]  # type: ignore[union-attr]
    assert len(way.troubles) == 2


@pytest.mark.parametrize("kind", ["crash", "pause"])
def test_a_delay_outlives_a_failure_of_the_leader(kind: str) -> None:
    """The leader is gone at 4.2 s, noticed at 6.2 s, replaced at 7.2 s; what is sent until 12.5 s takes 0.25 s longer."""
    faults = fault(kind, 4.2, 2.8, "broker.nodes[0]"), delay(2.5, 10.0, TO, 0.25)
    run = Published({**HASTY, "idempotent": False}, *faults, duration=20.0)
    assert run.believed() == {}
    assert run.acknowledged()[10:14] == [(11.25, 10), (12.25, 11), (13, 12), (14, 13)]


def test_a_loss_within_a_partition_within_a_rebalance() -> None:
    """c[1] goes at 3 s, and c[0] is cut off from 3.5 s to 5.5 s with its batch, which it finishes at 6 s; the rebalance takes
    1 s. Its fetch at 7 s is lost until 8 s: sent again at 7.2, 7.6 and 8.4 s."""
    faults = fault("stop", 3.0, 30.0, "consumers.c[1]"), cut(["consumers.c[0]"], ["broker"], 3.5, 2.0), loss(6.5, 1.5, ASKING)
    run = log(*faults, instances=2, session_timeout=6.0, heartbeat_interval=1e-8)
    assert run.effects() == [*at(2, 0, 1, 2, 3, 4), *at(9.4, 5, 6, 7, 8, 9)]


SAME = ("faults.one", "system")


def measured(run: Played) -> dict[tuple[str, str], str]:
    return {(each.component, each.metric): repr(each.value) for each in run.result.measurements[0].metrics}


@pytest.mark.parametrize("target", ["consumers.c[0]", ASKING, "producers.p", TO, "broker.nodes[0] -> broker.nodes[1]", CALLS])
def test_a_loss_of_everything_is_a_partition(target: str) -> None:
    ends = target.split(" -> ") if "->" in target else [target, "broker"]
    one = {"name": "one", "at": 5.3, "for": 10.0}
    total = {**one, "kind": "loss", "target": target, "rate": 1.0}
    split = {**one, "kind": "partition", "between": [[ends[0]], [ends[1]]], "one_way": "->" in target}
    if target == "consumers.c[0]":
        split["between"] = [["consumers.c[0]"], ["broker", "dependencies.d"]]
    consumer = {"service": 0.25, "instances": 2, "session_timeout": 4.0, "dependencies": ["d"], "timeout": 2.0}
    runs = [
        Published({**HASTY, "acks": "all"}, each, consumer=consumer, dependencies={"d": {"latency": 0.25}}, duration=30.0)
        for each in (total, split)
    ]
    assert measured(runs[0]) == measured(runs[1])
    assert runs[0].effects() == runs[1].effects() != Published(HASTY, consumer=consumer | {"dependencies": []}).effects()


@pytest.mark.parametrize(
    ("target", "groups"),
    [
        ("network", ["c", "other", "after"]),
        ("broker.nodes[0]", ["c", "other", "after"]),
        ("broker -> consumers.c", ["c", "after"]),
        ("consumers.other -> dependencies.d", ["other"]),
        ("dependencies.d", ["c", "other", "after"]),
        ("producers.q -> broker", ["other"]),
    ],
)
def test_a_fault_on_links_touches_the_groups_at_their_ends_and_those_downstream(target: str, groups: list[str]) -> None:
    arrivals = {"process": "constant", "rate": 1.0}
    tables = {
        "run": {"duration": 10.0},
        "producers": {"p": {"topic": "t", "arrivals": arrivals}, "q": {"topic": "v", "arrivals": arrivals}},
        "dependencies": {"d": {"latency": 1.0}},
        "consumers": {
            "c": {"topic": "t", "dependencies": ["d"], "publishes": [{"topic": "u"}]},
            "other": {"topic": "v", "dependencies": ["d"]},
            "after": {"topic": "u"},
        },
        "faults": [delay(1.0, 1.0, target, 1.0)],
    }
    scenario = Scenario.from_dict(tables)
    assert affected(scenario.faults[0], scenario) == [f"consumers.{group}" for group in groups]


# -- at random --

MANY: Tables = {
    "arrivals": {"process": "constant", "rate": 100.0}, "acks": "leader", "idempotent": False, "request_timeout": 0.05,
    "delivery_timeout": "1d",
}  # fmt: skip
ALONE: Tables = {"nodes": 1, "replication_factor": 1}


def tries(k: int) -> Tables:
    return {**MANY, "retry": {"backoff": "fixed", "base": 0.05, "max_attempts": k}}


def half_width(sample: np.ndarray) -> float:
    """Of a 99 % interval."""
    return float(2.576 * sample.std(ddof=1) / np.sqrt(len(sample)))


def test_copies_over_a_link_that_loses_for_a_while_agree_with_theory() -> None:
    """E[copies] = (1 - a)(1 - f^k) / (1 - f), told failure f^k, never stored a^k; f = a + (1 - a) b. One copy outside."""
    a, b, k = 0.3, 0.4, 3
    run = Published(tries(k), loss(10.0, 40.0, TO, a), loss(10.0, 40.0, FROM, b), broker=ALONE, duration=60.0)
    copies = np.bincount(run.records(), minlength=6000).astype(float)
    given_up = np.zeros(len(copies))
    given_up[[event for verdict in ("failed", "phantom") for event in run.believed().get(verdict, [])]] = 1.0
    f, inside = a + (1 - a) * b, slice(1000, 4900)
    assert abs(copies[inside].mean() - (1 - a) * (1 - f**k) / (1 - f)) < half_width(copies[inside])
    assert abs(given_up[inside].mean() - f**k) < half_width(given_up[inside])
    assert abs((copies[inside] == 0).mean() - a**k) < half_width(copies[inside] == 0)
    assert (copies[:990] == 1).all()
    assert (copies[5020:5990] == 1).all()


def test_losses_and_duplicates_combine() -> None:
    """1 - (1 - 0.5)(1 - 0.4) = 0.7 are lost; and of what is not, 1 - (1 - 0.3)(1 - 0.2) = 0.44 arrive twice."""
    losing = loss(0.0, 60.0, TO, 0.5), loss(0.0, 60.0, "producers.p", 0.4)
    doubling = fault("duplicate", 0.0, 60.0, TO, rate=0.3), fault("duplicate", 0.0, 60.0, "network", rate=0.2)
    run = Published({**tries(1), "request_timeout": 0.5}, losing[0], broker=ALONE, duration=50.0)
    single = np.bincount(run.records(), minlength=4999)[:4900]
    run = Published({**tries(1), "request_timeout": 0.5}, *losing, *doubling, broker=ALONE, duration=50.0)
    copies = np.bincount(run.records(), minlength=4999)[:4900]
    assert abs((copies == 0).mean() - 0.7) < half_width(copies == 0)
    there = copies[copies > 0]
    assert abs((there == 2).mean() - 0.44) < half_width(there == 2)
    assert not (copies > 0)[single == 0].any(), "what one fault loses is lost with another beside it"


def test_a_fault_on_one_link_leaves_the_luck_of_others_alone() -> None:
    two = {"producers": {name: {"topic": "t", **tries(1)} for name in "pq"}, "topics": {"t": {"partitions": 1}}}
    links = {"producers.q -> broker": {"loss": 0.2}}
    tables: Tables = {
        "run": {"duration": 20.0}, "consumers": {"c": {"topic": "t"}}, **two, "network": {"links": links},
    }  # fmt: skip
    plain, struck = (Played({**tables, "faults": faults}) for faults in ([], [loss(5.0, 5.0, "producers.p", 0.5)]))
    assert plain.value("producers.q", "failed") == struck.value("producers.q", "failed") > 0
    assert plain.value("producers.p", "failed") == 0 < struck.value("producers.p", "failed")
