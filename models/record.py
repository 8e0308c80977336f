"""What a run leaves to be measured: plain data, without the processes that wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.alerts import Alert
from models.journey import Journey
from models.message import Messages
from models.slos import Slo

DOWN, STARTING, PAUSED, CUT_OFF, RUNNING, LEAVING, AWAY = range(7)
"""Of an instance. The last two: autoscaling does not want it any more, and it has something in hand or is gone."""

CLOSED, OPEN, HALF_OPEN = range(3)
"""Of a breaker."""

STATES = ("processed", "backlog", "in_flight", "dead_lettered", "discarded", "expired", "lost")
PROCESSED, BACKLOG, IN_FLIGHT, DEAD_LETTERED, DISCARDED, EXPIRED, LOST = range(7)
"""Of an event in a group at the end, as the books have it."""

ANSWERED, FAILED, REJECTED = range(3)
"""Outcome of a call to a dependency."""

Steps = tuple[np.ndarray, np.ndarray]
"""A step function: times (s) in order and the value from each of them on; 0 before the first."""

Commits = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of a partition: times at which its records were appended, times of commits, the offsets that these committed."""


@dataclass(kw_only=True)
class GroupRecord:
    """One consumer group.

    By topic, in one order: `topics`, `journeys`, `states` (final state of each event, int8), `live` (whether a copy can
    still be delivered or is in hand) and, for a trace, `settled` (time of each event). `partitions`: for each partition of
    each topic, or each queue, the place of its topic and its event numbers in the order in which they were appended, later
    copies included. `commits`: by partition, none in a queue. `unserved`: (place in `partitions`, start, end) where no
    running instance had that partition. `life` is by instance; `trips`, `rebalances` and `kills` (by a lack of memory; None
    where it has no limit) are times. `busy`, `held` and `worker_time`: worker-seconds in the measured window, worker_time
    infinite where workers are unlimited. `batch_sizes`: polls that brought records, and records. `autoscales`:
    whether its number of instances changes; `shares_breaker`: whether there is one breaker for all of them.
    """

    name: str
    topics: list[str]
    journeys: list[Journey]
    states: list[np.ndarray]
    live: list[np.ndarray]
    partitions: list[tuple[int, np.ndarray]]
    commits: list[Commits]
    life: list[Steps]
    unserved: list[tuple[int, float, float]]
    breakers: list[Steps]
    trips: np.ndarray
    rebalances: np.ndarray
    kills: np.ndarray | None
    busy: float
    held: float
    worker_time: float
    batch_sizes: tuple[int, int]
    empty_polls: int
    has_breaker: bool
    has_dependencies: bool
    publishes: bool
    useful_for: float | None = None
    settled: list[np.ndarray] | None = None
    autoscales: bool = False
    shares_breaker: bool = False


@dataclass(kw_only=True)
class ProducerRecord:
    """One producer. By event: `produced`, `stored` and `acknowledged` (s; nan: not), its verdict and how often it was sent.
    `retries`: times at which an event was sent again; `blocked`: (start, end) in which an instance had no room for an event,
    of `instances`.
    `given_up`: by event, when it was (s; nan: not); None where nothing stands between producer and broker."""

    name: str
    topic: str
    produced: np.ndarray
    stored: np.ndarray
    acknowledged: np.ndarray
    verdicts: np.ndarray
    sends: np.ndarray
    retries: np.ndarray
    blocked: list[tuple[float, float]]
    instances: int
    given_up: np.ndarray | None = None


@dataclass(kw_only=True)
class TopicRecord:
    """The broker's side of a topic. `sends`: how often each event was sent. `again`: events of which a further copy was
    appended, once for each. `lost`: distinct events that the broker lost; `rejected`: that it refused at first, because they
    were too many; `largest`: the most records at once of a log from which records go by themselves. By partition, where nodes
    matter: `without_leader`, (start, end), and steps `in_sync`.
    """

    name: str
    messages: Messages
    again: np.ndarray
    sends: np.ndarray
    lost: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rejected: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    largest: int | None = None
    without_leader: list[list[tuple[float, float]]] = field(default_factory=list)
    in_sync: list[Steps] = field(default_factory=list)


@dataclass(kw_only=True)
class DependencyRecord:
    """One dependency. By call: `begin`, `end` (nan: not finished), `outcome` and whether its work was `wasted`."""

    name: str
    concurrency: float
    begin: np.ndarray
    end: np.ndarray
    outcome: np.ndarray
    wasted: np.ndarray
    busy_seconds: float
    queue: Steps
    busy: Steps


@dataclass(kw_only=True)
class FaultRecord:
    """One fault: (target, start, end) of what happened, the groups it touches, and when these count as recovered.

    `name`, as that of every part, is its path: `faults.gateway outage`.
    """

    name: str
    targets: list[str]
    windows: list[tuple[str, float, float]]
    affected: list[str]
    hold: float
    normal: float | None


@dataclass(kw_only=True)
class SystemRecord:
    """A whole run: measured from `warmup` to `duration` (s); it went on until `end`, later where it was drained.

    `topics`: by name.
    """

    duration: float
    warmup: float
    end: float
    producers: list[ProducerRecord]
    topics: dict[str, TopicRecord]
    groups: list[GroupRecord]
    dependencies: list[DependencyRecord]
    faults: list[FaultRecord]
    slos: Sequence[Slo] = ()
    alerts: Sequence[Alert] = ()
    trace: bool = False
    window: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self.window = self.warmup, self.duration
