"""Chaos campaigns: random faults against a steady-state hypothesis, and the smallest schedules that break it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from experiments.lab.campaign import Campaign, Outcome, Ranked, outcome_of
from experiments.lab.chaos_draws import Arsenal, Schedule, with_faults
from experiments.lab.easing import steps_of
from experiments.lab.hypotheses import Hypothesis, hypotheses_of
from experiments.lab.shrinking import Shrinking, Shrunk
from experiments.lab.store import unfinished
from experiments.lab.trials import Effort
from models import System
from models.errors import BadScenario, Problem
from models.faults import Fault
from simulator.replication import Kept, Progress, replicate_all, settled_warmup

MOST_TRIED = 100
"""Runs that shrinking one schedule may take."""

EXPECTED = 15
"""Runs that it does take, as far as nobody knows better."""

MOST_FAULTS = 100
"""In one schedule: with more, nobody learns anything from it, and shrinking it would take thousands of runs."""


def chaos(
    system: System,
    faults: int,
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    hypothesis: str | Sequence[str] = (),
    worst: int = 5,
    jobs: int = -1,
    out: str | Path | None = None,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Campaign:
    """Try `runs` schedules of so many random `faults` each on `system`, and shrink the `worst` of those that break it.

    What must not break are the objectives of the system, or each `hypothesis` ("consumers.payment:latency_p99<2"), run by
    run; the system has to satisfy it without faults, or, of its objectives, one at least: the others are left out. So are its
    own faults. Every schedule meets the same luck, that of
    replication 0 of the seed, and so differs from the others and from no fault at all by its faults alone; `runs` and `seed`
    are the scenario's own unless given. `out`: a folder in which the ranking, the worst schedules as scenarios and a chart are
    written; replications are kept beside it until then, where the user interrupts it. What `kept` holds is not run again.

    Raises BadScenario where there is no hypothesis that holds without faults, Interrupted (a KeyboardInterrupt),
    ValueError for a warm-up that cannot be found, OSError where `out` cannot be written.
    """
    effort = Effort(_number("runs", system.runs if runs is None else runs, 1), _seed(system, seed), jobs, progress, kept)
    texts = [hypothesis] if isinstance(hypothesis, str) else list(hypothesis)
    asked = partial(_campaign, system, texts, _number("faults", faults, 1, MOST_FAULTS), _number("worst", worst, 0))
    if out is None:
        return asked(effort)
    from experiments.lab.output import refusal, write_campaign

    if reason := refusal(Path(out)):
        raise OSError(reason)
    with unfinished(Path(out), series=False) as store:
        found = asked(effort if kept is not None else replace(effort, kept=store))
        write_campaign(found, Path(out))
    return found


def _campaign(system: System, texts: Sequence[str], faults: int, worst: int, effort: Effort) -> Campaign:
    assert isinstance(effort.runs, int)
    ground = Ground.of(system, texts, effort)
    left_out = () if texts else ground.leave_out()
    ground.ahead = effort.runs + EXPECTED * worst
    calm = ground.steady()
    arsenal = Arsenal(ground.system)
    drawn = [arsenal.schedule(faults, number) for number in range(1, effort.runs + 1)]
    outcomes = enumerate(ground.outcomes(drawn), 1)
    order = sorted(outcomes, key=lambda each: (not each[1].violated, -each[1].damage, each[0]))
    ranked = [Ranked(rank, number, outcome) for rank, (number, outcome) in enumerate(order, 1)]
    broken = [each for each in ranked[:worst] if each.outcome.violated]
    smallest = dict(zip(broken, ground.shrunk([each.outcome for each in broken], arsenal), strict=True))
    ranked = [replace(each, shrunk=smallest.get(each)) for each in ranked]
    return Campaign(system, ground.system, ground.hypotheses, faults, worst, calm, tuple(ranked), left_out)


def _seed(system: System, seed: int | None) -> int:
    return system.seed if seed is None else _number("seed", seed, 0)


def _number(name: str, value: object, least: int, most: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise BadScenario([Problem(name, f"found {value}", f"must be a whole number {bounds}")])
    return value


class Ground:
    """Where schedules are tried, none twice. `system`: without faults, for one run; `ahead`: runs still to be expected."""

    def __init__(self, system: System, hypotheses: tuple[Hypothesis, ...], effort: Effort) -> None:
        self.system = system
        self.hypotheses = hypotheses
        self.effort = effort
        self.ahead = 0
        self._done: dict[Schedule, Outcome] = {}

    @classmethod
    def of(cls, system: System, texts: Sequence[str], effort: Effort) -> Ground:
        """The system with its hypotheses as objectives, its faults taken out and its warm-up settled."""
        hypotheses = hypotheses_of(system, texts)
        slos = [each.slo.model_dump(mode="json", exclude_none=True) for each in hypotheses]
        run = {"run.runs": 1, "run.precision_metric": None, "run.seed": effort.seed}
        bare = system.with_({"faults": [], "slos": slos, **run})
        if bare.warmup == "auto":
            bare = bare.with_warmup(settled_warmup(bare, effort.seed, effort.jobs))
        return cls(bare, hypotheses, effort)

    def leave_out(self) -> tuple[str, ...]:
        """Goes on without those hypotheses that do not hold even without faults, while others do. Returns them, in words."""
        (calm,) = self.outcomes([()])
        unfit = {place for place, told in enumerate(calm.told) if place in calm.violated or told == "no value"}
        if not unfit or len(unfit) == len(self.hypotheses):
            return ()
        told = tuple(f"{self.hypotheses[place].text} (without faults: {calm.told[place]})" for place in sorted(unfit))
        self.hypotheses = tuple(each for place, each in enumerate(self.hypotheses) if place not in unfit)
        slos = [each.slo.model_dump(mode="json", exclude_none=True) for each in self.hypotheses]
        self.system = self.system.with_({"slos": slos})
        self._done.clear()
        return told

    def steady(self) -> Outcome:
        """What the system does without faults. Raises BadScenario where it does not satisfy the hypotheses even then."""
        (calm,) = self.outcomes([()])
        wrong = [(place, f"is violated without any fault (found {calm.told[place]})") for place in calm.violated]
        wrong += [(place, "has no value without any fault") for place, told in enumerate(calm.told) if told == "no value"]
        if wrong:
            raise BadScenario(
                Problem(self.hypotheses[place].text, found, "must hold without, for faults to break it: give another")
                for place, found in wrong
            )
        return calm

    def outcomes(self, schedules: Sequence[Schedule]) -> list[Outcome]:
        """The outcome of each schedule, all run together."""
        new = [each for each in dict.fromkeys(schedules) if each not in self._done]
        if not new:
            return [self._done[each] for each in schedules]
        systems = [with_faults(self.system, each) for each in new]
        effort = self.effort
        told = None if effort.progress is None else partial(self._told, effort.progress, len(self._done))
        results = replicate_all(systems, 1, effort.seed, effort.jobs, False, told, effort.kept, series=False)
        for schedule, system, result in zip(new, systems, results, strict=True):
            (left,) = result.measurements
            self._done[schedule] = outcome_of(schedule, system, self.hypotheses, left)
        return [self._done[each] for each in schedules]

    def _told(self, progress: Progress, before: int, done: int, total: int) -> None:
        progress(before + done, max(before + total, self.ahead + 1))

    def shrunk(self, broken: Sequence[Outcome], arsenal: Arsenal) -> list[Shrunk[Fault]]:
        """The smallest version of each schedule that still violates a hypothesis that the whole of it violates."""
        steps = steps_of(arsenal)
        searches = [Shrinking(outcome.schedule, steps, MOST_TRIED) for outcome in broken]
        while any(search.asked for search in searches):
            self.outcomes([candidate for search in searches for candidate in search.asked])
            for search, outcome in zip(searches, broken, strict=True):
                if search.asked:
                    found = [self._done[candidate].violated for candidate in search.asked]
                    search.tell([bool(set(violated) & set(outcome.violated)) for violated in found])
        return [search.result for search in searches]
