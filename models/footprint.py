"""How much memory a replication needs, from the scenario alone, so that one that would not fit is refused before it starts."""

from __future__ import annotations

import math
import os
from collections import Counter

from models.arrivals import ClosedArrivals
from models.errors import BadScenario, Problem
from models.outline import Outline
from models.producer import Producer
from simulator.units import format_number

# Bytes, measured on CPython 3.11: what stays for each event, each event of a group, and so on, with what measuring adds.
PER_EVENT = 60.0
PER_HANDLED = 130.0
PER_CALL = 60.0
PER_QUEUED = 160.0
PER_TRACED = 500.0
PER_WORKER = 12_000.0
PER_PARTITION = 4_000.0
BASE = 2e8
SHARE_OF_MACHINE = 0.8
ROUNDS = 50
"""Steps along `publishes` that are followed; circles that make fewer events each round have died out by then."""


def check_memory(scenario: Outline, at_once: int = 1, trace: bool = False) -> None:
    """Raises BadScenario with the estimate where `at_once` replications do not fit into four fifths of the machine's memory."""
    machine = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    need = footprint(scenario, trace) * at_once
    if need > SHARE_OF_MACHINE * machine:
        events = sum(events_of(scenario).values())
        found = f"about {format_number(events)} events need about {format_number(need / 1e9)} GB"
        found += f" for {at_once} runs at once" if at_once > 1 else ""
        allowed = f"this machine has {format_number(machine / 1e9)} GB: shorten the run, lower the rates"
        allowed += " or run fewer at once (--jobs)" if at_once > 1 else ""
        raise BadScenario([Problem("run.duration", found, allowed)])


def footprint(scenario: Outline, trace: bool = False) -> float:
    """Bytes of one replication, rather more than it takes."""
    events = events_of(scenario)
    total = BASE + PER_EVENT * sum(events.values())
    for name, topic in scenario.topics.items():
        total += PER_PARTITION * topic.partitions * (1 + sum(name in c.topics for c in scenario.consumers.values()))
    queued = scenario.broker.delivery == "queue" or scenario.broker.profile.startswith("rabbitmq")
    for consumer in scenario.consumers.values():
        each = PER_HANDLED + PER_CALL * len(consumer.dependencies) + 8 * sum(p.count for p in consumer.publishes)
        each += PER_QUEUED if queued else 0.0
        each += PER_TRACED if trace else 0.0
        total += each * sum(events[topic] for topic in consumer.topics)
        workers = 1 if consumer.concurrency == "unlimited" else consumer.concurrency
        total += PER_WORKER * consumer.instances * workers
    return total


def events_of(scenario: Outline) -> Counter[str]:
    """Expected number of distinct events in each topic, surges included at their strongest."""
    produced: Counter[str] = Counter()
    for name, producer in scenario.producers.items():
        produced[producer.topic] += _arriving(scenario, name, producer)  # type: ignore[assignment]
    total, fresh = produced.copy(), produced
    for _ in range(ROUNDS):
        published: Counter[str] = Counter()
        for consumer in scenario.consumers.values():
            read = sum(fresh[topic] for topic in consumer.topics)
            for publish in consumer.publishes:
                published[publish.topic] += read * publish.probability * publish.count  # type: ignore[assignment]
        if not sum(published.values()):
            break
        total, fresh = total + published, published
    return total


def _arriving(scenario: Outline, name: str, producer: Producer) -> float:
    arrivals, duration = producer.arrivals, scenario.run.duration
    end = duration if arrivals.stop is None else min(arrivals.stop, duration)
    seconds = max(0.0, end - arrivals.start)
    if isinstance(arrivals, ClosedArrivals):
        count = arrivals.size * arrivals.clients * (1.0 + seconds / max(arrivals.think.mean, 1e-3))
    else:
        surges = [f.factor or 1.0 for f in scenario.faults if f.kind == "surge" and f"producers.{name}" in f.targets]
        count = (arrivals.mean_rate or 0.0) * seconds * math.prod(max(1.0, factor) for factor in surges)
    return count if arrivals.limit is None else min(count, float(arrivals.limit * arrivals.size))
