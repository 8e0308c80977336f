"""What the studies in `experiments/` share: what they are asked for, and what they answer.

A study is a module of `experiments/` whose docstring begins with its question, with a function `study(setup) -> Answer`.
`edasim experiment NAME` runs it, as does `python -m experiments.NAME`.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from experiments.lab.output import fresh_folder
from models import System
from simulator.differences import Paired, paired
from simulator.replication import Progress
from simulator.results import Measure, Measurement, Result, installed_version
from simulator.statistics import Summary, summarise
from simulator.units import format_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Setup:
    """What a study is asked for. `quick`: a version of at most 20 s, too short for more than a look; `runs`: replications
    of each system, in place of the study's own number; `changes`: other values at paths of its scenarios."""

    quick: bool = False
    runs: int | None = None
    seed: int = 1
    jobs: int = -1
    changes: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None

    def number(self, whole: int, quick: int) -> int:
        """Replications of each system: as asked for, else `whole`, or `quick` in the quick version."""
        return self.runs or (quick if self.quick else whole)

    def system(self, data: Mapping[str, Any]) -> System:
        """The system of a study, from nested tables, with what was changed."""
        return System.from_dict(data).with_(self.changes)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a study found: sentences that are computed, with their intervals, a table, and figures by name."""

    finding: str
    table: pd.DataFrame
    figures: Mapping[str, Figure]

    @property
    def shown(self) -> pd.DataFrame:
        """The table for a screen: a tidy one with a column for each metric, its interval in brackets; another as it is."""
        if "metric" not in self.table:
            return self.table
        plain = self.table.drop(columns=["component", "metric", "unit", "mean", "ci_low", "ci_high", "n", "censored"])
        cells = [_in_words(row) for row in self.table.to_dict("records")]
        tall = plain.astype(object).where(plain.notna(), "").assign(metric=self.table["metric"], cell=cells)
        wide = tall.pivot_table("cell", list(plain), "metric", aggfunc="first", sort=False, fill_value="")
        return wide.reset_index()

    def write(self, name: str, setup: Setup, out: Path) -> None:
        """Write table, finding, charts and what it takes to repeat them to the folder `out`, whole or not at all."""
        from experiments.lab import charts

        with fresh_folder(out) as folder:
            self.table.to_csv(folder / "table.csv", index=False, lineterminator="\n")
            self.table.to_parquet(folder / "table.parquet", index=False)
            (folder / "finding.txt").write_text(self.finding + "\n", encoding="utf-8")
            (folder / "charts").mkdir()
            charts.save(self.figures, folder / "charts")
            asked = {"quick": setup.quick, "runs": setup.runs, "seed": setup.seed, "changes": dict(setup.changes)}
            manifest = {"experiment": name, **asked, "version": installed_version()}
            (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _in_words(row: Mapping[Any, Any]) -> str:
    """The mean in a row and its interval; a share that cannot be above 1 has no interval above it."""
    from experiments.lab.console import interval_text, mean_text

    high = min(row["ci_high"], 1.0) if row["unit"] == "share" and row["mean"] <= 1.0 else row["ci_high"]
    bounds = interval_text(row["ci_low"], high, row["unit"])
    mean = "–" if np.isnan(row["mean"]) else mean_text({str(name): value for name, value in row.items()})
    return f"{mean} ({bounds})" if bounds else mean


def studies() -> dict[str, str]:
    """The question of each study by its name."""
    files = sorted(resources.files("experiments").iterdir(), key=lambda file: file.name)
    scripts = [file for file in files if file.name.endswith(".py") and not file.name.startswith("_")]
    return {file.name.removesuffix(".py"): _question(file.read_text("utf-8")) for file in scripts}


def _question(source: str) -> str:
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def answer(name: str, setup: Setup) -> Answer:
    """Run the study of that name."""
    found: Answer = import_module(f"experiments.{name}").study(setup)
    return found


class OwnModel:
    """A model of a study's own, which is no `System`: a subclass, a picklable value, adds `start` and `measure`."""

    name: ClassVar[str] = "own"
    description: ClassVar[str] = ""
    duration: ClassVar[float] = 3600.0
    warmup: ClassVar[float] = 0.0
    runs: ClassVar[int] = 10
    seed: ClassVar[int] = 1
    precision: ClassVar[float] = 0.05
    precision_metric: ClassVar[str | None] = None

    @property
    def horizon(self) -> float:
        """Simulated seconds after which a replication is stopped at the latest."""
        return self.duration

    def pilot(self) -> Self:
        """Itself: it has neither faults nor surges."""
        return self

    def with_warmup(self, warmup: float) -> Self:
        """Itself: it has no warm-up."""
        return self


def from_shell(name: str) -> None:
    """Run a study by its script, as `edasim experiment NAME` with the same options."""
    sys.argv[1:1] = ["experiment", name]
    import_module("experiments.lab.cli").main()  # by name, as the studies are: it is what imports this module


def derived(result: Result, derive: Callable[[Measurement], Iterable[Measure]]) -> Result:
    """The result with metrics of the study's own, which `derive` computes of each replication, beside the others."""
    more = (replace(left, metrics=(*left.metrics, *derive(left))) for left in result.measurements)
    return replace(result, measurements=tuple(more))


def measures(result: Result, metric: str) -> list[Measure]:
    """One metric ("component:metric") of each replication, in order; [] where there is none."""
    component, _, name = metric.rpartition(":")
    return [m for left in result.measurements for m in left.metrics if (m.component, m.metric) == (component, name)]


def told(found: Sequence[Measure]) -> str:
    """The mean of one metric over replications and its 95 % interval, for people: "12.3 s (11.9 s – 12.7 s)"."""
    return _in_words(asdict(summarise(found)) | {"unit": found[0].unit})


def difference(first: Sequence[Measure], second: Sequence[Measure]) -> tuple[Paired, str]:
    """The second less the first, replication by replication, and as people read it: "-3 s (-4 s – -2 s)"."""
    found, unit = paired([m.value for m in first], [m.value for m in second]), first[0].unit
    mean, low, high = (format_value(value, unit) for value in (found.difference, found.ci_low, found.ci_high))
    return found, f"{mean} ({low} – {high})"


def tidy(results: Mapping[tuple[Any, ...], Result], varied: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """A row per system and metric ("component:metric") that it has: what `varied`, as the keys of `results` have it,
    then component, metric, unit, mean, ci_low, ci_high, n, censored."""
    import pandas as pd

    rows = []
    for (key, result), metric in ((item, metric) for item in results.items() for metric in metrics):
        if found := measures(result, metric):
            row: Summary = summarise(found)
            named = {"component": found[0].component, "metric": found[0].metric, "unit": found[0].unit}
            numbers = {"mean": row.mean, "ci_low": row.ci_low, "ci_high": row.ci_high, "n": row.n, "censored": row.censored}
            rows.append(dict(zip(varied, key, strict=True)) | named | numbers)
    return pd.DataFrame(rows)


def answered(left: Measurement, group: str, span: float = 10.0) -> np.ndarray:
    """Attempts of `group` that end well over events that arrive, in the `span` seconds up to each time of the grid: near
    1 where all is well, 0 where nobody is answered in time, above 1 where what had waited is caught up with."""
    well = np.cumsum(left.series[group, "attempts"] - left.series[group, "failures"])
    arrived = np.cumsum(left.series[group, "arrivals"])
    points = max(1, round(span / (left.times[1] - left.times[0])))
    done, due = (np.append(total[:points], total[points:] - total[:-points]) for total in (well, arrived))
    share: np.ndarray = done / np.maximum(due, 1e-9)
    return share
