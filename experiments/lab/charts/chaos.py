"""Charts of a chaos campaign: its schedules by damage, each with the windows of its faults in time."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.lab.campaign import Campaign, Ranked, in_violation, lost, recovery
from experiments.lab.charts.findings import shortened
from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import styled, time_axis, time_scale, wrapped
from experiments.lab.fault_words import what, window
from models.faults import Fault

MOST_LANES = 24
"""Faults that a slide has room for, one below the other."""

LEAST_LANES = 3
"""Room for what is told of a schedule."""

LANE = 0.215
"""Inches of one of them."""

ENOUGH, VIOLATED, MET = "#000000", "#8C8C8C", "#D0D0D0"
SHADES = {
    ENOUGH: "what is left of it when shrunk: enough to violate",
    VIOLATED: "schedule that violates",
    MET: "schedule that does not",
}

LONGEST_LABEL = 58
LATE = 0.5
"""Behind this part of the run the name of a fault stands before its bar, not after it."""


def schedules(campaign: Campaign, ax: Axes | None = None) -> Axes:
    """The worst schedules from above: bars are the windows of their faults, with what they did at the right."""
    shown = _shown(campaign)
    duration = campaign.system.duration
    scale = time_scale(duration)
    with styled():
        ax = ax or Figure(figsize=(WIDTH, _height(campaign)), layout="constrained").add_subplot()
        room = _room(campaign)
        for place, each in enumerate(shown):
            ax.axhline(place * room, color="#BBBBBB", linewidth=0.8)
            for lane, fault in enumerate(each.outcome.schedule):
                _bar(ax, fault, each, place * room + (lane + 0.5) * room / campaign.faults, (scale.seconds, duration))
            _told(ax, each, (place + 0.5) * room)
        warmup = campaign.system.warmup
        if isinstance(warmup, float) and warmup > 0:
            ax.axvspan(0, warmup / scale.seconds, facecolor="none", edgecolor="#DDDDDD", hatch="///", linewidth=0)
        ax.set_yticks([(place + 0.5) * room for place in range(len(shown))], [f"{each.rank}" for each in shown])
        ax.set_ylabel("rank by damage")
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(shown) * room, 0)
        ax.grid(False, axis="y")
        time_axis(ax, scale, duration)
        _legend(ax, shown)
    return ax


def _shown(campaign: Campaign) -> tuple[Ranked, ...]:
    return campaign.ranked[: max(1, MOST_LANES // _room(campaign))]


def _room(campaign: Campaign) -> int:
    """Lanes of a schedule."""
    return max(campaign.faults, LEAST_LANES)


def _height(campaign: Campaign) -> float:
    return 1.95 + LANE * _room(campaign) * len(_shown(campaign))


def _bar(ax: Axes, fault: Fault, of: Ranked, middle: float, scales: tuple[float, float]) -> None:
    """The window of a fault, its name beside it, and in black what is left of it. `scales`: of the axis, and its end (s)."""
    unit, end = scales
    start, length = window(fault)
    colour = VIOLATED if of.outcome.violated else MET
    least = max(length, end / 400)  # what is shorter could not be seen
    ax.barh(middle, least / unit, left=start / unit, height=0.72, color=colour)
    left = next((each for each in of.least if each.name == fault.name), None)
    if left is not None:
        begin, rest = window(left)
        ax.barh(middle, max(rest, end / 400) / unit, left=begin / unit, height=0.72, color=ENOUGH)
    late = start + length / 2 > LATE * end
    beside, offset, side = (start, -4, "right") if late else (start + least, 4, "left")
    ax.annotate(
        shortened(what(left or fault), LONGEST_LABEL), (beside / unit, middle), (offset, 0), textcoords="offset points",
        ha=side, va="center", fontsize=9, fontweight="normal" if left is None else "bold", annotation_clip=True,
    )  # fmt: skip


def _told(ax: Axes, each: Ranked, middle: float) -> None:
    """The damage of a schedule, right of the axes."""
    found = each.outcome
    lines = f"in violation {in_violation(found)}", f"lost {lost(found)}", f"recovery {recovery(found)}"
    ax.annotate(
        "\n".join(lines), (1.0, middle), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        va="center", fontsize=9, linespacing=1.05, fontweight="bold" if found.violated else "normal",
    )  # fmt: skip


def _legend(ax: Axes, shown: tuple[Ranked, ...]) -> None:
    used = {
        ENOUGH: any(each.least for each in shown),
        VIOLATED: any(each.outcome.violated for each in shown),
        MET: not all(each.outcome.violated for each in shown),
    }
    patches = [Patch(color=shade, label=label) for shade, label in SHADES.items() if used[shade]]
    ax.legend(handles=patches, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.4)


def chaos_figures(campaign: Campaign) -> dict[str, Figure]:
    """The slide of a campaign by name."""
    with styled():
        finding = wrapped(campaign.finding, HEAD_WIDTH)
        height = _height(campaign) + 0.25 * finding.count("\n")
        figure = Figure(figsize=(WIDTH, height))
        schedules(campaign, figure.add_subplot())
        head(figure, finding)
        shown, system = len(_shown(campaign)), campaign.system
        number = f"the worst {shown} of {len(campaign.ranked)}" if shown < len(campaign.ranked) else f"{shown}"
        origin = f"{system.name}, seed {system.seed}: {number} schedules, all with the luck of run 0"
        small_print(figure, origin, "damage: shares of time in violation, events lost, time to recover")
        top = 1 - (0.78 + 0.25 * finding.count("\n")) / height
        figure.subplots_adjust(0.055, 0.8 / height, 0.83, top)
    return {"schedules": figure}
