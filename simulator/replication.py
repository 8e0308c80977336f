"""Independent replications of a model, in this process or in several, with the same outcome to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from simulator.model import Model
from simulator.results import Measurement, Result
from simulator.statistics import Interval, mser5
from simulator.workers import measurements

FIRST_RUNS = 10
MOST_RUNS = 200
PILOTS = 5
FIRST_PILOT = 1_000_000

Progress = Callable[[int, int], None]


class Kept(Protocol):
    """A place where replications are kept as they finish, and found again."""

    def get(self, model: Model, seed: int, number: int) -> Measurement | None: ...
    def put(self, model: Model, seed: int, number: int, measurement: Measurement) -> None: ...


class Interrupted(KeyboardInterrupt):
    """The user stopped replications. `results`: of each model, the runs that were finished, None where there were none."""

    def __init__(self, results: Sequence[Result | None]) -> None:
        runs = sum(result.runs for result in results if result is not None)
        super().__init__(f"interrupted after {runs} runs" if runs else "interrupted")
        self.results = tuple(results)

    @property
    def result(self) -> Result | None:
        """That of the only model, or of the first."""
        return self.results[0]


def replicate(
    model: Model,
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    jobs: int = 1,
    trace: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run independent replications 0, 1, ... of `model`; `runs` and `seed` are the model's own unless given.

    `jobs`: processes, -1 for one per core; the result does not depend on it. `progress(done, total)` is called as runs
    finish. `runs = "auto"`: 10, then more in steps that at most double, until the half-width of the precision metric's
    interval is at most `precision` times its mean, at most 200. `warmup = "auto"` is settled first (`settled_warmup`).

    Raises ValueError for what cannot be replicated so, Interrupted (a KeyboardInterrupt) with what is finished, and
    what the model raises as it is.
    """
    return replicate_all([model], runs, seed, jobs, trace, progress)[0]


def replicate_all(
    models: Sequence[Model],
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    jobs: int = 1,
    trace: bool = False,
    progress: Progress | None = None,
    kept: Kept | None = None,
    series: bool = True,
) -> list[Result]:
    """Replicate several models together, as `replicate` does each; the processes are shared by all.

    Without `series` a replication leaves its metrics alone, which is a hundredth of the data. What `kept` holds is not run
    again, and what finishes is given to it at once.
    """
    work = _Work(jobs, trace, series, kept, progress)
    campaigns = [
        _Campaign(model, model.seed if seed is None else seed, model.runs if runs is None else runs) for model in models
    ]
    try:
        for campaign in campaigns:
            if campaign.model.warmup == "auto":
                campaign.model = campaign.model.with_warmup(_settled_warmup(campaign.model, campaign.seed, work))
        while any(campaign.missing() for campaign in campaigns):
            work.finish(campaigns)
            for campaign in campaigns:
                campaign.look()
    except KeyboardInterrupt as stop:
        raise Interrupted([campaign.result() if campaign.finished else None for campaign in campaigns]) from stop
    return [campaign.result() for campaign in campaigns]


class _Campaign:
    """The replications of one model. `goal`: how many there are to be, as far as is known; `finished`: by number."""

    def __init__(self, model: Model, seed: int | None, runs: int | Literal["auto"] | None) -> None:
        self.model = model
        self.seed = model.seed if seed is None else seed
        runs = model.runs if runs is None else runs
        self.goal = FIRST_RUNS if runs == "auto" else runs
        if self.goal < 1:
            raise ValueError(f"runs must be at least 1, not {self.goal}")
        self.sought = _precision_metric(model) if runs == "auto" else None
        self.finished: dict[int, Measurement] = {}

    def missing(self) -> list[int]:
        """The numbers of the replications still to be run."""
        return [number for number in range(self.goal) if number not in self.finished]

    def look(self) -> None:
        """The goal is reached; does the precision call for more?"""
        if self.sought is not None:
            self.goal = _next_goal(_sought_value(self.result(), *self.sought), self.goal, self.model.precision)

    def result(self) -> Result:
        """What is finished, in order."""
        model, numbers = self.model, tuple(sorted(self.finished))
        assert model.warmup != "auto"
        measurements = tuple(self.finished[number] for number in numbers)
        return Result(model.name, model.description, self.seed, model.duration, model.warmup, numbers, measurements)


