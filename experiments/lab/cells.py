"""What a sweep found: a cell for each combination of values, and one tidy table of all."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from models import System
from models.toml import inline
from simulator.results import Result
from simulator.units import format_value

if TYPE_CHECKING:
    import pandas as pd

Value = Any
"""What a scenario may hold at a path: a number, a text, or a table for a whole policy."""


HEADLINES = ("recovery_time", "lag_max", "latency_p99", "duplicate_rate", "dead_letter_rate")
"""Metrics that are shown of a scenario without objectives."""

MOST_SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class Cell:
    """One combination: its `values` by path, the `system` that has them, and its `result` (metrics alone)."""

    values: Mapping[str, Value]
    system: System
    result: Result


@dataclass(frozen=True, eq=False, repr=False)
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

    @property
    def headlines(self) -> list[tuple[str, str]]:
        """Component and metric of each objective; without any, of a listed few that differ between cells."""
        wanted = [(slo.component, slo.metric) for slo in self.cells[0].system.slos]
        frame = self.summary[["component", "metric", "mean"]].dropna()
        known = dict.fromkeys(zip(frame["component"], frame["metric"], strict=True))
        if not wanted:
            several = frame.groupby(["component", "metric"], sort=False)["mean"].nunique()
            wanted = [key for key in known if key[1] in HEADLINES and several[key] > 1]
        return [key for key in dict.fromkeys(wanted) if key in known][:MOST_SHOWN]

    def __repr__(self) -> str:
        return f"<Sweep of {self.name}: {len(self.cells)} cells, {sum(self.runs)} runs>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: a row per cell, and a column per headline with its interval."""
        import pandas as pd

        rows = []
        for cell in self.cells:
            row: dict[str, object] = dict(_columns(self.cells, cell.values))
            for component, metric in self.headlines:
                row[f"{component} {metric}"] = _with_interval(cell.result, component, metric)
            rows.append(row)
        caption = (
            f"<p><b>{html.escape(self.name)}</b>: {len(self.cells)} cells, {sum(self.runs)} runs; mean (95 % interval)</p>"
        )
        return caption + pd.DataFrame(rows).to_html(index=False, border=0, justify="left", max_rows=60)


def _with_interval(result: Result, component: str, metric: str) -> str:
    row = next(row for row in result.summary.to_dict("records") if (row["component"], row["metric"]) == (component, metric))
    if row["mean"] != row["mean"]:
        return f"≥ {format_value(row['max'], row['unit'])}" if row["censored"] else "–"
    low, high = (format_value(row[end], row["unit"]) if row[end] == row[end] else "–" for end in ("ci_low", "ci_high"))
    return f"{'≥ ' * bool(row['censored'])}{format_value(row['mean'], row['unit'])} ({low} – {high})"


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
