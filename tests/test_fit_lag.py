"""Lag and arrivals of a system that is simulated give its arrivals and its capacity back."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments import fit
from experiments.lab.fit.backlog import LEAST
from experiments.lab.fit.prometheus import Observed, per_interval
from models import System
from simulator.replication import replicate

RATE, CAPACITY = 40.0, 50.0
CRASH = {"name": "f", "target": "consumers.payment", "kind": "crash", "at": 60, "for": 60}
SYSTEM = {
    "name": "s",
    "run": {"duration": 600, "runs": 1, "seed": 4},
    "broker": {"profile": "rabbitmq"},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": RATE}}},
    # unlimited, all that waits would be handed to the instance that is back first
    "consumers": {
        "payment": {"topic": "t", "instances": 2, "prefetch": 1, "service": {"dist": "exponential", "mean": 2 / CAPACITY}}
    },
}


def observed(**more: Any) -> Observed:
    """What a monitor sees of the simulated system, every second of 600."""
    series = replicate(System.from_dict({**SYSTEM, **more})).series
    part = series[series["component"] == "consumers.payment"]
    wide = part[part["metric"].isin(["lag", "arrivals"])].pivot(index="time", columns="metric", values="value")
    times, rates = wide.index.to_numpy(dtype=float), wide["arrivals"].to_numpy(dtype=float)
    return Observed(times, per_interval(rates, times, "rate"), wide["lag"].to_numpy(dtype=float))


@pytest.fixture(scope="module")
def outage() -> Observed:
    return observed(faults=[CRASH])


@pytest.fixture(scope="module")
def found(outage: Observed) -> fit.Lag:
    return fit.lag(outage, workers=2)


def test_the_capacity_of_the_simulated_group_lies_in_the_interval(found: fit.Lag) -> None:
    assert found.known
    half = (found.ci_high - found.ci_low) / 2 * stats.norm.ppf(0.995) / stats.norm.ppf(0.975)
    assert abs(found.capacity - CAPACITY) < half + 1 / 3  # a median of whole events lies a third below the mean
    assert half < 3


def test_the_outage_itself_says_nothing_of_the_capacity(found: fit.Lag) -> None:
    seconds = found.observed.times
    during = (seconds > 63) & (seconds < 119)
    assert found.stalled[during].all()
    assert not found.saturated[during].any()
    assert not found.saturated[seconds < 60].any()


def test_a_group_that_keeps_up_gives_a_bound_that_holds() -> None:
    found = fit.lag(observed())
    assert not found.known
    assert math.isnan(found.capacity)
    assert 0.6 * RATE < found.at_least <= CAPACITY
    assert found.service_line == ""
    assert found.line == found.arrivals_line
    assert "at least" in found.finding


def test_the_lines_to_paste_replay_the_arrivals(found: fit.Lag, tmp_path: Path) -> None:
    found.save(tmp_path)
    arrivals_line, service_line = found.line.splitlines()
    pasted = {**SYSTEM, "producers": {"p": {"topic": "t", **tomllib.loads(arrivals_line)}}}
    pasted["consumers"] = {"payment": {"topic": "t", "instances": 2, **tomllib.loads(service_line)}}
    system = System.from_dict(pasted, tmp_path)
    times = system.producers["p"].arrivals.times
    assert len(times) == pytest.approx(found.observed.arrivals.sum(), abs=1)
    counts = np.histogram(times, found.observed.times - found.observed.times[0])[0]
    assert counts == pytest.approx(found.observed.arrivals[1:], abs=1)
    assert system.consumers["payment"].service.mean == pytest.approx(2 / found.capacity, rel=1e-3)


def test_a_long_history_becomes_arrivals_of_several_events_each() -> None:
    times = np.arange(20.0)
    found = fit.lag(Observed(times, np.append(0, np.full(19, 1e6)), np.zeros(20)))
    assert found.size == 4
    assert tomllib.loads(found.line)["arrivals"]["size"] == 4
    assert len(found.arrival_times) == pytest.approx(19e6 / 4, abs=1)


def test_the_same_data_and_seed_give_the_same_arrivals(outage: Observed, found: fit.Lag) -> None:
    assert (fit.lag(outage).arrival_times == found.arrival_times).all()
    assert fit.lag(outage, seed=2).arrival_times[0] != found.arrival_times[0]


def test_a_threshold_of_ones_own_decides_what_is_saturated(outage: Observed) -> None:
    assert not fit.lag(outage, saturated_above=1e9).known
    assert fit.lag(outage, saturated_above=1000).saturated.sum() < fit.lag(outage).saturated.sum()


def test_the_interval_covers_the_capacity_as_often_as_it_says() -> None:
    """200 histories of a saturated group whose events per interval are Poisson, as exponential service makes them."""
    missed = 0
    for seed in range(200):
        done = np.random.default_rng(seed).poisson(500, 60)
        arrivals = np.full(60, 500.0)
        got = fit.lag(Observed(np.arange(60.0) * 10, arrivals, 1e5 + np.cumsum(arrivals - done)))
        missed += not got.ci_low <= 50 <= got.ci_high
    assert missed <= stats.binom.ppf(0.995, 200, 0.1)  # a bootstrap of a median with n = 60 holds 90 % and more


def series(name: str, values: Any, times: Any, **labels: str) -> dict[str, Any]:
    metric = {**({"__name__": name} if name else {}), **labels}
    return {"metric": metric, "values": [[t, str(v)] for t, v in zip(times, values, strict=True)]}


def answer(path: Path, *parts: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(parts)}}))
    return path


TIMES = [1.7e9 + 15 * k for k in range(5)]


def test_partitions_are_summed_and_counters_may_begin_again(tmp_path: Path) -> None:
    file = answer(
        tmp_path / "both.json",
        series("kafka_consumergroup_lag", [0, 1, 2, 3, 4], TIMES, partition="0"),
        series("kafka_consumergroup_lag", [5, 5, 5, 5, 5], TIMES, partition="1"),
        series("kafka_topic_partition_current_offset", [100, 110, 130, 7, 8], TIMES, partition="0"),
        series("kafka_topic_partition_current_offset", [50, 50, 51, 52, 53], TIMES, partition="1"),
    )
    read = fit.read_lag(file, meaning="total")
    assert read.times.tolist() == TIMES
    assert read.lag.tolist() == [5, 6, 7, 8, 9]
    assert read.arrivals.tolist() == [0, 10, 21, 8, 2]


def test_arrivals_may_come_from_a_query_of_their_own_and_as_a_rate(tmp_path: Path) -> None:
    lags = answer(tmp_path / "lag.json", series("", [0, 1, "NaN", 3, 4], TIMES))
    rates = answer(tmp_path / "rate.json", series("", [2, 2, 2, 4, 4], TIMES))
    read = fit.read_lag(lags, rates)
    assert read.times.tolist() == [TIMES[k] for k in (0, 1, 3, 4)]
    assert read.arrivals.tolist() == [0, 30, 120, 60]
    assert read.dropped == 1


def test_a_table_of_time_arrivals_and_lag_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lag.csv"
    file.write_text("time,lag,arrivals\n2024-05-01T00:00:00Z,0,5\n2024-05-01T00:00:10Z,3,7\n2024-05-01T00:00:20Z,1,9\n")
    assert fit.read_lag(file).arrivals.tolist() == [0, 70, 90]
    assert fit.read_lag(file, meaning="count").arrivals.tolist() == [0, 7, 9]
    assert fit.read_lag(file, meaning="count").lag.tolist() == [0, 3, 1]


BAD = {
    "not json": ("{", "Invalid JSON"),
    "an error": ('{"status": "error", "error": "bad query"}', 'found "error"; the query itself failed'),
    "an instant query": ('{"status": "success", "data": {"resultType": "vector", "result": []}}', "query_range"),
    "no series": ('{"status": "success", "data": {"resultType": "matrix", "result": []}}', "holds no values"),
    "a list": ("[]", "must be the answer of"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_not_the_answer_of_a_range_query_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "lag.json"
    file.write_text(text)
    with pytest.raises(fit.BadDataError) as refused:
        fit.read_lag(file)
    assert str(file) in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([series("x_lag", [1, 2], [1, 2])], "holds no series of arrivals"),
        ([series("offset", [1, 2], [1, 2])], "holds no series of lag"),
        ([series("x_lag", [1, 2], [1, 2]), series("offset", [1, 2], [1.5, 2.5])], "share 0 times; ask for lag and arrivals"),
        ([series("x_lag", [1, -2], [1, 2]), series("offset", [1, 2], [1, 2])], "holds -2 at 2; must be 0 or more"),
    ],
)
def test_series_that_do_not_go_together_are_refused(parts: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    with pytest.raises(fit.BadDataError) as refused:
        fit.read_lag(answer(tmp_path / "lag.json", *parts))
    assert said in str(refused.value)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(fit.BadDataError, match="found 5 times; at least 10"):
        fit.lag(Observed(np.arange(5.0), np.ones(5), np.ones(5)))


def test_too_few_saturated_intervals_give_a_bound_only() -> None:
    lags = np.zeros(40)
    lags[10 : 10 + LEAST - 1] = 1000
    lags[10 + LEAST - 1] = 500
    assert not fit.lag(Observed(np.arange(40.0), np.full(40, 10.0), lags), saturated_above=900).known
