"""Charts of a run: each takes a result, a consumer group and axes, and returns the axes.

Lines are the median over replications, bands reach from 10 to 90 %. Faults at the same times in every run are shaded.
A group is named `payment` or `consumers.payment`; ValueError names those that exist.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.lab.charts import findings
from experiments.lab.charts.fault_marks import fault_strip, shade
from experiments.lab.charts.findings import runs_of, shortened
from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import (
    BLACK,
    BLUE,
    GREEN,
    PURPLE,
    VERMILLION,
    Line,
    median_and_band,
    plain_numbers,
    styled,
    time_axis,
    time_scale,
    wrapped,
)
from experiments.lab.charts.windows import fault_times, grid
from simulator.results import Result

STRIP_ROWS = 5
"""Faults named above a figure; those beyond are shaded and not named."""


def groups(result: Result) -> list[str]:
    """The paths of the consumer groups whose course was recorded: `consumers.payment`, ..."""
    keys = result.measurements[0].series
    return list(dict.fromkeys(component for component, _ in keys if component.startswith("consumers.")))


def throughput(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Events per second that become available to the group, and first effects per second."""
    with _panel(result, group, ax) as (component, ax):
        _line(result, component, "arrivals", ax, BLACK, "arriving")
        _line(result, component, "throughput", ax, BLUE, "processed")
        ax.set_ylabel("events/s")
        _title(ax, component, findings.throughput_finding(result, component))
    return ax


