"""Outages, drains, detection and breakers at constant rates: exact to one event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from theory import Run, Tables, constant, interval, log, queue, simulate

START = 10.0
ALONE = "consumers.c[0]"
Delivery = Callable[..., Tables]


def lasting_log(arrivals: Tables, service: Any = 0.0, **consumer: Any) -> Tables:
    """A log whose consumer is not thrown out while it stands still."""
    return log(arrivals, service, session_timeout=1000, **consumer)


def run_once(tables: Tables, duration: float, **run: Any) -> Run:
    """One replication, until nothing is left."""
    return simulate(tables, {"duration": duration, "drain": True, **run}, {})[0]


def with_fault(tables: Tables, kind: str, seconds: float, target: str = ALONE, **fault: Any) -> Tables:
    return {**tables, "faults": [{"name": "f", "target": target, "kind": kind, "at": START, "for": seconds, **fault}]}


def emptied(run: Run, end: float) -> float:
    """Seconds from the end of a fault until nothing is left for the first time."""
    produced, done = run.every("produced"), run.every("effect")
    return float(done[:-1][(done[:-1] > end) & (produced[1:] > done[:-1])][0] - end)


@pytest.mark.parametrize("delivery", [queue, lasting_log])
@pytest.mark.parametrize(("rate", "capacity", "outage"), [(80, 100, 60), (50, 100, 30), (90, 100, 20), (19, 20, 60)])
def test_backlog_grows_by_the_rate_and_drains_by_the_headroom(
    delivery: Delivery, rate: float, capacity: float, outage: float
) -> None:
    length = START + outage / (1 - rate / capacity) + 5
    run = run_once(with_fault(delivery(constant(rate), 1 / capacity), "pause", outage), length)
    produced = run.every("produced")
    waits = run.every("started") - produced
    delayed = waits[(waits > 1e-6) & (produced >= START)]
    in_service = 1
    assert run.metric("lag_max") == pytest.approx(rate * outage, abs=1 + in_service)
    assert emptied(run, START + outage) == pytest.approx(rate * outage / (capacity - rate), abs=2 / (capacity - rate))
    assert run.metric("lag_seconds_max") == pytest.approx(outage, abs=1 / rate + 1 / capacity)
    assert len(delayed) == pytest.approx(rate * outage / (1 - rate / capacity), abs=2 * rate / (capacity - rate) + 1)
    assert delayed.mean() == pytest.approx(outage / 2, rel=0.01)


@pytest.mark.parametrize("delivery", [queue, lasting_log])
@pytest.mark.parametrize(("rate", "capacity", "outage", "before"), [(50, 100, 20, 400), (30, 40, 10, 25)])
def test_a_backlog_before_the_outage_adds_to_it(
    delivery: Delivery, rate: float, capacity: float, outage: float, before: int
) -> None:
    tables = with_fault(delivery(constant(rate), 1 / capacity), "pause", outage)
    tables["producers"]["q"] = {"topic": "t", "arrivals": constant(1, start=START - 1.001, limit=1, size=before)}
    backlog = before + rate * outage
    run = run_once(tables, START + outage + backlog / (capacity - rate) + 5)
    assert run.metric("lag_max") == pytest.approx(backlog, abs=2)
    assert emptied(run, START + outage) == pytest.approx(backlog / (capacity - rate), abs=3 / (capacity - rate))


@pytest.mark.parametrize("delivery", [queue, lasting_log])
@pytest.mark.parametrize(("rate", "capacity", "left", "seconds"), [(80, 100, 0.5, 40), (60, 100, 0.2, 30)])
def test_a_slow_consumer_falls_behind_by_the_difference(
    delivery: Delivery, rate: float, capacity: float, left: float, seconds: float
) -> None:
    backlog = (rate - left * capacity) * seconds
    tables = with_fault(delivery(constant(rate), 1 / capacity), "slowdown", seconds, factor=1 / left)
    run = run_once(tables, START + seconds + backlog / (capacity - rate) + 5)
    in_service = 1 + rate / (left * capacity)
    assert run.metric("lag_max") == pytest.approx(backlog, abs=1 + in_service)
    assert emptied(run, START + seconds) == pytest.approx(backlog / (capacity - rate), abs=5 / (capacity - rate))


@pytest.mark.parametrize("delivery", [queue, lasting_log])
@pytest.mark.parametrize(
    ("rate", "outage", "delays", "dead"), [(5, 20, [1, 2, 4], 65), (10, 12, [2, 2], 80), (4, 5, [3, 3], 0)]
)
def test_what_runs_out_of_deliveries_within_an_outage_is_dead(
    delivery: Delivery, rate: float, outage: float, delays: list[float], dead: int
) -> None:
    """Those that arrive before its end less the time of all delays."""
    redelivery = {"max_deliveries": len(delays) + 1, "delays": delays, "through": "retry_topic"}
    fields = {"dependencies": ["s"], "redelivery": redelivery, "dead_letter": {"topic": "dead"}}
    tables = {**delivery(constant(rate), **fields), "dependencies": {"s": {"latency": 0}}}
    run = run_once(with_fault(tables, "outage", outage, "dependencies.s"), START + outage)
    assert run.metric("dead_lettered") == pytest.approx(dead, abs=1)
    assert run.metric("lag_waiting_max") == pytest.approx(rate * min(sum(delays), outage), abs=1 + len(delays))


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize(
    ("service", "delays", "dead"), [(0.0, [1, 2, 4], 20 / 7), (0.1, [0, 0, 0], 50), (0.2, [1, 1], 20 / 2.6)]
)
def test_retries_in_place_let_one_die_at_a_time(service: float, delays: list[float], dead: float, partitions: int) -> None:
    """Each holds its partition for its delays and its attempts."""
    fields = {
        "dependencies": ["s"], "retry": {"max_attempts": len(delays) + 1, "delays": delays},
        "redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "dead"}, "concurrency": partitions,
    }  # fmt: skip
    tables = {**log(constant(5 * partitions), service, **fields), "dependencies": {"s": {"latency": 0}}}
    tables["topics"] = {"t": {"partitions": partitions}}
    run = run_once(with_fault(tables, "outage", 20, "dependencies.s"), START + 20)
    assert run.metric("dead_lettered") == pytest.approx(dead * partitions, abs=partitions)


def first_start(run: Run, partition: int) -> float:
    """Seconds from the crash until a partition is read again."""
    started = run.every("started")
    return float(started[(run.every("partition") == partition) & (started > START)].min() - START)


def test_a_dead_member_is_noticed_when_its_session_ends() -> None:
    """The session less the time since its last heartbeat, any part of the interval: 45 s - U(0, 3 s)."""
    tables = {
        "topics": {"t": {"partitions": 2}},
        "producers": {"p": {"topic": "t", "arrivals": constant(20), "keys": {"dist": "uniform", "count": 100}}},
        "consumers": {"c": {"topic": "t", "instances": 2, "rebalance_time": 0}},
    }
    runs = simulate(with_fault(tables, "crash", 1000), {"duration": 60.0}, {}, runs=40)
    delays = np.array([first_start(run, 0) for run in runs])
    mean, half = interval(delays)
    assert abs(mean - 43.5) < half < 1
    assert 42 <= delays.min() <= delays.max() <= 45


@pytest.mark.parametrize(("kind", "seconds"), [("crash", 0.0), ("pause", 60.0)])
def test_a_queue_takes_messages_back_at_once_or_after_missed_heartbeats(kind: str, seconds: float) -> None:
    """Four of the dead consumer's are with it at the crash, one in hand."""
    tables = queue(constant(10), 0.15, instances=2, prefetch=4)
    tables["producers"]["p"]["arrivals"]["stop"] = 11.0
    tables["producers"]["q"] = {"topic": "t", "arrivals": constant(1, start=8.5, limit=1, size=30)}
    run = run_once(with_fault(tables, kind, 500), 100)
    again = run.every("deliveries") > 1
    assert again.sum() == 4
    assert (run.every("effect")[again] > START + seconds).all()
    assert run.every("effect")[again].min() < START + seconds + 5


