"""The figures that a comparison leaves in its folder."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.lab.charts.comparison import default_x, default_y, differences, overlaid, trade_off
from experiments.lab.charts.comparison_findings import both_known, label
from experiments.lab.charts.findings import shortened
from experiments.lab.charts.page import WIDTH, head, small_print
from experiments.lab.charts.run import groups
from experiments.lab.charts.style import styled, wrapped
from experiments.lab.comparison import Comparison

MOST_PANELS = 12
MOST_GROUPS = 6
HEAD = 84
"""Characters of a line of a head, which here is full of names and numbers."""

PAIRED = "95 % intervals of paired differences"


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure by name: the differences, the lag of groups in which it differs, and the trade-off."""
    figures = {"differences": differences_figure(comparison)}
    if not comparison.twin and _has_trade_off(comparison):
        figures["trade-off"] = trade_off_figure(comparison)
    return figures | {f"lag-{group}": lag_figure(comparison, group) for group in _moved(comparison)[:MOST_GROUPS]}


def differences_figure(comparison: Comparison) -> Figure:
    """A panel for each metric; of very many, those that differ most surely."""
    chosen = _surest(comparison)
    with styled():
        finding = wrapped(_summary(comparison), HEAD)
        figure, panels = _panels(len(chosen), len(comparison.references), 0.35 + 0.29 * finding.count("\n"))
        for number, (metric, ax) in enumerate(zip(chosen, panels, strict=True)):
            differences(comparison, metric, ax)
            component, _, name = metric.rpartition(":")
            unit = ax.get_xlabel().partition(" (")[2]
            title = f"{shortened(component.partition('.')[2] or component, 24)} {name}{f' ({unit}' if unit else ''}"
            ax.set_title(title, loc="left", fontsize=11, pad=4)
            ax.set_xlabel("")
            ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            ax.tick_params(labelsize=9.5, labelleft=number % 2 == 0)
            for text in ax.texts:
                text.set_fontsize(9)
        head(figure, finding)
        left_out = len(comparison.metrics) - len(chosen)
        _origin(figure, comparison, PAIRED, "grey: within 5 %", f"{left_out} more metrics in the table" if left_out else "")
    return figure


def _surest(comparison: Comparison) -> list[str]:
    """As many metrics as there are panels, in the order of the family."""
    surest = {metric: min(row.p_adjusted for row in comparison.of(metric)) for metric in comparison.metrics}
    order = sorted(comparison.metrics, key=lambda metric: math.inf if math.isnan(surest[metric]) else surest[metric])
    return [metric for metric in comparison.metrics if metric in order[:MOST_PANELS]]


def _panels(number: int, rows: int, top: float) -> tuple[Figure, list[Axes]]:
    """Axes in two columns, names to the left of the first and room for a verdict to the right of each. Inches."""
    size, gap, bottom, width = 0.18 + 0.26 * rows, 0.72, 0.75, 2.15
    lines = math.ceil(number / 2)
    height = top + lines * (size + gap) + bottom
    figure = Figure(figsize=(WIDTH, height))
    axes = []
    for place in range(number):
        line, column = divmod(place, 2)
        left, low = (2.05, 6.75)[column], height - top - (line + 1) * (size + gap) + 0.15
        axes.append(figure.add_axes((left / WIDTH, low / height, width / WIDTH, size / height)))
    return figure, axes


def lag_figure(comparison: Comparison, group: str) -> Figure:
    """The lag of one group in every system."""
    with styled():
        figure = Figure(figsize=(WIDTH, 5.4))
        ax = overlaid(comparison, group, figure.add_subplot())
        _framed(figure, 0.72)
        faults = "orange: fault" if len(comparison.results[comparison.baseline].windows) else ""
        _origin(figure, comparison, "median, band 10-90 % of the runs", faults)
        ax.set_title("", loc="left")
    return figure


def trade_off_figure(comparison: Comparison) -> Figure:
    """Recovery against load."""
    with styled():
        figure = Figure(figsize=(WIDTH, 6.4))
        ax = trade_off(comparison, ax=figure.add_subplot())
        _framed(figure, 0.97)
        _origin(figure, comparison, PAIRED, f"dotted: {label(comparison, comparison.baseline)}")
        ax.set_title("", loc="left")
    return figure


def _framed(figure: Figure, right: float) -> None:
    """The title of the only axes as the head of the figure."""
    text = wrapped(figure.axes[0].get_title(loc="left").replace("\n", " "), HEAD)
    height = figure.get_figheight()
    figure.subplots_adjust(0.1, 0.95 / height, right, 1 - (0.55 + 0.29 * text.count("\n")) / height)
    head(figure, text)


def _summary(comparison: Comparison) -> str:
    """How many of the comparisons came out how."""
    verdicts = [row.verdict for row in comparison.rows]
    counts = [f"{verdicts.count(each)} {each}" for each in ("better", "worse", "differs", "same", "undecided")]
    told = ", ".join(text for text in counts if not text.startswith("0 "))
    what = "what the faults cost" if comparison.twin else f"{_count(comparison)} against {_baseline(comparison)}"
    return f"{comparison.name}, {what}: {told}"


def _count(comparison: Comparison) -> str:
    number = len(comparison.references)
    return f"{number} alternative{'s' * (number != 1)}"


def _baseline(comparison: Comparison) -> str:
    return label(comparison, comparison.baseline)


def _moved(comparison: Comparison) -> list[str]:
    """The groups whose lag is not the same all the time, else the first."""
    found = groups(comparison.results[comparison.baseline])
    return [each for each in found if _moves(comparison, each)] or found[:1]


def _moves(comparison: Comparison, group: str) -> bool:
    results = [(comparison.results[name], comparison.results[other]) for name, other in comparison.references.items()]
    pairs = [pair for both in results for pair in zip(*(result.measurements for result in both), strict=False)]
    return not all(np.array_equal(*(run.series.get((group, "lag"), ()) for run in pair)) for pair in pairs)


def _has_trade_off(comparison: Comparison) -> bool:
    try:
        x, y = default_x(comparison), default_y(comparison)
    except ValueError:
        return False
    return any(both_known(*both) for both in zip(comparison.of(y), comparison.of(x), strict=True))


def _origin(figure: Figure, comparison: Comparison, *notes: str) -> None:
    first = comparison.results[comparison.baseline]
    runs = f"{first.runs} paired runs"
    small_print(figure, f"{comparison.name}, seed {first.seed}", runs, *notes, f"edasim {first.version}")
