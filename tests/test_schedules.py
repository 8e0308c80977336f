"""A log's consumers against schedules worked out by hand: constant times, and every crash at the worst moment.

Unless a test says otherwise: six records arrive at 1 s in one partition, a record takes 2 s, a poll brings four, sessions
last 10 s and are counted from the crash itself, a rebalance takes 1 s. Undisturbed: effects at 3, 5, 7, 9, 11, 13.
"""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together

PROMPT = 1e-8
"""A heartbeat interval (s) that puts the last heartbeat at the crash, to the digits that are compared."""


def played(consumer: Tables, *faults: Tables, events: int = 6, duration: float = 60.0, **more: Any) -> Played:
    group = {
        "topic": "t", "service": 2.0, "batch": 4, "session_timeout": 10.0, "heartbeat_interval": PROMPT,
        "rebalance_time": 1.0, **consumer,
    }  # fmt: skip
    tables: Tables = {
        "run": {"duration": duration},
        "producers": {"p": together(events)},
        "consumers": {"c": group},
        "faults": list(faults),
    }
    return Played({**tables, **more, "consumers": {**tables["consumers"], **more.get("consumers", {})}})


def test_a_worker_leaves_the_others_their_part_of_what_is_ready() -> None:
    """24 records at once in two partitions, a second each: two workers take a partition each, however large the batch.

    The retry partitions count among those that a worker may poll, so one could take both.
    """
    retry = {"through": "retry_topic", "max_deliveries": 2, "backoff": "fixed", "base": 1.0}
    for batch in (5, 30):
        group = {"concurrency": 2, "batch": batch, "service": 1.0, "redelivery": retry}
        run = played(group, events=24, topics={"t": {"partitions": 2}})
        longest = max(len(partition.records) for partition in run.parts.channels["t"].partitions)
        assert longest < 24
        assert run.effects()[-1][0] == 1 + longest


# -- what each commit policy has committed when the instance crashes --


@pytest.mark.parametrize(
    ("commit", "commits"),
    [
        ("auto", [(9.0, 4), (13.0, 6)]),
        ("batch", [(9.0, 4), (13.0, 6)]),
        ("record", [(3.0, 1), (5.0, 2), (7.0, 3), (9.0, 4), (11.0, 5), (13.0, 6)]),
        ("before", [(1.0, 4), (9.0, 6)]),
        ("transaction", [(9.0, 4), (13.0, 6)]),
    ],
)
def test_offsets_are_committed_when_the_policy_says(commit: str, commits: list[tuple[float, int]]) -> None:
    run = played({"commit": commit, "commit_interval": 3.0})
    assert run.commits() == commits
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 3), (11, 4), (13, 5)]


@pytest.mark.parametrize(
    ("commit", "crash", "effects_before", "first_again"),
    [
        ("batch", 8.5, [0, 1, 2], 0),
        ("batch", 9.0, [0, 1, 2], 0),  # at the instant of effect and commit: the crash precedes both
        ("batch", 9.5, [0, 1, 2, 3], 4),
        ("batch", 12.5, [0, 1, 2, 3, 4], 4),
        ("auto", 8.5, [0, 1, 2], 0),  # the interval is long over, but only a poll commits
        ("auto", 9.0, [0, 1, 2], 0),
        ("auto", 11.5, [0, 1, 2, 3, 4], 4),
        ("record", 6.5, [0, 1], 2),
        ("record", 7.0, [0, 1], 2),
        ("record", 7.5, [0, 1, 2], 3),
        ("transaction", 9.0, [0, 1, 2], 0),
        ("transaction", 9.5, [0, 1, 2, 3], 4),
    ],
)
def test_a_crash_redelivers_what_was_not_committed(
    commit: str, crash: float, effects_before: list[int], first_again: int
) -> None:
    """It restarts after 1 s and joins, but the dead member holds its partitions until its session ends."""
    run = played({"commit": commit, "commit_interval": 3.0}, fault("crash", crash, 1.0))
    again = crash + 10.0 + 1.0
    assert run.effects() == [
        *((3.0 + 2 * n, n) for n in effects_before),
        *((again + 2.0 * (n + 1), first_again + n) for n in range(6 - first_again)),
    ]
    assert run.rebalances() == [crash + 1.0]
    assert run.value("consumers.c", "duplicate_effects") == len(set(effects_before) & set(range(first_again, 6)))


def test_committing_before_loses_what_the_crash_finds_in_hand() -> None:
    """The poll at 1 s committed four records; two were handled when the instance crashed."""
    run = played({"commit": "before"}, fault("crash", 6.0, 1.0))
    assert run.effects() == [(3, 0), (5, 1), (19, 4), (21, 5)]
    assert run.trail("losses") == [(6.0, 2), (6.0, 3)]
    assert run.states() == {"processed": 4, "lost": 2}


