"""Alerts in charts: thin black marks along the top of a panel while they fire, each with its name."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from experiments.lab.charts.findings import shortened
from experiments.lab.charts.style import BLACK, time_scale
from experiments.lab.charts.windows import grid
from simulator.results import Result

if TYPE_CHECKING:
    import pandas as pd

FAINTEST = 0.15
"""Opacity of a firing in one of many runs; where several fire at once they add up."""

SHORTEST = 1 / 500
"""Of the time axis, so that a short firing can still be seen."""


def mark_alerts(result: Result, component: str, metrics: Collection[str], ax: Axes) -> None:
    """Mark when alerts on these `metrics` of a group fired, in each run; nothing where none did."""
    found = result.alerts
    found = found[(found["component"] == component) & found["metric"].isin(list(metrics))]
    for row, (name, firings) in enumerate(found.groupby("alert", sort=False)):
        _mark(result, f"alert {shortened(str(name), 30)}", firings, 0.93 - 0.14 * row, ax)


def _mark(result: Result, label: str, firings: pd.DataFrame, height: float, ax: Axes) -> None:
    """Marks at a `height` of the panel (0 to 1), the label beside the first or the last, where there is room."""
    unit, last = time_scale(result.duration).seconds, float(grid(result)[-1])
    starts = firings["fired"].to_numpy(dtype=float)
    ends = firings["cleared"].fillna(last).to_numpy(dtype=float)
    ends = np.minimum(np.maximum(ends, starts + SHORTEST * last), last)
    marks = [[(start / unit, height), (end / unit, height)] for start, end in zip(starts, ends, strict=True)]
    where = ax.get_xaxis_transform()
    opacity = max(FAINTEST, 1 / result.runs)
    drawn = LineCollection(marks, linewidths=3.0, colors=BLACK.colour, alpha=opacity, transform=where, capstyle="butt")
    ax.add_collection(drawn, autolim=False)
    before = starts.min() > 0.3 * last or ends.max() > 0.7 * last
    at, side = (starts.min(), "right") if before else (ends.max(), "left")
    side = side if starts.min() > 0.15 * last or not before else "left"
    text = ax.text(at / unit, height, f" {label} ", transform=where, ha=side, va="center", fontsize=9)
    text.set_path_effects([withStroke(linewidth=3, foreground="white", alpha=0.8)])
