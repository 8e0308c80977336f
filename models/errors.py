"""Bad input: every problem of a scenario at once, each with where it is, what was found and what is allowed."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

SHOWN = 60  # characters of a value that a message repeats
LISTED = 80  # names that a message lists
LONGEST_PATH = 500  # characters of a path or a file's name that a message repeats
_BARE = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `path` is dotted (`consumers.payment.instances`), `file` empty for a spec from Python.

    `found` says what is wrong, `allowed` what would be right, `suggestion` is the nearest valid name.
    """

    path: str
    found: str
    allowed: str = ""
    suggestion: str = ""
    file: str = ""

    def __str__(self) -> str:
        where = ": ".join(_cut(part, LONGEST_PATH) for part in (self.file, self.path) if part)
        text = f"{where}: {self.found}" if where else self.found
        if self.allowed:
            text += f"; {self.allowed}"
        return printable(f'{text}; did you mean "{self.suggestion}"?' if self.suggestion else text)


class BadScenario(ValueError):  # noqa: N818 - it says what the user gave
    """A scenario that cannot be run as it is; `problems` holds all that is wrong with it, one line each in `str()`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def within(self, file: str) -> BadScenario:
        """The same problems, said of `file`."""
        return BadScenario(replace(problem, file=problem.file or file) for problem in self.problems)


def joined(path: Iterable[str | int]) -> str:
    """A dotted path: `faults[0].at`, `topics."orders.dlq".partitions`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


def nearest(name: object, known: Iterable[str]) -> str:
    """The name among `known` that is most like `name`, or "" when none is."""
    close = difflib.get_close_matches(str(name)[:SHOWN], list(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def one_of(names: Iterable[str]) -> str:
    """`must be "a"`, or `must be one of "a", "b", "c"`."""
    quoted = [f'"{name}"' for name in dict.fromkeys(names)]
    if not quoted:
        return "there is none"
    if len(quoted) > LISTED:
        quoted[LISTED:] = [f"... ({len(quoted)} in all)"]
    return f"must be {quoted[0]}" if len(quoted) == 1 else f"must be one of {', '.join(quoted)}"


def shown(value: object) -> str:
    """The value as a scenario writes it, cut to a readable length whatever its size and depth."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_none=True)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _cut(f'"{value[: 2 * SHOWN]}"')
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a whole number of {value.bit_length()} bits"
    return _cut(_REPR.repr(value))


def _cut(text: str, longest: int = SHOWN) -> str:
    line = printable(text)
    return line if len(line) <= longest else f"{line[:longest]}..."


def printable(text: str) -> str:
    """The text in one line that does nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class _Repr(reprlib.Repr):
    def repr_instance(self, x: Any, level: int) -> str:
        return f"a {type(x).__name__}"

    def repr_float(self, x: float, level: int) -> str:
        return repr(x)


_REPR = _Repr()
_REPR.maxstring = _REPR.maxother = SHOWN
_REPR.maxlevel = 2
