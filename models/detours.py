"""What the links between nodes add to the time that a copy takes: Kafka's fetch and its answer, Raft's append and its answer.

`replication_lag` is the whole time a copy takes; what is given for a link by name, or done to it by a fault, comes on top,
there and back. What is lost is sent again by TCP, and so is late; when a fault that lost it is over, it comes through.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.carrying import carried
from models.links import Links, Way


class Detours:
    """Between any two of the nodes, by number. `ways`: where there is anything: from a follower to a leader, and back."""

    def __init__(self, links: Links, nodes: Sequence[str]) -> None:
        self.ways: dict[tuple[int, int], list[Way]] = {}
        pairs = [(one, other) for one in range(len(nodes)) for other in range(len(nodes)) if one != other]
        ways = {(one, other): links.detour(nodes[one], nodes[other]) for one, other in pairs}
        for leader, follower in pairs:
            found = [way for way in (ways[follower, leader], ways[leader, follower]) if way is not None]
            if found:
                self.ways[leader, follower] = found
        self._losing: set[tuple[int, int]] = set()

    def seconds(self, leader: int, follower: int, identity: int) -> float:
        """How much longer a copy of what belongs to `identity` takes that sets out now."""
        return sum(sum(carried(way, identity, 0)) for way in self.ways.get((leader, follower), ()))

    def usual_seconds(self, leader: int, follower: int) -> float:
        """How much longer copies take on average, as things are."""
        return sum(way.usual_seconds() for way in self.ways.get((leader, follower), ()))

    def eased(self) -> set[tuple[int, int]]:
        """Leaders and followers between which nothing is lost any more since somebody asked."""
        before, self._losing = (
            self._losing,
            {pair for pair, ways in self.ways.items() if any(each.kind == "loss" for way in ways for each, _ in way.troubles)},
        )
        return before - self._losing
