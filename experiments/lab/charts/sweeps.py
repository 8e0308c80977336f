"""Charts of a sweep: one metric over the varied values, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.lab.cells import is_number
from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import (
    BLACK,
    BLUE,
    GREEN,
    PURPLE,
    VERMILLION,
    Line,
    plain_numbers,
    styled,
    time_scale,
    wrapped,
)
from experiments.lab.charts.tradeoffs import heat_map
from simulator.units import format_value

if TYPE_CHECKING:
    import pandas as pd

    from experiments.lab.cells import Sweep

MOST_LINES = 6
MOST_TICKS = 12
LINES = (BLUE, VERMILLION, GREEN, PURPLE, BLACK, Line("#56B4E9", (0, (3, 1, 1, 1, 1, 1))))
MARKERS = "os^Dvx"


def over_values(sweep: Sweep, component: str, metric: str, x: str | None = None, ax: Axes | None = None) -> Axes:
    """The metric against the varied path `x`, a line for each combination of the others; points, where `x` is no number.

    `x`: by default the varied number with the most values. Raises KeyError where no cell has the metric.
    """
    rows = sweep.metric(component, metric)
    x = _longest(sweep, rows) if x is None else x
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 4.5), layout="constrained").add_subplot()
        unit, scale = _unit(rows)
        others = [path for path in sweep.paths if path != x]
        numeric = _is_numeric(rows[x])
        names = list(dict.fromkeys(rows[x]))
        for number, (label, part) in enumerate(_lines(rows, others)):
            if number >= MOST_LINES:
                ax.set_label(f"{number + 1}")
                continue
            at = part[x].to_numpy(dtype=float) if numeric else np.array([names.index(value) for value in part[x]], dtype=float)
            if not numeric:
                at = at + 0.08 * (number - (min(len(set(map(str, rows[others].to_numpy().tolist()))), MOST_LINES) - 1) / 2)
            _draw(ax, at, part, scale, number, label, joined=bool(numeric))
        if not numeric:
            ax.set_xticks(range(len(names)), [wrapped(str(name), 22) for name in names])
        elif len(names) <= MOST_TICKS:
            ax.set_xticks(sorted(names))
        ax.set_xlabel(x)
        ax.set_ylabel(metric.replace("_", " ") + (f" ({unit})" if unit else ""))
        plain_numbers(ax)
        if others:
            ax.legend(loc="best", title=", ".join(others), fontsize=9.5, title_fontsize=10)
        ax.set_title(wrapped(finding(rows, sweep.paths), HEAD_WIDTH), loc="left")
    return ax


def _left_out(ax: Axes) -> str:
    return f"{MOST_LINES} of {ax.get_label()} lines drawn" if ax.get_label() else ""


def finding(rows: pd.DataFrame, paths: Sequence[str]) -> str:
    """Where a metric is lowest and where it is highest, if the intervals tell the two apart."""
    known = [row for row in rows.to_dict("records") if row["mean"] == row["mean"]]
    name = f"{_short(rows['component'].iloc[0])}, {rows['metric'].iloc[0].replace('_', ' ')}"
    unreached = sum(bool(row["censored"]) and row["mean"] != row["mean"] for row in rows.to_dict("records"))
    never = f"; not reached in {unreached} of {len(rows)} cells" if unreached else ""
    if not known:
        return f"{name}: no value in any cell" if not unreached else f"{name}{never.replace(';', ':')}"
    low, high = (pick(known, key=lambda row: row["mean"]) for pick in (min, max))
    if low["n"] == high["n"] == 1:
        return f"{name}: from {_cell(low, paths)} to {_cell(high, paths)} in one run{never}"
    if not low["ci_high"] < high["ci_low"]:
        both = f"{format_value(low['mean'], low['unit'])} to {format_value(high['mean'], high['unit'])}"
        return f"{name}: no clear difference ({both}){never}"
    return f"{name}: from {_cell(low, paths)} to {_cell(high, paths)}{never}"


def _cell(row: Mapping[Any, Any], paths: Sequence[str]) -> str:
    values = ", ".join(f"{path.rpartition('.')[2]} = {row[path]}" for path in paths)
    return f"{'≥ ' * bool(row['censored'])}{format_value(row['mean'], row['unit'])} ({values})"


def sweep_figures(sweep: Sweep) -> dict[str, Figure]:
    """A figure for each objective's metric, or for the headlines of each component where there are no objectives; a map
    too, with the objective's border, where two numbers are varied against each other."""
    figures = {}
    for component, metric in sweep.headlines:
        with styled():
            figure = Figure(figsize=(WIDTH, 5.2))
            ax = over_values(sweep, component, metric, ax=figure.add_subplot())
            figures[f"{component}.{metric}"] = _framed(sweep, ax, _left_out(ax))
            if _is_plane(sweep):
                figure = Figure(figsize=(WIDTH, 5.6))
                bound, (x, y) = _bound(sweep, component, metric), sweep.paths
                ax = heat_map(sweep, x, y, f"{component}:{metric}", bound, figure.add_subplot())
                figures[f"{component}.{metric}-map"] = _framed(sweep, ax, "?: not sure" if "?" in _texts(ax) else "")
    return figures


