"""Charts of the studies: values by name, curves with intervals, and a map of states, each a panel of a slide.

Tables are tidy: what was varied as columns, then component, metric, unit, mean, ci_low, ci_high, censored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import BLUE, plain_numbers, styled, wrapped
from experiments.lab.charts.sweeps import LINES, MARKERS
from experiments.lab.charts.tidy import Measured, longest, unit_of, with_unit

if TYPE_CHECKING:
    import pandas as pd

STATES: Mapping[str, tuple[str, str, str]] = {
    "recovers": ("R", "#E8F1F7", ""),
    "vulnerable": ("V", "#E69F00", "///"),
    "collapsed": ("C", "#3A3A3A", ""),
}
"""Letter, colour and hatching of each state, from light to dark."""


def slide(finding: str, *small: str, panels: int = 1, height: float = 5.2, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with room for `panels` beside each other below the finding and above the small print."""
    with styled():
        figure = Figure(figsize=(WIDTH, height))
        text = wrapped(finding, HEAD_WIDTH)
        bottom, top = 0.4 / height, 1 - (0.45 + 0.25 * text.count("\n")) / height
        figure.set_layout_engine("constrained", rect=(0.005, bottom, 0.99, top - bottom))
        axes = figure.subplots(1, panels, sharey=sharey, squeeze=False)[0]
        head(figure, text)
        small_print(figure, *small)
    return figure, list(axes)


def by_name(table: pd.DataFrame, metric: str, names: str, label: str = "", ax: Axes | None = None) -> Axes:
    """A metric of each name, the first above, with its interval; the value beside it, "≥" where it is a lower bound."""
    measured = Measured.of(table, metric)
    with styled():
        ax = ax or slide("")[1][0]
        unit, scale = unit_of(measured.unit, longest(measured.high) or longest(measured.mean))
        known = np.isfinite(measured.mean)
        rows = np.arange(len(measured.mean))[::-1]
        ax.errorbar(
            measured.mean[known] / scale, rows[known], xerr=measured.errors[:, known] / scale,
            linestyle="none", marker="o", markersize=7, capsize=3, color=BLUE.colour,
        )  # fmt: skip
        ax.set_yticks(rows, list(measured.rows[names]))
        ax.set_ylim(-0.6, len(rows) - 0.4)
        most = max(longest(measured.high), longest(measured.mean), 1e-9) / scale
        ax.set_xlim(-0.04 * most, 1.5 * most)
        for place, row in enumerate(rows):
            reach = np.nanmax([measured.mean[place], measured.high[place], 0.0]) / scale
            text = (
                f"{'≥ ' * bool(measured.censored[place])}{measured.mean[place] / scale:.3g}" if known[place] else "mostly never"
            )
            ax.annotate(text, (reach, row), (7, 0), textcoords="offset points", va="center", fontsize=10.5)
        ax.locator_params(axis="x", nbins=4)
        ax.set_xlabel(with_unit(label or metric, unit))
        ax.grid(False, axis="y")
    return ax


def curves(table: pd.DataFrame, metric: str, x: str, by: str, label: str = "", ax: Axes | None = None) -> Axes:
    """A metric against the number `x`, a line with intervals for each value of `by`; open triangles are lower bounds."""
    measured = Measured.of(table, metric)
    with styled():
        ax = ax or slide("")[1][0]
        unit, scale = unit_of(measured.unit, longest(measured.mean))
        at = measured.column(x)
        for number, name in enumerate(dict.fromkeys(measured.rows[by])):
            mine = (measured.rows[by] == name).to_numpy()
            line, marker = LINES[number % len(LINES)], MARKERS[number % len(MARKERS)]
            ax.errorbar(
                at[mine], measured.mean[mine] / scale, measured.errors[:, mine] / scale, capsize=3, markersize=6,
                color=line.colour, linestyle=line.dashes, marker=marker, label=str(name),
            )  # fmt: skip
            bound = mine & measured.censored
            if bound.any():
                ax.plot(
                    at[bound], measured.mean[bound] / scale, linestyle="none", marker="^", markersize=11,
                    markerfacecolor="none", color=line.colour,
                )  # fmt: skip
        plain_numbers(ax)
        if ax.dataLim.y1 > 0:
            ax.set_ylim(0, 1.05 * ax.dataLim.y1)
        ax.set_xlabel(x)
        ax.set_ylabel(with_unit(label or metric, unit))
    return ax


def states(table: pd.DataFrame, x: str, y: str, ax: Axes | None = None, axis_labels: tuple[str, str] = ("", "")) -> Axes:
    """The column `state` at each pair of the values of `x` and `y`: a letter, a colour and a hatching each."""
    with styled():
        ax = ax or slide("")[1][0]
        columns, rows = (list(dict.fromkeys(table[name])) for name in (x, y))
        for row in table.to_dict("records"):
            _state(ax, columns.index(row[x]), rows.index(row[y]), row)
        ax.set_xlim(-0.5, len(columns) - 0.5)
        ax.set_ylim(-0.5, len(rows) - 0.5)
        ax.set_xticks(range(len(columns)), [_plain(value) for value in columns])
        ax.set_yticks(range(len(rows)), [_plain(value) for value in rows])
        ax.set_xlabel(axis_labels[0] or x)
        ax.set_ylabel(axis_labels[1] or y)
        ax.grid(False)
    return ax


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _state(ax: Axes, column: int, row: int, cell: Mapping[Any, Any]) -> None:
    letter, colour, hatch = STATES[cell["state"]]
    box = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, hatch=hatch, edgecolor="white", linewidth=1.5)
    ax.add_patch(box)
    white = cell["state"] == "collapsed"
    background = {"facecolor": colour, "edgecolor": "none", "pad": 1.5} if hatch else None
    ax.text(
        column, row, letter, ha="center", va="center", fontsize=12, fontweight="bold", bbox=background,
        color="white" if white else "black",
    )  # fmt: skip


def legend_below(figure: Figure, ax: Axes, columns: int, title: str = "") -> None:
    """The lines of `ax`, a panel of a `slide`, named once for all panels, under them; `title` is put before each name."""
    with styled():
        handles, labels = ax.get_legend_handles_labels()
        if title:
            labels = [f"{title} {label}" for label in labels]
        height, engine = figure.get_figheight(), figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)
        legend = figure.legend(handles, labels, loc="lower center", ncols=columns, bbox_to_anchor=(0.5, 0.28 / height))
        legend.set_in_layout(False)
        left, bottom, width, tall = engine.get()["rect"]
        engine.set(rect=(left, bottom + 0.32 / height, width, tall - 0.32 / height))


def first_words(names: Sequence[str], longest_list: int = 4) -> str:
    """Names in a sentence: "a, b and c"; of many the first, and how many more."""
    shown = list(names[:longest_list])
    if len(names) > longest_list:
        return f"{', '.join(shown)} and {len(names) - longest_list} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else "none"
