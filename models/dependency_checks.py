"""What is wrong with a dependency: chains that name nobody, never end or grow without bound, and settings without effect."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from models.dependency import Dependency
from models.errors import Problem, joined, nearest, one_of, shown
from models.outline import Outline
from models.pace import FOR_EVER, shortest_step

MOST_CALLS = 100
"""Calls that one call of a dependency may take, itself and those down its chain, tries of `retry` not counted."""


def dependency_problems(scenario: Outline) -> Iterator[Problem]:
    """Problems of `dependencies`."""
    known = scenario.dependencies
    whole = True
    for name, dependency in known.items():
        for index, called in enumerate(dependency.dependencies):
            if called not in known:
                whole = False
                here = joined(("dependencies", name, "dependencies", index))
                yield Problem(here, f'found "{called}", which is not declared', one_of(known), nearest(called, known))
        yield from _of_settings(name, dependency, scenario)
    if whole:
        yield from _of_chains(scenario)


def _of_settings(name: str, dependency: Dependency, scenario: Outline) -> Iterator[Problem]:
    retry, path = dependency.retry, ("dependencies", name)
    for field in ("retry", "timeout") if not dependency.dependencies else ():
        if getattr(dependency, field) is not None:
            yield Problem(joined((*path, field)), "found one", "only with dependencies")
    if retry is None:
        return
    if retry.scope != "instance" and retry.budget is None:
        yield Problem(joined((*path, "retry", "scope")), f"found {shown(retry.scope)}", "only with budget")
    if retry.max_attempts > FOR_EVER and retry.delay(FOR_EVER, 0.5) < shortest_step(scenario):
        found = "a refused call would be tried for ever at one instant"
        yield Problem(joined((*path, "retry")), found, "must have a delay or fewer max_attempts")


def _of_chains(scenario: Outline) -> Iterator[Problem]:
    chains = TopologicalSorter({name: spec.dependencies for name, spec in scenario.dependencies.items()})
    try:
        order = list(chains.static_order())
    except CycleError as error:
        circle = error.args[1][::-1]
        found = f"found {' -> '.join(circle)}"
        yield Problem(joined(("dependencies", circle[0], "dependencies")), found, "no dependency may call itself in the end")
        return
    calls: dict[str, int] = {}
    for name in order:
        calls[name] = 1 + sum(calls[called] for called in scenario.dependencies[name].dependencies)
        if calls[name] > MOST_CALLS:
            found = f"found {calls[name]} calls down its chain for one"
            yield Problem(joined(("dependencies", name, "dependencies")), found, f"must be at most {MOST_CALLS}")
            return
