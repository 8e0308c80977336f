"""The first replication once more, with somebody who looks at the broker at regular times as its exporter does."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np
import simpy

from experiments.lab.exposition.families import Exposed, expose
from experiments.lab.exposition.text import rendered
from models import System
from models.group import Group
from models.lease_subscription import LeaseSubscription
from models.parts import Parts
from models.queue_subscription import QueueSubscription
from simulator.simulation import WAIT_END, Simulation

DEFAULT_START = 1_704_067_200
"""2024-01-01T00:00:00Z, a Monday: the instant at which a run begins unless another is given."""

POINTS = 600
"""Intervals between the points of a run, at most."""

LAST = WAIT_END + 1
"""After everything else that happens at an instant."""

QUEUE = "rabbitmq_queue_messages"
LEASED = "aws_sqs_approximate_number_of_messages"


def exposition(system: System, seed: int, start: int = DEFAULT_START, number: int = 0) -> str:
    """The replication `number` of `system`, whose warm-up is settled, as text with times from `start` (s since 1970).

    It has a point every whole second, or every so many that there are 601 at most, values being right limits: the points of
    the series of a result where its duration is a multiple of 600 s.
    """
    times = points(system.duration)
    exposed, watcher = Exposed(times), Watcher(times)
    watched = System(processes=[*system.processes, watcher.watch], **system.to_dict())
    sim = Simulation(seed, number)
    parts = watched.start(sim)
    sim.run(until=watched.horizon)
    record, _ = watched.close(parts)
    expose(record, exposed)
    watcher.expose(exposed)
    return rendered(exposed.families.values(), start + times)


def points(duration: float) -> np.ndarray:
    """Whole seconds from 0 to `duration`."""
    return np.arange(0.0, duration + 0.5, math.ceil(duration / POINTS))[: POINTS + 1]


class Watcher:
    """Counts the messages of every queue at `times`: what is ready, or visible, and what is handed out, or hidden."""

    def __init__(self, times: np.ndarray) -> None:
        self.times = times
        self.seen: dict[tuple[str, str, str], list[tuple[int, int]]] = {}

    def watch(self, sim: Simulation, parts: Parts) -> Generator[simpy.Event, Any, None]:
        """A process of a run."""
        for time in self.times.tolist():
            yield sim.wait_until(time, LAST)
            for group in parts.groups.values():
                self._look(group)

    def _look(self, group: Group) -> None:
        subscription = group.subscription
        if not isinstance(subscription, QueueSubscription | LeaseSubscription):
            return
        family = QUEUE if isinstance(subscription, QueueSubscription) else LEASED
        for place, handling in enumerate(group.handlings):
            seen = self.seen.setdefault((family, handling.journey.messages.topic, group.name), [])
            seen.append((_number(subscription.deliverable(place)), _number(subscription.leased(place))))

    def expose(self, exposed: Exposed) -> None:
        """Adds what was seen. A queue is named by its topic and its group, of which it is."""
        for (family, topic, group), seen in self.seen.items():
            ready, handed = np.array(seen).T
            name = f"{topic}.{group.partition('.')[2]}"
            if family == QUEUE:
                exposed.add(f"{QUEUE}_ready", ready, vhost="/", queue=name)
                exposed.add(f"{QUEUE}_unacked", handed, vhost="/", queue=name)
                exposed.add(QUEUE, ready + handed, vhost="/", queue=name)
            else:
                exposed.add(f"{LEASED}_visible_average", ready, queue_name=name)
                exposed.add(f"{LEASED}_not_visible_average", handed, queue_name=name)


def _number(events: Iterable[int]) -> int:
    return sum(1 for _ in events)
