"""Values of one field, tried: the system replicated with each, all with the same luck, until its objectives are decided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from experiments.lab.erlang import expected
from experiments.lab.slos import Judgement, Verdict, evaluate
from models import System
from simulator.model import Model
from simulator.replication import MOST_RUNS, Kept, Progress, replicate_all, settled_warmup
from simulator.results import Measurement, Result

TYPICAL_RUNS = 10

Value = int | float


@dataclass(frozen=True, eq=False)
class Trial:
    """One value: the system with it, its result (metrics alone) and the verdict on each of its objectives."""

    value: Value
    system: System
    result: Result
    verdicts: tuple[Verdict, ...]

    @property
    def met(self) -> bool:
        """Whether every objective is met; one that is undecided is not."""
        return self.verdict == "met"

    @property
    def verdict(self) -> Judgement:
        """The worst of the verdicts."""
        found = {each.verdict for each in self.verdicts}
        return "violated" if "violated" in found else "undecided" if "undecided" in found else "met"

    @property
    def failing(self) -> frozenset[int]:
        """The objectives that are not met, by their place."""
        return frozenset(place for place, each in enumerate(self.verdicts) if each.verdict != "met")

    @cached_property
    def expected(self) -> tuple[float | None, ...]:
        """The exact value of each objective's metric where Erlang's formula holds, else None."""
        return tuple(expected(self.system, slo) for slo in self.system.slos)

    def censored(self, place: int) -> int:
        """In how many replications an objective's metric is a lower bound."""
        key = self.verdicts[place].component, self.verdicts[place].metric
        return sum(m.censored for left in self.result.measurements for m in left.metrics if (m.component, m.metric) == key)

    def level(self, place: int) -> float:
        """The mean of an objective's metric; where no replication came to its end the median of the lower bounds, nan where
        there is no value at all."""
        verdict = self.verdicts[place]
        if not (math.isnan(verdict.mean) and verdict.censored):
            return verdict.mean
        values = [
            measure.value
            for run in self.result.measurements
            for measure in run.metrics
            if (measure.component, measure.metric) == (verdict.component, verdict.metric)
        ]
        return float(np.nanmedian(values))

    def miss(self, place: int) -> float:
        """How far an objective's metric lies on the wrong side of its bound, as a share of it; negative on the right side,
        infinite where it has no value."""
        slo, mean = self.system.slos[place], self.level(place)
        bound = slo.below if slo.below is not None else slo.above
        assert bound is not None
        if math.isnan(mean):
            return math.inf
        excess = mean - bound if slo.below is not None else bound - mean
        return excess / abs(bound) if bound else excess


@dataclass(frozen=True)
class Effort:
    """How values are tried: replications to begin with, seed, processes, who is told of the progress, and what is kept."""

    runs: int | Literal["auto"]
    seed: int
    jobs: int
    progress: Progress | None = None
    kept: Kept | None = None


class Trials:
    """The values tried so far of the field `path`; none is tried twice. `ahead`: how many more are to be expected.

    Where an objective is undecided and none is violated, replications are doubled, up to 200 in all. A warm-up that is to
    be found is found once, for the system as it is given, and used with every value.
    """

    def __init__(self, system: System, path: str, effort: Effort) -> None:
        self.path = path
        self.effort = effort
        self.ahead = 0
        self._base = system
        self._memory = _Memory(effort.kept)
        self._systems: dict[Value, System] = {}
        self._done: dict[Value, Trial] = {}

    def at(self, values: Sequence[Value]) -> list[Trial]:
        """The trial of each value, all replicated together."""
        new = [value for value in dict.fromkeys(values) if value not in self._done]
        for value in new:
            self._systems[value] = self._settled.with_({self.path: value})
        self._try(new, self.effort.runs)
        while undecided := [value for value in new if _may_be_decided(self._done[value])]:
            most = max(self._done[value].result.runs for value in undecided)
            self._try(undecided, min(2 * most, MOST_RUNS))
        return [self._done[value] for value in values]

    @property
    def done(self) -> list[Trial]:
        """All trials, by value."""
        return [self._done[value] for value in sorted(self._done)]

    @cached_property
    def _settled(self) -> System:
        system = self._base
        if system.warmup != "auto":
            return system
        return system.with_warmup(settled_warmup(system, self.effort.seed, self.effort.jobs))

    def _try(self, values: Sequence[Value], runs: int | Literal["auto"]) -> None:
        systems = [self._systems[value] for value in values]
        effort = self.effort
        told = self._told if effort.progress is not None else None
        results = replicate_all(systems, runs, effort.seed, effort.jobs, False, told, self._memory, series=False)
        for value, system, result in zip(values, systems, results, strict=True):
            self._done[value] = Trial(value, system, result, tuple(evaluate(system.slos, result)))

    def _told(self, done: int, total: int) -> None:
        runs = TYPICAL_RUNS if self.effort.runs == "auto" else self.effort.runs
        finished = len(self._memory)
        assert self.effort.progress is not None
        self.effort.progress(finished, finished + total - done + self.ahead * runs)


def _may_be_decided(trial: Trial) -> bool:
    """Whether more replications can help: of a metric without a value they would not."""
    valued = all(not math.isnan(each.mean) for each in trial.verdicts)
    return trial.verdict == "undecided" and valued and trial.result.runs < MOST_RUNS


class _Memory:
    """Replications of models that stay alive, kept while a search goes on; behind it, what is `kept` for longer."""

    def __init__(self, kept: Kept | None) -> None:
        self._behind = kept
        self._kept: dict[tuple[int, int, int], Measurement] = {}

    def get(self, model: Model, seed: int, number: int) -> Measurement | None:
        found = self._kept.get((id(model), seed, number))
        if found is None and self._behind is not None:
            found = self._behind.get(model, seed, number)
            if found is not None:
                self._kept[id(model), seed, number] = found
        return found

    def put(self, model: Model, seed: int, number: int, measurement: Measurement) -> None:
        self._kept[id(model), seed, number] = measurement
        if self._behind is not None:
            self._behind.put(model, seed, number, measurement)

    def __len__(self) -> int:
        return len(self._kept)
