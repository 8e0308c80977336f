"""Charts of a broker that fails, or that producers do not reach: each takes a result and axes, and returns the axes.

Lines are the median over replications, bands reach from 10 to 90 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.lab.charts.findings import Array, disturbances, runs_of, shortened
from experiments.lab.charts.panels import line, panel, stacked
from experiments.lab.charts.style import BLACK, BLUE, PURPLE, VERMILLION, Line, median_and_band, time_scale
from experiments.lab.charts.windows import grid
from simulator.results import Result
from simulator.units import format_number, format_share, format_value

LINES = (BLUE, VERMILLION, PURPLE, BLACK)
"""Of producers; where there are more, they are added up."""

TROUBLE = ("publish_retries", "failed", "phantom", "unsent", "blocked_time")
"""Metrics of producers that are 0 where nothing is broken."""


def is_disturbed(result: Result) -> bool:
    """Whether in any run a partition had no leader, an in-sync set shrank, or a publish did not go through at once."""
    gone, least = (runs_of(result, "broker", metric) for metric in ("unavailable", "in_sync_min"))
    if gone is None:
        return False
    shrunk = least is not None and bool((least < least.max()).any())
    trouble = any(_mean(result, producer, metric) for producer in _producers(result) for metric in TROUBLE)
    return bool(gone.any()) or shrunk or trouble


def publishing(result: Result, ax: Axes | None = None) -> Axes:
    """Events per second that are produced, and that producers know to be stored."""
    with panel(result, ax) as ax:
        for metric, look in (("produced", BLACK), ("acknowledged", BLUE)):
            _draw(result, ax, _sum(result, metric), look, metric)
        ax.set_ylabel("events/s")
        counts = {verdict: _total(result, _producers(result), verdict) for verdict in ("produced", "failed", "phantom")}
        share = (counts["failed"] + counts["phantom"]) / max(counts["produced"], 1)
        ax.set_title(f"{format_share(share)} of the events are reported failed" if share else "no event is reported failed")
    return ax


def unacknowledged(result: Result, ax: Axes | None = None) -> Axes:
    """Events that are produced and neither acknowledged nor given up: waiting, or with an answer under way."""
    with panel(result, ax) as ax:
        waiting = [name for name in _producers(result) if _has(result, name, "unacknowledged")]
        if 1 < len(waiting) <= len(LINES):
            for name, look in zip(waiting, LINES, strict=False):
                line(result, name, "unacknowledged", ax, look, shortened(name.removeprefix("producers."), 24))
        else:
            _draw(result, ax, _sum(result, "unacknowledged"), BLUE, "not acknowledged yet")
        ax.set_ylabel("events")
        ax.set_title(f"up to {_peak(result, _sum(result, 'unacknowledged'))} events wait for their acknowledgement")
    return ax


def unavailability(result: Result, ax: Axes | None = None) -> Axes:
    """Share of the partitions of all topics that have no leader which serves."""
    with panel(result, ax) as ax:
        line(result, "broker", "unavailable", ax, VERMILLION, "without a leader", 0.01)
        ax.set_ylabel("share (%)")
        ax.set_title(f"partitions have no leader {_leaderless(result)} of the time")
    return ax


def in_sync(result: Result, ax: Axes | None = None) -> Axes:
    """Replicas in the in-sync sets, mean over the partitions and the fewest in any, of as many as there are."""
    with panel(result, ax) as ax:
        line(result, "broker", "in_sync", ax, BLUE, "mean of the partitions")
        line(result, "broker", "in_sync_min", ax, VERMILLION, "fewest")
        ax.set_ylabel("in sync")
        ax.set_title(_shrinking(result))
    ax.set_ylim(0, 1.1 * ax.dataLim.y1)
    return ax


def blocked(result: Result, ax: Axes | None = None) -> Axes:
    """Instances of producers that have no room for an event."""
    with panel(result, ax) as ax:
        _draw(result, ax, _sum(result, "blocked"), PURPLE, "no room")
        ax.set_ylabel("instances")
        longest = max(_mean(result, name, "blocked_time") for name in _producers(result))
        ax.set_title(f"an instance has no room for {format_value(longest, 's')}")
    return ax


def broker_figure(result: Result) -> Figure:
    """What a failing broker does to those who publish, on a shared time axis: events produced and acknowledged, what waits,
    and where there are any partitions without a leader, in-sync sets that shrink, and instances that are blocked."""
    charts: list[tuple[Callable[[Result, Axes], Axes], float]] = [(publishing, 0.9), (unacknowledged, 1.4)]
    gone, least = (runs_of(result, "broker", metric) for metric in ("unavailable", "in_sync_min"))
    if gone is not None and gone.any():
        charts.append((unavailability, 0.9))
    if least is not None and (least < least.max()).any():
        charts.append((in_sync, 0.9))
    if _sum(result, "blocked").any():
        charts.append((blocked, 0.7))

    def drawn(chart: Callable[[Result, Axes], Axes]) -> Callable[[Axes], str]:
        return lambda ax: chart(result, ax).get_title(loc="left")

    return stacked(result, broker_finding(result), [(drawn(chart), height) for chart, height in charts])


def broker_finding(result: Result) -> str:
    """What waits, for how long partitions have no leader, and what the broker loses."""
    topics = [name for name in _components(result) if name.startswith("topics.")]
    lost = _total(result, topics, "lost")
    cause = {each.name for each in disturbances(result)}
    said = f"{cause.pop()}: " if len(cause) == 1 else ""
    said += f"up to {_peak(result, _sum(result, 'unacknowledged'))} events wait at producers"
    if _has(result, "broker", "unavailable"):
        said += f", partitions have no leader {_leaderless(result)} of the time"
    return f"{said}, {format_number(lost) if lost else 'no'} stored events are lost"


def _draw(result: Result, ax: Axes, runs: Array, look: Line, label: str) -> None:
    median_and_band(ax, grid(result) / time_scale(result.duration).seconds, runs, look, label)


def _components(result: Result) -> list[str]:
    return list(dict.fromkeys(each.component for each in result.measurements[0].metrics))


def _producers(result: Result) -> list[str]:
    return [name for name in _components(result) if name.startswith("producers.")]


def _has(result: Result, component: str, metric: str) -> bool:
    runs = runs_of(result, component, metric)
    return runs is not None and bool(runs.any())


def _sum(result: Result, metric: str) -> Array:
    """A series of all producers added up, shape (runs, points)."""
    found = [runs_of(result, name, metric) for name in _producers(result)]
    none = np.zeros((len(result.measurements), len(grid(result))))
    return sum((runs for runs in found if runs is not None), none)


def _peak(result: Result, runs: Array) -> str:
    """The highest value of a run after the warm-up, mean over the runs."""
    return format_number(float(runs[:, grid(result) >= result.warmup].max(axis=1).mean()))


def _leaderless(result: Result) -> str:
    gone = runs_of(result, "broker", "unavailable")
    share = 0.0 if gone is None else float(gone[:, grid(result) >= result.warmup].mean())
    return format_share(float(f"{share:.2g}"))


def _shrinking(result: Result) -> str:
    least = runs_of(result, "broker", "in_sync_min")
    assert least is not None
    lowest = least.min(axis=1)
    few = f"{lowest.min():g}" if lowest.min() == lowest.max() else f"{lowest.min():g} to {lowest.max():g}"
    return f"the in-sync sets shrink to {few} of {least.max():g} replicas"


def _mean(result: Result, component: str, metric: str) -> float:
    values = [m.value for run in result.measurements for m in run.metrics if (m.component, m.metric) == (component, metric)]
    return float(np.nanmean(values)) if values else 0.0


def _total(result: Result, components: Iterable[str], metric: str) -> float:
    return sum(_mean(result, component, metric) for component in components)
