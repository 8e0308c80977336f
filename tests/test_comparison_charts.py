"""Charts of comparisons say what the verdicts say, for any number of systems and for values that are not there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_results import outage_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import charts
from experiments.lab.charts.comparison_pages import differences_figure
from experiments.lab.comparison import Comparison, twin_name
from simulator.results import Measure, Measurement, Result

RECOVERY, CALLS = "faults.gateway outage:recovery_time", "dependencies.gateway:calls"
LAG = "consumers.payment:lag_max"
METRICS = (RECOVERY, CALLS, LAG)


def scaled(recovery: float, calls: float, noise: float = 0.02, runs: int = 10, censored: Sequence[int] = ()) -> Result:
    """The outage by hand with a recovery and calls of the dependency that are so many times those of the baseline."""
    whole = outage_result(runs=runs)
    return replace(whole, measurements=tuple(_scaled(left, run, recovery, calls, noise, run in censored)
                                             for run, left in enumerate(whole.measurements)))  # fmt: skip


def _scaled(left: Measurement, run: int, recovery: float, calls: float, noise: float, censored: bool) -> Measurement:
    luck = np.random.default_rng([run, round(100 * recovery), round(100 * calls)]).normal(1, noise, 2)
    shared = np.random.default_rng(run).normal(1, 0.1)
    kept = [m for m in left.metrics if (m.component, m.metric) != tuple(RECOVERY.rsplit(":", 1))]
    kept = [replace(m, value=m.value * recovery) if m.metric == "lag_max" else m for m in kept]
    kept.append(Measure(*RECOVERY.rsplit(":", 1), "s", 250 * shared * recovery * luck[0], "survival", censored=censored))
    kept.append(Measure(*CALLS.rsplit(":", 1), "count", 1e5 * shared * calls * luck[1]))
    return replace(left, metrics=tuple(kept))


def comparison(**others: Result) -> Comparison:
    results = {"patient": scaled(1.0, 1.0), **others}
    return Comparison("orders", "patient", results, METRICS, varied="consumers.payment.retry")


def title(ax: Axes) -> str:
    return ax.get_title(loc="left").replace("\n", " ")


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


@pytest.fixture(scope="module")
def mixed() -> Comparison:
    return comparison(fast=scaled(0.5, 1.3), slow=scaled(1.5, 0.8), alike=scaled(1.0, 1.0, noise=0.021))


def test_differences_name_the_verdict_of_every_alternative(mixed: Comparison) -> None:
    ax = Figure().add_subplot()
    assert charts.differences(mixed, RECOVERY, ax) is ax
    assert [text.partition("  ")[0] for text in texts(ax)] == ["better", "worse", "same"]
    assert "against retry=patient, of 3: 1 better, retry=fast with -" in title(ax)
    assert "1 not shown to differ" in title(ax)
    assert ax.get_xlabel() == "difference in recovery_time (s)"
    low, high = ax.get_xlim()
    assert low < min(row.ci_low for row in mixed.of(RECOVERY)) < max(row.ci_high for row in mixed.of(RECOVERY)) < high


def test_the_grey_band_is_5_percent_of_the_baseline(mixed: Comparison) -> None:
    ax = charts.differences(mixed, RECOVERY)
    bands = {(round(patch.get_x(), 6), round(patch.get_width(), 6)) for patch in ax.patches}
    assert bands == {(round(-0.05 * row.baseline_mean, 6), round(0.1 * row.baseline_mean, 6)) for row in mixed.of(RECOVERY)}


def test_where_nothing_differs_the_title_says_so() -> None:
    same = comparison(again=scaled(1.0, 1.0))
    assert title(charts.differences(same, RECOVERY)).endswith("recovery_time: nothing differs from retry=patient")
    close = comparison(close=scaled(1.0, 1.0, noise=0.021))
    assert title(charts.differences(close, RECOVERY)).endswith("all within 5 % of retry=patient")
    noisy = comparison(noisy=scaled(1.0, 1.0, noise=0.5))
    assert title(charts.differences(noisy, RECOVERY)).endswith("10 runs do not tell retry=noisy from retry=patient")
    assert title(charts.trade_off(same)) == "no alternative is surely lower than retry=patient in recovery time or calls"


def test_a_bound_that_is_not_known_is_an_arrow_to_the_edge() -> None:
    late = comparison(late=scaled(3.0, 1.0, censored=range(2, 10)))
    (row,) = late.of(RECOVERY)
    assert math.isnan(row.ci_high)
    assert not math.isnan(row.ci_low)
    ax = charts.differences(late, RECOVERY)
    assert ">" in [line.get_marker() for line in ax.lines]
    assert texts(ax)[0].startswith("worse  at least +")
    assert title(charts.trade_off(late)).startswith("no alternative has a value in both")


def test_the_trade_off_has_intervals_both_ways_and_names_every_point(mixed: Comparison) -> None:
    ax = charts.trade_off(mixed)
    assert set(texts(ax)) == {"retry=patient", "retry=fast", "retry=slow", "retry=alike"}
    assert "retry=fast is lower in recovery time than retry=patient, -" in title(ax)
    assert ", for +" in title(ax)
    assert "calls, gateway: change (%)" in ax.get_xlabel()
    assert len(ax.containers) == 3
    assert all(bar.has_xerr and bar.has_yerr for bar in ax.containers)
    assert title(charts.trade_off(comparison(thrifty=scaled(0.5, 0.9)))).endswith("and lower in calls")


def test_lag_of_every_system_is_overlaid_with_its_own_dashes(mixed: Comparison) -> None:
    ax = charts.overlaid(mixed, "payment")
    curves = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert [line.get_label() for line in curves] == ["retry=patient", "retry=fast", "retry=slow", "retry=alike"]
    assert len({(line.get_color(), str(line.get_linestyle())) for line in curves}) == 4
    assert title(ax).startswith("payment: in peak lag against retry=patient, of 3: 1 better")
    with pytest.raises(ValueError, match=r"consumers\.payment"):
        charts.overlaid(mixed, "nobody")


def test_twins_are_told_apart_from_their_systems() -> None:
    calm = outage_result(faults=False)
    found = Comparison("orders", "3", {"3": scaled(1.0, 1.0), twin_name("3"): calm}, (LAG,), True, "consumers.c.attempts")
    assert title(charts.overlaid(found, "payment")).startswith("payment: in peak lag attempts=3 is worse than no faults, +")
    labels = [line.get_label() for line in charts.overlaid(found, "payment").lines]
    assert "attempts=3, no faults" in labels
    assert set(charts.comparison_figures(found)) == {"differences", "lag-consumers.payment"}


def test_every_figure_is_saved_and_keeps_its_text_inside(mixed: Comparison, tmp_path: Path) -> None:
    many = {f"an alternative with a long name, {number}": scaled(0.7 + 0.1 * number, 1.2) for number in range(7)}
    figures = charts.comparison_figures(replace(mixed, results={**mixed.results, **many}))
    assert set(figures) == {"differences", "trade-off", "lag-consumers.payment"}
    charts.save(figures, tmp_path)
    for figure in figures.values():
        figure.canvas.draw()
        edge = figure.bbox
        shown = [text for ax in figure.axes for text in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels())]
        for text in (*shown, *figure.texts):
            box = text.get_window_extent()
            assert not text.get_visible() or (box.x0 >= edge.x0 - 1 and box.x1 <= edge.x1 + 1), text.get_text()


def test_of_very_many_metrics_the_surest_are_drawn(mixed: Comparison) -> None:
    names = [f"consumers.c{number}:lag_max" for number in range(20)]
    found = replace(mixed, metrics=(*names, RECOVERY))
    assert sum(ax.get_title(loc="left").startswith("gateway outage") for ax in differences_figure(found).axes) == 1
    assert len(differences_figure(found).axes) == 12


def test_an_unknown_metric_is_told_with_those_near_it(mixed: Comparison) -> None:
    with pytest.raises(KeyError, match="lag_max"):
        charts.differences(mixed, "consumers.payment:lag_mx")
