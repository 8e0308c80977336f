"""The steady-state hypothesis of a campaign: what holds while nothing fails, and is to hold in every run with faults too."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.lab.slos import bound_text, satisfies
from models import System
from models.errors import BadScenario, Problem, nearest, one_of, shown
from models.metrics import metrics_of
from models.slos import Slo
from simulator.results import Measure, Measurement
from simulator.units import format_value

_TEXT = re.compile(r"\s*(?:(?P<component>.+):)?(?P<metric>\w+)\s*(?P<side>[<>])\s*(?P<bound>\S+)\s*")

EVERY_RUN: dict[str, Any] = {"rule": "runs", "share": 1.0}
"""A hypothesis is to hold in every run: one run that does not satisfy it violates it."""


@dataclass(frozen=True)
class Hypothesis:
    """One bound, as an objective that has to hold in every run."""

    slo: Slo

    @property
    def text(self) -> str:
        """For people: "consumers.payment latency_p99 below 2 s"."""
        return f"{self.slo.component} {self.slo.metric} {self.bound}"

    @property
    def bound(self) -> str:
        """The bound alone: "below 2 s"."""
        return bound_text(self.slo.model_copy(update={"rule": "mean"}), self._unit)

    @property
    def option(self) -> str:
        """As the command line takes it: "consumers.payment:latency_p99<2.0"."""
        side, bound = ("<", self.slo.below) if self.slo.below is not None else (">", self.slo.above)
        return f"{self.slo.component}:{self.slo.metric}{side}{bound!r}"

    @property
    def _unit(self) -> str:
        return metrics_of(self.slo.component).get(self.slo.metric, "1")

    def measured(self, left: Measurement) -> Measure | None:
        """The metric in one replication, None where it has no value."""
        key = self.slo.component, self.slo.metric
        found = (m for m in left.metrics if (m.component, m.metric) == key and not math.isnan(m.value))
        return next(found, None)

    def holds(self, left: Measurement) -> bool | None:
        """Whether it holds in one replication, None where the metric has no value there."""
        measure = self.measured(left)
        return None if measure is None else satisfies(self.slo, measure)

    def told(self, left: Measurement) -> str:
        """What was measured, for people."""
        measure = self.measured(left)
        return "no value" if measure is None else f"{'≥ ' * measure.censored}{format_value(measure.value, measure.unit)}"


def hypotheses_of(system: System, texts: Sequence[str]) -> tuple[Hypothesis, ...]:
    """The hypotheses in `texts` ("consumers.payment:latency_p99<2"), without any the objectives of the system.

    Objectives about a fault are left out: a campaign replaces the faults. Raises BadScenario where there are none, or one
    is not about something that the system has.
    """
    slos = [_parsed(system, text) for text in texts] or [_in_every_run(slo) for slo in system.slos]
    found = tuple(Hypothesis(slo) for slo in slos if not slo.component.startswith("faults."))
    if not found:
        needed = "needed to say what must not break: [[slos]], or a hypothesis such as consumers.payment:latency_p99<2"
        raise BadScenario([Problem("slos", "there are none that hold without faults" if slos else "there are none", needed)])
    return found


def _in_every_run(slo: Slo) -> Slo:
    return slo.model_copy(update=EVERY_RUN)


def _parsed(system: System, text: str) -> Slo:
    where = f"hypothesis {shown(text)}"
    match = _TEXT.fullmatch(text)
    if match is None:
        raise BadScenario([Problem(where, "not a hypothesis", "must be [COMPONENT:]METRIC<VALUE or [COMPONENT:]METRIC>VALUE")])
    side = "below" if match["side"] == "<" else "above"
    component = match["component"] or _only_one_with(system, match["metric"], where)
    wanted = {"component": component, "metric": match["metric"], side: _number(match["bound"]), **EVERY_RUN}
    try:
        (slo,) = system.with_({"slos": [wanted]}).slos
    except BadScenario as bad:
        raise BadScenario(replace(problem, path=where) for problem in bad.problems) from None
    if slo.component.startswith("faults."):
        raise BadScenario([Problem(where, f"found {slo.component}", "must not be about a fault: a campaign draws its own")])
    return slo


def _only_one_with(system: System, metric: str, where: str) -> str:
    """The component that a metric given alone is of: the whole system, or the only one that has it."""
    if metric in metrics_of("system"):
        return "system"
    kinds = ("producers", "topics", "consumers", "dependencies")
    paths = [f"{kind}.{name}" for kind in kinds for name in getattr(system, kind)]
    having = [path for path in paths if metric in metrics_of(path)]
    if len(having) == 1:
        return having[0]
    if having:
        ways = one_of(f"{path}:{metric}" for path in having)
        raise BadScenario([Problem(where, f"{len(having)} components have {metric}", ways)])
    known = dict.fromkeys(name for path in ("system", *paths) for name in metrics_of(path))
    raise BadScenario([Problem(where, f"found {shown(metric)}", "must be a metric", nearest(metric, known))])


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
