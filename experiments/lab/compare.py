"""Systems side by side under the same luck: `compare(baseline, {"patient": other})`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from experiments.lab.comparison import Comparison, twin_name
from models import System
from models.errors import BadScenario
from simulator.replication import Kept, replicate_all, settled_warmup
from simulator.results import Result

Systems = Mapping[str, System]
Progress = Callable[[int, int], None]

LISTED = {
    "consumers": "throughput latency_mean latency_p99 lag_max lag_seconds_p99 attempts_mean duplicate_rate dead_letter_rate",
    "dependencies": "calls",
    "faults": "recovery_time peak_lag",
    "system": "loss_rate",
}
"""The dozen metrics that are compared where a scenario has no objectives, each of every component that has it."""


class BadComparisonError(ValueError):
    """Systems that cannot be compared so."""


def compare(
    baseline: System,
    alternatives: Systems,
    metrics: Sequence[str] | None = None,
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    jobs: int = -1,
    twin: bool = False,
    progress: Progress | None = None,
    baseline_name: str = "baseline",
    varied: str = "",
    kept: Kept | None = None,
) -> Comparison:
    """Replicate all systems with the same luck and compare each alternative with the baseline, run by run.

    Seed and number of runs are the baseline's unless given, and the longest warm-up is that of all; `runs = "auto"` adds
    runs until the baseline has its precision. `metrics`: "component:metric"; else those of the systems' objectives, else
    a listed dozen. `twin`: each system, the baseline too, is compared with itself without faults instead: what they cost.

    A difference is the mean over the runs in which both have a value, with Student's t interval (where all are equal and
    not 0, as counts in few runs may be by chance, the sign test judges). The verdict follows from
    the paired t-test, adjusted over metrics and alternatives (Holm): *better* or *worse* (*differs* where the metric has
    no good side) when p < 0.05; else *same* when the 90 % interval lies within 5 % of the baseline's mean or nothing
    differs at all; else *undecided*. Where a value is a lower bound nothing is averaged: the median of the differences
    and the sign test take their place, and a difference that may have either sign counts for neither. What `kept` holds is
    not run again, and what finishes is given to it.

    Raises BadComparisonError, before anything runs, for what cannot be compared; ValueError and Interrupted as
    `replicate_all` does.
    """
    seed, runs = baseline.seed if seed is None else seed, baseline.runs if runs is None else runs
    if baseline_name in alternatives:
        raise BadComparisonError(f"an alternative has the baseline's name {baseline_name!r}")
    systems = {baseline_name: baseline, **alternatives}
    _check(systems, runs, twin)
    for metric in metrics or ():
        _check_metric(metric, systems.values())
    systems = _with_one_warmup(systems, seed, jobs)
    both = {twin_name(name): without_faults(system) for name, system in systems.items()} if twin else {}
    results = _replicated({**systems, **both}, runs, seed, jobs, progress, kept)
    family = metrics or _objectives(systems.values(), twin) or _listed(results.values(), twin)
    return Comparison(baseline.name, baseline_name, results, tuple(dict.fromkeys(family)), twin, varied, systems)


def without_faults(system: System) -> System:
    """The same system, in which nothing fails that `[[faults]]` would have made fail."""
    return system.model_copy(update={"faults": ()})


def _check(systems: Systems, runs: int | str, twin: bool) -> None:
    if len(systems) < 2 and not twin:
        raise BadComparisonError("there is nothing to compare the baseline with")
    if isinstance(runs, int) and runs < 2:
        raise BadComparisonError(f"a comparison needs 2 runs at least, for an interval, not {runs}")
    harmless = [name for name, system in systems.items() if not system.faults]
    if twin and harmless:
        raise BadComparisonError(f"{harmless[0]} has no faults to be compared without")


def _check_metric(metric: str, systems: Iterable[System]) -> None:
    """Refuses a metric that none of the systems can have."""
    component, _, name = metric.rpartition(":")
    for system in systems:
        try:
            system.with_({"slos": [{"component": component, "metric": name, "below": 1}]})
        except BadScenario as bad:
            (problem, *_) = bad.problems
        else:
            return
    hint = f'; did you mean "{problem.suggestion}"?' if problem.suggestion else ""
    raise BadComparisonError(f'metric {metric!r}: must be "component:metric"; {problem.found}{hint}')


def _with_one_warmup(systems: Systems, seed: int, jobs: int) -> dict[str, System]:
    """The systems with the longest of their warm-ups: only the same window of time can be compared."""
    durations = {system.duration for system in systems.values()}
    if len(durations) > 1:
        shown = ", ".join(f"{name}: {system.duration:g} s" for name, system in systems.items())
        raise BadComparisonError(f"systems that run for different times cannot be compared ({shown})")
    longest = max(settled_warmup(s, seed, jobs) if s.warmup == "auto" else s.warmup for s in systems.values())
    return {name: system.with_warmup(longest) for name, system in systems.items()}


def _replicated(
    systems: Systems, runs: int | Literal["auto"], seed: int, jobs: int, progress: Progress | None, kept: Kept | None
) -> dict[str, Result]:
    """Every system with the same seed and replication numbers; how many is for the first to say, if it is to be found."""
    if runs != "auto":
        found = replicate_all(list(systems.values()), runs, seed, jobs, progress=progress, kept=kept)
        return dict(zip(systems, found, strict=True))
    (first, baseline), *others = systems.items()
    (base,) = replicate_all([baseline], runs, seed, jobs, progress=progress, kept=kept)
    so_far = base.runs

    def further(done: int, total: int) -> None:
        if progress is not None:
            progress(so_far + done, so_far + total)

    rest = replicate_all([system for _, system in others], so_far, seed, jobs, progress=further, kept=kept)
    return {first: base} | {name: result for (name, _), result in zip(others, rest, strict=True)}


def _objectives(systems: Iterable[System], twin: bool) -> list[str]:
    slos = [slo for system in systems for slo in system.slos]
    return [f"{slo.component}:{slo.metric}" for slo in slos if not (twin and _of_a_fault(slo.component))]


def _listed(results: Iterable[Result], twin: bool) -> list[str]:
    """The listed metrics of every component that has one of them in some system, component by component."""
    measured = [measure for result in results for run in result.measurements for measure in run.metrics]
    return [
        f"{measure.component}:{measure.metric}"
        for measure in measured
        if measure.metric in LISTED.get(measure.component.partition(".")[0], "").split()
        and not (twin and _of_a_fault(measure.component))
    ]


def _of_a_fault(component: str) -> bool:
    """Whether a system without faults does not have the component at all."""
    return component.startswith("faults.")
