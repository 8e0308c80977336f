"""What the commands share: options, the scenario that they name, progress, and how problems are told."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from experiments.lab.store import Store
    from models import System

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A .toml file, a manifest.json, or a built-in's name.")
]
RunsOption = Annotated[str | None, typer.Option("--runs", metavar="INT|auto", help="Replications.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of all chance.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the scenario; repeatable."),
]
JobsOption = Annotated[int, typer.Option("--jobs", help="Processes; -1: one per core.")]
ClusterOption = Annotated[
    str | None, typer.Option("--cluster", metavar="ADDRESS", help="A Dask scheduler, such as tcp://host:8786.")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder of the output.", show_default="edasim-out/NAME")]

_MARK = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|[\[\]{},"']""")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}:\d{2}:\d{2}")
"""TOML has dates, a scenario has none: what looks like one is a text."""
_CLOSER = {"[": "]", "{": "}"}


class BadOptionError(ValueError):
    """An option of the command line that cannot be."""


def scenario_of(name: str, settings: list[str], runs: str | None = None, seed: int | None = None) -> System:
    """The scenario of a file or a built-in with the changes of the command line."""
    from models import System
    from models.errors import BadScenario

    changes = changes_of(settings, runs, seed)
    system = System.load(name)
    try:
        return system.with_(changes) if changes else system
    except BadScenario as bad:
        raise bad.within(name) from None


def changes_of(settings: list[str], runs: str | None = None, seed: int | None = None) -> dict[str, Any]:
    """What the command line changes in a scenario, by path."""
    changes = dict(setting_of(text) for text in settings)
    if runs is not None:
        changes["run.runs"] = value_of(runs)
    if seed is not None:
        changes["run.seed"] = seed
    return changes


def setting_of(text: str) -> tuple[str, Any]:
    """The path and the value of `PATH=VALUE`."""
    from models.errors import shown

    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise BadOptionError(f"--set {shown(text)}: must be PATH=VALUE, such as consumers.payment.instances=8")
    return path.strip(), value_of(value)


def values_of(text: str) -> tuple[str, list[Any]]:
    """The path and the values of `PATH=V1,V2,...`: split at commas outside brackets, braces and quotes."""
    from models.errors import shown

    path, equals, values = text.partition("=")
    if not equals or not path.strip():
        raise BadOptionError(f"--vary {shown(text)}: must be PATH=V1,V2,..., such as consumers.payment.instances=4,8")
    try:
        parts = [part.strip() for part in split_at_commas(values)]
    except ValueError as odd:
        raise BadOptionError(f"--vary {shown(text)}: {odd}") from None
    if "" in parts:
        raise BadOptionError(f'--vary {shown(text)}: a value is missing; an empty text is ""')
    if len(set(parts)) < len(parts):
        raise BadOptionError(f"--vary {shown(text)}: a value is there twice")
    return path.strip(), [value_of(part) for part in parts]


def split_at_commas(text: str) -> list[str]:
    """The parts of `text` between commas outside brackets and quotes; ValueError where one of these is not closed."""
    parts, closers, start = [], [], 0
    for match in _MARK.finditer(text):
        mark = match[0]
        if mark in _CLOSER:
            closers.append(_CLOSER[mark])
        elif mark in _CLOSER.values():
            if not closers or closers.pop() != mark:
                raise ValueError(f"{mark} closes nothing")
        elif mark == "," and not closers:
            parts.append(text[start : match.start()])
            start = match.end()
        elif mark in "\"'":
            raise ValueError(f"{mark} is not closed")
    if closers:
        raise ValueError(f"{closers[-1]} is missing")
    return [*parts, text[start:]]


def value_of(text: str) -> Any:
    """TOML where `text` is that, else the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 and not _DATE.search(text) else text


def folder_of(name: str, out: Path | None) -> Path:
    """Where the output goes; refused before anything runs if it may not go there."""
    from experiments.lab.output import refusal

    folder = out or Path("edasim-out") / name
    reason = refusal(folder)
    if reason:
        raise BadOptionError(f"--out: {reason}")
    return folder


def processes(jobs: int, runs: int | str) -> int:
    """How many processes are of use: not more than there are cores, here or on the cluster in use, or runs."""
    from joblib import effective_n_jobs

    if jobs < 1 and jobs != -1:
        raise BadOptionError(f"--jobs {jobs}: must be a number of processes, or -1 for one per core")
    useful: int = effective_n_jobs(-1)
    return min(useful if jobs == -1 else jobs, useful, runs if isinstance(runs, int) else useful)


def refuse_too_big(scenario: System, jobs: int, trace: bool) -> None:
    """Refuses what does not fit, the replications that run at the same time taken together."""
    import os

    from models.footprint import check_memory

    cores = os.cpu_count() or 1
    workers = jobs if jobs > 0 else max(1, cores + 1 + jobs)
    runs = scenario.run.runs if isinstance(scenario.run.runs, int) else workers
    check_memory(scenario, min(workers, runs), trace)


@contextmanager
def at_work(name: str, system: System | None, cluster: str | None) -> Iterator[Callable[[int, int], None] | None]:
    """Replications run inside, here or on a cluster; gives whom to tell of progress. What refuses to run is told as input."""
    from experiments.lab.cluster import processes_of
    from experiments.lab.compare import BadComparisonError
    from models.errors import BadScenario
    from simulator.simulation import StandstillError

    with ExitStack() as stack:
        try:
            stack.enter_context(processes_of(cluster))
        except (ConnectionError, ModuleNotFoundError) as missing:
            raise BadOptionError(f"--cluster: {missing}") from None
        try:
            yield stack.enter_context(progress_bar())
        except StandstillError as endless:
            raise BadOptionError(f"{name}: {endless}") from endless
        except BadScenario as bad:
            raise bad.within(name) from None
        except (BadOptionError, BadComparisonError):
            raise
        except ValueError as refused:
            if system is None or "auto" not in (system.run.runs, system.run.warmup):
                raise
            raise BadOptionError(f"{name}: run.{refused}") from refused


@contextmanager
def kept_beside(folder: Path, series: bool) -> Iterator[Store]:
    """A store for the replications of what goes to `folder`. An interrupt is told, and what is finished stays."""
    from experiments.lab.store import unfinished
    from simulator.replication import Interrupted

    try:
        with unfinished(folder, series) as store:
            yield store
    except Interrupted:
        say("Interrupted: what is finished is kept, and the same command goes on from there")
        raise typer.Exit(130) from None


def written(write: Callable[[bool], None]) -> bool:
    """Write a folder, `write(drawn)`; False where the user did not wait for the charts: then it holds the tables alone."""
    try:
        try:
            write(True)
        except KeyboardInterrupt:
            write(False)
            return False
    except OSError as failed:
        raise BadOptionError(f"--out: {failed}") from failed
    return True


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None] | None]:
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


@contextmanager
def problems_reported() -> Iterator[None]:
    """Bad input ends with a line per problem and status 2, an interrupt with status 130; neither with a traceback."""
    from models.errors import BadScenario, printable

    try:
        yield
    except BadScenario as bad:
        say(str(bad))
        raise typer.Exit(2) from None
    except BadOptionError as bad:
        say(printable(str(bad)))
        raise typer.Exit(2) from None
    except OSError as failed:  # nowhere to print to, no process to be had
        say(f"edasim: {failed}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        say("Interrupted")
        raise typer.Exit(130) from None


def say(text: str) -> None:
    """Tell the user, beside what the command prints."""
    typer.echo(text, err=True)
