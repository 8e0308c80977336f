"""What a fault does to its targets when it strikes them, and how that is undone, in any overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import simpy

from models.cluster import Cluster
from models.faults import LINK_KINDS, Fault
from models.group import Group
from models.instance import Instance
from models.links import Cut, Links
from models.mark_store import MarkStore
from models.nodes import Node
from models.producing import OpenProducing, Producing
from models.resources import Resources
from models.scenario import Scenario
from models.server import Server
from models.trouble import Trouble
from simulator.modifiers import Modified, any_of
from simulator.simulation import Simulation

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


class Parts(Protocol):
    """What faults strike, by path."""

    scenario: Scenario
    groups: dict[str, Group]
    servers: dict[str, Server]
    stores: dict[str, MarkStore]
    producers: dict[str, Producing]
    links: Links
    cluster: Cluster | None
    resources: Resources | None


class Strikes:
    """What each fault of one replication does to the parts."""

    def __init__(self, sim: Simulation, parts: Parts) -> None:
        self.sim = sim
        self.parts = parts
        self.targets: dict[str, Target] = {}

    def _target(self, path: str) -> Target:
        return self.targets.setdefault(path, Target(self.sim, path))

    def of(self, fault: Fault) -> list[Strike]:
        """What a fault does to each of its targets, in order."""
        if fault.between is not None:
            return [self._on_links(fault)]
        return [strike for path in fault.targets for strike in self._at(fault, path)]

    def _at(self, fault: Fault, path: str) -> list[Strike]:
        section, _, name = path.partition(".")
        if fault.kind in LINK_KINDS:
            return [self._on_ways(fault, each) for each in self._ends(path)]
        if section == "broker" and fault.kind == "outage":
            return [self._cut_off(fault, each) for each in ([path] if not name else [node.path for node in self._nodes(name)])]
        if section == "broker" and fault.kind == "exhaustion":
            return [self._on_resources(fault)]
        if section == "broker":
            return [self._on_node(fault, node) for node in self._nodes(name)]
        if section == "producers":
            whole, _, member = path.partition("[")
            if fault.kind in DOWNING:
                return self._on_instances_of(fault, self.parts.producers[whole], member)
            return [self._on_producer(fault, path, self.parts.producers[path])]
        if section == "dependencies":
            return [self._on_server(fault, path, self.parts.servers[name])]
        if section == "stores":
            return [self._on_store(fault, path, self.parts.stores[path])]
        name, _, index = name.partition("[")
        group = self.parts.groups[f"consumers.{name}"]
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
        assert self.parts.cluster is not None
        member = name.partition("[")[2].rstrip("]")
        return [self.parts.cluster.nodes[int(member)]] if member else self.parts.cluster.nodes

    def _on_node(self, fault: Fault, node: Node) -> Strike:
        cluster, number, target = self.parts.cluster, node.number, self._target(node.path)
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

    def _ends(self, path: str) -> list[str]:
        """The members of a component, each a target; a link, the network and the broker are one."""
        scenario = self.parts.scenario
        kind, _, name = path.partition(".")
        if "->" in path or "[" in path or not name or kind in ("dependencies", "stores"):
            return [path]
        if kind == "broker":
            return [node.path for node in self._nodes(name)]
        if kind == "producers":
            return [f"{path}[{index}]" for index in range(scenario.producers[name].instances)]
        relay = [f"{path}[outbox]"] if scenario.consumers[name].outbox is not None else []
        return [*(instance.name for instance in self.parts.groups[path].instances), *relay]

    def _on_ways(self, fault: Fault, path: str) -> Strike:
        """What happens to messages on links."""
        links = self.parts.links
        trouble = Trouble(fault.kind, path, f"faults.{fault.name}/{path}", fault.add, fault.rate or 0.0)
        return Strike(self._target(path), lambda: links.disturb(trouble), lambda: links.calm(trouble))

    def _cut_off(self, fault: Fault, path: str) -> Strike:
        """Nobody outside reaches the broker, or nobody else one of its nodes; all of them work on."""
        links, scenario, cluster = self.parts.links, self.parts.scenario, self.parts.cluster
        assert cluster is not None
        others = [f"producers.{name}" for name in scenario.producers] + [f"consumers.{name}" for name in scenario.consumers]
        others += [] if path == "broker" else [node.path for node in cluster.nodes if node.path != path]
        cut = Cut(((path,), tuple(others)), refuses=not fault.silent)
        return Strike(self._target(path), lambda: links.cut(cut), lambda: links.heal(cut))

    def _on_resources(self, fault: Fault) -> Strike:
        resources, what = self.parts.resources, f"{fault.resource}_left"
        assert resources is not None
        return self._changing(self._target("broker"), what, 1.0, math.prod, _setter(resources, what), fault.to)

    def _on_links(self, fault: Fault) -> Strike:
        assert fault.between is not None
        cut = Cut(fault.between, fault.one_way)
        return Strike(self._target("network"), lambda: self.parts.links.cut(cut), lambda: self.parts.links.heal(cut))

    def _on_server(self, fault: Fault, path: str, server: Server) -> Strike:
        target = self._target(path)
        match fault.kind:
            case "crash":
                return Strike(target, server.crash, server.reachable)
            case "outage":
                return _outage(fault, target, server)
            case "slowdown":
                return self._changing(target, "slow", 1.0, math.prod, _setter(server, "slow"), fault.factor)
            case "exhaustion" if fault.resource == "connections":
                return self._changing(target, "connections", 1.0, math.prod, server.let_in, fault.to)
            case "exhaustion":
                return self._changing(target, "cpu", 1.0, math.prod, _setter(server, "cpu"), fault.to)
        return self._changing(target, "errors", server.error_rate, any_of, _setter(server, "error_rate"), fault.rate)

    def _on_store(self, fault: Fault, path: str, store: MarkStore) -> Strike:
        target = self._target(path)
        match fault.kind:
            case "crash":
                return Strike(target, store.crash, store.restart)
            case "outage":
                return _outage(fault, target, store)
            case "slowdown":
                return self._changing(target, "slow", 1.0, math.prod, _setter(store, "slow"), fault.factor)
        return self._changing(target, "errors", 0.0, any_of, _setter(store, "error_rate"), fault.rate)

    def _on_group(self, fault: Fault, path: str, group: Group) -> Strike:
        target, rules = self._target(path), group.rules
        if fault.kind == "errors":
            return self._changing(target, "errors", rules.failure_rate, any_of, _setter(rules, "failure_rate"), fault.rate)
        return self._changing(target, "poison", rules.poison_rate, any_of, _setter(rules, "poison_rate"), fault.rate)

    def _on_instance(self, fault: Fault, group: Group, instance: Instance) -> Strike:
        target = self._target(instance.name)
        if instance.clock is None:
            instance.is_timed_by(target)
        match fault.kind:
            case "crash":
                return Strike(target, lambda: group.crash(instance), lambda: group.restart(instance))
            case "stop":
                return Strike(target, lambda: group.stop(instance), lambda: group.restart(instance))
            case "pause":
                return Strike(target, lambda: group.pause(instance), lambda: group.resume(instance))
            case "slowdown":
                return self._changing(target, "slow", 1.0, math.prod, _setter(instance, "slow"), fault.factor)
            case "exhaustion" if fault.resource == "memory":
                return self._changing(target, "memory", 1.0, math.prod, partial(_limit_memory, instance), fault.to)
            case "exhaustion":
                return self._changing(target, "cpu", 1.0, math.prod, _setter(instance, "cpu"), fault.to)
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


def _outage(fault: Fault, target: Target, of: Server | MarkStore) -> Strike:
    if fault.silent:
        return Strike(target, of.fall_silent, of.speak)
    return Strike(target, of.unreachable, of.reachable)


def _limit_memory(instance: Instance, left: float) -> None:
    assert instance.memory is not None
    instance.memory.set_left(left, instance.life)


def _setter(thing: object, name: str) -> Callable[[float], None]:
    return lambda value: setattr(thing, name, value)
