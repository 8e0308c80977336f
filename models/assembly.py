"""Building the parts of one replication, and handing each its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.arrivals import ClosedArrivals
from models.autoscaling import Autoscaler
from models.chain import Chain
from models.channel import Channel
from models.cluster import Cluster
from models.consumer import Consumer
from models.course import Course
from models.ends import BROKER
from models.group import Group
from models.handling import Handling
from models.inbox import Inbox, Register
from models.injection import Injection
from models.instance import Instance
from models.journey import Journey
from models.lease_subscription import LeaseSubscription
from models.line import Line
from models.log_subscription import LogSubscription
from models.mark_store import MarkStore, Road
from models.memory import Memory
from models.message import Messages
from models.outbox import Outbox
from models.outgoing import Outgoing
from models.parts import Parts
from models.producer import Producer, PublishRetry, Terms
from models.producing import AheadProducing, ClosedProducing, OpenProducing, Producing
from models.publisher import Publisher
from models.queue_subscription import QueueSubscription
from models.refusing import RefusingTopic
from models.removal import delay_on
from models.resolving import handler_terms
from models.resources import Resources
from models.retention import size_of
from models.rules import Rules
from models.server import Server
from models.settlement import Settlement
from models.stored import StoredTopic
from models.strikes import Strikes
from models.subscription import Subscription
from models.topic import Topic
from models.topology import (
    can_break,
    has_course,
    has_nodes,
    is_single,
    is_undisturbed,
    may_be_poison,
    may_cut,
    may_fail,
    may_starve,
)
from models.uplink import Trip, Uplink
from simulator.streams import name_key

PLACES = 1 << 20
"""Places at ties for the members of one component."""

SUBSCRIPTIONS: dict[str, Callable[..., Subscription[Any]]] = {
    "log": LogSubscription,
    "queue": QueueSubscription,
    "lease": LeaseSubscription,
}
"""By model of delivery."""


class Assembly:
    """Builds the parts of one replication in the order of the scenario."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.sim = parts.sim
        self.scenario = parts.scenario
        self.courses: dict[str, Course] = {}
        self._places = 0

    def build(self) -> None:
        """Topics, dependencies, groups, producers, faults; then everything starts."""
        scenario, parts = self.scenario, self.parts
        if has_nodes(scenario):
            parts.cluster = Cluster(self.sim, scenario.broker, parts.links, self._place())
        for name, topic in scenario.topics.items():
            parts.channels[name] = self._channel(name, topic)
        for name, dependency in scenario.dependencies.items():
            parts.servers[name] = Server(self.sim, name, dependency, self._place())
        for server in parts.servers.values():
            self._chain(server)
        for name, store in scenario.stores.items():
            parts.stores[f"stores.{name}"] = MarkStore(self.sim, f"stores.{name}", store, self._place())
        for name in scenario.consumers:
            parts.groups[f"consumers.{name}"] = self._group(name)
        for name, topic in scenario.topics.items():
            if topic.dead_letter is not None:
                parts.channels[name].buries_in(parts.channels[topic.dead_letter])
                delay = delay_on(parts.channels[name], self._place())
                parts.delays += [] if delay is None else [delay]
        parts.resources = self._resources()
        for name in scenario.producers:
            parts.producers[f"producers.{name}"] = self._producer(name)
        for group in parts.groups.values():
            group.start()
            if group.spec.autoscale is not None:
                Autoscaler(self.sim, group, group.spec.autoscale).start()
        parts.injection = Injection(self.sim, Strikes(self.sim, parts))
        parts.injection.start(scenario.faults)

    def _place(self) -> int:
        self._places += PLACES
        return self._places

    def _channel(self, name: str, topic: Topic) -> Channel:
        """A topic on nodes, where they matter; written ahead, where nothing can disturb it; or a plain one."""
        sim, scenario, cluster = self.sim, self.scenario, self.parts.cluster
        messages, delivery = Messages(name, is_single(scenario, name)), topic.delivery or "log"
        if cluster is not None and not (delivery == "log" and has_course(scenario, name)):
            stored = (RefusingTopic if topic.refuses else StoredTopic)(sim, name, topic, messages, cluster)
            stored.house = Outgoing(sim, BROKER, BROKER, self._surely(), stored, cluster.place)
            return stored
        times = None
        if delivery == "log" and is_undisturbed(scenario, name):
            times = messages.produced
            if cluster is not None:
                times = self._course(name, messages).passage.available
        return Channel(sim, name, topic, messages, times)

    def _surely(self) -> Terms:
        """How what must not get lost is published: again and again until it is stored, once."""
        terms = handler_terms(self.scenario)
        changes = {"acks": "all", "idempotent": True, "delivery_timeout": None, "buffer": None, "retry": PublishRetry(cap=1.0)}
        return terms.model_copy(update=changes)

    def _resources(self) -> Resources | None:
        """What looks after memory and disks, where they are limited."""
        sim, scenario, cluster = self.sim, self.scenario, self.parts.cluster
        if cluster is None or (scenario.broker.disk is None and scenario.broker.memory is None):
            return None
        stored = [channel for channel in self.parts.channels.values() if isinstance(channel, StoredTopic)]
        sizes = [size_of(sim, scenario.topics[topic.name], topic.messages) for topic in stored]
        return Resources(sim, cluster, stored, sizes, cluster.place)

    def _course(self, topic: str, messages: Messages) -> Course:
        """The way of the only producer's events into a topic."""
        broker, links = self.scenario.broker, self.parts.links
        path, spec = next((path, spec) for path, spec in self.scenario.producers.items() if spec.topic == topic)
        ends = f"producers.{path}[0]", "broker.nodes[0]"
        to, back = links.way(*ends, broker.publish_latency), links.way(*ends[::-1], broker.acknowledge_latency)
        course = self.courses[topic] = Course(self.sim, spec, broker, messages, name_key(f"producers.{path}"), to, back)
        return course

    def _chain(self, server: Server) -> None:
        """Lets a dependency call others, over the network where there is any between."""
        if names := server.spec.dependencies:
            links, path = self.parts.links, f"dependencies.{server.name}"
            between = [name for name in names if self._is_apart(path, [f"dependencies.{name}"])]
            called = [self.parts.servers[name] for name in names]
            server.chain = Chain(self.sim, server.name, server.spec, called, dict.fromkeys(between, links), server.place)

    def _is_apart(self, path: str, others: list[str]) -> bool:
        """Whether the network can do anything to what goes from one component to others."""
        links = self.parts.links
        varies = any(links.may_vary(*ends) for other in others for ends in ((path, other), (other, path)))
        return varies or not links.cost_nothing or may_cut(self.scenario, path, others)

    def _producer(self, name: str) -> Producing:
        spec, path = self.scenario.producers[name], f"producers.{name}"
        channel, place = self.parts.channels[spec.topic], self._place()
        if channel.ahead:
            until, course = self.scenario.run.duration, self.courses.get(spec.topic)
            return AheadProducing(self.sim, path, spec, channel, place, until, course)
        producer = self._busy_producer(path, spec, channel, place)
        if isinstance(channel, StoredTopic):
            producer.publisher = Publisher(self.sim, path, spec, channel, place)
            if isinstance(producer, ClosedProducing):
                producer.publisher.on_gone.append(producer.failed)
        return producer

    def _busy_producer(self, path: str, spec: Producer, channel: Channel, place: int) -> Producing:
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
        rules = Rules(spec, may_be_poison(scenario, name), may_fail(scenario, name), may_starve(scenario, name))
        settlement = Settlement(sim, rules, place)
        servers = [self.parts.servers[dependency] for dependency in spec.dependencies]
        targets = [channels[publish.topic] for publish in spec.publishes]
        handlings, register = [], self._register(path, spec, place)
        for number, topic in enumerate(spec.topics):
            journey = Journey(channels[topic].messages, bool(servers), bool(targets))
            inbox = None if register is None else Inbox(register, number, journey)
            handlings.append(Handling(sim, path, spec, journey, servers, targets, inbox))
            settlement.open_for(journey, channels[topic])
            channels[topic].journeys.append(journey)
        if spec.dead_letter is not None:
            settlement.moves_to(channels[spec.dead_letter.topic], path)
        sources = [channels[topic] for topic in spec.topics]
        subscription = SUBSCRIPTIONS[sources[0].delivery](path, settlement, handlings, sources, place)
        group = Group(sim, path, subscription, settlement, handlings, place)
        self._limit(group)
        self._connect(group, servers, None if register is None else register.store)
        self._let_publish(group, [target for target in targets if isinstance(target, StoredTopic)])
        return group

    def _limit(self, group: Group) -> None:
        """Gives the instances of a group the memory that they have, where that is limited."""
        limit, topics = group.spec.memory, self.scenario.topics
        if limit is not None:
            journeys = [handling.journey for handling in group.handlings]
            sizes = [
                size_of(self.sim, topics[name], journey.messages)
                for name, journey in zip(group.spec.topics, journeys, strict=True)
            ]
            for instance in group.instances:
                instance.memory = Memory(self.sim, limit, sizes, group.crash, group.restart)

    def _register(self, path: str, spec: Consumer, place: int) -> Register | None:
        """The marks of a group, in the store that it names or in one of its own."""
        if spec.idempotency is None:
            return None
        stores, own = self.parts.stores, f"{path}/idempotency"
        name = own if spec.idempotency.store is None else f"stores.{spec.idempotency.store}"
        if name == own:
            stores[own] = MarkStore(self.sim, own, None, place)
        struck = any(name in fault.targets for fault in self.scenario.faults)
        return Register(self.sim, path, spec.idempotency, stores[name], len(spec.topics), struck)

    def _connect(self, group: Group, servers: list[Server], store: MarkStore | None) -> None:
        """Puts the network between the instances of a group and the broker, its dependencies and its store, where there is
        any. A group's own store is where it is."""
        parts, scenario = self.parts, self.scenario
        links, cluster, broker = parts.links, parts.cluster, scenario.broker
        breaks = cluster is not None and can_break(scenario)
        for instance in group.instances:
            if store is not None and store.spec is not None and self._is_apart(instance.name, [store.name]):
                instance.road = Road(links, instance.name, store.name)
            if not links.cost_nothing or links.troubled or broker.deliver_latency.mean:
                trip = Trip(self.sim, links, instance.name, broker.nodes, broker.deliver_latency)
                instance.trip = None if trip.costs_nothing else trip
            if cluster is not None and breaks:
                instance.uplink = Uplink(instance.name, cluster)
            if self._is_apart(instance.name, [f"dependencies.{each.name}" for each in servers]):
                instance.lines = self._lines(group, instance, servers)
                if group.spec.hedge_after is not None:
                    instance.hedge_lines = self._lines(group, instance, servers, "/hedge")
        if cluster is not None and breaks:
            cluster.disturbed.append(group.look)

    def _lines(self, group: Group, instance: Instance, servers: list[Server], kind: str = "") -> list[Line]:
        """An instance's lines to its dependencies in order; `kind`: of the calls on them, for their luck."""
        links, path, place = self.parts.links, instance.name, instance.place
        turns = [(f"#{nth}" if nth else "") + kind for nth in range(len(servers))]
        return [
            Line(self.sim, links, path, server, place, group.name, turn) for server, turn in zip(servers, turns, strict=True)
        ]

    def _let_publish(self, group: Group, targets: list[StoredTopic]) -> None:
        """Gives the handlers of a group clients of their own: one for each instance, or one behind an outbox."""
        sim, terms, place = self.sim, handler_terms(self.scenario), group.place
        for topic in dict.fromkeys(targets):
            name = f"{group.name} -> topics.{topic.name}"
            if group.spec.outbox is not None:
                poll = group.spec.outbox.poll
                group.outboxes[topic.name] = Outbox(sim, f"{group.name}[outbox]", name, terms, topic, poll, place)
            for instance in () if group.outboxes else group.instances:
                instance.outgoing[topic.name] = Outgoing(sim, instance.name, name, terms, topic, instance.place)
        if group.outboxes:
            for handling in group.handlings:
                handling.put_in(group.outboxes)
