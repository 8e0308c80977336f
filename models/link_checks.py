"""What is wrong with a name of links, in `[network.links]` or as the target of a fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.consumer import Consumer
from models.dependency import Dependency
from models.ends import NETWORK, meets
from models.errors import Problem, nearest, one_of, shown
from models.faults import LINK_KINDS, Fault
from models.outline import Outline
from models.topology import store_of

TALK = (
    "must be a producer or consumer and the broker, two nodes, a consumer or dependency and one that it calls, or a consumer "
    "and its store, either way"
)


def link_problems(path: str, name: str, members: Sequence[str], scenario: Outline) -> Iterator[Problem]:
    """Problems of "A -> B". `members`: everything that has an end of a link."""
    known = _known(members)
    ends = [end.strip() for end in name.split("->")]
    if len(ends) != 2 or not all(ends):
        yield Problem(path, f"found {shown(name)}", 'must be "A -> B", such as "producers.NAME -> broker"')
        return
    strangers = [end for end in ends if end not in known]
    for end in strangers:
        yield Problem(path, f"found {shown(end)}", one_of(known), nearest(end, known))
    if not strangers and not _talk(ends[0], ends[1], scenario):
        yield Problem(path, f"nothing goes from {ends[0]} to {ends[1]}", TALK)


def struck_links_problems(path: str, target: str, fault: Fault, members: Sequence[str], scenario: Outline) -> Iterator[Problem]:
    """Problems of what a fault on links hits: every link, one, or those from a component and to it."""
    if "->" in target:
        found = list(link_problems(path, target, members, scenario))
        if found:
            yield from found
            return
    elif target not in (known := [NETWORK, *_known(members)]):
        yield Problem(path, f"found {shown(target)}", one_of(known), nearest(target, known))
        return
    elif target.startswith("dependencies.") and not _is_called(target.removeprefix("dependencies."), scenario):
        yield Problem(path, f"found {target}, which nobody calls", "must have links")
        return
    elif target.startswith("stores.") and not _is_used(target.removeprefix("stores."), scenario):
        yield Problem(path, f"found {target}, which nobody uses", "must have links")
        return
    if fault.kind == "duplicate" and not _carries_requests(target, members, scenario):
        found_kind = f'found "duplicate" of {target}, where nothing is sent that would be done twice'
        yield Problem(path.removesuffix(".target") + ".kind", found_kind, "must be what publishes or calls, to where it does")


def kind_problem(path: str, target: str, fault: Fault) -> Problem:
    """A link or the network cannot have faults that are not about messages."""
    return Problem(path.removesuffix(".target") + ".kind", f'found "{fault.kind}" of {target}', one_of(LINK_KINDS))


def _known(members: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(["broker", *(member.partition("[")[0] for member in members), *members]))


def _is_called(dependency: str, scenario: Outline) -> bool:
    called = [name for consumer in scenario.consumers.values() for name in consumer.dependencies]
    called += [name for caller in scenario.dependencies.values() for name in caller.dependencies]
    return dependency in called


def _is_used(store: str, scenario: Outline) -> bool:
    return any(store_of(consumer) == store for consumer in scenario.consumers.values())


def _carries_requests(target: str, members: Sequence[str], scenario: Outline) -> bool:
    """Whether something is published or called over a link that `target` stands for."""
    nodes = [member for member in members if member.startswith("broker.")]
    for member in members:
        kind, _, name = member.partition("[")[0].partition(".")
        receivers = list(nodes) if kind == "producers" else []
        if kind == "consumers":
            consumer = scenario.consumers[name]
            receivers = [*(nodes if consumer.publishes else []), *(f"dependencies.{each}" for each in consumer.dependencies)]
        if kind == "dependencies":
            receivers = [f"dependencies.{each}" for each in scenario.dependencies[name].dependencies]
        if any(meets(target, member, receiver) for receiver in receivers):
            return True
    return False


def hanging(scenario: Outline) -> list[str]:
    """Paths of groups and dependencies without `timeout` whose calls, or the answers to them, may get lost: nobody sends those
    again."""
    network = scenario.network
    lossy = [name for name, link in network.links.items() if link.loss > 0] if network is not None else []
    lossy += [NETWORK] if network is not None and network.loss > 0 else []
    lossy += [target for fault in scenario.faults if fault.kind == "loss" and fault.rate != 1.0 for target in fault.targets]
    callers: dict[str, tuple[Consumer | Dependency, list[str]]] = {}
    for name, consumer in scenario.consumers.items():
        callers[f"consumers.{name}"] = consumer, [f"consumers.{name}[{index}]" for index in range(consumer.most_instances)]
    for name, dependency in scenario.dependencies.items():
        callers[f"dependencies.{name}"] = dependency, [f"dependencies.{name}"]
    found = []
    for path, (caller, members) in callers.items():
        pairs = [(member, f"dependencies.{each}") for member in members for each in caller.dependencies]
        if caller.timeout is None and any(meets(each, *ends) or meets(each, *ends[::-1]) for each in lossy for ends in pairs):
            found.append(path)
    return found


def _talk(one: str, other: str, scenario: Outline) -> bool:
    """Whether anything is ever sent from one to the other."""
    kinds = {one.partition(".")[0], other.partition(".")[0]}
    if kinds == {"broker"}:
        return scenario.broker.nodes > 1
    if kinds in ({"producers", "broker"}, {"consumers", "broker"}):
        return True
    if kinds == {"consumers", "dependencies"}:
        caller, called = (one, other) if one.startswith("consumers.") else (other, one)
        name = caller.removeprefix("consumers.").partition("[")[0]
        return called.removeprefix("dependencies.") in scenario.consumers[name].dependencies
    if kinds == {"dependencies"}:
        names = [each.removeprefix("dependencies.") for each in (one, other)]
        return any(here in scenario.dependencies[there].dependencies for here, there in (names, names[::-1]))
    if kinds == {"consumers", "stores"}:
        keeper, store = (one, other) if one.startswith("consumers.") else (other, one)
        name = keeper.removeprefix("consumers.").partition("[")[0]
        return store_of(scenario.consumers[name]) == store.removeprefix("stores.")
    return False
