"""What is wrong with the links of a network: ends that are not there, and pairs that never talk."""

from __future__ import annotations

from collections.abc import Iterator

from models.errors import Problem, joined, nearest, one_of, shown
from models.fault_checks import members_of
from models.outline import Outline


def network_problems(scenario: Outline) -> Iterator[Problem]:
    """Problems of `network.links`."""
    if scenario.network is None:
        return
    members = list(members_of(scenario))
    known = list(dict.fromkeys(["broker", *(member.partition("[")[0] for member in members), *members]))
    for name in scenario.network.links:
        path = joined(("network", "links", name))
        ends = [end.strip() for end in name.split("->")]
        if len(ends) != 2 or not all(ends):
            yield Problem(path, f"found {shown(name)}", 'must be "A -> B", such as "producers.NAME -> broker"')
            continue
        strangers = [end for end in ends if end not in known]
        for end in strangers:
            yield Problem(path, f"found {shown(end)}", one_of(known), nearest(end, known))
        if not strangers and not _talk(ends[0], ends[1], scenario):
            yield Problem(
                path,
                f"nothing goes from {ends[0]} to {ends[1]}",
                "must be a producer or consumer and the broker, two nodes, or a consumer or dependency and one that it calls, "
                "either way",
            )


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
        ends = [each.removeprefix("dependencies.") for each in (one, other)]
        return any(here in scenario.dependencies[there].dependencies for here, there in (ends, ends[::-1]))
    return False
