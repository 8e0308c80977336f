"""Comparing systems: what is paired with what, what is said of the difference, and how often that is wrong."""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

import simulator.workers
from experiments import charts, compare
from experiments.lab.cli import app
from experiments.lab.commands.options import BadOptionError, values_of
from experiments.lab.compare import BadComparisonError
from experiments.lab.comparison import Comparison
from experiments.lab.output import refusal
from models import System
from models.metrics import BETTER, METRICS, good_side
from simulator import replicate
from simulator.differences import equivalent, holm, paired, paired_with_bounds
from simulator.replication import Interrupted
from simulator.results import Measure, Measurement, Result
from simulator.statistics import mean_interval

SMALL = """
name = "small"
[run]
duration = "20s"
warmup = "2s"
runs = 3
seed = 3
[producers.web]
topic = "orders"
arrivals = { process = "poisson", rate = 20 }
[dependencies.bank]
latency = "5ms"
[consumers.pay]
topic = "orders"
service = { dist = "exponential", mean = "10ms" }
dependencies = ["bank"]
retry = { max_attempts = 3 }
[[faults]]
name = "bank away"
target = "dependencies.bank"
kind = "outage"
at = "5s"
for = "2s"
"""
RETRY = "consumers.pay.retry"
LATENCY = "consumers.pay:latency_mean"


def small(changes: Mapping[str, Any] | None = None) -> System:
    return System.from_dict(tomllib.loads(SMALL)).with_(changes or {})


def made(values: Mapping[str, Sequence[float]], metric: str = LATENCY, censored: Mapping[str, Sequence[int]] | None = None,
         kind: str = "value") -> Comparison:  # fmt: skip
    """A comparison of one metric from its values by replication; nan where there is none, `censored` where it is a bound."""
    component, _, name = metric.rpartition(":")
    results = {}
    for system, column in values.items():
        bounds = (censored or {}).get(system, ())
        left = [
            Measurement((Measure(component, name, "s", value, kind, censored=run in bounds),), np.zeros(1), {})  # type: ignore[arg-type]
            for run, value in enumerate(column)
        ]
        results[system] = Result("made", "", 1, 10.0, 0.0, tuple(range(len(left))), tuple(left), version="1")
    return Comparison("made", next(iter(values)), results, (metric,))


def verdict(before: Sequence[float], after: Sequence[float], metric: str = LATENCY) -> str:
    (row,) = made({"before": before, "after": after}, metric).rows
    return row.verdict


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=1,2", [1, 2]),
        ("a.b = 250ms, 1h", ["250ms", "1h"]),
        ("a.b=[1, 2],[]", [[1, 2], []]),
        ("a.b={ attempts = 1 },{ delays = [1, 2], backoff = \"exponential\" }",
         [{"attempts": 1}, {"delays": [1, 2], "backoff": "exponential"}]),
        ('a.b="x,y",\'z,{\',""', ["x,y", "z,{", ""]),
        (r'a.b="say \"a,b\"",c', ['say "a,b"', "c"]),
        ("a.b=none,true,1.5", ["none", True, 1.5]),
        ("a.b=x==y", ["x==y"]),
    ],
)  # fmt: skip
def test_values_are_split_at_commas_outside_brackets_and_quotes(text: str, values: list[Any]) -> None:
    assert values_of(text) == ("a.b", values)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a.b", "PATH=V1,V2"),
        ("=1,2", "PATH=V1,V2"),
        ("a=1,,2", "a value is missing"),
        ("a=", "a value is missing"),
        ("a=1, 1", "twice"),
        ("a={ x = 1,2", "} is missing"),
        ("a=1],2", "] closes nothing"),
        ("a=[1},2", "} closes nothing"),
        ('a="x,2', '" is not closed'),
    ],
)
def test_values_that_cannot_be_split_are_refused(text: str, problem: str) -> None:
    with pytest.raises(BadOptionError) as refused:
        values_of(text)
    assert problem in str(refused.value)


