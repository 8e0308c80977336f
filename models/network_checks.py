"""What is wrong with the links of a network: ends that are not there, and pairs that never talk."""

from __future__ import annotations

from collections.abc import Iterator

from models.errors import Problem, joined
from models.fault_checks import members_of
from models.link_checks import link_problems
from models.outline import Outline


def network_problems(scenario: Outline) -> Iterator[Problem]:
    """Problems of `network.links`."""
    if scenario.network is None:
        return
    members = list(members_of(scenario))
    for name in scenario.network.links:
        yield from link_problems(joined(("network", "links", name)), name, members, scenario)
