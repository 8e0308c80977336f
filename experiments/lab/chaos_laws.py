"""How faults are drawn: for each kind how long it lasts and how severe it is, all in one table.

Lengths are lognormal, as those of incidents are: the report of Google's SRE on incident metrics fits a standard deviation of
the logarithm of 1.25 to the incidents of one company, public incidents of three clouds in 2024 give 1.1 to 1.6. Their medians
of minutes to hours are scaled to the run, so that several fit and the system has time to recover: a campaign asks for what
breaks, not for how often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.special import ndtr, ndtri

from models.faults import Fault, Kind

LOG_SD = 1.25
"""Standard deviation of the logarithm of a length."""

CALM, LATEST = 0.1, 0.7
"""Faults begin after this share of the measured time, in which lag shows what is normal, and are over by that share, so that
as much as lies behind it is left to recover."""

WHOLE = 0.1
"""Chance that all members of a component fail at once and not one of them: a common cause, the beta factor of reliability
engineering, which is 1 to 10 % of failures."""

TOGETHER = 0.5
"""Chance that a group lies on one side of a split network; else each of its members is on either."""

NEUTRAL = {"factor": 1.0, "to": 1.0, "rate": 0.0, "add": 0.0}
"""The value of each field at which a fault does nothing."""

FAINT = 0.01
"""A fault is not weakened to less than this share of the strongest of its kind."""

DIGITS = 3


@dataclass(frozen=True)
class Law:
    """How one kind of fault is drawn.

    `median`: of its length, as a share of the measured time. `strength`: the field that says how severe it is, "" for none,
    drawn between `weak` and `strong`: evenly, or evenly by its logarithm (`by_log`) where it may differ by orders of
    magnitude. `fixed`: further fields.
    """

    kind: Kind
    median: float
    strength: str = ""
    weak: float = 0.0
    strong: float = 0.0
    by_log: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def severity(self, u: float) -> dict[str, Any]:
        """The fields that make a fault of this kind, as severe as the quantile of u in [0, 1) is."""
        if not self.strength:
            return dict(self.fixed)
        ratio = self.strong / self.weak
        value = self.weak * ratio**u if self.by_log else self.weak + u * (self.strong - self.weak)
        return {**self.fixed, self.strength: rounded(value)}

    def length(self, u: float, longest: float) -> float:
        """The quantile of u of its length, for a measured time of 1, cut off at `longest`."""
        below = float(ndtr(math.log(longest / self.median) / LOG_SD))
        return min(self.median * math.exp(LOG_SD * float(ndtri(u * below))), longest)

    def fits(self, fault: Fault) -> bool:
        """Whether a fault can have been drawn by this law."""
        return fault.kind == self.kind and all(getattr(fault, name) == value for name, value in self.fixed.items())

    def weaker(self, fault: Fault) -> Fault | None:
        """The fault half as far from doing nothing; None where it would be too faint, or has no severity."""
        if not self.strength:
            return None
        neutral, value = NEUTRAL[self.strength], strength_of(fault, self.strength)
        half = rounded(neutral + (value - neutral) / 2)
        if abs(half - neutral) < FAINT * abs(self.strong - neutral) or half == value:
            return None
        return Fault.model_validate({**plain(fault), self.strength: half})


LAWS = (
    Law("crash", 1 / 12),
    Law("stop", 1 / 24),  # restarts that were planned are the most frequent and short (Ford et al., OSDI 2010)
    Law("pause", 1 / 48),  # full collections and stalled machines take seconds
    Law("outage", 1 / 12, fixed={"silent": False}),
    Law("outage", 1 / 12, fixed={"silent": True}),
    Law("slowdown", 1 / 12, "factor", 2.0, 20.0, by_log=True),  # a bad disk doubles, a failing one multiplies
    Law("delay", 1 / 12, "add", 0.01, 10.0, by_log=True),  # another region to a route that is full
    Law("errors", 1 / 12, "rate", 0.1, 1.0),  # what retries still hide to everything
    Law("loss", 1 / 12, "rate", 0.05, 0.5),  # racks with 50 % of packets lost (Bailis and Kingsbury, 2014)
    Law("duplicate", 1 / 12, "rate", 0.01, 0.5, by_log=True),
    Law("partition", 1 / 12, fixed={"one_way": False}),
    Law("partition", 1 / 12, fixed={"one_way": True}),  # the gray failure of networks (Huang et al., HotOS 2017)
    Law("poison", 1 / 12, "rate", 0.001, 0.1, by_log=True),  # a rare field to a release that nobody can read
    Law("surge", 1 / 12, "factor", 1.5, 10.0, by_log=True),  # a campaign by mail to clients that all come back
    Law("power_loss", 1 / 12),
    *(
        Law("exhaustion", 1 / 12, "to", 0.5, 0.05, by_log=True, fixed={"resource": resource})
        for resource in ("memory", "cpu", "disk", "connections")
    ),
)
"""Every kind of the format, the silent and the one-way ones as likely as the others."""


def law_of(fault: Fault) -> Law:
    """The law of a fault that was drawn."""
    return next(law for law in LAWS if law.fits(fault))


def strength_of(fault: Fault, name: str) -> float:
    """How severe a fault is, in the unit of that field."""
    value = getattr(fault, name)
    return float(value.mean if name == "add" else value)


def rounded(value: float) -> float:
    """A number that people can read."""
    return float(f"{value:.{DIGITS}g}")


def plain(fault: Fault) -> dict[str, Any]:
    """The fault as a scenario has it: what was given, and no defaults."""
    return fault.model_dump(mode="json", by_alias=True, exclude_unset=True)
