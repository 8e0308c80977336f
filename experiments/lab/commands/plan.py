"""`edasim plan`: how much is needed to meet the objectives of a scenario, or how much it can take."""

from __future__ import annotations

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
    folder_of,
    kept_beside,
    problems_reported,
    processes,
    refuse_too_big,
    say,
    scenario_of,
    value_of,
    written,
)

if TYPE_CHECKING:
    from experiments.lab.plan import Plan
    from experiments.lab.store import Store
    from models import System

SizeOption = Annotated[
    str, typer.Option("--size", metavar="PATH=LOW..HIGH", help="The field and its range: numbers, or durations as 30s..1h.")
]
LargestOption = Annotated[
    bool | None,
    typer.Option(
        "--largest/--smallest",
        help="Which value is sought; else the largest where the low end meets the SLOs and the high end does not.",
        show_default=False,
    ),
]


def plan(
    scenario: ScenarioArgument,
    size: SizeOption,
    largest: LargestOption = None,
    runs: RunsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
) -> None:
    """Find the smallest (or largest) value of a field that meets all SLOs of a scenario, with confidence."""
    with problems_reported():
        from experiments.lab.output import write_plan

        path, ends = _size(size)
        wanted = scenario_of(scenario, set_ or [], runs, seed)
        folder = folder_of(wanted.name, out)
        with kept_beside(folder, series=False) as kept:
            found = _planned(scenario, wanted, path, ends, largest, jobs, cluster, kept)
            drawn = written(lambda drawn: write_plan(found, folder, drawn))
        _shown(found, folder, drawn)
        if not drawn:
            say(f"Interrupted: what was found (no charts) is in {folder}")
            raise typer.Exit(130)


def _size(text: str) -> tuple[str, tuple[Any, Any]]:
    from models.errors import shown

    path, equals, ends = text.rpartition("=")
    low, dots, high = ends.partition("..")
    if not (equals and path.strip() and dots and low.strip() and high.strip()):
        raise BadOptionError(f"--size {shown(text)}: must be PATH=LOW..HIGH, such as consumers.payment.instances=2..24")
    return path.strip(), (value_of(low.strip()), value_of(high.strip()))


def _planned(
    name: str,
    system: System,
    path: str,
    ends: tuple[Any, Any],
    largest: bool | None,
    jobs: int,
    cluster: str | None,
    kept: Store,
) -> Plan:
    from experiments.lab.plan import plan as find

    with at_work(name, system, cluster) as progress:
        for end in ends:
            refuse_too_big(system.with_({path: end}), jobs, trace=False)
        return find(system, {path: ends}, jobs=processes(jobs, "auto"), largest=largest, progress=progress, kept=kept)


def _shown(found: Plan, folder: Path, drawn: bool) -> None:
    from experiments.lab.console import console
    from experiments.lab.console_plan import show_plan

    show_plan(console(), found, str(folder), drawn)
