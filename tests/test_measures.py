"""Metrics and series of a run are those of the columns that it wrote."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_records import NAN, made_group, made_journey, made_system

from models.alerts import Alert
from models.cohort import overtaken
from models.journey import CONSUMER
from models.measures import measure
from models.message import NONE
from models.metrics import METRICS
from models.record import (
    ANSWERED,
    BACKLOG,
    CLOSED,
    DEAD_LETTERED,
    DISCARDED,
    DOWN,
    FAILED,
    HALF_OPEN,
    IN_FLIGHT,
    LOST,
    OPEN,
    PROCESSED,
    REJECTED,
    RUNNING,
    DependencyRecord,
    FaultRecord,
    ProducerRecord,
    TopicRecord,
)
from models.sample import Sample
from models.slos import Slo

PAYMENT = "consumers.payment"
NOT_MEASURED = {"system": {"cost"}}


def found_in(record, component: str = PAYMENT):
    return {each.metric: each for each in measure(record).metrics if each.component == component}


def values(record, component: str = PAYMENT):
    return {metric: each.value for metric, each in found_in(record, component).items()}


def gateway(**given) -> DependencyRecord:
    usual = {
        "concurrency": 2.0,
        "begin": np.array([1.0, 5.0, 6.0, 7.0, 8.0]),
        "end": np.array([2.0, 7.0, 6.0, 11.0, NAN]),
        "outcome": np.array([ANSWERED, FAILED, REJECTED, ANSWERED, ANSWERED]),
        "wasted": np.array([False, True, False, False, True]),
        "busy_seconds": 5.0,
        "queue": (np.array([1.0, 5.0, 5.0, 9.0]), np.array([3, 7, 2, 0])),
        "busy": (np.array([1.0, 2.0]), np.array([1, 0])),
    }
    return DependencyRecord(name="dependencies.gateway", **(usual | given))


def whole_system():
    """One of everything."""
    journey = made_journey([1, 2, 3], [2, 3, NAN], keys=[0, 1, 0])
    group = made_group(
        journey,
        commits=[(np.array([1.0, 2.0, 3.0]), np.array([3.0]), np.array([2]))],
        breakers=[(np.array([4.0]), np.array([OPEN]))],
        has_breaker=True,
        has_dependencies=True,
        publishes=True,
        useful_for=1.5,
        kills=np.empty(0),
        autoscales=True,
    )
    produced = np.array([1.0, 2.0, 3.0])
    shop = {
        "topic": "orders",
        "produced": produced,
        "stored": produced,
        "acknowledged": produced,
        "verdicts": np.zeros(3, dtype=np.int8),
        "sends": np.ones(3),
        "retries": np.empty(0),
        "blocked": [],
        "instances": 1,
    }
    outage = {
        "targets": [PAYMENT],
        "windows": [(PAYMENT, 5.0, 6.0)],
        "affected": [PAYMENT],
        "hold": 1.0,
        "normal": None,
    }
    return made_system(
        group,
        duration=10.0,
        producers=[ProducerRecord(name="producers.shop", **shop)],
        dependencies=[gateway()],
        faults=[FaultRecord(name="faults.outage", **outage)],
        slos=[Slo(component=PAYMENT, metric="lag_max", below=2)],
        alerts=[Alert(name="behind", component=PAYMENT, metric="lag", above=1)],
        trace=True,
    )


def test_every_metric_has_its_name_and_unit() -> None:
    found: dict[str, dict[str, str]] = {}
    for each in measure(whole_system()).metrics:
        units = found.setdefault(each.component.partition(".")[0], {})
        assert each.metric not in units
        units[each.metric] = each.unit
    parts = ("producers", "topics", "consumers", "dependencies", "faults", "alerts", "system")
    expected = {part: dict(METRICS[part]) for part in parts}
    for part, names in NOT_MEASURED.items():
        for name in names:
            del expected[part][name]
    assert found == expected


def test_counts_are_over_the_events_produced_in_the_window_whatever_becomes_of_them_later() -> None:
    journey = made_journey(
        [1, 2, 10, 11, 12], [5, 15, NAN, 12, NAN],
        columns={"deliveries": [4, 3, 0, 1, 1], "attempts": [5, 4, 0, 1, 1], "calls": [9, 6, 0, 7, 7]},
        duplicates=[(0, 6.0), (1, 16.0), (1, 17.0), (3, 13.0)],
        suppressions=[(1, 16.5)], failures=[(0, 4.0), (1, 8.0), (1, 9.0), (3, 11.0)], refusals=[(0, 4.0)],
    )  # fmt: skip
    found = values(made_system(made_group(journey), duration=10.0, end=20.0, warmup=1.5))
    expected = {
        "delivered": 3, "redelivered": 2, "processed": 1, "effects": 3, "duplicate_effects": 2, "duplicate_rate": 2,
        "suppressed": 1, "attempts_mean": 4, "amplification": 4, "error_rate": 0.5, "short_circuited": 0, "backlog": 1,
        "unfinished_share": 0.5,
    }  # fmt: skip
    assert {metric: found[metric] for metric in expected} == expected
    assert found["throughput"] == pytest.approx(1 / 8.5)
    assert values(made_system(made_group(journey, has_dependencies=True), duration=10.0))["amplification"] == 15 / 2


def test_fates_are_those_of_the_books() -> None:
    states = np.array([PROCESSED, PROCESSED, DEAD_LETTERED, DISCARDED, LOST, IN_FLIGHT, BACKLOG], dtype=np.int8)
    journey = made_journey(
        range(7), [9, 1, *[NAN] * 5],
        moves=[(0, 4.0), (2, 5.0), (1, 2.0)], redrives=[(0, 8.0), (1, 3.0)],
        discards=[(3, 4.0)], losses=[(4, 6.0, CONSUMER)],
    )  # fmt: skip
    group = made_group(journey, states=[states], publishes=True)
    journey.published[0] = 1
    record = made_system(group, duration=10.0)
    found = found_in(record)
    expected = {
        "dead_lettered": 1, "dead_letter_moves": 3, "dead_letter_rate": 1 / 5, "dead_letter_depth_max": 2,
        "redriven": 2, "saved": 1, "discarded": 1, "lost": 1, "expired": 0, "backlog": 1, "in_flight": 1,
        "unfinished_share": 2 / 7, "unpublished": 1,
    }  # fmt: skip
    assert {metric: found[metric].value for metric in expected} == expected
    assert (found["dead_letter_rate"].kind, found["dead_letter_rate"].exposure) == ("share", 5)
    assert (found["lost"].kind, found["lost"].exposure) == ("count", 1)
    system = found_in(record, "system")
    assert system["loss_rate"].value == pytest.approx(3 / 7)
    assert system["dead_letter_rate"].value == pytest.approx(1 / 7)
    assert system["loss_rate"].exposure == 7


def test_times_count_from_production_and_pending_events_are_lower_bounds() -> None:
    journey = made_journey([0, 1, 2, 9], [4, 3, NAN, NAN], columns={"started": [1, 1.5, 3, NAN]})
    found = found_in(made_system(made_group(journey), duration=10.0))
    assert found["wait_mean"].value == pytest.approx(2.5 / 3)
    assert found["latency_mean"].value == 3
    assert found["latency_sd"].value == pytest.approx(2**0.5)
    # Latencies 4 and 2, and at least 8 and 1.
    assert (found["latency_p50"].value, found["latency_p50"].censored) == (3, False)
    assert (found["latency_p99"].value, found["latency_p99"].censored) == (pytest.approx(4 + 0.97 * 4), True)
    assert found["unfinished_share"].value == 0.5


def test_an_event_that_will_never_be_done_has_no_latency() -> None:
    states = [np.array([PROCESSED, DEAD_LETTERED], dtype=np.int8)]
    found = found_in(made_system(made_group(made_journey([0, 1], [4, NAN]), states=states), duration=10.0))
    assert (found["latency_p99"].value, found["latency_p99"].censored) == (4, False)


def test_without_events_metrics_have_no_value_and_counts_are_zero() -> None:
    found = values(made_system(made_group(made_journey([], [])), duration=10.0))
    assert all(np.isnan(found[metric]) for metric in ("latency_p99", "wait_mean", "attempts_mean", "error_rate"))
    assert (found["processed"], found["lag_max"], found["lag_seconds_p99"], found["served"]) == (0, 0, 0, 1)


def test_end_to_end_counts_from_the_first_ancestor() -> None:
    journey = made_journey([5, 6], [7, 9])
    journey.messages.single = False
    journey.messages.born.extend([1, 4])
    journey.messages.parent.extend([3, 8])
    found = values(made_system(made_group(journey), duration=10.0))
    assert (found["latency_mean"], found["end_to_end_mean"]) == (2.5, 5.5)


def test_a_quantile_is_censored_where_it_lies_at_a_pending_time() -> None:
    sample = Sample([np.array([1.0, 2.0, 3.0])], [np.array([10.0])])
    assert sample.quantiles([0.5, 2 / 3, 0.9]) == [(2.5, False), (3.0, False), (pytest.approx(7.9), True)]
    assert Sample([np.array([1.0, 5.0])], [np.array([3.0])]).quantiles([0.75]) == [(4.0, True)]
    tied = Sample([np.array([5.0, 5.0])], [np.array([5.0])])
    assert tied.quantiles([0.5, 1.0]) == [(5.0, False), (5.0, True)]


def test_quantiles_are_those_of_numpy() -> None:
    values = np.random.default_rng(5).exponential(1, 1234)
    shares = [0.0, 0.5, 0.95, 0.99, 0.999, 1.0]
    found = Sample([values[:500], values[500:]], []).quantiles(shares)
    assert [value for value, _ in found] == pytest.approx(np.quantile(values, shares))


@pytest.mark.parametrize("seed", range(5))
def test_out_of_order_are_effects_after_that_of_a_later_event_with_the_same_key(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.choice([NONE, 0, 1, 2, (1 << 16) + 1], 60).astype(np.int32)
    effects = np.round(np.arange(60) + rng.exponential(4, 60))
    effects[rng.random(60) < 0.2] = NAN
    pairs = itertools.combinations(range(60), 2)
    late = {a for a, b in pairs if keys[a] == keys[b] != NONE and effects[a] > effects[b]}
    assert set(overtaken(keys, effects).tolist()) == late
    assert len(late) > 3


def test_time_is_shared_out_over_instances_breakers_and_workers() -> None:
    group = made_group(
        made_journey([1], [2]),
        life=[(np.array([0.0, 4.0, 6.0]), np.array([RUNNING, DOWN, RUNNING])), (np.array([0.0]), np.array([RUNNING]))],
        breakers=[(np.array([3.0, 5.0, 6.0]), np.array([OPEN, HALF_OPEN, CLOSED])), (np.empty(0), np.empty(0))],
        trips=np.array([1.0, 3.0]), rebalances=np.array([4.0, 5.0]),
        busy=3.0, held=1.0, worker_time=8.0, batch_sizes=(4, 10), empty_polls=6, has_breaker=True,
    )  # fmt: skip
    found = values(made_system(group, duration=10.0, warmup=2.0))
    expected = {
        "availability": 14 / 16, "breaker_open_fraction": 2 / 16, "breaker_trips": 1, "rebalances": 2,
        "utilization": 3 / 8, "held": 1 / 8, "batch_size_mean": 2.5, "empty_polls": 6,
    }  # fmt: skip
    assert {metric: found[metric] for metric in expected} == expected


def test_unlimited_workers_have_no_utilization() -> None:
    found = values(made_system(made_group(made_journey([1], [2]), worker_time=np.inf), duration=10.0))
    assert "utilization" not in found
    assert "held" not in found


def test_calls_to_a_dependency() -> None:
    group = made_group(made_journey([1], [2]))
    record = made_system(group, duration=10.0, end=20.0, warmup=4.0, dependencies=[gateway()])
    found = found_in(record, "dependencies.gateway")
    expected = {
        "calls": 4, "errors": 1, "rejected": 1, "wasted": 2, "utilization": 5 / 12, "busy_mean": 5 / 6,
        "latency_mean": 3, "latency_p99": pytest.approx(4 + 0.98 * 8), "queue_max": 3,
    }  # fmt: skip
    assert {metric: each.value for metric, each in found.items()} == expected
    assert found["latency_p99"].censored
    unlimited = made_system(group, duration=10.0, dependencies=[gateway(concurrency=np.inf)])
    assert "utilization" not in values(unlimited, "dependencies.gateway")


def test_a_topic_stores_copies_and_a_log_keeps_them() -> None:
    journey = made_journey([1, 2, 3, 11], [4, 5, 6, 12])
    partitions = [(0, np.array([0, 2, 0])), (0, np.array([1, 3]))]
    queue = values(made_system(made_group(journey, partitions=partitions), duration=10.0, warmup=1.5), "topics.orders")
    assert (queue["stored"], queue["size_max"]) == (2, 2)
    commits = [(np.array([1.0, 3.0, 7.0]), np.empty(0), np.empty(0, dtype=int))] * 2
    log = made_group(journey, partitions=partitions, commits=commits)
    copied = {"orders": TopicRecord(name="orders", messages=journey.messages, again=np.array([0]), sends=np.ones(4))}
    found = values(made_system(log, duration=10.0, end=20.0, topics=copied), "topics.orders")
    assert (found["stored"], found["size_max"], found["lost"], found["available_fraction"]) == (4, 4, 0, 1)


def test_series_take_the_right_limit_and_rates_the_interval_before() -> None:
    journey = made_journey(
        [1, 2, 2.5], [3, 4, NAN], failures=[(2, 2.6), (2, 2.9)], retries=[(2, 2.8)],
        moves=[(2, 3.0)], redrives=[(2, 5.0)], delays=[(2, 2.6, 2.8)],
    )  # fmt: skip
    group = made_group(journey, breakers=[(np.array([2.0]), np.array([OPEN]))] * 2, has_breaker=True)
    left = measure(made_system(group, duration=600.0, dependencies=[gateway()]))
    series = {metric: left.series[PAYMENT, metric][:7].tolist() for name, metric in left.series if name == PAYMENT}
    assert left.times.tolist() == list(range(601))
    assert series == {
        "lag": [0, 1, 2, 1, 0, 1, 1],
        "lag_seconds": [0, 0, 1, 1, 0, 0, 1],
        "lag_waiting": [0] * 7,
        "arrivals": [0, 1, 1, 1, 0, 0, 0],
        "throughput": [0, 0, 0, 1, 1, 0, 0],
        "attempts": [0, 1, 1, 2, 0, 0, 0],
        "failures": [0, 0, 0, 2, 0, 0, 0],
        "dead_letters": [0, 0, 0, 1, 1, 0, 0],
        "breaker_open": [0, 0, 1, 1, 1, 1, 1],
    }
    assert left.series["dependencies.gateway", "queue"][:10].tolist() == [0, 3, 3, 3, 3, 2, 2, 2, 2, 0]
    assert left.series["dependencies.gateway", "busy"][:3].tolist() == [0, 1, 0]


def test_slo_violation_is_the_share_of_time_in_which_one_of_them_is_missed() -> None:
    group = made_group(made_journey([60, 120], [300, 240]))
    slos = [
        Slo(component=PAYMENT, metric="lag_max", below=2),  # missed in [120, 240)
        Slo(component=PAYMENT, metric="lag_seconds_p99", below=200),  # in [260, 300)
        Slo(component=PAYMENT, metric="duplicate_rate", below=0.1),  # nothing to see over time
    ]
    assert values(made_system(group, duration=600.0, slos=slos), "system")["slo_violation"] == pytest.approx(160 / 601)
    above = [Slo(component=PAYMENT, metric="throughput", above=0)]
    assert values(made_system(group, duration=600.0, slos=above), "system")["slo_violation"] == pytest.approx(599 / 601)
    assert np.isnan(values(made_system(group, duration=600.0, slos=slos[2:]), "system")["slo_violation"])
    assert "slo_violation" not in values(made_system(group, duration=600.0), "system")


def test_the_trace_has_a_row_for_each_event_in_each_group() -> None:
    journey = made_journey([1, 2], [3, NAN], keys=[7, 8], duplicates=[(0, 4.0)])
    settled = [np.array([3.5, NAN])]
    groups = (
        made_group(journey, settled=settled, partitions=[(0, np.array([1])), (0, np.array([0, 0]))]),
        made_group(journey, name="consumers.audit"),
    )
    assert measure(made_system(*groups, duration=10.0)).events is None
    events = measure(made_system(*groups, duration=10.0, trace=True)).events
    assert events is not None
    rows = [list(row) for row in zip(*events.values(), strict=True)]
    assert list(events) == [
        "group", "event", "parent", "key", "topic", "partition", "produced", "published", "available", "started",
        "effect", "settled", "attempts", "deliveries", "effects", "state",
    ]  # fmt: skip
    assert rows[0] == [PAYMENT, 0, NONE, 7, "orders", 1, 1, 1, 1, 1, 3, 3.5, 1, 1, 2, "processed"]
    assert rows[1][5] == 0
    assert (rows[1][-2], rows[1][-1]) == (0, "backlog")
    assert [row[0] for row in rows] == [PAYMENT] * 2 + ["consumers.audit"] * 2


def test_faults_that_happened_are_windows_and_rows_of_a_table() -> None:
    left = measure(whole_system())
    assert left.tables["faults"] == {"fault": ["outage"], "target": [PAYMENT], "start": [5.0], "end": [6.0]}
    assert [(each.name, each.target, each.start, each.end) for each in left.windows] == [("outage", PAYMENT, 5.0, 6.0)]
