"""Instances that autoscaling starts and stops, against schedules worked out by hand: see `played_members` for the common
setting, in which a record takes a second."""

from __future__ import annotations

from typing import Any

import pytest
from claims import content, differences
from played import Played, Tables, fault, together
from played_members import ONE, PROTOCOLS, TWO, ZERO, every_second, played

from models import System
from models.record import AWAY, DOWN, LEAVING, RUNNING, STARTING
from simulator import replicate

BY_LAG: Tables = {"metric": "lag", "target": 30.0, "min": 1, "max": 2, "interval": 2.25, "cooldown": 5.0, "startup": 3.0}
"""60 records at 1 s: a second instance is wanted at 2.25 s, when 59 are left, and is there at 5.25 s. It is wanted no more at
the first look before which for 5 s all looks found 30 records or fewer."""


def states(run: Played, index: int) -> list[tuple[float, int]]:
    """(time, state) of an instance at each change."""
    trail = run.group().instances[index].states
    rows = dict(zip(trail["time"].tolist(), trail["state"].tolist(), strict=True))
    changes = [row for row, before in zip(rows.items(), [None, *rows.values()], strict=False) if row[1] != before]
    return changes


def all_times(run: Played) -> list[float]:
    return [time for time, _ in run.effects()]


def test_in_eager_everybody_stands_for_who_comes_and_for_who_goes() -> None:
    """From 6 to 7 s for the one that comes at 5.25 s. 33 records are left at 18 s and 29 at 20.25 s, so that it goes at
    24.75 s; it has a record in hand until 25 s, and the other one takes its next until 26 s, and stands until 27 s."""
    run = played("eager", events=60, duration=29.5, instances=1, autoscale=BY_LAG)
    assert states(run, 1) == [(0.0, AWAY), (2.25, STARTING), (5.25, RUNNING), (24.75, LEAVING), (25.0, AWAY)]
    assert run.rebalances() == [5.25, 25.0]
    assert all_times(run) == [*every_second(2, 6), *sorted(2 * every_second(8, 25)), 26, 28, 29]
    assert run.value("consumers.c", "redelivered") == 0


def test_in_a_cooperative_rebalance_the_first_one_goes_on() -> None:
    """It comes with its poll at 6 s, and at 7 s is asked for partition 1; of that it has a record in hand until 8 s. The
    second one has it at 9 s."""
    run = played("cooperative", events=60, duration=29.5, instances=1, autoscale=BY_LAG)
    assert run.rebalances()[0] == 5.25
    assert [time for time in all_times(run) if time < 11] == [*every_second(2, 9), 10, 10]
    assert run.unserved(0) == []
    assert run.unserved(1)[0] == (8.0, 9.0)


def test_server_side_only_what_moves_stands() -> None:
    """Partition 1 is given up at the first poll, at 6 s, and is there at 7 s."""
    run = played("server", events=60, duration=29.5, instances=1, autoscale=BY_LAG)
    assert run.rebalances()[0] == 5.25
    assert run.unserved(1)[0] == (6.0, 7.0)
    assert run.unserved(0) == []
    assert [time for time in all_times(run) if time < 10] == [*every_second(2, 8), 8, 9, 9]


def fed(delivery: str, *faults: Tables, events: int = 24, duration: float = 20.0, **group: Any) -> Played:
    """A group with all messages at 1 s that takes one at a time, from a queue or by leases."""
    one = {"queue": {"prefetch": 1}, "lease": {"batch": 1}}[delivery]
    return Played(
        {
            "run": {"duration": duration},
            "broker": {"profile": {"queue": "rabbitmq", "lease": "sqs"}[delivery]},
            "producers": {"p": together(events)},
            "consumers": {"c": {"topic": "t", "service": 1.0, **one, **group}},
            "faults": list(faults),
            "costs": {"consumer_hour": 1.0},
        }
    )


@pytest.mark.parametrize("delivery", ["queue", "lease"])
def test_without_partitions_who_comes_takes_part_at_once(delivery: str) -> None:
    """From 5.25 s on, two a second. 13 messages are left at 9 s and 8 at 11.25 s; so that at 15.75 s, when it has just become
    idle, all looks of the last 5 s were at 10 or fewer."""
    run = fed(delivery, autoscale=BY_LAG | {"target": 10.0})
    assert all_times(run) == sorted([*every_second(2, 15), *(6.25 + n for n in range(10))])
    assert states(run, 1) == [(0.0, AWAY), (2.25, STARTING), (5.25, RUNNING), (15.75, AWAY)]


@pytest.mark.parametrize("delivery", ["queue", "lease"])
def test_a_timetable(delivery: str) -> None:
    """The third one is there from 4 + 0.5 s on. At 7.25 s the last two are wanted no more, and finish what they have."""
    run = fed(delivery, events=40, duration=12.0, startup=0.5, autoscale={"schedule": [[0, 2], [4, 3], [7.25, 1]]})
    assert all_times(run) == sorted([*every_second(2, 12), *every_second(2, 8), 5.5, 6.5, 7.5])
    assert states(run, 1) == [(0.0, RUNNING), (7.25, LEAVING), (8.0, AWAY)]
    assert states(run, 2) == [(0.0, AWAY), (4.0, STARTING), (4.5, RUNNING), (7.25, LEAVING), (7.5, AWAY)]


