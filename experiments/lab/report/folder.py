"""An output folder as it is read back: which kind it is, its manifest, tables and charts."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments.lab.comparison import Difference
from experiments.lab.report.pictures import Picture, pictures
from models.toml import to_toml

Kind = Literal["run", "sweep", "comparison", "plan", "chaos"]
Row = dict[str, Any]

EXPECTED = "a folder that edasim run, sweep, compare, plan or chaos left is expected"

MAIN: dict[Kind, str] = {
    "plan": "plan.json",
    "comparison": "comparison.csv",
    "chaos": "ranking.csv",
    "sweep": "sweep.csv",
    "run": "summary.csv",
}
"""The file by which each kind is known, the most particular first."""

UNITS = ("s", "1", "count", "share", "1/s", "1/d")


class Columns(NamedTuple):
    """The columns that a table must have: texts, numbers (nan where empty) and truth values."""

    words: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.words + self.numbers + self.flags


SUMMARY = Columns(
    ("component", "metric", "unit"), ("mean", "ci_low", "ci_high", "std", "n", "min", "median", "max"), ("censored",)
)
BOOKS = Columns(("component", "term"), ("value",))
SLOS = Columns(("component", "metric", "unit", "bound_text", "verdict"), ("mean", "ci_low", "ci_high"), ("censored",))
ALERTS = Columns(("run", "alert", "component", "metric"), ("fired", "cleared"))
RANKING = Columns(
    ("rank", "faults", "violations", "shrunk", "file", "shrunk_file"),
    ("time_in_violation", "loss_rate", "recovery_time", "damage"),
    ("violated", "recovered"),
)
_COMPARED = ("name", "component", "metric", "verdict", "unit")
COMPARISON = Columns(_COMPARED, tuple(field.name for field in fields(Difference) if field.name not in _COMPARED))


class BadFolderError(ValueError):
    """A folder that is not a whole output: which file, and what is expected."""


@dataclass(frozen=True)
class Output:
    """What a folder holds, as far as its kind has it; further columns and files are passed over.

    `rows`: a row per metric, in a sweep and a comparison also per cell or system; `varied`: the columns that tell these
    apart, before `component`. `differences`: of a comparison. `plan`: the answer and what was tried. `ranking`: the schedules
    of a chaos campaign, the worst first.
    """

    kind: Kind
    manifest: Mapping[str, Any]
    rows: list[Row]
    varied: list[str]
    differences: list[Difference]
    plan: Mapping[str, Any]
    ranking: list[Row]
    books: list[Row]
    slos: list[Row]
    alerts: list[Row]
    pictures: list[Picture]


def read_output(folder: Path) -> Output:
    """What `folder` holds. Raises BadFolderError where that is no output, or not whole."""
    if not folder.is_dir():
        raise BadFolderError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}; {EXPECTED}")
    manifest = _manifest(folder / "manifest.json")
    kind = next((kind for kind, name in MAIN.items() if (folder / name).exists()), None)
    if kind is None:
        raise BadFolderError(f"{folder}: holds none of {', '.join(MAIN.values())}; {EXPECTED}, after it has finished")
    rows, varied = _metrics(folder, kind)
    return Output(
        kind=kind,
        manifest=manifest,
        rows=rows,
        varied=varied,
        differences=_differences(folder / MAIN[kind]) if kind == "comparison" else [],
        plan=_plan(folder / MAIN[kind]) if kind == "plan" else {},
        ranking=_table(folder / MAIN[kind], RANKING)[0] if kind == "chaos" else [],
        books=_table(folder / "books.csv", BOOKS)[0] if kind == "run" else [],
        slos=_table(folder / "slos.csv", SLOS)[0] if kind == "run" else [],
        alerts=_table(folder / "alerts.csv", ALERTS)[0] if kind == "run" and (folder / "alerts.csv").exists() else [],
        pictures=pictures(folder / "charts"),
    )


def _manifest(path: Path) -> dict[str, Any]:
    manifest = _json(path)
    parts = {"scenario": dict, "packages": dict, "seed": int, "version": str}
    for key, kind in parts.items():
        if not isinstance(manifest.get(key), kind):
            raise BadFolderError(f"{path}: {key} is missing or broken; {EXPECTED}")
    scenario = manifest["scenario"]
    if not isinstance(scenario.get("name"), str) or not isinstance(scenario.get("run"), dict):
        raise BadFolderError(f"{path}: the scenario has no name or no run; {EXPECTED}")
    try:
        to_toml(scenario)
    except AttributeError:  # a list of tables and of other things
        raise BadFolderError(f"{path}: the scenario is broken; {EXPECTED}") from None
    return manifest


def _metrics(folder: Path, kind: Kind) -> tuple[list[Row], list[str]]:
    path = folder / MAIN["sweep" if kind == "sweep" else "run"]
    if kind in ("plan", "comparison", "chaos") and not path.exists():
        return [], []
    rows, columns = _table(path, SUMMARY)
    if not rows:
        raise BadFolderError(f"{path}: holds no row; a row per metric is expected")
    for row in rows:
        if row["unit"] not in UNITS:
            raise BadFolderError(f"{path}: found the unit {row['unit']!r}; expected is one of {', '.join(UNITS)}")
    return rows, columns[: columns.index("component")]


def _differences(path: Path) -> list[Difference]:
    return [Difference(**{name: row[name] for name in COMPARISON.names}) for row in _table(path, COMPARISON)[0]]


def _plan(path: Path) -> dict[str, Any]:
    plan = _json(path)
    tried = plan.get("tried")
    steps = tried if isinstance(tried, list) and tried else [None]
    if not isinstance(plan.get("path"), str) or not all(map(_is_step, steps)):
        raise BadFolderError(f"{path}: expected are path, value, met and tried, a list of steps with value, met and slos")
    return plan


def _is_step(step: Any) -> bool:
    if not isinstance(step, dict) or not isinstance(step.get("value"), int | float) or "met" not in step:
        return False
    slos = step.get("slos")
    return isinstance(slos, list) and all(isinstance(slo, dict) for slo in slos)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadFolderError(f"{path}: no such file; {EXPECTED}") from None
    except (ValueError, RecursionError) as error:
        raise BadFolderError(f"{path}: not JSON ({error}); {EXPECTED}") from None
    if not isinstance(value, dict):
        raise BadFolderError(f"{path}: not a JSON object; {EXPECTED}")
    return value


def _table(path: Path, needed: Columns) -> tuple[list[Row], list[str]]:
    """The rows and the columns of a CSV file that has at least the `needed` columns."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            if missing := [name for name in needed.names if name not in columns]:
                raise BadFolderError(f"{path}: the column {missing[0]} is missing; expected are {', '.join(needed.names)}")
            return [_row(row, f"{path}, line {reader.line_num}", needed) for row in reader], columns
    except FileNotFoundError:
        raise BadFolderError(f"{path}: no such file; a table with {', '.join(needed.names)} is expected") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFolderError(f"{path}: not a CSV file ({error})") from None


def _row(row: dict[str, Any], where: str, needed: Columns) -> Row:
    if None in row or None in row.values():
        raise BadFolderError(f"{where}: as many fields are expected as there are columns")
    try:
        numbers = {name: float(row[name] or math.nan) for name in needed.numbers}
    except ValueError as error:
        raise BadFolderError(f"{where}: {error}; a number is expected") from None
    return row | numbers | {name: row[name] == "True" for name in needed.flags}
