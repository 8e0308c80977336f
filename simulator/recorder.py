"""Typed columns in which a run writes what happened, and from which every series and metric is computed afterwards.

A `Trail` takes rows in the order in which they happen, a `Ledger` has rows that are filled in later. Columns that are indexed
by the number of a thing are plain `array`s, extended in blocks by `grow`. All cost at most 8 bytes a number, and nothing while
nobody looks.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 4096
NAN = float("nan")


class Trail:
    """Rows that are only ever added: `Trail(event="q", time="d")`, with array type codes."""

    def __init__(self, **columns: str) -> None:
        self.columns: dict[str, array[Any]] = {name: array(code) for name, code in columns.items()}
        self.add = _writer([column.append for column in self.columns.values()])
        """Adds one row, its values in the order of the columns."""

    def change(self, row: int, name: str, value: float) -> None:
        """Writes another value into a row."""
        self.columns[name][row] = value

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as a numpy view: shape (rows,)."""
        return view(self.columns[name])


def _writer(appends: list[Callable[[Any], None]]) -> Callable[..., None]:
    """What adds a row. Nearly all rows are pairs, and a loop over two costs four times as much as none."""

    def add(*row: float) -> None:
        for append, value in zip(appends, row, strict=True):
            append(value)

    def add_pair(left: float, right: float) -> None:
        add_left(left)
        add_right(right)

    if len(appends) != 2:
        return add
    add_left, add_right = appends
    return add_pair


class Ledger:
    """Rows that are opened with their first column; the others hold NaN or 0 until they are written by row."""

    def __init__(self, **columns: str) -> None:
        self.columns: dict[str, array[Any]] = {name: array(code) for name, code in columns.items()}
        self._first, *self._others = self.columns.values()

    def open(self, value: float) -> int:
        """Opens a row. Returns its number."""
        row = len(self._first)
        self._first.append(value)
        if row % BLOCK == 0:
            for column in self._others:
                grow(column, NAN if column.typecode in "fd" else 0)
        return row

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as a numpy view: shape (rows,)."""
        return view(self.columns[name], len(self._first))


def view(column: array[float] | array[int], length: int | None = None) -> np.ndarray:
    """A typed column, or its first `length` entries, as a numpy array on the same memory."""
    seen = np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, dtype=column.typecode)
    return seen if length is None else seen[:length]


def grow(column: array[float] | array[int], fill: float = 0, rows: int = BLOCK) -> None:
    """Extends an indexed column by a block of `fill`."""
    value = fill if column.typecode in "fd" else int(fill)
    column.frombytes((array(column.typecode, [value]) * rows).tobytes())
