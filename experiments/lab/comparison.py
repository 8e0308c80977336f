"""What paired replications of several systems say: the difference of each metric, its interval, and a verdict."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from models import System
from models.metrics import good_side
from simulator.differences import Paired, equivalent, holm, paired, paired_with_bounds
from simulator.results import Measure, Result
from simulator.statistics import summarise
from simulator.units import format_value

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["better", "worse", "differs", "same", "undecided"]
Pairs = Sequence[tuple[Measure, Measure]]

SURE = 0.05
"""Adjusted p-value below which a difference is more than luck."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of one system less that of its reference, over the `n` replications in which both have a value.

    `ci_low`, `ci_high`: 95 % interval. `p_value` is of this row alone, `p_adjusted` of the family. `censored`: in how many
    of the pairs a value is a lower bound; where there are such pairs `difference` is the median over the pairs, as far as
    it is known, and not the mean. `narrowing`: how many times wider the interval would be without pairing.
    """

    name: str
    component: str
    metric: str
    baseline_mean: float
    mean: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    verdict: Verdict
    unit: str
    n: int
    censored: int
    p_adjusted: float
    narrowing: float
    baseline_censored: int = 0
    mean_censored: int = 0

    @property
    def relative(self) -> float:
        """The difference as a share of the baseline's mean, nan where that is 0 or not known."""
        return self.difference / abs(self.baseline_mean) if self.baseline_mean else math.nan

    @property
    def change(self) -> str:
        """The difference for people: "-12.3 s (-4.1 %)"; "–" where it is not known."""
        known = math.isfinite(self.relative) and self.unit != "share"
        return signed(self.difference, self.unit) + (f" ({signed(self.relative, 'share')})" if known else "")

    @property
    def interval(self) -> str:
        """The 95 % interval for people, "" where there is none."""
        if math.isnan(self.ci_low) and math.isnan(self.ci_high):
            return ""
        if math.isnan(self.ci_low):
            return f"at most {signed(self.ci_high, self.unit)}"
        if math.isnan(self.ci_high):
            return f"at least {signed(self.ci_low, self.unit)}"
        return f"{signed(self.ci_low, self.unit)} … {signed(self.ci_high, self.unit)}"


