"""What the charts of a run share: a panel over time, lines with bands, panels on one time axis under a strip of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.lab.charts.fault_marks import fault_strip, shade
from experiments.lab.charts.findings import runs_of
from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import Line, median_and_band, plain_numbers, styled, time_axis, time_scale, wrapped
from experiments.lab.charts.windows import fault_times, grid
from simulator.results import Result

STRIP_ROWS = 5
"""Faults named above a figure; those beyond are shaded and not named."""


@contextmanager
def panel(result: Result, ax: Axes | None) -> Iterator[Axes]:
    """Axes for one chart, with what all share: time axis, shaded faults, numbers from 0, a legend above the plot."""
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 4.5), layout="constrained").add_subplot()
        yield ax
        shade(result, ax)
        time_axis(ax, time_scale(result.duration), float(grid(result)[-1]))
        plain_numbers(ax)
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=4, borderaxespad=0.2, columnspacing=1.2)


def line(result: Result, component: str, metric: str, ax: Axes, line: Line, label: str, unit: float = 1.0) -> None:
    """One series over time in multiples of `unit`; nothing where it was not recorded."""
    runs = runs_of(result, component, metric)
    if runs is not None:
        median_and_band(ax, grid(result) / time_scale(result.duration).seconds, runs / unit, line, label)


def stacked(result: Result, finding: str, charts: Sequence[tuple[Callable[[Axes], str], float]]) -> Figure:
    """Panels on a shared time axis under the finding and a strip of the faults; each is drawn by its function, which returns
    what it shows, on axes of that height (inches)."""
    known = fault_times(result)
    faults = known[:STRIP_ROWS]
    text = wrapped(finding, HEAD_WIDTH)
    with styled():
        figure, strip, panels = _stack(text.count("\n") + 1, len(faults), [height for _, height in charts])
        for (draw, _), ax in zip(charts, panels, strict=True):
            shown = draw(ax)
            ax.set_title(shown, loc="left", pad=4, fontsize=11.5)
        for ax in panels[:-1]:
            ax.tick_params(labelbottom=False)
            ax.set_xlabel("")
        figure.align_ylabels(panels)
        fault_strip(result, faults, strip)
        head(figure, text)
        origin(figure, result, f"{len(faults)} of {len(known)} faults named" if len(known) > len(faults) else "")
    return figure


def _stack(head_lines: int, strip_rows: int, heights: Sequence[float]) -> tuple[Figure, Axes, list[Axes]]:
    """A strip for `strip_rows` faults, and under it panels of `heights` (inches) that share its time axis."""
    top, gap, bottom = 0.25 + 0.29 * head_lines, 0.33, 0.85
    sizes = [max(0.24 * strip_rows, 0.02), *heights]
    height = top + sum(sizes) + gap * len(heights) + bottom
    figure = Figure(figsize=(WIDTH, height))
    axes: list[Axes] = []
    edge = height - top
    for size in sizes:
        edge -= size
        axes.append(figure.add_axes((0.09, edge / height, 0.835, size / height), sharex=axes[0] if axes else None))
        edge -= gap
    return figure, axes[0], axes[1:]


def one_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for panels that show the same quantities."""
    handles: dict[str, Artist] = {}
    for ax in panels:
        artists, texts = ax.get_legend_handles_labels()
        handles |= dict(zip(texts, artists, strict=True))
        legend = ax.get_legend()
        if legend is not None:
            legend.remove()
    place = (0.01, 0.24 / figure.get_figheight())
    figure.legend(list(handles.values()), list(handles), loc="lower left", bbox_to_anchor=place, ncols=2)


def origin(figure: Figure, result: Result, note: str = "") -> None:
    """Where the picture comes from and how to read it."""
    runs = f"median of {result.runs} runs, band 10-90 %" if result.runs > 1 else "1 run"
    shaded = "orange: fault" if any(fault.common for fault in fault_times(result)) else ""
    warmup = "hatched: warm-up" if result.warmup > 0 else ""
    alerts = "black marks: alerts firing" if len(result.alerts) else ""
    parts = [f"{result.name}, seed {result.seed}", runs, shaded, alerts, warmup, note, f"edasim {result.version}"]
    small_print(figure, *parts)
