"""An outage of the broker, or of one of its nodes: nobody outside reaches it, at once or in silence, and its processes live on.

Times as in `published.py`: event k is produced at k + 1 s, a node that is not seen is noticed after 2 s, an election takes 1 s.
"""

from __future__ import annotations

import pytest
from played import Played, Tables, fault
from published import NODE, Published

LEADER: Tables = {"acks": "leader", "idempotent": False}
ALL: Tables = {"acks": "all", "idempotent": False}
OUT: Tables = {"name": "f", "kind": "outage", "target": "broker", "at": 4.2, "for": 2.5}


def measured(run: Played) -> dict[tuple[str, str], str]:
    return {(each.component, each.metric): repr(each.value) for each in run.result.measurements[0].metrics}


def test_who_publishes_into_an_outage_is_refused_at_once() -> None:
    """And tries again every second: event 4 at 5, 6 and 7 s, event 5 at 6 and 7 s."""
    run = Published(LEADER, OUT, duration=10.0)
    assert run.retries() == [(6, 4), (7, 4), (7, 5)]
    assert run.acknowledged()[3:7] == [(4, 3), (7, 4), (7, 5), (7, 6)]


def test_who_publishes_into_a_silent_outage_waits_for_its_timeout() -> None:
    """At 6.5 s the connection is seen to be dead, and every request on it fails."""
    run = Published({**LEADER, "request_timeout": 1.5}, {**OUT, "silent": True}, duration=10.0)
    assert run.retries() == [(7.5, 4), (7.5, 5)]
    assert run.acknowledged()[3:7] == [(4, 3), (7.5, 4), (7.5, 5), (7, 6)]


def test_what_was_not_answered_when_an_outage_begins_is_unknown_and_sent_again() -> None:
    """Event 3 is stored at 4 s, and committed at 4.5 s: its connection is reset at 4.2 s, and it goes again every second."""
    run = Published(ALL, OUT, duration=10.0)
    assert run.records().count(3) == 2
    assert [time for time, event in run.retries() if event == 3] == [5.2, 6.2, 7.2]
    assert (7.7, 3) in run.acknowledged()
    sure = Published({**ALL, "idempotent": True}, OUT, duration=10.0)
    assert sure.records() == list(range(10))
    never = Published({**ALL, "retry": {"max_attempts": 1}}, OUT, duration=10.0)
    assert never.believed() == {"phantom": [3], "failed": [4, 5], "unconfirmed": [9]}


def test_what_nobody_answers_is_kept_until_there_is_a_connection() -> None:
    run = Published({"acks": "none", "idempotent": False}, OUT, duration=10.0)
    assert run.records()[:4] == [0, 1, 2, 3]
    assert sorted(run.records()) == list(range(10))


def test_a_client_waits_for_what_is_stored_though_its_double_is_lost() -> None:
    """Sent twice at 0.5 s, stored at once; the node that was to handle the other at 1.5 s crashes at 1.2 s. Done at 10.5 s."""
    closed = {"process": "closed", "clients": 1, "think": 0.5}
    run = Played(
        {
            "run": {"duration": 12.0},
            "broker": {"max_publish_rate": 1.0},
            "producers": {"p": {"topic": "t", "arrivals": closed, "acks": "none", "idempotent": False}},
            "consumers": {"c": {"topic": "t", "service": 10.0}},
            "faults": [fault("duplicate", 0.0, 20.0, "producers.p -> broker", rate=1.0), fault("crash", 1.2, 1.0, NODE)],
        }
    )
    assert run.journey().messages.produced.tolist()[:2] == [0.5, 11.0]


def test_nodes_go_on_copying_in_an_outage_of_the_broker() -> None:
    run = Published(LEADER, OUT, duration=10.0)
    assert run.sizes() == []
    assert run.unserved() == []
    assert run.available()[3] == (4.5, 3)


@pytest.mark.parametrize(
    ("target", "others"),
    [("broker", []), (NODE, ["broker.nodes[1]", "broker.nodes[2]"])],
)  # fmt: skip
def test_a_silent_outage_is_a_partition_from_everybody_else(target: str, others: list[str]) -> None:
    consumer = {"service": 0.25, "instances": 2, "session_timeout": 4.0}
    silent = {**OUT, "target": target, "for": 8.0, "silent": True}
    split = {**OUT, "kind": "partition", "between": [[target], ["producers.p", "consumers.c", *others]], "for": 8.0}
    del split["target"]
    runs = [Published(ALL, each, consumer=consumer, duration=30.0) for each in (silent, split)]
    assert measured(runs[0]) == measured(runs[1])


def test_an_outage_of_a_node_moves_what_it_led_to_another() -> None:
    """Unseen from 4.2 s on, noticed at 6.2 s; another leads from 7.2 s on, and does not have what was acknowledged at 4 s."""
    run = Published(LEADER, {**OUT, "target": NODE, "for": 20.0}, duration=15.0)
    assert run.sizes() == [(6.2, 2)]
    assert run.acknowledged()[4:8] == [(8, 4), (8, 5), (8, 6), (8, 7)]
    assert run.lost() == [3]


def test_sessions_end_in_an_outage_of_the_broker_as_they_do_in_a_partition() -> None:
    consumer = {"service": 0.25, "instances": 2, "session_timeout": 2.0, "heartbeat_interval": 1e-8, "rebalance_time": 1.0}
    run = Published(LEADER, {**OUT, "for": 5.0}, consumer=consumer, duration=30.0)
    assert run.rebalances()[0] == 6.2
    assert run.value("consumers.c", "availability") == pytest.approx(1 - 5 / 30)


def test_outages_and_partitions_overlap() -> None:
    """Refused at 5 s; from 5.5 s to 7 s a partition swallows what is sent, which times out at 7.5 s."""
    split = {"name": "split", "kind": "partition", "between": [["producers.p"], ["broker"]], "at": 5.5, "for": 1.5}
    run = Published({**LEADER, "request_timeout": 1.5}, {**OUT, "for": 4.3}, split, duration=15.0)
    assert run.acknowledged()[4:9] == [(8.5, 4), (8.5, 5), (9, 6), (9, 7), (9, 8)]
    assert run.retries() == [(6, 4), (8, 6), (8.5, 4), (8.5, 5), (9, 6), (9, 7)]


def test_a_crash_within_an_outage() -> None:
    run = Published(LEADER, {**OUT, "for": 10.0}, fault("crash", 5.0, 3.0, NODE), duration=20.0)
    assert run.believed() == {}
    assert run.unserved() == [(5.0, 8.0)]
