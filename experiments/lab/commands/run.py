"""`edasim run`: a scenario, replicated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", metavar="FILE", help="Write the first replication as OpenMetrics text; it is run once more."),
    ] = None,
    metrics_start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When that begins.", show_default="2024-01-01T00:00:00Z"),
    ] = None,
    fail_on_slo: Annotated[bool, typer.Option("--fail-on-slo", help="Exit with 1 if an SLO is violated.")] = False,
) -> None:
    """Run a scenario: table, books and verdicts here, tables and charts in a folder."""
    with problems_reported():
        from experiments.lab.console import console, precision_text, show
        from experiments.lab.output import write_run
        from experiments.lab.slos import evaluate

        wanted = scenario_of(scenario, set_ or [], runs, seed)
        folder = folder_of(wanted.name, out)
        start = _start_of(metrics, metrics_start, folder)
        result, interrupted = _replicated(scenario, wanted, jobs, cluster, trace)
        verdicts = evaluate(wanted.slos, result)
        used = wanted.resolved().to_dict()
        drawn = written(lambda drawn: write_run(result, used, folder, verdicts, drawn))
        show(console(), result, verdicts, str(folder), drawn)
        if wanted.run.runs == "auto" and wanted.run.precision_metric is not None and not interrupted:
            say(precision_text(result, wanted.run.precision_metric, wanted.run.precision))
        if interrupted or not drawn:
            finished = f"{result.runs} run{'s' * (result.runs != 1)}"
            missing = "".join([", no charts" * (not drawn), ", no metrics" * (metrics is not None)])
            say(f"Interrupted: what was finished ({finished}{missing}) is in {folder}")
            raise typer.Exit(130)
        if metrics is not None:
            _write_metrics(wanted, result, metrics, start)
            console().print(f"metrics: {metrics}", soft_wrap=True)
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


def _start_of(metrics: Path | None, start: str | None, folder: Path) -> int:
    """When the metrics begin (s since 1970); refused before anything runs if these cannot be written."""
    from experiments.lab.exposition import DEFAULT_START
    from experiments.lab.exposition.writing import refusal, start_of

    if metrics is None:
        if start is not None:
            raise BadOptionError("--metrics-start: only with --metrics")
        return DEFAULT_START
    reason = refusal(metrics)
    if reason is None and metrics.resolve() == folder.resolve():
        reason = f"{metrics} is the folder of the output; a file is needed"
    if reason:
        raise BadOptionError(f"--metrics: {reason}")
    try:
        return DEFAULT_START if start is None else start_of(start)
    except ValueError as odd:
        raise BadOptionError(f"--metrics-start {start}: {odd}") from None


def _write_metrics(scenario: System, result: Result, path: Path, start: int) -> None:
    from experiments.lab.exposition import exposition
    from experiments.lab.exposition.writing import write

    text = exposition(scenario.with_warmup(result.warmup), result.seed, start, result.replications[0])
    try:
        write(path, text)
    except OSError as failed:
        raise BadOptionError(f"--metrics: {failed}") from failed
