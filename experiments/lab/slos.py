"""Whether the service level objectives of a scenario are met, as far as the replications can tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special

from models.metrics import metrics_of
from models.slos import Slo
from simulator.results import Measure, Result
from simulator.statistics import Summary, summarise
from simulator.units import format_share, format_value

Judgement = Literal["met", "violated", "undecided"]

ONE_SIDED = 0.95


@dataclass(frozen=True)
class Verdict:
    """One objective judged; `bound_text` for people ("below 4 min"), the metric's mean and its 95 % interval or nan."""

    component: str
    metric: str
    unit: str
    bound_text: str
    verdict: Judgement
    mean: float
    ci_low: float
    ci_high: float
    censored: bool


def evaluate(slos: Iterable[Slo], result: Result) -> list[Verdict]:
    """Judge each objective by the replications of `result`; one whose metric has no value is undecided.

    `rule = "mean"`: met or violated when the 95 % interval of the mean lies wholly on one side of the bound.
    `rule = "runs"`: met when the one-sided 95 % Clopper-Pearson bound of the share of satisfying runs is at least
    `share`, violated when even the bound from above is less. A censored value is a lower bound: it violates a `below`.
    """
    return [_judged(slo, result) for slo in slos]


def _judged(slo: Slo, result: Result) -> Verdict:
    found = [
        measure
        for run in result.measurements
        for measure in run.metrics
        if (measure.component, measure.metric) == (slo.component, slo.metric)
    ]
    unit = found[0].unit if found else metrics_of(slo.component).get(slo.metric, "1")
    summary = summarise(found)
    verdict = _by_runs(slo, found) if slo.rule == "runs" else _by_mean(slo, summary)
    interval = summary.mean, summary.ci_low, summary.ci_high
    return Verdict(slo.component, slo.metric, unit, bound_text(slo, unit), verdict, *interval, summary.censored)


def _by_mean(slo: Slo, summary: Summary) -> Judgement:
    if slo.below is not None:
        if summary.censored or summary.ci_low >= slo.below:
            return "violated"
        return "met" if summary.ci_high < slo.below else "undecided"
    assert slo.above is not None
    if summary.ci_low > slo.above:
        return "met"
    return "violated" if summary.ci_high <= slo.above else "undecided"


def _by_runs(slo: Slo, measures: Sequence[Measure]) -> Judgement:
    known = [measure for measure in measures if not math.isnan(measure.value)]
    satisfied = sum(satisfies(slo, measure) for measure in known)
    failed = len(known) - satisfied
    at_least = float(special.betaincinv(satisfied, failed + 1, 1 - ONE_SIDED)) if satisfied else 0.0
    at_most = float(special.betaincinv(satisfied + 1, failed, ONE_SIDED)) if failed else 1.0
    if at_least >= slo.share:
        return "met"
    return "violated" if at_most < slo.share else "undecided"


def satisfies(slo: Slo, measure: Measure) -> bool:
    """Whether one replication keeps to the bound; a lower bound never shows that it stays below."""
    if slo.below is not None:
        return measure.value < slo.below and not measure.censored
    assert slo.above is not None
    return measure.value > slo.above


def bound_text(slo: Slo, unit: str) -> str:
    """The bound for people: "below 4 min"."""
    side, bound = ("below", slo.below) if slo.below is not None else ("above", slo.above)
    assert bound is not None
    text = f"{side} {format_value(bound, unit)}"
    return f"{text} in {format_share(slo.share)} of runs" if slo.rule == "runs" else text