def test_none_at_all_until_there_is_something_to_do_and_after_it() -> None:
    """All is done at 2 s and the look at 6 s is the first that is 4 s after the last with lag, at 1.5 s. At 9 s another message
    comes: at 9 s it is seen, and at 10 s there is somebody to begin with it."""
    terms = {"metric": "lag", "target": 10.0, "min": 0, "max": 3, "interval": 1.5, "cooldown": 4.0, "startup": 1.0}
    tables = {
        "run": {"duration": 20.0},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": together(1), "later": together(1, at=9.0)},
        "consumers": {"c": {"topic": "t", "service": 1.0, "autoscale": terms}},
    }
    run = Played(tables)
    assert all_times(run) == [2.0, 11.0]
    gone = [(6.0, AWAY), (9.0, STARTING), (10.0, RUNNING), (15.0, AWAY)]
    assert states(run, 0) == [(0.0, RUNNING), *gone]
    assert run.unserved(0) == [(6.0, 10.0), (15.0, 20.0)]


# -- with faults --

UP_AND_DOWN: Tables = {"schedule": [[0, 2], [5.0, 1], [11.0, 2]]}
UNTIL_11 = [(0.0, RUNNING), (5.0, LEAVING), (6.0, AWAY)]
"""The second one has a message in hand from 5 to 6 s."""


def test_what_autoscaling_has_removed_the_end_of_a_fault_does_not_bring_back() -> None:
    """Crashed from 3.5 to 8 s, not wanted from 5 to 11 s."""
    run = fed("queue", fault("crash", 3.5, 4.5, ONE), events=60, autoscale=UP_AND_DOWN)
    assert states(run, 1) == [(0.0, RUNNING), (3.5, DOWN), (5.0, AWAY), (11.0, RUNNING)]
    assert run.value("consumers.c", "processed") == 19 + 2 + 9


def test_who_is_wanted_where_a_fault_holds_the_place_starts_when_that_is_over() -> None:
    """Crashed from 9 to 13 s, which strikes nobody before 11 s."""
    crash = fault("crash", 9.0, 4.0, ONE)
    run = fed("queue", crash, events=60, startup=0.5, autoscale=UP_AND_DOWN)
    assert states(run, 1) == [*UNTIL_11, (11.0, DOWN), (13.0, STARTING), (13.5, RUNNING)]
    assert run.value(f"faults.{crash['name']}", "downtime") == 2.0


def test_a_crash_of_one_that_is_finishing_kills_it() -> None:
    """What it has in hand at 5.25 s, since 5 s, is done again by the other one."""
    run = fed("queue", fault("crash", 5.25, 1.0, ONE), events=60, autoscale={"schedule": [[0, 2], [5.125, 1]]})
    assert states(run, 1) == [(0.0, RUNNING), (5.125, LEAVING), (5.25, AWAY)]
    assert run.value("consumers.c", "redelivered") == 1


def test_a_fault_of_nobody_is_none() -> None:
    crash = fault("crash", 6.0, 2.0, ONE)
    run = fed("queue", crash, events=60, autoscale=UP_AND_DOWN)
    assert run.value(f"faults.{crash['name']}", "occurrences") == 0
    assert run.value("consumers.c", "availability") == 1.0


def test_the_clock_of_failures_stands_while_nobody_is_there() -> None:
    """Fails after 6 s of being there: 5 s until it is sent away, and one from 11 s on."""
    wear = {"name": "wear", "kind": "crash", "target": ONE, "time_to_failure": 6.0, "time_to_repair": 1.0, "from_new": True}
    run = fed("queue", wear, events=60, duration=15.0, autoscale=UP_AND_DOWN)
    assert states(run, 1) == [*UNTIL_11, (11.0, RUNNING), (12.0, DOWN), (13.0, RUNNING)]


@pytest.mark.parametrize("kind", ["crash", "pause"])
def test_one_that_is_down_counts_as_a_replica(kind: str) -> None:
    """25 messages for one instance at 2.25 s: two more are wanted, the broken one is the second of three."""
    run = fed("queue", fault(kind, 1.5, 18.0, ZERO), events=26, autoscale=BY_LAG | {"target": 10.0, "max": 9})
    assert len([each for each in run.group().instances if len(each.states) > 1 and each.index]) == 2


# -- what it costs --


