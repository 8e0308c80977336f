"""`edasim compare`: values of a scenario side by side, under the same luck."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

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
    changes_of,
    folder_of,
    kept_beside,
    problems_reported,
    processes,
    refuse_too_big,
    say,
    scenario_of,
    values_of,
    written,
)

if TYPE_CHECKING:
    from experiments.lab.comparison import Comparison
    from experiments.lab.store import Store
    from models import System

LONGEST_NAME = 48
SHARED = ("run.seed", "run.runs", "run.warmup", "run.duration")
"""What all systems of a comparison have in common."""


class Wanted(NamedTuple):
    """What is to be compared: the systems by name, the baseline first, what they differ in, and in which metrics."""

    systems: dict[str, System]
    varied: str
    metrics: list[str]
    twin: bool


def compare(
    scenario: ScenarioArgument,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="PATH=V1,V2,...", help="Values of a path, the first is the baseline; repeatable."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="COMPONENT:METRIC", help="Compare this, not the metrics of the SLOs; repeatable."),
    ] = None,
    twin: Annotated[bool, typer.Option("--twin", help="Compare each system with itself without faults.")] = False,
    runs: RunsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
) -> None:
    """Compare values of a scenario under the same luck. With several --vary each alternative changes one path.

    The manifest.json of an earlier comparison, without --vary, repeats it.
    """
    with problems_reported():
        from experiments.lab.output import write_comparison

        changes = changes_of(set_ or [], runs, seed)
        wanted = None if vary or twin else _remembered(scenario, changes)
        if wanted is None:
            base = scenario_of(scenario, set_ or [], runs, seed)
            wanted = _varied(scenario, base, [values_of(text) for text in vary or []], twin)
        if metric:
            wanted = wanted._replace(metrics=metric)
        folder = folder_of(next(iter(wanted.systems.values())).name, out)
        with kept_beside(folder, series=True) as kept:
            comparison = _compared(scenario, wanted, jobs, cluster, kept)
            drawn = written(lambda drawn: write_comparison(comparison, folder, drawn))
        _shown(comparison, folder, drawn)
        if not drawn:
            say(f"Interrupted: what was finished (no charts) is in {folder}")
            raise typer.Exit(130)


def _varied(name: str, base: System, varied: list[tuple[str, list[Any]]], twin: bool) -> Wanted:
    """The scenario with the first value of every path, and for each other value the same with it in place."""
    from models.errors import BadScenario

    paths = [path for path, _ in varied]
    if not varied and not twin:
        raise BadOptionError("--vary PATH=V1,V2,... is missing, or --twin: there is nothing to compare with")
    for path, values in varied:
        if paths.count(path) > 1:
            raise BadOptionError(f"--vary {path}: is there twice; give its values in one")
        if path in SHARED:
            raise BadOptionError(f"--vary {path}: is the same in all systems of a comparison; --set changes it")
        if len(values) < 2 and not twin:
            raise BadOptionError(f"--vary {path}: needs two values or more, the first for the baseline")
    try:
        first = {path: values[0] for path, values in varied}
        baseline = base.with_(first) if first else base
        systems = {_short(varied[0][1][0]) if len(varied) == 1 else "baseline": baseline}
        for path, values in varied:
            for value in values[1:]:
                system = base.with_({**first, path: value})
                text = _short(value) if len(varied) == 1 else _fitting(f"{path.rpartition('.')[2]}={_short(value)}")
                systems[_unlike(text, systems)] = system
    except BadScenario as bad:
        raise bad.within(name) from None
    return Wanted(systems, ", ".join(paths), [], twin)


def _short(value: Any) -> str:
    """A value as the name of a system: the text of a scalar, `attempts=1 backoff=fixed` of a table."""
    from models.toml import inline

    if isinstance(value, dict):
        return _fitting(" ".join(f"{key}={inline(inner)}" for key, inner in value.items()))
    return _fitting(inline(value))


def _fitting(text: str) -> str:
    plain = re.sub(r"[^\w.,=+% -]", "", text).strip()
    return (plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 3]}...") or "empty"


def _unlike(text: str, taken: dict[str, System]) -> str:
    """The name, numbered where it is taken."""
    numbers = (f"{text} ({number})" for number in range(2, len(taken) + 3))
    return text if text not in taken else next(name for name in numbers if name not in taken)


def _remembered(name: str, changes: dict[str, Any]) -> Wanted | None:
    """The comparison in a manifest, with what the command line changes; None where there is none."""
    from models import System

    if not name.lower().endswith(".json"):
        return None
    base = System.load(name)
    found = json.loads(Path(name).read_text("utf-8")).get("comparison")
    if found is None:
        return None
    try:
        systems = {str(key): System.from_dict(each, source=f"{name}: {key}") for key, each in found["systems"].items()}
        wanted = Wanted(systems, str(found["varied"]), [str(each) for each in found["metrics"]], bool(found["twin"]))
        first = str(found["baseline"])
        systems = {first: systems[first], **systems}
    except (KeyError, TypeError, AttributeError):
        raise BadOptionError(f"{name}: this is not the manifest of a comparison of {base.name}") from None
    for path in changes:
        if any(_inside(path, varied) or _inside(varied, path) for varied in wanted.varied.split(", ")):
            raise BadOptionError(f"--set {path}: is what the systems of this comparison differ in")
    return wanted._replace(systems={key: system.with_(changes) if changes else system for key, system in systems.items()})


def _inside(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def _compared(name: str, wanted: Wanted, jobs: int, cluster: str | None, kept: Store) -> Comparison:
    from experiments.lab.compare import BadComparisonError
    from experiments.lab.compare import compare as run_comparison

    (first, baseline), *others = wanted.systems.items()
    for system in wanted.systems.values():
        refuse_too_big(system, jobs, trace=False)
    try:
        with at_work(name, baseline, cluster) as progress:
            runs = baseline.run.runs
            return run_comparison(
                baseline, dict(others), wanted.metrics or None, twin=wanted.twin,
                jobs=processes(jobs, runs if runs == "auto" else runs * len(wanted.systems)),
                progress=progress, baseline_name=first, varied=wanted.varied, kept=kept,
            )  # fmt: skip
    except BadComparisonError as refused:
        raise BadOptionError(f"{name}: {refused}") from None


def _shown(comparison: Comparison, folder: Path, drawn: bool) -> None:
    from experiments.lab.comparison_table import show_comparison
    from experiments.lab.console import console

    screen = console()
    show_comparison(screen, comparison)
    charts = f"charts: {folder}/charts   " if drawn else ""
    screen.print(f"\n{charts}tables: {folder}", soft_wrap=True)
