"""The command line `edasim`.

Exit status: 0 done, 1 an objective was violated and `--fail-on-slo` was given, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models import System
    from simulator.results import Result

app = typer.Typer(
    help="What happens to an event-driven system when parts of it fail.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A .toml file, a manifest.json, or a built-in's name.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the scenario; repeatable."),
]


class BadOptionError(ValueError):
    """An option of the command line that cannot be."""


@app.command(epilog="Example: [bold]edasim run orders --set consumers.payment.breaker.on_open=fail[/bold]")
def run(
    scenario: ScenarioArgument,
    runs: Annotated[str | None, typer.Option(metavar="INT|auto", help="Replications.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all chance.")] = None,
    set_: SetOption = None,
    jobs: Annotated[int, typer.Option(help="Processes; -1: one per core.")] = -1,
    out: Annotated[Path | None, typer.Option(help="Folder of the output.", show_default="edasim-out/NAME")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Keep what happened to every event.")] = False,
    fail_on_slo: Annotated[bool, typer.Option("--fail-on-slo", help="Exit with 1 if an SLO is violated.")] = False,
) -> None:
    """Run a scenario: table, books and verdicts here, tables and charts in a folder."""
    with _problems_reported():
        wanted = _scenario(scenario, set_ or [], runs, seed)
        folder = _folder(wanted.name, out)
        result, interrupted = _replicated(wanted, jobs, trace)
        violated = _finish(wanted, result, folder)
        if interrupted:
            _say(f"Interrupted: what was finished ({result.runs} runs) is in {folder}")
            raise typer.Exit(130)
    raise typer.Exit(1 if violated and fail_on_slo else 0)


@app.command(epilog="Example: [bold]edasim check orders[/bold]")
def check(
    scenario: ScenarioArgument,
    set_: SetOption = None,
) -> None:
    """Validate a scenario and print who talks to whom."""
    with _problems_reported():
        valid = _scenario(scenario, set_ or [])
    from experiments.lab.console import console
    from experiments.lab.tree import fault_lines, topology

    screen = console()
    screen.print(topology(valid))
    for line in fault_lines(valid):
        screen.print(line, soft_wrap=True)


@app.command(epilog="Example: [bold]edasim schema > scenario.schema.json[/bold]")
def schema() -> None:
    """Print the JSON Schema of a scenario, for editors that complete and check."""
    from experiments.lab.console import console
    from models import System

    console().print(json.dumps(System.model_json_schema(), indent=1), soft_wrap=True)


def main() -> None:
    """The entry point of `edasim`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show "≥" shows "?"
    app()


def _scenario(name: str, settings: list[str], runs: str | None = None, seed: int | None = None) -> System:
    """The scenario of a file or a built-in with the changes of the command line."""
    from models import System

    changes = dict(_setting(text) for text in settings)
    if runs is not None:
        changes["run.runs"] = _value(runs)
    if seed is not None:
        changes["run.seed"] = seed
    system = System.load(name)
    return system.with_(changes) if changes else system


def _setting(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise BadOptionError(f"--set {text!r}: must be PATH=VALUE, such as consumers.payment.instances=8")
    return path.strip(), _value(value)


def _value(text: str) -> Any:
    """TOML where `text` is that, else the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _folder(name: str, out: Path | None) -> Path:
    """Where the output goes; refused before anything runs if it may not go there."""
    from experiments.lab.output import refusal

    folder = out or Path("edasim-out") / name
    reason = refusal(folder)
    if reason:
        raise BadOptionError(f"--out: {reason}")
    return folder


def _replicated(scenario: System, jobs: int, trace: bool) -> tuple[Result, bool]:
    """The result, and whether it is only part of what was asked for because the user stopped it."""
    from simulator.replication import Interrupted, replicate

    if jobs == 0:
        raise BadOptionError("--jobs 0: must be a number of processes, or -1 for one per core")
    try:
        with _progress() as progress:
            return replicate(scenario, jobs=jobs, trace=trace, progress=progress), False
    except Interrupted as stop:
        if stop.result is None:
            _say("No run was finished, so nothing was written")
            raise
        return stop.result, True
    except ValueError as refused:
        if "auto" not in (scenario.run.runs, scenario.run.warmup):
            raise
        raise BadOptionError(str(refused)) from refused


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar over the replications on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("replications", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _finish(scenario: System, result: Result, folder: Path) -> bool:
    """Write and print; returns whether an objective is violated."""
    from experiments.lab.console import console, show
    from experiments.lab.output import write_run
    from experiments.lab.slos import evaluate

    verdicts = evaluate(scenario.slos, result)
    try:
        write_run(result, scenario.resolved().to_dict(), folder)
    except OSError as failed:
        raise BadOptionError(f"--out: {failed}") from failed
    show(console(), result, verdicts, str(folder))
    return any(each.verdict == "violated" for each in verdicts)


@contextmanager
def _problems_reported() -> Iterator[None]:
    """Bad input ends with a line per problem and status 2, an interrupt with status 130; neither with a traceback."""
    from models.errors import BadScenario

    try:
        yield
    except (BadScenario, BadOptionError) as bad:
        _say(str(bad))
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _say("Interrupted")
        raise typer.Exit(130) from None


def _say(text: str) -> None:
    typer.echo(text, err=True)
