"""Columns of measured data from CSV and Parquet files; a wrong file is refused by name, column and row."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import Problem, nearest, one_of, shown

Values = npt.NDArray[np.float64]


class BadDataError(ValueError):
    """Measured data that nothing can be fitted to; says file, column, row and what is allowed."""


def refused(path: Path, column: str, found: str, allowed: str = "", suggestion: str = "") -> BadDataError:
    """The error to raise, its parts in the order in which every message of bad input has them."""
    return BadDataError(str(Problem(column, found, allowed, suggestion, str(path))))


def read_durations(path: Path, column: str, unit: float = 1.0) -> Values:
    """Seconds, shape (rows,), from a column of durations of a .csv or .parquet file; `unit` is that of the file in seconds.

    BadDataError names file, column and row of what is no duration.
    """
    (cells,) = columns(path, [column])
    return numbers(path, column, cells, "must be a finite number from 0 on", 0.0) * unit


def read_incidents(path: Path) -> tuple[Values, Values]:
    """Starts and ends in seconds from the columns start and end: numbers, or ISO timestamps (seconds since 1970)."""
    starts, ends = columns(path, ["start", "end"])
    return instants(path, "start", starts), instants(path, "end", ends)


def numbers(path: Path, column: str, cells: Sequence[Any], rule: str, least: float = -math.inf) -> Values:
    """The cells as finite numbers of at least `least`; `rule` says so where one is not."""

    def number(cell: Any) -> float:
        value = math.nan if isinstance(cell, bool) else float(cell)
        return value if least <= value < math.inf else math.nan

    return _parsed(path, column, cells, number, rule)


def instants(path: Path, column: str, cells: Sequence[Any]) -> Values:
    """The cells as seconds: numbers as they are, ISO timestamps since 1970 (without a zone: UTC)."""
    return _parsed(path, column, cells, instant, "must be seconds or an ISO timestamp such as 2024-05-01T12:30:00Z")


def instant(cell: Any) -> float:
    """Seconds of a number, a datetime or a text of either; ValueError or TypeError where it is none."""
    if isinstance(cell, bool):
        raise TypeError("a boolean is no time")
    if isinstance(cell, str):
        try:
            return float(cell)
        except ValueError:
            cell = datetime.fromisoformat(cell.strip())
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp()
    return float(cell)


def _parsed(path: Path, column: str, cells: Sequence[Any], parse: Callable[[Any], float], rule: str) -> Values:
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            values[row] = parse(cell)
        except (TypeError, ValueError, OverflowError):
            values[row] = math.nan
        if not math.isfinite(values[row]):
            raise refused(path, column, f"row {row + 1} holds {shown(cell)}", rule)
    return values


def columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    """The cells of each named column, rows in order; row 1 is the first below a CSV's header."""
    if not path.is_file():
        raise refused(path, "", "there is no such file")
    read = {".csv": _from_csv, ".parquet": _from_parquet}.get(path.suffix.lower())
    if read is None:
        raise refused(path, "", f"found the ending {shown(path.suffix)}", one_of([".csv", ".parquet"]))
    found = read(path, names)
    if not found[0]:
        raise refused(path, names[0], "holds no rows")
    return found


def _known(path: Path, name: str, known: Sequence[str]) -> int:
    if name in known:
        return list(known).index(name)
    raise refused(path, name, "there is no such column", one_of(known), nearest(name, known))


def _from_csv(path: Path, names: Sequence[str]) -> list[list[Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(lines)
            header = next(rows, [])
            places = [_known(path, name, header) for name in names]
            found: list[list[Any]] = [[] for _ in names]
            for row in filter(None, rows):
                if len(row) != len(header):
                    number = len(found[0]) + 1
                    raise refused(path, "", f"row {number} has {len(row)} cells", f"the header has {len(header)}")
                for cells, place in zip(found, places, strict=True):
                    cells.append(row[place])
    except (UnicodeDecodeError, csv.Error) as error:
        raise refused(path, "", f"cannot be read as CSV ({error})") from error
    return found


def _from_parquet(path: Path, names: Sequence[str]) -> list[list[Any]]:
    from pyarrow import ArrowException, parquet

    try:
        known = parquet.read_schema(path).names
        for name in names:
            _known(path, name, known)
        frame = parquet.read_table(path, columns=list(dict.fromkeys(names)))
        return [frame.column(name).to_pylist() for name in names]
    except ArrowException as error:
        raise refused(path, "", f"cannot be read as Parquet ({error})") from error
