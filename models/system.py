"""A system: a scenario that can run. The only place that knows all the parts: it starts them and hands each its neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Literal, Self

import simpy
from pydantic import PrivateAttr
from simpy.core import StopSimulation

from models.assembly import Assembly
from models.books import balanced, final_states
from models.collecting import Window, collect
from models.footprint import check_memory
from models.measures import measure
from models.parts import Parts
from models.pricing import cost_per_hour
from models.record import SystemRecord
from models.scenario import Scenario
from models.stored import StoredTopic, lose_what_was_cut_off
from simulator.results import Columns, Measure, Measurement
from simulator.simulation import WAIT_END, Simulation

OwnProcess = Callable[[Simulation, Parts], Generator[simpy.Event, Any, Any]]


class System(Scenario):
    """A scenario that can be replicated: `replicate(system)`.

    `processes`: the user's own, each a function of (sim, parts) that returns a SimPy generator; it is started with the rest.
    """

    _processes: tuple[OwnProcess, ...] = PrivateAttr(())

    def __init__(self, /, *, processes: Iterable[OwnProcess] = (), **fields: Any) -> None:
        super().__init__(**fields)
        self._processes = tuple(processes)

    def with_(self, changes: Mapping[str, Any]) -> Self:
        """The system with other values at dotted paths; its own processes stay."""
        changed = super().with_(changes)
        changed._processes = self._processes
        return changed

    @property
    def processes(self) -> tuple[OwnProcess, ...]:
        """The user's own processes."""
        return self._processes

    @property
    def duration(self) -> float:
        """Simulated seconds until arrivals and measurement end."""
        return self.run.duration

    @property
    def warmup(self) -> float | Literal["auto"]:
        """Simulated seconds before measurement begins."""
        return self.run.warmup

    @property
    def runs(self) -> int | Literal["auto"]:
        """Number of replications."""
        return self.run.runs

    @property
    def seed(self) -> int:
        """Seed of every random number."""
        return self.run.seed

    @property
    def precision(self) -> float:
        """Relative half-width that `runs = "auto"` aims at."""
        return self.run.precision

    @property
    def precision_metric(self) -> str | None:
        """The metric whose interval is to reach `precision`: "component:metric"."""
        return self.run.precision_metric

    @property
    def horizon(self) -> float:
        """Seconds after which a replication is stopped; what happens at this very instant still does."""
        return math.nextafter(self.run.duration + (self.run.drain_limit if self.run.drain else 0.0), math.inf)

    def pilot(self) -> Self:
        """The system without faults and warm-up. Raises ValueError where its arrivals are not stationary."""
        for name, producer in self.producers.items():
            if not producer.arrivals.stationary:
                raise ValueError(f'warmup = "auto" needs stationary arrivals, and those of producers.{name} are not')
        return self.model_copy(update={"faults": (), "run": self.run.model_copy(update={"warmup": 0.0})})

    def with_warmup(self, warmup: float) -> Self:
        """The system with that warm-up (s)."""
        return self.model_copy(update={"run": self.run.model_copy(update={"warmup": warmup})})

    def start(self, sim: Simulation) -> Parts:
        """Starts every part; SimPy then runs them."""
        check_memory(self, trace=sim.trace)
        scenario = self.resolved()
        sim.horizon = self.horizon
        parts = Parts(sim, scenario)
        Assembly(parts).build()
        parts.window = Window(sim, parts.groups, parts.servers, parts.stores, scenario.run)
        for own in self._processes:
            sim.process(own(sim, parts))
        if scenario.run.drain:
            sim.call_at(scenario.run.duration, WAIT_END, lambda: _drain(parts))
        return parts

    def measure(self, record: Parts) -> Measurement:
        """Closes the books, which must balance, and computes every metric. Raises AccountingError."""
        closed, books = self.close(record)
        measurement = measure(closed)
        metrics = measurement.metrics
        if self.costs is not None:
            operations = sum(record.window.span(name)[0] for name in record.stores)
            metrics = (*metrics, Measure("system", "cost", "1", cost_per_hour(record.scenario, metrics, operations)))
        return Measurement(
            metrics=metrics,
            times=measurement.times,
            series=measurement.series,
            windows=measurement.windows,
            tables={**measurement.tables, "books": books},
            events=measurement.events,
        )

    def close(self, parts: Parts) -> tuple[SystemRecord, Columns]:
        """What a run that is over has recorded, and its books, which must balance. Raises AccountingError."""
        parts.end = min(parts.sim.now, self.run.duration + (self.run.drain_limit if self.run.drain else 0.0))
        for channel in parts.channels.values():
            if channel.ahead and channel.messages.passage is not None and len(channel.messages):
                channel.messages.passage.close(parts.end)
            if isinstance(channel, StoredTopic):
                lose_what_was_cut_off(channel)
                for replicas in channel.replicas:
                    replicas.service.finish(parts.end)
        if parts.resources is not None:
            parts.resources.finish(parts.end)
        for producer in parts.producers.values():
            if producer.publisher is not None:
                producer.publisher.finish()
        for group in parts.groups.values():
            group.finish()
            if group.spec.publishes and parts.cluster is not None:
                stored = [channel for channel in parts.channels.values() if isinstance(channel, StoredTopic)]
                going = {topic.name: topic.house.pending() for topic in stored}
                going |= {name: outbox.rows.keys() for name, outbox in group.outboxes.items()}
                for handling in group.handlings:
                    handling.check_published(going)
        fates = {name: final_states(group, parts.servers.values()) for name, group in parts.groups.items()}
        states = {name: states for name, (states, _) in fates.items()}
        books = balanced(parts.producers, parts.groups, parts.channels, states, parts.end)
        return collect(parts, fates, parts.sim.trace), books


def _drain(parts: Parts) -> None:
    """Arrivals have stopped; the run ends when nothing is left."""
    for producer in parts.producers.values():
        producer.end()

    def look() -> None:
        for group in parts.groups.values():
            group.subscription.write_off()
        live = [mask for group in parts.groups.values() for mask in final_states(group, parts.servers.values())[1]]
        to_come = any(len(group.settlement.parked) for group in parts.groups.values())
        publishers = [producer.publisher for producer in parts.producers.values() if producer.publisher is not None]
        to_come = to_come or any(publisher.is_busy() for publisher in publishers)
        to_come = to_come or any(outbox.rows for group in parts.groups.values() for outbox in group.outboxes.values())
        to_come = to_come or any(queue.ready for queue in parts.delays)
        stored = [channel for channel in parts.channels.values() if isinstance(channel, StoredTopic)]
        to_come = to_come or any(topic.house.pending() for topic in stored)
        if not to_come and not any(mask.any() for mask in live):
            raise StopSimulation(None)
        step = max(parts.scenario.run.duration / 600, (parts.sim.now - parts.scenario.run.duration) / 100)
        parts.sim.call_at(parts.sim.now + step, WAIT_END, look)

    look()
