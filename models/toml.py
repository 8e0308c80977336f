"""A scenario as TOML text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(data: Mapping[str, Any]) -> str:
    """TOML of nested tables: a section per table of `data` and per component, inline tables below them."""
    plain = {key: value for key, value in data.items() if not _sections(value)}
    parts = [_lines(plain)] if plain else []
    for key, value in data.items():
        if isinstance(value, Mapping) and all(isinstance(inner, Mapping) for inner in value.values()):
            parts += [f"[{_key(key)}.{_key(name)}]\n{_lines(inner)}" for name, inner in value.items()]
        elif isinstance(value, Mapping):
            parts.append(f"[{_key(key)}]\n{_lines(value)}")
        elif key not in plain:
            parts += [f"[[{_key(key)}]]\n{_lines(inner)}" for inner in value]
    return "\n".join(parts)


def _sections(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and any(isinstance(x, Mapping) for x in value))


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {inline(value)}\n" for key, value in table.items())


def inline(value: Any) -> str:
    """A value as it stands after a key."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {inline(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Sequence):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else inline(key)
