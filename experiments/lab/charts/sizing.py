"""Charts of a plan: the metric of an objective over the values that were tried, with the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.lab.charts.findings import shortened
from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import BLACK, BLUE, GREEN, PURPLE, VERMILLION, styled, time_scale, wrapped
from experiments.lab.charts.tidy import arrow_up, distances, longest, unit_of, value_axis, with_unit
from experiments.lab.plan import Plan
from experiments.lab.trials import Trial
from simulator.units import format_value

MARKS = {
    "met": ("o", BLUE.colour, BLUE.colour, "met"),
    "undecided": ("D", PURPLE.colour, "white", "undecided"),
    "violated": ("X", VERMILLION.colour, VERMILLION.colour, "violated"),
}
"""Marker, colour, its filling and the label, by verdict."""

FLOOR = 100.0
"""A logarithmic axis goes down to the bound divided by this."""


def headroom(plan: Plan, place: int | None = None, ax: Axes | None = None) -> Axes:
    """The metric of an objective against the values that were tried, its bound, the answer, and Erlang's curve if it holds.

    `place`: of the objective, by default the one that decides.
    """
    place = plan.binding if place is None else place
    slo, verdicts = plan.system.slos[place], [trial.verdicts[place] for trial in plan.trials]
    bound = slo.below if slo.below is not None else slo.above
    assert bound is not None
    levels = [trial.level(place) for trial in plan.trials]
    values, exact = plan.curve(place)
    across = time_scale(plan.sizes.values[-1]) if plan.sizes.is_duration else None
    stretch = across.seconds if across else 1.0
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 4.5), layout="constrained").add_subplot()
        unit, scale = unit_of(verdicts[0].unit, longest([bound, *levels]))
        ax.axhline(bound / scale, color=BLACK.colour, linewidth=1.4, linestyle=(0, (6, 3)))
        if values:
            ax.plot(
                np.array(values) / stretch, np.array(exact) / scale,
                color=BLACK.colour, linestyle=BLACK.dashes, label="exact (Erlang C)",
            )  # fmt: skip
        value_axis(ax, [bound / scale, *(level / scale for level in levels)], bound / scale / FLOOR)
        _trials(ax, plan.trials, place, (stretch, scale))
        if plan.value is not None:
            ax.axvline(plan.value / stretch, color=GREEN.colour, linewidth=7, alpha=0.3, zorder=0.5)
            ax.plot([], [], color=GREEN.colour, linewidth=7, alpha=0.3, label=f"answer: {plan.sizes.named(plan.value)}")
        ax.set_xlabel(with_unit(plan.path, across.name if across else ""))
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=isinstance(plan.sizes.values[0], int), steps=[1, 2, 5, 10]))
        ax.set_ylabel(with_unit(verdicts[0].metric, unit))
        ax.annotate(
            wrapped(verdicts[0].bound_text, 10), (1.0, bound / scale), (5, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=10.5,
        )  # fmt: skip
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, borderaxespad=0.2, columnspacing=1.2)
        ax.set_title(wrapped(headroom_finding(plan, place), HEAD_WIDTH), loc="left", pad=26)
    return ax


def _trials(ax: Axes, trials: Sequence[Trial], place: int, scales: tuple[float, float]) -> None:
    """A point with its interval for each value, marked by its verdict; an arrow where the mean is a lower bound.

    What lies below a logarithmic axis stands on its edge as a hollow triangle. `scales`: of the value and of the metric.
    """
    floor = ax.get_ylim()[0] * 1.15 if ax.get_yscale() == "log" else -math.inf
    stretch, scale = scales
    for judgement, (marker, colour, filling, label) in MARKS.items():
        mine = [trial for trial in trials if trial.verdicts[place].verdict == judgement]
        seen = [trial for trial in mine if trial.level(place) / scale >= floor]
        under = [trial.value / stretch for trial in mine if trial.level(place) / scale < floor]
        if seen:
            values, level = (np.array(each) for each in ([t.value / stretch for t in seen], [t.level(place) for t in seen]))
            low, high = (np.array([getattr(t.verdicts[place], end) for t in seen]) for end in ("ci_low", "ci_high"))
            ax.errorbar(
                values, level / scale, distances(level, low, high) / scale, linestyle="none", color=colour, marker=marker,
                markerfacecolor=filling, markersize=8, capsize=4, label=label, zorder=3,
            )  # fmt: skip
        if under:
            below = [floor] * len(under)
            ax.plot(under, below, "v", color=colour, markerfacecolor="white", markersize=8, label=f"{label}, below the axis")
        for trial in seen:
            if trial.verdicts[place].censored:
                arrow_up(ax, trial.value / stretch, trial.level(place) / scale, colour)


def headroom_finding(plan: Plan, place: int) -> str:
    """The answer and what the value before it does, as far as one objective goes."""
    best, beyond = plan.best, plan.beyond
    verdict = best.verdicts[place]
    at = _level(best, place)
    name = f"{shortened(verdict.component.partition('.')[2] or verdict.component)} {verdict.metric}"
    if not plan.met:
        return f"nothing tried meets the objectives; nearest is {plan.sizes.named(best.value)}: {name} {at}"
    text = f"{plan.sizes.named(best.value)}: {name} {at}, {verdict.bound_text}"
    if beyond is None:
        return f"{text}, at the end of the range"
    other = beyond.verdicts[place]
    if other.verdict == "met":
        return f"{text}; with {plan.sizes.text(beyond.value)} another objective fails"
    unsure = ", undecided" if other.verdict == "undecided" else ""
    return f"{text}; with {plan.sizes.text(beyond.value)} it is {_level(beyond, place)}{unsure}"


def _level(trial: Trial, place: int) -> str:
    level, verdict = trial.level(place), trial.verdicts[place]
    return "without a value" if math.isnan(level) else f"{'≥ ' * verdict.censored}{format_value(level, verdict.unit)}"


def plan_figures(plan: Plan) -> dict[str, Figure]:
    """The headroom over each objective by name, the one that decides first."""
    figures = {}
    runs = sorted({trial.result.runs for trial in plan.trials})
    span = f"{runs[0]}-{runs[-1]}" if len(runs) > 1 else f"{runs[0]}"
    origin = f"{plan.system.name}, seed {plan.seed}"
    for place in sorted(range(len(plan.system.slos)), key=lambda place: place != plan.binding):
        slo = plan.system.slos[place]
        with styled():
            figure = Figure(figsize=(WIDTH, 5.2))
            ax = headroom(plan, place, figure.add_subplot())
            finding = ax.get_title(loc="left")
            ax.set_title("", loc="left")
            head(figure, finding)
            small_print(figure, origin, f"{span} runs a value, mean and 95 % interval", f"edasim {plan.best.result.version}")
            figure.subplots_adjust(0.085, 0.19, 0.9, 0.84 - 0.05 * finding.count("\n"))
        figures[f"headroom.{place + 1}.{slo.component}.{slo.metric}"] = figure
    return figures
