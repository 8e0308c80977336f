"""Faults at work: when each strikes its targets, and what that does to them, in any overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import simpy

from models.cluster import Cluster
from models.faults import Fault
from models.group import Group
from models.instance import Instance
from models.links import Cut, Links
from models.nodes import Node
from models.producing import OpenProducing, Producing
from models.server import Server
from simulator.distributions import residual
from simulator.modifiers import Modified, any_of
from simulator.simulation import FAILURE, FAULT_END, FAULT_START, Simulation

Process = Generator[simpy.Event, Any, None]
DOWNING = ("crash", "stop", "pause", "outage", "power_loss")


class Target:
    """Something that faults strike: a clock of how long it has been down, and the values that faults change."""

    def __init__(self, sim: Simulation, path: str) -> None:
        self.sim = sim
        self.path = path
        self.down = 0
        self.came_up: simpy.Event = sim.event()
        self._down_before = self._down_since = 0.0
        self.values: dict[str, Modified] = {}

    def falls(self) -> None:
        """A fault takes it down."""
        self.down += 1
        if self.down == 1:
            self._down_since = self.sim.now

    def rises(self) -> None:
        """A fault that had taken it down ends."""
        self.down -= 1
        if not self.down:
            self._down_before += self.sim.now - self._down_since
            came_up, self.came_up = self.came_up, self.sim.event()
            came_up.succeed()

    def time_down(self) -> float:
        """Seconds down so far."""
        return self._down_before + (self.sim.now - self._down_since if self.down else 0.0)


@dataclass(frozen=True)
class Strike:
    """What one fault does to one target."""

    target: Target
    begin: Callable[[], object]
    end: Callable[[], object]


class Injection:
    """All faults of one replication. `windows`: by fault name, (target, start, end) of what has begun; end inf: not over."""

    def __init__(
        self, sim: Simulation, groups: dict[str, Group], servers: dict[str, Server],
        producers: dict[str, Producing], links: Links, cluster: Cluster | None,
    ) -> None:  # fmt: skip
        self.sim = sim
        self.groups = groups
        self.servers = servers
        self.producers = producers
        self.links = links
        self.cluster = cluster
        self.targets: dict[str, Target] = {}
        self.windows: dict[str, list[tuple[str, float, float]]] = {}

    def start(self, faults: Iterable[Fault]) -> None:
        """Sets every fault on its way, in the order of the scenario."""
        for place, fault in enumerate(faults):
            self.windows.setdefault(fault.name, [])
            strikes = [strike for path in fault.targets for strike in self._strikes(fault, path)] or [self._on_links(fault)]
            if fault.together:
                self._schedule(fault, strikes, strikes[0].target, place)
            else:
                for strike in strikes:
                    self._schedule(fault, [strike], strike.target, place)

    # -- when ---------------------------------------------------------------------------------------------------------

    def _schedule(self, fault: Fault, strikes: list[Strike], clock: Target, place: int) -> None:
        name = f"faults.{fault.name}" + ("" if fault.together else f"/{clock.path}")
        stream = self.sim.stream(name)
        if fault.time_to_failure is not None:
            self.sim.process(self._renew(fault, strikes, clock, place, stream.uniform))
            return
        for _k, (start, seconds) in enumerate(self._windows_of(fault, stream.uniform)):
            self.sim.call_at(start, FAULT_START, partial(self._strike, fault, strikes, seconds, place), place)

    def _windows_of(self, fault: Fault, luck: Callable[[int, int], float]) -> Iterable[tuple[float, float]]:
        if fault.trace is not None:
            return fault.windows
        assert fault.for_ is not None
        if fault.at is not None:
            return [(fault.at, fault.for_.ppf(luck(0, 1)))]
        assert fault.every is not None
        count = int(self.sim.horizon / fault.every)
        return [(k * fault.every, fault.for_.ppf(luck(k - 1, 1))) for k in range(1, count + 1)]

    def _renew(
        self, fault: Fault, strikes: list[Strike], clock: Target, place: int, luck: Callable[[int, int], float]
    ) -> Process:
        """Failure after failure; the time to the next runs while the target is up."""
        assert fault.time_to_failure is not None
        assert fault.time_to_repair is not None
        k = 0
        while True:
            life = fault.time_to_failure
            lasts = residual(life, luck(0, 0)) if k == 0 and not fault.from_new else life.ppf(luck(k, 0))
            yield from self._while_up(clock, lasts, place)
            seconds = fault.time_to_repair.ppf(luck(k, 1))
            self._strike(fault, strikes, seconds, place)
            yield self.sim.wait_until(self.sim.now + seconds, FAILURE, place)
            k += 1

    def _while_up(self, clock: Target, seconds: float, place: int) -> Process:
        while True:
            down_before = clock.time_down()
            if clock.down:
                yield clock.came_up
                continue
            yield self.sim.wait_until(self.sim.now + seconds, FAILURE, place)
            seconds = clock.time_down() - down_before
            if seconds <= 0.0 and not clock.down:
                return

    def _strike(self, fault: Fault, strikes: list[Strike], seconds: float, place: int) -> None:
        now = self.sim.now
        self.sim.hold()
        rows = self.windows[fault.name]
        first = len(rows)
        for strike in strikes:
            rows.append((strike.target.path, now, math.inf))
            if fault.kind in DOWNING:
                strike.target.falls()
            strike.begin()

        def over() -> None:
            self.sim.hold()
            for row, strike in enumerate(strikes, first):
                rows[row] = (strike.target.path, now, self.sim.now)
                if fault.kind in DOWNING:
                    strike.target.rises()
                strike.end()

        self.sim.call_at(now + seconds, FAULT_END, over, place)

    # -- what ---------------------------------------------------------------------------------------------------------

    def _target(self, path: str) -> Target:
        return self.targets.setdefault(path, Target(self.sim, path))

    def _strikes(self, fault: Fault, path: str) -> list[Strike]:
        section, _, name = path.partition(".")
        if section == "broker":
            return [self._on_node(fault, node) for node in self._nodes(name)]
        if section == "producers":
            whole, _, member = path.partition("[")
            if fault.kind in DOWNING:
                return self._on_instances_of(fault, self.producers[whole], member)
            return [self._on_producer(fault, path, self.producers[path])]
        if section == "dependencies":
            return [self._on_server(fault, path, self.servers[name])]
        name, _, index = name.partition("[")
        group = self.groups[f"consumers.{name}"]
        if not index and fault.kind in ("errors", "poison"):
            return [self._on_group(fault, path, group)]
        instances = group.instances if not index else [group.instances[int(index.rstrip("]"))]]
        return [self._on_instance(fault, group, instance) for instance in instances]

    def _on_producer(self, fault: Fault, path: str, producer: Producing) -> Strike:
        target = self._target(path)
        if fault.kind == "surge":
            assert isinstance(producer, OpenProducing)
            return self._changing(target, "factor", 1.0, math.prod, producer.set_factor, fault.factor)
        return self._changing(target, "poison", producer.poison_rate, any_of, _setter(producer, "poison_rate"), fault.rate)

    def _on_instances_of(self, fault: Fault, producer: Producing, member: str) -> list[Strike]:
        assert producer.publisher is not None
        instances = producer.publisher.instances
        struck = [instances[int(member.rstrip("]"))]] if member else instances
        ends = {"crash": "restart", "stop": "restart", "pause": "resume"}
        return [Strike(self._target(each.path), getattr(each, fault.kind), getattr(each, ends[fault.kind])) for each in struck]

    def _nodes(self, name: str) -> list[Node]:
        assert self.cluster is not None
        member = name.partition("[")[2].rstrip("]")
        return [self.cluster.nodes[int(member)]] if member else self.cluster.nodes

    def _on_node(self, fault: Fault, node: Node) -> Strike:
        cluster, number, target = self.cluster, node.number, self._target(node.path)
        assert cluster is not None
        match fault.kind:
            case "crash":
                return Strike(target, lambda: cluster.crash(number), lambda: cluster.restart(number))
            case "stop":
                return Strike(target, lambda: cluster.stop(number), lambda: cluster.restart(number))
            case "pause":
                return Strike(target, lambda: cluster.pause(number), lambda: cluster.resume(number))
            case "power_loss":
                return Strike(target, lambda: cluster.lose_power(number), lambda: cluster.get_power(number))
        slow = partial(cluster.slow_down, number)
        return self._changing(target, "slow", 1.0, math.prod, slow, fault.factor)

    def _on_links(self, fault: Fault) -> Strike:
        assert fault.between is not None
        cut = Cut(fault.between, fault.one_way)
        return Strike(self._target("network"), lambda: self.links.cut(cut), lambda: self.links.heal(cut))

    def _on_server(self, fault: Fault, path: str, server: Server) -> Strike:
        target = self._target(path)
        match fault.kind:
            case "crash":
                return Strike(target, server.crash, server.reachable)
            case "outage":
                begin = server.fall_silent if fault.silent else server.unreachable
                return Strike(target, begin, server.speak if fault.silent else server.reachable)
            case "slowdown":
                return self._changing(target, "slow", 1.0, math.prod, _setter(server, "slow"), fault.factor)
        return self._changing(target, "errors", server.error_rate, any_of, _setter(server, "error_rate"), fault.rate)

    def _on_group(self, fault: Fault, path: str, group: Group) -> Strike:
        target, rules = self._target(path), group.rules
        if fault.kind == "errors":
            return self._changing(target, "errors", rules.failure_rate, any_of, _setter(rules, "failure_rate"), fault.rate)
        return self._changing(target, "poison", rules.poison_rate, any_of, _setter(rules, "poison_rate"), fault.rate)

    def _on_instance(self, fault: Fault, group: Group, instance: Instance) -> Strike:
        target = self._target(instance.name)
        match fault.kind:
            case "crash":
                return Strike(target, lambda: group.crash(instance), lambda: group.restart(instance))
            case "stop":
                return Strike(target, lambda: group.stop(instance), lambda: group.restart(instance))
            case "pause":
                return Strike(target, lambda: group.pause(instance), lambda: group.resume(instance))
            case "slowdown":
                return self._changing(target, "slow", 1.0, math.prod, _setter(instance, "slow"), fault.factor)
        return self._changing(target, "errors", 0.0, any_of, _setter(instance, "failure_rate"), fault.rate)

    def _changing(
        self,
        target: Target,
        what: str,
        base: float,
        combine: Callable[[Iterable[float]], float],
        set_value: Callable[[float], object],
        change: float | None,
    ) -> Strike:
        assert change is not None
        value = target.values.setdefault(what, Modified(base, combine, set_value))
        return Strike(target, lambda: value.put_on(change), lambda: value.take_off(change))


def _setter(thing: object, name: str) -> Callable[[float], None]:
    return lambda value: setattr(thing, name, value)
