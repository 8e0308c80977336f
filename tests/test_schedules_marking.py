"""Marks and claims of handled events, in a store that fails too, against schedules worked out by hand with constant times.

Unless a test says otherwise: a log of one partition, events that all arrive at 1 s, 2 s of work for each, requests to the
store that take 0.5 s, one instance that begins again 11 s after a crash: the first event is begun at 1.5 s and done at 3.5 s.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

from models import System
from models.errors import BadScenario

LATENCY = 0.5
STORE = "stores.s"


def scenario(marks: Tables, *faults: Tables, events: int = 1, store: Tables | None = None, **consumer: Any) -> Tables:
    group = {"topic": "t", "service": 2.0, "commit": "record", "session_timeout": 10.0, "heartbeat_interval": 1e-8}
    return {
        "run": {"duration": 60.0},
        "producers": {"p": together(events)},
        "stores": {"s": {"latency": LATENCY, **(store or {})}},
        "consumers": {"c": {**group, "idempotency": {"ttl": 1000.0, "store": "s", **marks}, **consumer}},
        "faults": list(faults),
    }


def played(marks: Tables, *faults: Tables, **rest: Any) -> Played:
    return Played(scenario(marks, *faults, **rest))


def lost_marks(run: Played) -> int:
    return int(run.value("consumers.c", "lost"))


AFTER = {"order": "do_then_mark"}
BEFORE = {"order": "mark_then_do"}
CLAIM = {"order": "claim", "lease": 20.0}
SHORT_CLAIM = {"order": "claim", "lease": 5.0}
TRANSACTION = {"order": "transaction"}

# -- crashes of the instance --


@pytest.mark.parametrize(
    ("marks", "crash", "effects", "state"),
    [
        (BEFORE, 1.2, [14.7], "processed"),  # before the mark: as if it had never come
        (BEFORE, 1.5, [14.5 + LATENCY], "processed"),  # at the instant of the mark, which it precedes
        (BEFORE, 2.0, [], "lost"),  # marked, not done: seen at 13.5 s
        (BEFORE, 3.5, [], "lost"),
        (AFTER, 2.0, [15.5], "processed"),
        (AFTER, 3.7, [3.5, 17.2], "processed"),
        (CLAIM, 1.2, [14.7], "processed"),
        (CLAIM, 2.0, [24.0], "processed"),  # the claim holds until 21.5 s, as is seen at 13.5 s
        (CLAIM, 3.7, [3.5, 24.0], "processed"),  # done, not marked
        (SHORT_CLAIM, 2.0, [15.5], "processed"),  # the claim ended at 6.5 s
        (TRANSACTION, 2.0, [15.5], "processed"),
        (TRANSACTION, 3.5, [17.0], "processed"),
    ],
)
def test_where_a_crash_falls_decides_what_is_lost_repeated_or_late(
    marks: Tables, crash: float, effects: list[float], state: str
) -> None:
    run = played(marks, fault("crash", crash, 1.0))
    assert [time for time, _ in run.effects()] == effects
    assert run.states() == {state: 1}
    assert run.value("consumers.c", "duplicate_effects") == max(0, len(effects) - 1)
    assert lost_marks(run) == (state == "lost")


@pytest.mark.parametrize("marks", [AFTER, BEFORE, CLAIM, TRANSACTION])
def test_what_was_done_and_marked_is_suppressed_whatever_the_order(marks: Tables) -> None:
    """Nothing is committed before both events are done; the crash comes while the second is under way."""
    run = played(marks, fault("crash", 4.2, 1.0), events=2, commit="batch", batch=2)
    assert [event for _, event in run.effects()][:1] == [0]
    assert run.value("consumers.c", "suppressed") >= 1
    assert run.value("consumers.c", "duplicate_effects") == 0


# -- deliveries that fail --


def failing(start: float, end: float) -> Tables:
    return fault("errors", start, end - start, rate=1.0)


def test_a_mark_before_a_delivery_that_fails_suppresses_the_next_one() -> None:
    run = played(BEFORE, failing(2, 4))
    assert run.effects() == []
    assert run.trail("suppressions") == [(4.0, 0)]
    assert run.states() == {"lost": 1}
    assert run.journey().losses["cause"].tolist() == [2]


def test_tries_within_a_delivery_are_not_stopped_by_its_mark() -> None:
    run = played(BEFORE, failing(2, 4), retry={"max_attempts": 2, "backoff": "none"})
    assert run.effects() == [(5.5, 0)]


def test_who_fails_releases_its_claim_so_that_the_next_delivery_comes_in() -> None:
    run = played(CLAIM, failing(2, 4))
    assert run.effects() == [(6.5, 0)]  # fails at 3.5 s, released at 4 s, claimed at 4.5 s
    assert run.value("consumers.c", "delivered") == 2


@pytest.mark.parametrize("through", ["seek", "retry_topic"])
def test_a_claim_that_is_not_released_holds_until_its_lease_ends(through: str) -> None:
    """The store is gone when the claim of 1.5 s is to be taken back at 3.5 s; the next delivery looks at 5.5 s."""
    run = played(CLAIM, failing(2, 4), fault("outage", 3.2, 1.0, STORE), redelivery={"delays": [2.0], "through": through})
    assert run.effects() == [(24.0, 0)]


# -- overlapping deliveries: a lease of 3 s, work of 5 s, a second instance that gets the message again at 4 s --


def overlapping(marks: Tables) -> Played:
    tables = scenario(marks)
    group = {"topic": "t", "service": 5.0, "instances": 2, "visibility_timeout": 3.0, "batch": 1, "poll_wait": 0.0}
    tables["consumers"]["c"] = {**group, "idempotency": {"ttl": 1000.0, **marks}}
    return Played({**tables, "broker": {"profile": "sqs"}})


@pytest.mark.parametrize(
    ("marks", "effects", "suppressed"),
    [
        (AFTER, [6.0, 9.0], 0),  # both look before either marks
        (TRANSACTION, [6.0], 1),  # the second has nothing to do at 9 s
        (BEFORE, [6.0], 1),
        (CLAIM, [6.0], 0),  # held until 21 s, when it is long deleted
        ({"order": "claim", "lease": 4.0}, [6.0, 10.0], 0),  # the claim ends before the work: the second comes in at 5 s
    ],
)
def test_of_two_deliveries_at_once_the_second(marks: Tables, effects: list[float], suppressed: int) -> None:
    run = overlapping(marks)
    assert [time for time, _ in run.effects()] == effects
    assert run.value("consumers.c", "suppressed") == suppressed
    assert run.states() == {"processed": 1}


# -- a store that does not answer --


def test_without_an_answer_deliveries_fail_until_the_store_is_back() -> None:
    """Refused at once at 1, 3, 5, 7 and 9 s."""
    run = played(AFTER, fault("outage", 0.5, 9.5, STORE), redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(13.5, 0)]
    assert run.value("consumers.c", "delivered") == 6
    assert run.value("consumers.c", "attempts_mean") == 1


def test_a_store_that_is_gone_burns_the_deliveries() -> None:
    group = {"redelivery": {"max_deliveries": 3}, "dead_letter": {"topic": "d"}}
    run = played(AFTER, fault("outage", 0.5, 9.5, STORE), **group)
    assert run.states() == {"dead_lettered": 1}
    assert run.trail("moves") == [(1.0, 0)]


def test_a_group_that_goes_on_without_its_store_neither_looks_nor_marks() -> None:
    """Done at 3 s, not committed before the second, which is done at 5 s; the crash of 4 s repeats the first."""
    marks = {**AFTER, "on_outage": "process"}
    run = played(marks, fault("outage", 0.5, 9.5, STORE), fault("crash", 4.0, 1.0), events=2, commit="batch", batch=2)
    assert run.effects() == [(3.0, 0), (17.5, 0), (20.5, 1)]


def test_a_mark_that_cannot_be_made_fails_the_delivery() -> None:
    run = played(AFTER, fault("outage", 3.0, 2.0, STORE), redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(3.5, 0), (8.0, 0)]


def test_a_transaction_without_its_store_has_no_effect() -> None:
    run = played(TRANSACTION, fault("outage", 3.0, 2.0, STORE), redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(8.0, 0)]


def test_a_slow_store_holds_every_delivery_up_twice() -> None:
    run = played(AFTER, fault("slowdown", 0.5, 50.0, STORE, factor=2.0), events=2)
    assert run.effects() == [(4.0, 0), (8.0, 1)]


def test_an_error_of_the_store_is_no_answer() -> None:
    """Errors at 1.5 and 4 s; the delivery of 6 s is the first that gets through."""
    run = played(AFTER, fault("errors", 0.5, 4.0, STORE, rate=1.0), redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(8.5, 0)]


SILENCE = fault("outage", 1.2, 0.4, STORE, silent=True)
"""What is asked at 1 s is carried out at 1.5 s, and the answer is lost; it is asked again at 3 s."""


def test_a_mark_asked_for_twice_finds_itself_and_loses_a_fresh_event() -> None:
    run = played(BEFORE, SILENCE)
    assert run.trail("suppressions") == [(3.5, 0)]
    assert run.states() == {"lost": 1}
    assert run.journey().losses["cause"].tolist() == [2]


def test_a_claim_asked_for_twice_knows_its_owner() -> None:
    run = played(CLAIM, SILENCE)
    assert run.effects() == [(5.5, 0)]


def test_a_store_that_stays_silent_costs_two_timeouts_a_delivery() -> None:
    """Asked at 1 and 3 s, and again 2 s after that failed: at 7 s, when the silence is just over."""
    silence = fault("outage", 0.5, 6.4, STORE, silent=True)
    run = played(AFTER, silence, redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(9.5, 0)]


def test_a_store_slower_than_its_clients_wait_carries_out_what_nobody_waits_for() -> None:
    """Requests of 3 s: the mark of 1 s is there at 4 s, that of 3 s finds it at 6 s, the next delivery at 8 s."""
    run = played(BEFORE, fault("slowdown", 0.5, 5.0, STORE, factor=6.0), redelivery={"delays": [2.0], "through": "seek"})
    assert run.trail("suppressions") == [(7.5, 0)]
    assert run.states() == {"lost": 1}


# -- marks that a store loses: of 4 s, the instance crashes at 4.2 s and begins again at 15.2 s --


@pytest.mark.parametrize(
    ("store", "crash", "lasting", "effects"),
    [
        ({"replication_lag": 2.0, "failover_time": 3.0}, 5.0, 60.0, 2),  # 1 s old at the crash
        ({"replication_lag": 0.5, "failover_time": 3.0}, 5.0, 60.0, 1),
        ({"replication_lag": 2.0, "failover_time": 3.0}, 5.0, 1.0, 1),  # back before it was missed
        ({"replication_lag": 2.0}, 5.0, 60.0, 2),
        ({"persistence": 2.0}, 5.0, 1.0, 2),
        ({"persistence": 0.5}, 5.0, 1.0, 1),
        ({}, 5.0, 1.0, 1),
        ({"replication_lag": 2.0, "failover_time": 3.0, "persistence": 2.0}, 6.5, 60.0, 1),  # 2.5 s old
    ],
)
def test_a_crash_of_the_store_loses_the_marks_that_are_too_young(
    store: Tables, crash: float, lasting: float, effects: int
) -> None:
    faults = fault("crash", 4.2, 1.0), fault("crash", crash, lasting, STORE)
    run = played(AFTER, *faults, events=2, commit="batch", batch=2, store=store)
    assert [event for _, event in run.effects()].count(0) == effects
    assert run.value("consumers.c", "suppressed") == 2 - effects


def test_a_store_without_a_replica_is_gone_as_long_as_its_node() -> None:
    run = played(AFTER, fault("crash", 0.5, 9.5, STORE), redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(13.5, 0)]
    store = {"failover_time": 5.0}
    run = played(AFTER, fault("crash", 0.5, 9.5, STORE), redelivery={"delays": [2.0], "through": "seek"}, store=store)
    assert run.effects() == [(9.5, 0)]  # a replica serves from 5.5 s


def test_as_many_marks_are_lost_as_are_made_within_the_lag() -> None:
    """50 marks a second, 2 s of lag at a crash of 9.01 s: those of 7.02 to 9 s. The instance has committed nothing."""
    group = {"service": 0.02, "commit": "batch", "batch": 500}
    store = {"latency": 0.0, "replication_lag": 2.0}
    faults = fault("crash", 9.01, 60.0, STORE), fault("crash", 9.5, 1.0)
    run = played(AFTER, *faults, events=500, store=store, **group)
    assert run.value("consumers.c", "duplicate_effects") == 100
    assert run.value("consumers.c", "suppressed") == 425 - 100


# -- stores that are shared --


def test_groups_that_share_a_store_have_keys_of_their_own() -> None:
    tables = scenario(AFTER, fault("crash", 6.0, 1.0, STORE), store={"persistence": 10.0})
    tables["consumers"]["d"] = tables["consumers"]["c"]
    run = Played(tables)
    assert run.effects("c") == run.effects("d") == [(3.5, 0)]
    registers = run.parts.stores[STORE].registers
    assert [len(marks) for marks in registers] == [0, 0]


def test_a_latency_of_the_group_goes_before_that_of_the_store() -> None:
    assert played({**AFTER, "latency": 0.1}).effects() == [(3.1, 0)]


def test_requests_that_are_carried_out_are_paid_for() -> None:
    """One event: look-up and mark; a mark; claim and mark; look-up and transaction; refused ones cost nothing."""
    for marks, operations in ((AFTER, 2), (BEFORE, 1), (CLAIM, 2), (TRANSACTION, 2)):
        run = Played({**scenario(marks), "costs": {"store_million_operations": 1e6 / 60}})
        assert run.value("system", "cost") == pytest.approx(operations)
    refused = scenario(AFTER, fault("outage", 0.5, 9.5, STORE), redelivery={"delays": [2.0], "through": "seek"})
    run = Played({**refused, "costs": {"store_million_operations": 1e6 / 60}})
    assert run.value("system", "cost") == pytest.approx(2)


# -- the network between --


def test_a_cut_from_the_store_is_silence_to_those_who_are_cut_off() -> None:
    cut = {"name": "cut", "kind": "partition", "between": [["consumers.c"], [STORE]], "at": 0.5, "for": 6.4}
    run = played(AFTER, cut, redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(9.5, 0)]


def test_a_link_to_the_store_takes_its_time_there_and_back() -> None:
    tables = scenario(AFTER)
    tables["network"] = {"links": {f"consumers.c -> {STORE}": {"latency": 0.25}, f"{STORE} -> consumers.c": {"latency": 0.5}}}
    assert Played(tables).effects() == [(1.0 + 0.25 + LATENCY + 0.5 + 2.0, 0)]


def test_links_to_a_store_of_another_are_refused() -> None:
    tables = scenario(AFTER)
    tables["stores"]["other"] = {"latency": 0.1}
    tables["network"] = {"links": {"consumers.c -> stores.other": {"latency": 0.25}}}
    with pytest.raises(BadScenario, match=r"nothing goes from consumers\.c to stores\.other"):
        System.from_dict(tables)


@pytest.mark.parametrize("target", [STORE, f"consumers.c -> {STORE}", f"{STORE} -> consumers.c"])
def test_messages_to_the_store_that_are_lost_are_silence(target: str) -> None:
    """Asked at 1 and 3 s, and again 2 s after that failed; a lost answer to a look-up is no answer either."""
    loss = fault("loss", 0.5, 6.4, target, rate=1.0)
    run = played(AFTER, loss, redelivery={"delays": [2.0], "through": "seek"})
    assert run.effects() == [(9.5, 0)]


def test_messages_to_the_store_that_are_delayed_hold_the_worker_up() -> None:
    assert played(AFTER, fault("delay", 0.5, 50.0, f"consumers.c -> {STORE}", add=0.25)).effects() == [(3.75, 0)]
    assert played(AFTER, fault("delay", 0.5, 50.0, STORE, add=0.25)).effects() == [(4.0, 0)]


def test_faults_of_links_that_no_group_uses_are_refused() -> None:
    tables = scenario(AFTER, fault("loss", 0.5, 6.4, "stores.other", rate=1.0))
    tables["stores"]["other"] = {"latency": 0.1}
    with pytest.raises(BadScenario, match="which nobody uses"):
        System.from_dict(tables)
