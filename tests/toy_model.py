"""Two models small enough to know by heart, in a module that workers can import."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from simulator.results import Measure, Measurement, Window
from simulator.simulation import Simulation


@dataclass(frozen=True)
class Queue:
    """M/M/1 with its lag (jobs in the system) on a grid; `initial` jobs are there at the start."""

    load: float = 0.5
    initial: int = 0
    duration: float = 200.0
    warmup: float | Literal["auto"] = 0.0
    runs: int | Literal["auto"] = 3
    stationary: bool = True
    name: str = "toy queue"
    description: str = "Poisson arrivals, one exponential server of mean 1 s"
    seed: int = 7
    precision: float = 0.05
    precision_metric: str | None = "queue:lag_mean"

    @property
    def horizon(self) -> float:
        return self.duration

    def start(self, sim: Simulation) -> dict[str, Any]:
        record: dict[str, Any] = {"changes": [(0.0, self.initial)], "trace": sim.trace}
        sim.process(self._arrive(sim, record))
        if self.initial:
            record["busy"] = True
            sim.process(self._serve(sim, record))
        return record

    def _arrive(self, sim: Simulation, record: dict[str, Any]) -> Generator[Any, Any, None]:
        luck, k = sim.stream("queue/arrivals"), 0
        while True:
            yield sim.timeout(-math.log1p(-luck.uniform(k)) / self.load)
            k += 1
            record["changes"].append((sim.now, record["changes"][-1][1] + 1))
            if not record.get("busy"):
                record["busy"] = True
                sim.process(self._serve(sim, record))

    def _serve(self, sim: Simulation, record: dict[str, Any]) -> Generator[Any, Any, None]:
        luck = sim.stream("queue/service")
        while record["changes"][-1][1]:
            k = record["served"] = record.get("served", 0) + 1
            yield sim.timeout(-math.log1p(-luck.uniform(k)))
            record["changes"].append((sim.now, record["changes"][-1][1] - 1))
        record["busy"] = False

    def measure(self, record: dict[str, Any]) -> Measurement:
        assert self.warmup != "auto"
        at, lag = (np.array(column, dtype=float) for column in zip(*record["changes"], strict=True))
        times = np.arange(0, self.duration, self.duration / 600)
        grid = lag[np.searchsorted(at, times, side="right") - 1]
        seen = grid[times >= self.warmup]
        return Measurement(
            metrics=(
                Measure("queue", "lag_mean", "events", float(seen.mean())),
                Measure("queue", "empty", "", float((seen == 0).mean()), kind="share", exposure=len(seen)),
            ),
            times=times,
            series={("queue", "lag"): grid},
            windows=(Window("noon", "queue", 10.0, 20.0),),
            tables={"books": {"state": ["left"], "events": np.array([record.get("served", 0)])}},
            events={"time": at, "lag": lag} if record["trace"] else None,
        )

    def pilot(self) -> Queue:
        if not self.stationary:
            raise ValueError("arrivals of a profile are not stationary")
        return replace(self, warmup=0.0)

    def with_warmup(self, warmup: float) -> Queue:
        return replace(self, warmup=warmup)


@dataclass(frozen=True)
class Coin(Queue):
    """A normal number of mean `mean` and deviation 1 per replication; some replications can fail, or leave no value."""

    mean: float = 10.0
    silent: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    fails_at: int | None = None
    stops_at: int | None = None
    precision_metric: str | None = "coin:luck"

    def start(self, sim: Simulation) -> dict[str, Any]:
        if sim.replication == self.fails_at:
            raise ZeroDivisionError("a bug of the model")
        if sim.replication == self.stops_at:
            raise KeyboardInterrupt
        luck = sim.stream("coin/luck")
        normal = math.sqrt(-2 * math.log1p(-luck.uniform(0))) * math.cos(2 * math.pi * luck.uniform(1))
        return {"run": sim.replication, "value": self.mean + normal}

    def measure(self, record: dict[str, Any]) -> Measurement:
        luck = Measure("coin", "luck", "s", math.nan if record["run"] in self.silent else record["value"])
        run = Measure("coin", "run", "", float(record["run"]))
        return Measurement((run,) if record["run"] in self.absent else (luck, run), np.zeros(0), {})