def test_the_paired_t_test_is_that_of_scipy() -> None:
    luck = np.random.default_rng(1)
    before = luck.normal(10, 1, 12)
    after = before + luck.normal(0.3, 0.2, 12)
    (row,) = made({"before": before, "after": after}).rows
    expected = stats.ttest_rel(after, before)
    assert row.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (row.ci_low, row.ci_high) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-9)
    assert row.difference == pytest.approx(row.mean - row.baseline_mean, rel=1e-9)


def test_narrowing_is_the_width_of_welchs_interval_over_that_of_the_pairs() -> None:
    luck = np.random.default_rng(2)
    before = luck.normal(10, 1, 12)
    after = before * 1.1 + luck.normal(0, 0.1, 12)
    unpaired = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
    found = paired(before, after)
    assert found.narrowing == pytest.approx((unpaired.high - unpaired.low) / (found.ci_high - found.ci_low), rel=1e-9)


def test_holm_by_hand() -> None:
    # 4 p-values: 0.01 * 4, then 0.02 * 3, then max(0.06, 0.03 * 2), then max(0.06, 0.04 * 1)
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    adjusted = holm([0.02, math.nan])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])


def test_lower_or_higher_is_better_as_the_metric_declares() -> None:
    before = [10.0, 11.0, 10.5, 11.5, 10.2]
    after = [value + step for value, step in zip(before, (3.0, 3.1, 2.9, 3.2, 3.0), strict=True)]
    assert verdict(before, after) == "worse"
    assert verdict(after, before) == "better"
    assert verdict(before, after, "consumers.pay:throughput") == "better"
    assert verdict(before, after, "consumers.pay:utilization") == "differs"


def test_same_needs_the_interval_within_5_percent_of_the_baseline() -> None:
    before = [100.0, 120.0, 80.0, 110.0, 90.0, 100.0]
    steps = (2.0, -2.0, 1.5, -1.0, 0.5, -1.2)
    assert verdict(before, [b + step for b, step in zip(before, steps, strict=True)]) == "same"
    assert verdict(before, [b + 10 * step for b, step in zip(before, steps, strict=True)]) == "undecided"
    assert verdict([0.0] * 5, [0.0] * 5) == "same"
    assert verdict([0.1 + 0.2] * 4, [0.3] * 4) == "same"  # sums in another order
    assert equivalent((-5.0, 5.0), 100.0)
    assert not equivalent((-5.0, 5.1), 100.0)
    assert not equivalent((math.nan, 1.0), 100.0)


def test_only_runs_with_both_values_are_paired() -> None:
    nan = math.nan
    (row,) = made({"before": [1.0, nan, 3.0, 4.0], "after": [2.0, 2.0, 4.1, nan]}).rows
    assert (row.n, row.baseline_mean, row.difference) == (2, 2.0, pytest.approx(1.05))
    (row,) = made({"before": [1.0, nan], "after": [nan, 2.0]}).rows
    assert (row.n, row.verdict, row.baseline_mean, row.mean) == (0, "undecided", 1.0, 2.0)
    (row,) = made({"before": [1.0, nan], "after": [1.0, 2.0]}).rows
    assert (row.n, row.verdict) == (1, "undecided")


def test_lower_bounds_are_never_averaged() -> None:
    before, after = [10.0] * 12, [14.0] * 10 + [90.0] * 2
    recovery = "faults.bank away:recovery_time"
    (row,) = made({"before": before, "after": after}, recovery, {"after": (10, 11)}, "survival").rows
    assert (row.n, row.censored, row.difference, row.mean) == (12, 2, 4.0, 14.0)
    assert row.baseline_censored + row.mean_censored >= row.censored
    assert 0 in (row.baseline_censored, row.mean_censored)
    assert (row.verdict, row.ci_low) == ("worse", 4.0)
    (row,) = made({"before": before, "after": after}, recovery, {"after": range(2, 12), "before": range(12)}, "survival").rows
    assert math.isnan(row.difference)
    assert (math.isnan(row.ci_low), row.verdict) == (True, "undecided")