def signed(value: float, unit: str) -> str:
    """A difference for people, with its sign: "+1.2 s", "-3", "0"; "–" for nan."""
    if math.isnan(value):
        return "–"
    return ("+" if value > 0 else "") + format_value(value, unit)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Systems replicated with the same seed and replication numbers, and by how much they differ.

    `baseline`: its name among `results`. `metrics`: the family, as "component:metric". `twin`: each system is compared with
    itself without faults, which is in `results` under its `twin_name`. `varied`: what the systems differ in, for people.
    `systems`: those that were given, by name.
    """

    name: str
    baseline: str
    results: Mapping[str, Result]
    metrics: tuple[str, ...]
    twin: bool = False
    varied: str = ""
    systems: Mapping[str, System] = field(default_factory=dict)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per metric and alternative: the fields of `Difference`, in its order."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(Difference.__dataclass_fields__))

    @cached_property
    def rows(self) -> tuple[Difference, ...]:
        """The family: metric by metric, every alternative."""
        return tuple(self._family(self.metrics))

    @cached_property
    def references(self) -> dict[str, str]:
        """What each alternative is compared with, by name."""
        if self.twin:
            return {name: twin_name(name) for name in self.results if twin_name(name) in self.results}
        return {name: self.baseline for name in self.results if name != self.baseline}

    def of(self, metric: str) -> list[Difference]:
        """Every alternative in one metric; one that is not in the family is a family of its own. KeyError if unknown."""
        component, _, name = metric.rpartition(":")
        found = [row for row in self.rows if (row.component, row.metric) == (component, name)]
        if not found and all((component, name) not in each for each in self._measures.values()):
            self.results[self.baseline].value(component, name)  # raises, with names near it
        return found or list(self._family([metric]))

    @property
    def heading(self) -> str:
        """What is compared with what, in a line."""
        first = self.results[self.baseline]
        against = "each system with itself without faults" if self.twin else f"against {self.baseline}"
        varied = f"{self.varied} " if self.varied else ""
        return f"{self.name}: {varied}{against}; {first.runs} paired runs, seed {first.seed}, edasim {first.version}"

    def _family(self, metrics: Sequence[str]) -> Iterator[Difference]:
        keys = [(name, *metric.rpartition(":")[::2]) for metric in metrics for name in self.references]
        pairs = [self._pairs(*key) for key in keys]
        found = [_paired(each) for each in pairs]
        for place, adjusted in enumerate(holm([each.p_value for each in found])):
            yield self._difference(keys[place], pairs[place], found[place], adjusted)

    def _pairs(self, name: str, component: str, metric: str) -> Pairs:
        first, second = self._sides(name, component, metric)
        return [(first[run], second[run]) for run in first if run in second]

    def _sides(self, name: str, component: str, metric: str) -> tuple[dict[int, Measure], dict[int, Measure]]:
        """The values of the reference and of the system, by replication."""
        before, after = (self._measures[each].get((component, metric), {}) for each in (self.references[name], name))
        return before, after

    def _difference(self, key: tuple[str, str, str], pairs: Pairs, found: Paired, adjusted: float) -> Difference:
        sides = self._sides(*key)
        unit = next((measure.unit for side in sides for measure in side.values()), "1")
        paired_sides = zip(*pairs, strict=True) if pairs else (side.values() for side in sides)
        before, after = (summarise(list(side)).mean for side in paired_sides)
        return Difference(
            *key, before, after, found.difference, found.ci_low, found.ci_high, found.p_value,
            _verdict(key, found, adjusted, before), unit, found.n,
            sum(a.censored or b.censored for a, b in pairs), adjusted, found.narrowing,
            sum(a.censored for a, _ in pairs), sum(b.censored for _, b in pairs),
        )  # fmt: skip

    @cached_property
    def _measures(self) -> dict[str, dict[tuple[str, str], dict[int, Measure]]]:
        """What has a value: by system, by metric, by replication."""
        return {name: _by_metric(result) for name, result in self.results.items()}

    def __repr__(self) -> str:
        return f"<Comparison: {self.heading}>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: one row per metric and alternative, with interval and verdict."""
        import pandas as pd

        shown = pd.DataFrame(
            {
                "metric": [f"{row.component} {row.metric}" for row in self.rows],
                "system": [row.name for row in self.rows],
                "baseline": [mean_text(row.baseline_mean, row.unit, row.baseline_censored) for row in self.rows],
                "mean": [mean_text(row.mean, row.unit, row.mean_censored) for row in self.rows],
                "difference": [row.change for row in self.rows],
                "95 % interval": [row.interval for row in self.rows],
                "verdict": [row.verdict for row in self.rows],
                "narrower": [f"{row.narrowing:.1f}x" if math.isfinite(row.narrowing) else "" for row in self.rows],
                "n": [row.n for row in self.rows],
            }
        )
        return f"<p>{html.escape(self.heading)}</p>{shown.to_html(index=False, border=0, justify='left')}"


def twin_name(name: str) -> str:
    """The name of a system without its faults."""
    return f"{name}, no faults"


def mean_text(mean: float, unit: str, censored: int) -> str:
    """One of the two means of a row, marked where some of its values are lower bounds."""
    if math.isnan(mean):
        return "–"
    return ("≥ " if censored else "") + format_value(mean, unit)


def _by_metric(result: Result) -> dict[tuple[str, str], dict[int, Measure]]:
    found: dict[tuple[str, str], dict[int, Measure]] = {}
    for run, left in zip(result.replications, result.measurements, strict=True):
        for measure in left.metrics:
            if not math.isnan(measure.value) and measure.exposure > 0:
                found.setdefault((measure.component, measure.metric), {})[run] = measure
    return found


def _paired(pairs: Pairs) -> Paired:
    """Means where all values are known; bounds of the median where some are lower bounds themselves."""
    first, second = ([pair[side].value for pair in pairs] for side in (0, 1))
    alike = all((a.value, a.censored) == (b.value, b.censored) for a, b in pairs)
    if alike or not any(a.censored or b.censored for a, b in pairs):
        return paired(first, second)
    least = [-math.inf if a.censored else b.value - a.value for a, b in pairs]
    most = [math.inf if b.censored else b.value - a.value for a, b in pairs]
    return paired_with_bounds(least, most)


def _verdict(key: tuple[str, str, str], found: Paired, adjusted: float, reference: float) -> Verdict:
    if adjusted < SURE:
        side = good_side(*key[1:])
        if side is None:
            return "differs"
        return "better" if (found.ci_high < 0) == (side == "lower") else "worse"
    return "same" if found.identical or equivalent(found.inner, reference) else "undecided"
