"""Columns of numbers from files that a user names: measured times, traces of arrivals and of faults."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any


def read_column(path: Path, column: str) -> list[float]:
    """The finite numbers of one column of a .csv (with a header) or .parquet file; ValueError says what is wrong."""
    reader = {".csv": _csv_column, ".parquet": _parquet_column}.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path.name!r} must be a .csv or .parquet file")
    values = [_finite(cell, row, path) for row, cell in enumerate(reader(path, column), start=1)]
    if not values:
        raise ValueError(f"column {column!r} of {path.name!r} is empty")
    return values


def _finite(cell: Any, row: int, path: Path) -> float:
    try:
        number = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{path.name!r} must hold finite numbers; its row {row} has {cell!r}")
    return number


def _csv_column(path: Path, column: str) -> list[Any]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines)
            _require(column, list(table.fieldnames or []), path)
            return [row[column] for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path.name!r} cannot be read as CSV: {error}") from error


def _parquet_column(path: Path, column: str) -> list[Any]:
    from pyarrow import ArrowException, parquet

    try:
        _require(column, parquet.read_schema(path).names, path)
        return list(parquet.read_table(path, columns=[column]).column(0).to_pylist())
    except (OSError, ArrowException) as error:
        raise ValueError(f"{path.name!r} cannot be read as Parquet: {error}") from error


def _require(column: str, columns: list[str], path: Path) -> None:
    if column not in columns:
        raise ValueError(f"{path.name!r} has no column {column!r}; it has {', '.join(columns) or 'none'}")
