"""What a chart shows, in one sentence computed from the result: the titles of the charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.lab.charts.windows import fault_times, grid
from simulator.results import Result
from simulator.units import format_number, format_value

Array = npt.NDArray[np.float64]

HOLD = 30.0
"""Seconds for which lag has to stay low to count as gone."""

LEAST = 10
"""Points of the time grid that tell what is normal."""


def runs_of(result: Result, component: str, metric: str) -> Array | None:
    """One series of every run on `grid`, shape (runs, points), 0 where a run has no value; None where no run has it."""
    found = [run.series.get((component, metric)) for run in result.measurements]
    points = len(grid(result))
    present = [values[:points] for values in found if values is not None]
    return np.nan_to_num(np.asarray(present, dtype=float)) if present else None


def shortened(name: str, longest: int = 32) -> str:
    """A name that leaves room for what is said of it."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


@dataclass(frozen=True)
class Disturbance:
    """A fault window that every run shares: name, start and end in seconds."""

    name: str
    start: float
    end: float


def disturbances(result: Result) -> list[Disturbance]:
    """The fault windows that are the same in every run and end after the warm-up, by start."""
    found = [Disturbance(shortened(fault.name), *span) for fault in fault_times(result) for span in fault.common]
    return sorted((each for each in found if each.end > result.warmup), key=lambda each: each.start)


