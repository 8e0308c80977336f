"""`edasim chaos`: what it writes and prints, what it refuses, what an interrupt leaves, its chart and its page."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments import chaos, charts
from experiments.lab import chaos as lab
from experiments.lab.campaign import Campaign
from experiments.lab.cli import app
from experiments.lab.output import refusal, write_campaign
from experiments.lab.report import write_report
from models import System
from simulator.replication import Interrupted
from simulator.workers import measurements

LAG = "consumers.pay:lag_seconds_max<20s"
DESK = System.from_dict(
    {
        "name": "desk",
        "run": {"duration": 100, "warmup": 10, "seed": 5, "runs": 3},
        "broker": {"profile": "rabbitmq"},
        "producers": {"web": {"topic": "orders", "arrivals": {"process": "constant", "rate": 5}}},
        "dependencies": {"gateway": {"latency": "20ms"}},
        "consumers": {
            "pay": {
                "topic": "orders", "instances": 4, "prefetch": 1, "service": "10ms", "dependencies": ["gateway"],
                "retry": {"max_attempts": 100_000, "backoff": "fixed", "base": "200ms"},
            }
        },
        "slos": [{"component": "consumers.pay", "metric": "latency_p99", "below": "2s"}],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return chaos(DESK, faults=2, runs=8, hypothesis=LAG, worst=2, jobs=1)


@pytest.fixture(scope="module")
def folder(campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("chaos") / "out"
    write_campaign(campaign, out)
    return out


# -- the command -------------------------------------------------------------------------------------------------------


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_file_fails_its_objectives_as_the_schedule_did(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "figures", lambda result: {})
    status, shown, _ = edasim("run", str(folder / "worst/1-shrunk.toml"), "--fail-on-slo", "--out", str(tmp_path / "again"))
    assert status == 1
    assert "violated" in shown


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("desk.toml").write_text(DESK.to_toml())
    return "desk.toml"


def test_the_command_writes_ranking_worst_and_chart(file: str) -> None:
    options = ["--faults=2", "--runs=8", "--seed=5", "--jobs=1", "--worst=1", "--hypothesis", LAG]
    status, shown, _ = edasim("chaos", file, *options, "--fail-on-slo")
    out = Path("edasim-out/desk")
    ranking = pd.read_csv(out / "ranking.csv")
    assert status == int(ranking["violated"].any()) == 1
    assert "hypothesis: consumers.pay lag_seconds_max below 20 s (without faults: " in shown
    assert "dropped: " in shown
    assert "rank 1, shrunk" in shown
    assert ranking["faults"].str.contains(" at .* for ").all()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["chaos"]["faults"] == 2
    assert (manifest["runs"], manifest["seed"]) == (8, 5)
    assert sorted(path.name for path in (out / "charts").iterdir()) == ["schedules.png", "schedules.svg"]
    before = (out / "ranking.csv").read_bytes()
    assert edasim("chaos", str(out / "manifest.json"), *options, "--out=again")[0] == 0
    assert Path("again/ranking.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--faults=0"], "Invalid value for '--faults'"),
        ([], "Missing option '--faults'"),
        (["--faults=1", "--runs=auto"], "Invalid value for '--runs'"),
        (["--faults=1", "--hypothesis", "x"], 'desk.toml: hypothesis "x": not a hypothesis'),
        (
            ["--faults=1", "--set=slos[0].below=0.001"],
            "desk.toml: consumers.pay latency_p99 below 1 ms: is violated without any",
        ),
        (["--faults=1", "--set=run.runs=auto", "--set=run.precision_metric=system:loss_rate"], "--runs: needed here"),
        (["--faults=1", "--out=desk.toml"], "--out: desk.toml is a file"),
    ],
)
def test_bad_input_is_status_2_and_nothing_is_written(file: str, options: list[str], message: str) -> None:
    status, _, said = edasim("chaos", file, *options)
    assert status == 2
    assert message in said
    assert [path.name for path in Path().iterdir()] == ["desk.toml"]


def test_an_interrupt_keeps_what_is_finished_and_the_next_goes_on(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked, ran = lab.replicate_all, [], []

    def watched(systems: Any, *given: Any, **named: Any) -> Any:
        asked.append(len(systems))
        found = real(systems, *given, **named)
        if asked == [1, 4]:
            raise Interrupted([None])
        return found

    def counted(order: Any, *given: Any) -> Any:
        ran.append(len(order))
        return measurements(order, *given)

    monkeypatch.setattr(lab, "replicate_all", watched)
    monkeypatch.setattr("simulator.replication.measurements", counted)
    options = ["--faults=1", "--runs=4", "--jobs=1", "--worst=0"]
    status, _, said = edasim("chaos", file, *options)
    assert status == 130
    assert "what is finished is kept" in said
    assert len(list(Path("edasim-out").rglob("*.npz"))) == sum(ran) == 5
    assert edasim("chaos", file, *options)[0] == 0
    assert sum(ran) == 5
    assert [path.name for path in Path("edasim-out").iterdir()] == ["desk"]


def test_an_interrupt_while_the_chart_is_drawn_keeps_the_ranking(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(charts, "chaos_figures", stop)
    status, _, said = edasim("chaos", file, "--faults=1", "--runs=1", "--jobs=1", "--out=out")
    assert status == 130
    assert "no charts" in said
    assert sorted(path.name for path in Path("out").iterdir()) == ["manifest.json", "ranking.csv", "worst"]
    assert refusal(Path("out")) is None


# -- pictures and pages ------------------------------------------------------------------------------------------------


def test_the_chart_has_a_row_per_schedule_and_says_what_was_found(campaign: Campaign) -> None:
    ax = charts.schedules(campaign)
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(rank) for rank in range(1, 9)]
    left_over = sum(len(each.least) for each in campaign.ranked)
    assert len(ax.patches) - 1 == 2 * 8 + left_over  # and the warm-up
    (figure,) = charts.chaos_figures(campaign).values()
    assert " ".join(figure.texts[0].get_text().split()) == campaign.finding
    assert "what is left" in ax.get_legend().get_texts()[0].get_text()


def test_a_page_of_a_campaign_has_every_schedule_and_how_to_repeat_it(campaign: Campaign, folder: Path, tmp_path: Path) -> None:
    page = write_report(folder, tmp_path / "page.html").read_text()
    for row in campaign.ranking.to_dict("records"):
        assert escape(row["faults"].partition("; ")[0]) in page
    assert campaign.finding in page
    assert (
        "edasim chaos scenario.toml --faults 2 --worst 2 --hypothesis &#x27;consumers.pay:lag_seconds_max&lt;20.0&#x27;" in page
    )


def test_a_notebook_shows_the_ranking(campaign: Campaign) -> None:
    assert campaign.finding in repr(campaign)
    assert "<table" in campaign._repr_html_()