@pytest.mark.parametrize(("size", "rate", "minimum", "calls"), [(20, 0.5, 20, 10), (10, 0.3, 10, 3), (50, 0.21, 5, 11)])
def test_a_breaker_trips_when_failures_fill_its_share_of_a_healthy_window(
    size: int, rate: float, minimum: int, calls: int
) -> None:
    breaker = {"size": size, "failure_rate": rate, "minimum_calls": minimum}
    tables = queue(constant(20), redelivery={"max_deliveries": 1}, breaker=breaker)
    run = run_once(with_fault(tables, "errors", 30, "consumers.c", rate=1.0), 40)
    attempted = run.every("produced")[(run.every("attempts") > 0) & (run.every("produced") >= START)]
    assert len(attempted) == calls


@pytest.mark.parametrize("minimum", [5, 40])
def test_a_breaker_with_an_empty_window_trips_at_its_minimum_of_calls(minimum: int) -> None:
    fields = {"breaker": {"size": 100, "minimum_calls": minimum}, "transient_failure": 1.0}
    run = run_once(queue(constant(20), **fields, redelivery={"max_deliveries": 1}), 10)
    assert run.every("attempts").sum() == minimum


@pytest.mark.parametrize(("rate", "probes", "wait", "answer"), [(50, 10, 60.0, 0.1), (20, 3, 5.0, 0.0), (10, 5, 2.0, 1.0)])
def test_while_down_probes_pass_at_the_rate_of_their_cycle(rate: float, probes: int, wait: float, answer: float) -> None:
    """Probes in a cycle of the wait, the time in which they come, and the answer of the last."""
    breaker = {"size": 10, "minimum_calls": 10, "open_for": wait, "half_open_calls": probes}
    fields = {
        "concurrency": "unlimited",
        "dependencies": ["s"],
        "redelivery": {"max_deliveries": 1},
        "breaker": breaker,
    }
    tables = {**queue(constant(rate), **fields), "dependencies": {"s": {"latency": answer, "error_rate": 1.0}}}
    cycle = np.ceil((wait + (probes - 1) / rate + answer) * rate + 1e-6) / rate
    run = run_once(tables, 20 * cycle, warmup=4 * cycle)
    assert run.metric("calls", "dependencies.s") / run.seconds == pytest.approx(probes / cycle, rel=0.07)
