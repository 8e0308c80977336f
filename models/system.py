"""A system: a scenario that can run. The only place that knows all the parts: it starts them and hands each its neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Literal, Self

import simpy
from pydantic import PrivateAttr
from simpy.core import StopSimulation

from models.arrivals import ClosedArrivals
from models.books import balanced, final_states
from models.channel import Channel
from models.collecting import Window, collect
from models.footprint import check_memory
from models.group import Group
from models.handling import Handling
from models.injection import Injection
from models.journey import Journey
from models.lease_subscription import LeaseSubscription
from models.log_subscription import LogSubscription
from models.measures import measure
from models.message import Messages
from models.pricing import cost_per_hour
from models.producing import AheadProducing, ClosedProducing, OpenProducing, Producing
from models.queue_subscription import QueueSubscription
from models.rules import Rules
from models.scenario import Scenario
from models.server import Server
from models.settlement import Settlement
from models.subscription import Subscription
from models.topology import is_single, is_undisturbed, may_be_poison, may_fail
from simulator.results import Measure, Measurement
from simulator.simulation import WAIT_END, Simulation

PLACES = 1 << 20
"""Places at ties for the members of one component."""

SUBSCRIPTIONS: dict[str, Callable[..., Subscription[Any]]] = {
    "log": LogSubscription,
    "queue": QueueSubscription,
    "lease": LeaseSubscription,
}
"""By model of delivery."""

OwnProcess = Callable[[Simulation, "Parts"], Generator[simpy.Event, Any, Any]]


class Parts:
    """The running parts of one replication, by path: what a user's own process may look at and act on."""

    def __init__(self, sim: Simulation, scenario: Scenario) -> None:
        self.sim = sim
        self.scenario = scenario
        self.channels: dict[str, Channel] = {}
        self.producers: dict[str, Producing] = {}
        self.servers: dict[str, Server] = {}
        self.groups: dict[str, Group] = {}
        self.injection: Injection
        self.window: Window
        self.end = math.inf


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
        _Assembly(parts).build()
        parts.window = Window(sim, parts.groups, parts.servers, scenario.run)
        for own in self._processes:
            sim.process(own(sim, parts))
        if scenario.run.drain:
            sim.call_at(scenario.run.duration, WAIT_END, lambda: _drain(parts))
        return parts

    def measure(self, record: Parts) -> Measurement:
        """Closes the books, which must balance, and computes every metric. Raises AccountingError."""
        parts = record
        parts.end = min(parts.sim.now, self.run.duration + (self.run.drain_limit if self.run.drain else 0.0))
        for group in parts.groups.values():
            group.finish()
        fates = {name: final_states(group, parts.servers.values()) for name, group in parts.groups.items()}
        states = {name: states for name, (states, _) in fates.items()}
        books = balanced(parts.producers, parts.groups, parts.channels, states)
        measurement = measure(collect(parts, fates, parts.sim.trace))
        metrics = measurement.metrics
        if parts.scenario.costs is not None:
            metrics = (*metrics, Measure("system", "cost", "1", cost_per_hour(parts.scenario, metrics)))
        return Measurement(
            metrics=metrics,
            times=measurement.times,
            series=measurement.series,
            windows=measurement.windows,
            tables={**measurement.tables, "books": books},
            events=measurement.events,
        )


def _drain(parts: Parts) -> None:
    """Arrivals have stopped; the run ends when nothing is left."""
    for producer in parts.producers.values():
        producer.end()

    def look() -> None:
        live = [mask for group in parts.groups.values() for mask in final_states(group, parts.servers.values())[1]]
        to_come = any(len(group.settlement.parked) for group in parts.groups.values())
        if not to_come and not any(mask.any() for mask in live):
            raise StopSimulation(None)
        step = max(parts.scenario.run.duration / 600, (parts.sim.now - parts.scenario.run.duration) / 100)
        parts.sim.call_at(parts.sim.now + step, WAIT_END, look)

    look()


class _Assembly:
    """Builds the parts of one replication in the order of the scenario."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.sim = parts.sim
        self.scenario = parts.scenario
        self._places = 0

    def build(self) -> None:
        """Topics, dependencies, groups, producers, faults; then everything starts."""
        scenario, parts = self.scenario, self.parts
        for name, topic in scenario.topics.items():
            ahead = topic.delivery == "log" and is_undisturbed(scenario, name)
            parts.channels[name] = Channel(self.sim, name, topic, Messages(name, is_single(scenario, name)), ahead)
        for name, dependency in scenario.dependencies.items():
            parts.servers[name] = Server(self.sim, name, dependency, self._place())
        for name in scenario.consumers:
            parts.groups[f"consumers.{name}"] = self._group(name)
        for name in scenario.producers:
            parts.producers[f"producers.{name}"] = self._producer(name)
        for group in parts.groups.values():
            group.start()
        parts.injection = Injection(self.sim, parts.groups, parts.servers, parts.producers)
        parts.injection.start(scenario.faults)

    def _place(self) -> int:
        self._places += PLACES
        return self._places

    def _producer(self, name: str) -> Producing:
        spec, path = self.scenario.producers[name], f"producers.{name}"
        channel, place = self.parts.channels[spec.topic], self._place()
        if channel.ahead:
            return AheadProducing(self.sim, path, spec, channel, place, self.scenario.run.duration)
        if not isinstance(spec.arrivals, ClosedArrivals):
            return OpenProducing(self.sim, path, spec, channel, place)
        producer = ClosedProducing(self.sim, path, spec, channel, place)
        for group in self.parts.groups.values():
            for handling in group.handlings:
                if handling.journey.messages is channel.messages:
                    producer.told_by(handling.journey)
        return producer

    def _group(self, name: str) -> Group:
        sim, scenario, path = self.sim, self.scenario, f"consumers.{name}"
        spec, channels, place = scenario.consumers[name], self.parts.channels, self._place()
        rules = Rules(spec, may_be_poison(scenario, name), may_fail(scenario, name))
        settlement = Settlement(sim, rules, place)
        servers = [self.parts.servers[dependency] for dependency in spec.dependencies]
        targets = [channels[publish.topic] for publish in spec.publishes]
        handlings = []
        for topic in spec.topics:
            journey = Journey(channels[topic].messages, bool(servers), bool(targets))
            handlings.append(Handling(sim, path, spec, journey, servers, targets))
            settlement.open_for(journey, channels[topic])
        if spec.dead_letter is not None:
            settlement.moves_to(channels[spec.dead_letter.topic], path)
        sources = [channels[topic] for topic in spec.topics]
        subscription = SUBSCRIPTIONS[sources[0].delivery](path, settlement, handlings, sources, place)
        return Group(sim, path, subscription, settlement, handlings, place)
