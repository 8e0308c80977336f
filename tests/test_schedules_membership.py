"""The protocols of a log's consumer group against schedules worked out by hand: see `played_members` for the common setting."""

from __future__ import annotations

import pytest
from played import fault
from played_members import ONE, PROTOCOLS, TWO, ZERO, every_second, played

# -- coming and going --

AWAY = fault("stop", 2.5, 8.0, ONE)
"""It has a record in hand until 3 s, then leaves, and joins again at 10.5 s."""


def test_eager_stops_everybody_at_each_change() -> None:
    """Instance 0 ends what it has in hand at 4 s, has both partitions at 5 s in turn, and stands from 11 to 12 s."""
    run = played("eager", AWAY)
    assert run.rebalances() == [3.0, 10.5]
    assert run.times(0) == [2, 3, 4, 6, 8, 10, *every_second(13, 20)]
    assert run.times(1) == [2, 3, 7, 9, 11, *every_second(13, 20)]
    assert run.unserved(0) == [(3.0, 5.0), (10.5, 12.0)]


def test_a_cooperative_rebalance_stops_only_what_moves_in_two_rounds() -> None:
    """Partition 1 is nobody's from 3 s on. Instance 0, busy, comes at its poll at 4 s, and has it at 5 s. The first round after
    10.5 s lasts from its poll at 11 s to 12 s, when it has a record of partition 1 in hand; it gives it up at 13 s, and at 14 s
    the other has it. Partition 0 never stands still."""
    run = played("cooperative", AWAY)
    assert run.rebalances() == [3.0, 10.5]
    assert run.times(0) == [2, 3, 4, 5, 6, 8, 10, 12, *every_second(14, 20)]
    assert run.times(1) == [2, 3, 7, 9, 11, 13, *every_second(15, 20)]
    assert run.unserved(0) == []
    assert run.unserved(1) == [(2.5, 5.0), (13.0, 14.0)]


