"""Agreement of the simulator with known values: models as scenarios, what is read off each run, and the verdict.

A metric agrees when its exact value lies in the 99 % Student-t interval over independent replications, and, in full,
when the error and the half-width are within the tolerance of its case too. One metric in a hundred misses by chance, so
a metric fails only if it misses twice: with the seed of its study and with the next one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from joblib import Parallel, delayed
from scipy import stats
from simpy import Event

from models import System
from models.parts import Parts
from simulator import replicate
from simulator.results import Measurement
from simulator.simulation import Simulation

CASES: dict[str, dict[str, Any]] = {
    case["id"]: case for case in json.loads((Path(__file__).parent / "data" / "theory_cases.json").read_text())
}
CONFIDENCE = 0.99
QUANTILE = re.compile(r"(?:^|_)p(\d\d)(?:_|$)")

Tables = dict[str, Any]
Inputs = Mapping[str, Any]


def exact_values(case: str) -> dict[str, float]:
    """The metrics of a case that a simulation must give: all but the numbers that stand beside them for contrast."""
    return {name: entry["value"] for name, entry in CASES[case]["expected"].items() if not entry.get("contrast")}


@dataclass(frozen=True)
class Effort:
    """Replications and their length (s), warm-up included. `width`: the widest relative half-width that this gives."""

    runs: int
    duration: float
    width: float = math.inf


@dataclass(frozen=True)
class Study:
    """A model with known values.

    `tables`: the scenario without `run`, from the inputs; `read`: the metrics of one run, a sample for a quantile.
    The exact values are those of the case whose identifier begins `name`, as far as `metrics` names them (all by
    default), or are given with the inputs. `spreads`: which metrics are standard deviations over runs, and of what.
    `controls`: which metrics vary with another, whose mean is `known` or a metric's, so that the excess of that can be
    taken off.
    `rounding`: the relative error that is none, where no chance plays a part.
    """

    name: str
    tables: Callable[[Inputs], Tables]
    read: Callable[[Run], Mapping[str, float | np.ndarray]]
    quick: Effort
    full: Effort | None = None
    warmup: float = 0.0
    drain: bool = True
    metrics: tuple[str, ...] = ()
    spreads: Mapping[str, str] = field(default_factory=dict)
    controls: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Callable[[Inputs], float]] = field(default_factory=dict)
    rounding: float = 1e-9
    given: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def case(self) -> str:
        """Identifier of the case that it is about."""
        return self.name.partition(" ")[0]

    @property
    def inputs(self) -> Inputs:
        """The inputs of the case, or those given."""
        return self.given or {name: entry["value"] for name, entry in CASES[self.case]["inputs"].items()}

    @property
    def exact(self) -> Mapping[str, float]:
        """The values to be found, by metric."""
        if self.values:
            return self.values
        values = exact_values(self.case)
        return {name: values[name] for name in self.metrics or values}

    def tolerance(self, metric: str) -> float:
        """Relative error and half-width that the case allows."""
        case = CASES[self.case]
        return float(case.get("metric_tol", {}).get(metric, case["rel_tol"]))


def form(name: str, tables: Tables, values: Mapping[str, float], read: Any, effort: Effort, **others: Any) -> Study:
    """A study of a model that is written down as it is, with its values."""
    return Study(name, lambda _: tables, read, effort, values=values, given={"form": name}, **others)


class Run:
    """One replication: its metrics, its events and, where they must be looked at, the parts that ran."""

    def __init__(self, inputs: Inputs, measurement: Measurement, parts: Parts) -> None:
        self.inputs = inputs
        self.since, self.until = float(parts.scenario.run.warmup), parts.scenario.run.duration
        self.seconds = self.until - self.since
        self.measurement = measurement
        self.parts = parts

    @cached_property
    def _metrics(self) -> dict[tuple[str, str], float]:
        return {(each.component, each.metric): each.value for each in self.measurement.metrics}

    def metric(self, name: str, component: str = "consumers.c") -> float:
        """A metric that the run gives by itself."""
        return self._metrics[component, name]

    def every(self, column: str, group: str = "c") -> np.ndarray:
        """A column of the trace, for all events of a group."""
        assert self.measurement.events is not None
        events = self.measurement.events
        values: np.ndarray = np.asarray(events[column])[np.asarray(events["group"]) == f"consumers.{group}"]
        return values

    def column(self, name: str, group: str = "c") -> np.ndarray:
        """A column of the trace, for the group's events produced in the measured time."""
        produced = self.every("produced", group)
        return self.every(name, group)[(produced >= self.since) & (produced <= self.until)]

    def times(self, since: str, until: str, group: str = "c") -> np.ndarray:
        """Seconds from one column to another, for the group's events produced in the measured time."""
        return np.asarray(self.column(until, group) - self.column(since, group))

    def occupancy(self, since: str, until: str, group: str = "c") -> np.ndarray:
        """Shares of the measured time in which 0, 1, 2, ... events are between two columns."""
        starts, ends = self.every(since, group), np.nan_to_num(self.every(until, group), nan=np.inf)
        times = np.concatenate([[0.0], starts, ends])
        order = np.argsort(times, kind="stable")
        steps = np.concatenate([[0], np.ones(len(starts), dtype=int), -np.ones(len(ends), dtype=int)])
        edges = np.clip(times[order], self.since, self.until)
        return np.bincount(np.cumsum(steps[order]), np.diff(edges, append=self.until)) / self.seconds

    def windows(self, fault: str) -> Iterator[tuple[str, float, float]]:
        """Target, start and end of each window of a fault."""
        return ((w.target, w.start, w.end) for w in self.measurement.windows if w.name == fault)