def test_a_bound_that_may_have_either_sign_counts_for_neither() -> None:
    least, most = [1.0] * 6, [1.0] * 6
    assert paired_with_bounds(least, most).p_value == pytest.approx(2 / 2**6)
    surely_not = paired_with_bounds([*least[:-1], -math.inf], most)
    assert surely_not.p_value == pytest.approx(14 / 2**6)
    assert math.isnan(surely_not.ci_low)


def test_every_declared_side_is_that_of_a_metric() -> None:
    assert all(name in METRICS[kind] for kind, name in BETTER)
    assert good_side("consumers.pay", "latency_p99") == "lower"
    assert good_side("faults.bank away", "recovered_share") == "higher"
    assert good_side("dependencies.bank", "calls") is None


def some_luck(seed: int, alternatives: int, noise: float) -> Comparison:
    luck = np.random.default_rng([7, seed])
    shared = luck.normal(10, 1, 10)
    names = ["baseline", *(f"a{number}" for number in range(alternatives))]
    return made({name: shared + luck.normal(0, noise, 10) for name in names})


@pytest.mark.parametrize(("alternatives", "least"), [(1, 3), (3, 0)])
def test_systems_that_differ_in_luck_alone_are_rarely_told_apart(alternatives: int, least: int) -> None:
    # 5 % of 200 families; the 99 % interval of a binomial count is 3 to 19
    families = [some_luck(seed, alternatives, 1.0).rows for seed in range(200)]
    told = sum(any(row.verdict in ("better", "worse") for row in rows) for rows in families)
    assert least <= told <= 19


def test_systems_that_differ_by_a_tenth_of_a_percent_are_the_same() -> None:
    assert all(row.verdict == "same" for seed in range(50) for row in some_luck(seed, 1, 0.1).rows if row.p_adjusted > 0.05)


@pytest.mark.long
def test_the_same_queue_with_other_luck_is_told_apart_at_the_stated_rate() -> None:
    system = System.from_dict(
        {
            "run": {"duration": 60.0, "warmup": 10.0, "runs": 10},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 5.0}}},
            "consumers": {"c": {"topic": "t", "service": {"dist": "exponential", "mean": 0.1}}},
        }
    )
    told = 0
    for seed in range(200):
        results = {name: replicate(system, seed=seed + start) for name, start in (("one", 1000), ("other", 5000))}
        (row,) = Comparison("queue", "one", results, ("consumers.c:latency_p50",)).rows
        told += row.verdict in ("better", "worse")
    assert 3 <= told <= 19


def test_identical_systems_are_the_same_in_everything() -> None:
    found = compare(small(), {"again": small()}, runs=2, jobs=1)
    assert set(found.table["verdict"]) == {"same"}
    columns = "name component metric baseline_mean mean difference ci_low ci_high p_value verdict"
    assert " ".join(found.table.columns[:10]) == columns
    assert list(found.results) == ["baseline", "again"]
    assert "again" in found._repr_html_()


def test_a_known_difference_between_two_queues_is_found() -> None:
    # M/M/1: the mean stay is 1 / (1 / service - rate), 1.0 s and 1.5 s
    queue = System.from_dict(
        {
            "run": {"duration": 1700.0, "warmup": 200.0, "runs": 10, "seed": 4},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 1.0}}},
            "consumers": {"c": {"topic": "t", "service": {"dist": "exponential", "mean": 0.5}}},
        }
    )
    slower = queue.with_({"consumers.c.service": {"dist": "exponential", "mean": 0.6}})
    found = compare(queue, {"slower": slower}, ["consumers.c:latency_mean"], jobs=1)
    (row,) = found.rows
    assert (row.verdict, row.n) == ("worse", 10)
    assert row.narrowing > 1.5
    tables = (result.runs_table for result in found.results.values())
    before, after = (table[table["metric"] == "latency_mean"]["value"].to_numpy() for table in tables)
    surely = mean_interval(after - before, 0.99)
    assert surely.ci_low < 0.5 < surely.ci_high


