"""What is wrong with a scenario whose values are right one by one: references, contradictions, loops without end."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from models.alert_checks import alert_problems
from models.arrivals import ClosedArrivals
from models.consumer import Consumer
from models.consumer_checks import consumer_problems
from models.dependency_checks import dependency_problems
from models.errors import Problem, joined, nearest, one_of, shown
from models.fault_checks import fault_problems
from models.metrics import METRICS, metrics_of
from models.network_checks import network_problems
from models.outline import Outline
from models.pace import FOR_EVER, at_rest, shortest_step
from models.producer import Producer
from models.resolving import resolve
from models.topic_checks import is_bounded, topic_problems
from models.topology import endless_cycles, topics_named, topics_written


def contradictions(scenario: Outline) -> Iterator[Problem]:
    """Every problem that takes more than one field to see, in the order of the format."""
    whole = resolve(scenario)
    yield from _of_run(scenario)
    yield from _of_broker(scenario)
    yield from _of_memory(scenario, whole)
    for name, topic in scenario.topics.items():
        yield from topic_problems(name, topic, whole)
    if not scenario.producers and not scenario.sagas:
        yield Problem("producers", "required, but missing", "must have at least one of [producers.NAME], [sagas.NAME]")
    for name in scenario.producers:
        yield from _of_producer(name, whole)
    written = topics_written(scenario)
    for name, consumer in scenario.consumers.items():
        yield from consumer_problems(name, consumer, whole, written)
    yield from dependency_problems(scenario)
    for path, around in endless_cycles(scenario):
        yield Problem(path, f"events multiply without end ({around})", "probability x count must be below 1 in a circle")
    yield from network_problems(scenario)
    names = set()
    for index, fault in enumerate(scenario.faults):
        if fault.name in names:
            yield Problem(joined(("faults", index, "name")), f"found {shown(fault.name)} again", "must be its own name")
        names.add(fault.name)
        yield from fault_problems(index, fault, scenario)
    yield from alert_problems(scenario)
    yield from _of_slos(scenario)


def _of_run(scenario: Outline) -> Iterator[Problem]:
    run = scenario.run
    if run.warmup != "auto" and run.warmup >= run.duration:
        yield Problem("run.warmup", f"found {run.warmup:g} s", f"must be below run.duration ({run.duration:g} s)")
    if run.precision_metric is not None:
        component, colon, metric = run.precision_metric.rpartition(":")
        known = dict.fromkeys(_components(scenario))
        if colon:
            yield from _of_metric("run.precision_metric", "run.precision_metric", component, metric, known)
        else:
            found = f"found {shown(run.precision_metric)}"
            yield Problem("run.precision_metric", found, 'must be "COMPONENT:METRIC", such as "consumers.NAME:latency_p99"')
    elif run.runs == "auto":
        yield Problem("run.precision_metric", "required, but missing", 'must be given with runs = "auto"')


def _of_broker(scenario: Outline) -> Iterator[Problem]:
    broker = scenario.broker
    replicas, least, nodes = broker.replication_factor, broker.min_insync_replicas, broker.nodes
    if replicas > nodes:
        found = f"found {replicas} replicas on {nodes} nodes"
        yield Problem("broker.replication_factor", found, f"must be at most {nodes}")
    if least > replicas:
        found = f"found {least} in-sync replicas of {replicas}"
        yield Problem("broker.min_insync_replicas", found, f"must be at most replication_factor ({replicas})")


def _of_memory(scenario: Outline, whole: Outline) -> Iterator[Problem]:
    broker, deliveries = scenario.broker, {topic.delivery for topic in whole.topics.values()}
    if broker.memory is not None and deliveries == {"log"}:
        found = f"found {broker.memory:g} bytes, and all topics are logs"
        yield Problem("broker.memory", found, "only with delivery queue or lease")
    if broker.unclean_election and deliveries == {"queue"}:
        yield Problem("broker.unclean_election", "found true, and all topics are queues", "only with delivery log or lease")


def _of_producer(name: str, whole: Outline) -> Iterator[Problem]:
    producer = whole.producers[name]
    if producer.idempotent and producer.acks != "all":
        found = f'found true with acks = "{producer.acks}"'
        yield Problem(joined(("producers", name, "idempotent")), found, 'must be false, or acks "all"')
    if producer.idempotent and producer.max_in_flight > 5:
        path = joined(("producers", name, "max_in_flight"))
        yield Problem(path, f"found {producer.max_in_flight} with idempotent = true", "must be at most 5")
    retry = producer.retry
    unlimited = retry is not None and (retry.max_attempts is None or retry.max_attempts > FOR_EVER)
    if retry and unlimited and retry.delay(FOR_EVER, 0.5) < shortest_step(whole):
        path = joined(("producers", name, "retry"))
        yield Problem(path, "neither a delay nor a limit", "must have a delay, or max_attempts")
    if isinstance(producer.arrivals, ClosedArrivals) and not _takes_time(producer, producer.arrivals, whole):
        path, least = joined(("producers", name, "arrivals", "think")), shortest_step(whole)
        found = f"found {producer.arrivals.think.mean:g} s, and nothing that handles the events takes time"
        yield Problem(path, found, f"must be at least {least:g} s in this run")


def _takes_time(producer: Producer, arrivals: ClosedArrivals, whole: Outline) -> bool:
    """Whether a closed client's round takes time whatever happens in it."""
    if is_bounded(whole.topics[producer.topic], whole):
        return not at_rest(arrivals.think, whole)
    readers = [consumer for consumer in whole.consumers.values() if producer.topic in consumer.topics]
    return not at_rest(arrivals.think, whole) or any(
        not (at_rest(reader.service, whole) or reader.timeout == 0.0 or reader.breaker or _drops(reader)) for reader in readers
    )


