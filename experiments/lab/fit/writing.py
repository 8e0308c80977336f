"""Distributions as a scenario writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.toml import inline

DIGITS = 4

LEAST, MOST = 1e-12, 1e12
"""Seconds between which a duration is written with a unit; others, which need an exponent, as a number of seconds."""

_UNITS = (
    ("ns", 1e-9, 1e-6),
    ("us", 1e-6, 1e-3),
    ("ms", 1e-3, 1.0),
    ("s", 1.0, 120.0),
    ("m", 60.0, 7200.0),
    ("h", 3600.0, 172800.0),
)
_DURATIONS = {"mean", "low", "high", "means", "value"}


def duration(seconds: float, digits: int = DIGITS) -> str:
    """A duration that the format reads back, without an exponent: "41.23ms", "2.5h"."""
    if seconds == 0:
        return "0s"
    unit, scale = next(((unit, scale) for unit, scale, below in _UNITS if seconds < below), ("d", 86400.0))
    number = np.format_float_positional(seconds / scale, precision=digits, unique=False, fractional=False, trim="-")
    return f"{number}{unit}"


def rounded(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a distribution with numbers of `DIGITS` digits, durations as texts with units."""
    return {key: _rounded(value, key in _DURATIONS) for key, value in table.items()}


def _rounded(value: Any, is_duration: bool) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(each, is_duration) for each in value]
    if isinstance(value, float):
        return duration(value) if is_duration and (value == 0 or LEAST < value < MOST) else float(f"{value:.{DIGITS}g}")
    return value


def line(key: str, value: Any) -> str:
    """`key = value` as TOML: `service = { dist = "exponential", mean = "41.23ms" }`."""
    return f"{key} = {inline(value)}"
