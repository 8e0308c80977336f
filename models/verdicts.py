"""What became of a producer's events: what it believes of each at the end, against what is true."""

from __future__ import annotations

import numpy as np

from models.message import Messages
from simulator.recorder import view

VERDICTS = ("published", "unsent", "phantom", "failed", "unconfirmed", "waiting")
PUBLISHED, UNSENT, PHANTOM, FAILED, UNCONFIRMED, WAITING = range(6)
"""Acknowledged and stored, acknowledged and not stored, failed and stored, failed, undecided and stored, undecided."""


def verdicts_of(messages: Messages, end: float) -> np.ndarray:
    """The verdict on each event of a topic at the `end` (s): int8, shape (events,)."""
    events, passage = len(messages), messages.passage
    if passage is None:
        return np.full(events, PUBLISHED, dtype=np.int8)
    stored = view(passage.stored, events) <= end
    acknowledged = view(passage.acknowledged, events) <= end
    failed = np.frombuffer(passage.failed, dtype=np.bool_)[:events] & ~acknowledged
    found = np.where(acknowledged, UNSENT, np.where(failed, FAILED, WAITING))
    found[stored] -= 1
    return found.astype(np.int8)


def count_verdicts(verdicts: np.ndarray) -> dict[str, int]:
    """How many there are of each."""
    counts = np.bincount(verdicts, minlength=len(VERDICTS))
    return {name: int(count) for name, count in zip(VERDICTS, counts, strict=True)}
