"""The nodes of the broker, one by one, and what replicas ask about them."""

from __future__ import annotations

import math
from typing import Protocol

from models.broker import Broker
from simulator.simulation import Simulation
from simulator.streams import Stream


class Arriving(Protocol):
    """A request that arrives at a node."""

    def handle(self) -> None:
        """The node does what is asked."""

    def refused(self) -> None:
        """The node cannot do it, and says so."""

    def lost(self) -> None:
        """It is gone without an answer."""


class Node:
    """One node. Faults count up and down: any crash, stop or power loss keeps it down, any pause frozen.

    `free`: when it has taken what was published so far (s). `dark`: its machine has no power. `broke`: when its connections
    last broke (s). `seen`: by the controller, which watches one that it does not see, until it is `fenced`; `turns` counts.
    `waiting`: requests that came while it was frozen.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.path = f"broker.nodes[{number}]"
        self.down = self.frozen = self.dark = 0
        self.slow = 1.0
        self.free = 0.0
        self.broke = -math.inf
        self.fenced = False
        self.lost_data = False
        self.seen = True
        self.turns = 0
        self.watched = False
        self.waiting: list[Arriving] = []

    @property
    def runs(self) -> bool:
        """Whether its process is at work."""
        return not self.down and not self.frozen

    def forget_waiting(self) -> None:
        """The process is gone, and with it what it had not looked at."""
        waiting, self.waiting = self.waiting, []
        for request in waiting:
            request.lost()


class Following(Protocol):
    """A leader and who is in sync with it. `trailing`: followers that do not keep up, since when (s)."""

    leader: int | None
    in_sync: set[int]
    trailing: dict[int, float]

    def trails(self, node: int) -> None:
        """A follower has not kept up with the leader for too long."""


class Nodes(Protocol):
    """What replicas ask about the nodes that keep them. `interval`, `mean_lag`: of copies, s."""

    sim: Simulation
    spec: Broker
    place: int
    interval: float | None
    mean_lag: float

    def catching_up(self, stream: Stream, node: int, turn: int) -> float:
        """Seconds after which a replica has what it lacks, the `turn`-th time."""

    def in_touch(self, one: int, other: int) -> bool:
        """Whether two nodes work and reach each other."""

    def answers(self, node: int) -> bool:
        """Whether a leader can serve: it works, and has not been replaced."""

    def in_quorum(self, node: int) -> bool:
        """Whether the controller sees a node."""

    def runs(self, node: int) -> bool:
        """Whether its process is at work."""

    def lives(self, node: int) -> bool:
        """Whether there is such a process, be it frozen."""

    def usual_lag(self, leader: int, node: int) -> float:
        """How long copies take on average, as things are."""

    def keeps_up(self, leader: int, node: int) -> bool:
        """Whether it copies fast enough to be in sync."""

    def watch_followers(self, replicas: Following) -> None:
        """Followers may have fallen behind, or not any more."""

    def election_seconds(self, name: str, turn: int) -> float:
        """From the noticing to a new leader serving."""