@pytest.mark.parametrize(
    ("commit", "crash", "outputs"),
    [
        ("batch", 9.0, [0, 1, 2, 0, 1, 2, 3, 4, 5]),
        ("batch", 9.5, [0, 1, 2, 3, 4, 5]),
        ("record", 9.0, [0, 1, 2, 3, 4, 5]),
        ("transaction", 9.0, [0, 1, 2, 3, 4, 5]),
        ("transaction", 9.5, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_transaction_publishes_once_what_others_publish_again(commit: str, crash: float, outputs: list[int]) -> None:
    reader = {"topic": "out", "session_timeout": 10.0, "heartbeat_interval": 1.0, "batch": 1}
    run = played({"commit": commit, "publishes": [{"topic": "out"}]}, fault("crash", crash, 1.0), consumers={"reader": reader})
    parents = run.journey("reader").messages.parent
    assert [parents[event] for _, event in run.effects("reader")] == outputs
    assert run.value("topics.out", "stored") == len(outputs)


def test_outputs_of_a_transaction_appear_with_its_commit() -> None:
    reader = {"topic": "out", "session_timeout": 10.0, "heartbeat_interval": 1.0}
    run = played({"commit": "transaction", "publishes": [{"topic": "out"}]}, consumers={"reader": reader})
    assert [time for time, _ in run.effects("reader")] == [9.0] * 4 + [13.0] * 2


# -- membership --


def test_a_dead_member_is_missed_when_its_session_ends_after_its_last_heartbeat() -> None:
    run = played({"heartbeat_interval": 4.0, "commit": "record"}, fault("crash", 5.5, 40.0), duration=50.0)
    phase = 4.0 * run.parts.sim.stream("consumers.c/heartbeat").uniform(0, 0)
    assert 0 < phase < 4
    assert run.rebalances() == [pytest.approx(15.5 - phase, abs=1e-6), 45.5]


def test_a_restart_before_the_session_ends_stops_the_whole_group_until_the_dead_member_is_expelled() -> None:
    """Two instances with a partition each and a record a second. A restart at 7 s joins at once: nobody works from then
    (what is in hand is finished) until the session of the dead one ends at 15.5 s and the rebalance is over at 16.5 s."""
    group = {"instances": 2, "service": 1.0, "batch": 1, "commit": "record"}
    run = played(group, fault("crash", 5.5, 1.5, "consumers.c[0]"), events=60, topics={"t": {"partitions": 2}})
    times = [time for time, _ in run.effects()]
    assert times.count(5.0) == 2
    assert [time for time in times if 5.0 < time < 18.0] == [6.0, 7.0, 17.5, 17.5]
    assert run.rebalances() == [7.0]
    assert run.value("consumers.c", "duplicate_effects") == 0


def test_while_a_member_is_only_missing_the_others_go_on() -> None:
    group = {"instances": 2, "service": 1.0, "batch": 1, "commit": "record"}
    run = played(group, fault("crash", 5.5, 100.0, "consumers.c[0]"), events=60, topics={"t": {"partitions": 2}})
    times = [time for time, _ in run.effects()]
    assert [time for time in times if 5.0 < time < 19.0] == [*map(float, range(6, 17)), 18.0]
    assert run.rebalances() == [15.5]


def test_a_planned_stop_doubles_nothing() -> None:
    """It finishes the record in hand, commits, and leaves at 7 s; the group is empty until the restart at 9 s."""
    run = played({"commit": "batch"}, fault("stop", 6.0, 3.0))
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (12, 3), (14, 4), (16, 5)]
    assert run.commits()[0] == (7.0, 3)
    assert run.rebalances() == [7.0, 9.0]


def test_startup_delays_the_joining() -> None:
    run = played({"commit": "record", "startup": 4.0}, fault("stop", 6.0, 3.0))
    assert run.effects()[3:] == [(16, 3), (18, 4), (20, 5)]


def test_a_pause_within_the_session_extends_the_work_in_hand_by_the_freeze() -> None:
    run = played({"commit": "batch"}, fault("pause", 6.0, 4.0))
    assert run.effects() == [(3, 0), (5, 1), (11, 2), (13, 3), (15, 4), (17, 5)]
    assert run.rebalances() == []
    assert run.commits() == [(13.0, 4), (17.0, 6)]


def test_pauses_that_overlap_freeze_until_the_last_of_them_ends() -> None:
    run = played({"commit": "batch"}, fault("pause", 5.5, 1.0), fault("pause", 6.0, 2.5))
    assert run.effects()[:4] == [(3, 0), (5, 1), (10, 2), (12, 3)]


def test_a_zombie_s_effects_happen_and_its_commits_are_refused() -> None:
    """Paused from 6 to 26.5 s, its session ends at 16 s: the other instance begins at 17 s with the committed offset 0. The
    zombie ends records 2 and 3 at 27.5 and 29.5 s, and then joins again."""
    run = played({"instances": 2, "commit": "batch"}, fault("pause", 6.0, 20.5, "consumers.c[0]"))
    assert run.effects() == [
        (3, 0), (5, 1), (19, 0), (21, 1), (23, 2), (25, 3), (27, 4), (27.5, 2), (29, 5), (29.5, 3),
    ]  # fmt: skip
    assert run.commits() == [(25.0, 4), (29.0, 6)]
    assert run.rebalances() == [16.0, 29.5]
    assert all(life.member for life in run.group().lives)


def test_a_batch_longer_than_max_poll_interval_is_never_committed() -> None:
    """Evicted 5 s after its poll at 1 s; the other begins at 7 s and fares no better."""
    run = played({"instances": 2, "commit": "batch", "max_poll_interval": 5.0}, duration=14.5)
    assert run.effects() == [(3, 0), (5, 1), (7, 2), (9, 0), (9, 3), (11, 1), (13, 2)]
    assert run.commits() == []
    assert run.rebalances() == [6.0, 9.0]


def test_a_rebalance_waits_for_a_slow_member_at_most_max_poll_interval() -> None:
    """The restarted member joins at 4 s. The other, busy with 8 s of work since 3 s, is waited for until its time is up: it
    has not polled for 6 s at 9 s, and the rebalance is over 1 s later."""
    group = {"instances": 2, "service": 8.0, "batch": 1, "max_poll_interval": 6.0, "commit": "batch"}
    run = played(
        group, fault("stop", 2.0, 2.0, "consumers.c[1]"), events=1, duration=15.0, producers={"p": together(1, at=3.0)}
    )
    assert run.attempts() == [(3.0, 0), (10.0, 0)]
    assert run.effects() == [(11.0, 0)]


# -- failed records that wait in their place --


def test_seek_blocks_the_partition_and_keeps_the_order() -> None:
    """The first record fails at 3 s, waits 3 s, and all others wait behind it."""
    redelivery = {"through": "seek", "delays": [3.0]}
    run = played({"redelivery": redelivery, "commit": "batch"}, fault("errors", 2.0, 3.0, rate=1.0))
    assert run.effects() == [(8, 0), (10, 1), (12, 2), (14, 3), (16, 4), (18, 5)]
    assert run.attempts()[:3] == [(1, 0), (6, 0), (8, 1)]
    assert run.value("consumers.c", "out_of_order") == 0


def test_seek_without_a_delay_tries_again_at_once() -> None:
    run = played({"redelivery": {"through": "seek"}}, fault("errors", 2.0, 4.0, rate=1.0))
    assert run.attempts()[:4] == [(1, 0), (3, 0), (5, 0), (7, 1)]


def test_seek_forgets_its_count_with_the_instance() -> None:
    """Two of three deliveries have failed at the crash; the next owner counts three anew: 19 to 21, 22 to 24, 25 to 27 s."""
    redelivery = {"through": "seek", "delays": [1.0], "max_deliveries": 3}
    faults = [fault("errors", 2.0, 50.0, rate=1.0), fault("crash", 8.0, 1.0)]
    run = played({"redelivery": redelivery}, *faults, events=1)
    assert [time for time, _ in run.attempts()] == [1.0, 4.0, 7.0, 19.0, 22.0, 25.0]
    assert run.trail("discards") == [(27.0, 0)]


def test_a_crash_while_a_committed_record_waits_loses_it() -> None:
    """`before` and `seek` together: the poll has committed what then fails and waits."""
    redelivery = {"through": "seek", "delays": [20.0], "max_deliveries": 0}
    faults = [fault("errors", 2.0, 2.0, rate=1.0), fault("crash", 5.0, 1.0)]
    run = played({"commit": "before", "redelivery": redelivery}, *faults)
    assert run.states() == {"lost": 4, "processed": 2}
    assert run.effects() == [(18, 4), (20, 5)]


# -- ties --


def test_an_arrival_at_the_instant_of_a_crash_meets_a_dead_instance() -> None:
    run = played({"commit": "record"}, fault("crash", 1.0, 1.0), events=1)
    assert run.attempts() == [(12.0, 0)]


def test_an_arrival_at_the_instant_of_a_completion_is_in_the_next_poll() -> None:
    producers = {"p": together(1, at=1.0), "q": together(3, at=3.0)}
    run = played({"service_per": "batch", "batch": 10}, producers=producers)
    assert run.effects() == [(3, 0), (5, 1), (5, 2), (5, 3)]


def test_a_batch_s_events_are_all_done_at_its_end() -> None:
    run = played({"service_per": "batch", "commit": "batch"}, fault("crash", 4.5, 1.0))
    assert run.effects() == [(3, n) for n in range(4)] + [(17.5, 4), (17.5, 5)]


def test_a_stop_lets_a_batch_that_is_worked_on_as_one_be_finished() -> None:
    group = {"service": 4.0, "service_per": "batch", "batch": 3, "commit": "batch"}
    run = played(group, fault("stop", 2.0, 20.0), events=3)
    assert [event for _, event in run.effects()] == [0, 1, 2]
    assert len({time for time, _ in run.effects()}) == 1
