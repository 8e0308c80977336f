"""What is wrong with the autoscaling of a group: neither of its two forms, or both, or numbers that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from models.autoscale import Autoscale
from models.consumer import Consumer
from models.errors import Problem, joined, shown
from models.outline import Outline
from models.pace import shortest_step

NEEDED = ("target", "min", "max", "interval", "cooldown")
"""What autoscaling by lag must say."""

BY_LAG = ("metric", *NEEDED, "startup")


def autoscale_problems(path: tuple[str, str], consumer: Consumer, whole: Outline) -> Iterator[Problem]:
    """Problems of `autoscale`, and of the number of instances that it begins with."""
    terms, here = consumer.autoscale, (*path, "autoscale")
    if terms is None:
        return
    given = [field for field in BY_LAG if getattr(terms, field) is not None]
    if terms.schedule is not None:
        for field in given:
            yield Problem(joined((*here, field)), f"found {shown(getattr(terms, field))}", "only without schedule")
        yield from _of_schedule(here, terms.schedule)
    elif not given:
        yield Problem(joined(here), "found neither a metric nor a schedule", 'must be { metric = "lag", ... } or { schedule }')
    else:
        for field in NEEDED:
            if field not in given:
                yield Problem(joined((*here, field)), "required, but missing", "must be given, or a schedule in place of all")
        yield from _of_bounds(path, consumer, terms)
        if terms.interval is not None and terms.interval < (least := shortest_step(whole)):
            found = f"found {terms.interval:g} s"
            yield Problem(joined((*here, "interval")), found, f"must be at least {least:g} s in this run")


def _of_bounds(path: tuple[str, str], consumer: Consumer, terms: Autoscale) -> Iterator[Problem]:
    low, high = terms.min, terms.max
    if low is None or high is None:
        return
    if low > high:
        yield Problem(joined((*path, "autoscale", "min")), f"found {low}", f"must be at most max ({high})")
    elif not low <= consumer.instances <= high:
        allowed = f"must be from autoscale.min ({low}) to autoscale.max ({high})"
        yield Problem(joined((*path, "instances")), f"found {consumer.instances}", allowed)


def _of_schedule(here: tuple[str, ...], schedule: tuple[tuple[float, int], ...]) -> Iterator[Problem]:
    if not schedule:
        yield Problem(joined((*here, "schedule")), "found []", "must not be empty")
    for index, ((before, _), (time, _)) in enumerate(pairwise(schedule), 1):
        if time <= before:
            found = f"found {time:g} s after {before:g} s"
            yield Problem(joined((*here, "schedule", index)), found, "must be later than the entry before")
    if schedule and schedule[0][0] == 0.0 and not any(number for _, number in schedule):
        yield Problem(joined((*here, "schedule")), "found no instance at any time", "must have one at some time")
