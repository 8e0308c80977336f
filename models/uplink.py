"""An instance's connection with the broker: whether what it sends arrives, whether it is answered, and how long that takes.

Loss: a fetch and what is pushed go over TCP, which sends again what was lost (Linux: after 0.2 s, then twice as long each
time, up to 2 min), so that they are late; a commit, an acknowledgement and a deletion are one word each, which may never be
heard. Heartbeats go over TCP too, several to a session: what delays or loses some of them ends no session.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from models.carrying import carried
from models.cluster import Cluster
from models.links import Links
from simulator.distributions import Distribution
from simulator.simulation import Simulation


class Uplink:
    """Whether an instance reaches the broker, which is `there` while the controller sees a node.

    `heard`: what it sends arrives at such a node: heartbeats, commits, acknowledgements, deletions. `linked`: and it is
    answered. `reached`: the nodes with which both is so; a partition can be read while its leader is among them. `cut_off`:
    the broker is there, and not linked. With a cut that is one way, what arrives counts.
    """

    def __init__(self, path: str, cluster: Cluster) -> None:
        self.path = path
        self.cluster = cluster
        self.heard = self.linked = True
        self.there, self.cut_off = True, False
        self.reached = frozenset(node.number for node in cluster.nodes)

    def look(self) -> bool:
        """Nodes or links have changed: whether that may change anything here. Where it reaches some of the nodes only it may:
        leaders may have moved."""
        before = self.there, self.heard, self.linked, self.reached
        links, nodes = self.cluster.links, self.cluster.nodes
        seen = [node for node in nodes if self.cluster.in_quorum(node.number)]
        self.reached = frozenset(node.number for node in nodes if links.both(self.path, node.path))
        self.heard = any(links.open(self.path, node.path) for node in seen)
        self.linked = any(node.number in self.reached for node in seen)
        self.there, self.cut_off = bool(seen), bool(seen) and not self.linked
        part = bool(self.reached) and len(self.reached) < len(nodes)
        return part or before != (self.there, self.heard, self.linked, self.reached)


class Trip:
    """What it costs an instance to reach the nodes and to be answered: latencies of the links, with the broker's own in the
    answer, and losses."""

    def __init__(self, sim: Simulation, links: Links, path: str, nodes: int, deliver_latency: Distribution) -> None:
        group = path.partition("[")[0]
        names = [f"broker.nodes[{node}]" for node in range(nodes)]
        self.there = [links.way(path, node, stream=f"network/{group} -> broker") for node in names]
        self.back = [links.way(node, path, deliver_latency, stream=f"network/broker -> {group}") for node in names]
        self.commits = [links.way(path, node, stream=f"network/{path} -> broker/commits") for node in names]
        self.varies = any(way.varies for way in (*self.there, *self.back))

    @property
    def costs_nothing(self) -> bool:
        """Whether it takes no time and nothing gets lost, now or ever."""
        return not self.varies and all(way.instant and not way.loss for way in (*self.there, *self.back))

    def fetch(self, node: int, identity: int, n: int) -> Iterator[float]:
        """Waits (s), one after the other, from a request for the n-th delivery of what belongs to `identity` until that is
        there."""
        yield from carried(self.there[node], identity, n)
        yield from carried(self.back[node], identity, n)

    def push(self, node: int, identity: int, n: int) -> Iterator[float]:
        """Waits (s), one after the other, that it takes from the broker to the instance, unasked."""
        yield from carried(self.back[node], identity, n)

    def word(self, node: int, identity: int, n: int) -> float:
        """Seconds after which the broker hears what is said about the n-th delivery; infinite: never."""
        way = self.there[node]
        return math.inf if way.loses(identity, n) else way.seconds(identity, n)

    def loses_commit(self, node: int, life: int, k: int) -> bool:
        """Whether the k-th commit of a life of the instance gets lost."""
        return self.commits[node].loses(life, k)
