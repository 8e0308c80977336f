"""Charts say what the result holds, on the axes they are given, and leave no trace elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from made_results import END, outage_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import charts
from experiments.lab.charts.findings import attempts_finding, lag_finding, overview_finding, throughput_finding
from experiments.lab.charts.windows import fault_times
from simulator.results import Result, Window


@pytest.fixture(scope="module")
def result() -> Result:
    return outage_result()


@pytest.mark.parametrize("chart", [charts.lag, charts.throughput, charts.age, charts.attempts, charts.breaker])
def test_a_chart_draws_on_the_axes_it_is_given_and_returns_them(chart, result: Result) -> None:
    ax = Figure().add_subplot()
    assert chart(result, "payment", ax) is ax
    assert ax.lines
    assert ax.get_title(loc="left").startswith("payment: ")


def test_without_axes_a_chart_makes_a_figure_of_its_own(result: Result) -> None:
    assert isinstance(charts.lag(result, "consumers.payment"), Axes)


def test_charts_leave_global_style_and_pyplot_alone(result: Result, tmp_path: Path) -> None:
    before = {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}
    charts.save(charts.figures(result), tmp_path)
    assert {key: mpl.rcParams[key] for key in before} == before
    code = "import sys; import experiments.lab.charts; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_experiments_does_not_load_matplotlib() -> None:
    code = "import sys, experiments; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_title_says_peak_fault_and_time_to_drain(result: Result) -> None:
    # 3 minutes at 80/s wait; the surplus of 150/s over 80/s works them off in 206 s, on a grid of 4 s
    title = charts.lag(result, "payment").get_title(loc="left").replace("\n", " ")
    assert title.startswith("payment: lag peaks at 14,")
    assert title.endswith(("gone 3 min 24 s after the gateway outage", "gone 3 min 28 s after the gateway outage"))


def test_a_group_that_no_fault_reaches_is_said_to_be_untouched(result: Result) -> None:
    assert lag_finding(result, "consumers.inventory").endswith("events; the gateway outage does not reach it")
    assert overview_finding(result, charts.groups(result)).endswith("does not reach inventory")


def test_a_second_peak_is_told() -> None:
    finding = lag_finding(outage_result(runs=3, second_peak=True), "consumers.payment")
    assert "and rises again to" in finding
    assert finding.endswith("at 25 min 16 s")


def test_lag_that_is_there_at_the_end_is_not_called_gone(result: Result) -> None:
    cut = outage_result(runs=3, duration=END + 60)
    assert lag_finding(cut, "consumers.payment").endswith("and is not gone by the end")


def with_lag(result: Result, lag: Callable[[np.ndarray], np.ndarray], *windows: Window) -> Result:
    """The result with that lag of payment at the times of its series, and those faults."""
    key = ("consumers.payment", "lag")
    runs = [replace(run, series={**run.series, key: lag(run.times)}, windows=windows) for run in result.measurements]
    return replace(result, measurements=tuple(runs))


def test_lag_that_stays_up_after_a_fault_soon_after_the_warm_up_is_told(result: Result) -> None:
    slow = Window("slow bank", "dependencies.bank", 160.0, 190.0)
    stuck = with_lag(result, lambda times: np.where(times > 165, 80.0 + times % 7, 3.0), slow)
    assert lag_finding(stuck, "consumers.payment") == "lag peaks at 86 events and is not gone by the end"


def test_throughput_that_stays_down_after_a_fault_is_told(result: Result) -> None:
    assert ", then up to " in throughput_finding(result, "consumers.payment")
    key = ("consumers.payment", "throughput")
    runs = [
        replace(run, series={**run.series, key: np.where(run.times > 600, 0.0, run.series[key])}) for run in result.measurements
    ]
    down = replace(result, measurements=tuple(runs))
    assert throughput_finding(down, "consumers.payment").endswith("/s in the gateway outage and does not come back")


def test_lag_that_is_gone_shortly_before_the_end_is_gone(result: Result) -> None:
    away = Window("outage", "d", 2200.0, 2300.0)
    back = with_lag(result, lambda times: 3.0 + np.interp(times, [2200, 2300, 2345], [0, 900, 0]), away)
    assert lag_finding(back, "consumers.payment").endswith(" and is gone 48 s after the outage")


def test_lag_that_grows_without_a_fault_is_told(result: Result) -> None:
    growing = with_lag(result, lambda times: np.maximum(0.0, times - 960.0))
    assert lag_finding(growing, "consumers.payment") == "lag grows to 1,440 events by the end"


def test_of_overlapping_faults_the_one_with_which_lag_began_to_rise_is_told(result: Result) -> None:
    faults = [Window("crash", "c", 250.0, 260.0), Window("outage", "d", 600.0, 780.0), Window("crash", "c", 700.0, 750.0)]
    both = with_lag(result, lambda times: 3.0 + np.interp(times, [600, 780, 900], [0, 5000, 0]), *faults)
    assert " after the outage" in lag_finding(both, "consumers.payment")
    later = with_lag(result, lambda times: 3.0 + np.interp(times, [780, 900, 920], [0, 300, 0]), *faults)
    assert " after the outage" in lag_finding(later, "consumers.payment")
    assert lag_finding(later, "consumers.inventory").endswith("events; no fault reaches it")


def test_without_faults_the_finding_names_none() -> None:
    assert "outage" not in lag_finding(outage_result(runs=2, faults=False), "consumers.payment")


def test_attempts_per_event_and_dead_letters_are_told(result: Result) -> None:
    finding = attempts_finding(result, "consumers.payment")
    assert finding.startswith("1.01 attempts per event, 1 % fail")
    assert finding.endswith("dead letters")


def test_windows_that_all_runs_share_are_told_from_random_ones(result: Result) -> None:
    outage, crashes = fault_times(result)
    assert (outage.name, outage.common, outage.random) == ("gateway outage", ((600.0, END),), False)
    assert crashes.common == ()
    assert 0 < crashes.share.max() <= 1


def test_a_window_is_cut_at_the_end_of_the_run(result: Result) -> None:
    endless = Window("x", "y", 2000.0, float("inf"))
    late = replace(result, measurements=tuple(replace(run, windows=(endless,)) for run in result.measurements))
    assert fault_times(late)[0].common == ((2000.0, 2400.0),)


def test_a_group_figure_has_a_breaker_only_where_there_is_one(result: Result) -> None:
    labels = [[ax.get_ylabel() for ax in charts.group_figure(result, name).axes] for name in ("payment", "inventory")]
    assert "instances (%)" in labels[0]
    assert "instances (%)" not in labels[1]
    with pytest.raises(ValueError, match="inventory has no breaker"):
        charts.breaker(result, "inventory")


def test_an_unknown_group_is_refused_with_those_that_exist(result: Result) -> None:
    with pytest.raises(ValueError, match=r"there are: consumers\.payment, consumers\.inventory"):
        charts.lag(result, "paiment")


def test_every_group_gets_a_figure_and_one_shows_all(tmp_path: Path) -> None:
    paths = charts.save(charts.figures(outage_result(runs=1)), tmp_path)
    names = ("overview", "consumers.payment", "consumers.inventory")
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert all(path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml") for path in paths)


def test_a_group_with_a_long_name_gets_a_file_too(tmp_path: Path) -> None:
    names = ["ж" * 199 + end for end in "ab"]
    paths = {charts.file_name(f"consumers.{name}", number) for number, name in enumerate(names)}
    assert len(paths) == 2
    for path in paths:
        (tmp_path / path).touch()


def test_long_names_and_many_faults_leave_room(result: Result) -> None:
    name, faults = "consumers." + "a" * 200, [Window(f"{'f' * 100} {n}", "x", 600.0 + n, 700.0) for n in range(9)]
    runs = [
        replace(
            run,
            windows=tuple(faults),
            series={(name, key[1]): series for key, series in run.series.items()},
            metrics=tuple(replace(each, component=name) for each in run.metrics if each.component == "consumers.payment"),
        )
        for run in result.measurements
    ]
    figure = charts.group_figure(replace(result, measurements=tuple(runs)), name)
    texts = [text.get_text() for text in (*figure.texts, *(text for ax in figure.axes for text in ax.texts))]
    assert any("5 of 9 faults named" in text for text in texts)
    assert all(len(line) < 160 for text in texts for line in text.splitlines())
    assert all(len(ax.get_title(loc="left")) < 90 for ax in figure.axes)


def test_a_chart_of_nothing_is_not_magnified(result: Result) -> None:
    nothing = [replace(run, series={key: 0 * series for key, series in run.series.items()}) for run in result.measurements]
    figure = charts.group_figure(replace(result, measurements=tuple(nothing)), "payment")
    assert figure.texts[0].get_text() == "payment: no lag at any time"
    assert {ax.get_ylim() for ax in figure.axes if ax.get_ylabel() == "lag (events)"} == {(0.0, 1.0)}