def average(shares: np.ndarray) -> float:
    """The mean of a number from the shares of time in which it is 0, 1, 2, ..."""
    return float(np.arange(len(shares)) @ shares)


def queue(arrivals: Tables, service: Any = 0.0, **consumer: Any) -> Tables:
    """One topic with one queue, a producer `p` and a group `c`."""
    return {
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": {"topic": "t", "arrivals": arrivals}},
        "consumers": {"c": {"topic": "t", "service": service, **consumer}},
    }


def log(arrivals: Tables, service: Any = 0.0, **consumer: Any) -> Tables:
    """The same with a log of one partition."""
    return {**queue(arrivals, service, **consumer), "broker": {"profile": "kafka"}}


def lease(arrivals: Tables, service: Any = 0.0, **consumer: Any) -> Tables:
    """The same with a leased queue, of which one message is received at a time, by as many workers as it takes."""
    group = {"batch": 1, "concurrency": "unlimited", **consumer}
    return {**queue(arrivals, service, **group), "broker": {"profile": "sqs"}}


def poisson(rate: float, **others: Any) -> Tables:
    return {"process": "poisson", "rate": float(rate), **others}


def constant(rate: float, **others: Any) -> Tables:
    return {"process": "constant", "rate": float(rate), **others}


def exponential(mean: float) -> Tables:
    return {"dist": "exponential", "mean": mean}


def failing(up: Any, down: Any, kind: str = "crash", **fault: Any) -> list[Tables]:
    """A renewal fault `f` of every instance of the group."""
    times = {"time_to_failure": up, "time_to_repair": down}
    return [{"name": "f", "target": "consumers.c", "kind": kind, **times, **fault}]


def agree(study: Study, effort: Effort, full: bool = False) -> None:
    """Raises AssertionError with every metric that misses twice, and with what both attempts gave.

    In full, an interval that is too wide asks for a longer run: the second attempt has twice the runs.
    """
    seed = crc32(study.name.encode())
    missed, lines = _missed(study, effort, seed, full)
    if missed:
        longer = replace(effort, runs=2 * effort.runs) if full else effort
        again, more = _missed(study, longer, seed + 1, full)
        missed, lines = missed & again, [*lines, *more]
    assert not missed, f"{study.name}: {', '.join(sorted(missed))}\n" + "\n".join(lines)


