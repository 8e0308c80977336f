"""What a sweep found: a cell for each combination of values, and one tidy table of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from models import System
from models.toml import inline
from simulator.results import Result

if TYPE_CHECKING:
    import pandas as pd

Value = Any
"""What a scenario may hold at a path: a number, a text, or a table for a whole policy."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination: its `values` by path, the `system` that has them, and its `result` (metrics alone)."""

    values: Mapping[str, Value]
    system: System
    result: Result


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep found. `paths`: what was varied; `cells`: in the order of the combinations."""

    name: str
    paths: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def runs(self) -> list[int]:
        """Replications of each cell."""
        return [cell.result.runs for cell in self.cells]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per cell and metric: the varied paths as columns, then component, metric, unit, mean, ci_low, ... n, ...

        Numbers stay numbers; a column with anything else holds texts as TOML has them.
        """
        import pandas as pd

        parts = []
        for cell in self.cells:
            part = cell.result.summary.copy()
            for place, (path, value) in enumerate(_columns(self.cells, cell.values).items()):
                part.insert(place, path, value)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def metric(self, component: str, metric: str) -> pd.DataFrame:
        """The rows of one metric. Raises KeyError, with near names, where no cell has it."""
        rows = self.summary[(self.summary["component"] == component) & (self.summary["metric"] == metric)]
        if rows.empty:
            self.cells[0].result.value(component, metric)
        return rows.reset_index(drop=True)

    def _repr_html_(self) -> str:
        shown = self.summary[[*self.paths, "component", "metric", "unit", "mean", "ci_low", "ci_high", "n"]]
        return shown.to_html(index=False, border=0, max_rows=60, float_format="{:.4g}".format)


def _columns(cells: Sequence[Cell], values: Mapping[str, Value]) -> dict[str, float | str]:
    """The values of a cell as cells of a table."""
    plain = {path: all(is_number(cell.values[path]) for cell in cells) for path in values}
    return {path: value if plain[path] else text_of(value) for path, value in values.items()}


def is_number(value: Value) -> bool:
    """Whether a value is a number that is no truth."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: Value) -> str:
    """A value as people write it: texts bare, tables as TOML."""
    return value if isinstance(value, str) else inline(value)
