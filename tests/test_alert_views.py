"""What people see of alerts: marks in the charts of a group, a section of the report, lines of `check`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from typer.testing import CliRunner

from experiments.lab import charts
from experiments.lab.cli import app
from experiments.lab.output import write_run
from experiments.lab.report.folder import read_output
from experiments.lab.report.page import html_of
from models import System
from simulator import replicate
from simulator.results import Result

ALERTS = [
    {"name": "<late>", "component": "consumers.c", "metric": "lag", "above": 3},
    {"name": "stale", "component": "consumers.c", "metric": "lag_seconds", "above": 5, "for": 1},
    {"name": "calm", "component": "consumers.c", "metric": "error_rate", "above": 0.5},
]
SCENARIO = {
    "name": "paused",
    "run": {"duration": 40.0, "runs": 1},
    "broker": {"profile": "rabbitmq"},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0}}},
    "consumers": {"c": {"topic": "t", "service": 0.5}},
    "faults": [{"name": "pause", "kind": "pause", "target": "consumers.c", "at": 10.0, "for": 10.0}],
    "alerts": ALERTS,
}


@pytest.fixture(scope="module")
def result() -> Result:
    return replicate(System.from_dict(SCENARIO))


def marks(ax: Axes) -> list[np.ndarray]:
    """The horizontal lines drawn along the top of a panel: (start, height), (end, height)."""
    return [segment for each in ax.collections if isinstance(each, LineCollection) for segment in each.get_segments()]


def test_a_firing_is_marked_in_the_panel_that_shows_its_metric(result: Result) -> None:
    (late,) = marks(charts.lag(result, "c"))
    assert late[:, 0].tolist() == [13.0, 27.5]
    (stale,) = marks(charts.age(result, "c"))
    assert stale[:, 0].tolist() == [16.0, 25.5]
    assert marks(charts.attempts(result, "c")) == []
    texts = [text.get_text().strip() for text in charts.lag(result, "c").texts]
    assert "alert <late>" in texts


def test_marks_leave_the_scales_as_they_were(result: Result) -> None:
    silent = replicate(System.from_dict({**SCENARIO, "alerts": []}))
    for chart in (charts.lag, charts.age):
        with_marks, without = chart(result, "c"), chart(silent, "c")
        assert with_marks.get_ylim() == without.get_ylim()
        assert with_marks.get_xlim() == without.get_xlim()


def test_the_report_lists_firings_and_escapes_their_names(result: Result, tmp_path: Path) -> None:
    write_run(result, System.from_dict(SCENARIO).resolved().to_dict(), tmp_path / "out", drawn=False)
    page = html_of(read_output(tmp_path / "out"))
    assert "<h2>Alerts</h2>" in page
    assert "&lt;late&gt;, on lag of consumers.c (1 firing in all runs)" in page
    assert "<late>" not in page
    (tmp_path / "out" / "alerts.csv").unlink()  # as a folder of a version that had none
    assert "<h2>Alerts</h2>" not in html_of(read_output(tmp_path / "out"))


def test_check_says_what_an_alert_waits_for(tmp_path: Path) -> None:
    scenario = System.from_dict({**SCENARIO, "alerts": [*ALERTS, {**ALERTS[0], "name": "never", "for": "1m"}]})
    (tmp_path / "s.toml").write_text(scenario.to_toml())
    told = CliRunner().invoke(app, ["check", str(tmp_path / "s.toml")]).output
    assert "stale: alert when lag_seconds of consumers.c is above 5 s for 1 s\n" in told
    assert "never: alert when lag of consumers.c is above 3 for 1 min, which is longer than the run (40 s), so it never" in told
