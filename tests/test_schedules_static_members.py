"""Static members of a log's consumer group against schedules worked out by hand: see `played_members` for the common setting.

Kafka: `group.instance.id`. Such a member never says goodbye; who is back before its session ends is known.
"""

from __future__ import annotations

import pytest
from played import fault
from played_members import ONE, PROTOCOLS, TWO, every_second, played


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
    """Silent from 6 s on, it has done its batch at 9 s: its commit is refused, and it begins again at 0. Silent again from
    14 to 17 s, it is not expelled at 16 s, when the session of its first silence would have ended."""
    group = {"partitions": 1, "service": 2.0, "batch": 4, "commit": "batch", "max_poll_interval": 5.0}
    run = played(protocol, events=4, static_membership=True, duration=18.5, **group)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3), (11, 0), (13, 1), (15, 2), (17, 3)]
    assert run.commits() == []
    assert run.rebalances() == []
    assert run.unserved(0) == [(6.0, 9.0), (14.0, 17.0)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_static_member_that_polls_too_late_is_expelled_when_its_session_ends(protocol: str) -> None:
    """Silent from 6 s on, its session ends at 8 s; the other has the partition at 9 s."""
    group = {"partitions": 1, "service": 2.0, "batch": 4, "commit": "batch", "max_poll_interval": 5.0, "session_timeout": 2.0}
    run = played(protocol, events=4, static_membership=True, duration=10.5, **group)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3)]
    assert run.attempts()[-1] == (9.0, 0)
    assert run.rebalances()[0] == 8.0


def test_a_short_freeze_does_not_make_a_silent_member_heard() -> None:
    """As before, with a freeze from 6.5 to 7 s."""
    group = {"partitions": 1, "service": 2.0, "batch": 4, "commit": "batch", "max_poll_interval": 5.0, "session_timeout": 2.0}
    run = played("server", fault("pause", 6.5, 0.5), events=4, static_membership=True, duration=8.5, **group)
    assert run.rebalances() == [8.0]