def test_time_that_nobody_is_wanted_is_neither_available_nor_paid() -> None:
    """0: 20 s. 1: wanted for 7.25 s, and until 8 s. 2: from 4 to 7.25 s, of these 0.5 s starting; and until 7.5 s."""
    run = fed("queue", events=60, startup=0.5, autoscale={"schedule": [[0, 2], [4, 3], [7.25, 1]]})
    paid = (20.0 + 8.0 + 3.5) / 20.0
    assert run.value("consumers.c", "instances_mean") == pytest.approx(paid)
    assert run.value("system", "cost") == pytest.approx(paid)
    assert run.value("consumers.c", "availability") == pytest.approx(1 - 0.5 / (20.0 + 7.25 + 3.25))
    assert run.value("consumers.c", "utilization") == pytest.approx((19.0 + 7.0 + 3.0) / (20.0 + 8.0 + 3.0))


def test_instances_beyond_the_partitions_get_nothing_and_cost_all_the_same() -> None:
    run = played("eager", duration=10.25, instances=2, autoscale={"schedule": [[2.5, 4]]})
    assert run.owners() == [0, 1]
    assert run.rebalances() == [2.5]
    assert run.value("consumers.c", "instances_mean") == pytest.approx((2 * 10.25 + 2 * 7.75) / 10.25)


def test_a_static_member_that_leaves_says_nothing() -> None:
    """Its partition waits for the end of its session, 10 s after 3 s, when it has done what it had in hand."""
    run = played("eager", autoscale={"schedule": [[2.5, 1]]}, static_membership=True)
    assert run.rebalances() == [13.0]
    assert run.times(1)[:3] == [2, 3, 16]


def test_a_breaker_of_who_is_not_there_is_neither_open_nor_closed() -> None:
    """Two of nine places are taken, and both breakers are open from the first failure on."""
    breaker = {"size": 1, "minimum_calls": 1, "open_for": 600.0, "on_open": "pause"}
    run = fed("queue", fault("errors", 0.0, 60.0, rate=1.0), instances=2, breaker=breaker, autoscale={"schedule": [[90, 9]]})
    assert run.value("consumers.c", "breaker_open_fraction") == pytest.approx(18.0 / 20.0)
    assert run.result.measurements[0].series["consumers.c", "breaker_open"][-1] == 1.0


# -- flapping --


def waves(cooldown: float) -> Played:
    """Every 10 s 20 messages at once, of which an instance does two a second."""
    terms = {"metric": "lag", "target": 5.0, "min": 1, "max": 4, "interval": 1.25, "cooldown": cooldown, "startup": 0.0}
    arrivals = {"process": "constant", "rate": 0.1, "size": 20}
    group = {"topic": "t", "service": 0.5, "autoscale": terms, "batch": 1, "commit": "record", "rebalance_time": 0.5}
    tables = {"topics": {"t": {"partitions": 4}}, "producers": {"p": {"topic": "t", "arrivals": arrivals}}}
    return Played({"run": {"duration": 60.0}, **tables, "consumers": {"c": group}})


def test_a_cooldown_that_is_longer_than_the_waves_prevents_flapping() -> None:
    """Three come in one rebalance at the first wave and stay; without a cooldown they go and come with every wave."""
    assert waves(12.0).rebalances() == [10.0]
    assert len(waves(0.0).rebalances()) > 10


# -- the same to the bit --

POISSON = {"topic": "t", "arrivals": {"process": "poisson", "rate": 20.0}}


@pytest.mark.parametrize("profile", ["kafka", "rabbitmq", "sqs"])
def test_a_timetable_that_changes_nothing_is_no_autoscaling(profile: str) -> None:
    """M/M/3."""

    def result(**group: Any) -> dict[Any, Any]:
        service = {"dist": "exponential", "mean": 0.125}
        tables = {
            "run": {"duration": 40.0},
            "broker": {"profile": profile},
            "topics": {"t": {"partitions": 3} if profile == "kafka" else {}},
            "producers": {"p": POISSON},
            "consumers": {"c": {"topic": "t", "service": service, **group}},
            "faults": [fault("crash", 20.0, 5.0)],
        }
        return content(replicate(System.from_dict(tables), runs=1, trace=True))

    fixed, timed = result(instances=3), result(autoscale={"schedule": [[0, 3], [30, 3]]})
    new = ["instances_mean", "instances", "instances_running"]
    assert not [key for key in differences(fixed, timed) if not set(key) & {*new, *((name, "series") for name in new)}
                and key[0] not in {("consumers.c", name) for name in new}]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scaling_repeats_itself_on_any_number_of_processes(protocol: str) -> None:
    terms = {"metric": "lag", "target": 8.0, "min": 1, "max": 4, "interval": 1.0, "cooldown": 3.0}
    startup = {"dist": "exponential", "mean": 1.0}
    group = {"topic": "t", "service": 0.125, "rebalance": protocol, "autoscale": {**terms, "startup": startup}}
    faults = [fault("crash", 4.0, 2.0, TWO)]
    tables = {"run": {"duration": 20.0}, "topics": {"t": {"partitions": 4}}, "producers": {"p": POISSON}, "faults": faults}
    system = System.from_dict({**tables, "consumers": {"c": group}})
    one, two = (content(replicate(system, runs=2, jobs=jobs, trace=True)) for jobs in (1, 2))
    assert not differences(one, two)
    assert one["consumers.c", "rebalances"] != "0"
