"""How much is needed, or can be taken: the smallest or largest value of a field that meets the objectives of a scenario."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from experiments.lab.console import interval_text
from experiments.lab.erlang import expected, meets
from experiments.lab.search import search
from experiments.lab.sizes import Sizes, sizes_of, wrong
from experiments.lab.slos import Verdict
from experiments.lab.trials import Effort, Trial, Trials, Value
from models import System
from simulator.replication import Kept, Progress
from simulator.results import Result
from simulator.units import format_value

if TYPE_CHECKING:
    import pandas as pd

CURVE_POINTS = 100
TRIED_COLUMNS = [
    "value", "runs", "met", "component", "metric", "unit", "bound_text", "verdict",
    "mean", "ci_low", "ci_high", "censored", "expected",
]  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """What was tried, by value, and the answer. `runs`: replications of each value to begin with.

    `value`: the smallest value (the `largest`, if so) that meets every objective, None where none does; durations in
    seconds. `monotone`: nothing that was tried contradicts that values beyond the answer meet the objectives too; where it
    is False every value was tried, or a grid. `exact`: the answer by Erlang's formula, None where that does not hold for
    every objective.
    """

    system: System
    sizes: Sizes
    seed: int
    runs: int | Literal["auto"]
    largest: bool
    value: Value | None
    monotone: bool
    trials: tuple[Trial, ...]
    exact: Value | None

    @property
    def path(self) -> str:
        """The field."""
        return self.sizes.path

    @property
    def met(self) -> bool:
        """Whether there is an answer."""
        return self.value is not None

    @property
    def results(self) -> dict[Value, Result]:
        """Metrics of all replications, by the value tried."""
        return {trial.value: trial.result for trial in self.trials}

    @property
    def best(self) -> Trial:
        """The answer's trial; where nothing meets the objectives the nearest: fewest of them missed, and those by least."""
        if self.value is not None:
            return next(trial for trial in self.trials if trial.value == self.value)
        return min(self.trials, key=lambda trial: (len(trial.failing), max(map(trial.miss, trial.failing))))

    @property
    def beyond(self) -> Trial | None:
        """The last value tried before the answer, which does not meet the objectives; None where there is none."""
        row = self.trials[::-1] if self.largest else self.trials
        place = row.index(self.best)
        return row[place - 1] if place and self.met else None

    @property
    def binding(self) -> int:
        """The place of the objective that decides: the one missed most before the answer, else the one with least room."""
        trial = self.beyond or self.best
        places: Sequence[int] = sorted(trial.failing) or range(len(trial.verdicts))
        return max(places, key=trial.miss)

    @property
    def answer(self) -> str:
        """The answer in a sentence."""
        return "; ".join([*_found(self), *_notes(self)])

    @cached_property
    def tried(self) -> pd.DataFrame:
        """A row per value and objective: value, runs, met, component, metric, unit, bound_text, verdict, mean, ci_low,
        ci_high, censored, expected (the exact value of the metric, nan where there is no formula)."""
        import pandas as pd

        rows = []
        for trial in self.trials:
            for verdict, exact in zip(trial.verdicts, trial.expected, strict=True):
                head = {"value": trial.value, "runs": trial.result.runs, "met": trial.met}
                rows.append({**head, **asdict(verdict), "expected": exact})
        return pd.DataFrame(rows, columns=TRIED_COLUMNS).astype({"expected": float})

    def curve(self, place: int) -> tuple[list[Value], list[float]]:
        """Values, and there the exact metric of an objective, as far as there is a formula and the queue keeps up."""
        step = math.ceil(len(self.sizes.values) / CURVE_POINTS)
        points = []
        for value in self.sizes.values[::step]:
            system = self.system.with_({self.path: value})
            exact = expected(system, system.slos[place])
            if exact is not None and math.isfinite(exact):
                points.append((value, exact))
        return [value for value, _ in points], [exact for _, exact in points]

    def __repr__(self) -> str:
        return f"<Plan for {self.path}: {self.answer}>"

    def _repr_html_(self) -> str:
        import pandas as pd

        rows = [
            (self.sizes.text(trial.value), trial.result.runs, objective(each), each.verdict, measured(trial, place))
            for trial in self.trials
            for place, each in enumerate(trial.verdicts)
        ]
        table = pd.DataFrame(rows, columns=[self.path, "runs", "objective", "verdict", "mean (95 % interval)"])
        caption = html.escape(f"{self.system.name}, seed {self.seed}: {self.answer}")
        return f"<p>{caption}</p>{table.to_html(index=False, border=0, justify='left')}"


