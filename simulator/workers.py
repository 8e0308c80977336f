"""Replications in this process or in several: in which order they finish is chance, what they give is not."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from simulator.model import Model
from simulator.results import Measurement
from simulator.simulation import Simulation

Task = tuple[Model, int, int]
"""A model, a seed and the number of a replication."""

Numbered = Generator[tuple[int, Measurement], None, None]


def measurements(tasks: Sequence[Task], jobs: int, trace: bool, series: bool) -> Numbered:
    """Each replication with its place in `tasks`, in the order in which they finish. Closing it ends the workers."""
    if jobs != 1:
        from joblib import effective_n_jobs

        jobs = min(effective_n_jobs(jobs), effective_n_jobs(-1), len(tasks))
    if jobs <= 1:
        for place, task in enumerate(tasks):
            yield _replication(place, task, trace, series)
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    with _deaf_to_interrupts():
        here = os.getpid()
        arriving = parallel(delayed(_replication)(place, task, trace, series, here) for place, task in enumerate(tasks))
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


def _replication(place: int, task: Task, trace: bool, series: bool, parent: int = 0) -> tuple[int, Measurement]:
    if parent == os.getppid():
        _end_with(parent)
    model, seed, number = task
    sim = Simulation(seed, number)
    sim.trace = trace
    record = model.start(sim)
    sim.run(until=model.horizon)
    measurement = model.measure(record)
    return place, measurement if series else Measurement(measurement.metrics, measurement.times[:0], {})


@cache
def _end_with(parent: int) -> None:
    """This process, which works for `parent`, ends when that is killed; its own pool would leave it behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
