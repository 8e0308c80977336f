"""The trace of a run: a row for each event in each group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.message import NONE
from models.record import STATES, GroupRecord
from simulator.recorder import view

COLUMNS = (
    "group", "event", "parent", "key", "topic", "partition", "produced", "published", "available", "started", "effect",
    "settled", "attempts", "deliveries", "effects", "state",
)  # fmt: skip


def trace_events(groups: Sequence[GroupRecord]) -> dict[str, np.ndarray]:
    """The columns, a row for each event of each topic of each group: times in s, nan where they did not come, NONE for
    no parent or key. An event is published when it is stored, available when it can be read."""
    parts = [_rows(group, topic) for group in groups for topic in range(len(group.topics))]
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS} if parts else {}


def _rows(group: GroupRecord, topic: int) -> dict[str, np.ndarray]:
    journey = group.journeys[topic]
    messages, n = journey.messages, len(journey.messages)
    produced, effect = view(messages.produced), view(journey.effect, n)
    effects = (~np.isnan(effect)).astype(np.int64)
    np.add.at(effects, journey.duplicates["event"], 1)
    return {
        "group": np.full(n, group.name, dtype=object),
        "event": np.arange(n),
        "parent": np.full(n, NONE) if messages.single else view(messages.parent),
        "key": messages.keys(),
        "topic": np.full(n, group.topics[topic], dtype=object),
        "partition": _partitions(group, topic, n),
        "produced": produced,
        "published": messages.stored(),
        "available": messages.available(),
        "started": view(journey.started, n),
        "effect": effect,
        "settled": np.full(n, np.nan) if group.settled is None else group.settled[topic],
        "attempts": view(journey.attempts, n),
        "deliveries": view(journey.deliveries, n),
        "effects": effects,
        "state": np.array((*STATES, "unpublished"), dtype=object)[group.states[topic]],
    }


def _partitions(group: GroupRecord, topic: int, events: int) -> np.ndarray:
    """Number of the partition of each event in its topic; the lowest for one that has copies in several."""
    numbers = np.full(events, NONE)
    parts = [records for place, records in group.partitions if place == topic]
    for number, records in reversed(list(enumerate(parts))):
        numbers[records] = number
    numbers[np.isnan(group.journeys[topic].messages.stored())] = NONE
    return numbers
