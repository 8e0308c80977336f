"""Plain values of a scenario: strict, so that `"4"`, `4.0` and `true` are not taken for the number 4."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError

LARGEST = 2**53  # whole numbers up to here are exact as floats too
MOST_MEMBERS = 100_000  # instances of one component: each of them has links, and can fail by itself
NAME_PATTERN = r"^\w[\w.-]*$"

Whole = Annotated[int, Strict(), Field(ge=0, le=LARGEST)]
Count = Annotated[int, Strict(), Field(ge=1, le=LARGEST)]
Members = Annotated[int, Strict(), Field(ge=1, le=MOST_MEMBERS)]
Number = Annotated[float, Strict()]
Rate = Annotated[float, Strict(), Field(ge=0)]
Factor = Annotated[float, Strict(), Field(gt=0)]
Flag = Annotated[bool, Strict()]


def _unicode(value: str) -> str:
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("surrogate", "must be Unicode")
    return value


Text = Annotated[str, Strict(), AfterValidator(_unicode)]
Name = Annotated[str, Strict(), Field(pattern=NAME_PATTERN, max_length=200)]


def _unlimited(value: Any) -> Any:
    return None if value == "unlimited" else value


def _optional_table(value: Any) -> Any:
    return None if value == "none" else _table(value)


def _table(value: Any) -> Any:
    if isinstance(value, str):
        raise PydanticCustomError("no_preset", "must be a table")
    return value


UNLIMITED = BeforeValidator(_unlimited)
"""Marks a field whose None is spelt `"unlimited"` in a scenario."""

TABLE = BeforeValidator(_optional_table)
"""Marks an optional table: `"none"` is None."""
