"""Charts of a comparison: by how much systems differ, their lag over time, and what recovery costs in load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from experiments.lab.charts.comparison_findings import both_known, difference_finding, label, trade_off_finding, verdicts_told
from experiments.lab.charts.fault_marks import shade
from experiments.lab.charts.findings import runs_of
from experiments.lab.charts.page import HEAD_WIDTH
from experiments.lab.charts.run import groups
from experiments.lab.charts.style import (
    BLACK,
    BLUE,
    GREEN,
    PURPLE,
    VERMILLION,
    Line,
    plain_numbers,
    styled,
    time_axis,
    time_scale,
    wrapped,
)
from experiments.lab.charts.windows import grid
from experiments.lab.comparison import Comparison, Difference, Verdict
from simulator.results import Result

WIDTH, HEIGHT = 11.5, 4.8
MARGIN = 0.05
"""Of the baseline's mean, within which a difference does not matter."""

LINES = (
    BLACK, BLUE, VERMILLION, GREEN, PURPLE,
    Line("#56B4E9", (0, (3, 1, 1, 1, 1, 1))), Line("#E69F00", (0, (8, 2))), Line("#8C564B", (0, (2, 2, 6, 2))),
)  # fmt: skip
MARKS: dict[Verdict, tuple[str, str]] = {
    "better": (GREEN.colour, "o"),
    "worse": (VERMILLION.colour, "s"),
    "differs": (BLUE.colour, "^"),
    "same": ("#666666", "D"),
    "undecided": ("#666666", "o"),
}
"""Colour and marker of each verdict; that of an undecided one is hollow."""

SYMBOLS = "osD^vPX*"


class Scale(NamedTuple):
    """How the values of a metric are written on an axis: a unit, "" for numbers, and its size in the metric's own."""

    name: str
    size: float

    @property
    def suffix(self) -> str:
        return f" ({self.name})" if self.name else ""


def scale_of(unit: str, longest: float) -> Scale:
    """The scale on which `longest` reads easily."""
    if unit == "s":
        return Scale("ms", 1e-3) if longest < 1 else Scale(*time_scale(longest))
    return {"share": Scale("%", 0.01), "1/s": Scale("1/s", 1.0), "1/d": Scale("1/d", 1.0)}.get(unit, Scale("", 1.0))


def differences(comparison: Comparison, metric: str, ax: Axes | None = None) -> Axes:
    """Each alternative's difference in one metric ("component:metric") with its 95 % interval.

    Grey: within 5 % of the baseline's mean. KeyError, with near names, for a metric that was not measured.
    """
    rows = comparison.of(metric)
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 1.8 + 0.42 * len(rows)), layout="constrained").add_subplot()
        scale, (left, right) = _extent(rows)
        ax.set_xlim(left, right)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.axvline(0, color="#222222", linewidth=1)
        for place, row in enumerate(rows):
            _equivalence(ax, row, place, scale.size)
            _difference(ax, row, place, scale.size, right - left)
        ax.set_yticks(range(len(rows)), [label(comparison, row.name) for row in rows])
        ax.grid(visible=False, axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set_xlabel(f"difference in {rows[0].metric}{scale.suffix}")
        ax.set_title(wrapped(difference_finding(comparison, metric), HEAD_WIDTH), loc="left")
    return ax


def _extent(rows: Sequence[Difference]) -> tuple[Scale, tuple[float, float]]:
    """The scale of the axis, and from where to where on it."""
    bands = [MARGIN * abs(row.baseline_mean) for row in rows]
    ends = [0.0, *bands, *(-band for band in bands)]
    ends += [end for row in rows for end in (row.difference, row.ci_low, row.ci_high)]
    known = [end for end in ends if math.isfinite(end)]
    scale = scale_of(rows[0].unit, max(map(abs, known)))
    low, high = min(known) / scale.size, max(known) / scale.size
    room = 0.06 * (high - low) or 1.0
    return scale, (low - room, high + room)


def _equivalence(ax: Axes, row: Difference, place: int, size: float) -> None:
    band = MARGIN * abs(row.baseline_mean) / size
    if math.isfinite(band):
        ax.add_patch(Rectangle((-band, place - 0.5), 2 * band, 1.0, color="#E4E4E4", linewidth=0, zorder=0))


def _difference(ax: Axes, row: Difference, place: int, size: float, width: float) -> None:
    """Point and interval; a bound that is not known leads to the edge, with an arrow's head."""
    colour, marker = MARKS[row.verdict]
    left, right = ax.get_xlim()
    if math.isfinite(row.ci_low) or math.isfinite(row.ci_high):
        low = row.ci_low / size if math.isfinite(row.ci_low) else left + 0.01 * width
        high = row.ci_high / size if math.isfinite(row.ci_high) else right - 0.01 * width
        ax.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        for at, known, shape in ((low, math.isfinite(row.ci_low), "<"), (high, math.isfinite(row.ci_high), ">")):
            ax.plot(at, place, marker="|" if known else shape, color=colour, markersize=9)
    if math.isfinite(row.difference):
        face = "white" if row.verdict == "undecided" else colour
        ax.plot(row.difference / size, place, marker=marker, color=colour, markerfacecolor=face, markersize=7.5)
    change = row.change if math.isfinite(row.difference) else row.interval or "no value in both"
    ax.text(1.015, place, f"{row.verdict}  {change}", transform=ax.get_yaxis_transform(), va="center", fontsize=9.5)


def overlaid(comparison: Comparison, group: str, ax: Axes | None = None) -> Axes:
    """Lag of a group in every system: median of the runs, and a band from 10 to 90 %. ValueError for no such group."""
    first = comparison.results[comparison.baseline]
    component = group if group.startswith("consumers.") else f"consumers.{group}"
    if component not in groups(first):
        raise ValueError(f"no consumer group {group!r}; there are: {', '.join(groups(first)) or 'none'}")
    with styled():
        ax = ax or Figure(figsize=(WIDTH, HEIGHT), layout="constrained").add_subplot()
        drawn = _farthest(comparison, component)
        for line, name in zip(LINES, drawn, strict=False):
            _lag(ax, comparison.results[name], component, line, label(comparison, name))
        shade(first, ax)
        longest = max((float(grid(result)[-1]) for result in comparison.results.values()), default=0.0)
        time_axis(ax, time_scale(first.duration), longest)
        plain_numbers(ax)
        ax.set_ylabel("lag (events)")
        some = f"{len(drawn)} of {len(comparison.results)} systems" if len(drawn) < len(comparison.results) else None
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=3.2, fontsize=10, title=some)
        told = verdicts_told(comparison, comparison.of(f"{component}:lag_max"))
        ax.set_title(wrapped(f"{component.partition('.')[2]}: in peak lag {told}", HEAD_WIDTH), loc="left")
    return ax


