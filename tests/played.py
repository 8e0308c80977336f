"""A run with its parts kept, to be compared with a schedule worked out by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import simpy

from models import System
from models.group import Group
from models.journey import Journey
from models.parts import Parts
from models.system import OwnProcess
from simulator import replicate
from simulator.simulation import Simulation

Tables = dict[str, Any]
Happening = tuple[float, int]
DIGITS = 6


def fault(kind: str, at: float, lasting: float, target: str = "consumers.c", **fields: Any) -> Tables:
    """A fault at one time."""
    return {"name": f"{kind} of {target} at {at}", "kind": kind, "target": target, "at": at, "for": lasting, **fields}


def together(events: int, at: float = 1.0) -> Tables:
    """A producer of topic t whose `events` all arrive at one time."""
    return {
        "topic": "t",
        "arrivals": {"process": "constant", "rate": 1.0, "start": at - 1.0, "limit": 1, "size": events},
    }


class Played:
    """One replication of a system. Times are rounded to 6 digits; events are numbered in order of their production."""

    def __init__(self, tables: Tables, seed: int = 1, processes: Sequence[OwnProcess] = ()) -> None:
        kept: list[Parts] = []

        def keep(sim: Simulation, parts: Parts) -> Generator[simpy.Event, Any, None]:
            kept.append(parts)
            yield sim.event()

        system = System.from_dict(tables)
        self.result = replicate(System(processes=[keep, *processes], **system.to_dict()), runs=1, seed=seed, trace=True)
        self.parts = kept[0]

    def group(self, name: str = "c") -> Group:
        """A consumer group at the end."""
        return self.parts.groups[f"consumers.{name}"]

    def journey(self, name: str = "c", topic: int = 0) -> Journey:
        """What became of the events of a group's topic."""
        return self.group(name).handlings[topic].journey

    def effects(self, name: str = "c", topic: int = 0) -> list[Happening]:
        """(time, event) of every effect, in order."""
        journey = self.journey(name, topic)
        return _together(journey.effect[: len(journey.messages)], journey.duplicates)

    def attempts(self, name: str = "c", topic: int = 0) -> list[Happening]:
        """(time, event) at which every attempt began, first ones as the hand-over to a worker."""
        journey = self.journey(name, topic)
        return _together(journey.started[: len(journey.messages)], journey.retries)

    def commits(self, name: str = "c", partition: int = 0) -> list[tuple[float, int]]:
        """(time, offset) of every commit that moved it."""
        commits = self.group(name).subscription.cursors[partition].commits
        return list(zip(commits["time"].round(DIGITS).tolist(), commits["offset"].tolist(), strict=True))

    def times(self, partition: int, name: str = "c") -> list[float]:
        """When the effects of a partition's records were applied, repeated ones too."""
        records = set(self.group(name).subscription.main[partition].records)
        return [time for time, event in self.effects(name) if event in records]

    def unserved(self, partition: int, name: str = "c") -> list[tuple[float, float]]:
        """(start, end) of each period in which nobody consumed a partition."""
        rows = zip(*(self.group(name).unserved[column] for column in ("partition", "start", "end")), strict=True)
        return sorted((round(start, DIGITS), round(end, DIGITS)) for place, start, end in rows if place == partition)

    def owners(self, name: str = "c") -> list[int | None]:
        """By partition: index of the instance that has it at the end."""
        owners = [cursor.owner for cursor in self.group(name).subscription.main]
        return [owner.instance.index if owner is not None else None for owner in owners]

    def trail(self, trail: str, name: str = "c") -> list[Happening]:
        """(time, event) of each row of one of the journey's trails."""
        return _together([], getattr(self.journey(name), trail))

    def rebalances(self, name: str = "c") -> list[float]:
        """When rebalances began."""
        return [round(time, DIGITS) for time in self.group(name).membership.rebalances]

    def value(self, component: str, metric: str) -> float:
        """A metric of the run."""
        return self.result.value(component, metric).mean

    def states(self, name: str = "c") -> dict[str, int]:
        """How many events of a group ended in each state."""
        events = self.result.events
        assert events is not None
        return dict(Counter(events.loc[events["group"] == f"consumers.{name}", "state"]))


def _together(first: Any, trail: Any) -> list[Happening]:
    rows = [(round(time, DIGITS), event) for event, time in enumerate(first) if time == time]
    rows += zip(trail["time"].round(DIGITS).tolist(), trail["event"].tolist(), strict=True)
    return sorted(rows)
