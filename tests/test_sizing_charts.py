"""Charts for a capacity review show what the table or the plan holds: its points, its bound and its finding."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from experiments import charts, plan
from experiments.lab.charts.tidy import Measured
from experiments.lab.plan import Plan
from models import System

RATE, SIZE = "producers.p.arrivals.rate", "consumers.c.instances"
WAIT = "consumers.c:wait_mean"


def table(value: Callable[[float, int], float], width: float = 0.1, metric: str = "wait_mean", unit: str = "s") -> pd.DataFrame:
    """One metric at every pair of three rates and four sizes, and another one beside it."""
    rows = []
    for rate in (10.0, 20.0, 30.0):
        for size in (1, 2, 3, 4):
            mean = value(rate, size)
            for name, level, of in ((metric, mean, unit), ("utilization", rate / size / 100, "share")):
                ends = {"mean": level, "ci_low": level * (1 - width), "ci_high": level * (1 + width)}
                row = {RATE: rate, SIZE: size, "component": "consumers.c", "metric": name, "unit": of, **ends}
                rows.append({**row, "median": level, "censored": False})
    return pd.DataFrame(rows)


FRAME = table(lambda rate, size: rate / size)


def title(ax: Axes) -> str:
    return ax.get_title(loc="left").replace("\n", " ")


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


@pytest.fixture(scope="module")
def found() -> Plan:
    """M/M/c at 8 events/s with 10 per server and second: one waits 0.4 s on average, two 19 ms."""
    service = {"dist": "exponential", "mean": 0.1}
    system = System.from_dict(
        {
            "name": "station",
            "run": {"duration": 60, "warmup": 6, "runs": 4, "seed": 5},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 8.0}}},
            "consumers": {"c": {"topic": "t", "prefetch": 1, "service": service}},
            "slos": [
                {"component": "consumers.c", "metric": "wait_mean", "below": "60ms"},
                {"component": "consumers.c", "metric": "lag_max", "below": 1e4},
            ],
        }
    )
    return plan(system, {SIZE: (1, 5)}, jobs=1)


@pytest.mark.parametrize(
    "chart",
    [
        lambda ax: charts.heat_map(FRAME, RATE, SIZE, WAIT, ax=ax),
        lambda ax: charts.pareto(FRAME, SIZE, WAIT, ax=ax),
        lambda ax: charts.recovery_against_utilisation(recoveries(), "rho", 10.0, ax=ax),
    ],
)
def test_a_chart_draws_on_the_axes_it_is_given_and_returns_them(chart: Callable[[Axes | None], Axes]) -> None:
    ax = Figure().add_subplot()
    assert chart(ax) is ax
    assert title(ax)
    assert isinstance(chart(None), Axes)


# -- headroom ----------------------------------------------------------------------------------------------------------


def test_headroom_tells_the_answer_and_what_is_not_enough(found: Plan) -> None:
    ax = charts.headroom(found)
    assert title(ax).startswith("2 instances: c wait_mean ")
    assert ", below 60 ms; with 1 it is " in title(ax)
    assert ax.get_xlabel() == SIZE


def test_headroom_draws_what_was_tried_the_bound_the_answer_and_the_exact_curve(found: Plan) -> None:
    ax = charts.headroom(found)
    labels = ax.get_legend_handles_labels()[1]
    assert {"exact (Erlang C)", "answer: 2 instances", "met", "violated"} <= set(labels)
    scale = 1e-3 if "(ms)" in ax.get_ylabel() else 1.0
    drawn = {tuple(np.round(xy, 6)) for line in ax.lines for xy in line.get_xydata()}
    waits = found.tried[found.tried["metric"] == "wait_mean"].set_index("value")["mean"]
    for value in (1, 2):
        assert (value, round(waits[value] / scale, 6)) in drawn
    exact = next(line for line in ax.lines if line.get_label() == "exact (Erlang C)")
    assert exact.get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert exact.get_ydata()[0] * scale == pytest.approx(0.8 / (1 - 0.8) / 10)


def test_an_objective_without_a_formula_gets_no_exact_curve(found: Plan) -> None:
    ax = charts.headroom(found, 1)
    assert "exact (Erlang C)" not in ax.get_legend_handles_labels()[1]
    assert title(ax).endswith("with 1 another objective fails")


def test_every_objective_of_a_plan_gets_a_figure_the_binding_one_first(found: Plan) -> None:
    figures = charts.plan_figures(found)
    assert list(figures) == ["headroom.1.consumers.c.wait_mean", "headroom.2.consumers.c.lag_max"]
    small = figures["headroom.1.consumers.c.wait_mean"].texts[-1].get_text()
    assert "station, seed 5" in small


def test_where_nothing_is_enough_the_title_says_what_is_nearest(found: Plan) -> None:
    system = found.system.with_({"slos[0].below": 1e-9, "consumers.c.instances": 1})
    nothing = plan(system, {SIZE: (1, 2)}, runs=2, jobs=1)
    ax = charts.headroom(nothing)
    assert title(ax).startswith("nothing tried meets the objectives; nearest is 2 instances: c wait_mean ")
    assert not any(label.startswith("answer") for label in ax.get_legend_handles_labels()[1])


# -- maps --------------------------------------------------------------------------------------------------------------


def borders(ax: Axes) -> set[tuple[float, ...]]:
    lines = [each for each in ax.collections if isinstance(each, LineCollection)]
    return {tuple(segment.ravel().tolist()) for segment in lines[-1].get_segments()}


def test_the_contour_runs_between_cells_on_different_sides_of_the_bound() -> None:
    ax = charts.heat_map(FRAME, RATE, SIZE, WAIT, contour=8)
    expected = set()
    below = np.array([[rate / size < 8 for rate in (10, 20, 30)] for size in (1, 2, 3, 4)])
    for row, column in np.ndindex(4, 3):
        if column < 2 and below[row, column] != below[row, column + 1]:
            expected.add((column + 0.5, row - 0.5, column + 0.5, row + 0.5))
        if row < 3 and below[row, column] != below[row + 1, column]:
            expected.add((column - 0.5, row + 0.5, column + 0.5, row + 0.5))
    assert borders(ax) == expected
    assert title(ax) == "c wait_mean is below 8 s in 5 of 12 cells, 1 undecided (?)"
    assert "7.5 ?" in texts(ax)


def test_a_map_without_a_bound_tells_the_best_and_the_worst_cell() -> None:
    ax = charts.heat_map(FRAME, RATE, SIZE, WAIT)
    assert title(ax) == "c wait_mean: from 2.5 s with rate 10, instances 4 to 30 s with rate 30, instances 1"


def test_a_sweep_is_taken_as_it_is_and_holes_stay_holes() -> None:
    holed = FRAME[(FRAME[RATE] != 20) | (FRAME[SIZE] != 2)]
    ax = charts.heat_map(SimpleNamespace(summary=holed), RATE, SIZE, WAIT, contour=8)
    assert texts(ax).count("–") == 1
    assert "of 11 cells" in title(ax)


def test_a_lower_bound_is_never_counted_as_below() -> None:
    ax = charts.heat_map(FRAME.assign(censored=True), RATE, SIZE, WAIT, contour=1000)
    assert "in 0 of 12 cells" in title(ax)
    assert "≥30" in texts(ax)


def test_what_is_not_in_the_table_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match=r"no metric consumers\.c:wait; there are: wait_mean, utilization"):
        charts.heat_map(FRAME, RATE, SIZE, "consumers.c:wait")
    with pytest.raises(KeyError, match="no column size; varied are"):
        charts.heat_map(FRAME, RATE, "size", WAIT)
    with pytest.raises(ValueError, match="are not all that varies"):
        charts.heat_map(pd.concat([FRAME.assign(z=1), FRAME.assign(z=2)])[["z", *FRAME]], RATE, SIZE, WAIT)
    twice = pd.concat([FRAME, FRAME.assign(component="consumers.d")])
    with pytest.raises(ValueError, match=r"say of which: consumers\.c:wait_mean"):
        charts.heat_map(twice, RATE, SIZE, "wait_mean")


# -- recovery ----------------------------------------------------------------------------------------------------------


def recoveries(factor: float = 1.0, open_end: bool = False) -> pd.DataFrame:
    """Recovery times of two outages at three utilisations: `factor` times the fluid ones."""
    rows = []
    for rho in (0.5, 0.8, 0.9):
        for length in (10.0, 30.0):
            mean = factor * length * rho / (1 - rho)
            late = open_end and rho == 0.9
            row = {"rho": rho, "faults.f.for": length, "component": "faults.f", "metric": "recovery_time", "unit": "s"}
            ends = {"mean": math.nan if late else mean, "ci_low": math.nan if late else mean * 0.9}
            rows.append({**row, **ends, "ci_high": math.nan if late else mean * 1.1, "median": mean, "censored": late})
    return pd.DataFrame(rows)


def test_the_fluid_curve_of_each_outage_is_drawn() -> None:
    ax = charts.recovery_against_utilisation(recoveries(), "rho", "faults.f.for", fault="f")
    scale = 60.0 if "(min)" in ax.get_ylabel() else 1.0
    curves = [line for line in ax.lines if len(line.get_xdata()) == 200]
    for curve, length in zip(curves, (10, 30), strict=True):
        x, y = curve.get_xdata(), curve.get_ydata()
        assert y * scale == pytest.approx(length * x / (1 - x))
    assert title(ax) == "at 90 % utilisation an outage of 30 s takes 9 times as long to drain; fluid: 9"


def test_what_had_not_recovered_by_the_end_is_a_lower_bound() -> None:
    ax = charts.recovery_against_utilisation(recoveries(0.5, open_end=True), "rho", "faults.f.for")
    assert "takes ≥ 4.5 times as long" in title(ax)


# -- cost --------------------------------------------------------------------------------------------------------------


def test_the_front_holds_what_no_other_combination_beats() -> None:
    ax = charts.pareto(FRAME, SIZE, WAIT)
    front = {(size, 10 / size) for size in (1, 2, 3, 4)}  # the lowest rate beats the others at each size
    named = {tuple(np.round(text.xy, 6)) for text in ax.texts}
    assert named == {(size, round(wait, 6)) for size, wait in front}
    assert title(ax).startswith("4 of 12 are not beaten: rate 10, instances 1 (c wait_mean 10 s) to rate 10, instances 4")


def test_with_a_bound_the_cheapest_that_surely_keeps_it_is_told() -> None:
    assert title(charts.pareto(FRAME, SIZE, WAIT, bound=5.2)).endswith("below 5.2 s: rate 10, instances 3")
    assert title(charts.pareto(FRAME, SIZE, WAIT, bound=1)) == "nothing keeps c wait_mean below 1 s for sure"


def test_cost_can_be_a_metric_with_an_interval_of_its_own() -> None:
    ax = charts.pareto(FRAME, "consumers.c:utilization", WAIT)
    assert ax.get_xlabel() == "c utilization (%)"
    assert title(ax).startswith("one beats all others: rate 10, instances 4")
    bars = [bar for container in ax.containers for bar in container.lines[2]]
    assert len(bars) == 2 * len(ax.containers)


def test_intervals_do_not_reach_below_zero_and_are_left_out_where_unknown() -> None:
    frame = table(lambda rate, size: 0.1, width=3.0)
    errors = Measured.of(frame, WAIT).errors
    assert errors[0] == pytest.approx(0.1)
    assert errors[1] == pytest.approx(0.3)
    assert not Measured.of(frame.assign(ci_low=math.nan, ci_high=math.nan), WAIT).errors.any()
