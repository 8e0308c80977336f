"""Who writes and who reads which topic, and what can happen to its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from models.arrivals import ClosedArrivals
from models.consumer import Consumer
from models.ends import NETWORK, ends_of
from models.errors import joined
from models.faults import LINK_KINDS, Fault
from models.links import Cut
from models.network import Link, Network
from models.outline import Outline
from simulator.distributions import Constant
from simulator.streams import UNIFORM_CEILING

DOWNING = ("crash", "stop", "pause")
INFINITY = float("inf")

Edge = tuple[str, str, str, float]
"""Path of a `publishes` or `dead_letter`, the topic read, the topic written, and events written per event read."""


def topics_named(scenario: Outline) -> list[str]:
    """Every topic: those with a table first, then in the order in which others name them."""
    named = [*scenario.topics, *(producer.topic for producer in scenario.producers.values())]
    named += [topic.dead_letter for topic in scenario.topics.values() if topic.dead_letter]
    for consumer in scenario.consumers.values():
        named += [*consumer.topics, *(publish.topic for publish in consumer.publishes)]
        named += [consumer.dead_letter.topic] if consumer.dead_letter else []
    return list(dict.fromkeys(named))


def topics_written(scenario: Outline) -> dict[str, None]:
    """Every topic that a producer, a handler or dead-lettering writes to, in order."""
    written = [producer.topic for producer in scenario.producers.values()]
    written += [topic.dead_letter for topic in scenario.topics.values() if topic.dead_letter]
    for consumer in scenario.consumers.values():
        written += [publish.topic for publish in consumer.publishes]
        written += [consumer.dead_letter.topic] if consumer.dead_letter else []
    return dict.fromkeys(written)


def is_single(scenario: Outline, topic: str) -> bool:
    """Whether only one producer writes to a topic, once each arrival."""
    producers, consumers = scenario.producers.values(), scenario.consumers.values()
    published = any(publish.topic == topic for consumer in consumers for publish in consumer.publishes)
    dead = any(consumer.dead_letter and consumer.dead_letter.topic == topic for consumer in consumers)
    dead |= any(each.dead_letter == topic for each in scenario.topics.values())
    return sum(producer.topic == topic for producer in producers) == 1 and not published and not dead


def is_undisturbed(scenario: Outline, topic: str) -> bool:
    """Whether nothing can disturb the arrivals of a topic: one open producer, no second copies, no surge, no poison."""
    if not is_single(scenario, topic):
        return False
    name, producer = next((name, each) for name, each in scenario.producers.items() if each.topic == topic)
    readers = [consumer for consumer in scenario.consumers.values() if topic in consumer.topics]
    returned = any(reader.dead_letter and reader.dead_letter.redrive_to == "topic" for reader in readers)
    struck = any(f"producers.{name}" in fault.targets for fault in scenario.faults)
    return not (producer.poison or struck or returned or isinstance(producer.arrivals, ClosedArrivals))


def has_nodes(scenario: Outline) -> bool:
    """Whether publishing takes time or can go wrong, so that the nodes of the broker and the clients have to be modelled."""
    broker, network = scenario.broker, scenario.network
    latencies = [broker.publish_latency, broker.acknowledge_latency]
    if network is not None:
        latencies += [network.latency, *(link.latency for link in _links_to_nodes(network))]
    replicated = broker.replication_factor > 1 and (broker.replication_interval or broker.replication_lag.mean > 0)
    gathering = any(producer.outbox or (producer.linger and producer.batch > 1) for producer in scenario.producers.values())
    gathering = gathering or any(consumer.outbox for consumer in scenario.consumers.values())
    limited = is_limited(scenario) or any(topic.refuses for topic in scenario.topics.values())
    return bool(limited or replicated or gathering or any(law.mean > 0 for law in latencies) or can_break(scenario))


def is_limited(scenario: Outline) -> bool:
    """Whether the nodes of the broker take only so much."""
    broker = scenario.broker
    return any(limit is not None for limit in (broker.max_publish_rate, broker.disk, broker.memory))


def can_break(scenario: Outline) -> bool:
    """Whether something can go wrong between producers and the broker, or inside it."""
    network = scenario.network
    lossy = network is not None and (network.loss > 0 or any(link.loss > 0 for link in _links_to_nodes(network)))
    return lossy or any(
        path.startswith("broker")
        or (path.startswith("producers.") and fault.kind in DOWNING)
        or (fault.kind in LINK_KINDS and not ("dependencies." in path or "stores." in path))
        for fault in scenario.faults
        for path in (*fault.targets, *_sides(fault))
    )


def _sides(fault: Fault) -> tuple[str, ...]:
    """The paths on both sides of a network partition; none of another fault."""
    return () if fault.between is None else (*fault.between[0], *fault.between[1])


def _links_to_nodes(network: Network) -> list[Link]:
    """Links with an end at the broker, of those that are given by themselves."""
    return [link for name, link in network.links.items() if "broker" in name]


def may_cut(scenario: Outline, one: str, others: Iterable[str]) -> bool:
    """Whether a network partition can come between a component and one of others."""
    cuts = [Cut(fault.between) for fault in scenario.faults if fault.between is not None]
    return any(cut.stops(one, other) for cut in cuts for other in others)


def has_course(scenario: Outline, topic: str) -> bool:
    """Whether the way of a topic's events into it is known when they arrive, as `Course` has it."""
    if can_break(scenario) or is_limited(scenario) or not is_undisturbed(scenario, topic):
        return False
    producer = next(each for each in scenario.producers.values() if each.topic == topic)
    network = scenario.network
    laws = [scenario.broker.publish_latency, scenario.broker.acknowledge_latency]
    laws += [] if network is None else [network.latency, *(link.latency for link in network.links.values())]
    if network is not None and any("nodes[" in name or name.count("broker") > 1 for name in network.links):
        return False
    if producer.outbox or (producer.linger and producer.batch > 1) or not all(isinstance(law, Constant) for law in laws):
        return False
    if producer.max_in_flight == 1 and not producer.idempotent and laws[0].mean + sum(law.mean for law in laws[2:]) > 0:
        return False
    copies = scenario.broker.replication_interval or scenario.broker.replication_lag.ppf(UNIFORM_CEILING)
    seconds = sum(law.mean for law in laws) + (copies if scenario.broker.replication_factor > 1 else 0.0)
    if producer.acks != "none" and seconds > min(producer.request_timeout or INFINITY, producer.delivery_timeout or INFINITY):
        return False
    rate = producer.arrivals.mean_rate or INFINITY
    return producer.buffer is None or (seconds * rate + producer.arrivals.size) * 10 < producer.buffer


