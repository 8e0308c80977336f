"""The look of the charts: colours that colour-blind readers tell apart, line styles that survive grey, time axes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator


class Line(NamedTuple):
    """How one quantity is drawn everywhere: a colour of Okabe and Ito (2008) and a dash pattern of its own."""

    colour: str
    dashes: str | tuple[float, tuple[float, ...]]


BLUE = Line("#0072B2", "-")
BLACK = Line("#222222", (0, (1.2, 1.2)))
VERMILLION = Line("#D55E00", (0, (5, 1.5)))
PURPLE = Line("#CC79A7", (0, (6, 1.5, 1, 1.5)))
GREEN = Line("#009E73", "-")
FAULT = "#E69F00"

SETTINGS = {
    "font.size": 12.0,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 12.0,
    "axes.labelsize": 11.0,
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.6,
    "savefig.dpi": 160.0,
}


@contextmanager
def styled() -> Iterator[None]:
    """The settings above while something is drawn or saved; what the caller had is restored."""
    with rc_context(SETTINGS):  # type: ignore[arg-type]
        yield


class Scale(NamedTuple):
    """A unit of time for an axis: its name and its length in seconds."""

    name: str
    seconds: float


def time_scale(longest: float) -> Scale:
    """The unit in which `longest` (seconds) is a number that people read easily."""
    for scale, until in ((Scale("s", 1.0), 180.0), (Scale("min", 60.0), 3 * 3600.0), (Scale("h", 3600.0), 4 * 86400.0)):
        if longest <= until:
            return scale
    return Scale("d", 86400.0)


def median_and_band(ax: Axes, x: npt.NDArray[np.float64], runs: npt.NDArray[np.float64], line: Line, label: str) -> None:
    """The median of the runs, shape (runs, points), and where there are several the band from 10 to 90 %."""
    if len(runs) > 1:
        low, high = np.percentile(runs, [10, 90], axis=0)
        ax.fill_between(x, low, high, color=line.colour, alpha=0.25, linewidth=0)
    ax.plot(x, np.median(runs, axis=0), color=line.colour, linestyle=line.dashes, label=label)


def plain_numbers(ax: Axes) -> None:
    """The y axis from 0, few ticks, thousands separated, room for a bare zero line."""
    ax.set_ylim(0, None if ax.dataLim.y1 > 0 else 1)
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}"))


def time_axis(ax: Axes, scale: Scale, end: float) -> None:
    """The x axis from 0 to `end` seconds in units of `scale`."""
    ax.set_xlim(0, end / scale.seconds)
    ax.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 3, 6, 10] if scale.name == "h" else [1, 2, 5, 10]))
    ax.set_xlabel(f"simulated time ({scale.name})")


def wrapped(text: str, width: int) -> str:
    """`text` in lines of at most `width` characters; a number stays with its unit."""
    glued = re.sub(r"(\d) (\w+|%)(?= |$|[.,;)])", "\\1\u00a0\\2", text)
    return "\n".join(textwrap.wrap(glued, width)).replace("\u00a0", " ")
