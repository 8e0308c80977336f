"""How much memory a replication needs, from the scenario alone, so that one that would not fit is refused before it starts."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable

from models.arrivals import Arrivals, BurstArrivals, ClosedArrivals, RenewalArrivals
from models.consumer import Consumer
from models.errors import BadScenario, Problem
from models.faults import Fault
from models.keys import ZipfKeys
from models.outline import Outline
from models.producer import Producer
from models.profiles import profile_of
from models.resolving import resolve
from models.topic import Topic
from models.topology import delays
from simulator.units import format_number

# Bytes, measured on CPython 3.11, with what measuring adds.
PROCESS, RUN_KEPT = 1.2e8, 1e5
EVENT, HANDLED, CALL, QUEUED, GROUPED, TRACED = 38.0, 110.0, 110.0, 250.0, 260.0, 410.0
GROUP, INSTANCE, WORKER, PARTITION, CLIENT = 2.1e5, 9.9e3, 2.6e3, 4.7e3, 1.9e3
ZIPF_KEY, BREAKER_SECOND, STRUCK, STAY = 24.0, 105.0, 1250.0, 120.0
WATCHED, REMOVED = 16.0, 110.0
SHARE_OF_MACHINE = 0.8
ROUNDS = 50
"""Steps along `publishes` that are followed; circles that make fewer events each round have died out by then."""

Terms = Counter[str]


def check_memory(scenario: Outline, at_once: int = 1, trace: bool = False) -> None:
    """Raises BadScenario with the estimate where `at_once` replications do not fit into four fifths of the machine's memory."""
    machine = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    terms = footprint(scenario, trace)
    runs = scenario.run.runs if isinstance(scenario.run.runs, int) else 1
    need = PROCESS + (PROCESS + terms.total()) * at_once + RUN_KEPT * runs
    if need > SHARE_OF_MACHINE * machine:
        path = "run.runs" if RUN_KEPT * runs > terms.total() * at_once else max(terms, key=terms.__getitem__)
        found = f"the run needs about {format_number(need / 1e9)} GB, most of it for this"
        found += f"; {at_once} replications run at once" if at_once > 1 else ""
        allowed = f"this machine has {format_number(machine / 1e9)} GB: make it smaller, shorten the run"
        allowed += " or run fewer at once (--jobs)" if at_once > 1 else ""
        raise BadScenario([Problem(path, found, allowed)])


def footprint(scenario: Outline, trace: bool = False) -> Terms:
    """Bytes of one replication by the path that they are for, rather more than it takes."""
    terms: Counter[str] = Counter()
    events = events_of(scenario)
    for name, topic in resolve(scenario).topics.items():
        readers = sum(name in consumer.topics for consumer in scenario.consumers.values())
        terms[f"topics.{name}.partitions"] += PARTITION * topic.partitions * (1 + readers)  # type: ignore[assignment]
        limits = _limits(topic, scenario)
        if limits:
            terms[f"topics.{name}.{limits[0]}"] += (WATCHED + REMOVED * max(readers, 1)) * events[name]  # type: ignore[assignment]
    for name, producer in scenario.producers.items():
        terms[f"producers.{name}.arrivals"] += _of_producer(producer, scenario.run.duration)  # type: ignore[assignment]
    handled = HANDLED + (TRACED if trace else 0.0)
    profile = profile_of(scenario.broker.profile)
    if (scenario.broker.delivery or profile.delivery) != "log":
        handled += QUEUED
    for name, consumer in scenario.consumers.items():
        grouped = profile.fifo or any(scenario.topics[topic].fifo for topic in consumer.topics if topic in scenario.topics)
        each = handled + CALL * _calls(consumer.dependencies, scenario) + GROUPED * grouped
        if consumer.hedge_after is not None:
            each += CALL * _calls(consumer.dependencies, scenario)
        terms[f"consumers.{name}.topic"] += each * sum(events[topic] for topic in consumer.topics)  # type: ignore[assignment]
        field = "instances" if consumer.autoscale is None else "autoscale"
        terms[f"consumers.{name}.{field}"] += _of_instances(consumer)  # type: ignore[assignment]
        for index, publish in enumerate(consumer.publishes):
            read = sum(events[topic] for topic in consumer.topics)
            made = read * publish.probability * publish.count
            terms[f"consumers.{name}.publishes[{index}]"] += EVENT * made + 4 * read * publish.count  # type: ignore[assignment]
    for index, fault in enumerate(scenario.faults):
        terms[f"faults[{index}]"] += STRUCK * _windows(fault, scenario.run.duration) * _struck(scenario, fault)  # type: ignore[assignment]
    return terms


