"""Charts of a broker that fails show what the result holds, and only where there was something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_results import END, START, outage_result
from matplotlib.figure import Figure

from experiments import charts
from experiments.lab.charts.broker import broker_finding, is_disturbed
from simulator.results import Measure, Measurement, Result, Window

TIMES = np.linspace(0.0, 2400.0, 601)
DOWN = (TIMES > START) & (TIMES <= START + 12)


def with_broker(series: dict[tuple[str, str], np.ndarray], **metrics: float) -> Result:
    """The made up result, with a broker of which that is known; `metrics` of its two producers."""

    def add(run: Measurement) -> Measurement:
        known = {("broker", "unavailable"): 0.0 * TIMES, **series}
        known |= {(f"producers.{name}", "produced"): 0.0 * TIMES + 40 for name in ("web", "app")}
        more = [
            Measure(f"producers.{name}", metric, "count", value)
            for name in ("web", "app")
            for metric, value in {"produced": 90_000.0, **metrics}.items()
        ]
        lost = Measure("topics.orders", "lost", "count", 3.0 if series else 0.0)
        windows = (Window("leader crash", "broker.nodes[0]", START, END),)
        others = [each for each in run.metrics if not each.component.startswith("producers.")]
        return replace(run, series={**run.series, **known}, metrics=(*others, *more, lost), windows=windows)

    made = outage_result(runs=2)
    return replace(made, measurements=tuple(add(run) for run in made.measurements))


@pytest.fixture(scope="module")
def failing() -> Result:
    waiting = np.where(DOWN, 40 * (TIMES - START), 0.0)
    return with_broker(
        {
            ("broker", "unavailable"): DOWN / 3,
            ("broker", "in_sync"): np.where(DOWN, 2.5, 3.0),
            ("broker", "in_sync_min"): np.where(DOWN, 2.0, 3.0),
            ("producers.web", "acknowledged"): np.where(DOWN, 0.0, 40.0),
            ("producers.web", "unacknowledged"): waiting,
            ("producers.app", "unacknowledged"): waiting / 2,
            ("producers.web", "blocked"): 1.0 * DOWN,
        },
        failed=900.0,
        blocked_time=7.0,
    )


BROKER_CHARTS = [charts.publishing, charts.unacknowledged, charts.unavailability, charts.in_sync, charts.blocked]


@pytest.mark.parametrize("chart", BROKER_CHARTS)
def test_a_chart_draws_on_the_axes_it_is_given_and_returns_them(chart, failing: Result) -> None:
    ax = Figure().add_subplot()
    assert chart(failing, ax) is ax
    assert ax.lines
    assert ax.get_title(loc="left")


def test_the_head_says_what_waits_for_how_long_there_is_no_leader_and_what_is_lost(failing: Result) -> None:
    # 12 s x 40/s and half of it; a third of the partitions for 3 of the 571 points after the warm-up
    said = broker_finding(failing)
    assert said.startswith("leader crash: up to 720 events wait at producers, ")
    assert said.endswith(", partitions have no leader 0.18 % of the time, 3 stored events are lost")


def test_panels_say_what_they_show(failing: Result) -> None:
    titles = [chart(failing).get_title(loc="left") for chart in BROKER_CHARTS]
    assert titles == [
        "1 % of the events are reported failed",
        "up to 720 events wait for their acknowledgement",
        "partitions have no leader 0.18 % of the time",
        "the in-sync sets shrink to 2 of 3 replicas",
        "an instance has no room for 7 s",
    ]


def test_every_producer_has_its_line_and_many_are_added_up(failing: Result) -> None:
    legend = charts.unacknowledged(failing).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["web", "app"]
    many = {(f"producers.p{number}", "unacknowledged"): 1.0 * DOWN for number in range(6)}
    measures = [Measure(component, "produced", "count", 1.0) for component, _ in many]
    crowd = replace(failing, measurements=tuple(
        replace(run, series={**run.series, **many}, metrics=(*run.metrics, *measures)) for run in failing.measurements
    ))  # fmt: skip
    assert len(charts.unacknowledged(crowd).lines) == 1


def test_a_panel_is_there_only_where_there_was_something(failing: Result) -> None:
    assert len(charts.broker_figure(failing).axes) == 1 + 5
    calm = with_broker({("producers.web", "unacknowledged"): 1.0 * DOWN}, publish_retries=2.0)
    assert len(charts.broker_figure(calm).axes) == 1 + 2


@pytest.mark.parametrize(
    ("series", "metrics", "there"),
    [
        ({}, {}, False),
        ({("broker", "unavailable"): DOWN / 3}, {}, True),
        ({("broker", "in_sync_min"): 3.0 - DOWN}, {}, True),
        ({("broker", "in_sync_min"): 3.0 + 0 * TIMES}, {}, False),
        ({}, {"publish_retries": 1.0}, True),
        ({}, {"blocked_time": 1.0}, True),
    ],
)
def test_there_is_a_figure_only_where_the_broker_or_the_way_to_it_failed(series, metrics, there: bool) -> None:
    result = with_broker(series, **metrics)
    assert is_disturbed(result) == there
    assert ("broker" in charts.figures(result)) == there


def test_a_result_without_a_broker_that_can_fail_has_no_such_figure() -> None:
    assert not is_disturbed(outage_result(runs=1))


def test_the_overview_has_a_panel_of_what_waits(failing: Result) -> None:
    titles = [ax.get_title(loc="left").replace("\n", " ") for ax in charts.overview(failing).axes]
    assert "producers: up to 720 events wait for their acknowledgement" in titles
