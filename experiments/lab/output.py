"""The folder that a run leaves: tables, charts and the manifest from which it can be repeated, whole or not at all.

Charts are imported where they are drawn: who interrupts that gets the tables, and these must not need what is half imported.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.lab.slos import Verdict
from simulator.results import Result, installed_version

if TYPE_CHECKING:
    import pandas as pd

    from experiments.lab.campaign import Campaign
    from experiments.lab.comparison import Comparison
    from experiments.lab.plan import Plan

PACKAGES = ("simpy", "numpy", "scipy", "pandas", "pydantic", "joblib", "pyarrow", "matplotlib")
"""What the numbers of a run depend on, or its files."""

LONGEST_NAME = 255  # bytes, of a file or folder

LOCK = ".edasim-lock"
"""The file that a sweep locks while it works in a folder."""


def write_run(
    result: Result, scenario: Mapping[str, Any], out: Path, verdicts: Sequence[Verdict] = (), drawn: bool = True
) -> None:
    """Write the tables, charts and manifest of `result` to the folder `out`, in place of an earlier output there.

    `scenario`: the resolved scenario as plain data. `verdicts`: on its objectives. `drawn`: with charts. The same run
    gives the same bytes. Raises OSError, and leaves what was there before, when something cannot be written.
    """
    with fresh_folder(out) as folder:
        _write_json(folder / "summary.json", summary_of(result))
        _write_csv(folder / "summary.csv", result.summary)
        _write_csv(folder / "books.csv", books_of(result))
        _write_csv(folder / "slos.csv", slos_of(verdicts))
        if scenario.get("alerts"):
            _write_csv(folder / "alerts.csv", result.alerts)
        result.runs_table.to_parquet(folder / "runs.parquet", index=False)
        result.series.to_parquet(folder / "series.parquet", index=False)
        if result.events is not None:
            result.events.to_parquet(folder / "events.parquet", index=False)
        if drawn:
            from experiments.lab import charts

            (folder / "charts").mkdir()
            charts.save(charts.figures(result), folder / "charts")
        _write_json(folder / "manifest.json", manifest_of(result, scenario))


def write_comparison(comparison: Comparison, out: Path, drawn: bool = True) -> None:
    """Write what `comparison` says to the folder `out`, as `write_run` writes a run; the manifest repeats all of it."""
    import pandas as pd

    first = comparison.results[comparison.baseline]
    summaries = [result.summary.assign(name=name) for name, result in comparison.results.items()]
    summary = pd.concat(summaries, ignore_index=True)
    with fresh_folder(out) as folder:
        _write_csv(folder / "comparison.csv", comparison.table)
        comparison.table.to_parquet(folder / "comparison.parquet", index=False)
        _write_json(folder / "comparison.json", comparison_of(comparison))
        _write_csv(folder / "summary.csv", summary[["name", *summary.columns.drop("name")]])
        if drawn:
            from experiments.lab import charts

            (folder / "charts").mkdir()
            charts.save(charts.comparison_figures(comparison), folder / "charts")
        used = {name: manifest_of(first, system.resolved().to_dict()) for name, system in comparison.systems.items()}
        again = {name: each["scenario"] for name, each in used.items()}
        given = {"baseline": comparison.baseline, "metrics": list(comparison.metrics), "twin": comparison.twin}
        compared = {**given, "varied": comparison.varied, "systems": again}
        _write_json(folder / "manifest.json", {**used[comparison.baseline], "comparison": compared})


def write_plan(plan: Plan, out: Path, drawn: bool = True) -> None:
    """Write what `plan` found to the folder `out`, as `write_run` writes a run; the manifest holds the scenario as given."""
    with fresh_folder(out) as folder:
        _write_json(folder / "plan.json", plan_of(plan))
        _write_csv(folder / "plan.csv", plan.tried)
        if drawn:
            from experiments.lab import charts

            (folder / "charts").mkdir()
            charts.save(charts.plan_figures(plan), folder / "charts")
        manifest = manifest_of(plan.best.result, plan.system.resolved().to_dict())
        manifest["scenario"]["run"]["runs"] = manifest["runs"] = plan.runs
        sought = {"path": plan.path, "low": plan.sizes.values[0], "high": plan.sizes.values[-1], "largest": plan.largest}
        _write_json(folder / "manifest.json", {**manifest, "plan": sought})


def write_campaign(campaign: Campaign, out: Path, drawn: bool = True) -> None:
    """Write what a chaos campaign found to the folder `out`, as `write_run` writes a run: the ranking, the worst schedules and
    what is left of them when shrunk as scenarios, each for one run that repeats it to the last bit."""
    with fresh_folder(out) as folder:
        _write_csv(folder / "ranking.csv", campaign.ranking)
        (folder / "worst").mkdir()
        for name in campaign.files:
            (folder / f"{name}.toml").write_text(campaign.text(name), encoding="utf-8")
        if drawn:
            from experiments.lab import charts

            (folder / "charts").mkdir()
            charts.save(charts.chaos_figures(campaign), folder / "charts")
        asked = {"faults": campaign.faults, "worst": campaign.worst, "finding": campaign.finding}
        again = {"hypotheses": [each.option for each in campaign.hypotheses], **asked}
        scenario = campaign.given.resolved().to_dict()
        manifest = repeated(scenario, campaign.system.seed, len(campaign.ranked), campaign.system.run.warmup)
        _write_json(folder / "manifest.json", {**manifest, "chaos": again})


def plan_of(plan: Plan) -> dict[str, Any]:
    """The plan as JSON holds it: the answer, null where there is none, and each value tried with its verdicts."""
    return {
        "scenario": plan.system.name,
        "version": plan.best.result.version,
        "seed": plan.seed,
        "path": plan.path,
        "value": plan.value,
        "met": plan.met,
        "answer": plan.answer,
        "nearest": plan.best.value,
        "largest": plan.largest,
        "monotone": plan.monotone,
        "step": plan.sizes.step,
        "exact": plan.exact,
        "tried": [
            {
                "value": trial.value,
                "met": trial.met,
                "runs": trial.result.runs,
                "slos": [
                    {**{key: _plain(value) for key, value in asdict(verdict).items()}, "expected": _plain(exact)}
                    for verdict, exact in zip(trial.verdicts, trial.expected, strict=True)
                ],
            }
            for trial in plan.trials
        ],
    }


def comparison_of(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON holds it: what was compared, and a row per metric and alternative, null for what has no value."""
    head = summary_of(comparison.results[comparison.baseline])
    rows = comparison.table.to_dict("records")
    return {
        **{key: value for key, value in head.items() if key != "metrics"},
        "baseline": comparison.baseline,
        "twin": comparison.twin,
        "differences": [{str(key): _plain(value) for key, value in row.items()} for row in rows],
    }


