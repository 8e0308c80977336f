"""One metric of a tidy table: a row per combination of the varied values, with its interval, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter

from experiments.lab.charts.findings import shortened
from experiments.lab.charts.style import plain_numbers, time_scale
from models.metrics import metrics_of
from simulator.units import format_number, format_value

if TYPE_CHECKING:
    import pandas as pd

WIDE = 30.0
"""Positive values that span such a factor are drawn by their logarithm."""

ARROW = Path([(0, 0), (0, 1), (-0.14, 0.78), (0, 1), (0.14, 0.78)], [Path.MOVETO, *4 * [Path.LINETO]])
"""From the point that it marks upwards."""

Array = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Measured:
    """A quantity by combination of the varied values (`rows`, a table of these alone): `mean` and bounds, shape (n,).

    `label`: what it is called on an axis. Bounds are nan where there are none.
    """

    label: str
    unit: str
    rows: pd.DataFrame
    mean: Array
    low: Array
    high: Array
    censored: Chosen

    @classmethod
    def of(cls, source: Any, metric: str) -> Measured:
        """`metric` ("component:metric", or the bare name where one component has it) of a table or of a sweep.

        Raises KeyError where there is none, ValueError where the name is not enough.
        """
        frame: pd.DataFrame = getattr(source, "summary", source)
        component, _, name = metric.rpartition(":")
        found = frame[(frame["metric"] == name) & ((frame["component"] == component) | (not component))]
        owners = found["component"].unique()
        if not len(owners):
            raise KeyError(f"no metric {metric}; there are: {', '.join(frame['metric'].unique())}")
        if len(owners) > 1:
            raise ValueError(f"{metric} is measured of {', '.join(owners)}; say of which: {owners[0]}:{name}")
        unit = found["unit"].iloc[0] if "unit" in found else metrics_of(owners[0]).get(name, "1")
        varied = list(frame.columns[: frame.columns.get_loc("component")])
        mean, low, high = (found[column].to_numpy(dtype=float) for column in ("mean", "ci_low", "ci_high"))
        censored = found["censored"].to_numpy(dtype=bool) if "censored" in found else np.zeros(len(mean), dtype=bool)
        if "median" in found:  # where no run came to an end, what is known is that it is more than this
            mean = np.where(np.isnan(mean) & censored, found["median"].to_numpy(dtype=float), mean)
        label = f"{shortened(owners[0].partition('.')[2] or owners[0])} {name}"
        return cls(label, unit, found[varied].reset_index(drop=True), mean, low, high, censored)

    def like(self, source: Any, name: str) -> Measured:
        """Another metric, or a varied column, of the same combinations in the same order."""
        if name in self.rows:
            values = self.column(name)
            return Measured(name, "1", self.rows, values, values, values, np.zeros(len(values), dtype=bool))
        other = Measured.of(source, name)
        if not other.rows.equals(self.rows):
            raise ValueError(f"{name} is not measured of the same combinations as {self.label}")
        return other

    def column(self, name: str) -> Array:
        """A varied column as numbers. Raises KeyError with those that exist."""
        if name not in self.rows:
            raise KeyError(f"no column {name}; varied are: {', '.join(map(str, self.rows))}")
        return self.rows[name].to_numpy(dtype=float)

    @property
    def errors(self) -> Array:
        """Distances of the bounds from the mean, shape (2, n), 0 where there is no bound."""
        return distances(self.mean, self.low, self.high)

    @property
    def names(self) -> list[str]:
        """Each combination by what differs: "instances 4, rate 100"."""
        differing = [str(column) for column in self.rows if self.rows[column].nunique() > 1]
        return [
            ", ".join(f"{column.rpartition('.')[2]} {_plain(row[column])}" for column in differing)
            for row in self.rows.to_dict("records")
        ]

    def told(self, place: int) -> str:
        """The mean of one combination for people."""
        return f"{'≥ ' * bool(self.censored[place])}{format_value(float(self.mean[place]), self.unit)}"

    def points(
        self, ax: Axes, x: Array, chosen: Chosen, scale: float, style: tuple[str, str, str], sideways: Array | None = None
    ) -> None:
        """The chosen combinations at `x` with their intervals, in units of `scale`; lower bounds as arrows up.

        `style`: colour, marker and label; `sideways`: errors along x, shape (2, n).
        """
        colour, marker, label = style
        known = chosen & np.isfinite(self.mean)
        if not known.any():
            return
        across = None if sideways is None else sideways[:, known]
        ax.errorbar(
            x[known], self.mean[known] / scale, self.errors[:, known] / scale, across, linestyle="none",
            color=colour, marker=marker, markersize=7, capsize=3, label=label,
        )  # fmt: skip
        for place in np.flatnonzero(known & self.censored):
            arrow_up(ax, float(x[place]), float(self.mean[place] / scale), colour)


def distances(mean: Array, low: Array, high: Array) -> Array:
    """From a mean to its bounds, shape (2, n): not below 0, and 0 where there is no bound."""
    return np.nan_to_num(np.maximum(np.vstack([mean - np.where(low < 0, np.minimum(mean, 0.0), low), high - mean]), 0.0))


def arrow_up(ax: Axes, x: float, y: float, colour: str) -> None:
    """Marks a point as a lower bound."""
    ax.plot([x], [y], color=colour, marker=ARROW, markersize=48, markerfacecolor="none", markeredgewidth=1.6, zorder=3)


def value_axis(ax: Axes, values: Sequence[float] | Array, least: float = 0.0) -> None:
    """From 0; in powers of ten where the positive values differ widely, from half the smallest, or half of `least`."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known) & (known > 0)]
    if len(known) and known.max() > WIDE * known.min():
        ax.set_yscale("log")
        ax.set_ylim(max(known.min(), least) / 2, known.max() * 2.5)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))
    else:
        plain_numbers(ax)
        ax.set_ylim(0, 1.15 * known.max() if len(known) else 1.0)


def unit_of(unit: str, largest: float) -> tuple[str, float]:
    """The unit in which values up to `largest` are drawn, "" for plain numbers, and its size."""
    if unit == "s":
        scale = time_scale(largest)
        return ("ms", 1e-3) if 0 < largest < 1 else (scale.name, scale.seconds)
    return {"share": ("%", 0.01), "1/s": ("1/s", 1.0), "1/d": ("1/d", 1.0)}.get(unit, ("", 1.0))


def with_unit(label: str, unit: str) -> str:
    """The label of an axis."""
    return f"{label} ({unit})" if unit else label


def longest(values: Sequence[float] | Array) -> float:
    """The largest finite value, 0 where there is none."""
    found = np.asarray(values, dtype=float)
    return float(np.max(found[np.isfinite(found)], initial=0.0))


def _plain(value: Any) -> str:
    return f"{value:,g}" if isinstance(value, int | float) else str(value)