def _drops(reader: Consumer) -> bool:
    """Whether a group may be done with an event without an attempt."""
    return reader.limits_tries or reader.shed_above is not None


def _of_slos(scenario: Outline) -> Iterator[Problem]:
    known = dict.fromkeys(_components(scenario))
    for index, slo in enumerate(scenario.slos):
        path = joined(("slos", index))
        yield from _of_metric(f"{path}.component", f"{path}.metric", slo.component, slo.metric, known)
        group = scenario.consumers.get(slo.component.removeprefix("consumers."))
        if slo.metric == "goodput" and group is not None and group.useful_for is None:
            yield Problem(f"{path}.metric", f'found "goodput" of {slo.component}', "only with its useful_for")
        if (slo.below is None) == (slo.above is None):
            found = "neither below nor above" if slo.below is None else "both below and above"
            yield Problem(path, found, "must have exactly one of them")
        if slo.rule != "runs" and slo.share != type(slo).model_fields["share"].default:
            yield Problem(f"{path}.share", f"found {slo.share:g}", 'only with rule = "runs"')


def _of_metric(where: str, metric_path: str, component: str, metric: str, known: Collection[str]) -> Iterator[Problem]:
    if component not in known:
        yield _unknown(where, component, known)
    elif metric not in metrics_of(component):
        yield _unknown(metric_path, metric, metrics_of(component))


def _unknown(path: str, found: str, known: Collection[str]) -> Problem:
    close = nearest(found, known)
    return Problem(path, f"found {shown(found)}", "" if close else one_of(known), close)


def _components(scenario: Outline) -> Iterator[str]:
    """Paths of everything that has metrics."""
    names = {
        "topics": topics_named(scenario),
        "faults": [fault.name for fault in scenario.faults],
        "alerts": [alert.name for alert in scenario.alerts],
        **{kind: list(getattr(scenario, kind)) for kind in METRICS if kind not in ("topics", "faults", "alerts", "system")},
    }
    yield "system"
    for kind, listed in names.items():
        yield from (f"{kind}.{name}" for name in listed)
