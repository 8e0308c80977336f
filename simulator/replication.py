"""Independent replications of a model, in this process or in several, with the same outcome to the last bit."""

from __future__ import annotations

import math
import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, Literal, Protocol, Self

import numpy as np

from simulator.results import Measurement, Result
from simulator.simulation import Simulation
from simulator.statistics import Interval, mser5

FIRST_RUNS = 10
MOST_RUNS = 200
PILOTS = 5
# Pilots have luck of their own: a cut chosen on the runs that it is applied to would favour their noise.
FIRST_PILOT = 1_000_000

Progress = Callable[[int, int], None]
Numbered = Generator[tuple[int, Measurement], None, None]


class Model(Protocol):
    """What can be replicated: a picklable specification that starts processes and measures what they recorded."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def duration(self) -> float: ...
    @property
    def warmup(self) -> float | Literal["auto"]: ...
    @property
    def runs(self) -> int | Literal["auto"]: ...
    @property
    def seed(self) -> int: ...
    @property
    def precision(self) -> float: ...
    @property
    def precision_metric(self) -> str | None: ...
    @property
    def horizon(self) -> float:
        """Simulated seconds after which a replication is stopped at the latest."""
        ...

    def start(self, sim: Simulation) -> Any:
        """Start the processes; what is returned is given to `measure` after the run."""
        ...

    def measure(self, record: Any) -> Measurement: ...

    def pilot(self) -> Self:
        """The model without faults, surges and warm-up. Raises ValueError where its arrivals are not stationary."""
        ...

    def with_warmup(self, warmup: float) -> Self: ...


class Interrupted(KeyboardInterrupt):
    """The user stopped a replication; `result` holds the runs that were finished, None where there were none."""

    def __init__(self, result: Result | None) -> None:
        super().__init__("interrupted" if result is None else f"interrupted after {result.runs} runs")
        self.result = result


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
    wanted, seed = model.runs if runs is None else runs, model.seed if seed is None else seed
    goal = FIRST_RUNS if wanted == "auto" else wanted
    if goal < 1:
        raise ValueError(f"runs must be at least 1, not {goal}")
    sought = _precision_metric(model) if wanted == "auto" else None
    finished: dict[int, Measurement] = {}
    try:
        if model.warmup == "auto":
            model = model.with_warmup(settled_warmup(model, seed, jobs))
        while len(finished) < goal:
            with closing(_measurements(model, seed, range(len(finished), goal), jobs, trace)) as arriving:
                for number, measurement in arriving:
                    finished[number] = measurement
                    if progress is not None:
                        progress(len(finished), goal)
            if sought is not None:
                goal = _next_goal(_sought_value(_result(model, seed, finished), *sought), goal, model.precision)
    except KeyboardInterrupt as stop:
        raise Interrupted(_result(model, seed, finished) if finished else None) from stop
    return _result(model, seed, finished)


def settled_warmup(model: Model, seed: int, jobs: int = 1) -> float:
    """Seconds until the lag of each component has settled: MSER-5 on its mean over 5 pilots, the largest of them.

    Raises ValueError where no component has a lag, or where one has not settled in the first half of the run.
    """
    pilot = model.pilot()
    pilots = dict(_measurements(pilot, seed, range(FIRST_PILOT, FIRST_PILOT + PILOTS), jobs, trace=False))
    left = [pilots[number] for number in sorted(pilots)]
    times = left[0].times[left[0].times <= pilot.duration]
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
            f'warmup = "auto": the lag of {slowest} has not settled in the first half of {pilot.duration:g} s; '
            "give a longer run, more capacity or a duration"
        )
    return float(times[cuts[slowest]]) if cuts[slowest] else 0.0


def _measurements(model: Model, seed: int, numbers: range, jobs: int, trace: bool) -> Numbered:
    """The replications `numbers` with their number, in the order in which they finish. Closing it ends the workers."""
    if jobs != 1:
        from joblib import effective_n_jobs

        jobs = min(effective_n_jobs(jobs), len(numbers), os.cpu_count() or 1)
    if jobs == 1:
        for number in numbers:
            yield _replication(model, seed, number, trace)
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    with _deaf_to_interrupts():
        arriving = parallel(delayed(_replication)(model, seed, number, trace) for number in numbers)
    try:
        for measurement in arriving:  # noqa: UP028  (closed below, under the filter)
            yield measurement
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib's, of the runs that an interrupt has cut short
            arriving.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started meanwhile never hear of Ctrl-C, which a terminal sends to them too: this one ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _replication(model: Model, seed: int, number: int, trace: bool) -> tuple[int, Measurement]:
    sim = Simulation(seed, number)
    sim.trace = trace
    record = model.start(sim)
    sim.run(until=model.horizon)
    return number, model.measure(record)


def _result(model: Model, seed: int, finished: dict[int, Measurement]) -> Result:
    assert model.warmup != "auto"
    numbers = tuple(sorted(finished))
    measurements = tuple(finished[number] for number in numbers)
    return Result(model.name, model.description, seed, model.duration, model.warmup, numbers, measurements)


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
