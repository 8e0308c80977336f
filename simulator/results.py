"""What replications leave: measurements, and the tables that are made of them."""

from __future__ import annotations

import difflib
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.statistics import Interval, Kind, summarise
from simulator.units import format_value

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, "np.ndarray | list[object]"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of one replication, nan where it has no value.

    `exposure`: what the events of a `rate` or `share` were divided by to give `value`; a `count` is a number of events.
    `censored`: the value is a lower bound (a quantile among unfinished events, a time not reached).
    """

    component: str
    metric: str
    unit: str
    value: float
    kind: Kind = "value"
    exposure: float = 1.0
    censored: bool = False


@dataclass(frozen=True)
class Window:
    """A period in which something was done to `target`, such as a fault: seconds, `end` at most the horizon."""

    name: str
    target: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one replication leaves: picklable, numpy only.

    `times`, shape (k,): the grid in seconds. `series`: (component, metric) -> values on it, shape (k,), nan where none.
    `tables`: further small tables by name, and `events`, the trace: a mapping of equally long columns each.
    """

    metrics: tuple[Measure, ...]
    times: np.ndarray
    series: Mapping[tuple[str, str], np.ndarray]
    windows: tuple[Window, ...] = ()
    tables: Mapping[str, Columns] = field(default_factory=dict)
    events: Columns | None = None


@cache
def installed_version() -> str:
    """The version of edasim, "0" where it runs without being installed."""
    try:
        return metadata.version("edasim")
    except metadata.PackageNotFoundError:
        return "0"


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Replications of one model and the tables over them, each a DataFrame made when it is first read.

    `replications`: the number of each measurement, in order: `run` in the tables. `duration` and `warmup` in seconds.
    """

    name: str
    description: str
    seed: int
    duration: float
    warmup: float
    replications: tuple[int, ...]
    measurements: tuple[Measurement, ...]
    version: str = field(default_factory=installed_version)

    @property
    def runs(self) -> int:
        return len(self.measurements)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per metric, in the order in which metrics first appear: component, metric, unit, mean, ci_low, ci_high,
        std, n, min, median, max, skewed, censored. `statistics.summarise` says which interval a metric gets."""
        import pandas as pd

        rows = [
            {"component": component, "metric": metric, "unit": measures[0].unit} | asdict(summarise(measures))
            for (component, metric), measures in self._measures.items()
        ]
        return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)

    @cached_property
    def runs_table(self) -> pd.DataFrame:
        """A row per replication and metric: run, component, metric, unit, value, censored."""
        import pandas as pd

        rows = [
            (run, m.component, m.metric, m.unit, m.value, m.censored) for run, left in self._numbered() for m in left.metrics
        ]
        return pd.DataFrame(rows, columns=["run", "component", "metric", "unit", "value", "censored"])

    @cached_property
    def series(self) -> pd.DataFrame:
        """A row per replication, series and time: run, time, component, metric, value; names as categories."""
        import pandas as pd

        parts = [(run, left.times, *key, values) for run, left in self._numbered() for key, values in left.series.items()]
        lengths = [len(part[-1]) for part in parts]
        return pd.DataFrame(
            {
                "run": np.repeat(np.array([part[0] for part in parts], dtype=int), lengths),
                "time": np.concatenate([np.empty(0), *(part[1] for part in parts)]),
                "component": _labels([part[2] for part in parts], lengths),
                "metric": _labels([part[3] for part in parts], lengths),
                "value": np.concatenate([np.empty(0), *(part[4] for part in parts)]),
            }
        )

    @cached_property
    def events(self) -> pd.DataFrame | None:
        """The traces of all replications, `run` first; None where none was kept."""
        traces = [(run, left.events) for run, left in self._numbered() if left.events is not None]
        return _stack(traces) if traces else None

    @cached_property
    def windows(self) -> pd.DataFrame:
        """The shaded periods: run, name, target, start, end (seconds)."""
        import pandas as pd

        rows = [(run, w.name, w.target, w.start, w.end) for run, left in self._numbered() for w in left.windows]
        return pd.DataFrame(rows, columns=["run", "name", "target", "start", "end"])

    @cached_property
    def alerts(self) -> pd.DataFrame:
        """When somebody was told: run, alert, component, metric, fired, cleared (s; nan where it still fired at the end)."""
        import pandas as pd

        if any("alerts" in left.tables for left in self.measurements):
            return self.table("alerts")
        return pd.DataFrame(columns=["run", "alert", "component", "metric", "fired", "cleared"])

    def table(self, name: str) -> pd.DataFrame:
        """A further table over replications that left it, `run` first. Raises KeyError with the names that exist."""
        found = [(run, left.tables[name]) for run, left in self._numbered() if name in left.tables]
        if not found:
            known = sorted({name for left in self.measurements for name in left.tables})
            raise KeyError(f"no table {name!r}; there are: {', '.join(known) or 'none'}")
        return _stack(found)

    def value(self, component: str, metric: str) -> Interval:
        """One metric of the summary with its interval. Raises KeyError, with near names, where there is no such one."""
        if (component, metric) not in self._measures:
            known = [":".join(key) for key in self._measures]
            near = difflib.get_close_matches(f"{component}:{metric}", known, n=5, cutoff=0.4)
            raise KeyError(f"no metric {component}:{metric}; near it: {', '.join(near) or 'nothing'}")
        row = summarise(self._measures[component, metric])
        return Interval(row.mean, row.ci_low, row.ci_high, row.n)

    def _numbered(self) -> Iterable[tuple[int, Measurement]]:
        return zip(self.replications, self.measurements, strict=True)

    @cached_property
    def _measures(self) -> dict[tuple[str, str], list[Measure]]:
        found: dict[tuple[str, str], list[Measure]] = {}
        for left in self.measurements:
            for m in left.metrics:
                found.setdefault((m.component, m.metric), []).append(m)
        return found

    def __repr__(self) -> str:
        return f"<Result of {self.name}: {self.runs} runs of {self.duration:g} s, seed {self.seed}>"

    def _repr_html_(self) -> str:
        """The summary as a notebook shows it: a table to unfold per component, without what is 0 in every run."""
        import pandas as pd

        rows = self.summary[(self.summary["n"] > 0) & ((self.summary["max"] != 0) | (self.summary["min"] != 0))]
        runs = f"{self.runs} runs" if self.runs > 1 else "1 run"
        parts = [f"<p><b>{html.escape(self.name)}</b>: {runs}, seed {self.seed}, edasim {self.version}</p>"]
        for component, found in rows.groupby("component", sort=False):
            table = pd.DataFrame([_shown(row) for row in found.to_dict("records")])
            inner = table.to_html(index=False, border=0, justify="left")
            parts.append(f"<details><summary>{html.escape(str(component))} ({len(table)} metrics)</summary>{inner}</details>")
        left_out = len(self.summary) - len(rows)
        return "".join([*parts, f"<p>{left_out} metrics that are 0 in every run, or have no value, are left out.</p>"])


