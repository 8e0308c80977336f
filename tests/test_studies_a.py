"""Studies of retries, breakers, dead letters and recovery: each quick version says what its own table says."""

from __future__ import annotations

import heapq
import random
import re
from importlib import import_module
from itertools import product

import numpy as np
import pandas as pd
import pytest

from experiments import backoff_and_jitter
from experiments.backoff_and_jitter import Contest
from experiments.lab.study import Answer, Setup, measures, studies
from models.backoff import Delays
from models.errors import BadScenario
from simulator.replication import replicate

NAMES = [
    "backoff_and_jitter", "breaker_tuning", "dead_letter_strategy", "layered_retries", "metastability", "recovery_time",
    "retry_policies",
]  # fmt: skip


def answer_of(name: str, **asked: object) -> Answer:
    found: Answer = import_module(f"experiments.{name}").study(Setup(quick=True, **asked))  # type: ignore[arg-type]
    assert found.finding
    assert found.figures
    assert len(found.table)
    assert found.table.loc[~found.table["censored"], ["mean", "n"]].notna().all(axis=None)
    assert set(found.table["metric"]) <= set(found.shown.columns)
    assert len(found.shown) < len(found.table)
    return found


def means(table: pd.DataFrame, metric: str, *by: str, **where: object) -> pd.Series:
    """The means of a metric by what was varied."""
    rows = table[table["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.set_index(list(by))["mean"]


def test_every_study_asks_a_question() -> None:
    known = studies()
    assert all(known[name].endswith("?") for name in NAMES)


def test_jitter_saves_calls() -> None:
    """Brooker (2015): of competing clients those that do not back off call most, then those that do so in step."""
    found = answer_of("backoff_and_jitter", runs=2, jobs=1)
    calls = means(found.table, "calls", "policy", clients=90)
    least, most = calls.idxmin(), calls.idxmax()
    assert f"With 90 clients {most} makes the most calls" in found.finding
    assert f"{least} fewest" in found.finding
    time = means(found.table, "time", "policy", clients=90)
    assert f"Least time: {time.idxmin()}," in found.finding
    assert most == "no backoff"
    assert calls["exponential"] > 1.5 * calls["full jitter"]
    assert (means(found.table, "calls", "clients", policy="full jitter").diff().dropna() > 0).all()


def contest(clients: int, rng: random.Random) -> tuple[int, float]:
    """Calls and time (s) of one contest with full jitter, by a loop over a heap in place of processes."""
    todo = [(rng.gauss(10, 2), client, "read", 0, 0) for client in range(clients)]
    heapq.heapify(todo)
    version, calls, now = 0, 0, 0.0
    while todo:
        now, client, what, seen, failed = heapq.heappop(todo)
        if what == "read":
            heapq.heappush(todo, (now + rng.gauss(10, 2) + rng.gauss(10, 2), client, "write", version, failed))
        elif what == "write":
            calls, lost = calls + 1, seen != version
            version += not lost
            heapq.heappush(todo, (now + rng.gauss(10, 2), client, "again" if lost else "done", 0, failed + lost))
        elif what == "again":
            wait = rng.uniform(0, min(2000, 5 * 2**failed))
            heapq.heappush(todo, (now + wait + rng.gauss(10, 2), client, "read", 0, failed))
    return calls, now / 1000


def test_a_contest_goes_as_in_the_aws_study() -> None:
    rng, runs = random.Random(5), 60
    other = np.array([contest(30, rng) for _ in range(runs)])
    found = replicate(Contest(30, backoff_and_jitter.POLICIES["full jitter"]), runs, 5)
    for metric, there in zip(("calls", "time"), other.T, strict=True):
        here = np.array([m.value for m in measures(found, f"row:{metric}")])
        error = np.sqrt((here.var(ddof=1) + there.var(ddof=1)) / runs)
        assert abs(here.mean() - there.mean()) < 2.6 * error


def test_the_same_seed_finds_the_same_and_another_does_not() -> None:
    first, again, other = (replicate(Contest(10, Delays(base=0.01)), 2, seed).value("row", "time") for seed in (1, 1, 2))
    assert first == again != other


def test_a_study_without_a_scenario_refuses_changes() -> None:
    with pytest.raises(BadScenario, match="no scenario"):
        backoff_and_jitter.study(Setup(quick=True, changes={"run.duration": 1}))


@pytest.mark.long
def test_retries_hold_an_overload_and_a_budget_or_a_breaker_lets_go() -> None:
    found = answer_of("retry_policies")
    rows = found.table[(found.table["metric"] == "recovery") & (found.table["trouble"] == "overload")]
    stuck = set(rows.loc[rows["censored"], "policy"])
    assert stuck >= {"exponential", "full jitter"}
    assert not stuck & {"no retry", "budget 10 %", "breaker"}
    (said,) = (line for line in found.finding.splitlines() if line.startswith("Overload"))
    assert all(policy in said.partition(", not with ")[2].partition(".")[0] for policy in stuck)
    given = means(found.table, "given_up", "policy", trouble="overload").drop(list(stuck))
    assert f"Of those that recover {given.idxmin()} gives up the fewest" in said
    duplicates = means(found.table, "duplicate_rate", "policy", trouble="overload")
    assert duplicates["no retry"] == 0.0
    assert duplicates["full jitter"] > 10 * duplicates["budget 10 %"]


@pytest.mark.long
def test_recovery_follows_the_fluid_curve() -> None:
    found = answer_of("recovery_time")
    times = means(found.table, "recovery_time", "outage", "utilisation")
    assert times[60.0, 0.8] > 2 * times[60.0, 0.5]
    ratio = found.table[found.table["metric"] == "over_fluid"]
    inside = int(((ratio["ci_low"] <= 1) & (ratio["ci_high"] >= 1)).sum())
    assert f"lies in the interval of {inside} of {len(ratio)} points" in found.finding
    assert inside >= len(ratio) - 1


@pytest.mark.long
def test_a_breaker_is_told_from_others_by_false_trips_and_by_calls() -> None:
    found = answer_of("breaker_tuning")
    trips = found.table[found.table["metric"] == "false_trips_per_hour"].set_index(["threshold", "wait"])
    frequent = set(trips[trips["ci_low"] > trips["ci_high"].min()].index.get_level_values("threshold"))
    best = min(set(trips.index.get_level_values("threshold")) - frequent)
    assert f"The lowest threshold with false trips as few as at any is {100 * best:g} %" in found.finding
    through = means(found.table, "calls_in_outage", "threshold", "wait")
    change = re.search(r"changes the calls made in an outage by (\S+) ", found.finding)
    assert change
    assert float(change[1]) == pytest.approx(through[best, 10.0] - through[best, 2.0], rel=0.01)
    assert trips["mean"][0.15, 2.0] > 20 * trips["mean"][0.5, 2.0]
    assert through[0.5, 2.0] > 3 * through[0.5, 10.0]


@pytest.mark.long
def test_a_redrive_saves_what_fails_in_an_outage_if_it_waits_for_its_end() -> None:
    found = answer_of("dead_letter_strategy")
    rest = means(found.table, "resting_share", "deliveries", "redrive")
    best = rest[rest <= rest.min() + 1e-12].index[0]
    named = re.match(r"Fewest dead letters rest with (\d+) deliver\w+ and (a redrive (.*?)|no redrive):", found.finding)
    assert named
    assert (int(named[1]), named[3] or "none") == best
    assert rest[1, "after 10 min"] < 0.1 * rest[1, "after 1 min"]
    saved = means(found.table, "saved_share", "deliveries", "redrive")
    for deliveries in (1, 3, 6):
        assert saved[deliveries, "none"] == 0
        both = saved[deliveries, "after 10 min"] + rest[deliveries, "after 10 min"]
        assert both == pytest.approx(rest[deliveries, "none"], rel=1e-9)


@pytest.mark.long
def test_load_times_tries_above_the_capacity_stays_down_when_the_trigger_is_gone() -> None:
    found = answer_of("metastability")
    table = found.table[found.table["metric"] == "up_at_the_end"].set_index(["policy", "load", "trigger"]).sort_index()
    state = table["state"]
    assert (state == table["mean"].map(lambda up: {1.0: "recovers", 0.0: "collapsed"}.get(up, "vulnerable"))).all()
    assert state["retry", 0.5, 20.0] == "collapsed"
    assert state["retry", 0.5, 0.0] == "recovers"
    assert (state["retry", 0.3] == "recovers").all()
    assert (state["no retry"] == "recovers").all()
    steady = [key for key in state.index if key[2] and state[*key[:2], 0.0] == "recovers"]
    held = [key for key in steady if state[key] != "recovers"]
    assert {policy for policy, _, _ in held} == {"retry"}
    assert (
        "stays up without it with retry, not with no retry, retry with budget, retry with breaker and retry with shedding."
        in found.finding
    )
    cells = f"With retry in {len(held)} of {sum(key[0] == 'retry' for key in steady)} cells, from 50 % load on."
    assert cells in found.finding
    before, after = (means(found.table, f"answered_{when}", "policy", "load", "trigger") for when in ("before", "after"))
    assert before["retry", 0.5, 20.0] > 0.9 > 0.2 > after["retry", 0.5, 20.0]


@pytest.mark.long
def test_layers_multiply_calls_and_divide_the_load_that_is_survived() -> None:
    found = answer_of("layered_retries")
    calls, expected = (means(found.table, metric, "layers", "level", look="errors") for metric in ("calls", "expected"))
    assert [calls[layers, 1.0] for layers in (1, 2, 3)] == [3.0, 9.0, 27.0]
    assert (calls / expected).between(0.85, 1.15).all()
    assert "1, 2 and 3 layers of 3 attempts make 3 (3 – 3), 9 (9 – 9) and 27 (27 – 27) calls of one." in found.finding
    after = found.table[found.table["metric"] == "up_at_the_end"].set_index(["look", "layers", "level"]).sort_index()
    state = after["state"]
    assert (state == after["mean"].map(lambda up: {1.0: "recovers", 0.0: "collapsed"}.get(up, "vulnerable"))).all()
    for layers, load in product((1, 2, 3), (0.1, 0.2, 0.5)):
        assert (state["no budget", layers, load] == "recovers") == (load * 3**layers < 1), (layers, load)
    assert (state["budgets everywhere"] == "recovers").all()
    held = state["budget outside"]
    assert (held != "recovers").sum() < (state["no budget"] != "recovers").sum()
    keeps = "the slowdown keeps the system down from"
    assert f"With no budget {keeps} 50 %, 20 % and 10 % load on with 1, 2 and 3 layers." in found.finding
    assert f"With budgets everywhere {keeps} no, no and no load on with 1, 2 and 3 layers." in found.finding