def test_a_server_side_rebalance_moves_each_partition_by_itself() -> None:
    """Instance 0 has partition 1 from 4 s on, and gives it up at its first poll after 10.5 s."""
    run = played("server", AWAY)
    assert run.rebalances() == [3.0, 10.5]
    assert run.times(0) == [2, 3, 4, 5, 7, 9, 11, *every_second(12, 20)]
    assert run.times(1) == [2, 3, 6, 8, 10, *every_second(13, 20)]
    assert run.unserved(0) == []
    assert run.unserved(1) == [(2.5, 4.0), (11.0, 12.0)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("commit", ["auto", "batch", "record", "before", "transaction"])
def test_a_clean_revocation_commits_what_is_done(protocol: str, commit: str) -> None:
    """Auto-commit would not come for hours: it is done inside the poll in which the partition is given up."""
    run = played(protocol, AWAY, commit=commit, commit_interval=9999.0, batch=3)
    assert len(run.rebalances()) == 2
    assert len({run.times(1)[n] for n in range(8)}) == 8
    assert run.value("consumers.c", "duplicate_effects") == 0
    assert run.value("consumers.c", "lost") == 0


@pytest.mark.parametrize(
    ("protocol", "without", "back"),
    [
        ("eager", [0, 1, 0, 1, 0], [0, 1, 2, 0, 1]),
        ("cooperative", [0, 1, 0, 0, 1], [0, 1, 0, 2, 1]),
        ("server", [0, 1, 0, 0, 1], [0, 1, 0, 2, 1]),
    ],
)
def test_eager_deals_anew_and_the_others_move_the_fewest(protocol: str, without: list[int], back: list[int]) -> None:
    """The last of three instances leaves at once, and is back at 8 s: it had only partition 2, and gets one from who has 3."""
    group = {"instances": 3, "partitions": 5, "events": 90}
    assert played(protocol, fault("stop", 0.0, 80.0, TWO), **group).owners() == without
    assert played(protocol, fault("stop", 0.0, 8.0, TWO), **group).owners() == back


@pytest.mark.parametrize("protocol", ["cooperative", "server"])
def test_a_partition_in_hand_is_given_up_when_that_is_done_whatever_other_workers_poll(protocol: str) -> None:
    """Instance 0 has both partitions in hand from 1 s on, with a worker for each and all records in one poll, when the other
    joins at 1.5 s. The first partition is done long before the second, which is given up when it is done, and no earlier."""
    run = played(protocol, fault("stop", 0.0, 1.5, ONE), concurrency=2, batch=100, events=16)
    zero, one = (len(partition.records) for partition in run.parts.channels["t"].partitions)
    assert one >= zero + 2
    assert run.unserved(1)[1:] == [(1.0 + one, 2.0 + one)]
    assert run.owners() == [0, 1]
    assert run.value("consumers.c", "redelivered") == 0


def test_a_partition_that_need_not_move_after_all_stays() -> None:
    """Server side: who was to have it, from 10.5 s on, leaves at 10.75 s, before the poll at 11 s that would give it up."""
    run = played("server", AWAY, fault("stop", 10.75, 60.0, ONE))
    assert run.rebalances() == [3.0, 10.5]
    assert run.unserved(1) == [(2.5, 4.0)]


@pytest.mark.parametrize("protocol", ["cooperative", "server"])
def test_who_waits_at_a_breaker_polls(protocol: str) -> None:
    """Instance 0 has both partitions in one poll when the other joins at 1.5 s. Its first record fails at 2 s and opens the
    breaker for a minute: it waits with what it has in hand. That is a poll: server side it gives partition 1 up, in a round it
    comes, and gives it up at once in the next, at 3 s."""
    breaker = {"size": 1, "minimum_calls": 1, "open_for": 60.0, "on_open": "pause"}
    policies = {"breaker": breaker, "redelivery": {"through": "retry_topic", "delays": [1000.0]}}
    faults = [fault("stop", 0.0, 1.5, ONE), fault("errors", 1.75, 0.5, ZERO, rate=1.0)]
    run = played(protocol, *faults, batch=100, **policies)
    given_up = {"cooperative": 3.0, "server": 2.0}[protocol]
    assert run.unserved(1)[1:] == [(given_up, given_up + 1.0)]
    assert run.times(1)[0] == given_up + 2.0


@pytest.mark.parametrize(("protocol", "rounds"), [("eager", 1), ("cooperative", 2), ("server", 1)])
def test_an_idle_group_has_moved_a_partition_after_the_rounds_of_its_protocol(protocol: str, rounds: int) -> None:
    """Nobody has anything in hand: what the joining at 10.5 s moves stands still for one rebalance time, the last of them."""
    run = played(protocol, AWAY, events=1)
    stands = [(10.5 + rounds - 1, 10.5 + rounds)]
    assert run.unserved(1)[1:] == stands
    assert run.unserved(0)[1:] == (stands if protocol == "eager" else [])


# -- the dead --

DEAD = fault("crash", 2.5, 1.0, ONE)
"""Its successor joins at 3.5 s, its session ends at 12.5 s."""


@pytest.mark.parametrize(
    ("protocol", "others", "rebalances"),
    [
        ("eager", [2, 3, 4, *(14.5 + n for n in range(6))], [3.5]),  # stands and waits for the dead
        ("cooperative", every_second(2, 20), [3.5]),  # waits too, but goes on with what it has
        ("server", every_second(2, 20), [3.5, 12.5]),  # waits for nobody: nothing had to move at 3.5 s
    ],
)
def test_a_dead_member_holds_its_own_partitions_until_its_session_ends(
    protocol: str, others: list[float], rebalances: list[float]
) -> None:
    """One record of partition 1 is committed at the crash, the second in hand: its successor begins with it at 13.5 s."""
    run = played(protocol, DEAD)
    assert run.times(0) == others
    assert run.times(1) == [2, *(14.5 + n for n in range(6))]
    assert run.rebalances() == rebalances
    assert run.value("consumers.c", "redelivered") == 1


@pytest.mark.parametrize(
    ("protocol", "partition", "begins", "owners", "rebalances"),
    [
        ("cooperative", 1, 13.5, [0, 2, 0, 0, 2], [0.0, 5.5]),
        ("server", 3, 7.0, [0, 2, 0, 2, 0], [0.0, 5.5, 12.5]),
    ],
)
def test_only_without_a_barrier_a_live_member_s_partition_moves_while_a_dead_one_is_missed(
    protocol: str, partition: int, begins: float, owners: list[int], rebalances: list[float]
) -> None:
    """Of five partitions instance 0 has 0, 2 and 3 when instance 1, with 1 and 4, dies at 2.5 s; instance 2 is back at 5.5 s.
    Server side, 3 is given up at the poll at 6 s. In a round that waits for the dead nothing has to move any more at 12.5 s:
    instance 2 gets what the dead one had."""
    faults = [fault("stop", 0.0, 5.5, TWO), fault("crash", 2.5, 40.0, ONE)]
    run = played(protocol, *faults, instances=3, partitions=5, events=90)
    assert run.owners() == owners
    assert run.rebalances() == rebalances
    assert run.unserved(partition)[-1][1] == begins
    assert begins + 1.0 in run.times(partition)


@pytest.mark.parametrize(
    ("protocol", "taken", "rebalances"),
    [("eager", 16.0, [12.5, 15.0]), ("cooperative", 16.0, [12.5, 15.0]), ("server", 15.0, [12.5, 15.0])],
)
def test_a_zombie_s_effects_happen_and_its_commits_are_refused(protocol: str, taken: float, rebalances: list[float]) -> None:
    """Frozen from 2.5 to 14.5 s with its second record in hand, it is expelled at 12.5 s, and ends the record at 15 s.
    Instance 0 has its partition at 14 s, a rebalance time after its poll at 13 s, and reads it in its turn; or, server side,
    at 13.5 s, and reads it at its poll at 14 s."""
    run = played(protocol, fault("pause", 2.5, 12.0, ONE), duration=16.75)
    assert run.times(1) == [2.0, 15.0, taken]
    assert run.commits(partition=1) == [(2.0, 1), (taken, 2)]
    assert run.rebalances() == rebalances
    assert run.value("consumers.c", "duplicate_effects") == 1


@pytest.mark.parametrize(("protocol", "goes_on"), [("eager", False), ("cooperative", True), ("server", True)])
def test_a_frozen_member_that_is_back_in_time_holds_up_nobody_but_where_all_must_stop(protocol: str, goes_on: bool) -> None:
    """Instance 1 stands from 2.25 to 8.25 s, instance 2 leaves at 3 s. A barrier waits for the frozen one until 8.25 s, a
    cooperative one without standing; its record is done at 9 s."""
    faults = [fault("pause", 2.25, 6.0, ONE), fault("stop", 2.5, 40.0, TWO)]
    run = played(protocol, *faults, instances=3, partitions=3, events=60, duration=9.75)
    assert (run.times(0) == [2, 3, 4]) != goes_on
    assert 9.0 in run.times(1)
    assert run.rebalances() == [3.0]


def test_who_was_frozen_with_nothing_in_hand_polls_when_it_goes_on() -> None:
    """Server side, no records: instance 0 stands from 8 to 9.25 s; the other joins at 8.5 s, and has its own at 10.25 s."""
    run = played("server", fault("stop", 2.5, 6.0, ONE), fault("pause", 8.0, 1.25, ZERO), events=1)
    assert run.unserved(0)[-1] == (8.0, 9.25)
    assert run.unserved(1)[-1] == (8.0, 10.25)


# -- too slow --


@pytest.mark.parametrize(
    ("protocol", "rebalances"), [("eager", [6.0, 9.0]), ("cooperative", [6.0, 9.0]), ("server", [6.0, 9.0, 12.0])]
)
def test_a_member_that_polls_too_late_leaves_by_itself(protocol: str, rebalances: list[float]) -> None:
    """One partition, four records of 2 s in a poll, 5 s allowed: out at 6 s. The other begins at 7 s and is out at 12 s; the
    first is back at 9 s when its batch is done, and a barrier then waits for the busy one."""
    group = {"partitions": 1, "service": 2.0, "batch": 4, "commit": "batch", "max_poll_interval": 5.0}
    run = played(protocol, events=6, duration=14.5, **group)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 0), (9, 3), (11, 1), (13, 2)]
    assert run.commits() == []
    assert run.rebalances() == rebalances


