"""A scenario as a tree: who publishes where, who reads it, what they call, and which faults are to come."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from rich.tree import Tree

from models.alerts import UNITS
from models.consumer import Consumer
from models.faults import Fault
from models.line import GIVES_UP
from models.link_checks import hanging
from models.scenario import Scenario
from models.topology import store_of, topics_named, topics_written
from simulator.units import format_duration, format_share, format_value


def topology(scenario: Scenario) -> Tree:
    """Producers, their topics, the groups that read these, and so on; a topic is unfolded where it first comes."""
    root = Tree(Text(scenario.name, "bold"))
    unfolded: set[str] = set()
    for name, producer in scenario.producers.items():
        _add_topic(root.add(f"producers.{name}"), scenario, producer.topic, unfolded)
    unwritten = [topic for topic in topics_named(scenario) if topic not in topics_written(scenario)]
    for topic in unwritten:
        _add_topic(root.add("nobody publishes to"), scenario, topic, unfolded)
    used = {store_of(consumer) for consumer in scenario.consumers.values()}
    for store in scenario.stores:
        if store not in used:
            root.add(f"stores.{store}, which nobody uses")
    return root


def _add_topic(branch: Tree, scenario: Scenario, topic: str, unfolded: set[str]) -> None:
    again = topic in unfolded
    unfolded.add(topic)
    node = branch.add(f"topics.{topic}" + (" (see above)" if again else ""))
    if again:
        return
    for name, consumer in scenario.consumers.items():
        if topic in consumer.topics:
            _add_group(node, scenario, name, consumer, unfolded)
    spec = scenario.topics.get(topic)
    if spec is not None and spec.dead_letter:
        _add_topic(node.add("what it removes"), scenario, spec.dead_letter, unfolded)


def _add_group(branch: Tree, scenario: Scenario, name: str, consumer: Consumer, unfolded: set[str]) -> None:
    workers = "" if consumer.concurrency == 1 else f", concurrency {consumer.concurrency}"
    node = branch.add(f"consumers.{name} ({_instances(consumer)}{workers})")
    for dependency in consumer.dependencies:
        _add_dependency(node, scenario, dependency)
    _add_hanging(node, scenario, f"consumers.{name}")
    if (store := store_of(consumer)) is not None:
        node.add(f"keeps its marks in stores.{store}")
    for publish in consumer.publishes:
        often = "" if publish.probability == 1 else f" ({format_share(publish.probability)} of the time)"
        _add_topic(node.add(f"publishes{often}"), scenario, publish.topic, unfolded)
    if consumer.dead_letter:
        _add_topic(node.add("dead letters"), scenario, consumer.dead_letter.topic, unfolded)


def _add_dependency(branch: Tree, scenario: Scenario, name: str) -> None:
    node = branch.add(f"calls dependencies.{name}")
    _add_hanging(node, scenario, f"dependencies.{name}")
    for called in scenario.dependencies[name].dependencies:
        _add_dependency(node, scenario, called)


def _add_hanging(branch: Tree, scenario: Scenario, path: str) -> None:
    """Whose calls may never be answered is told what to set."""
    if path in hanging(scenario):
        branch.add(f"calls may get lost, and one then hangs for {format_duration(GIVES_UP)}: set {path}.timeout")


def fault_lines(scenario: Scenario) -> Iterator[str]:
    """A line per fault with its times; one that begins after the end of the run is said to never happen."""
    duration = scenario.run.duration
    for fault in scenario.faults:
        line = f"{fault.name}: {fault.kind} {_where(fault)}, {_when(fault)}"
        begins = fault.windows[0][0] if fault.windows else fault.at
        if begins is not None and begins >= duration:
            line += f"; begins after the end of the run ({format_duration(duration)}), so it never happens"
        yield line


def alert_lines(scenario: Scenario) -> Iterator[str]:
    """A line per alert with its condition; one that must hold for longer than the run is said to never fire."""
    for alert in scenario.alerts:
        bound = format_value(alert.above, UNITS[alert.metric])
        lasting = f" for {format_duration(alert.for_)}" if alert.for_ else ""
        line = f"{alert.name}: alert when {alert.metric} of {alert.component} is above {bound}{lasting}"
        if alert.for_ >= scenario.run.duration:
            line += f", which is longer than the run ({format_duration(scenario.run.duration)}), so it never fires"
        yield line


def _where(fault: Fault) -> str:
    if fault.between is None:
        return f"of {', '.join(fault.targets)}"
    one, other = (", ".join(side) for side in fault.between)
    return f"that lets nothing pass from {one} to {other}" if fault.one_way else f"between {one} and {other}"


def _when(fault: Fault) -> str:
    if fault.time_to_failure is not None and fault.time_to_repair is not None:
        up, down = format_duration(fault.time_to_failure.mean), format_duration(fault.time_to_repair.mean)
        return f"at random: {up} up and {down} down on average"
    if fault.trace is not None:
        return f"{len(fault.windows)} windows of {fault.trace}"
    assert fault.for_ is not None
    lasting = f"for {format_duration(fault.for_.mean)}"
    if fault.every is not None:
        return f"every {format_duration(fault.every)} {lasting}"
    assert fault.at is not None
    return f"from {format_duration(fault.at)} {lasting}"


def _instances(consumer: Consumer) -> str:
    """How many instances there are: `4 instances`, `2 to 12 instances by lag`."""
    first, terms = consumer.first_instances, consumer.autoscale
    text = "1 instance" if first == 1 else f"{first} instances"
    if terms is None:
        return text
    if terms.schedule is not None:
        changes = ", ".join(f"{number} from {format_duration(time)}" for time, number in terms.schedule if time > 0.0)
        return f"{text}, {changes}" if changes else text
    return f"{text}, {terms.min} to {terms.max} by lag"