def _framed(sweep: Sweep, ax: Axes, note: str) -> Figure:
    """The title of the axes as head of their figure, and below them where the picture comes from."""
    figure, text = cast(Figure, ax.get_figure()), ax.get_title(loc="left")
    ax.set_title("", loc="left")
    head(figure, text)
    small_print(figure, *_origin(sweep), note)
    deepest = max((label.get_text().count("\n") for label in ax.get_xticklabels()), default=0)
    figure.subplots_adjust(0.085, 0.19 + 0.04 * deepest, 0.98, 0.9 - 0.05 * text.count("\n"))
    return figure


def _is_plane(sweep: Sweep) -> bool:
    """Whether two numbers are varied, each value of one with each of the other."""
    if len(sweep.paths) != 2:
        return False
    across, up = ({cell.values[path] for cell in sweep.cells if is_number(cell.values[path])} for path in sweep.paths)
    return len(across) > 1 and len(up) > 1 and len(across) * len(up) == len(sweep.cells)


def _bound(sweep: Sweep, component: str, metric: str) -> float | None:
    """Below what an objective wants the metric."""
    slos = sweep.cells[0].system.slos
    return next((slo.below for slo in slos if (slo.component, slo.metric) == (component, metric)), None)


def _texts(ax: Axes) -> str:
    return " ".join(text.get_text() for text in ax.texts)


def _origin(sweep: Sweep) -> Iterator[str]:
    result, runs = sweep.cells[0].result, sorted(set(sweep.runs))
    yield f"{sweep.name}, seed {result.seed}"
    if runs == [1]:
        yield "1 run a cell, without intervals"
    else:
        yield f"{'-'.join(map(str, dict.fromkeys((runs[0], runs[-1]))))} runs a cell, mean and 95 % interval"
    if sweep.summary["censored"].any():
        yield "hollow triangle: at least"
    yield f"edasim {result.version}"


def _is_numeric(column: Any) -> bool:
    from pandas.api.types import is_numeric_dtype

    return bool(is_numeric_dtype(column))


def _longest(sweep: Sweep, rows: pd.DataFrame) -> str:
    return max(sweep.paths, key=lambda path: (_is_numeric(rows[path]), rows[path].nunique()))


class _Unit(NamedTuple):
    name: str
    scale: float


def _unit(rows: pd.DataFrame) -> _Unit:
    unit = rows["unit"].iloc[0]
    if unit == "s":
        longest = float(np.nanmax(rows[["mean", "ci_high"]].to_numpy(dtype=float), initial=0.0))
        return _Unit("ms", 1e-3) if longest < 1 else _Unit(*time_scale(longest))
    return {"share": _Unit("%", 0.01), "1/s": _Unit("1/s", 1.0), "1/d": _Unit("1/d", 1.0)}.get(unit, _Unit("", 1.0))


def _lines(rows: pd.DataFrame, others: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    if not others:
        yield "", rows
        return
    for values, part in rows.groupby(others, sort=False):
        yield ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values), part


def _draw(ax: Axes, x: np.ndarray, part: pd.DataFrame, scale: float, number: int, label: str, joined: bool) -> None:
    """Means with their intervals; an arrow upwards from a lower bound."""
    order = np.argsort(x, kind="stable")
    mean, low, high, most = (part[name].to_numpy(dtype=float)[order] / scale for name in ("mean", "ci_low", "ci_high", "max"))
    bound = part["censored"].to_numpy(dtype=bool)[order]
    line = LINES[number]
    errors = np.nan_to_num(np.maximum([mean - np.maximum(low, 0), high - mean], 0))
    ax.errorbar(
        x[order], mean, errors, color=line.colour, linestyle=line.dashes if joined else "none",
        marker=MARKERS[number], markersize=6, capsize=3, label=label,
    )  # fmt: skip
    at_least = np.where(np.isnan(mean), most, mean)
    ax.plot(
        x[order][bound], at_least[bound], linestyle="none", marker="^", markersize=11, markerfacecolor="none", color=line.colour
    )


def _short(component: str) -> str:
    return component.partition(".")[2] or component
