"""Lag is what is available and not finished, at every instant, and its age is that of the oldest of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_records import NAN, made_group, made_journey, made_system

from models import level as level_module
from models.journey import CONSUMER, Journey
from models.lag import Lag, finishes, lag_of, redriven, waiting, waiting_level
from models.level import Level, level_quantile, mean_level
from models.measures import measure

FINISHING = ("suppressions", "moves", "discards", "losses")


def lag(*journeys: Journey) -> Lag:
    return lag_of([(each, finishes(each), redriven(each)) for each in journeys])


def measured(record, component="consumers.payment"):
    return {each.metric: each.value for each in measure(record).metrics if each.component == component}


def lags_at(journey: Journey, times):
    return lag(journey).level.at(np.array(times)).tolist()


def ages_at(journey: Journey, times):
    return lag(journey).oldest.age_at(np.array(times)).tolist()


def test_an_event_is_in_lag_from_its_production_to_its_first_effect() -> None:
    journey = made_journey([1, 2, 4], [3, 5, NAN], duplicates=[(0, 4.5)])
    assert lags_at(journey, [0.9, 1, 2.5, 3, 4, 5, 99]) == [0, 1, 2, 1, 2, 1, 1]


def test_at_one_instant_every_change_counts() -> None:
    journey = made_journey([1, 2], [2, 3])
    assert lags_at(journey, [2]) == [1]
    assert ages_at(journey, [2]) == [0]
    assert lag(journey).level.peak(0, 10) == 1


@pytest.mark.parametrize("trail", FINISHING)
def test_what_finishes_an_event_ends_its_lag(trail: str) -> None:
    row = (0, 3.0, CONSUMER) if trail == "losses" else (0, 3.0)
    journey = made_journey([1, 2], [NAN, NAN], **{trail: [row]})
    assert lags_at(journey, [2.9, 3]) == [2, 1]


def test_a_redriven_event_is_in_lag_again_and_its_age_counts_from_the_redrive() -> None:
    journey = made_journey([0, 1], [30, 2], moves=[(0, 10.0)], redrives=[(0, 20.0)])
    assert lags_at(journey, [9, 10, 19, 20, 29, 30]) == [1, 0, 0, 1, 1, 0]
    assert ages_at(journey, [9, 10, 25, 30]) == [9, 0, 5, 0]


def test_an_event_that_was_processed_before_its_redrive_is_not_in_lag_again() -> None:
    journey = made_journey([0], [5], moves=[(0, 10.0)], redrives=[(0, 20.0)])
    assert lags_at(journey, [4, 5, 21]) == [1, 0, 0]


def test_a_redrive_lasts_until_the_next_move_even_at_the_instant_of_the_last_one() -> None:
    journey = made_journey([0], [NAN], moves=[(0, 10.0), (0, 15.0)], redrives=[(0, 10.0)])
    assert lags_at(journey, [9, 10, 14, 15]) == [1, 1, 1, 0]
    assert ages_at(journey, [9, 14]) == [9, 4]


def test_a_move_at_the_instant_of_the_redrive_ends_it() -> None:
    journey = made_journey([0], [NAN], moves=[(0, 10.0), (0, 20.0)], redrives=[(0, 20.0)])
    assert lags_at(journey, [20, 21]) == [0, 0]


def test_copies_of_an_event_that_are_redriven_apart_count_once() -> None:
    journey = made_journey([0], [30], moves=[(0, 5.0), (0, 6.0)], redrives=[(0, 10.0), (0, 12.0)])
    assert lags_at(journey, [7, 11, 13, 29, 30]) == [0, 1, 1, 1, 0]


def test_waiting_counts_events_in_a_delay_once_and_not_after_their_effect() -> None:
    delays = [(0, 1.0, 9.0), (0, 2.0, 3.0), (0, 4.0, 11.0), (1, 4.0, 8.0), (2, 6.0, 7.0)]
    journey = made_journey([0, 0, 0], [NAN, 6, 5], delays=delays)
    waits = waiting_level([journey])
    assert waits.at(np.array([0.5, 1, 3, 4, 5, 6, 8, 10, 11])).tolist() == [0, 1, 1, 2, 2, 1, 1, 1, 0]
    assert waits.peak(0, 20) == 2


def test_metrics_of_lag_by_hand() -> None:
    # Lag 1 in [0, 2), 2 in [2, 4), 1 in [4, 6), 0 in [6, 10); the oldest ages 0-4 in [0, 4) and 2-4 in [4, 6).
    found = measured(made_system(made_group(made_journey([0, 2], [4, 6])), duration=10))
    assert found["lag_mean"] == pytest.approx(0.8)
    assert found["lag_max"] == 2
    assert found["lag_p99"] == 2
    assert found["lag_seconds_mean"] == pytest.approx((8 + 6) / 10)
    assert found["lag_seconds_max"] == 4
    assert found["lag_seconds_p99"] == pytest.approx(4 - 0.1 / 2)


def test_lag_of_the_warm_up_is_not_measured_but_what_it_leaves_is() -> None:
    group = made_group(made_journey([0, 1, 2], [3, 3, 8]))
    found = measured(made_system(group, duration=10, warmup=4.0))
    assert found["lag_max"] == 1
    assert found["lag_mean"] == pytest.approx(4 / 6)
    assert found["lag_seconds_max"] == 6
    assert found["lag_seconds_mean"] == pytest.approx((36 - 4) / 2 / 6)


def test_lag_of_a_group_is_over_all_its_topics_and_that_of_a_partition_its_own() -> None:
    one, two = made_journey([0, 1], [5, 6]), made_journey([0.5], [4])
    two.messages.topic = "refunds"
    found = measured(made_system(made_group(one, two), duration=10))
    assert (found["lag_max"], found["lag_partition_max"]) == (3, 2)


def test_copies_in_a_partition_are_one_event_of_its_lag() -> None:
    journey = made_journey([0, 1, 2], [5, 6, 7], keys=[4, 4, 9])
    group = made_group(journey, partitions=[(0, np.array([0, 1, 0])), (0, np.array([2]))])
    rows = measure(made_system(group, duration=10)).tables["partitions"]
    assert rows == {
        "component": ["consumers.payment"] * 2,
        "topic": ["orders"] * 2,
        "partition": [0, 1],
        "events": [2, 1],
        "lag_max": [2, 1],
        "hottest_key": [4, 9],
        "hottest_key_share": [1.0, 1.0],
    }


def test_a_redriven_event_is_in_the_lag_of_its_own_partition() -> None:
    journey = made_journey([0, 1], [2, 25], moves=[(1, 10.0)], redrives=[(1, 20.0)])
    group = made_group(
        journey, partitions=[(0, np.array([0])), (0, np.array([1]))], unserved=[(0, 15.0, 22.0), (1, 15.0, 22.0)]
    )
    found = measured(made_system(group, duration=40))
    assert found["lag_partition_max"] == 1
    assert found["served"] == pytest.approx(1 - 2 / 40)


def test_served_is_lost_only_where_something_waits_and_nobody_comes() -> None:
    journey = made_journey([0, 10], [4, 14])
    group = made_group(
        journey,
        partitions=[(0, np.array([0])), (0, np.array([1]))],
        unserved=[(0, 2.0, 13.0), (0, 3.0, 5.0), (1, 5.0, 12.0), (1, 13.0, 20.0)],
    )
    assert measured(made_system(group, duration=20))["served"] == pytest.approx(1 - (2 + 2 + 1) / 20)


def test_lag_committed_is_the_ends_less_the_committed_offsets() -> None:
    commits = [
        (np.array([0.0, 1.0, 2.0]), np.array([3.0, 8.0]), np.array([2, 3])),
        (np.array([5.0]), np.array([]), np.array([], dtype=int)),
    ]
    group = made_group(made_journey([0, 1, 2, 5], [1, 2, 3, 6]), commits=commits)
    found = measured(made_system(group, duration=10))
    assert found["lag_committed_mean"] == pytest.approx((1 * 1 + 2 * 1 + 3 * 1 + 1 * 2 + 2 * 3 + 1 * 2) / 10)
    assert found["lag_committed_max"] == 3


def test_a_quantile_over_time_is_the_level_not_exceeded_for_that_share() -> None:
    assert level_quantile(np.array([94.0, 1.0, 5.0]), 0.95) == 1
    assert level_quantile(np.array([95.0, 0.0, 5.0]), 0.95) == 0
    assert level_quantile(np.full(14, 0.1), 0.5) == 6


def test_periods_above_a_level_join_where_they_touch() -> None:
    level = Level(np.array([0.0, 1.0, 3.0, 6.0]), np.array([3.0, 4.0, 5.0, np.inf]))
    assert [part.tolist() for part in level.above(0)] == [[0.0, 6.0], [5.0, np.inf]]
    assert [part.tolist() for part in level.above(1)] == [[1.0], [4.0]]
    assert [part.tolist() for part in level.above(2)] == [[], []]


def random_journey(rng: np.random.Generator, events: int) -> Journey:
    """Events that are finished in every way and redriven up to three times, all at different instants."""
    produced = np.sort(rng.uniform(0, 50, events))
    effect = np.full(events, NAN)
    trails = {name: [] for name in (*FINISHING, "redrives")}
    for event, start in enumerate(produced):
        now = start
        for _ in range(rng.integers(0, 4)):
            now += rng.exponential(10)
            trails["moves"].append((event, now))
            now += rng.exponential(10)
            trails["redrives"].append((event, now))
        way = rng.choice(["effect", "none", *FINISHING])
        now += rng.exponential(10)
        if way == "effect":
            effect[event] = now
        elif way != "none":
            trails[way].append((event, now, CONSUMER) if way == "losses" else (event, now))
    return made_journey(produced, effect, **trails)


def in_lag_since(journey: Journey, event: int, now: float) -> float | None:
    """When the event became available that is in lag at `now`, None if it is not: by definition."""
    if journey.messages.produced[event] > now or journey.effect[event] <= now:
        return None
    changes = [(journey.messages.produced[event], True)]
    for name in (*FINISHING, "redrives"):
        trail = getattr(journey, name)
        rows = zip(trail["event"].tolist(), trail["time"].tolist(), strict=True)
        changes += [(time, name == "redrives") for who, time in rows if who == event and time <= now]
    since, available = max(changes)
    return since if available else None


def changes_of(journey: Journey) -> list[float]:
    times = [*journey.messages.produced, *journey.effect[: len(journey.messages)]]
    for name in (*FINISHING, "redrives"):
        times += getattr(journey, name)["time"].tolist()
    return [time for time in times if time == time]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("chunk", [3, 1 << 16])
def test_metrics_of_lag_are_those_of_the_definition(seed: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_module, "CHUNK", chunk)
    journey = random_journey(np.random.default_rng(seed), 30)
    start, end = 10.0, 80.0
    inside = (time for time in changes_of(journey) if start < time < end)
    edges = np.array([start, *sorted(inside), end])
    middles = (edges[1:] + edges[:-1]) / 2
    since = [[in_lag_since(journey, event, now) for event in range(30)] for now in middles]
    held = [[each for each in row if each is not None] for row in since]
    levels, widths = np.array([len(each) for each in held]), np.diff(edges)

    found = lag(journey)
    assert found.level.at(middles).tolist() == levels.tolist()
    assert found.level.peak(start, end) == levels.max()
    seconds = found.level.seconds((np.array([start]), np.array([end])))
    assert seconds == pytest.approx(np.bincount(levels, widths))
    assert mean_level(seconds) == pytest.approx(np.average(levels, weights=widths))

    oldest = np.array([min(each, default=now) for each, now in zip(held, middles, strict=True)])
    ages = middles - oldest
    assert found.oldest.age_at(middles) == pytest.approx(ages)
    metrics = measured(made_system(made_group(journey), duration=end, warmup=start))
    assert metrics["lag_seconds_mean"] == pytest.approx(np.average(ages, weights=widths))
    assert metrics["lag_seconds_max"] == pytest.approx(max(ages + np.where(ages > 0, widths / 2, 0)))
    around = np.arange(2000) / 2000 - 0.5
    fine = (ages[:, None] + around * (widths * (ages > 0))[:, None]).ravel()
    order, weights = np.argsort(fine), np.repeat(widths / 2000, 2000)
    reached = np.cumsum(weights[order])
    assert metrics["lag_seconds_p99"] == pytest.approx(fine[order][reached.searchsorted(0.99 * reached[-1])], abs=0.01)


@pytest.mark.parametrize("bound", range(4))
def test_periods_above_a_level_are_those_in_which_it_is_higher(bound: int) -> None:
    level = lag(random_journey(np.random.default_rng(3), 30)).level
    starts, ends = level.above(bound)
    assert (starts[1:] > ends[:-1]).all()
    changes = np.concatenate([level.ups, level.downs[np.isfinite(level.downs)]])
    for now in changes:
        inside = bool(((starts <= now) & (now < ends)).any())
        assert inside == (level.at(now) > bound)


def test_delays_of_copies_that_nest_are_counted_once() -> None:
    delays = [(0, *sorted(pair)) for pair in itertools.combinations([1.0, 2.0, 5.0, 7.0], 2)]
    stays = waiting(made_journey([0], [NAN], delays=delays))
    assert (stays.ends - stays.starts).sum() == 6
