"""The protocols of a log's consumer group against schedules worked out by hand.

Unless a test says otherwise: all records arrive at 1 s in two partitions, one for each of two instances, that have a worker
each; a record takes 1 s, a poll brings one, which is committed when it is done; sessions last 10 s and are counted from the
crash itself, a rebalance takes 1 s. Undisturbed, each partition has an effect at 2, 3, 4, ... s.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

PROMPT = 1e-8
ZERO, ONE, TWO = (f"consumers.c[{index}]" for index in range(3))
PROTOCOLS = ("eager", "cooperative", "server")


def played(
    protocol: str, *faults: Tables, events: int = 60, duration: float = 20.25, partitions: int = 2, **group: Any
) -> Played:
    consumer = {
        "topic": "t", "instances": 2, "service": 1.0, "batch": 1, "commit": "record", "rebalance": protocol,
        "session_timeout": 10.0, "heartbeat_interval": PROMPT, "rebalance_time": 1.0, **group,
    }  # fmt: skip
    return Played(
        {
            "run": {"duration": duration},
            "topics": {"t": {"partitions": partitions}},
            "producers": {"p": together(events)},
            "consumers": {"c": consumer},
            "faults": list(faults),
        }
    )


def every_second(first: float, last: float) -> list[float]:
    return [first + n for n in range(round(last - first) + 1)]


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
    """The last of three instances leaves at once, and is back at 8 s. It had only partition 2, and gets one of who has three."""
    group = {"instances": 3, "partitions": 5, "events": 90}
    assert played(protocol, fault("stop", 0.0, 80.0, TWO), **group).owners() == without
    assert played(protocol, fault("stop", 0.0, 8.0, TWO), **group).owners() == back


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
    Instance 0 has its partition at 14 s, a rebalance time after its poll at 13 s, and reads it in its turn; or, server side, at 13.5 s,
    and reads it at its poll at 14 s."""
    run = played(protocol, fault("pause", 2.5, 12.0, ONE), duration=16.75)
    assert run.times(1) == [2.0, 15.0, taken]
    assert run.commits(partition=1) == [(2.0, 1), (taken, 2)]
    assert run.rebalances() == rebalances
    assert run.value("consumers.c", "duplicate_effects") == 1


@pytest.mark.parametrize(("protocol", "goes_on"), [("eager", False), ("cooperative", True), ("server", True)])
def test_a_frozen_member_that_is_back_in_time_holds_up_nobody_but_where_all_must_stop(protocol: str, goes_on: bool) -> None:
    """Instance 1 stands from 2.25 to 8.25 s, instance 2 leaves at 3 s. A barrier waits for the frozen one until 8.25 s, a cooperative
    one without standing; its record is done at 9 s."""
    faults = [fault("pause", 2.25, 6.0, ONE), fault("stop", 2.5, 40.0, TWO)]
    run = played(protocol, *faults, instances=3, partitions=3, events=60, duration=9.75)
    assert (run.times(0) == [2, 3, 4]) != goes_on
    assert 9.0 in run.times(1)
    assert run.rebalances() == [3.0]


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
    assert [time for time in sorted(run.times(0) + run.times(1)) if time > 8.0] == every_second(16, 20)


# -- static members --


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ["crash", "stop"])
def test_a_static_member_that_is_back_in_time_has_its_partitions_at_once(protocol: str, kind: str) -> None:
    """Away from 2.5 to 6.25 s. The crash costs the record in hand, the planned stop ends it at 3 s; nobody is told goodbye."""
    run = played(protocol, fault(kind, 2.5, 3.75, ONE), static_membership=True)
    assert run.rebalances() == []
    assert run.times(0) == every_second(2, 20)
    assert run.times(1) == [2, *([3] if kind == "stop" else []), *(7.25 + n for n in range(14))]
    assert run.unserved(1) == [(2.5, 6.25)]
    assert run.value("consumers.c", "redelivered") == (kind == "crash")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("kind", "silent"), [("crash", 3.75), ("stop", 4.0)])
def test_a_static_member_that_stays_away_is_expelled_when_its_session_ends(protocol: str, kind: str, silent: float) -> None:
    """The session ends 10 s after the last heartbeat, at the crash or when the planned stop is over. A barrier waits for
    instance 0, which polls at 14 s."""
    run = played(protocol, fault(kind, 3.75, 60.0, ONE), static_membership=True, duration=16.25)
    assert run.rebalances() == [silent + 10.0]
    assert run.unserved(1) == [(3.75, (silent + 10.0 if protocol == "server" else 14.0) + 1.0)]
    assert run.owners() == [0, 0]