class LagStory:
    """Lag of one group over all runs: how high, because of which fault, and when it was gone.

    `normal`: the 95th percentile of lag over all runs between the warm-up and the first shared fault; where there is none, or
    no ten points before it, of the first quarter of what is measured.
    `median`: the median run, shape (points,).
    """

    def __init__(self, result: Result, component: str) -> None:
        self.times = grid(result)
        lag = runs_of(result, component, "lag")
        self.lag: Array = np.zeros((1, len(self.times))) if lag is None else lag
        self.measured = self.times >= result.warmup
        self.median: Array = np.median(self.lag, axis=0)
        shared = disturbances(result)
        self.normal = float(np.percentile(self.lag[:, self._calm(shared)], 95))
        self.peak = float(self.lag[:, self.measured].max(axis=1).mean())
        self.highest = float(self.lag[:, self.measured].max())
        self.fault = self._cause(shared)

    def _calm(self, shared: list[Disturbance]) -> npt.NDArray[np.bool_]:
        """At which points lag is what it is by itself."""
        points = np.flatnonzero(self.measured)
        before = points[self.times[points] < shared[0].start] if shared else points[:0]
        calm = np.zeros(len(self.times), dtype=bool)
        calm[before if len(before) >= LEAST else points[: max(len(points) // 4, LEAST)]] = True
        return calm

    def _cause(self, shared: list[Disturbance]) -> Disturbance | None:
        """The last shared fault under way, else the last one over, when the median run began to rise to its highest, if lag
        rose beyond the normal."""
        top = int(np.argmax(np.where(self.measured, self.median, -1.0)))
        low = np.flatnonzero([not self.raised(level) for level in self.median[:top]])
        rise = self.times[low[-1] + 1 if len(low) else 0]
        begun = [each for each in shared if each.start <= rise] or [each for each in shared if each.start <= self.times[top]]
        if not begun or not self.raised(self.median.max()):
            return None
        step = self.times[1] - self.times[0]
        return max(begun, key=lambda each: (min(each.end, rise - step), each.start))

    def raised(self, level: float) -> bool:
        """Whether `level` stands out from what lag does by itself: beyond twice the normal and ten events."""
        return level > 2 * self.normal + 10

    def recovery(self, fault: Disturbance) -> float:
        """Seconds from the end of `fault` until lag does not stand out for 30 s, or to the end of the run if ten points or more
        are left of it: median of the runs, inf if never."""
        return float(np.median([self._recovery(lag, fault) for lag in self.lag]))

    def _recovery(self, lag: Array, fault: Disturbance) -> float:
        points = 1 + max(1, round(HOLD / (self.times[1] - self.times[0])))
        calm = ~(lag[self.times >= fault.end] > 2 * self.normal + 10)
        to_the_end = np.concatenate((calm, np.ones(max(0, points - LEAST), dtype=bool)))
        if len(calm) < LEAST or len(to_the_end) < points:
            return float("inf")
        lasting = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(to_the_end, points).all(axis=1))
        return float(self.times[self.times >= fault.end][lasting[0]] - fault.end) if len(lasting) else float("inf")


def lag_finding(result: Result, component: str) -> str:
    """How high lag rises, after which fault, and when it is gone."""
    story = LagStory(result, component)
    peak = f"lag peaks at {format_number(story.peak)} events"
    if story.fault is None:
        return _calm(story, disturbances(result))
    recovery = story.recovery(story.fault)
    if recovery == float("inf"):
        return f"{peak} and is not gone by the end"
    if recovery < 1:
        gone = f"{peak} and is gone when the {story.fault.name} ends"
    else:
        gone = f"{peak} and is gone {format_value(float(round(recovery)), 's')} after the {story.fault.name}"
    return gone + _again(story, story.fault.end + recovery + HOLD)


def _calm(story: LagStory, shared: list[Disturbance]) -> str:
    quarters, end = np.array_split(story.median[story.measured], 4), float(story.median[-1])
    if story.raised(end) and quarters[3].mean() > 2 * quarters[1].mean() and end > quarters[3].max() / 2:
        return f"lag grows to {format_number(end)} events by the end"
    if not story.highest:
        return "no lag at any time"
    names = dict.fromkeys(each.name for each in shared)
    reach = "no fault reaches it" if len(names) > 1 else f"the {''.join(names)} does not reach it"
    return f"lag stays below {np.floor(story.highest) + 1:,.0f} events" + (f"; {reach}" if names else "")


def _again(story: LagStory, since: float) -> str:
    """A second peak, such as the one that a redrive of dead letters makes."""
    later = np.where(story.times > since, story.median, 0.0)
    second = float(later.max())
    if not story.raised(second) or second < 0.05 * story.peak:
        return ""
    at = float(story.times[np.argmax(later)])
    return f", and rises again to {format_number(second)} at {format_value(float(round(at)), 's')}"


def throughput_finding(result: Result, component: str) -> str:
    """How far throughput falls in a fault and how fast the backlog is worked off."""
    throughput, arrivals = (runs_of(result, component, metric) for metric in ("throughput", "arrivals"))
    if throughput is None or arrivals is None:
        return "no throughput"
    times = grid(result)
    measured, median = times >= result.warmup, np.median(throughput, axis=0)
    usual = float(arrivals[:, measured].mean())
    fault = LagStory(result, component).fault
    inside = (times > fault.start) & (times <= fault.end) if fault else np.zeros(len(times), dtype=bool)
    if fault is None or not inside.any() or median[inside].min() > 0.7 * usual:
        done = float(throughput[:, measured].mean())
        return f"throughput {format_number(done)}/s at {format_number(usual)}/s arriving"
    after = median[times > fault.end]
    low = f"throughput falls to {format_number(float(median[inside].min()))}/s in the {fault.name}"
    if not len(after):
        return low
    most = float(after.max())
    return f"{low}, then up to {format_number(most)}/s" if most > 0.7 * usual else f"{low} and does not come back"


def age_finding(result: Result, component: str) -> str:
    """The greatest age of the oldest unfinished event, mean over the runs."""
    age = runs_of(result, component, "lag_seconds")
    measured = grid(result) >= result.warmup
    highest = 0.0 if age is None else float(age[:, measured].max(axis=1).mean())
    return f"the oldest event is up to {format_value(highest, 's')} old"


def attempts_finding(result: Result, component: str) -> str:
    """Attempts per event and the share of them that fails, as the summary has them, and the most dead letters at once."""
    attempts, failing = (result.value(component, metric).mean for metric in ("attempts_mean", "error_rate"))
    if not attempts > 0:
        return "nothing attempted"
    text = f"{attempts:.2f} attempts per event, {format_value(failing, 'share')} fail"
    dead = runs_of(result, component, "dead_letters")
    most = round(0.0 if dead is None else float(dead.max(axis=1).mean()))
    return f"{text}, up to {most:,} dead letter{'s' * (most != 1)}" if most else text


def breaker_finding(result: Result, component: str) -> str:
    """The share of time for which breakers are open, mean over instances and runs."""
    opened = runs_of(result, component, "breaker_open")
    measured = grid(result) >= result.warmup
    share = 0.0 if opened is None else float(opened[:, measured].mean())
    return f"breakers are open {format_value(share, 'share')} of the time"


def instances_finding(result: Result, component: str) -> str:
    """Between which numbers of instances a group moves, how many it has on average, and how often that changes."""
    wanted = runs_of(result, component, "instances")
    if wanted is None:
        return "no autoscaling"
    inside = wanted[:, grid(result) >= result.warmup]
    changes = float(np.count_nonzero(np.diff(inside), axis=1).mean())
    numbers = f"{inside.min():,.0f} to {inside.max():,.0f} instances, {format_number(float(inside.mean()))} on average"
    return f"{numbers}, {format_number(changes)} changes"


def overview_finding(result: Result, components: Sequence[str]) -> str:
    """Which group has the highest lag, and which ones no shared fault reaches."""
    stories = {component.removeprefix("consumers."): LagStory(result, component) for component in components}
    worst = max(stories, key=lambda name: stories[name].peak)
    text = f"lag is highest in {shortened(worst)}: {format_number(stories[worst].peak)} events"
    cause = stories[worst].fault
    if cause is None:
        return text
    calm = [shortened(name) for name, story in stories.items() if story.fault is None]
    if len(stories) == 1:
        return text
    return f"{text}; the {cause.name} " + (f"does not reach {', '.join(calm)}" if calm else "reaches every group")