def _shown(row: Mapping[Any, Any]) -> dict[str, object]:
    """A row of the summary for people."""
    low, high = (format_value(row[end], row["unit"]) if math.isfinite(row[end]) else "–" for end in ("ci_low", "ci_high"))
    known = row["mean"] == row["mean"]
    mean = format_value(row["mean"] if known else row["max"], row["unit"])
    return {
        "metric": row["metric"],
        "mean": f"{'≥ ' * bool(row['censored'])}{mean}",
        "95 % interval": f"{low} … {high}",
        "n": row["n"],
    }


SUMMARY_COLUMNS = [
    "component", "metric", "unit", "mean", "ci_low", "ci_high", "std", "n",
    "min", "median", "max", "skewed", "censored",
]  # fmt: skip


def _labels(names: Sequence[str], lengths: Sequence[int]) -> pd.Categorical[str]:
    """Names repeated `lengths` times each, kept as small numbers: a series has millions of rows and a few names."""
    import pandas as pd

    categories = list(dict.fromkeys(names))
    codes = np.array([categories.index(name) for name in names], dtype=np.int32)
    return pd.Categorical.from_codes(np.repeat(codes, lengths), categories=pd.Index(categories, dtype=str))


def _stack(parts: Sequence[tuple[int, Columns]]) -> pd.DataFrame:
    """Tables of several replications under one another, `run` first."""
    import pandas as pd

    frames = []
    for run, columns in parts:
        frame = pd.DataFrame(dict(columns))
        frame.insert(0, "run", run)
        frames.append(frame)
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(filled, ignore_index=True)
