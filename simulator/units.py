"""Durations, sizes and fractions as people write them, and numbers as people read them.

Inside, a duration is a float in seconds and a size a float in bytes. What is shown keeps three significant digits.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from itertools import pairwise
from numbers import Real
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

# Decimal, so that "9ms" is the same float as 0.009.
_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86_400),
    "w": Decimal(604_800),
}
_BYTES = {"B": Decimal(1), "kB": Decimal(1000)} | {
    prefix + ending: Decimal(base) ** power
    for power, prefix in enumerate("KMGTP", start=1)
    for ending, base in (("B", 1000), ("iB", 1024))
}
_LONGEST = 100
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_DURATION_PART = rf"({_NUMBER})\s*(ns|us|ms|min|[smhdw])"
_DURATION = re.compile(rf"\s*(?:{_DURATION_PART}\s*)+")
_SIZE = re.compile(rf"\s*({_NUMBER})\s*({'|'.join(_BYTES)})\s*")

_DURATION_RULE = (
    'must be a duration such as 0.25, "250ms" or "1h30m": seconds, or a text with the units ns, us, ms, s, m (or min), '
    "h, d, w, the largest first; finite and not negative"
)
_SIZE_RULE = (
    'must be a size such as 1024, "64KiB" or "10GB": bytes, or a text with one of the units '
    f"{', '.join(_BYTES)}; finite and not negative"
)


def parse_duration(value: object) -> float:
    """Seconds from a number or a text such as "250ms" or "1h30m".

    Raises ValueError, saying what is allowed, for anything else: negative, infinite, boolean, an unknown unit, units
    that do not descend ("1m1m" is more likely a slip than two minutes).
    """
    if not isinstance(value, str):
        return _magnitude(value, _DURATION_RULE)
    if len(value) > _LONGEST or not _DURATION.fullmatch(value):
        raise ValueError(_DURATION_RULE)
    parts = [(Decimal(number), _SECONDS[unit]) for number, unit in re.findall(_DURATION_PART, value)]
    scales = [scale for _, scale in parts]
    if any(left <= right for left, right in pairwise(scales)):
        raise ValueError(_DURATION_RULE)
    return _magnitude(float(sum(number * scale for number, scale in parts)), _DURATION_RULE)


def parse_size(value: object) -> float:
    """Bytes from a number or a text such as "64KiB" (1024s) or "10GB" (1000s); ValueError, saying what is allowed."""
    if not isinstance(value, str):
        return _magnitude(value, _SIZE_RULE)
    match = _SIZE.fullmatch(value)
    if len(value) > _LONGEST or not match:
        raise ValueError(_SIZE_RULE)
    return _magnitude(float(Decimal(match[1]) * _BYTES[match[2]]), _SIZE_RULE)


def _magnitude(value: object, rule: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(rule)
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(rule) from None
    if not 0 <= number < math.inf:
        raise ValueError(rule)
    return number


def _schema(bound: str, examples: list[Any], text: str) -> WithJsonSchema:
    forms = [{"type": "number", bound: 0}, {"type": "string"}]
    return WithJsonSchema({"anyOf": forms, "description": text, "examples": examples})


_DURATION_TEXT = "Duration: seconds, or a text with units (ns us ms s m h d w)"
_DURATION_EXAMPLES = [0.25, "250ms", "1h30m"]

Duration = Annotated[float, BeforeValidator(parse_duration), _schema("minimum", _DURATION_EXAMPLES, _DURATION_TEXT)]
"""Seconds, at least 0."""

PositiveDuration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0),
    _schema("exclusiveMinimum", _DURATION_EXAMPLES, f"{_DURATION_TEXT}, above 0"),
]
"""Seconds, above 0."""

Size = Annotated[
    float,
    BeforeValidator(parse_size),
    _schema("minimum", [1024, "64KiB", "10GB"], "Size: bytes, or a text with a unit"),
]
"""Bytes, at least 0."""

Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
"""A share or probability in [0, 1]; texts and booleans are refused."""


_SMALL = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (1e-6, "us", 1e6), (0.0, "ns", 1e9))
_LARGE = ((60, "min", 1, "s", 3600), (3600, "h", 60, "min", 86_400), (86_400, "d", 3600, "h", math.inf))


def format_duration(seconds: float) -> str:
    """A duration for people: "1.2 ms", "45.3 s", "2 min 14 s", "1 h 30 min", "3 d 4 h", "0 s"."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    rounded = _three_digits(seconds)
    if rounded == 0 or not math.isfinite(rounded):
        return f"{rounded:.3g} s"
    if rounded < 60:
        unit, scale = next((unit, scale) for least, unit, scale in _SMALL if rounded >= least)
        return f"{rounded * scale:.3g} {unit}"
    size, unit, part, part_unit, _ = next(row for row in _LARGE if round(seconds / row[2]) * row[2] < row[4])
    whole, rest = divmod(round(seconds / part), size // part)
    return f"{whole:,} {unit} {rest} {part_unit}" if rest else f"{whole:,} {unit}"


def format_number(x: float) -> str:
    """Three significant digits, thousands apart: "0.0123", "12.3", "182,000"."""
    rounded = _three_digits(x)
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e15 else f"{rounded:.3g}"


def format_share(x: float) -> str:
    """A fraction as per cent: "0.31 %", "12 %"."""
    return f"{format_number(100 * x)} %"


def format_rate(x: float) -> str:
    """Something per second: "1,000 /s"."""
    return f"{format_number(x)} /s"


def format_daily(x: float) -> str:
    """Something per day: "2.5 /d"."""
    return f"{format_number(x)} /d"


_FORMATS = {
    "s": format_duration,
    "1": format_number,
    "count": format_number,
    "share": format_share,
    "1/s": format_rate,
    "1/d": format_daily,
}


def format_value(value: float, unit: str) -> str:
    """A metric's value for people; `unit` is "s", "1", "count", "share", "1/s" or "1/d" (KeyError for any other)."""
    return _FORMATS[unit](value)


def _three_digits(x: float) -> float:
    return float(f"{x:.3g}") + 0.0  # turns -0.0 into 0.0
