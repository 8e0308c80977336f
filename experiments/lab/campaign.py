"""What a chaos campaign found: schedules of random faults by their damage, and the smallest that break the system."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from experiments.lab.chaos_draws import Schedule, with_faults
from experiments.lab.chaos_laws import plain
from experiments.lab.fault_words import changes, in_words, what, window
from experiments.lab.hypotheses import Hypothesis
from experiments.lab.shrinking import Shrunk
from models import System
from models.faults import Fault
from models.toml import to_toml
from simulator.results import Measurement
from simulator.units import format_duration, format_share

if TYPE_CHECKING:
    import pandas as pd

RANKING_COLUMNS = [
    "rank", "schedule", "faults", "violated", "violations", "time_in_violation", "loss_rate", "recovery_time", "recovered",
    "damage", "file", "shrunk", "shrunk_file",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one schedule did in one replication.

    `violated`: the hypotheses that did not hold, by their place. `in_violation` (s): how long a series behind a hypothesis was
    on the wrong side, nan where none has a series; `loss`: share of the acknowledged (event, group) pairs; `recovery` (s): the
    longest of any fault, where not all `recovered` up to the end of the run. `damage`: the sum of three shares, of the
    measured time in violation, of the events lost, and of the measured time until recovery, 1 where there was none.
    """

    schedule: Schedule
    violated: tuple[int, ...]
    in_violation: float
    loss: float
    recovery: float
    recovered: bool
    damage: float
    told: tuple[str, ...]


def outcome_of(schedule: Schedule, system: System, hypotheses: Sequence[Hypothesis], left: Measurement) -> Outcome:
    """The outcome of the replication of `system` with the faults of a schedule that left `left`."""
    assert system.warmup != "auto"
    span = system.duration - system.warmup
    values = {(m.component, m.metric): m for m in left.metrics if not math.isnan(m.value)}
    share, loss = (
        values[key].value if (key := ("system", metric)) in values else math.nan for metric in ("slo_violation", "loss_rate")
    )
    times = [m for (component, metric), m in values.items() if component.startswith("faults.") and metric == "recovery_time"]
    recovery, recovered = max((m.value for m in times), default=0.0), not any(m.censored for m in times)
    late = min(recovery / span, 1.0) if recovered else 1.0
    return Outcome(
        schedule=schedule,
        violated=tuple(place for place, each in enumerate(hypotheses) if each.holds(left) is False),
        in_violation=share * span,
        loss=loss,
        recovery=recovery,
        recovered=recovered,
        damage=sum(part for part in (share, loss, late) if not math.isnan(part)),
        told=tuple(each.told(left) for each in hypotheses),
    )


@dataclass(frozen=True, eq=False)
class Ranked:
    """A schedule with its rank, the worst 1, its `number` in the order of drawing, and what is left of it when shrunk."""

    rank: int
    number: int
    outcome: Outcome
    shrunk: Shrunk[Fault] | None = None

    @property
    def least(self) -> Schedule:
        """The smallest schedule that still breaks the system, () where it was not sought."""
        return self.shrunk.parts if self.shrunk is not None else ()

    @property
    def whole(self) -> bool:
        """Whether shrinking came to its end."""
        return self.shrunk is not None and self.shrunk.whole


