"""`edasim sweep`: a scenario with every combination of some values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.lab.commands.options import (
    BadOptionError,
    ClusterOption,
    JobsOption,
    OutOption,
    RunsOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    at_work,
    problems_reported,
    processes,
    refuse_too_big,
    say,
    scenario_of,
    value_of,
    values_of,
)

if TYPE_CHECKING:
    from experiments.lab.cells import Sweep
    from models import System

VaryOption = Annotated[
    list[str],
    typer.Option("--vary", metavar="PATH=V1,V2,...", help="Values of a path; repeatable. With --sample: PATH=LOW..HIGH."),
]


def sweep(
    scenario: ScenarioArgument,
    vary: VaryOption,
    zip_: Annotated[bool, typer.Option("--zip", help="First values together, then second ones, ...")] = False,
    sample: Annotated[int | None, typer.Option(metavar="N", help="N points of a Latin hypercube over the ranges.")] = None,
    cells: Annotated[
        str | None, typer.Option(metavar="FIRST..LAST", help="Only these cells, from 1: for batch queues.")
    ] = None,
    runs: RunsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
) -> None:
    """Replicate a scenario with every combination of some values. A sweep that was stopped goes on where it was."""
    with problems_reported():
        from experiments.lab.sweep import combinations_of, system_of

        wanted = scenario_of(scenario, set_ or [], runs, seed)
        varied = _once([_range_of(text) if sample is not None else values_of(text) for text in vary])
        processes(jobs, "auto")
        for values in combinations_of(varied, zip_, sample, wanted.seed):
            refuse_too_big(system_of(wanted, values), jobs, trace=False)
        _run(scenario, wanted, varied, out or Path("edasim-out") / wanted.name, _cells(cells), jobs, cluster, zip_, sample)


def _run(
    name: str,
    system: System,
    vary: dict[str, list[Any]],
    folder: Path,
    cells: slice | None,
    jobs: int,
    cluster: str | None,
    zipped: bool,
    sample: int | None,
) -> None:
    from experiments.lab.sweep import finish_cells
    from experiments.lab.sweep import sweep as run_sweep
    from simulator.replication import Interrupted

    try:
        with at_work(name, system, cluster) as bar:
            jobs = processes(jobs, "auto")
            if cells is not None:
                done = finish_cells(system, vary, cells, folder, jobs=jobs, zipped=zipped, sample=sample, progress=bar)
                say(f"{done} cells are finished in {folder}; the same command without --cells writes the tables")
                return
            found = run_sweep(system, vary, jobs=jobs, out=folder, zipped=zipped, sample=sample, progress=bar)
    except Interrupted:
        say(f"Interrupted: what is finished is kept in {folder}; the same command goes on from there")
        raise typer.Exit(130) from None
    except BlockingIOError as busy:
        raise BadOptionError(f"--out: {busy}") from None
    _show(found, folder)


def _once(varied: list[tuple[str, list[Any]]]) -> dict[str, list[Any]]:
    paths = [path for path, _ in varied]
    for path in paths:
        if paths.count(path) > 1:
            raise BadOptionError(f"--vary {path}: is there twice; give its values in one")
    return dict(varied)


def _range_of(text: str) -> tuple[str, list[Any]]:
    path, equals, values = text.partition("=")
    low, dots, high = values.partition("..")
    if not (equals and path.strip() and dots):
        raise BadOptionError(f"--vary {text}: with --sample it must be PATH=LOW..HIGH, such as topics.jobs.partitions=4..12")
    return path.strip(), [value_of(low), value_of(high)]


def _cells(text: str | None) -> slice | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise BadOptionError(f"--cells {text}: must be FIRST..LAST, such as 1..50")
    return slice(int(match[1]) - 1, int(match[2]))


def _show(found: Sweep, folder: Path) -> None:
    """Print a table of each metric that is drawn."""
    from experiments.lab.console import console, counted, interval_text, mean_text, rows_of, table_of

    screen = console()
    size = f"{counted(len(found.cells), 'cell')}, {counted(sum(found.runs), 'run')}"
    screen.print(f"{found.name}: {size}; varied: {', '.join(found.paths)}")
    for component, metric in found.headlines:
        columns = [(path.rpartition(".")[2], 0, "left") for path in found.paths]
        shown = table_of(f"{component} {metric}", *columns, ("mean", 15, "right"), ("95 % interval", 0, "left"))
        for row in rows_of(found.metric(component, metric)):
            interval = interval_text(row["ci_low"], row["ci_high"], row["unit"])
            shown.add_row(*(str(row[path]) for path in found.paths), mean_text(row), interval)
        screen.print()
        screen.print(shown)
    screen.print(f"\ncharts: {folder}/charts   tables: {folder}", soft_wrap=True)
