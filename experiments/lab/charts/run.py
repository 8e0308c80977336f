"""Charts of a run: each takes a result, a consumer group and axes, and returns the axes.

Lines are the median over replications, bands reach from 10 to 90 %. Faults at the same times in every run are shaded;
black marks along the top of a panel say when alerts on what it shows fired, the darker the more runs.
A group is named `payment` or `consumers.payment`; ValueError names those that exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.lab.charts import findings
from experiments.lab.charts.alert_marks import mark_alerts
from experiments.lab.charts.broker import broker_figure, is_disturbed, unacknowledged
from experiments.lab.charts.findings import runs_of, shortened
from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head
from experiments.lab.charts.panels import line, one_legend, origin, panel, stacked
from experiments.lab.charts.style import BLACK, BLUE, GREEN, PURPLE, VERMILLION, plain_numbers, styled, time_scale, wrapped
from simulator.results import Result

Chart = Callable[[Result, str, Axes], Axes]


def groups(result: Result) -> list[str]:
    """The paths of the consumer groups whose course was recorded: `consumers.payment`, ..."""
    keys = result.measurements[0].series
    return list(dict.fromkeys(component for component, _ in keys if component.startswith("consumers.")))


def throughput(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Events per second that become available to the group, and first effects per second."""
    with _panel(result, group, ax) as (component, ax):
        line(result, component, "arrivals", ax, BLACK, "arriving")
        line(result, component, "throughput", ax, BLUE, "processed")
        ax.set_ylabel("events/s")
        _title(ax, component, findings.throughput_finding(result, component))
    return ax


def lag(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Events that are available to the group and not finished; of these, the ones that wait in a delay."""
    with _panel(result, group, ax) as (component, ax):
        line(result, component, "lag", ax, BLUE, "not finished")
        waiting = runs_of(result, component, "lag_waiting")
        if waiting is not None and waiting.any():
            line(result, component, "lag_waiting", ax, VERMILLION, "of these in a delay")
        mark_alerts(result, component, ("lag",), ax)
        ax.set_ylabel("lag (events)")
        _title(ax, component, findings.lag_finding(result, component))
    return ax


def age(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Age of the oldest unfinished event since it became available."""
    with _panel(result, group, ax) as (component, ax):
        oldest = runs_of(result, component, "lag_seconds")
        scale = time_scale(0.0 if oldest is None else float(oldest.max()))
        line(result, component, "lag_seconds", ax, BLUE, "oldest event", scale.seconds)
        mark_alerts(result, component, ("lag_seconds",), ax)
        ax.set_ylabel(f"age ({scale.name})")
        _title(ax, component, findings.age_finding(result, component))
    return ax


def attempts(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Attempts and failed attempts per second; dead letters at rest, where there are any, on a scale of their own."""
    with _panel(result, group, ax) as (component, ax):
        line(result, component, "attempts", ax, BLUE, "attempts")
        line(result, component, "failures", ax, VERMILLION, "failed")
        dead = runs_of(result, component, "dead_letters")
        if dead is not None and dead.any():
            right = ax.twinx()
            line(result, component, "dead_letters", right, PURPLE, "")
            right.set_ylabel("dead letters")
            right.grid(False)
            right.spines["right"].set_visible(True)
            plain_numbers(right)
            ax.plot([], [], color=PURPLE.colour, linestyle=PURPLE.dashes, label="dead letters (right)")
        mark_alerts(result, component, ("error_rate", "dead_letters"), ax)
        ax.set_ylabel("attempts/s")
        _title(ax, component, findings.attempts_finding(result, component))
    return ax


def breaker(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Share of the instances whose breaker is open; ValueError for a group without a breaker."""
    with _panel(result, group, ax) as (component, ax):
        if runs_of(result, component, "breaker_open") is None:
            raise ValueError(f"{component} has no breaker")
        line(result, component, "breaker_open", ax, GREEN, "breaker open", 0.01)
        mark_alerts(result, component, ("breaker_open",), ax)
        ax.set_ylabel("instances (%)")
        ax.set_ylim(top=105)
        _title(ax, component, findings.breaker_finding(result, component))
    return ax


def instances(result: Result, group: str, ax: Axes | None = None) -> Axes:
    """Instances that autoscaling wants, and how many of them are at work; ValueError for a group that does not autoscale."""
    with _panel(result, group, ax) as (component, ax):
        if runs_of(result, component, "instances") is None:
            raise ValueError(f"{component} has no autoscale")
        line(result, component, "instances", ax, BLACK, "wanted")
        line(result, component, "instances_running", ax, BLUE, "at work")
        ax.set_ylabel("instances")
        _title(ax, component, findings.instances_finding(result, component))
    return ax


def group_figure(result: Result, group: str) -> Figure:
    """Everything about one group on a shared time axis: throughput, lag, age, attempts and, where set, its instances, if their
    number changes, and its breaker."""
    component = _component(result, group)
    charts: list[Chart] = [throughput, lag, age, attempts]
    if runs_of(result, component, "instances") is not None:
        charts.insert(2, instances)
    if runs_of(result, component, "breaker_open") is not None:
        charts.append(breaker)

    def draw(chart: Chart, ax: Axes) -> str:
        chart(result, component, ax)
        return "" if chart is lag else _finding(ax, component)

    finding = f"{_short(component)}: {findings.lag_finding(result, component)}"
    return stacked(result, finding, [(partial(draw, chart), 1.4 if chart is lag else 0.9) for chart in charts])


def overview(result: Result) -> Figure:
    """The lag of every group side by side, each on its own scale, and what waits at producers where a broker failed."""
    found = groups(result)
    waits = is_disturbed(result)
    places = len(found) + waits
    columns = math.ceil(math.sqrt(places))
    rows = math.ceil(places / columns)
    with styled():
        finding = wrapped(findings.overview_finding(result, found), HEAD_WIDTH)
        figure = Figure(figsize=(WIDTH, 2.3 + 2.6 * rows))
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for component, ax in zip(found, panels.flat, strict=False):
            lag(result, component, ax)
            text = f"{_short(component)}: {_finding(ax, component)}"
            ax.set_title(wrapped(text, 108 // columns), loc="left", pad=5, fontsize=11)
        if waits:
            ax = unacknowledged(result, panels.flat[len(found)])
            ax.set_title(wrapped(f"producers: {ax.get_title(loc='left')}", 108 // columns), loc="left", pad=5, fontsize=11)
            ax.legend(loc="best")
        for ax in panels.flat[places:]:
            ax.set_axis_off()
        for ax in panels[:, 1:].flat:
            ax.set_ylabel("")
        for ax in panels[:-1].flat:
            ax.set_xlabel("")
        one_legend(figure, list(panels.flat[: len(found)]))
        head(figure, finding)
        origin(figure, result, "each panel on its own scale")
        height, top = figure.get_figheight(), 0.8 + 0.29 * finding.count("\n") + 0.2 * columns
        figure.subplots_adjust(0.085, 1.2 / height, 0.98, 1 - top / height, 0.2, 0.42)
    return figure


def figures(result: Result) -> dict[str, Figure]:
    """Every figure of `result` by name: `overview`, `broker` where it or the way to it failed, and one per group."""
    found = groups(result)
    drawn = {"overview": overview(result)} if found else {}
    if is_disturbed(result):
        drawn["broker"] = broker_figure(result)
    return drawn | {component: group_figure(result, component) for component in found}


@contextmanager
def _panel(result: Result, group: str, ax: Axes | None) -> Iterator[tuple[str, Axes]]:
    """Axes for one chart of a group."""
    component = _component(result, group)
    with panel(result, ax) as ax:
        yield component, ax


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