def test_an_eager_rebalance_waits_for_a_static_member_only_until_it_is_back() -> None:
    """Instance 2 has been expelled at 10.25 s and joins at 16 s. Instance 1, dead since 15.5 s, is back at 17.75 s."""
    faults = [fault("crash", 0.25, 15.75, TWO), fault("crash", 15.5, 2.25, ONE)]
    run = played("eager", *faults, static_membership=True, instances=3, partitions=3, events=90)
    assert run.rebalances() == [10.25, 16.0]
    assert [time for time in run.times(0) if time > 16.0] == [19.75]
    assert run.owners() == [0, 1, 2]


@pytest.mark.parametrize(
    ("protocol", "crash", "away", "of_the_live", "of_the_dead"),
    [
        ("cooperative", 18.25, 1.5, (19.0, 20.75), (18.25, 20.75)),  # crashes in the second round, begun at 18 s
        ("server", 15.5, 2.25, (17.0, 18.0), (15.5, 18.75)),
    ],
)
def test_a_static_member_that_is_back_gives_up_at_once_what_it_was_asked_for(
    protocol: str, crash: float, away: float, of_the_live: tuple[float, float], of_the_dead: tuple[float, float]
) -> None:
    """Instance 2 has been expelled at 10.25 s: 0 has 0, 2 and 3, 1 has 1, 4 and 5. It joins at 16.5 s, and 3 and 5 are to move.
    Instance 0 polls at every full second. Server side each comes by itself, in a round both come together."""
    faults = [fault("crash", 0.25, 16.25, TWO), fault("crash", crash, away, ONE)]
    run = played(protocol, *faults, static_membership=True, instances=3, partitions=6, events=150, duration=24.0)
    assert run.rebalances() == [10.25, 16.5]
    assert run.owners() == [0, 1, 0, 2, 1, 2]
    assert run.unserved(3) == [of_the_live]
    assert run.unserved(5)[1:] == [of_the_dead]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_static_member_s_successor_fences_it_and_a_dynamic_one_works_beside_it(protocol: str) -> None:
    """A stop from 2 to 3 s meets a record in hand until 5 s. Static: the new process has its partition at 3 s, does the record
    again until 7 s, and the old one's commit is refused. Dynamic: the old one commits and leaves at 5 s."""
    group = {"service": 4.0, "events": 1, "partitions": 1, "instances": 1, "duration": 30.0}
    static = played(protocol, fault("stop", 2.0, 1.0), static_membership=True, **group)
    assert static.effects() == [(5, 0), (7, 0)]
    assert static.commits() == [(7.0, 1)]
    assert static.rebalances() == []
    dynamic = played(protocol, fault("stop", 2.0, 1.0), **group)
    assert dynamic.effects() == [(5, 0)]
    assert dynamic.commits() == [(5.0, 1)]
    assert dynamic.rebalances() == ([3.0, 5.0] if protocol == "server" else [3.0])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_static_member_that_polls_too_late_falls_silent_and_has_its_partitions_again_at_its_next_poll(protocol: str) -> None:
    """Silent from 6 s on, it has done its batch at 9 s: its commit is refused, and it begins again at 0."""
    group = {"partitions": 1, "service": 2.0, "batch": 4, "commit": "batch", "max_poll_interval": 5.0}
    run = played(protocol, events=4, static_membership=True, duration=14.5, **group)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3), (11, 0), (13, 1)]
    assert run.commits() == []
    assert run.rebalances() == []
    assert run.unserved(0) == [(6.0, 9.0), (14.0, 14.5)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_static_member_that_polls_too_late_is_expelled_when_its_session_ends(protocol: str) -> None:
    """Silent from 6 s on, its session ends at 8 s; the other has the partition at 9 s."""
    group = {"partitions": 1, "service": 2.0, "batch": 4, "commit": "batch", "max_poll_interval": 5.0, "session_timeout": 2.0}
    run = played(protocol, events=4, static_membership=True, duration=10.5, **group)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3)]
    assert run.attempts()[-1] == (9.0, 0)
    assert run.rebalances()[0] == 8.0
