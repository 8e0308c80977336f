"""`edasim chaos`: random faults against a steady-state hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.lab.commands.options import (
    BadOptionError,
    ClusterOption,
    JobsOption,
    OutOption,
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
    written,
)

if TYPE_CHECKING:
    from experiments.lab.campaign import Campaign
    from experiments.lab.store import Store
    from models import System

FaultsOption = Annotated[int, typer.Option("--faults", min=1, metavar="N", help="Random faults in each schedule.")]
SchedulesOption = Annotated[
    int | None, typer.Option("--runs", min=1, help="Schedules, one run each.", show_default="the scenario's runs")
]
FORM = "[COMPONENT:]METRIC<VALUE"
HypothesisOption = Annotated[
    list[str] | None,
    typer.Option("--hypothesis", metavar=FORM, help="What must not break, in place of the SLOs; < or >, repeatable."),
]


def chaos(
    scenario: ScenarioArgument,
    faults: FaultsOption,
    runs: SchedulesOption = None,
    hypothesis: HypothesisOption = None,
    worst: Annotated[int, typer.Option(min=0, metavar="K", help="Schedules that are kept, and shrunk.")] = 5,
    seed: SeedOption = None,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
    fail_on_slo: Annotated[bool, typer.Option("--fail-on-slo", help="Exit with 1 if a schedule breaks the system.")] = False,
) -> None:
    """Try random faults on a scenario, in place of its own, and shrink the worst to the fewest that break it.

    What must hold are its SLOs, or each --hypothesis, such as 'consumers.payment:latency_p99<2s', in every single run.
    """
    with problems_reported():
        from experiments.lab.console import console
        from experiments.lab.console_chaos import show_campaign
        from experiments.lab.output import write_campaign

        wanted = scenario_of(scenario, set_ or [], None if runs is None else str(runs), seed)
        if wanted.run.runs == "auto":
            raise BadOptionError("--runs: needed here, for the scenario's own runs are auto")
        folder = folder_of(wanted.name, out)
        with kept_beside(folder, series=False) as kept:
            found = _found(scenario, wanted, faults, hypothesis or [], worst, jobs, cluster, kept)
            drawn = written(lambda drawn: write_campaign(found, folder, drawn))
        show_campaign(console(), found, str(folder), drawn)
        if not drawn:
            say(f"Interrupted: what was found (no charts) is in {folder}")
            raise typer.Exit(130)
        raise typer.Exit(1 if found.violating and fail_on_slo else 0)


def _found(
    name: str, system: System, faults: int, hypothesis: list[str], worst: int, jobs: int, cluster: str | None, kept: Store
) -> Campaign:
    from experiments.lab.chaos import chaos as run_campaign

    refuse_too_big(system, jobs, trace=False)
    with at_work(name, system, cluster) as progress:
        return run_campaign(
            system, faults, hypothesis=hypothesis, worst=worst, jobs=processes(jobs, "auto"), progress=progress, kept=kept
        )
