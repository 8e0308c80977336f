"""The command line `edasim`.

Exit status: 0 done, 1 an objective was violated and `--fail-on-slo` was given, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import _thread
import json
import signal
import sys
import threading
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
        result, interrupted = _replicated(scenario, wanted, jobs, trace)
        drawn = _written(wanted, result, folder)
        violated = _shown(wanted, result, folder, drawn)
        if interrupted or not drawn:
            finished = f"{result.runs} run{'s' * (result.runs != 1)}"
            _say(f"Interrupted: what was finished ({finished}{'' if drawn else ', no charts'}) is in {folder}")
            raise typer.Exit(130)
        raise typer.Exit(1 if violated and fail_on_slo else 0)


@app.command(epilog="Example: [bold]edasim check orders[/bold]")
def check(
    scenario: ScenarioArgument,
    set_: SetOption = None,
) -> None:
    """Validate a scenario and print who talks to whom."""
    with _problems_reported():
        from experiments.lab.console import console
        from experiments.lab.tree import fault_lines, topology

        valid, screen = _scenario(scenario, set_ or []), console()
        screen.print(topology(valid))
        for line in fault_lines(valid):
            screen.print(line, soft_wrap=True)


@app.command(epilog="Example: [bold]edasim schema > scenario.schema.json[/bold]")
def schema() -> None:
    """Print the JSON Schema of a scenario, for editors that complete and check."""
    with _problems_reported():
        from experiments.lab.console import console
        from models import System

        console().print(json.dumps(System.model_json_schema(), indent=1), soft_wrap=True)


def main() -> None:
    """The entry point of `edasim`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show "≥" shows "?"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _unraisable
    app()


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """An interrupt that came where Python drops exceptions, as in a weak reference's callback, comes again at once."""
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(dropped)


def _scenario(name: str, settings: list[str], runs: str | None = None, seed: int | None = None) -> System:
    """The scenario of a file or a built-in with the changes of the command line."""
    from models import System
    from models.errors import BadScenario

    changes = dict(_setting(text) for text in settings)
    if runs is not None:
        changes["run.runs"] = _value(runs)
    if seed is not None:
        changes["run.seed"] = seed
    system = System.load(name)
    try:
        return system.with_(changes) if changes else system
    except BadScenario as bad:
        raise bad.within(name) from None


def _setting(text: str) -> tuple[str, Any]:
    from models.errors import shown

    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise BadOptionError(f"--set {shown(text)}: must be PATH=VALUE, such as consumers.payment.instances=8")
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


def _replicated(name: str, scenario: System, jobs: int, trace: bool) -> tuple[Result, bool]:
    """The result, and whether it is only part of what was asked for because the user stopped it."""
    from simulator.replication import Interrupted, replicate
    from simulator.simulation import StandstillError

    processes = _processes(jobs, scenario.run.runs)
    _check_memory(scenario, jobs, trace)
    try:
        with _progress() as progress:
            return replicate(scenario, jobs=processes, trace=trace, progress=progress), False
    except Interrupted as stop:
        if stop.result is None:
            _say("No run was finished, so nothing was written")
            raise
        return stop.result, True
    except StandstillError as endless:
        raise BadOptionError(str(endless)) from endless
    except ValueError as refused:
        if "auto" not in (scenario.run.runs, scenario.run.warmup):
            raise
        raise BadOptionError(f"{name}: run.{refused}") from refused


def _processes(jobs: int, runs: int | str) -> int:
    """How many processes are of use: not more than there are cores, or runs."""
    from joblib import cpu_count

    if jobs < 1 and jobs != -1:
        raise BadOptionError(f"--jobs {jobs}: must be a number of processes, or -1 for one per core")
    useful: int = cpu_count()
    return min(useful if jobs == -1 else jobs, useful, runs if isinstance(runs, int) else useful)


def _check_memory(scenario: System, jobs: int, trace: bool) -> None:
    """Refuses what does not fit, the replications that run at the same time taken together."""
    import os

    from models.footprint import check_memory

    cores = os.cpu_count() or 1
    workers = jobs if jobs > 0 else max(1, cores + 1 + jobs)
    runs = scenario.run.runs if isinstance(scenario.run.runs, int) else workers
    check_memory(scenario, min(workers, runs), trace)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar over the replications on a terminal, nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("replications", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _written(scenario: System, result: Result, folder: Path) -> bool:
    """Write the folder; False where the user did not wait for the charts: then it holds the tables alone."""
    from experiments.lab.output import write_run

    used = scenario.resolved().to_dict()
    try:
        try:
            write_run(result, used, folder)
        except KeyboardInterrupt:
            write_run(result, used, folder, drawn=False)
            return False
    except OSError as failed:
        raise BadOptionError(f"--out: {failed}") from failed
    return True


def _shown(scenario: System, result: Result, folder: Path, drawn: bool) -> bool:
    """Print the result; returns whether an objective is violated."""
    from experiments.lab.console import console, show
    from experiments.lab.slos import evaluate

    verdicts = evaluate(scenario.slos, result)
    show(console(), result, verdicts, str(folder), drawn)
    return any(each.verdict == "violated" for each in verdicts)


@contextmanager
def _problems_reported() -> Iterator[None]:
    """Bad input ends with a line per problem and status 2, an interrupt with status 130; neither with a traceback."""
    from models.errors import BadScenario, printable

    try:
        yield
    except BadScenario as bad:
        _say(str(bad))
        raise typer.Exit(2) from None
    except BadOptionError as bad:
        _say(printable(str(bad)))
        raise typer.Exit(2) from None
    except OSError as failed:  # nowhere to print to, no process to be had
        _say(f"edasim: {failed}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _say("Interrupted")
        raise typer.Exit(130) from None


def _say(text: str) -> None:
    typer.echo(text, err=True)
