"""A partition's replicas: what each of them holds, who leads, who is in sync, and what a lost leader takes with it.

Kafka's log: a record is committed, and can be read, when every member of the in-sync set holds it; a lost leader is replaced
by one of that set. RabbitMQ's quorum queue: committed when a majority holds it, replaced by the one of a majority that holds
most. Followers copy in order. While nothing is broken the time of each copy is known when a record is appended, so that
nothing has to happen for it; what a failure does to records on their way is worked out when it strikes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from models.broker import Broker
from simulator.recorder import Trail
from simulator.simulation import DELIVERY, TIMER, Simulation
from simulator.streams import Stream

INFINITY = math.inf


class Nodes(Protocol):
    """What replicas ask about the nodes that keep them. `interval`, `mean_lag`: of copies, s."""

    sim: Simulation
    spec: Broker
    place: int
    interval: float | None
    mean_lag: float

    def lag(self, stream: Stream, identity: int, node: int) -> float:
        """Seconds after which a follower has a record, by the identity of its event."""

    def in_touch(self, one: int, other: int) -> bool:
        """Whether two nodes work and reach each other."""

    def answers(self, node: int) -> bool:
        """Whether a leader can serve: it works, and has not been replaced."""

    def in_quorum(self, node: int) -> bool:
        """Whether the controller sees a node."""

    def runs(self, node: int) -> bool:
        """Whether its process is at work."""

    def election_seconds(self, name: str, turn: int) -> float:
        """From the noticing to a new leader serving."""


class Sender(Protocol):
    """Who published a record and was told in advance when its acknowledgement would come."""

    def recall(self, entry: Entry, replicas: ReplicaSet) -> None:
        """It will not come then: what becomes of it is to be seen."""


class Asking(Protocol):
    """A request that waits until the records of it are committed."""

    def committed(self, entry: Entry) -> None:
        """One of them is."""


class Entry:
    """A record: who holds it from when on (s; infinite: not as things are), and from when on it is committed.

    `answered`: when its publisher knows of it; `asking`: the requests that wait for it. `alive`: it was not cut off.
    """

    __slots__ = ("again", "alive", "answered", "appended", "asking", "commit", "enqueued", "event", "held", "sender")

    def __init__(self, event: int, appended: float, again: bool) -> None:
        self.event = event
        self.appended = appended
        self.again = again
        self.held: dict[int, float] = {}
        self.commit = self.answered = INFINITY
        self.sender: Sender | None = None
        self.asking: list[Asking] = []
        self.alive = True
        self.enqueued = False


class Store(Protocol):
    """Where the records of a partition are read."""

    def __len__(self) -> int:
        """Number of records."""

    def append(self, entry: Entry) -> None:
        """A record, readable from its `commit` on."""

    def recommit(self, entries: Sequence[Entry]) -> None:
        """The last records are readable from other times on."""

    def truncate(self, keep: int, cut_off: Sequence[Entry]) -> None:
        """Only the first `keep` records are left; `cut_off` are those of the others that were not committed."""

    def appended_at(self, place: int) -> float:
        """When that record was appended (s)."""

    def serve(self, served: bool) -> None:
        """Whether there is a leader to read from."""


class ReplicaSet:
    """The replicas of one partition, by numbers of their nodes, the first leader first.

    `leader`: None while there is none. `isolated`: a former leader that does not know that it was replaced. `ends`: how many
    records a replica out of step holds. `tail`: the records that are not committed, or not acknowledged, by everybody yet.
    """

    def __init__(self, cluster: Nodes, name: str, nodes: Sequence[int], store: Store, majority: bool) -> None:
        self.cluster = cluster
        self.sim = cluster.sim
        self.name = name
        self.nodes = list(nodes)
        self.store = store
        self.majority = majority
        self.leader: int | None = self.nodes[0]
        self.isolated: int | None = None
        self.in_sync = set(self.nodes)
        self.ends: dict[int, int] = {}
        self.tail: deque[Entry] = deque()
        self.steady = True
        self.elections = 0
        self.electing = False
        self.trailing: dict[int, float] = {}
        self.without_leader = Trail(start="d", end="d")
        self.sizes = Trail(time="d", size="q")
        self._leaderless_since = INFINITY
        self._copied = dict.fromkeys(self.nodes, 0.0)
        self._joins: dict[int, int] = {}
        self._luck = cluster.sim.stream(f"{name}/replication")
        self._joining = cluster.sim.stream(f"{name}/catch-up")
        self._followers = self.nodes[1:]

    # -- appending ----------------------------------------------------------------------------------------------------

    def append(self, event: int, identity: int, again: bool) -> Entry:
        """The leader stores a record; the followers that are in touch copy it."""
        now, tail = self.sim._now, self.tail
        entry = Entry(event, now, again)
        for node in self._followers:
            entry.held[node] = self._copy_time(node, now, identity)
        entry.commit = self._commit_of(entry, tail[-1].commit if tail else 0.0)
        while tail and tail[0].commit <= now and tail[0].answered <= now:
            tail.popleft()
        tail.append(entry)
        self.store.append(entry)
        return entry

    def _copy_time(self, node: int, appended: float, identity: int) -> float:
        if not self._copies(node):
            return INFINITY
        cluster = self.cluster
        if cluster.interval is not None:
            held = math.ceil(appended / cluster.interval) * cluster.interval
        else:
            held = appended + cluster.lag(self._luck, identity, node)
        held = self._copied[node] = max(self._copied[node], held)
        return held

    def _copies(self, node: int) -> bool:
        """Whether a follower is in touch with the leader and in step with it."""
        return self.leader is not None and node not in self.ends and self.cluster.in_touch(self.leader, node)

    def _commit_of(self, entry: Entry, before: float) -> float:
        """When it is committed, as things are; not before the record before it."""
        if self.majority:
            needed = len(self.nodes) // 2
            held = sorted(entry.held.get(node, INFINITY) for node in self.nodes if node != self.leader)
            own = held[needed - 1] if needed else entry.appended
        else:
            own = max((entry.held.get(node, INFINITY) for node in self.in_sync if node != self.leader), default=entry.appended)
        return max(own, before, entry.appended)

    # -- who is in touch ----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Nodes or links have changed: works out anew what is copied and committed from now on."""
        now, leader = self.sim._now, self.leader
        serving = leader is not None and self.cluster.answers(leader)
        self._note_leader(serving)
        self._followers = [node for node in self.nodes if node != leader]
        before, changed = 0.0, []
        for entry in self.tail:
            old = entry.commit
            if old > now:
                for node in self._followers:
                    held = entry.held.get(node, INFINITY)
                    if held > now:
                        entry.held[node] = self._rejoined(node, held, now)
                entry.commit = self._commit_of(entry, before) if leader is not None else INFINITY
                entry.commit = max(entry.commit, now)
                changed.append(entry)
            before = entry.commit
            if entry.sender is not None and old > now and (not serving or entry.commit != old):
                sender, entry.sender, entry.answered = entry.sender, None, INFINITY
                sender.recall(entry, self)
        self.store.recommit(changed)
        for entry in changed:
            self.answer_later(entry)
        self.steady = serving and all(self._copies(node) for node in self.in_sync if node != leader)

    def _rejoined(self, node: int, held: float, now: float) -> float:
        if not self._copies(node):
            return INFINITY
        if held < INFINITY:
            return held
        held = self._copied[node] = max(self._copied[node], now + self.cluster.mean_lag)
        return held

    def answer_later(self, entry: Entry) -> None:
        """Tells the requests that wait for a record when it is committed, if it is."""
        if not entry.asking or entry.commit == INFINITY:
            return

        def tell() -> None:
            if entry.alive and entry.commit <= self.sim._now:
                asking, entry.asking = entry.asking, []
                for request in asking:
                    request.committed(entry)

        self.sim.call_at(entry.commit, DELIVERY, tell, self.cluster.place)

    def _note_leader(self, serving: bool) -> None:
        now = self.sim._now
        if serving and self._leaderless_since < INFINITY:
            self.without_leader.add(self._leaderless_since, now)
            self._leaderless_since = INFINITY
            self.store.serve(True)
        elif not serving and self._leaderless_since == INFINITY:
            self._leaderless_since = now
            self.store.serve(False)

    def finish(self) -> None:
        """The run is over."""
        if self._leaderless_since < INFINITY:
            self.without_leader.add(self._leaderless_since, self.sim._now)
            self._leaderless_since = self.sim._now

    def _note_size(self) -> None:
        self.sizes.add(self.sim._now, len(self.in_sync))

    # -- nodes that fail and come back --------------------------------------------------------------------------------

    def loses_unflushed(self, node: int, flushed_until: float) -> None:
        """The machine of a replica loses power: what it stored after its last flush is gone from it."""
        if node in self.nodes:
            end = self._end_of(node)
            while end and self._stored_at(node, end - 1) > flushed_until:
                end -= 1
            self.ends[node] = end

    def _stored_at(self, node: int, place: int) -> float:
        committed = len(self.store) - len(self.tail)
        if place < committed:
            return self.store.appended_at(place)
        entry = self.tail[place - committed]
        return entry.appended if node == self.leader else entry.held.get(node, INFINITY)

    def fence(self, node: int, planned: bool = False) -> None:
        """The controller has noticed that a node is gone, or was told: it leaves the in-sync set, the last one excepted."""
        if node not in self.nodes:
            return
        if planned and node == self.leader:
            for entry in self.tail:
                entry.held |= {other: min(entry.held[other], self.sim.now) for other in self.in_sync if other in entry.held}
        if node not in self.ends:
            self.ends[node] = self._end_of(node)
        if len(self.in_sync) > 1 and node in self.in_sync:
            self.in_sync.remove(node)
            self._note_size()
        if node == self.leader:
            self._depose(node, planned)
        self.look()

    def _depose(self, node: int, planned: bool) -> None:
        self.isolated = node if self.cluster.runs(node) else None
        self.leader = None
        self._elect(at_once=planned)

    def _end_of(self, node: int) -> int:
        """How many records a node holds."""
        first, now = len(self.store) - len(self.tail), self.sim._now
        if node in self.ends:
            return self.ends[node]
        if node == self.leader:
            return len(self.store)
        for place, entry in enumerate(self.tail):
            if entry.held.get(node, INFINITY) > now:
                return first + place
        return len(self.store)

    def _elect(self, at_once: bool = False) -> None:
        """A new leader serves after the election, if there is a candidate; else the partition waits for one."""
        if self.electing or self.leader is not None or self._candidate() is None:
            return
        self.electing = True
        self.elections += 1
        seconds = 0.0 if at_once else self.cluster.election_seconds(self.name, self.elections)
        if seconds:
            self.sim.call_at(self.sim._now + seconds, TIMER, self._elected, self.cluster.place)
        else:
            self._elected()

    def _candidate(self) -> int | None:
        there = [node for node in self.nodes if self.cluster.in_quorum(node)]
        if self.majority:
            if 2 * len(there) <= len(self.nodes):
                return None
            return max(there, key=lambda node: (self._end_of(node), -self.nodes.index(node)))
        clean = [node for node in there if node in self.in_sync]
        if clean:
            return clean[0]
        if self.cluster.spec.unclean_election and there:
            return max(there, key=lambda node: (self._end_of(node), -self.nodes.index(node)))
        return None

    def _elected(self) -> None:
        """The new leader serves; what it does not hold is cut off everywhere."""
        self.electing = False
        leader = self._candidate()
        if leader is None:
            return
        keep = self._end_of(leader)
        self.leader = leader
        self.ends.pop(leader, None)
        self._cut_off(keep)
        self.in_sync = {node for node in self.in_sync if node == leader or self.cluster.in_quorum(node)} | {leader}
        self._note_size()
        for node in self.nodes:
            if node in self.ends:
                self.ends[node] = min(self.ends[node], keep)
                if self.cluster.in_quorum(node):
                    self._catch_up(node)
        self.look()

    def _cut_off(self, keep: int) -> None:
        gone = len(self.store) - keep
        if gone <= 0:
            return
        tail = self.tail
        cut = [tail.pop() for _ in range(min(gone, len(tail)))][::-1]
        for entry in cut:
            entry.alive = False
            if entry.sender is not None and entry.commit > self.sim._now:
                sender, entry.sender = entry.sender, None
                sender.recall(entry, self)
        self.store.truncate(keep, cut)

    def back(self, node: int) -> None:
        """A node that was thought gone is there again: it drops what the others do not have, and copies what it lacks."""
        if node not in self.nodes:
            return
        if node == self.isolated:
            self.isolated = None
        if self.leader is None:
            self._elect()
        elif node != self.leader:
            self._catch_up(node)
        self.look()

    def _catch_up(self, node: int) -> None:
        turn = self._joins[node] = self._joins.get(node, 0) + 1
        seconds = self.cluster.lag(self._joining, node, turn)

        def joined() -> None:
            there = self.leader is not None and self.cluster.in_touch(self.leader, node) and self.cluster.in_quorum(node)
            if self._joins[node] != turn or node == self.leader or not there:
                return
            self.ends.pop(node, None)
            for entry in self.tail:
                entry.held[node] = min(entry.held.get(node, INFINITY), self.sim._now)
            self.in_sync.add(node)
            self._note_size()
            self.look()

        self.sim.call_at(self.sim._now + seconds, TIMER, joined, self.cluster.place)

    def trails(self, node: int) -> None:
        """A follower has not kept up with the leader for too long: it leaves the in-sync set until it has caught up."""
        if node in self.in_sync and node != self.leader and len(self.in_sync) > 1:
            self.ends[node] = self._end_of(node)
            self.in_sync.remove(node)
            self._note_size()
            self.look()
