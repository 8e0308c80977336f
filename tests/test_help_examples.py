"""Every help text has an example, and the examples work: as they stand, but for how long they run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from experiments.lab import charts
from experiments.lab.cli import app

SHORT = ["--jobs=1", "--runs=1", "--set=run.duration=30s", "--set=run.warmup=5s"]
MORE = {
    "run": SHORT,
    "sweep": SHORT,
    "compare": [*SHORT, "--runs=2"],
    "chaos": SHORT,
    "check": [],
    "schema": [],
    "profile": [],
    "presets": [],
    "report": [],
    "fit service": [],
    "fit incidents": [],
    "fit lag": [],
}
"""What each example that is run gets in addition, after those that leave what it reads."""


Command = TyperCommand | TyperGroup


def commands(command: Command, words: str = "edasim") -> Iterator[tuple[str, Command]]:
    """Every command with the words that call it, groups of commands included."""
    yield words, command
    for name, inner in command.commands.items() if isinstance(command, TyperGroup) else ():
        yield from commands(inner, f"{words} {name}")


def example(command: Command) -> list[str]:
    """The arguments after `edasim` of the example in a help text; where its output goes is left out."""
    found = re.fullmatch(r"Example: \[bold\]edasim (.*)\[/bold\]", command.epilog or "")
    assert found is not None, f"{command.name} has no example"
    return shlex.split(found[1].partition(" > ")[0])


COMMANDS = dict(commands(get_command(app)))
every_command = pytest.mark.parametrize("words", COMMANDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that examples name."""
    path, rng = tmp_path_factory.mktemp("examples"), np.random.default_rng(1)
    pd.DataFrame({"ms": rng.gamma(2, 20, 100)}).to_csv(path / "latencies.csv", index=False)
    starts = pd.Timestamp("2024-01-02") + pd.to_timedelta(np.arange(1, 21) * 3000 + rng.uniform(0, 900, 20), "s")
    ends = starts + pd.to_timedelta(rng.uniform(60, 600, 20), "s")
    pd.DataFrame({"start": starts, "end": ends}).to_csv(path / "pages.csv", index=False)
    lag = np.r_[np.zeros(10), np.arange(1, 11) * 500.0, np.arange(40, -1, -1) * 120.0]
    for name, values in {"lag": lag, "offsets": np.arange(61) * 500.0}.items():
        series = {"metric": {"__name__": name}, "values": [[10.0 * i, str(value)] for i, value in enumerate(values)]}
        answer = {"status": "success", "data": {"resultType": "matrix", "result": [series]}}
        (path / f"{name}.json").write_text(json.dumps(answer))
    return path


@every_command
def test_every_help_text_shows_its_example(words: str) -> None:
    done = CliRunner().invoke(app, [*shlex.split(words)[1:], "--help"])
    assert done.exit_code == 0
    shown = re.sub(r"\[/?bold\]", "", COMMANDS[words].epilog or "")
    assert shown in " ".join(done.stdout.split())


@every_command
def test_an_example_is_of_its_command_and_has_arguments_that_it_takes(words: str) -> None:
    called, arguments = words, example(COMMANDS[words])
    assert ["edasim", *arguments][: len(words.split())] == words.split()
    arguments = arguments[len(words.split()) - 1 :]
    while isinstance(COMMANDS[called], TyperGroup):
        called = f"{called} {arguments.pop(0)}"
    COMMANDS[called].make_context(called, arguments)


def test_the_examples_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(charts, "figures", lambda result: {})
    failed = {}
    for words, more in MORE.items():
        done = CliRunner().invoke(app, [*example(COMMANDS[f"edasim {words}"]), *more])
        if done.exit_code != 0:
            failed[words] = f"{done.output} {done.exception}"
    assert failed == {}
