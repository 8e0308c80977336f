"""What a comparison shows, in one sentence computed from its verdicts: the titles of its charts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.lab.charts.findings import shortened
from experiments.lab.comparison import Comparison, Difference, Verdict, twin_name

LONGEST_NAME = 30

PHRASES: dict[Verdict, str] = {"better": "better than", "worse": "worse than", "differs": "different from"}


def label(comparison: Comparison, name: str) -> str:
    """A system's name for people: where one field varies and the name is only its value, `instances=8`."""
    if comparison.twin and name not in comparison.references:
        return twin_name(label(comparison, name.removesuffix(twin_name(""))))
    bare = comparison.varied and ", " not in comparison.varied and "=" not in name
    return shortened(f"{comparison.varied.rpartition('.')[2]}={name}" if bare else name, LONGEST_NAME)


def difference_finding(comparison: Comparison, metric: str) -> str:
    """What the verdicts say of one metric."""
    component, _, name = metric.rpartition(":")
    return f"{component.partition('.')[2] or component} {name}: {verdicts_told(comparison, comparison.of(metric))}"


def verdicts_told(comparison: Comparison, rows: Sequence[Difference]) -> str:
    """Which alternatives differ from the baseline, and the one that does so most."""
    against = _reference(comparison)
    told = [text for verdict in PHRASES if (text := _told(comparison, [row for row in rows if row.verdict == verdict]))]
    if told and len(rows) > 1:
        others = sum(row.verdict not in PHRASES for row in rows)
        return f"against {against}, of {len(rows)}: {'; '.join(told)}{f'; {others} not shown to differ' if others else ''}"
    if told:
        return f"{label(comparison, rows[0].name)} is {PHRASES[rows[0].verdict]} {against}, {_change(rows[0])}"
    if all(row.verdict == "same" for row in rows):
        exactly = all(row.difference == row.ci_low == row.ci_high == 0 for row in rows)
        return f"nothing differs from {against}" if exactly else f"all within 5 % of {against}"
    runs = max(row.n for row in rows)
    if len(rows) == 1:
        return f"{runs} runs do not tell {label(comparison, rows[0].name)} from {against}"
    return f"{runs} runs tell none of the {len(rows)} alternatives from {against}"


def _told(comparison: Comparison, found: Sequence[Difference]) -> str:
    """How many alternatives have one verdict, and which of them differs most."""
    if not found:
        return ""
    most = max(found, key=lambda row: abs(row.difference) if math.isfinite(row.difference) else 0.0)
    name = f"{label(comparison, most.name)} with {_change(most)}"
    return f"{len(found)} {found[0].verdict}, {'' if len(found) == 1 else 'most of all '}{name}"


def _change(row: Difference) -> str:
    return row.change if math.isfinite(row.difference) else row.interval


def _reference(comparison: Comparison) -> str:
    return "no faults" if comparison.twin else label(comparison, comparison.baseline)


def trade_off_finding(comparison: Comparison, x: str, y: str) -> str:
    """Whether an alternative has less of `y`, and what it pays for that in `x`."""
    loads = {row.name: row for row in comparison.of(x)}
    cost, gain = (metric.rpartition(":")[2].replace("_", " ") for metric in (x, y))
    found = [(row, loads[row.name]) for row in comparison.of(y) if both_known(row, loads[row.name])]
    if not found:
        return f"no alternative has a value in both {gain} and {cost}"
    better = sorted((pair for pair in found if _surely_less(pair[0])), key=lambda pair: pair[0].difference)
    cheaper = sorted((pair for pair in found if _surely_less(pair[1])), key=lambda pair: pair[1].difference)
    free = [pair for pair in better if not _surely_more(pair[1])]
    unharmed = [pair for pair in cheaper if not _surely_more(pair[0])]
    if free:
        row, load = free[0]
        return f"{_told_of(comparison, row, gain)}, and {'lower' if _surely_less(load) else 'not surely higher'} in {cost}"
    if better:
        row, load = better[0]
        return f"{_told_of(comparison, row, gain)}, for {load.change} in {cost}"
    if unharmed:
        row, load = unharmed[0]
        return f"{_told_of(comparison, load, cost)}, and not surely higher in {gain}"
    if cheaper:
        row, load = cheaper[0]
        return f"{_told_of(comparison, load, cost)}, for {row.change} in {gain}"
    return f"no alternative is surely lower than {_reference(comparison)} in {gain} or {cost}"


def both_known(row: Difference, other: Difference) -> bool:
    """Whether an alternative has a place in the plane of two metrics."""
    return math.isfinite(row.difference) and math.isfinite(other.difference) and math.isfinite(row.baseline_mean)


def _told_of(comparison: Comparison, row: Difference, metric: str) -> str:
    return f"{label(comparison, row.name)} is lower in {metric} than {_reference(comparison)}, {row.change}"


def _surely_less(row: Difference) -> bool:
    return row.verdict in PHRASES and row.ci_high < 0


def _surely_more(row: Difference) -> bool:
    return row.verdict in PHRASES and row.ci_low > 0