def _farthest(comparison: Comparison, component: str) -> list[str]:
    """The systems that can be told apart in one picture: the baseline, and those whose lag differs most from it."""
    far = {row.name: abs(row.difference) for row in comparison.of(f"{component}:lag_max")}
    others = [name for name in comparison.results if name != comparison.baseline]
    kept = sorted(others, key=lambda name: far.get(name, 0.0), reverse=True)[: len(LINES) - 1]
    return [comparison.baseline, *(name for name in others if name in kept)]


def _lag(ax: Axes, result: Result, component: str, line: Line, name: str) -> None:
    runs = runs_of(result, component, "lag")
    if runs is None:
        return
    times = grid(result) / time_scale(result.duration).seconds
    if len(runs) > 1:
        low, high = np.percentile(runs, [10, 90], axis=0)
        ax.fill_between(times, low, high, color=line.colour, alpha=0.12, linewidth=0)
    ax.plot(times, np.median(runs, axis=0), color=line.colour, linestyle=line.dashes, label=name)


def trade_off(comparison: Comparison, x: str | None = None, y: str | None = None, ax: Axes | None = None) -> Axes:
    """What an alternative gains in `y` against what it costs in `x` ("component:metric"), with 95 % intervals both ways.

    By default recovery time against calls of a dependency, where there are such. The intervals are those of the paired
    differences; `x` is drawn as a share of the baseline's, `y` as it is. ValueError where neither default was measured.
    """
    x, y = x or default_x(comparison), y or default_y(comparison)
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 5.6), layout="constrained").add_subplot()
        _points(ax, comparison, x, y)
        ax.set_title(wrapped(trade_off_finding(comparison, x, y), HEAD_WIDTH), loc="left")
    return ax


def default_x(comparison: Comparison) -> str:
    """Calls of the first dependency, else attempts per event of the first group."""
    return _first(comparison, (("dependencies", "calls"), ("consumers", "amplification"), ("consumers", "attempts_mean")))


def default_y(comparison: Comparison) -> str:
    """Recovery time of the first fault that has one, else the 99 % latency of the first group."""
    return _first(comparison, (("faults", "recovery_time"), ("consumers", "latency_p99")))


