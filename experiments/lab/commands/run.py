"""`edasim run`: a scenario, replicated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.lab.commands.options import (
    ClusterOption,
    JobsOption,
    OutOption,
    RunsOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    at_work,
    folder_of,
    problems_reported,
    processes,
    refuse_too_big,
    say,
    scenario_of,
    written,
)

if TYPE_CHECKING:
    from models import System
    from simulator.results import Result


def run(
    scenario: ScenarioArgument,
    runs: RunsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
    trace: Annotated[bool, typer.Option("--trace", help="Keep what happened to every event.")] = False,
    fail_on_slo: Annotated[bool, typer.Option("--fail-on-slo", help="Exit with 1 if an SLO is violated.")] = False,
) -> None:
    """Run a scenario: table, books and verdicts here, tables and charts in a folder."""
    with problems_reported():
        from experiments.lab.console import console, precision_text, show
        from experiments.lab.output import write_run
        from experiments.lab.slos import evaluate

        wanted = scenario_of(scenario, set_ or [], runs, seed)
        folder = folder_of(wanted.name, out)
        result, interrupted = _replicated(scenario, wanted, jobs, cluster, trace)
        verdicts = evaluate(wanted.slos, result)
        used = wanted.resolved().to_dict()
        drawn = written(lambda drawn: write_run(result, used, folder, verdicts, drawn))
        show(console(), result, verdicts, str(folder), drawn)
        if wanted.run.runs == "auto" and wanted.run.precision_metric is not None and not interrupted:
            say(precision_text(result, wanted.run.precision_metric, wanted.run.precision))
        if interrupted or not drawn:
            finished = f"{result.runs} run{'s' * (result.runs != 1)}"
            say(f"Interrupted: what was finished ({finished}{'' if drawn else ', no charts'}) is in {folder}")
            raise typer.Exit(130)
        violated = any(each.verdict == "violated" for each in verdicts)
        raise typer.Exit(1 if violated and fail_on_slo else 0)


def _replicated(name: str, scenario: System, jobs: int, cluster: str | None, trace: bool) -> tuple[Result, bool]:
    """The result, and whether it is only part of what was asked for because the user stopped it."""
    from simulator.replication import Interrupted, replicate

    refuse_too_big(scenario, jobs, trace)
    try:
        with at_work(name, scenario, cluster) as progress:
            workers = processes(jobs, scenario.run.runs)
            return replicate(scenario, jobs=workers, trace=trace, progress=progress), False
    except Interrupted as stop:
        if stop.result is None:
            say("No run was finished, so nothing was written")
            raise
        return stop.result, True
