"""The folder that a run leaves: tables, charts and the manifest from which it can be repeated, whole or not at all."""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from simulator.results import Result

PACKAGES = ("simpy", "numpy", "scipy", "pandas", "pydantic", "joblib", "pyarrow", "matplotlib")
"""What the numbers of a run depend on, or its files."""

LONGEST_NAME = 255  # bytes, of a file or folder


def write_run(result: Result, scenario: Mapping[str, Any], out: Path, drawn: bool = True) -> None:
    """Write the tables, charts and manifest of `result` to the folder `out`, in place of an earlier output there.

    `scenario`: the resolved scenario as plain data. `drawn`: with charts. The same run gives the same bytes. Raises
    OSError, and leaves what was there before, when something cannot be written.
    """
    from experiments.lab import charts

    with fresh_folder(out) as folder:
        _write_json(folder / "summary.json", summary_of(result))
        result.summary.to_csv(folder / "summary.csv", index=False, lineterminator="\n")
        result.runs_table.to_parquet(folder / "runs.parquet", index=False)
        result.series.to_parquet(folder / "series.parquet", index=False)
        if result.events is not None:
            result.events.to_parquet(folder / "events.parquet", index=False)
        if drawn:
            (folder / "charts").mkdir()
            charts.save(charts.figures(result), folder / "charts")
        _write_json(folder / "manifest.json", manifest_of(result, scenario))


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


def manifest_of(result: Result, scenario: Mapping[str, Any]) -> dict[str, Any]:
    """What repeats the run to the last bit: the scenario with the seed, runs and warm-up as used, and the versions."""
    used = {"seed": result.seed, "runs": result.runs, "warmup": result.warmup}
    return {
        "scenario": {**scenario, "run": {**scenario["run"], **used}},
        "seed": result.seed,
        "runs": result.runs,
        "version": result.version,
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
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"scenario", "seed", "version", "packages"} <= manifest.keys()


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


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """A cell of a table as JSON holds it: numpy's scalars as Python's, null for what is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
