"""Faults in charts: shaded where they hit every run, and a named strip above a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from experiments.lab.charts.findings import shortened
from experiments.lab.charts.style import FAULT, time_scale
from experiments.lab.charts.windows import FaultTimes, fault_times, grid
from simulator.results import Result

NAME_WIDTH = 0.45
"""Of a row, that the name of a random fault takes."""


def shade(result: Result, ax: Axes) -> None:
    """Shade the windows that every run shares, and hatch the warm-up."""
    unit = time_scale(result.duration).seconds
    for fault in fault_times(result):
        for start, end in fault.common:
            ax.axvspan(start / unit, end / unit, color=FAULT, alpha=0.2, linewidth=0)
    if result.warmup > 0:
        ax.axvspan(0, result.warmup / unit, facecolor="none", edgecolor="#DDDDDD", hatch="///", linewidth=0)


def fault_strip(result: Result, faults: Sequence[FaultTimes], ax: Axes) -> None:
    """A row per fault: bars where it is active in every run, grey by the share of runs where it comes at random."""
    unit, times = time_scale(result.duration).seconds, grid(result)
    ax.set_axis_off()
    ax.set_ylim(max(len(faults), 1), 0)
    for row, fault in enumerate(faults):
        label = shortened(fault.name, 60)
        if fault.random:
            edges, most = np.append(times, 2 * times[-1] - times[-2]) / unit, float(fault.share.max())
            ax.pcolormesh(edges, [row + 0.1, row + 0.9], fault.share[None, :], cmap="Greys", vmin=0, vmax=2 * most)
            label = f"{label} (random, darkest: in {most:.0%} of the runs)"
        for start, end in fault.common:
            ax.barh(row + 0.5, (end - start) / unit, left=start / unit, height=0.8, color=FAULT)
        at, side = (_quiet(fault.share, times), "left") if fault.random else _label_place(fault, float(times[-1]))
        text = ax.text(at / unit, row + 0.5, f" {label} ", ha=side, va="center", fontsize=10.5)
        text.set_path_effects([withStroke(linewidth=3, foreground="white", alpha=0.8)])


def _quiet(share: np.ndarray, times: np.ndarray) -> float:
    """Where a name on a row of random faults hides the least of them. Seconds."""
    width = int(NAME_WIDTH * len(share))
    return float(times[np.convolve(share, np.ones(width), "valid").argmin()])


def _label_place(fault: FaultTimes, end: float) -> tuple[float, Literal["left", "right"]]:
    """Where the name of a fault has room: after its last bar, before its first, else over the row. Seconds."""
    if fault.common and fault.common[-1][1] < 0.6 * end:
        return fault.common[-1][1], "left"
    if fault.common and fault.common[0][0] > 0.4 * end:
        return fault.common[0][0], "right"
    return 0.0, "left"