def plan(
    system: System,
    size: Mapping[str, tuple[Any, Any]],
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    jobs: int = -1,
    largest: bool | None = None,
    precision: float = 0.01,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Plan:
    """The smallest value of one field that meets every objective of `system`: {"consumers.payment.instances": (2, 24)}.

    Durations may be texts: {"faults.outage.for": ("30s", "1h")}. Every value has the same luck. `runs`: replications to
    begin with; where objectives are undecided they are doubled, up to 200, and what is undecided then is not met.
    `largest`: whether the largest is sought; by default it is where the low end meets the objectives and the high end does
    not. `precision`: values that are no whole numbers are sought in round steps of at most that share of the range.
    `progress(done, total)` is called as replications finish; the total is an estimate. What `kept` holds is not run again,
    and what finishes is given to it.

    Raises BadScenario where there are no objectives or the range is none, Interrupted (a KeyboardInterrupt) when the user
    stops it, ValueError for a warm-up that cannot be found.
    """
    if len(size) != 1:
        raise wrong("size", f"found {len(size)} paths", "must be one path with its range")
    [(path, ends)] = size.items()
    sizes = sizes_of(system, path, ends, precision)
    if not system.slos:
        raise wrong("slos", "there are none", f"needed to say which {sizes.path} is enough")
    effort = Effort(system.runs if runs is None else runs, system.seed if seed is None else seed, jobs, progress, kept)
    trials = Trials(system, sizes.path, effort)
    found = search(trials, sizes.values, largest)
    exact = _exact(system, sizes, found.largest)
    return Plan(
        system, sizes, effort.seed, effort.runs, found.largest, found.value, found.monotone, tuple(trials.done), exact
    )  # fmt: skip


def _exact(system: System, sizes: Sizes, largest: bool) -> Value | None:
    """The answer by Erlang's formula: None where it does not hold, or nothing meets the objectives by it."""
    row = sizes.values[::-1] if largest else sizes.values

    def met(place: int) -> bool | None:
        return meets(system.with_({sizes.path: row[place]}))

    bad, good = 0, len(row) - 1
    first = met(bad)
    if first:
        return row[bad]
    if first is None or not met(good):
        return None
    while good - bad > 1:
        middle = (bad + good) // 2
        bad, good = (bad, middle) if met(middle) else (middle, good)
    return row[good]


def objective(verdict: Verdict) -> str:
    """An objective: "payment lag_seconds_p99 below 30 s"."""
    return f"{verdict.component.removeprefix('consumers.')} {verdict.metric} {verdict.bound_text}"


def measured(trial: Trial, place: int) -> str:
    """The mean of an objective's metric with its 95 % interval: "21 s (18 s – 24 s)"."""
    verdict, level = trial.verdicts[place], trial.level(place)
    if math.isnan(level):
        return "no value"
    interval = interval_text(verdict.ci_low, verdict.ci_high, verdict.unit)
    mean = f"{'≥ ' * verdict.censored}{format_value(level, verdict.unit)}"
    return f"{mean} ({interval})" if interval else mean


def _told(trial: Trial, place: int) -> str:
    verdict = trial.verdicts[place]
    side = {"met": "", "violated": "not ", "undecided": f"undecided after {trial.result.runs} runs whether "}[verdict.verdict]
    name = f"{verdict.component.removeprefix('consumers.')} {verdict.metric}"
    if verdict.censored:
        short = trial.censored(place)
        return f"{name} {measured(trial, place)}, not known to the end in {short} of {trial.result.runs} runs"
    return f"{name} {measured(trial, place)}, {side}{verdict.bound_text}"


def _found(plan: Plan) -> list[str]:
    """The answer and what is beside it, or what was nearest."""
    sizes, binding, best, beyond = plan.sizes, plan.binding, plan.best, plan.beyond
    if not plan.met:
        span = f"{sizes.text(sizes.values[0])} to {sizes.text(sizes.values[-1])}"
        nearest = f"nearest is {sizes.named(best.value)}: {_told(best, binding)}"
        return [f"no value of {sizes.field} from {span} meets the objectives", nearest]
    told = f"{sizes.named(best.value)}: {_told(best, binding)}"
    if beyond is None:
        end = "largest" if plan.largest else "smallest"
        return [told, f"this is the {end} value of the range"]
    verdict = "too much" if plan.largest else "not enough"
    return [told, f"{sizes.text(beyond.value)} is {verdict}: {_told(beyond, binding)}"]


def _notes(plan: Plan) -> list[str]:
    notes = []
    if not plan.monotone:
        notes.append("values beyond it fail again, so the whole range was tried")
    if plan.met and not isinstance(plan.best.value, int) and plan.sizes.step:
        notes.append(f"to within {plan.sizes.text(plan.sizes.step)}")
    if plan.exact is not None:
        notes.append(f"by Erlang C {plan.sizes.text(plan.exact)}")
    return notes
