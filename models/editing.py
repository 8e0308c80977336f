"""Changing one value of a scenario by its dotted path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from models.by_name import PRESET, takes_presets
from models.errors import BadScenario, Problem, joined, nearest, one_of
from models.loading import DEEPEST_KEY

_NAME = r"""(?:"[^"]*"|[^."\[\]]+)"""
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME}|\[\d{{1,9}}\])*")
_STEP = re.compile(r"""["]([^"]*)["]|([^."\[\]]+)""")


def put(data: dict[str, Any], path: str, value: Any, topics: Iterable[str]) -> None:
    """Sets what `path` names in the plain `data` of a scenario, or takes it out where `value` is None.

    An entry of a list is named by its index (`faults[0].at`, `faults.0.at`) or by its `name`. `topics` are those that
    exist without a table of their own. Raises BadScenario where the path leads nowhere; whether its last step is a
    field is left to validation.
    """
    if not _PATH.fullmatch(path):
        raise BadScenario([Problem(path, "not a path", "must be names with dots between them")])
    steps = [quoted or bare for quoted, bare in _STEP.findall(path)]
    if len(steps) > DEEPEST_KEY:
        raise BadScenario([Problem(path, "not a path", f"must have at most {DEEPEST_KEY} names")])
    if steps[0] == "topics":
        data.setdefault("topics", {}).update({name: {} for name in topics if name not in data["topics"]})
    _put(data, steps, value, ())


def _put(data: Any, steps: Sequence[str], value: Any, above: tuple[str | int, ...]) -> None:
    key, rest = _key(data, steps, above)
    if key == PRESET and data and takes_presets(str(above[-1])):
        found = "a preset is a policy as a whole, and there is one"
        raise BadScenario([Problem(joined((*above, key)), found, f"give the name to {joined(above)} itself")])
    if rest and isinstance(data, dict) and isinstance(data.get(key), str) and takes_presets(str(key)):
        data[key] = {PRESET: data[key]}
    if not rest and value is not None:
        data[key] = value.item() if isinstance(value, np.generic) else value
    elif not rest:
        data.pop(*([key] if isinstance(data, list) else [key, None]))
    else:
        inner = data.setdefault(key, {}) if isinstance(data, dict) else data[key]
        _put(inner, rest, value, (*above, key))


def _key(data: Any, steps: Sequence[str], above: tuple[str | int, ...]) -> tuple[str | int, Sequence[str]]:
    """The key of `data` that the first steps name, and the steps after it."""
    if isinstance(data, list):
        return _index(data, steps, above)
    if not isinstance(data, dict):
        raise BadScenario([Problem(joined((*above, *steps)), "unknown path", f"{joined(above)} is no table")])
    if not _holds_components(above):
        return steps[0], steps[1:]
    for length in range(len(steps), 0, -1):  # names may hold dots
        name = ".".join(steps[:length])
        if name in data:
            return name, steps[length:]
    if len(steps) == 1:
        return steps[0], ()
    raise _nowhere(above, steps, list(data))


def _holds_components(above: tuple[str | int, ...]) -> bool:
    return len(above) == 1 and above[0] in (
        "topics", "producers", "consumers", "dependencies", "stores", "sagas", "aggregates", "paths",
    )  # fmt: skip


def _index(data: list[Any], steps: Sequence[str], above: tuple[str | int, ...]) -> tuple[int, Sequence[str]]:
    names = [str(entry.get("name", "")) if isinstance(entry, dict) else "" for entry in data]
    for length in range(len(steps), 0, -1):
        if ".".join(steps[:length]) in names:
            return names.index(".".join(steps[:length])), steps[length:]
    if re.fullmatch("[0-9]{1,9}", steps[0]) and int(steps[0]) < len(data):
        return int(steps[0]), steps[1:]
    raise _nowhere(above, steps, [name for name in names if name] or [str(index) for index in range(len(data))])


def _nowhere(above: tuple[str | int, ...], steps: Sequence[str], known: list[str]) -> BadScenario:
    close = nearest(steps[0], known)
    allowed = "" if close else one_of(known)
    return BadScenario([Problem(joined((*above, *steps)), "unknown path", allowed, close)])