def may_be_poison(scenario: Outline, group: str) -> bool:
    """Whether a consumer group can meet an event that no handler can process."""
    struck = [target for fault in scenario.faults if fault.kind == "poison" for target in fault.targets]
    own = scenario.consumers[group].poison > 0 or f"consumers.{group}" in struck
    made = any(producer.poison for producer in scenario.producers.values())
    return own or made or any(target.startswith("producers.") for target in struck)


def may_fail(scenario: Outline, group: str) -> bool:
    """Whether attempts of a consumer group can fail by themselves."""
    errors = [target for fault in scenario.faults if fault.kind == "errors" for target in fault.targets]
    struck = any(target.partition("[")[0] == f"consumers.{group}" for target in errors)
    return scenario.consumers[group].transient_failure > 0 or struck


def may_starve(scenario: Outline, group: str) -> bool:
    """Whether instances of a consumer group can be short of processors or memory."""
    hungry = [target for fault in scenario.faults if fault.kind == "exhaustion" for target in fault.targets]
    return any(target.partition("[")[0] == f"consumers.{group}" for target in hungry)


def affected(fault: Fault, scenario: Outline) -> list[str]:
    """Paths of the groups that a fault touches: themselves, their dependencies with what these call, or their topics, and
    whoever is downstream."""
    topics: set[str] = set()
    touched: set[str] = set()
    for target, sides in _hit(fault):
        section, _, name = target.partition("[")[0].partition(".")
        if section == NETWORK or (section == "broker" and not sides):
            topics |= set(topics_named(scenario))
            touched |= set(scenario.consumers)
        elif section == "broker":
            topics |= _cut_from_broker(sides, scenario)
        elif section == "consumers":
            touched.add(name)
        elif section == "producers":
            topics.add(scenario.producers[name].topic)
        elif section == "stores":
            touched |= {group for group, spec in scenario.consumers.items() if store_of(spec) == name}
        else:
            touched |= {group for group, spec in scenario.consumers.items() if name in called(spec.dependencies, scenario)}
    while True:
        for name in touched:
            spec = scenario.consumers[name]
            topics |= {publish.topic for publish in spec.publishes}
            topics |= {spec.dead_letter.topic} if spec.dead_letter else set()
            read = [scenario.topics[topic] for topic in spec.topics if topic in scenario.topics]
            topics |= {topic.dead_letter for topic in read if topic.dead_letter}
        more = {name for name, spec in scenario.consumers.items() if topics & set(spec.topics)} - touched
        if not more:
            return [f"consumers.{name}" for name in scenario.consumers if name in touched]
        touched |= more


