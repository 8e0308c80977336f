"""Scenarios from files: TOML, the manifest of an earlier run, or one of those that ship with the package.

Nothing in a file is executed, and no other file is opened than it names. All that can be wrong with a file ends in a
`BadScenario`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from models.errors import BadScenario, Problem, nearest

LARGEST_FILE = 8 * 2**20  # bytes
DEEPEST_KEY = 100  # dots in a key; the parser's time grows with their square
_BETWEEN_KEYS = re.compile(r"[=,{\[\]\n]")


@dataclass(frozen=True)
class Source:
    """A scenario as it was read: plain `data`, the folder `base` of the files it names, and `file` for messages."""

    data: dict[str, Any]
    base: Path
    file: str


def built_ins() -> list[str]:
    """Names of the scenarios that ship with the package."""
    files = (resources.files("models") / "scenarios").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def find(name: str | Path) -> Source:
    """The file of that path, else the built-in scenario of that name; raises BadScenario."""
    if str(name) in built_ins() and not Path(name).is_file():
        file = resources.files("models") / "scenarios" / f"{name}.toml"
        return Source(_parsed(file.read_text("utf-8"), str(name)), Path(), str(name))
    return read(name)


def read(path: str | Path) -> Source:
    """A .toml file, or a manifest (.json), whose scenario is taken; raises BadScenario."""
    path, file = Path(path), str(path) or '""'
    text = _text(path, file)
    data = _of_manifest(text, file) if path.suffix.lower() == ".json" else _parsed(text, file)
    if not data:
        raise _bad(file, "the file is empty", "a scenario needs [run] and [producers.NAME]")
    return Source(data, path.parent, file)


def _text(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        known = built_ins()
        raise _bad(file, "no such file", f"built in: {', '.join(known)}", nearest(path.name, known)) from None
    except IsADirectoryError:
        raise _bad(file, "this is a directory", "must be a .toml file or a manifest.json") from None
    except (OSError, ValueError) as error:
        raise _bad(file, f"cannot be read ({error})") from None
    if len(content) > LARGEST_FILE:
        raise _bad(file, "the file is too large", f"must be at most {LARGEST_FILE // 2**20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(file, f"this is not a text in UTF-8 (byte {error.start})", "must be TOML") from None


def _parsed(text: str, file: str) -> dict[str, Any]:
    if any(part.count(".") > DEEPEST_KEY for part in _BETWEEN_KEYS.split(text)):
        raise _too_deep(file)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        raise _bad(file, f"this is not TOML: {error}") from None


def _of_manifest(text: str, file: str) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        raise _bad(file, f"this is not JSON: {error}") from None
    scenario = manifest.get("scenario") if isinstance(manifest, Mapping) else None
    if not isinstance(scenario, dict):
        raise _bad(file, "this is not a manifest", 'must have a table "scenario"')
    return scenario


def _too_deep(file: str) -> BadScenario:
    return _bad(file, "the file is nested too deeply")


def _bad(file: str, found: str, allowed: str = "", suggestion: str = "") -> BadScenario:
    return BadScenario([Problem("", found, allowed, suggestion, file)])