def _calls(dependencies: Iterable[str], scenario: Outline) -> int:
    """Calls that an attempt takes, down all chains."""
    return sum(1 + _calls(scenario.dependencies[name].dependencies, scenario) for name in dependencies)


def _limits(topic: Topic, scenario: Outline) -> list[str]:
    """The fields that may remove records of a topic within the run."""
    run = scenario.run
    end = run.duration + (run.drain_limit if run.drain else 0.0)
    given = {field: getattr(topic, field) for field in ("message_ttl", "retention", "max_length", "retention_size")}
    ages = ("message_ttl", "retention")
    return [field for field, value in given.items() if value is not None and (field not in ages or value < end)]


def _of_producer(producer: Producer, duration: float) -> float:
    arrivals, keys = producer.arrivals, producer.keys
    need = ZIPF_KEY * keys.count if isinstance(keys, ZipfKeys) else 0.0
    if isinstance(arrivals, ClosedArrivals):
        need += CLIENT * arrivals.clients
    if isinstance(arrivals, BurstArrivals):
        need += STAY * 2 * duration / max(sum(stay.mean for stay in arrivals.stays), 1e-12)
    return need + EVENT * _arriving(arrivals, duration, 1.0)


def _of_instances(consumer: Consumer) -> float:
    each = INSTANCE + (WORKER * consumer.concurrency if consumer.concurrency != "unlimited" else 0.0)
    if consumer.breaker is not None:
        places = consumer.breaker.places * (BREAKER_SECOND if consumer.breaker.window == "time" else 1.0)
        each += places + consumer.breaker.half_open_calls
    if consumer.throttle is not None:
        each += consumer.throttle.seconds * BREAKER_SECOND
    return GROUP + each * consumer.most_instances


def _windows(fault: Fault, duration: float) -> float:
    if fault.every is not None:
        return duration / fault.every
    if fault.time_to_failure is not None and fault.time_to_repair is not None:
        return 1.0 + duration / max(fault.time_to_failure.mean + fault.time_to_repair.mean, 1e-12)
    return float(len(fault.windows) or 1)


def _struck(scenario: Outline, fault: Fault) -> int:
    groups = [target.removeprefix("consumers.") for target in fault.targets]
    return sum(scenario.consumers[name].most_instances if name in scenario.consumers else 1 for name in groups)


def events_of(scenario: Outline) -> Counter[str]:
    """Expected number of distinct events in each topic, surges included at their strongest."""
    produced: Counter[str] = Counter()
    for name, producer in scenario.producers.items():
        produced[producer.topic] += _arriving(producer.arrivals, scenario.run.duration, _surged(scenario, name))  # type: ignore[assignment]
    total, fresh, after = produced.copy(), produced, delays(scenario)
    for _ in range(ROUNDS):
        published: Counter[str] = Counter()
        for consumer in scenario.consumers.values():
            read = sum(fresh[topic] for topic in consumer.topics)
            for publish in consumer.publishes:
                published[publish.topic] += read * publish.probability * publish.count  # type: ignore[assignment]
        for topic, target in after.items():
            published[target] += fresh[topic]
        if not sum(published.values()):
            break
        total, fresh = total + published, published
    return total


def _arriving(arrivals: Arrivals, duration: float, factor: float) -> float:
    end = duration if arrivals.stop is None else min(arrivals.stop, duration)
    seconds = max(0.0, end - arrivals.start)
    if isinstance(arrivals, ClosedArrivals):
        count = arrivals.size * arrivals.clients * (1.0 + seconds / max(arrivals.think.mean, 1e-3))
    elif isinstance(arrivals, RenewalArrivals):
        typical = min(arrivals.interarrival.mean, arrivals.interarrival.ppf(0.5))
        count = arrivals.size * factor * seconds / max(typical, 1e-300)
    else:
        count = (arrivals.mean_rate or 0.0) * seconds * factor
    return count if arrivals.limit is None else min(count, float(arrivals.limit) * arrivals.size)


def _surged(scenario: Outline, name: str) -> float:
    surges = [f.factor or 1.0 for f in scenario.faults if f.kind == "surge" and f"producers.{name}" in f.targets]
    return math.prod(max(1.0, factor) for factor in surges)