def test_objectives_say_which_metrics_are_compared_else_the_listed_ones() -> None:
    slos = [{"component": "consumers.pay", "metric": "lag_max", "below": 1}]
    other = {"other": small({f"{RETRY}.max_attempts": 1})}
    assert compare(small({"slos": slos}), other, runs=2, jobs=1).metrics == ("consumers.pay:lag_max",)
    listed = compare(small(), other, runs=2, jobs=1).metrics
    assert {LATENCY, "dependencies.bank:calls", "faults.bank away:recovery_time", "system:loss_rate"} <= set(listed)


def test_a_twin_says_what_the_faults_cost() -> None:
    found = compare(small(), {"alike": small()}, ["consumers.pay:lag_max"], runs=8, jobs=1, twin=True)
    assert [row.name for row in found.rows] == ["baseline", "alike"]
    assert {row.verdict for row in found.rows} == {"worse"}
    calm = found.results["baseline, no faults"]
    assert calm.windows.empty
    assert found.rows[0].baseline_mean == calm.value("consumers.pay", "lag_max").mean
    assert not any(metric.startswith("faults.") for metric in compare(small(), {}, runs=2, jobs=1, twin=True).metrics)


def test_all_systems_share_seed_runs_and_the_longest_warmup() -> None:
    other = small({"run.seed": 9, "run.runs": 7, "run.warmup": 4})
    found = compare(small({"run.precision_metric": LATENCY}), {"other": other}, runs=2, seed=5, jobs=1)
    assert {(result.seed, result.runs, result.warmup) for result in found.results.values()} == {(5, 2, 4.0)}


