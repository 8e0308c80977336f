"""Sizes of messages: laws of bytes, given as distributions of durations are, with "64KiB" where those have "40ms"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from simulator.distributions import KINDS, Constant, Distribution, Law
from simulator.units import Size, parse_size

_TEXTS = ("dist", "file", "column")


def _in_bytes(value: object) -> object:
    """The same with every text with a unit as a number of bytes; a bare size becomes a constant."""
    if isinstance(value, Distribution):
        return value
    if isinstance(value, Mapping) and "dist" in value:
        return {name: part if name in _TEXTS else _parsed(part) for name, part in value.items()}
    try:
        return Constant(value=parse_size(value))
    except ValueError as error:
        raise ValueError(f"{error}; or a table with dist, one of {', '.join(KINDS)}") from None


def _parsed(part: Any) -> Any:
    if isinstance(part, list | tuple):
        return [_parsed(each) for each in part]
    return parse_size(part) if isinstance(part, str) else part


SizeLaw = Annotated[Law, BeforeValidator(_in_bytes, json_schema_input_type=Size | Law)]
"""Any distribution, of bytes; a bare size becomes a `Constant`."""
