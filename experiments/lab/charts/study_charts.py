"""A trade-off between two metrics of a study, with intervals both ways, and axes on which 0 and powers of ten have a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

from experiments.lab.charts.studies import slide
from experiments.lab.charts.style import styled
from experiments.lab.charts.sweeps import LINES, MARKERS
from experiments.lab.charts.tidy import Array, Measured, longest, unit_of, with_unit
from simulator.units import format_number

if TYPE_CHECKING:
    import pandas as pd

WIDE = 50.0
"""Positive values that span such a factor are drawn in powers of ten."""


def plane(
    table: pd.DataFrame, x: str, y: str, by: str, labels: tuple[str, str], along: str = "", ax: Axes | None = None
) -> Axes:
    """Metric `y` against metric `x`; rows with the same value of `by` have one colour and are joined, in their order.

    `labels`: of both axes. `along`: a column that is written beside the points of the first value of `by`.
    """
    across = Measured.of(table, x)
    up = across.like(table, y)
    with styled():
        ax = ax or slide("")[1][0]
        (x_unit, wide), (y_unit, tall) = (unit_of(each.unit, longest(each.mean)) for each in (across, up))
        names = list(dict.fromkeys(across.rows[by]))
        for number, name in enumerate(names):
            mine = (across.rows[by] == name).to_numpy()
            line, marker = LINES[number % len(LINES)], MARKERS[number % len(MARKERS)]
            ax.errorbar(
                across.mean[mine] / wide, up.mean[mine] / tall, up.errors[:, mine] / tall, across.errors[:, mine] / wide,
                color=line.colour, linestyle=line.dashes, linewidth=1.2, marker=marker, markersize=8, capsize=3, label=name,
            )  # fmt: skip
        for place in np.flatnonzero((across.rows[by] == names[0]).to_numpy()) if along else ():
            where = across.mean[place] / wide, up.mean[place] / tall
            ax.annotate(f"{across.rows[along][place]:g}", where, (6, 5), textcoords="offset points", fontsize=10.5)
        reach(ax, "x", across.mean / wide, across.errors[1] / wide)
        reach(ax, "y", up.mean / tall, up.errors[1] / tall)
        ax.set_xlabel(with_unit(labels[0], x_unit))
        ax.set_ylabel(with_unit(labels[1], y_unit))
        ax.legend(loc="upper right")
    return ax


def reach(ax: Axes, which: Literal["x", "y"], values: Array, above: Array) -> None:
    """An axis from 0 to the highest of the values with what is `above` them; in powers of ten where they differ widely."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    positive, most = values[values > 0], longest(values + above) or 1.0
    low, high = -0.03 * most, 1.1 * most
    if len(positive) and positive.max() > WIDE * positive.min():
        least = 10.0 ** float(np.floor(np.log10(positive.min())))
        (ax.set_xscale if which == "x" else ax.set_yscale)("symlog", linthresh=least, linscale=0.6)
        axis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=least))
        low, high = -0.25 * least, 2 * most
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))
    (ax.set_xlim if which == "x" else ax.set_ylim)(low, high)