def lag(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Events that are available to the group and not finished; of these, the ones that wait in a delay."""
    with _panel(result, group, ax) as (component, ax):
        _line(result, component, "lag", ax, BLUE, "not finished")
        waiting = runs_of(result, component, "lag_waiting")
        if waiting is not None and waiting.any():
            _line(result, component, "lag_waiting", ax, VERMILLION, "of these in a delay")
        ax.set_ylabel("lag (events)")
        _title(ax, component, findings.lag_finding(result, component))
    return ax


def age(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Age of the oldest unfinished event since it became available."""
    with _panel(result, group, ax) as (component, ax):
        oldest = runs_of(result, component, "lag_seconds")
        scale = time_scale(0.0 if oldest is None else float(oldest.max()))
        _line(result, component, "lag_seconds", ax, BLUE, "oldest event", scale.seconds)
        ax.set_ylabel(f"age ({scale.name})")
        _title(ax, component, findings.age_finding(result, component))
    return ax


def attempts(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Attempts and failed attempts per second; dead letters at rest, where there are any, on a scale of their own."""
    with _panel(result, group, ax) as (component, ax):
        _line(result, component, "attempts", ax, BLUE, "attempts")
        _line(result, component, "failures", ax, VERMILLION, "failed")
        dead = runs_of(result, component, "dead_letters")
        if dead is not None and dead.any():
            right = ax.twinx()
            _line(result, component, "dead_letters", right, PURPLE, "")
            right.set_ylabel("dead letters")
            right.grid(False)
            right.spines["right"].set_visible(True)
            plain_numbers(right)
            ax.plot([], [], color=PURPLE.colour, linestyle=PURPLE.dashes, label="dead letters (right)")
        ax.set_ylabel("attempts/s")
        _title(ax, component, findings.attempts_finding(result, component))
    return ax


def breaker(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Share of the instances whose breaker is open; ValueError for a group without a breaker."""
    with _panel(result, group, ax) as (component, ax):
        if runs_of(result, component, "breaker_open") is None:
            raise ValueError(f"{component} has no breaker")
        _line(result, component, "breaker_open", ax, GREEN, "breaker open", 0.01)
        ax.set_ylabel("instances (%)")
        ax.set_ylim(top=105)
        _title(ax, component, findings.breaker_finding(result, component))
    return ax


def group_figure(result: Result, group: str) -> Figure:
    """Everything about one group on a shared time axis: throughput, lag, age, attempts and, where set, its breaker."""
    component = _component(result, group)
    charts = [throughput, lag, age, attempts]
    if runs_of(result, component, "breaker_open") is not None:
        charts.append(breaker)
    known = fault_times(result)
    faults = known[:STRIP_ROWS]
    finding = wrapped(f"{_short(component)}: {findings.lag_finding(result, component)}", HEAD_WIDTH)
    with styled():
        heights = [1.4 if chart is lag else 0.9 for chart in charts]
        figure, strip, panels = _stack(finding.count("\n") + 1, len(faults), heights)
        for chart, ax in zip(charts, panels, strict=True):
            chart(result, component, ax)
            ax.set_title("" if chart is lag else _finding(ax, component), loc="left", pad=4, fontsize=11.5)
        for ax in panels[:-1]:
            ax.tick_params(labelbottom=False)
            ax.set_xlabel("")
        figure.align_ylabels(panels)
        fault_strip(result, faults, strip)
        head(figure, finding)
        _small_print(figure, result, f"{len(faults)} of {len(known)} faults named" if len(known) > len(faults) else "")
    return figure


def overview(result: Result) -> Figure:
    """The lag of every group side by side, each on its own scale."""
    found = groups(result)
    columns = math.ceil(math.sqrt(len(found)))
    rows = math.ceil(len(found) / columns)
    with styled():
        finding = wrapped(findings.overview_finding(result, found), HEAD_WIDTH)
        figure = Figure(figsize=(WIDTH, 2.3 + 2.6 * rows))
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for component, ax in zip(found, panels.flat, strict=False):
            lag(result, component, ax)
            text = f"{_short(component)}: {_finding(ax, component)}"
            ax.set_title(wrapped(text, 108 // columns), loc="left", pad=5, fontsize=11)
        for ax in panels.flat[len(found) :]:
            ax.set_axis_off()
        for ax in panels[:, 1:].flat:
            ax.set_ylabel("")
        for ax in panels[:-1].flat:
            ax.set_xlabel("")
        _one_legend(figure, list(panels.flat[: len(found)]))
        head(figure, finding)
        _small_print(figure, result, "each group on its own scale")
        height, top = figure.get_figheight(), 0.8 + 0.29 * finding.count("\n") + 0.2 * columns
        figure.subplots_adjust(0.085, 1.2 / height, 0.98, 1 - top / height, 0.2, 0.42)
    return figure


def figures(result: Result) -> dict[str, Figure]:
    """Every figure of `result` by name: `overview` and one per group."""
    found = groups(result)
    drawn = {"overview": overview(result)} if found else {}
    return drawn | {component: group_figure(result, component) for component in found}


@contextmanager
def _panel(result: Result, group: str, ax: Axes | None) -> Iterator[tuple[str, Axes]]:
    """Axes for one chart, with what all share: time axis, shaded faults, numbers from 0, a legend above the plot."""
    component = _component(result, group)
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 4.5), layout="constrained").add_subplot()
        yield component, ax
        shade(result, ax)
        time_axis(ax, time_scale(result.duration), float(grid(result)[-1]))
        plain_numbers(ax)
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=3, borderaxespad=0.2, columnspacing=1.2)


def _component(result: Result, group: str) -> str:
    path = group if group.startswith("consumers.") else f"consumers.{group}"
    if path not in groups(result):
        raise ValueError(f"no consumer group {group!r}; there are: {', '.join(groups(result)) or 'none'}")
    return path


def _short(component: str) -> str:
    return shortened(component.removeprefix("consumers."))


def _title(ax: Axes, component: str, finding: str) -> None:
    ax.set_title(wrapped(f"{_short(component)}: {finding}", 92), loc="left", pad=24)


def _finding(ax: Axes, component: str) -> str:
    """The finding in a title that `_title` set."""
    return ax.get_title(loc="left").replace("\n", " ").removeprefix(f"{_short(component)}: ")


def _line(result: Result, component: str, metric: str, ax: Axes, line: Line, label: str, unit: float = 1.0) -> None:
    """One series over time in multiples of `unit`; nothing where it was not recorded."""
    runs = runs_of(result, component, metric)
    if runs is not None:
        median_and_band(ax, grid(result) / time_scale(result.duration).seconds, runs / unit, line, label)


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


def _one_legend(figure: Figure, panels: Sequence[Axes]) -> None:
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


def _small_print(figure: Figure, result: Result, note: str = "") -> None:
    """Where the picture comes from and how to read it."""
    runs = f"median of {result.runs} runs, band 10-90 %" if result.runs > 1 else "1 run"
    shaded = "orange: fault" if any(fault.common for fault in fault_times(result)) else ""
    warmup = "hatched: warm-up" if result.warmup > 0 else ""
    parts = [f"{result.name}, seed {result.seed}", runs, shaded, warmup, note, f"edasim {result.version}"]
    small_print(figure, *parts)