def _missed(study: Study, effort: Effort, seed: int, full: bool) -> tuple[set[str], list[str]]:
    """The metrics whose values are not as they should be, and a line on each metric."""
    samples = _samples(study, effort, seed, full)
    missed, lines = set(), []
    for metric, exact in study.exact.items():
        mean, half = interval(_sample(metric, samples, study))
        lines.append(f"{metric}: {mean:.6g} ± {half:.2g} ({half / abs(exact):.2%}), exact {exact:.6g}")
        allowed = (study.tolerance(metric) if full else effort.width) * abs(exact)
        error = abs(mean - exact)
        covers = error <= max(half, study.rounding * abs(exact)) and (error <= allowed or not full)
        if not (covers and half <= allowed):
            missed.add(metric)
    return missed, lines


def _samples(study: Study, effort: Effort, seed: int, full: bool) -> list[Mapping[str, Any]]:
    if not full:
        return _read(study, effort, effort.runs, seed, full)
    pieces = (delayed(_read)(study, effort, 1, (seed << 16) + place, full) for place in range(effort.runs))
    return [one for piece in Parallel(n_jobs=-1)(pieces) for one in piece]


def _read(study: Study, effort: Effort, runs: int, seed: int, full: bool) -> list[Mapping[str, Any]]:
    """What is read off replications. A quantile of a short run is biased: there the share of the sample beyond the
    exact value is compared, on the scale of that value."""
    wanted = {*study.exact, *study.spreads.values(), *study.controls.values()}
    length = {"duration": effort.duration, "warmup": study.warmup, "drain": study.drain}
    found: list[Mapping[str, Any]] = []
    for run in simulate(study.tables(study.inputs), length, study.inputs, runs, seed):
        read = study.read(run)
        values = {metric: value for metric, value in read.items() if metric in wanted}
        for metric, value in values.items():
            if isinstance(value, np.ndarray):
                exact = study.exact[metric]
                level = _level(metric)
                beyond = (value > exact).mean() / (1 - level) * exact
                values[metric] = float(np.quantile(value, level) if full else beyond)
        found.append(values)
    return found


def simulate(tables: Tables, run: Tables, inputs: Inputs, runs: int = 1, seed: int = 1) -> list[Run]:
    """Replications of a scenario: `tables` with the table `run`."""
    kept: list[Parts] = []

    def keep(sim: Simulation, parts: Parts) -> Generator[Event, Any, None]:
        kept.append(parts)
        yield sim.timeout(0.0)

    result = replicate(System(processes=[keep], run=run, **tables), runs=runs, seed=seed, trace=True)
    return [Run(inputs, *each) for each in zip(result.measurements, kept, strict=True)]


def _level(metric: str) -> float:
    named = QUANTILE.search(metric)
    assert named, f"{metric} is not a quantile"
    return int(named[1]) / 100


def _sample(metric: str, samples: Sequence[Mapping[str, Any]], study: Study) -> np.ndarray:
    """One number from each run that has one."""
    if metric in study.spreads:
        return deviations(np.array([sample[study.spreads[metric]] for sample in samples]))
    sample = np.array([sample[metric] for sample in samples])
    if metric in study.controls:
        control = study.controls[metric]
        mean = study.known[control](study.inputs) if control in study.known else study.exact[control]
        excess = np.array([sample[control] for sample in samples]) - mean
        sample = sample - np.polyfit(excess, sample, 1)[0] * excess
    return np.extract(~np.isnan(sample), sample)


def deviations(sample: np.ndarray) -> np.ndarray:
    """Numbers whose mean is the standard deviation of a sample, and whose own spread tells its error (delta method)."""
    spread = sample.std(ddof=1)
    return np.asarray(spread + ((sample - sample.mean()) ** 2 - spread**2) / (2 * spread))


def interval(sample: np.ndarray) -> tuple[float, float]:
    """Mean of independent numbers and the half-width of its Student-t interval."""
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(sample) - 1)
    return float(sample.mean()), float(quantile * sample.std(ddof=1) / math.sqrt(len(sample)))
