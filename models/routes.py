"""The ways between a client and the nodes, and which node it sends to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from models.cluster import Cluster
from models.links import Way
from models.replica import ReplicaSet
from simulator.simulation import COMPLETION, DELIVERY


class Routes:
    """`swift`: requests arrive at once; `lossy`: what is sent can always get lost; `open`: no cut stands between."""

    def __init__(self, cluster: Cluster, path: str, place: int) -> None:
        self.cluster = cluster
        self.links = cluster.links
        self.sim = cluster.sim
        self.path = path
        self.place = place
        spec, links = cluster.spec, cluster.links
        paths = self.paths = [node.path for node in cluster.nodes]
        self.to: list[Way] = [links.way(path, node, spec.publish_latency) for node in paths]
        self.back: list[Way] = [links.way(node, path, spec.acknowledge_latency) for node in paths]
        self.swift = all(way.instant for way in self.to)
        self.lossy = any(way.loss for way in (*self.to, *self.back))
        self.open = True
        self._known: dict[int, int] = {}
        self._arrival: dict[int, float] = {}

    def look(self) -> None:
        """Links have changed."""
        self.open = all(map(self.reaches, range(len(self.paths))))

    @property
    def troubled(self) -> bool:
        """Whether a fault delays, loses or doubles now what goes one of the ways."""
        return any(way.troubles for way in (*self.to, *self.back))

    def is_refused(self, node: int) -> bool:
        """Whether a request to a node is refused on its way, at once."""
        return not self.reaches(node) and self.links.refuse(self.path, self.paths[node])

    def is_reset(self, node: int) -> bool:
        """Whether the connection with a node is reset now."""
        return self.links.reset(self.path, self.paths[node])

    def doubles(self, node: int, identity: int, turn: int) -> bool:
        """Whether that request arrives twice."""
        return self.to[node].doubles(identity, turn)

    def reaches(self, node: int) -> bool:
        """Whether client and node reach each other."""
        return self.links.both(self.path, self.paths[node])

    def target(self, number: int, replicas: ReplicaSet) -> int | None:
        """The node to which it sends what belongs to a partition: the one that it knows, until that fails; then the leader
        of which the nodes know that it reaches, or any node, to hear that there is none: at once from a dead process, or where
        the way is refused."""
        known = self._known.get(number)
        if known is not None:
            return known
        reached = [node for node in range(len(self.paths)) if self.reaches(node)]
        informed = [node for node in reached if self.cluster.in_quorum(node)]
        if not informed and replicas.isolated in reached:
            known = replicas.isolated
        elif replicas.leader is not None:
            known = replicas.leader
        else:
            nodes = self.cluster.nodes
            asked = informed or sorted(reached, key=lambda node: nodes[node].dark)
            return next(iter(asked or filter(self.is_refused, range(len(nodes)))), None)
        assert known is not None
        self._known[number] = known
        return known

    def connects(self, number: int, replicas: ReplicaSet) -> bool:
        """Whether it has somewhere to send to: a leader that it knows, whose process is not seen to be dead."""
        target = self.target(number, replicas)
        if target is None or number not in self._known:
            return False
        node = self.cluster.nodes[target]
        if (node.down and not node.dark) or self.is_refused(target):
            self.forget(number)
        return number in self._known

    def learn(self, topic: Iterable[ReplicaSet]) -> None:
        """It knows all leaders that it reaches: those of before the disturbance that it is told of."""
        for replicas in topic:
            if replicas.leader is not None and self.reaches(replicas.leader):
                self._known.setdefault(replicas.number, replicas.leader)

    def hang_up(self, node: int) -> None:
        """A connection is closed: the node leads nothing any more, as far as is known."""
        self._known = {number: known for number, known in self._known.items() if known != node}

    def forget(self, number: int | None = None) -> None:
        """The known leader of a partition, or of all, is none any more."""
        if number is None:
            self._known.clear()
        else:
            self._known.pop(number, None)

    def send(self, node: int, identity: int, turn: int, lane: int | None, arrive: Callable[[], None]) -> bool:
        """A request for a node, the `turn`-th for that identity; `lane`: what belongs to the same does not overtake. Returns
        whether it arrives."""
        way = self.to[node]
        if not self.links.open(self.path, self.paths[node]) or way.loses(identity, turn):
            return False
        now = self.sim.now
        arrival = now + way.seconds(identity, turn)
        if lane is not None:
            arrival = self._arrival[lane] = max(arrival, self._arrival.get(lane, 0.0))
        if arrival > now:
            self.sim.call_at(arrival, DELIVERY, arrive, self.place)
        else:
            arrive()
        return True

    def send_back(self, node: int, identity: int, turn: int, tell: Callable[[], None]) -> None:
        """The answer to such a request."""
        way = self.back[node]
        if not self.links.open(self.paths[node], self.path) or way.loses(identity, turn):
            return
        seconds = way.seconds(identity, turn)
        if seconds:
            self.sim.call_at(self.sim.now + seconds, COMPLETION, tell, self.place)
        else:
            tell()