@dataclass
class _Work:
    """How replications are run: in how many processes, what is kept of them and where, and who is told."""

    jobs: int
    trace: bool = False
    series: bool = True
    kept: Kept | None = None
    progress: Progress | None = None

    def finish(self, campaigns: Sequence[_Campaign]) -> None:
        """Run or find whatever is missing in any campaign."""
        tasks = []
        for campaign in campaigns:
            for number in campaign.missing():
                found = self.kept.get(campaign.model, campaign.seed, number) if self.kept is not None else None
                if found is None:
                    tasks.append((campaign, number))
                else:
                    campaign.finished[number] = found
        done, goal = (sum(len(c.finished) for c in campaigns), sum(c.goal for c in campaigns))
        if self.progress is not None and done:
            self.progress(done, goal)
        order = [(campaign.model, campaign.seed, number) for campaign, number in tasks]
        with closing(measurements(order, self.jobs, self.trace, self.series)) as arriving:
            for place, measurement in arriving:
                campaign, number = tasks[place]
                if self.kept is not None:
                    self.kept.put(campaign.model, campaign.seed, number, measurement)
                campaign.finished[number] = measurement
                done += 1
                if self.progress is not None:
                    self.progress(done, goal)


def settled_warmup(model: Model, seed: int, jobs: int = 1) -> float:
    """Seconds until the lag of each component has settled: MSER-5 on its mean over 5 pilots, the largest of them.

    Raises ValueError where no component has a lag, or where one has not settled in the first half of the run.
    """
    return _settled_warmup(model, seed, _Work(jobs))


def _settled_warmup(model: Model, seed: int, work: _Work) -> float:
    pilots = _Pilots(model.pilot(), seed, PILOTS)
    replace(work, trace=False, series=True, progress=None).finish([pilots])
    left = pilots.result().measurements
    times = left[0].times[left[0].times <= pilots.model.duration]
    cuts = {
        component: mser5(np.mean([m.series[component, metric][: len(times)] for m in left], axis=0))
        for component, metric in left[0].series
        if metric == "lag"
    }
    if not cuts:
        raise ValueError('warmup = "auto" needs a component with a lag, and there is none; give a duration')
    slowest = max(cuts, key=lambda component: cuts[component])
    if 2 * cuts[slowest] > len(times):
        raise ValueError(
            f'warmup = "auto": the lag of {slowest} has not settled in the first half of {model.duration:g} s; '
            "give a longer run, more capacity or a duration"
        )
    return float(times[cuts[slowest]]) if cuts[slowest] else 0.0


class _Pilots(_Campaign):
    """Pilots have luck of their own: a cut chosen on the runs that it is applied to would favour their noise."""

    def missing(self) -> list[int]:
        return [number for number in range(FIRST_PILOT, FIRST_PILOT + self.goal) if number not in self.finished]


def _precision_metric(model: Model) -> tuple[str, str]:
    component, colon, metric = (model.precision_metric or "").rpartition(":")
    if not colon:
        raise ValueError(f'runs = "auto" needs precision_metric = "component:metric", not {model.precision_metric!r}')
    return component, metric


def _sought_value(result: Result, component: str, metric: str) -> Interval:
    try:
        value = result.value(component, metric)
    except KeyError as unknown:
        raise ValueError(f"precision_metric: {unknown.args[0]}") from unknown
    if value.n == 0:
        raise ValueError(f"precision_metric: {component}:{metric} has no value in the first {result.runs} runs")
    return value


def _next_goal(value: Interval, done: int, precision: float) -> int:
    """How many runs there should be, given what `done` of them say: as many if that is enough, at most twice that."""
    allowed = precision * abs(value.mean)
    if value.half_width <= allowed or done >= MOST_RUNS:
        return done
    if not allowed > 0 or math.isnan(value.half_width):
        return min(2 * done, MOST_RUNS)
    expected = math.ceil(done * (value.half_width / allowed) ** 2)
    return min(max(expected, done + FIRST_RUNS), 2 * done, MOST_RUNS)
