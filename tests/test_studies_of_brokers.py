"""Studies of brokers and networks that fail: each finding says what its own table says, and the tables what they must."""

from __future__ import annotations

from importlib import import_module

import pandas as pd
import pytest
from scipy.stats import poisson

from experiments.lab.study import Answer, Setup
from simulator.units import format_duration, format_number

Means = dict[object, float]


def answer_of(name: str, **asked: object) -> Answer:
    found: Answer = import_module(f"experiments.{name}").study(Setup(quick=True, **asked))  # type: ignore[arg-type]
    assert found.figures
    assert {"component", "metric", "unit", "mean", "ci_low", "ci_high", "n", "censored"} <= set(found.table.columns)
    assert found.table["n"].gt(0).all()
    return found


def means(table: pd.DataFrame, metric: str, *by: str) -> Means:
    """The means of a metric by what was varied."""
    found: Means = table[table["metric"] == metric].set_index(list(by))["mean"].to_dict()
    return found


@pytest.mark.long
def test_only_all_acknowledgements_with_marks_neither_lose_nor_double() -> None:
    found = answer_of("delivery_guarantees")
    lost, doubled = (means(found.table, metric, "acks", "commit") for metric in ("lost_orders", "doubled"))
    assert [key for key in lost if lost[key] == doubled[key] == 0] == [("all", "batch + marks")]
    assert "nothing is lost or doubled with acks = all and commit = batch + marks." in found.finding
    assert lost["none", "batch"] >= lost["leader", "batch"] > lost["all", "batch"] == 0 < doubled["all", "batch"]
    assert lost["all", "before"] > 0 == doubled["all", "before"]
    assert doubled["leader", "batch + marks"] == 0
    for metric, key in ((doubled, ("all", "batch")), (lost, ("leader", "batch")), (lost, ("none", "batch"))):
        told, _, rest = found.finding.rpartition(f" with acks = {key[0]} and commit = {key[1]}")
        assert rest
        assert told.rpartition(" (")[0].endswith(f" {format_number(metric[key])}")


@pytest.mark.long
def test_replicas_shorten_a_failure_and_keep_what_one_node_had_not_flushed() -> None:
    study = import_module("experiments.broker_failover")
    found = answer_of("broker_failover")
    gone, lost, lag = (
        means(found.table, metric, "kind", "acks", "replicas") for metric in ("without_leader", "lost", "lag_max")
    )
    for acks in ("leader", "all"):
        assert gone["crash", acks, 1] == pytest.approx(study.AWAY + 0.5)
        assert 7.5 <= gone["crash", acks, 3] <= 9.5
        assert lost["crash", acks, 1] == 0
        assert lag["crash", acks, 3] < lag["crash", acks, 1]
    assert lost["crash", "all", 3] == lost["power_loss", "all", 3] == 0
    low, high = poisson.ppf([0.005, 0.995], 2 * 7.5 * 40 / 3)
    assert low <= 2 * lost["power_loss", "all", 1] <= high
    assert f"{format_number(lost['power_loss', 'all', 1])} (" in found.finding
    assert "With acks = all nothing is lost with 3 replicas." in found.finding
    assert f"for {format_duration(gone['crash', 'all', 1])} (" in found.finding


@pytest.mark.long
def test_what_the_cut_off_leader_acknowledges_is_lost_and_the_rest_waits_or_fails() -> None:
    found = answer_of("partitioned_network")
    lost, failed, waiting, late = (
        means(found.table, metric, "side", "acks", "length")
        for metric in ("lost_events", "failed_events", "waiting_most", "caught_up")
    )
    losing = {key[:2] for key, events in lost.items() if events}
    assert losing == {("beside", "leader")}
    for length in (30.0, 150.0):
        low, high = poisson.ppf([0.005, 0.995], 2 * 15 / 3 * length)
        assert low <= 2 * lost["beside", "leader", length] <= high
    assert {key for key, events in failed.items() if events} == {("beside", "leader", 150.0), ("beside", "all", 150.0)}
    assert waiting["beside", "all", 150.0] > 5 * waiting["majority", "all", 150.0]
    assert late["majority", "all", 150.0] == late["majority", "leader", 150.0] == 0
    assert late["beside", "all", 150.0] < 35
    assert f"{format_number(lost['beside', 'leader', 150.0])} (" in found.finding
    assert "from 2 min 30 s on some are reported failed" in found.finding


@pytest.mark.long
def test_patterns_take_away_what_breaks_the_system_and_the_finding_counts_it() -> None:
    found = answer_of("chaos_campaign")
    broken, lost = (means(found.table, metric, "pattern") for metric in ("broken", "loss_rate"))
    patterns = list(import_module("experiments.chaos_campaign").PATTERNS)
    assert list(broken) == patterns
    told = ", ".join(f"{round(6 * broken[pattern])} {pattern}" for pattern in patterns)
    assert f"Of 6 schedules of 3 random faults these break the system: {told}." in found.finding
    assert broken["as it is"] >= broken["+ acks = all"] >= broken["+ retries, dead letters"]
    assert lost["as it is"] >= lost["+ acks = all"] > lost["+ retries, dead letters"] == 0
    assert "As it is, " in found.finding
    assert set(found.figures) == {"patterns", "schedules"}
