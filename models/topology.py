"""Who writes and who reads which topic, and what can happen to its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from models.arrivals import ClosedArrivals
from models.errors import joined
from models.outline import Outline

Edge = tuple[str, str, str, float]
"""Path of a `publishes`, the topic read, the topic written, and events written per event read."""


def topics_named(scenario: Outline) -> list[str]:
    """Every topic: those with a table first, then in the order in which others name them."""
    named = [*scenario.topics, *(producer.topic for producer in scenario.producers.values())]
    for consumer in scenario.consumers.values():
        named += [*consumer.topics, *(publish.topic for publish in consumer.publishes)]
        named += [consumer.dead_letter.topic] if consumer.dead_letter else []
    return list(dict.fromkeys(named))


def topics_written(scenario: Outline) -> dict[str, None]:
    """Every topic that a producer, a handler or dead-lettering writes to, in order."""
    written = [producer.topic for producer in scenario.producers.values()]
    for consumer in scenario.consumers.values():
        written += [publish.topic for publish in consumer.publishes]
        written += [consumer.dead_letter.topic] if consumer.dead_letter else []
    return dict.fromkeys(written)


def is_single(scenario: Outline, topic: str) -> bool:
    """Whether only one producer writes to a topic, once each arrival."""
    producers, consumers = scenario.producers.values(), scenario.consumers.values()
    published = any(publish.topic == topic for consumer in consumers for publish in consumer.publishes)
    dead = any(consumer.dead_letter and consumer.dead_letter.topic == topic for consumer in consumers)
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


def endless_cycles(scenario: Outline) -> Iterator[tuple[str, str]]:
    """Path of a `publishes` and the round of topics on it, where an event makes one or more of itself per round."""
    edges = _without_ends(list(_edges(scenario)))
    reach = _reach(edges)
    seen: set[str] = set()
    for path, read, written, _ in edges:
        if read not in seen and read in reach[written]:
            around = {topic for topic in reach[read] if read in reach[topic]}
            seen |= around
            if _growth([edge for edge in edges if edge[1] in around and edge[2] in around]) > 1 - 1e-9:
                yield path, " -> ".join(sorted(around))


def _edges(scenario: Outline) -> Iterator[Edge]:
    for name, consumer in scenario.consumers.items():
        for index, publish in enumerate(consumer.publishes):
            for topic in consumer.topics:
                path = joined(("consumers", name, "publishes", index))
                yield path, topic, publish.topic, publish.probability * publish.count


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