@dataclass(frozen=True, eq=False, repr=False)
class Campaign:
    """What was found. `given`: the system as it was given; `system`: as its runs had it, without faults; `calm`: what it does
    then; `ranked`: the worst first; `left_out`: objectives that do not hold even then, in words.

    Schedules that violate a hypothesis come first, each kind by damage, equal ones in the order of drawing. `worst`: how many
    of them are kept in files.
    """

    given: System
    system: System
    hypotheses: tuple[Hypothesis, ...]
    faults: int
    worst: int
    calm: Outcome
    ranked: tuple[Ranked, ...]
    left_out: tuple[str, ...] = ()

    @property
    def violating(self) -> tuple[Ranked, ...]:
        """The schedules that violate a hypothesis, the worst first."""
        return tuple(each for each in self.ranked if each.outcome.violated)

    @property
    def files(self) -> dict[str, Schedule]:
        """The schedules that are kept, by the name of their file without its ending."""
        found: dict[str, Schedule] = {}
        for each in self.ranked[: self.worst]:
            found[f"worst/{each.rank}"] = each.outcome.schedule
            if each.least:
                found[f"worst/{each.rank}-shrunk"] = each.least
        return found

    def scenario(self, name: str) -> System:
        """The system with the faults of the schedule of that name in `files`, for one run of the same luck."""
        label = f"{self.system.name[:180]}-{name.replace('/', '-')}"
        return with_faults(self.system, self.files[name]).with_({"name": label})

    def text(self, name: str) -> str:
        """That scenario as TOML, with what it is for; only what was drawn is written of its faults."""
        number = int(name.removeprefix("worst/").removesuffix("-shrunk"))
        each, system = self.ranked[number - 1], self.scenario(name)
        head = [f"Schedule {each.number} of {len(self.ranked)} of a chaos campaign on {self.system.name}: rank {each.rank}."]
        head += [f"Violates {text}." for text in filter(None, [self.violations(each.outcome)])]
        if name.endswith("-shrunk"):
            whole = (
                "no single fault can be left out, shortened or weakened further" if each.whole else "shrinking was cut short"
            )
            head += [f"Shrunk: {whole}.", *changes(each.outcome.schedule, each.least)]
        faults = [plain(fault) for fault in self.files[name]]
        data = {key: value for key, value in {**system.to_dict(), "faults": faults}.items() if value not in ({}, [])}
        return "".join(f"# {line}\n" for line in head) + "\n" + to_toml(data)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """A row per schedule, the worst first: rank, schedule (the order of drawing, from 1), faults in words, violated,
        violations, time_in_violation (s), loss_rate, recovery_time (s), recovered, damage, file, shrunk (what is left, in
        words), shrunk_file."""
        import pandas as pd

        return pd.DataFrame([self._row(each) for each in self.ranked], columns=RANKING_COLUMNS)

    def _row(self, each: Ranked) -> list[object]:
        found, files = each.outcome, self.files
        kept = [f"{name}.toml" if name in files else "" for name in (f"worst/{each.rank}", f"worst/{each.rank}-shrunk")]
        return [
            each.rank, each.number, in_words(found.schedule), bool(found.violated), self.violations(found),
            found.in_violation, found.loss, found.recovery, found.recovered, found.damage,
            kept[0], in_words(each.least), kept[1],
        ]  # fmt: skip

    def violations(self, found: Outcome) -> str:
        """What did not hold, with what was measured: "consumers.payment latency_p99 3.4 s, not below 2 s"."""
        texts = (self.hypotheses[place] for place in found.violated)
        return "; ".join(
            f"{each.slo.component} {each.slo.metric} {found.told[place]}, not {each.bound}"
            for place, each in zip(found.violated, texts, strict=True)
        )

    @property
    def finding(self) -> str:
        """What was found, in a sentence."""
        runs, faults = len(self.ranked), f"{self.faults} random fault{'s' * (self.faults != 1)}"
        if not self.violating:
            none = f"None of {runs} schedules of {faults} each" if runs > 1 else f"The schedule of {faults} does not"
            return f"{none} violate{'s' * (runs > 1)} {self._hypotheses}"
        number = len(self.violating)
        text = f"{number} of {runs} schedule{'s' * (runs > 1)} of {faults} each violate{'s' * (number == 1)} {self._hypotheses}"
        least = self.ranked[0].least
        enough = " and ".join(f"{what(fault)} for {format_duration(window(fault)[1])}" for fault in least)
        return f"{text}; enough for the worst: {enough}" if least else text

    @property
    def _hypotheses(self) -> str:
        broken = Counter(place for each in self.violating for place in each.outcome.violated)
        places = [place for place, _ in broken.most_common()] or list(range(len(self.hypotheses)))
        first = self.hypotheses[places[0]].text
        others = "another hypothesis" if len(places) == 2 else f"{len(places) - 1} other hypotheses"
        return first if len(places) == 1 else f"{first} or {others}"

    def __repr__(self) -> str:
        return f"<Campaign on {self.system.name}: {self.finding}>"

    def _repr_html_(self) -> str:
        table = self.ranking[["rank", "faults", "violations", "time_in_violation", "loss_rate", "recovery_time", "shrunk"]]
        caption = html.escape(f"{self.system.name}, seed {self.system.seed}: {self.finding}")
        return f"<p>{caption}</p>{table.to_html(index=False, border=0, justify='left', max_rows=60)}"


def in_violation(found: Outcome) -> str:
    """How long a hypothesis did not hold, for people; "–" where none has a series, or none of those that were violated."""
    unknown = math.isnan(found.in_violation) or (found.violated and not found.in_violation)
    return "–" if unknown else format_duration(found.in_violation)


def lost(found: Outcome) -> str:
    """The share of events that is lost, for people."""
    return "–" if math.isnan(found.loss) else format_share(found.loss)


def recovery(found: Outcome) -> str:
    """How long the slowest recovery took, for people."""
    return format_duration(found.recovery) if found.recovered else "not by the end"
