"""The file of an exposition, whole or not at all, and the instant at which its run begins."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from experiments.lab.store import whole_file

LONGEST_NAME = 200
"""Bytes: what is written beside it first has a longer one."""

LATEST = 253_402_300_799
"""9999-12-31T23:59:59Z."""

START_RULE = 'must be whole seconds since 1970, such as 1704067200, or a time such as "2024-01-01T00:00:00Z"'


def refusal(path: Path) -> str | None:
    """Why nothing can be written to `path`, None where it can."""
    try:
        if path.is_dir():
            return f"{path} is a folder; a file is needed"
        if path.is_symlink() or (path.exists() and not path.is_file()):  # as /dev/stdout is, which would be replaced
            return f"{path} is not a regular file"
        if not path.parent.is_dir():
            return f"{path.parent} is not a folder that exists"
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            return f"{path} cannot be a file (its name is longer than {LONGEST_NAME} bytes)"
        return None if os.access(path.parent, os.W_OK) else f"{path.parent} is not a folder to write in"
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle, a zero byte
        return f"{path} cannot be a file ({error})"


def write(path: Path, text: str) -> None:
    """Puts `text` at `path` in place of what is there. Raises OSError, and leaves that, where it cannot."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def start_of(text: str) -> int:
    """Seconds since 1970 from a number or a time of ISO 8601 (UTC unless it says otherwise). Raises ValueError."""
    try:
        seconds = float(text) if re.fullmatch(r"\d{1,12}", text) else _utc(datetime.fromisoformat(text)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(START_RULE) from None
    if not (0 <= seconds <= LATEST and seconds.is_integer()):
        raise ValueError(START_RULE)
    return int(seconds)


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
