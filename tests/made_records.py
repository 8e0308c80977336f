"""Records made by hand, for tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.journey import Journey
from models.message import NONE, Messages
from models.record import BACKLOG, PROCESSED, RUNNING, GroupRecord, SystemRecord, TopicRecord

NAN = float("nan")


def made_journey(
    produced: Sequence[float],
    effect: Sequence[float],
    keys: Sequence[int] | None = None,
    columns: dict[str, Sequence[float]] | None = None,
    **trails: Sequence[tuple[float, ...]],
) -> Journey:
    """A journey of events, handed to a worker in one attempt as they are produced unless `columns` says otherwise."""
    messages = Messages("orders", single=True)
    messages.produced.extend(produced)
    messages.key.extend([NONE] * len(produced) if keys is None else keys)
    while messages.capacity < len(produced):
        messages.make_room()
    journey = Journey(messages, has_dependencies=True, publishes=True)
    usual = {"started": produced, "effect": effect, "attempts": [1] * len(produced), "deliveries": [1] * len(produced)}
    for name, values in (usual | (columns or {})).items():
        column = getattr(journey, name)
        for event, value in enumerate(values):
            column[event] = value
    for name, rows in trails.items():
        for row in sorted(rows, key=lambda row: row[1]):
            getattr(journey, name).add(*row)
    return journey


def made_group(*journeys: Journey, name: str = "consumers.payment", **given: Any) -> GroupRecord:
    """A queue per journey, one instance that always runs; events with an effect are processed, others backlog."""
    effects = [np.array(each.effect[: len(each.messages)]) for each in journeys]
    usual: dict[str, Any] = {
        "topics": [each.messages.topic for each in journeys],
        "journeys": list(journeys),
        "states": [np.where(np.isnan(effect), BACKLOG, PROCESSED).astype(np.int8) for effect in effects],
        "live": [np.isnan(effect) for effect in effects],
        "partitions": [(place, np.arange(len(effect))) for place, effect in enumerate(effects)],
        "commits": [],
        "life": [(np.array([0.0]), np.array([RUNNING]))],
        "unserved": [],
        "breakers": [],
        "trips": np.empty(0),
        "rebalances": np.empty(0),
        "kills": None,
        "busy": 0.0,
        "held": 0.0,
        "worker_time": 1.0,
        "batch_sizes": (0, 0),
        "empty_polls": 0,
        "has_breaker": False,
        "has_dependencies": False,
        "publishes": False,
    }
    return GroupRecord(name=name, **(usual | given))


def made_system(*groups: GroupRecord, duration: float, **given: Any) -> SystemRecord:
    """A run of `groups` without warm-up, ended at its duration."""
    none = np.empty(0, dtype=np.int32)
    messages = [each.messages for group in groups for each in group.journeys]
    topics = {
        each.topic: TopicRecord(name=each.topic, messages=each, again=none, sends=np.ones(len(each))) for each in messages
    }
    usual: dict[str, Any] = {
        "duration": duration,
        "warmup": 0.0,
        "end": duration,
        "producers": [],
        "topics": topics,
        "groups": list(groups),
        "dependencies": [],
        "faults": [],
    }
    return SystemRecord(**(usual | given))
