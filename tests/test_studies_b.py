"""Studies of capacity, commits, idempotency, partitions and cost: each finding says what its own table says."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from experiments.lab.charts.study_charts import plane, reach
from experiments.lab.study import Answer, Setup
from simulator.units import format_duration, format_number


def answer_of(name: str, **asked: object) -> Answer:
    found: Answer = import_module(f"experiments.{name}").study(Setup(quick=True, **asked))  # type: ignore[arg-type]
    assert found.finding
    assert found.figures
    assert {"component", "metric", "unit", "mean", "ci_low", "ci_high", "n", "censored"} <= set(found.table.columns)
    assert found.table["n"].gt(0).all()
    return found


def rows(table: pd.DataFrame, metric: str, *by: str, **where: object) -> pd.DataFrame:
    """The rows of a metric by what was varied."""
    found = table[table["metric"] == metric]
    for column, value in where.items():
        found = found[found[column] == value]
    return found.set_index(list(by))


def test_every_pattern_costs_what_the_prices_say() -> None:
    found = answer_of(
        "cost_of_resilience", runs=2, jobs=1, changes={"producers.shop.arrivals.rate": 20.0, "run.duration": "4m"}
    )
    mean = {metric: rows(found.table, metric, "pattern")["mean"] for metric in found.table["metric"].unique()}
    first, last = mean["harmed"].index[[0, -1]]
    for text in (mean["harmed"][first], mean["harmed"][last], mean["price"][first], mean["price"][last]):
        assert format_number(text) in found.finding.splitlines()[0]
    for before, name in zip(mean["price"].index, mean["price"].index[1:], strict=False):
        [line] = [line for line in found.finding.splitlines() if line.startswith(f"{name}: ")]
        assert f"cost {format_number(mean['price'][name] - mean['price'][before])} (" in line
        assert f"harmed {format_number(mean['harmed'][name] - mean['harmed'][before])} (" in line
    calls = 5.0 * (mean["calls_per_event"]["+ breaker"] - mean["calls_per_event"]["+ retry topic"])
    assert mean["price"]["+ breaker"] - mean["price"]["+ retry topic"] == pytest.approx(calls)
    instances = 2 * 0.05 / 3600 / 20 * 1e6
    more = 5.0 * (mean["calls_per_event"]["+ 2 instances"] - mean["calls_per_event"]["+ idempotency"])
    assert mean["price"]["+ 2 instances"] - mean["price"]["+ idempotency"] - more == pytest.approx(instances, rel=0.1)
    assert mean["given_up"]["nothing"] > mean["given_up"]["+ retry"] > mean["given_up"]["+ retry topic"]


@pytest.mark.long
def test_the_plan_agrees_with_the_sweep() -> None:
    study = import_module("experiments.capacity_planning")
    found = answer_of("capacity_planning")
    lag = rows(found.table, "lag_seconds_p99", "rate", "instances")
    for rate, group in lag.groupby(level="rate"):
        enough = [instances for _, instances in group.index[group["ci_high"] < study.BOUND]]
        assert (f"{min(enough)} at {rate:g}/s" if enough else f"none tried at {rate:g}/s") in found.finding
    usual = lag.loc[study.RATE]
    answer = int(found.finding.partition("a second ")[2].partition(" ")[0])
    assert (usual["ci_high"][usual.index >= answer] < study.BOUND).all()
    cost = rows(found.table, "cost", "instances", rate=study.RATE)["mean"]
    best = cost[usual.index[usual["ci_high"] < study.BOUND]].idxmin()
    assert f"{best} instances cost {format_number(cost[best])} an hour" in found.finding
    assert set(found.figures) == {"headroom", "map", "cost"}


@pytest.mark.long
def test_committing_first_loses_and_committing_each_record_doubles_least() -> None:
    found = answer_of("commit_policies")
    lost, booked, mailed = (
        rows(found.table, metric, "commit", crashes=30.0)["mean"] for metric in ("lost_orders", "booked_twice", "mailed_twice")
    )
    losing = list(lost.index[lost > 0])
    assert losing == ["before"]
    assert f'"before" loses {format_number(lost["before"])} (' in found.finding
    safe = booked.drop(losing)
    assert f"with {safe.idxmin()} the fewest are booked twice, {format_number(safe.min())} (" in found.finding
    assert booked["auto"] > booked["batch"] == booked["transaction"] >= booked["record"]
    assert mailed["transaction"] == 0.0 < mailed["batch"]


@pytest.mark.long
def test_a_mark_has_to_outlive_the_way_back() -> None:
    study = import_module("experiments.idempotency_windows")
    found = answer_of("idempotency_windows")
    left = rows(found.table, "left_over", "delay", "ttl")
    for (delay, ttl), row in left.iterrows():
        assert row["expected"] == np.clip((delay + study.JITTER - ttl) / study.JITTER, 0, 1)
        assert row["ci_low"] - 0.05 <= row["expected"] <= row["ci_high"] + 0.05
    for delay, group in left.groupby(level="delay"):
        enough = [ttl for _, ttl in group.index[group["ci_high"] < study.ENOUGH]]
        assert f"{format_duration(min(enough))} for a way back of {format_duration(delay)} to" in found.finding
    back = (
        rows(found.table, "shipped_twice", "delay", "ttl")["mean"]
        + rows(found.table, "suppressed_events", "delay", "ttl")["mean"]
    )
    assert back.round(6).groupby(level="delay").nunique().eq(1).all()


@pytest.mark.long
def test_order_is_kept_in_place_and_lag_by_a_retry_topic() -> None:
    study = import_module("experiments.partitions_and_ordering")
    found = answer_of("partitions_and_ordering")
    seek, topic = (rows(found.table, "lag_seconds_p99", "partitions", "exponent", through=way) for way in study.WAYS)
    good, fine = (int((each["ci_high"] < study.BOUND).sum()) for each in (seek, topic))
    assert f"below 10 s in {good} of {len(seek)} cells, through a retry topic in {fine}" in found.finding
    assert fine == len(topic)
    assert seek["mean"][seek["load"] > 1.5].gt(study.BOUND).all()
    overtaken = rows(found.table, "overtaken", "through", "partitions", "exponent")["mean"]
    assert overtaken["seek"].eq(0.0).all()
    assert overtaken["retry_topic", 64, 1.2] > overtaken["retry_topic", 64, 0.0] > 0.0
    change = topic["mean"][64, 1.2] - seek["mean"][64, 1.2]
    assert f"by {'-' if change < 0 else ''}{format_duration(abs(change))} (" in found.finding


# -- charts ------------------------------------------------------------------------------------------------------------


def table_of(x: list[float], y: list[float], names: list[str]) -> pd.DataFrame:
    def part(metric: str, values: list[float]) -> pd.DataFrame:
        low, high = [0.9 * value for value in values], [1.2 * value for value in values]
        columns = {"mean": values, "ci_low": low, "ci_high": high, "unit": "1", "component": "consumers.c", "metric": metric}
        return pd.DataFrame({"policy": names, "step": range(len(names)), **columns})

    both = pd.concat([part("cost", x), part("harm", y)], ignore_index=True)
    return both[["policy", "step", "component", "metric", "unit", "mean", "ci_low", "ci_high"]]


def test_a_trade_off_has_a_place_for_0_and_for_a_million() -> None:
    table = table_of([1.0, 2.0, 3.0], [0.0, 20.0, 1e6], ["a", "a", "b"])
    ax = plane(table, "cost", "harm", "policy", ("cost", "harm"), along="step")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "symlog")
    assert ax.get_ylim()[0] < 0.0
    assert ax.get_ylim()[1] > 1.2e6
    assert [text.get_text() for text in ax.texts] == ["0", "1"]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert [container.lines[0].get_xdata().tolist() for container in ax.containers] == [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize("values", [[0.0, 0.0], [3.0, 4.0]])
def test_an_axis_of_values_that_are_alike_is_linear_and_shows_them_all(values: list[float]) -> None:
    ax = Figure().add_subplot()
    reach(ax, "x", np.array(values), np.array([0.0, 1.0]))
    left, right = ax.get_xlim()
    assert ax.get_xscale() == "linear"
    assert left < 0.0
    assert right > max(values)