@pytest.mark.parametrize("protocol", ["cooperative", "server"])
def test_a_frozen_member_is_expelled_that_gives_nothing_up_for_max_poll_interval(protocol: str) -> None:
    """Both partitions are with instance 1, frozen from 8 s on for longer than anything but its session, when instance 0 joins
    at 9 s: it is out after the 5 s that a member may take, and both partitions reach instance 0 at 15 s."""
    faults = [fault("stop", 0.0, 9.0, ZERO), fault("pause", 8.0, 60.0, ONE)]
    run = played(protocol, *faults, max_poll_interval=5.0, session_timeout=100.0)
    assert run.rebalances() == [0.0, 9.0]
    assert run.owners() == [0, 0]
    assert not any(life.asked for life in run.group().lives)
    assert [time for time in sorted(run.times(0) + run.times(1)) if time > 8.0] == every_second(16, 20)


@pytest.mark.parametrize("protocol", ["cooperative", "server"])
def test_who_was_expelled_before_it_gave_something_up_is_asked_anew(protocol: str) -> None:
    """As before, but instance 1 goes on at 15.25 s and joins when its record is done: each has a partition again. From 20 to
    24.5 s instance 0 is away, and then the partition that instance 1 had been asked for in vain moves after all."""
    faults = [fault("stop", 0.0, 9.0, ZERO), fault("pause", 8.0, 7.25, ONE), fault("stop", 20.0, 4.5, ZERO)]
    run = played(protocol, *faults, max_poll_interval=5.0, session_timeout=100.0, events=100, duration=40.0)
    assert sorted(map(str, run.owners())) == ["0", "1"]
    assert len(run.rebalances()) == 5