def _first(comparison: Comparison, wanted: Sequence[tuple[str, str]]) -> str:
    summary = comparison.results[comparison.baseline].summary
    for kind, metric in wanted:
        found = summary[(summary["metric"] == metric) & summary["component"].str.startswith(f"{kind}.") & (summary["n"] > 0)]
        if len(found):
            return f"{found['component'].iloc[0]}:{metric}"
    raise ValueError(f"none of {', '.join(f'{kind} {metric}' for kind, metric in wanted)} was measured")


def _points(ax: Axes, comparison: Comparison, x: str, y: str) -> None:
    """The baseline where its lines cross, and every alternative that has both values, named."""
    loads = {row.name: row for row in comparison.of(x)}
    pairs = [(loads[row.name], row) for row in comparison.of(y)]
    drawn = [(a, b) for a, b in pairs if both_known(b, a)]
    relative = all(a.baseline_mean for a, _ in drawn) and bool(drawn)
    across = Scale("%", 0.01) if relative else scale_of(pairs[0][0].unit, max((abs(a.difference) for a, _ in drawn), default=1))
    up = scale_of(pairs[0][1].unit, max((b.baseline_mean for _, b in drawn), default=1.0))
    spots = []
    for number, (a, b) in enumerate(drawn):
        size = across.size * (abs(a.baseline_mean) if relative else 1.0)
        at, height = a.difference / size, (b.baseline_mean + b.difference) / up.size
        line = LINES[(number + 1) % len(LINES)]
        ax.errorbar(
            at, height, xerr=_reach(a, size), yerr=_reach(b, up.size), color=line.colour, capsize=3,
            marker=SYMBOLS[number % len(SYMBOLS)], markersize=8,
        )  # fmt: skip
        spots.append((at, height, label(comparison, b.name)))
    if drawn and not comparison.twin:
        base = drawn[0][1].baseline_mean / up.size
        ax.axhline(base, color=BLACK.colour, linestyle=BLACK.dashes, linewidth=1)
        ax.plot(0, base, marker="*", color=BLACK.colour, markersize=13)
        spots.append((0.0, base, label(comparison, comparison.baseline)))
    ax.axvline(0, color=BLACK.colour, linestyle=BLACK.dashes, linewidth=1)
    ax.margins(0.12, 0.15)
    ax.set_xlim(_widened(ax.get_xlim(), 2.0 if relative else 0.0))
    ax.set_ylim(_widened(ax.get_ylim(), 0.1 * abs(sum(ax.get_ylim()) / 2)))
    _name(ax, spots)
    ax.set_xlabel(f"{_plain(x)}: change{across.suffix}")
    ax.set_ylabel(wrapped(f"{_plain(y)}{up.suffix}", 40))
    missing = [label(comparison, b.name) for a, b in pairs if (a, b) not in drawn]
    if missing:
        note = wrapped(f"not drawn, without a value: {', '.join(missing)}", 100)
        ax.text(0.01, 0.01, note, transform=ax.transAxes, fontsize=9.5, va="bottom")


def _reach(row: Difference, size: float) -> list[list[float]]:
    """From the point to both bounds, 0 where a bound is not known, shape (2, 1)."""
    low, high = row.difference - row.ci_low, row.ci_high - row.difference
    return [[max(low, 0.0) / size if math.isfinite(low) else 0.0], [max(high, 0.0) / size if math.isfinite(high) else 0.0]]


def _name(ax: Axes, spots: Sequence[tuple[float, float, str]]) -> None:
    """Names beside their points, moved up or down where one would cover another."""
    bottom, top = ax.get_ylim()
    left, right = ax.get_xlim()
    gap, ordered = 0.055 * (top - bottom), sorted(spots, key=lambda spot: spot[1])
    heights: list[float] = []
    for _, y, _ in ordered:
        heights.append(max(y + 0.3 * gap, heights[-1] + gap if heights else bottom))
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], top - gap * (len(heights) - place))
    for (x, y, name), height in zip(ordered, heights, strict=True):
        side = -1 if x > left + 0.7 * (right - left) else 1
        text = ax.annotate(
            name, (x, y), (x + side * 0.015 * (right - left), height), fontsize=10, ha="left" if side > 0 else "right",
            va="bottom", arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.7},
        )  # fmt: skip
        text.set_path_effects([withStroke(linewidth=3, foreground="white", alpha=0.85)])


def _widened(limits: tuple[float, float], least: float) -> tuple[float, float]:
    """Limits of an axis that do not make a mountain of a trifle: at least `least` apart."""
    low, high = limits
    room = max(0.0, least - (high - low)) / 2
    return low - room, high + room


def _plain(metric: str) -> str:
    component, _, name = metric.rpartition(":")
    return f"{name.replace('_', ' ')}, {component.partition('.')[2] or component}"
