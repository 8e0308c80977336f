"""`edasim run`: a scenario, replicated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.lab.commands.options import (
    BadOptionError,
    JobsOption,
    OutOption,
    RunsOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    folder_of,
    problems_reported,
    processes,
    progress_bar,
    refuse_too_big,
    say,
    scenario_of,
)

if TYPE_CHECKING:
    from experiments.lab.slos import Verdict
    from models import System
    from simulator.results import Result


def run(
    scenario: ScenarioArgument,
    runs: RunsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    out: OutOption = None,
    trace: Annotated[bool, typer.Option("--trace", help="Keep what happened to every event.")] = False,
    fail_on_slo: Annotated[bool, typer.Option("--fail-on-slo", help="Exit with 1 if an SLO is violated.")] = False,
) -> None:
    """Run a scenario: table, books and verdicts here, tables and charts in a folder."""
    with problems_reported():
        from experiments.lab.console import console, show
        from experiments.lab.slos import evaluate

        wanted = scenario_of(scenario, set_ or [], runs, seed)
        folder = folder_of(wanted.name, out)
        result, interrupted = _replicated(scenario, wanted, jobs, trace)
        verdicts = evaluate(wanted.slos, result)
        drawn = _written(wanted, result, folder, verdicts)
        show(console(), result, verdicts, str(folder), drawn)
        if interrupted or not drawn:
            finished = f"{result.runs} run{'s' * (result.runs != 1)}"
            say(f"Interrupted: what was finished ({finished}{'' if drawn else ', no charts'}) is in {folder}")
            raise typer.Exit(130)
        violated = any(each.verdict == "violated" for each in verdicts)
        raise typer.Exit(1 if violated and fail_on_slo else 0)


def _replicated(name: str, scenario: System, jobs: int, trace: bool) -> tuple[Result, bool]:
    """The result, and whether it is only part of what was asked for because the user stopped it."""
    from simulator.replication import Interrupted, replicate
    from simulator.simulation import StandstillError

    workers = processes(jobs, scenario.run.runs)
    refuse_too_big(scenario, jobs, trace)
    try:
        with progress_bar() as progress:
            return replicate(scenario, jobs=workers, trace=trace, progress=progress), False
    except Interrupted as stop:
        if stop.result is None:
            say("No run was finished, so nothing was written")
            raise
        return stop.result, True
    except StandstillError as endless:
        raise BadOptionError(str(endless)) from endless
    except ValueError as refused:
        if "auto" not in (scenario.run.runs, scenario.run.warmup):
            raise
        raise BadOptionError(f"{name}: run.{refused}") from refused


def _written(scenario: System, result: Result, folder: Path, verdicts: list[Verdict]) -> bool:
    """Write the folder; False where the user did not wait for the charts: then it holds the tables alone."""
    from experiments.lab.output import write_run

    used = scenario.resolved().to_dict()
    try:
        try:
            write_run(result, used, folder, verdicts)
        except KeyboardInterrupt:
            write_run(result, used, folder, verdicts, drawn=False)
            return False
    except OSError as failed:
        raise BadOptionError(f"--out: {failed}") from failed
    return True