def summary_of(result: Result) -> dict[str, Any]:
    """The summary as JSON holds it: what was run, and a row per metric, null for what has no value."""
    rows = result.summary.to_dict("records")
    return {
        "scenario": result.name,
        "description": result.description,
        "version": result.version,
        "seed": result.seed,
        "runs": result.runs,
        "duration": result.duration,
        "warmup": result.warmup,
        "metrics": [{str(key): _plain(value) for key, value in row.items()} for row in rows],
    }


def books_of(result: Result) -> pd.DataFrame:
    """The books summed over the runs: component, term, value (events). The first term of each is the sum of the others."""
    import pandas as pd

    if not any("books" in run.tables for run in result.measurements):
        return pd.DataFrame(columns=["component", "term", "value"])
    sums: pd.DataFrame = result.table("books").groupby(["component", "term"], sort=False, as_index=False)[["value"]].sum()
    return sums


def slos_of(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """A row per verdict, its fields as columns."""
    import pandas as pd

    return pd.DataFrame([asdict(each) for each in verdicts], columns=[field.name for field in fields(Verdict)])


def manifest_of(result: Result, scenario: Mapping[str, Any]) -> dict[str, Any]:
    """What repeats the run to the last bit: the scenario with the seed, runs and warm-up as used, and the versions."""
    return repeated(scenario, result.seed, result.runs, result.warmup)


def repeated(scenario: Mapping[str, Any], seed: int, runs: int, warmup: object) -> dict[str, Any]:
    """A scenario as it was used, and the versions."""
    return {
        "scenario": {**scenario, "run": {**scenario["run"], "seed": seed, "runs": runs, "warmup": warmup}},
        "seed": seed,
        "runs": runs,
        "version": installed_version(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def refusal(out: Path) -> str | None:
    """Why a run may not be written to `out`, None where it may: only an earlier output is ever replaced."""
    try:
        out.resolve()
        return _refusal(out)
    except (OSError, RuntimeError) as error:  # a name too long, links in a circle
        return f"{out} cannot be a folder ({error})"


def _refusal(out: Path) -> str | None:
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in out.parts):
        return f"{out} cannot be a folder (a name in it is longer than {LONGEST_NAME} bytes)"
    if not out.exists():
        existing = next(parent for parent in out.absolute().parents if parent.exists())
        return None if existing.is_dir() and os.access(existing, os.W_OK) else f"{existing} is not a folder to write in"
    if not out.is_dir():
        return f"{out} is a file; a folder is needed"
    if not any(out.iterdir()) or _is_output(out):
        return None
    return f"{out} holds other files than a run's; give an empty or a new folder"


def _is_output(folder: Path) -> bool:
    if (folder / LOCK).is_file():
        return True
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"seed", "version"} <= manifest.keys()


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `out` when the block ends well, and is removed when it does not."""
    out = out.resolve()
    missing = [parent for parent in out.parents if not parent.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".edasim-", dir=out.parent, ignore_cleanup_errors=True) as workshop:
            new = Path(workshop, "new")
            new.mkdir()
            yield new
            _put_in_place(new, out, Path(workshop, "old"))
    finally:
        for parent in missing:
            with suppress(OSError):  # it holds the output, or somebody else's files
                parent.rmdir()


def _put_in_place(new: Path, out: Path, old: Path) -> None:
    """`new` becomes `out`, and what was there `old`; back where it cannot."""
    try:
        if out.exists():
            out.rename(old)
        new.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """A cell of a table as JSON holds it: numpy's scalars as Python's, null for what is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