def test_runs_auto_is_settled_by_the_baseline_for_all() -> None:
    told: list[tuple[int, int]] = []
    base = small({"run.runs": "auto", "run.precision": 0.5, "run.precision_metric": LATENCY})
    found = compare(base, {"other": small()}, jobs=1, progress=lambda done, total: told.append((done, total)))
    assert {result.runs for result in found.results.values()} == {10}
    assert told[-1] == (20, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alternatives": {}}, "nothing to compare"),
        ({"runs": 1}, "2 runs at least"),
        ({"metrics": ["consumers.pay:latency_p98"]}, 'did you mean "latency_p99"'),
        ({"metrics": ["latency_p99"]}, "component:metric"),
        ({"baseline_name": "other"}, "the baseline's name"),
        ({"alternatives": {"calm": small({"faults": []})}, "twin": True}, "calm has no faults"),
        ({"alternatives": {"long": small({"run.duration": 21})}}, "run for different times"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(arguments: dict[str, Any], message: str) -> None:
    def never(done: int, total: int) -> None:
        raise AssertionError("it ran")

    with pytest.raises(BadComparisonError, match=message):
        compare(small(), **{"alternatives": {"other": small()}, "jobs": 1, "progress": never, **arguments})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the small scenario in it; charts are not drawn."""
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charts, "comparison_figures", lambda comparison: {})
    return tmp_path


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def names(folder: Path) -> list[str]:
    with (folder / "comparison.csv").open() as lines:
        return list(dict.fromkeys(row["name"] for row in csv.DictReader(lines)))


def test_the_command_prints_verdicts_and_leaves_tables_that_repeat(here: Path) -> None:
    vary = f"{RETRY}={{ max_attempts = 1 }},{{ max_attempts = 5, jitter = 'full' }}"
    status, shown, _ = edasim("compare", "small.toml", "--vary", vary, "--metric", LATENCY, "--jobs=1")
    assert status == 0
    for text in ("consumers.pay latency_mean  (max_attempts=1:", "max_attempts=5", "pairing narrowed", "paired runs, seed 3"):
        assert text in shown
    folder = here / "edasim-out" / "small"
    assert names(folder) == ["max_attempts=5 jitter=full"]
    assert json.loads((folder / "comparison.json").read_text())["differences"][0]["n"] == 3
    assert (folder / "summary.csv").read_text().startswith("name,component,")
    assert refusal(folder) is None
    assert edasim("compare", str(folder / "manifest.json"), "--jobs=1", "--out=again")[0] == 0
    for name in ("comparison.csv", "comparison.parquet", "comparison.json", "summary.csv", "manifest.json"):
        assert (folder / name).read_bytes() == (here / "again" / name).read_bytes()


def test_with_several_paths_each_alternative_changes_one(here: Path) -> None:
    arguments = ["--vary", f"{RETRY}.max_attempts=3,1,2", "--vary", "consumers.pay.instances=1,2", "--runs=2", "--jobs=1"]
    assert edasim("compare", "small.toml", *arguments, "--out=o")[0] == 0
    assert names(here / "o") == ["max_attempts=1", "max_attempts=2", "instances=2"]


def test_a_twin_needs_no_values(here: Path) -> None:
    status, shown, _ = edasim("compare", "small.toml", "--twin", "--jobs=1", "--out=o")
    assert status == 0
    assert "lag_max  (without faults)" in shown
    assert names(here / "o") == ["baseline"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--vary PATH=V1,V2,... is missing"),
        (["--vary", "consumers.pay.instances=1"], "needs two values"),
        (["--vary", "run.seed=1,2"], "the same in all systems"),
        (["--vary", "run.duration=9,8", "--vary", "run.duration=9,7"], "is there twice"),
        (["--vary", "consumers.pay.instances=1,0"], "small.toml: consumers.pay.instances: found 0"),
        (["--vary", "consumers.pay.instances=1,2", "--runs=1"], "2 runs at least"),
        (["--vary", "consumers.pay.instances=1,2", "--metric=consumers.pay:lagmax"], "lag_max"),
        (["--vary", "consumers.pay.instances=1,2", "--out=."], "holds other files"),
        (["--vary", "consumers.pay.instances=1,2", "--runs=auto"], "precision_metric"),
        (["--twin", "--set", "faults=[]"], "has no faults"),
    ],
)
def test_bad_input_is_status_2_and_nothing_is_written(here: Path, arguments: list[str], message: str) -> None:
    status, _, complaint = edasim("compare", "small.toml", *arguments, "--jobs=1")
    assert (status, message in complaint, complaint.count("Traceback")) == (2, True, 0), complaint
    assert [path.name for path in here.iterdir()] == ["small.toml"]


def test_an_interrupt_before_any_run_is_finished_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Interrupted([None])

    monkeypatch.setattr("experiments.lab.compare.replicate_all", stop)
    status, _, said = edasim("compare", "small.toml", "--vary", "consumers.pay.instances=1,2")
    assert status == 130
    assert said.startswith("Interrupted")
    assert [path.name for path in here.iterdir()] == ["small.toml"]


def test_a_comparison_goes_on_where_it_was_interrupted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    whole = simulator.workers._replication

    def counted(place: int, *further: Any) -> Any:
        ran.append(place)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return whole(place, *further)

    monkeypatch.setattr(simulator.workers, "_replication", counted)
    command = ["compare", "small.toml", "--vary", "consumers.pay.instances=1,2", "--runs=3", "--jobs=1", "--out=done"]
    status, _, said = edasim(*command)
    assert (status, said) == (130, "Interrupted: what is finished is kept, and the same command goes on from there\n")
    assert not Path("done").exists()
    status, *_ = edasim(*command)
    assert (status, len(ran)) == (0, 3 + 4)
    assert sorted(path.name for path in here.iterdir()) == ["done", "small.toml"]
