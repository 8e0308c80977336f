"""A component's metrics as they are written down, each with its unit and what its interval is made from."""

from __future__ import annotations

import math

from models.metrics import metrics_of
from models.sample import Sample
from simulator.results import Measure
from simulator.statistics import Kind

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}


class Sheet:
    """The metrics of `component`. A metric that its kind of component does not have is a KeyError."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.measures: list[Measure] = []
        self._units = metrics_of(component)

    def value(self, metric: str, value: float, kind: Kind = "value", exposure: float = 1.0, censored: bool = False) -> None:
        """A number by itself, nan where there is none."""
        self.measures.append(
            Measure(self.component, metric, self._units[metric], float(value), kind, float(exposure), censored)
        )

    def count(self, metric: str, events: int) -> None:
        """A number of events."""
        self.value(metric, events, "count")

    def share(self, metric: str, events: float, trials: float) -> None:
        """The share of `trials` that were events."""
        self.value(metric, ratio(events, trials), "share", trials)

    def rate(self, metric: str, events: float, exposure: float) -> None:
        """Events for each unit of `exposure`, in which more than one can happen."""
        self.value(metric, ratio(events, exposure), "rate", exposure)

    def times(self, stem: str, sample: Sample, *endings: str) -> None:
        """`stem_mean`, `stem_sd` and quantiles such as `stem_p99` of a sample."""
        for moment in ("mean", "sd"):
            if moment in endings:
                self.value(f"{stem}_{moment}", getattr(sample, moment))
        wanted = [ending for ending in endings if ending in SHARES]
        quantiles = sample.quantiles([SHARES[ending] for ending in wanted])
        for ending, (value, censored) in zip(wanted, quantiles, strict=True):
            self.value(f"{stem}_{ending}", value, censored=censored)


def ratio(part: float, whole: float) -> float:
    """`part / whole`, nan of nothing."""
    return part / whole if whole else math.nan