def called(dependencies: Iterable[str], scenario: Outline) -> list[str]:
    """Those that are called when these are: themselves, and what is down their chains."""
    found = list(dict.fromkeys(dependencies))
    for name in found:
        found += [each for each in dict.fromkeys(scenario.dependencies[name].dependencies) if each not in found]
    return found


def _hit(fault: Fault) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a fault hits, each with all ends of the links that it is about, if it is about links. A link with a group at one end
    is that group's matter alone."""
    sides = _sides(fault)
    yield from ((side, sides) for side in sides)
    for target in fault.targets:
        ends = ends_of(target) if "->" in target else ()
        groups = tuple(end for end in ends if end.startswith("consumers."))
        yield from ((end, ends) for end in groups or ends or (target,))


def store_of(consumer: Consumer) -> str | None:
    """The `[stores.NAME]` in which a group keeps its marks, if it has none of its own."""
    return None if consumer.idempotency is None else consumer.idempotency.store


def _cut_from_broker(sides: tuple[str, ...], scenario: Outline) -> set[str]:
    """Topics that a cut of the broker from other components, or of nodes from each other, can touch."""
    others = [side.partition("[")[0] for side in sides if not side.startswith("broker")]
    return set() if others else set(topics_named(scenario))


def endless_cycles(scenario: Outline) -> Iterator[tuple[str, str]]:
    """Path of a `publishes` and the round of topics on it, where an event makes one or more of itself per round. Circles of
    dead-letter topics alone are refused elsewhere."""
    edges = _without_ends(list(_edges(scenario)))
    reach = _reach(edges)
    seen: set[str] = set()
    for path, read, written, _ in edges:
        if read not in seen and read in reach[written]:
            around = {topic for topic in reach[read] if read in reach[topic]}
            seen |= around
            if _growth([edge for edge in edges if edge[1] in around and edge[2] in around]) > 1 - 1e-9:
                yield path, " -> ".join(sorted(around))


def delays(scenario: Outline) -> dict[str, str]:
    """By topic that nobody reads, the one to which its messages go when they are too old or too many."""
    read = {topic for consumer in scenario.consumers.values() for topic in consumer.topics}
    return {name: topic.dead_letter for name, topic in scenario.topics.items() if topic.dead_letter and name not in read}


def _edges(scenario: Outline) -> Iterator[Edge]:
    for name, consumer in scenario.consumers.items():
        for index, publish in enumerate(consumer.publishes):
            for topic in consumer.topics:
                path = joined(("consumers", name, "publishes", index))
                yield path, topic, publish.topic, publish.probability * publish.count
    for topic, target in delays(scenario).items():
        yield joined(("topics", topic, "dead_letter")), topic, target, 1.0


def _without_ends(edges: list[Edge]) -> list[Edge]:
    """Only what may lie on a circle: no edge out of a topic that is never written, none into one never read."""
    while edges:
        read, written = ({edge[end] for edge in edges} for end in (1, 2))
        kept = [edge for edge in edges if edge[1] in written and edge[2] in read]
        if len(kept) == len(edges):
            break
        edges = kept
    return edges


def _reach(edges: Iterable[Edge]) -> dict[str, set[str]]:
    """The topics that lie downstream of each, itself included."""
    after: dict[str, set[str]] = {}
    for _, read, written, share in edges:
        after.setdefault(written, set())
        after.setdefault(read, set()).update({written} if share else ())
    reach = {}
    for topic in after:
        reach[topic], waiting = {topic}, [topic]
        while waiting:
            new = after[waiting.pop()] - reach[topic]
            reach[topic] |= new
            waiting += new
    return reach


def _growth(edges: list[Edge]) -> float:
    """Mean number of events that an event becomes per step, in the long run: the largest eigenvalue of the means."""
    places = {topic: index for index, topic in enumerate(dict.fromkeys(topic for edge in edges for topic in edge[1:3]))}
    means = np.zeros((len(places), len(places)))
    for _, read, written, share in edges:
        means[places[read], places[written]] += share
    return float(np.abs(np.linalg.eigvals(means)).max(initial=0.0))
