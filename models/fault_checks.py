"""What is wrong with a fault: where it hits, what it does there, when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from models.arrivals import ClosedArrivals
from models.ends import NETWORK, belongs
from models.errors import Problem, joined, nearest, one_of, shown
from models.faults import KINDS, LATER_TARGETS, LINK_KINDS, RESOURCES, Fault, Target, parse_target
from models.link_checks import kind_problem, struck_links_problems
from models.outline import Outline

WAYS = ({"at", "for"}, {"every", "for"}, {"time_to_failure", "time_to_repair"}, {"trace"})
TIMING = ("at", "for", "every", "time_to_failure", "time_to_repair", "trace")
MOST_WINDOWS = 100_000  # per target and run

STRENGTH = {
    "slowdown": "factor", "surge": "factor", "errors": "rate", "poison": "rate",
    "delay": "add", "loss": "rate", "duplicate": "rate",
}  # fmt: skip
"""The field that says how strong a fault of that kind is."""

_TARGETS = ["broker.nodes" if kind == "broker" else f"{kind}.NAME" for kind in KINDS]


def fault_problems(index: int, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    """Problems of the fault at that place in the list."""
    path = joined(("faults", index))
    if not fault.targets and fault.kind != "partition":
        yield Problem(f"{path}.target", "required, but missing")
    for target, times in Counter(fault.targets if fault.kind != "partition" else ()).items():
        yield from _of_target(f"{path}.target", target, fault, scenario)
        if times > 1:
            yield Problem(f"{path}.target", f"found {shown(target)} {times} times", "must be named once")
    yield from _of_cut(path, fault, scenario)
    yield from _of_strength(path, fault, scenario)
    yield from _of_timing(path, fault, scenario)


def _of_target(path: str, text: str, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    target = parse_target(text)
    if fault.kind in LINK_KINDS:
        yield from struck_links_problems(path, text, fault, list(members_of(scenario)), scenario)
        return
    if text == NETWORK or "->" in text:
        yield kind_problem(path, text, fault)
        return
    if target.kind.partition("[")[0] in LATER_TARGETS:
        yield Problem(path, f"{shown(text)} is not supported yet", one_of(_TARGETS))
        return
    if target.kind == "broker":
        yield from _of_node(path, text, target, fault, scenario)
        return
    if target.kind not in KINDS:
        yield Problem(path, f"found {shown(text)}", one_of(_TARGETS), nearest(target.kind, KINDS))
        return
    known = [f"{target.kind}.{name}" for name in getattr(scenario, target.kind)]
    if f"{target.kind}.{target.name}" not in known:
        yield Problem(path, f"found {shown(text)}, which is not declared", one_of(known), nearest(text, known))
    elif fault.kind not in KINDS[target.kind]:
        where = f"{path.removesuffix('.target')}.kind"
        yield Problem(where, f'found "{fault.kind}" of {text}', one_of(KINDS[target.kind]))
    else:
        yield from _of_member(path, target, fault, scenario)


def _of_node(path: str, text: str, target: Target, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    nodes = scenario.broker.nodes
    if target.name not in ("", "nodes") or (target.name == "" and target.member is not None):
        known = ["broker", "broker.nodes", *(f"broker.nodes[{number}]" for number in range(nodes))]
        yield Problem(path, f"found {shown(text)}", one_of(known), nearest(text, known))
    elif fault.kind == "exhaustion" and text != "broker":
        yield Problem(path, f"found {shown(text)} for exhaustion", 'must be "broker", the whole of it')
    elif target.member is not None and target.member >= nodes:
        yield Problem(path, f"found node {target.member} of {nodes}", f"must be below {nodes}")
    elif fault.kind not in KINDS["broker"]:
        where = f"{path.removesuffix('.target')}.kind"
        yield Problem(where, f'found "{fault.kind}" of {text}', one_of(KINDS["broker"]))


def _of_cut(path: str, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    """The two sides of a network partition."""
    if fault.kind != "partition":
        if fault.between is not None or fault.one_way:
            field, found = ("between", "found one") if fault.between is not None else ("one_way", "found true")
            yield Problem(f"{path}.{field}", found, "only with kind partition")
        return
    if fault.targets:
        yield Problem(f"{path}.target", f"found {shown(fault.targets[0])}", "a partition has no target, but `between`")
    if fault.between is None:
        yield Problem(f"{path}.between", "required, but missing", "must be given with kind partition: two lists of paths")
        return
    members = dict.fromkeys(members_of(scenario))
    for side, paths in enumerate(fault.between):
        if not paths:
            yield Problem(f"{path}.between[{side}]", "found []", "must name at least one component")
        for place, text in enumerate(paths):
            if not any(belongs(member, (text,)) for member in members):
                known = list(dict.fromkeys([member.partition("[")[0] for member in members] + list(members)))
                yield Problem(f"{path}.between[{side}][{place}]", f"found {shown(text)}", one_of(known), nearest(text, known))
    both = [member for member in members if all(belongs(member, side) for side in fault.between)]
    if both:
        yield Problem(f"{path}.between", f"found {both[0]} on both sides", "the sides must have no member in common")


def members_of(scenario: Outline) -> Iterator[str]:
    """Paths of everything that has an end of a link."""
    yield from (f"broker.nodes[{number}]" for number in range(scenario.broker.nodes))
    yield from (f"producers.{name}[{i}]" for name, spec in scenario.producers.items() for i in range(spec.instances))
    yield from (f"consumers.{name}[{i}]" for name, spec in scenario.consumers.items() for i in range(spec.most_instances))
    yield from (f"dependencies.{name}" for name in scenario.dependencies)
    yield from (f"stores.{name}" for name in scenario.stores)


def _of_member(path: str, target: Target, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    producer = scenario.producers.get(target.name) if target.kind == "producers" else None
    if producer and fault.kind == "surge" and isinstance(producer.arrivals, ClosedArrivals):
        found = f"found a surge of {target.name}, whose arrivals are closed"
        yield Problem(path, found, "must have arrivals with a rate")
    if target.member is None:
        return
    if target.kind == "producers" and fault.kind not in ("surge", "poison"):
        if target.member >= (instances := scenario.producers[target.name].instances):
            yield Problem(path, f"found instance {target.member} of {instances}", f"must be below {instances}")
    elif target.kind != "consumers" or fault.kind == "poison":
        whole = f"{target.kind}.{target.name}"
        yield Problem(path, f"found one member for {fault.kind}", f'must be "{whole}", the whole of it')
    elif target.member >= (instances := scenario.consumers[target.name].most_instances):
        yield Problem(path, f"found instance {target.member} of {instances}", f"must be below {instances}")


def _of_strength(path: str, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    needed = STRENGTH.get(fault.kind)
    for field in ("factor", "rate", "add"):
        value = getattr(fault, field)
        if field == needed and value is None:
            yield Problem(f"{path}.{field}", "required, but missing", f'must be given with kind = "{fault.kind}"')
        elif field != needed and value is not None:
            kinds = [kind for kind, strength in STRENGTH.items() if strength == field]
            found = f"found {shown(value)}" if field != "add" else "found one"
            yield Problem(f"{path}.{field}", found, f"only with kind {' or '.join(kinds)}")
    yield from _of_resource(path, fault, scenario)
    if fault.kind == "slowdown" and fault.factor == 0:
        yield Problem(f"{path}.factor", "found 0.0", "must be above 0")
    if fault.silent and fault.kind != "outage":
        yield Problem(f"{path}.silent", "found true", "only with kind outage")


def _of_resource(path: str, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    """What is running out, and of whom."""
    if fault.kind != "exhaustion":
        for field, value in (("resource", fault.resource), ("to", fault.to)):
            if value is not None:
                yield Problem(f"{path}.{field}", f"found {shown(value)}", "only with kind exhaustion")
        return
    for field, value in (("resource", fault.resource), ("to", fault.to)):
        if value is None:
            yield Problem(f"{path}.{field}", "required, but missing", 'must be given with kind = "exhaustion"')
    if fault.resource == "cpu" and fault.to == 0.0:
        yield Problem(f"{path}.to", "found 0.0", "must be above 0 for cpu")
    for text in fault.targets:
        target = parse_target(text)
        if fault.resource is not None and fault.resource not in RESOURCES.get(target.kind, (fault.resource,)):
            yield Problem(f"{path}.resource", f'found "{fault.resource}" of {text}', one_of(RESOURCES[target.kind]))
        elif (missing := _unlimited(target, fault.resource, scenario)) is not None:
            yield Problem(f"{path}.resource", f'found "{fault.resource}" of {text}', f"only where {missing} is given")


def _unlimited(target: Target, resource: str | None, scenario: Outline) -> str | None:
    """The field that a fault scales, where it has no value."""
    if target.kind == "broker" and resource is not None:
        return f"broker.{resource}" if getattr(scenario.broker, resource) is None else None
    consumer = scenario.consumers.get(target.name) if target.kind == "consumers" else None
    if consumer is not None and resource == "memory" and consumer.memory is None:
        return f"consumers.{target.name}.memory"
    dependency = scenario.dependencies.get(target.name) if target.kind == "dependencies" else None
    if dependency is not None and resource == "connections" and dependency.concurrency is None:
        return f"dependencies.{target.name}.concurrency"
    return None


def _of_timing(path: str, fault: Fault, scenario: Outline) -> Iterator[Problem]:
    given = [name for name in TIMING if getattr(fault, "for_" if name == "for" else name) is not None]
    if set(given) not in WAYS:
        ways = "at + for, every + for, time_to_failure + time_to_repair, or trace"
        yield Problem(path, f"found {' + '.join(given) or 'no time'}", f"must have exactly one of {ways}")
        return
    if fault.from_new and fault.time_to_failure is None:
        yield Problem(f"{path}.from_new", "found true", "only with time_to_failure")
    if fault.stagger and fault.time_to_failure is not None:
        yield Problem(f"{path}.stagger", f"found {fault.stagger:g} s", "only with at, every or trace")
    shortest = scenario.run.duration / MOST_WINDOWS
    if fault.every is not None and fault.every < shortest:
        yield Problem(f"{path}.every", f"found {fault.every:g} s", f"must be at least {shortest:g} s in this run")
    if fault.time_to_failure is not None and fault.time_to_failure.mean < shortest:
        mean = f"found a mean of {fault.time_to_failure.mean:g} s"
        yield Problem(f"{path}.time_to_failure", mean, f"must be at least {shortest:g} s in this run")
