"""Typed columns in which a run writes what happened, and from which every series and metric is computed afterwards.

A `Trail` takes rows in the order in which they happen. Columns that are indexed by the number of a thing are plain `array`s,
extended in blocks by `grow`. Both cost 8 bytes a number and nothing while nobody looks.
"""

from __future__ import annotations

from array import array

import numpy as np

BLOCK = 4096
NAN = float("nan")


class Trail:
    """Rows that are only ever added: `Trail(event="q", time="d")`, with array type codes."""

    def __init__(self, **columns: str) -> None:
        self.columns = {name: array(code) for name, code in columns.items()}
        self._appends = tuple(column.append for column in self.columns.values())

    def add(self, *row: float) -> None:
        """Adds one row, its values in the order of the columns."""
        for append, value in zip(self._appends, row, strict=True):
            append(value)  # type: ignore[arg-type]

    def change(self, row: int, name: str, value: float) -> None:
        """Writes another value into a row."""
        self.columns[name][row] = value  # type: ignore[call-overload]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as a numpy view: shape (rows,)."""
        return view(self.columns[name])


def view(column: array[float] | array[int], length: int | None = None) -> np.ndarray:
    """A typed column, or its first `length` entries, as a numpy array on the same memory."""
    seen = np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, dtype=column.typecode)
    return seen if length is None else seen[:length]


def grow(column: array[float] | array[int], fill: float = 0, rows: int = BLOCK) -> None:
    """Extends an indexed column by a block of `fill`."""
    value = fill if column.typecode in "fd" else int(fill)
    column.frombytes((array(column.typecode, [value]) * rows).tobytes())
