"""The values of a field that are considered between two ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.lab.trials import Value
from models import System
from models.errors import BadScenario, Problem, shown
from simulator.units import format_duration, parse_duration

UNPLANNED = ("run.runs", "run.seed")
RANGE_RULE = 'must be a range from a lower to a higher number or duration, such as 2 to 24 or "30s" to "1h"'


@dataclass(frozen=True)
class Sizes:
    """Rising `values` of the field `path` in steps of `step`, 1 for whole numbers; durations in seconds."""

    path: str
    values: Sequence[Value]
    step: Value
    is_duration: bool

    @property
    def field(self) -> str:
        """The last name of the path."""
        return self.path.rpartition(".")[2]

    def text(self, value: Value) -> str:
        """A value for people: "1,240", "12 min"."""
        return format_duration(value) if self.is_duration else f"{value:,.10g}"

    def named(self, value: Value) -> str:
        """A value with the field: "11 instances", "rate 1,240"."""
        if isinstance(value, int) and self.field.endswith("s"):
            return f"{self.text(value)} {self.field.removesuffix('s') if value == 1 else self.field}"
        return f"{self.field} {self.text(value)}"


def sizes_of(system: System, path: str, ends: tuple[Any, Any], precision: float) -> Sizes:
    """Whole numbers where both ends are and the field takes no others; else round steps of at most `precision` of the range.

    Raises BadScenario where the path leads nowhere, the field takes no such value or the ends are no range.
    """
    path = path.strip()
    if not 0 < precision <= 1:
        raise wrong("precision", f"found {precision}", "must be a share of the range, above 0 and at most 1")
    if path in UNPLANNED:
        raise wrong(path, "is the same for every value that is tried", "must be a field of the system")
    low, high = _numbers(path, ends)
    for value in (low, high):
        system.with_({path: value})
    is_duration = any(isinstance(end, str) for end in ends)
    if low == high:
        return Sizes(path, (low,), 0, is_duration)
    if isinstance(low, int) and isinstance(high, int) and not _takes_fractions(system, path, low):
        return Sizes(path, range(low, high + 1), 1, is_duration)
    step = _round_step(precision * (high - low))
    between = range(math.floor(low / step) + 1, math.ceil(high / step))
    return Sizes(path, (float(low), *(float(f"{n * step:.12g}") for n in between), float(high)), step, is_duration)


def _numbers(path: str, ends: tuple[Any, Any]) -> tuple[Value, Value]:
    try:
        low, high = (_number(end) for end in ends)
        if low <= high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise wrong(path, f"found {shown(ends)}", RANGE_RULE)


def _number(end: Any) -> Value:
    value = parse_duration(end) if isinstance(end, str) else end
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(RANGE_RULE)
    return value


def _takes_fractions(system: System, path: str, low: int) -> bool:
    try:
        system.with_({path: low + 0.5})
    except BadScenario:
        return False
    return True


def _round_step(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return float(f"{max(digit * power for digit in (1, 2, 5) if digit == 1 or digit * power <= most):.12g}")


def wrong(path: str, found: str, allowed: str) -> BadScenario:
    """One thing that is wrong with what was asked for."""
    return BadScenario([Problem(path, found, allowed)])
