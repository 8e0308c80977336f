"""The folder of a run: whole or not at all, the same bytes for the same run, never in place of others' files."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_results import outage_result

from experiments.lab import charts, output
from experiments.lab.console import console, interval_text, show
from experiments.lab.slos import evaluate
from models.slos import Slo
from simulator.results import Measure, Result

SCENARIO = {"name": "orders", "run": {"duration": 2400.0, "seed": 1, "runs": "auto", "warmup": "auto"}}


@pytest.fixture(scope="module")
def result() -> Result:
    return outage_result(runs=2)


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "figures", lambda result: {})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        output.write_run(outage_result(runs=2), SCENARIO, tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sorted(contents(tmp_path / "a")) == [
        "books.csv",
        "charts/consumers.inventory.png",
        "charts/consumers.inventory.svg",
        "charts/consumers.payment.png",
        "charts/consumers.payment.svg",
        "charts/overview.png",
        "charts/overview.svg",
        "manifest.json",
        "runs.parquet",
        "series.parquet",
        "slos.csv",
        "summary.csv",
        "summary.json",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.usefixtures("no_charts")
def test_json_csv_and_parquet_hold_the_same_numbers(result: Result, tmp_path: Path) -> None:
    output.write_run(result, SCENARIO, tmp_path / "out")
    text = (tmp_path / "out" / "summary.json").read_text()
    summary = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert {key: summary[key] for key in ("scenario", "seed", "runs", "duration", "warmup")} == {
        "scenario": "orders", "seed": 7, "runs": 2, "duration": 2400.0, "warmup": 120.0,
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert [row["mean"] for row in summary["metrics"]] == [None if x != x else x for x in table["mean"].tolist()]
    assert any(row["mean"] is None and row["n"] == 0 for row in summary["metrics"])
    runs = pd.read_parquet(tmp_path / "out" / "runs.parquet")
    pd.testing.assert_frame_equal(runs, result.runs_table, check_dtype=False)
    assert len(pd.read_parquet(tmp_path / "out" / "series.parquet")) == len(result.series)


@pytest.mark.usefixtures("no_charts")
def test_the_books_are_left_as_sums_over_the_runs_that_balance(result: Result, tmp_path: Path) -> None:
    output.write_run(result, SCENARIO, tmp_path / "out")
    books = pd.read_csv(tmp_path / "out" / "books.csv").set_index(["component", "term"])["value"]
    assert (books["producers.checkout", "produced"], books["producers.checkout", "published"]) == (2020, 2000)
    for component in ("producers.checkout", "consumers.payment"):
        whole, *parts = books[component]
        assert whole == sum(parts)


@pytest.mark.usefixtures("no_charts")
def test_a_run_without_books_or_objectives_leaves_tables_without_rows(result: Result, tmp_path: Path) -> None:
    bare = replace(result, measurements=tuple(replace(run, tables={}) for run in result.measurements))
    output.write_run(bare, SCENARIO, tmp_path / "out")
    assert (tmp_path / "out" / "books.csv").read_text() == "component,term,value\n"
    assert (tmp_path / "out" / "slos.csv").read_text().startswith("component,metric,unit,bound_text,verdict,")
    assert len((tmp_path / "out" / "slos.csv").read_text().splitlines()) == 1


@pytest.mark.usefixtures("no_charts")
def test_verdicts_are_left_with_the_numbers_they_rest_on(result: Result, tmp_path: Path) -> None:
    objectives = [slo(component="consumers.payment", metric="latency_p99", below=240), slo(metric="unknown", above=1)]
    verdicts = evaluate(objectives, result)
    output.write_run(result, SCENARIO, tmp_path / "out", verdicts)
    table = pd.read_csv(tmp_path / "out" / "slos.csv")
    assert table["verdict"].tolist() == ["violated", "undecided"]
    assert table["bound_text"].tolist() == ["below 4 min", "above 1"]
    assert table["mean"][0] == verdicts[0].mean
    assert table["censored"].tolist() == [True, False]


@pytest.mark.usefixtures("no_charts")
def test_a_trace_is_kept_where_there_is_one(result: Result, tmp_path: Path) -> None:
    traced = tuple(replace(run, events={"event": [1, 2], "produced": [0.1, 0.2]}) for run in result.measurements)
    output.write_run(replace(result, measurements=traced), SCENARIO, tmp_path / "out")
    assert pd.read_parquet(tmp_path / "out" / "events.parquet")["run"].tolist() == [0, 0, 1, 1]


def test_a_manifest_holds_the_scenario_as_it_was_used(result: Result) -> None:
    manifest = output.manifest_of(result, SCENARIO)
    assert manifest["scenario"]["run"] == {"duration": 2400.0, "seed": 7, "runs": 2, "warmup": 120.0}
    assert SCENARIO["run"]["seed"] == 1
    assert manifest["packages"].keys() >= {"numpy", "simpy"}


def test_tables_do_not_need_charts_whose_import_was_interrupted(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("experiments.lab.charts")
    monkeypatch.setitem(sys.modules, "experiments.lab.charts", None)
    output.write_run(result, SCENARIO, tmp_path / "out", drawn=False)
    assert "summary.csv" in contents(tmp_path / "out")
    with pytest.raises(ImportError):
        output.write_run(result, SCENARIO, tmp_path / "drawn")


@pytest.mark.parametrize("stop", [OSError("disk full"), KeyboardInterrupt()])
def test_nothing_is_half_written_when_writing_fails_midway(
    stop: BaseException, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    output.write_run(outage_result(runs=1), SCENARIO, out)
    before = contents(out)

    def broken(figures: object, folder: Path) -> None:
        (folder / "overview.png").write_bytes(b"half")
        raise stop

    monkeypatch.setattr(charts, "save", broken)
    for folder in (out, tmp_path / "new", tmp_path / "deep" / "new"):
        with pytest.raises(type(stop)):
            output.write_run(result, SCENARIO, folder)
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("no_charts")
def test_an_earlier_output_is_replaced_whole(result: Result, tmp_path: Path) -> None:
    out = tmp_path / "out"
    output.write_run(result, SCENARIO, out)
    (out / "events.parquet").write_bytes(b"of the earlier run")
    assert output.refusal(out) is None
    output.write_run(result, SCENARIO, out)
    assert "events.parquet" not in contents(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_an_output_or_an_empty_folder_may_be_replaced(tmp_path: Path) -> None:
    assert output.refusal(tmp_path) is None
    assert output.refusal(tmp_path / "deep" / "new") is None
    (tmp_path / "manifest.json").write_text('{"name": "an app"}')
    assert "holds other files" in (output.refusal(tmp_path) or "")
    assert "is a file" in (output.refusal(tmp_path / "manifest.json") or "")
    assert "not a folder" in (output.refusal(tmp_path / "manifest.json" / "out") or "")
    (tmp_path / "circle").symlink_to("circle")
    assert "cannot be a folder" in (output.refusal(tmp_path / "circle") or "")


def slo(**fields: object) -> Slo:
    return Slo(**({"component": "c", "metric": "m"} | fields))


def with_values(values: list[float], censored: bool = False) -> Result:
    base = outage_result(runs=1)
    measures = [Measure("c", "m", "s", value, censored=censored) for value in values]
    runs = tuple(replace(base.measurements[0], metrics=(measure,)) for measure in measures)
    return replace(base, measurements=runs, replications=tuple(range(len(runs))))


@pytest.mark.parametrize(
    ("objective", "values", "verdict"),
    [
        (slo(below=12), [9.0, 10.0, 11.0], "undecided"),  # the interval is 10 ± 2.48
        (slo(below=13), [9.0, 10.0, 11.0], "met"),
        (slo(below=7), [9.0, 10.0, 11.0], "violated"),
        (slo(above=7), [9.0, 10.0, 11.0], "met"),
        (slo(above=13), [9.0, 10.0, 11.0], "violated"),
        (slo(above=8), [9.0], "undecided"),  # one run has no interval
        (slo(below=7), [float("nan")] * 3, "undecided"),
        (slo(below=1, rule="runs"), [0.5] * 58, "undecided"),  # 0.05 ** (1 / 58) = 0.9497
        (slo(below=1, rule="runs"), [0.5] * 59, "met"),  # 0.05 ** (1 / 59) = 0.9505
        (slo(below=1, rule="runs"), [0.5] * 10 + [2.0] * 10, "violated"),
        (slo(above=1, rule="runs", share=0.5), [2.0] * 10, "met"),
    ],
)
def test_objectives_are_judged_by_intervals(objective: Slo, values: list[float], verdict: str) -> None:
    assert evaluate([objective], with_values(values))[0].verdict == verdict


def test_a_censored_value_violates_a_below() -> None:
    unfinished = with_values([1.0, 1.0, 1.1], censored=True)
    verdicts = evaluate([slo(below=100), slo(below=100, rule="runs")], unfinished)
    assert [each.verdict for each in verdicts] == ["violated", "violated"]


def test_a_narrow_terminal_loses_no_column(
    result: Result, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1")
    show(console(), result, [], "out")
    assert "95 % interval" in capsys.readouterr().out


def test_no_bound_of_a_time_is_shown_below_0(result: Result) -> None:
    assert interval_text(-3.34, 14.4, "s") == "0 s – 14.4 s"
    assert interval_text(0.759, 1.05, "share") == "75.9 % – 100 %"


def test_a_metric_that_the_description_names_is_shown_though_it_is_zero(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [
        replace(run, metrics=(*run.metrics, Measure("consumers.payment", "suppressed", "count", 0.0)))
        for run in result.measurements
    ]
    for description in ("", "Look at suppressed."):
        show(console(), replace(result, description=description, measurements=tuple(more)), [], "out")
        assert ("suppressed   " in capsys.readouterr().out) == bool(description)


def test_the_console_shows_means_intervals_books_and_verdicts_in_80_columns(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    objective = slo(component="consumers.payment", metric="latency_p99", below=240)
    show(console(), result, evaluate([objective], result), "edasim-out/orders")
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    for text in (
        "≥ 4 min",
        "consumers.payment: arrived 2,012",
        "= processed 1,980 + backlog 12 + in_flight 4 + dead_lettered 16  (balanced)",
        "violated   consumers.payment latency_p99 below 4 min",
        "edasim-out/orders/charts",
    ):
        assert text in shown
    assert "NOT BALANCED" not in shown
    assert "expired" not in shown
