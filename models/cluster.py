"""The nodes of the broker: which are there, who notices when one is not, and the replicas that they keep.

A controller (KRaft's quorum, ZooKeeper, Raft's own votes) sees every node that is on the side of the network with a majority
of the nodes. It notices that one is gone `detection_time` later, and only while there is such a majority.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from models.broker import Broker
from models.detours import Detours
from models.links import Links
from models.nodes import Arriving, Following, Node
from models.replica import ReplicaSet
from simulator.simulation import DELIVERY, TIMER, Simulation
from simulator.streams import Stream, name_key

REPLICA_LAG_MAX = 30.0
"""A follower that has not caught up for so long (s) leaves the in-sync set: Kafka's `replica.lag.time.max.ms`."""
TRAILING_CHECK = REPLICA_LAG_MAX / 2
"""How often the leader looks (s): Kafka's isr-expiration task."""
WRITE_BACK = 30.0
"""What is older (s) is on disk where flushing is left to the machine: Linux's `vm.dirty_expire_centisecs`."""
INFINITY = math.inf


class Cluster:
    """All nodes of one replication. `disturbed`: whoever must know that nodes or links have changed.

    `blocks`: nobody may publish, because memory or disk is full; `full`: numbers of nodes whose disk takes no more of a log.
    """

    def __init__(self, sim: Simulation, spec: Broker, links: Links, place: int) -> None:
        self.sim = sim
        self.spec = spec
        self.links = links
        self.place = place
        self.nodes = [Node(number) for number in range(spec.nodes)]
        self.replicas: list[ReplicaSet] = []
        self.disturbed: list[Callable[[], None]] = []
        self.interval = spec.replication_interval
        self.mean_lag = 0.0 if self.interval is not None else spec.replication_lag.mean
        self._detection = sim.stream("broker/detection")
        self._election = sim.stream("broker/election")
        self.blocks = False
        self.full: set[int] = set()
        self._side = {node.number for node in self.nodes}
        self.detours = Detours(links, [node.path for node in self.nodes])
        links.listeners.append(self.look)
        if self.detours.ways:
            links.weather.append(self._feel)

    # -- what replicas ask --------------------------------------------------------------------------------------------

    def catching_up(self, stream: Stream, node: int, turn: int) -> float:
        """Seconds after which a replica has what it lacks, the `turn`-th time."""
        return self.spec.replication_lag.ppf(stream.uniform(node, turn)) * self.nodes[node].slow

    def in_touch(self, one: int, other: int) -> bool:
        """Whether two nodes work and reach each other."""
        nodes = self.nodes
        return nodes[one].runs and nodes[other].runs and self.links.both(nodes[one].path, nodes[other].path)

    def answers(self, node: int) -> bool:
        """Whether a leader can serve: it works, and has not been replaced."""
        return self.nodes[node].runs and not self.nodes[node].fenced

    def in_quorum(self, node: int) -> bool:
        """Whether the controller sees a node."""
        return self.nodes[node].runs and node in self._side

    def runs(self, node: int) -> bool:
        """Whether its process is at work."""
        return self.nodes[node].runs

    def lives(self, node: int) -> bool:
        """Whether there is such a process, be it frozen."""
        return not self.nodes[node].down

    def usual_lag(self, leader: int, node: int) -> float:
        """How long copies take on average, as things are."""
        return self.mean_lag * self.nodes[node].slow + self.detours.usual_seconds(leader, node)

    def keeps_up(self, leader: int, node: int) -> bool:
        """Whether it copies fast enough to be in sync."""
        return self.usual_lag(leader, node) <= REPLICA_LAG_MAX

    def election_seconds(self, name: str, turn: int) -> float:
        """From the noticing to a new leader serving."""
        law = self.spec.election_time
        return 0.0 if law is None else law.ppf(self._election.uniform(name_key(name), turn))

    # -- what faults do -----------------------------------------------------------------------------------------------

    def crash(self, number: int) -> None:
        """The process is gone; its connections close, its log stays."""
        node = self.nodes[number]
        node.down += 1
        node.broke = self.sim.now
        node.forget_waiting()
        self.look()

    def stop(self, number: int) -> None:
        """A planned stop: it hands over what it leads first."""
        node = self.nodes[number]
        node.down += 1
        node.broke = self.sim.now
        node.forget_waiting()
        if node.down == 1 and not node.fenced:
            node.fenced, node.seen = True, False
            for replicas in self.replicas:
                replicas.fence(number, planned=True)
        self.look()

    def restart(self, number: int) -> None:
        """A crash or stop is over."""
        self.nodes[number].down -= 1
        self.look()

    def lose_power(self, number: int) -> None:
        """The machine is gone without a word, and with it what was not flushed."""
        node = self.nodes[number]
        node.down += 1
        node.dark += 1
        node.lost_data = True
        node.forget_waiting()
        self.look()
        for replicas in self.replicas:
            replicas.loses_unflushed(number, self._flushed_until())
        self.look()

    def get_power(self, number: int) -> None:
        """The machine is back. It was gone for everybody, however short: its registration is a new one."""
        node = self.nodes[number]
        node.dark -= 1
        node.down -= 1
        node.broke = self.sim.now
        if not node.down and node.lost_data:
            node.lost_data = False
            if not node.fenced:
                self._fence(node)
        self.look()

    def _flushed_until(self) -> float:
        now, interval = self.sim.now, self.spec.flush_interval
        if interval == "never" or interval is None:
            return now - WRITE_BACK
        return now if interval == 0.0 else math.floor(now / interval) * interval

    def pause(self, number: int) -> None:
        """The node stands still: requests to it wait."""
        self.nodes[number].frozen += 1
        self.look()

    def resume(self, number: int) -> None:
        """It goes on where it was, and meets the requests that have come."""
        node = self.nodes[number]
        node.frozen -= 1
        self.look()
        if not node.frozen:
            waiting, node.waiting = node.waiting, []
            self.sim.hold()
            for request in waiting:
                request.handle()

    def slow_down(self, number: int, factor: float) -> None:
        """Copies reach that node `factor` times as late."""
        self.nodes[number].slow = factor
        for replicas in self.replicas:
            replicas.hurry(number, self.mean_lag * factor)
            replicas.look()

    def _feel(self) -> None:
        """Faults on links between nodes have changed. TCP has through what it sends again, as soon as nothing is lost."""
        for leader, node in self.detours.eased():
            for replicas in self.replicas:
                if replicas.leader == leader and node in replicas.nodes:
                    replicas.hurry(node, self.usual_lag(leader, node))
        for replicas in self.replicas:
            replicas.look()

    # -- the controller -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Nodes or links have changed: who sees whom, and what follows from it."""
        self._side = self._majority()
        for node in self.nodes:
            seen = self.in_quorum(node.number)
            if seen and not node.seen:
                node.seen, node.watched = True, False
                node.turns += 1
                node.fenced = False
            elif not seen:
                node.seen = False
                if not node.fenced and not node.watched and self._side:
                    self._watch(node)
        for replicas in self.replicas:
            replicas.look(struck=True)
        for tell in self.disturbed:
            tell()

    def _majority(self) -> set[int]:
        """The nodes that the controller reaches: those linked with the best linked one, if they are more than half."""
        if not self.links.cuts:
            return {node.number for node in self.nodes}
        linked = [
            {other.number for other in self.nodes if other is node or self.links.both(node.path, other.path)}
            for node in self.nodes
        ]
        best = max(linked, key=len)
        return best if 2 * len(best) > len(self.nodes) else set()

    def _watch(self, node: Node) -> None:
        node.watched = True
        node.turns += 1
        turn = node.turns
        law = self.spec.detection_time
        seconds = 0.0 if law is None else law.ppf(self._detection.uniform(node.number, turn))

        def noticed() -> None:
            if node.turns != turn or node.seen:
                return
            node.watched = False
            if self._side:
                self._fence(node)

        self.sim.call_at(self.sim.now + seconds, TIMER, noticed, self.place)

    def _fence(self, node: Node) -> None:
        node.fenced = True
        for replicas in self.replicas:
            replicas.fence(node.number)
        for tell in self.disturbed:
            tell()

    def watch_followers(self, replicas: Following) -> None:
        """Followers that cannot keep up, though the controller sees them, leave the in-sync set in the end."""
        for number in replicas.in_sync:
            if self._trails(replicas, number) and number not in replicas.trailing:
                replicas.trailing[number] = self.sim.now
                first = math.ceil((self.sim.now + REPLICA_LAG_MAX) / TRAILING_CHECK) * TRAILING_CHECK
                self.sim.call_at(first, TIMER, partial(self._expel, replicas, number, self.sim.now), self.place)
            elif number in replicas.trailing and not self._trails(replicas, number):
                del replicas.trailing[number]

    def _expel(self, replicas: Following, number: int, since: float) -> None:
        if replicas.trailing.get(number) == since:
            del replicas.trailing[number]
            replicas.trails(number)

    def _trails(self, replicas: Following, number: int) -> bool:
        leader = replicas.leader
        if leader is None or number == leader or not self.in_quorum(leader) or not self.in_quorum(number):
            return False
        return not self.keeps_up(leader, number) or not self.in_touch(leader, number)

    def is_connected(self, path: str, number: int) -> bool:
        """Whether a connection between a component and a node carries anything."""
        node = self.nodes[number]
        return not node.dark and not node.frozen and self.links.both(path, node.path)

    # -- requests -----------------------------------------------------------------------------------------------------

    def is_free(self, number: int) -> bool:
        """Whether a node takes an event at once."""
        return self.nodes[number].free <= self.sim._now

    def take(self, number: int, events: int = 1) -> float:
        """A node takes its turn with events that are published. Returns when that is (s)."""
        node, rate = self.nodes[number], self.spec.max_publish_rate
        turn = max(node.free, self.sim.now)
        if rate is not None:
            node.free = turn + events / rate
        return turn

    def receive(self, number: int, events: int, request: Arriving) -> None:
        """A request arrives at a node: it is handled in its turn, waits while the node is frozen, is refused by a dead process,
        and not answered by a dead machine."""
        node = self.nodes[number]
        if node.dark:
            request.lost()
        elif node.down:
            request.refused()
        elif node.frozen:
            node.waiting.append(request)
        elif (turn := self.take(number, events)) > self.sim.now:
            self.sim.call_at(turn, DELIVERY, partial(self._in_turn, node, node.broke, request), self.place)
        else:
            request.handle()

    def _in_turn(self, node: Node, broke: float, request: Arriving) -> None:
        """What waited for its turn is gone with the node's process."""
        if node.broke != broke or node.dark:
            request.lost()
        elif node.frozen:
            node.waiting.append(request)
        else:
            request.handle()
