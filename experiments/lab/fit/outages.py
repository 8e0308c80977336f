"""Incidents of the past -> the `[[faults]]` table of a renewal process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from experiments.lab.fit.comparing import Comparison, compare
from experiments.lab.fit.laws import Values
from experiments.lab.fit.reading import BadDataError
from experiments.lab.fit.sample import Sample
from models.errors import one_of, shown
from models.fault_checks import STRENGTH
from models.faults import KINDS, parse_target
from models.toml import to_toml

if TYPE_CHECKING:
    import pandas as pd

LEAST = 3
"""Incidents below which nothing is fitted: an interval would span more than a factor of ten."""


@dataclass(frozen=True, eq=False)
class Incidents:
    """What a record of incidents says. `windows`: start and duration (seconds), shape (incidents, 2), starts counted from
    the start of the observation, or from the first incident where that is not known."""

    to_failure: Comparison
    to_repair: Comparison
    windows: Values
    merged: int
    """Incidents that overlapped an earlier one, and were taken as one with it."""
    target: str
    kind: str

    @property
    def availability(self) -> float:
        """Share of time up in the long run: mean time to failure / (that + mean time to repair), of the best laws."""
        up, down = self.to_failure.best.spec.mean, self.to_repair.best.spec.mean
        return up / (up + down)

    @property
    def table(self) -> pd.DataFrame:
        """The tables of both comparisons, told apart by the column `time`."""
        import pandas as pd

        both = (self.to_failure, self.to_repair)
        return pd.concat([part.table.assign(time=part.key) for part in both], ignore_index=True)

    @property
    def line(self) -> str:
        """The `[[faults]]` table to paste."""
        when = {part.key: part.value for part in (self.to_failure, self.to_repair)}
        return self._fault(when)

    @property
    def replay_line(self) -> str:
        """The `[[faults]]` table that has the very same incidents again, from the file that `save` writes."""
        return self._fault({"trace": "incidents.csv"})

    def save(self, folder: Path) -> None:
        """Write the tables and times of both parts, and incidents.csv for `replay_line`."""
        import pandas as pd

        self.to_failure.save(folder)
        self.to_repair.save(folder)
        windows = pd.DataFrame(self.windows, columns=["start", "duration"])
        windows.to_csv(folder / "incidents.csv", index=False, lineterminator="\n")

    def _fault(self, when: dict[str, Any]) -> str:
        target = parse_target(self.target)
        whole_group = {"together": True} if target.kind == "consumers" and target.member is None else {}
        name = f"{target.name} {self.kind}"
        fault = {"name": name, "target": self.target, "kind": self.kind, **when, **whole_group}
        return to_toml({"faults": [fault]}).strip()

    def _repr_html_(self) -> str:
        from html import escape

        parts = "".join(f"<h4>{part.key}</h4>{part._repr_html_()}" for part in (self.to_failure, self.to_repair))
        return f"{parts}<pre>{escape(self.line)}</pre>"


def incidents(
    starts: ArrayLike, ends: ArrayLike, *, since: float | None = None, until: float | None = None,
    target: str = "consumers.NAME", kind: str = "crash", seed: int = 1,
) -> Incidents:  # fmt: skip
    """Times to failure (end of an incident to the start of the next) and to repair of one component, fitted.

    The component is `target`: a group of consumers fails as a whole, `consumers.payment[0]` is one instance. `kind` is
    what happens to it in the simulation, without a strength: crash, stop, pause, outage.

    `starts`, `ends`: seconds, shape (incidents,), in any order; what overlaps is one incident. `since` and `until`: when
    the observation began and ended. The time up before the first incident then counts as the rest of a time to failure
    under way, with density S(x) / mean, and that after the last as a time to failure of at least its length; for the
    exponential law the mean is the closed form, time up / failures. Left out, they bias the mean where incidents are few.
    Raises BadDataError for fewer than 3 incidents, for times that cannot be, and for a target without such a fault.
    """
    _check_fault(target, kind)
    begun, over = _checked(np.asarray(starts, dtype=float), np.asarray(ends, dtype=float), since, until)
    merged_begun, merged_over = _merged(begun, over)
    if len(merged_begun) < LEAST:
        raise BadDataError(f"found {len(merged_begun)} incidents that do not overlap; at least {LEAST} are needed")
    up = Sample(
        merged_begun[1:] - merged_over[:-1],
        cut=np.array([] if until is None else [until - merged_over[-1]]),
        rest=np.array([] if since is None else [merged_begun[0] - since]),
    )
    windows = np.column_stack([merged_begun - (merged_begun[0] if since is None else since), merged_over - merged_begun])
    return Incidents(
        compare("time_to_failure", up, "time_to_failure.csv", seed),
        compare("time_to_repair", Sample(windows[:, 1]), "time_to_repair.csv", seed + 1),
        windows, len(begun) - len(merged_begun), target, kind,
    )  # fmt: skip


def _check_fault(target: str, kind: str) -> None:
    section = parse_target(target).kind
    plain = {name: [each for each in kinds if each not in STRENGTH] for name, kinds in KINDS.items()}
    known = [name for name, kinds in plain.items() if kinds]
    if section not in known:
        raise BadDataError(f"target: found {shown(target)}; {one_of(f'{name}.NAME' for name in known)}")
    if kind not in plain[section]:
        raise BadDataError(f"kind: found {shown(kind)} of {target}; {one_of(plain[section])}")


def _checked(starts: Values, ends: Values, since: float | None, until: float | None) -> tuple[Values, Values]:
    """By start; BadDataError names the first row that cannot be."""
    least, most = (-math.inf if since is None else since), (math.inf if until is None else until)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        if not (math.isfinite(start) and math.isfinite(end) and end > start):
            raise BadDataError(f"row {row} goes from {start:.15g} to {end:.15g} s; end must be later than start")
        if start < least:
            raise BadDataError(f"row {row} starts at {start:.15g} s, before the observation from {least:.15g} s on")
        if end > most:
            raise BadDataError(f"row {row} ends at {end:.15g} s, after the observation until {most:.15g} s")
    order = np.lexsort((ends, starts))
    return starts[order], ends[order]


def _merged(starts: Values, ends: Values) -> tuple[Values, Values]:
    """Without overlaps: one that starts when all before it are over begins a new incident. Touching ones are one."""
    latest = np.maximum.accumulate(ends)
    new = np.append(True, starts[1:] > latest[:-1]) if len(starts) else np.array([], dtype=bool)
    first = np.flatnonzero(new)
    return starts[first], latest[np.append(first[1:] - 1, len(starts) - 1)] if len(first) else latest
