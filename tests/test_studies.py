"""The studies that ship: each a short script that asks a question, found and run by name."""

from __future__ import annotations

import inspect
from importlib import import_module, resources
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from experiments.lab import study
from experiments.lab.cli import app
from experiments.lab.study import Answer, Setup, answer, studies
from models.errors import BadScenario

SHIPPED = {
    "backoff_and_jitter", "breaker_tuning", "broker_failover", "capacity_planning", "chaos_campaign", "commit_policies",
    "cost_of_resilience",
    "dead_letter_strategy", "delivery_guarantees", "idempotency_windows", "layered_retries", "metastability",
    "partitioned_network", "partitions_and_ordering", "presets_compared", "recovery_time", "retry_policies",
}  # fmt: skip
MOST_LINES = 120
NAME = "cost_of_resilience"


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Setup]:
    """What a study was asked for; in place of the one of `NAME` a made up answer is given."""
    heard: list[Setup] = []

    def made_up(setup: Setup) -> Answer:
        heard.append(setup)
        figure = Figure()
        figure.add_subplot().plot([1, 2])
        return Answer("It is 3 (2 – 4).", pd.DataFrame({"pattern": ["none", "all"], "mean": [1 / 3, 2.0]}), {"a chart": figure})

    monkeypatch.setattr(import_module(f"experiments.{NAME}"), "study", made_up)
    return heard


def test_every_study_that_was_promised_ships() -> None:
    assert set(studies()) == SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_study_is_a_short_script_that_begins_with_its_question(name: str) -> None:
    source = (resources.files("experiments") / f"{name}.py").read_text("utf-8")
    assert studies()[name].endswith("?")
    assert len(source.splitlines()) <= MOST_LINES
    assert source.endswith(f'if __name__ == "__main__":\n    from_shell("{name}")\n')
    assert list(inspect.signature(import_module(f"experiments.{name}").study).parameters) == ["setup"]


def test_a_private_module_and_a_file_that_is_no_script_are_no_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_private.py").write_text('"""Is this private?"""')
    (tmp_path / "notes.md").write_text("Is this a script?")
    (tmp_path / "why.py").write_text('"""Why is it so?\n\nBecause.\n"""\n')
    monkeypatch.setattr(study.resources, "files", lambda package: tmp_path)
    assert studies() == {"why": "Why is it so?"}


def test_the_command_lists_every_study_with_its_question() -> None:
    status, shown, _ = edasim("experiment")
    assert status == 0
    words = " ".join(shown.split())
    assert all(name in words for name in SHIPPED)
    assert all(question.partition("?")[0][:30] in words for question in studies().values())


@pytest.mark.parametrize(
    ("name", "hint"), [("commit_polices", "did you mean commit_policies?"), ("zzz", "must be"), ("lab", "must be")]
)
def test_an_unknown_study_is_refused_with_the_nearest_name(
    name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, told = edasim("experiment", name, "--quick")
    assert status == 2
    assert hint in " ".join(told.split())
    assert not list(tmp_path.iterdir())


def test_the_command_writes_table_finding_and_charts(asked: list[Setup], tmp_path: Path) -> None:
    status, shown, _ = edasim(
        "experiment", NAME, "--quick", "--runs", "4", "--seed", "9", "--jobs", "1",
        "--set", "costs.consumer_hour=2", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert status == 0
    [setup] = asked
    assert (setup.quick, setup.runs, setup.seed, setup.jobs, setup.changes) == (True, 4, 9, 1, {"costs.consumer_hour": 2})
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")} == {
        "table.csv", "table.parquet", "finding.txt", "manifest.json", "charts/a_chart.png", "charts/a_chart.svg",
    }  # fmt: skip
    assert (tmp_path / "out" / "finding.txt").read_text() == "It is 3 (2 – 4).\n"
    assert pd.read_csv(tmp_path / "out" / "table.csv")["pattern"].tolist() == ["none", "all"]
    assert pd.read_parquet(tmp_path / "out" / "table.parquet")["mean"].tolist() == [1 / 3, 2.0]
    for text in (studies()[NAME], "It is 3 (2 – 4).", "0.3333"):
        assert text in shown


def test_a_script_runs_as_the_command_does(
    asked: list[Setup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [f"{NAME}.py", "--quick", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as done:
        study.from_shell(NAME)
    assert not done.value.code
    assert asked[0].quick
    assert (tmp_path / "out" / "finding.txt").exists()
    assert "It is 3" in capsys.readouterr().out


def test_a_change_of_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    status, _, told = edasim("experiment", NAME, "--quick", "--set", "costs.consumer_hours=2", "--out", str(tmp_path / "out"))
    assert status == 2
    assert "consumer_hour" in told
    assert not list(tmp_path.iterdir())


def test_a_setup_answers_how_many_runs_and_changes_its_systems() -> None:
    assert [Setup(quick=quick, runs=runs).number(20, 3) for quick in (False, True) for runs in (None, 7)] == [20, 7, 3, 7]
    scenario = import_module("experiments.commit_policies").scenario("batch", 5.0, "1m")
    assert Setup(changes={"topics.orders.partitions": 3}).system(scenario).topics["orders"].partitions == 3
    with pytest.raises(BadScenario, match="partitions"):
        Setup(changes={"topics.orders.partition": 3}).system(scenario)


def test_an_unknown_study_is_an_error_in_python_too() -> None:
    with pytest.raises(ModuleNotFoundError):
        answer("no_such_study", Setup())
