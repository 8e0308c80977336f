"""Logs that let records go, against schedules worked out by hand, with constant times.

Unless a test says otherwise: a record arrives at 1, 2, 3, ... 12 s, each takes 2 s and 1 KiB, one instance polls one at a
time, and a record goes at the age of 5 s.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from played import Played, Tables, fault, together
from published import Published, down

from models import System
from simulator import replicate

EVERY_SECOND = {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0, "limit": 12}}


def played(topic: Tables, *faults: Tables, consumer: Tables | None = None, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": "kafka"},
        "topics": {"t": topic},
        "producers": {"p": EVERY_SECOND},
        "consumers": {"c": {"topic": "t", "service": 2.0, "batch": 1, "reset": "earliest", **(consumer or {})}},
        "faults": list(faults),
    }
    return Played({**tables, **more})


# -- who falls behind --


def test_a_slow_consumer_goes_on_at_the_first_record_that_is_left() -> None:
    """At 11 s record 5, of 6 s, goes as it is due; so does every other one from then on."""
    run = played({"retention": 5.0})
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3), (11, 4), (13, 6), (15, 8), (17, 10)]
    assert run.trail("expiries") == [(11, 5), (13, 7), (15, 9), (17, 11)]
    assert run.states() == {"processed": 8, "expired": 4}
    assert run.value("topics.t", "expired") == run.value("consumers.c", "expired") == 4
    assert run.value("topics.t", "size_max") == 5
    assert run.value("system", "loss_rate") == 4 / 12


def test_or_it_loses_what_is_left_and_goes_on_with_what_comes() -> None:
    """At 11 s it jumps behind record 10, which has just arrived."""
    run = played({"retention": 5.0}, consumer={"reset": "latest"})
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3), (11, 4), (14, 11)]
    assert run.trail("expiries") == [(11, 5)]
    assert run.trail("losses") == [(11, n) for n in range(6, 11)]
    assert run.states() == {"processed": 6, "expired": 1, "lost": 5}


def test_records_go_when_they_are_due_though_nobody_looks() -> None:
    """The instance is paused for good at 4 s, with record 1 in hand."""
    run = played({"retention": 5.0}, fault("pause", 4.0, 100.0), consumer={"session_timeout": 500.0})
    assert run.trail("expiries") == [(n + 6, n) for n in range(2, 12)]
    assert run.states() == {"processed": 1, "in_flight": 1, "expired": 10}
    assert run.value("consumers.c", "lag_max") == 6


def test_what_was_handed_out_before_it_went_is_handled() -> None:
    run = played({"retention": 5.0}, consumer={"batch": 12}, producers={"p": together(6)})
    assert run.effects() == [(3 + 2 * n, n) for n in range(6)]
    assert run.trail("expiries") == []


def test_a_log_is_limited_by_the_bytes_behind_a_record() -> None:
    """A record goes as the third one after it arrives: 3 as 6 does, at 7 s, when the consumer comes to it."""
    run = played({"retention_size": "3KiB"})
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 4), (11, 6), (13, 8), (15, 9), (17, 10), (19, 11)]
    assert run.trail("expiries") == [(7, 3), (9, 5), (11, 7)]
    assert run.value("topics.t", "size_max") == 3


def test_sizes_are_drawn_once_for_each_event() -> None:
    """Two partitions; what is left in each at the end is what fits behind the last record, and the record before that."""
    size = {"dist": "uniform", "low": "1KiB", "high": "3KiB"}
    topic = {"retention_size": "10KiB", "message_size": size, "partitions": 2}
    run = played(topic, consumer={"topic": "t", "service": 0.0}, producers={"p": together(200)})
    for partition in run.parts.channels["t"].partitions:
        sizes = [partition.retention.sizes.at(event, 0) for event in partition.records]
        assert all(1024 <= each <= 3072 for each in sizes)
        assert len(set(sizes)) == len(sizes)
        left = sizes[partition.first_left(60.0) :]
        assert sum(left[1:]) < 10 * 1024 <= sum(left)


# -- who comes back --

BACK = {"session_timeout": 2.0, "heartbeat_interval": 1e-9, "rebalance_time": 0.0, "commit": "batch"}


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_a_restart_finds_its_offset_gone(reset: str) -> None:
    """It dies at 4 s with record 1 in hand, and is back at 9.5 s: records 0 to 3 are gone, of which 0 was handled."""
    run = played({"retention": 5.0}, fault("crash", 4.0, 5.5), consumer={**BACK, "reset": reset})
    assert run.trail("expiries")[:3] == [(7, 1), (8, 2), (9, 3)]
    if reset == "earliest":
        assert run.effects()[:3] == [(3, 0), (11.5, 4), (13.5, 6)]
    else:
        assert run.trail("losses") == [(9.5, n) for n in range(4, 9)]
        assert run.effects() == [(3, 0), (12, 9), (14, 10), (16, 11)]


def test_what_was_handled_and_not_committed_is_not_expired_nor_handled_again() -> None:
    """Records 0 and 1 are handled and nothing is committed; it dies at 5.5 s, and the log begins at 4 as it is back."""
    run = played({"retention": 5.0}, fault("crash", 5.5, 4.0), consumer={**BACK, "commit": "auto", "commit_interval": 99.0})
    assert run.effects()[:3] == [(3, 0), (5, 1), (11.5, 4)]
    assert run.trail("expiries")[:2] == [(8, 2), (9, 3)]


def test_what_goes_while_it_is_in_hand_has_expired_when_it_comes_back() -> None:
    """Record 0, in hand from 1 s on, goes at 6 s; its consumer dies at 8 s."""
    run = played({"retention": 5.0}, fault("crash", 8.0, 90.0), consumer={"service": 9.0, **BACK}, producers={"p": together(1)})
    assert run.trail("expiries") == [(8, 0)]


def test_a_record_that_is_tried_again_in_its_place_may_go() -> None:
    """It fails at 3 s, is due again at 7 s, and gone at 6 s: the consumer goes on with the first that is left, which is gone
    too when it fails at 9 s."""
    seek = {"through": "seek", "delays": [4.0], "max_deliveries": 9}
    run = played({"retention": 5.0}, consumer={"redelivery": seek, "transient_failure": 1.0}, run={"duration": 9.5})
    assert run.attempts() == [(1, 0), (7, 2)]
    assert run.trail("expiries") == [(6, 0), (7, 1), (9, 2), (9, 3)]
    assert run.states() == {"expired": 4, "backlog": 5}


def test_what_waits_in_a_retry_topic_stays() -> None:
    later = {"through": "retry_topic", "delays": [30.0], "max_deliveries": 2}
    run = played({"retention": 5.0}, consumer={"redelivery": later, "transient_failure": 1.0}, producers={"p": together(1)})
    assert run.attempts() == [(1, 0), (33, 0)]
    assert run.states() == {"discarded": 1}


def test_clients_go_on_when_what_they_sent_is_gone() -> None:
    """Client 1 hears at 6 s that its record has expired, thinks for 1 s, and sends again."""
    clients = {"p": {"topic": "t", "arrivals": {"process": "closed", "clients": 2, "think": 1.0}}}
    run = played({"retention": 5.0}, producers=clients, consumer={"service": 20.0}, run={"duration": 20.0})
    assert [round(time, 6) for time in run.journey().messages.produced] == [1, 1, 7, 13, 19]


# -- the same either way --

BUSY = {
    "run": {"duration": 60.0},
    "topics": {"t": {"partitions": 3, "retention": 4.0, "retention_size": "20KiB"}},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 20.0}}},
    "consumers": {
        "c": {
            "topic": "t",
            "instances": 2,
            "service": {"dist": "exponential", "mean": 0.1},
            "session_timeout": 3.0,
            "heartbeat_interval": 1.0,
            "transient_failure": 0.1,
        }
    },
    "faults": [fault("crash", 10.0, 10.0, "consumers.c[0]"), fault("pause", 30.0, 12.0)],
}


def bits(tables: Tables, changes: Tables) -> tuple[Any, ...]:
    measurement = replicate(System.from_dict(tables).with_(changes), runs=1, trace=True).measurements[0]
    events = {name: np.asarray(column).tolist() for name, column in (measurement.events or {}).items()}
    metrics = [(m.component, m.metric, round(m.value, 10)) for m in measurement.metrics if m.component != "producers.p"]
    return repr(metrics), repr(events)


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_records_written_ahead_go_as_those_that_come_one_by_one(reset: str) -> None:
    changes = {"consumers.c.reset": reset}
    idle = fault("surge", 1e6, 1.0, "producers.p", factor=1.0)
    stepwise = {**BUSY, "faults": [*BUSY["faults"], idle]}
    ahead, one_by_one = bits(BUSY, changes), bits(stepwise, changes)
    assert ahead[1] == one_by_one[1]
    assert "expired" in ahead[1]


def test_a_log_that_keeps_everything_until_the_end_is_one_that_keeps_it_for_ever() -> None:
    kept = bits(BUSY, {"topics.t.retention": 59.99, "topics.t.retention_size": "1GB"})
    assert kept[1] == bits(BUSY, {"topics.t.retention": "7d", "topics.t.retention_size": None})[1]


# -- a log whose records are on their way to followers --

BURST = {"arrivals": {"process": "constant", "rate": 1.0, "limit": 1, "size": 3}}
FROM_THE_START = {"reset": "earliest"}
SMALL = {"topics": {"t": {"retention_size": "1KiB"}}}


def test_no_record_goes_before_it_is_committed() -> None:
    """Three come at 1 s, of which the last fits; followers have them at 1.5 s."""
    run = Published(BURST, consumer=FROM_THE_START, **SMALL)
    assert run.available() == [(1.5, 0), (1.5, 1), (1.5, 2)]
    assert run.trail("expiries") == [(1.5, 0), (1.5, 1)]
    assert run.effects() == [(1.5, 2)]


def test_what_a_leader_takes_with_it_has_not_expired() -> None:
    """The leader dies before followers have them; they are sent again to the next one, which leads from 4.2 s on."""
    run = Published(BURST, down("crash", 1.2, 90.0), consumer=FROM_THE_START, **SMALL)
    assert run.available() == [(4.7, 0), (4.7, 1), (4.7, 2)]
    assert run.trail("expiries") == [(4.7, 0), (4.7, 1)]
    assert run.effects() == [(4.7, 2)]
