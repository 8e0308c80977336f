"""A partition's replicas: what each of them holds, who leads, who is in sync, and what a lost leader takes with it.

Kafka's log: a record is committed, and can be read, when every member of the in-sync set holds it; a lost leader is replaced
by one of that set. RabbitMQ's quorum queue: committed when a majority holds it, replaced by the one of a majority that holds
most. Followers copy in order. While nothing is broken the time of each copy is known when a record is appended, so that
nothing has to happen for it; what a failure does to records on their way is worked out when it strikes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from models.entry import INFINITY, Entry, Store
from models.nodes import Nodes
from models.purgatory import Purgatory
from models.service import Service
from simulator.simulation import TIMER


class ReplicaSet:
    """The replicas of the partition `number`, by numbers of their nodes, the first leader first.

    `leader`: None while there is none. `isolated`: a former leader that does not know that it was replaced. `ends`: how many
    records a replica out of step holds. `tail`: the last records, those that are not committed yet among them. `lag`: of the
    copies, s by event, node and leader.
    """

    def __init__(
        self, cluster: Nodes, topic: str, number: int, nodes: Sequence[int], store: Store, majority: bool,
        lag: Callable[[int, int, int], float],
    ) -> None:  # fmt: skip
        self.cluster = cluster
        self.sim = cluster.sim
        self.number = number
        self.name = f"topics.{topic}[{number}]"
        self.nodes = list(nodes)
        self.store = store
        self.majority = majority
        self.leader: int | None = self.nodes[0]
        self.isolated: int | None = None
        self.in_sync = set(self.nodes)
        self.ends: dict[int, int] = {}
        self.tail: deque[Entry] = deque()
        self.steady = True
        self.electing = False
        self.elections = 0
        self.purgatory = Purgatory(cluster)
        self.trailing: dict[int, float] = {}
        self.service = Service(store, len(self.nodes))
        self._copied = dict.fromkeys(self.nodes, 0.0)
        self._joins: dict[int, int] = {}
        self._joining: set[int] = set()
        self._lag = lag
        self._joining_luck = cluster.sim.stream(f"{self.name}/catch-up")
        self._followers = self.nodes[1:]

    def append(self, event: int, again: bool) -> Entry:
        """The leader stores a record; the followers that are in touch copy it."""
        now, tail, leader = self.sim._now, self.tail, self.leader
        assert leader is not None
        entry = Entry(self.number, leader, event, now, again)
        for node in self._followers:
            entry.held[node] = self._copy_time(node, now, event)
        entry.commit = self._commit_of(entry, tail[-1].commit if tail else 0.0)
        while tail and tail[0].commit <= now:
            tail.popleft()
        tail.append(entry)
        self.store.append(entry)
        return entry

    def _copy_time(self, node: int, now: float, event: int | None = None) -> float:
        """When a follower has what it asks for now, or a record that is appended now."""
        cluster = self.cluster
        if not self._copies(node):
            return INFINITY
        assert self.leader is not None
        held = now if cluster.interval is None else math.ceil(now / cluster.interval) * cluster.interval
        held += cluster.usual_lag(self.leader, node) if event is None else self._lag(event, node, self.leader)
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

    def look(self, struck: bool = False) -> None:
        """Nodes or links have changed: works out anew what is copied and committed from now on.

        What is due at the very instant at which a fault strikes (`struck`) has not happened yet, but for what takes no time.
        """
        cluster = self.cluster
        if self.isolated is not None and (cluster.in_quorum(self.isolated) or not cluster.runs(self.isolated)):
            self.isolated = None
        self.purgatory.refuse()
        if self.leader is None:
            self._elect()
        serving = self.serves()
        self.service.note_leader(serving, self.leader is None or not cluster.lives(self.leader), self.sim._now)
        self._followers = [node for node in self.nodes if node != self.leader]
        surprised = self._recommit(serving, struck)
        self.steady = serving and self.isolated is None and all(map(self._copies, self.in_sync - {self.leader}))
        cluster.watch_followers(self)
        for node in self._followers:
            if self._could_join(node):
                self._catch_up(node)
        for entry in surprised:
            if entry.sender is not None:
                entry.sender.recall(entry)

    def _recommit(self, serving: bool, struck: bool) -> list[Entry]:
        """Returns the entries whose senders do not know when they are committed any more."""
        now, before, changed, surprised = self.sim._now, 0.0, [], []
        for entry in self.tail:
            unsettled = struck and entry.appended < now and not entry.settled
            old, past = entry.commit, math.nextafter(now, -INFINITY) if unsettled else now
            if old > past:
                for node in self._followers:
                    held = entry.held.get(node, INFINITY)
                    if held > past and (held == INFINITY or not self._copies(node)):
                        entry.held[node] = self._copy_time(node, now)
                commit = self._commit_of(entry, before) if self.leader is not None else INFINITY
                entry.commit = max(commit, now)
                changed.append(entry)
                entry.settled = entry.commit == now != old
                if not serving or entry.commit != old:
                    surprised.append(entry)
            before = entry.commit
        self.store.recommit(changed)
        for entry in changed:
            self.purgatory.answer_later(entry)
        return surprised

    def serves(self) -> bool:
        """Whether there is a leader that serves: that of a quorum queue is in touch with a majority, itself included."""
        leader = self.leader
        if leader is None or not self.cluster.answers(leader):
            return False
        others = sum(self.cluster.in_touch(leader, node) for node in self.nodes if node != leader)
        return not self.majority or 2 * (others + 1) > len(self.nodes)

    def loses_unflushed(self, node: int, flushed_until: float) -> None:
        """The machine of a replica loses power: what it stored after its last flush is gone from it."""
        if node in self.nodes:
            end = self._end_of(node)
            while end and self._stored_at(node, end - 1) > flushed_until:
                end -= 1
            self.ends[node] = end

    def _stored_at(self, node: int, place: int) -> float:
        committed = len(self.store) - len(self.tail)
        if place >= committed and node != self.leader:
            return self.tail[place - committed].held.get(node, INFINITY)
        return self.store.appended_at(place) + (self.cluster.mean_lag if node != self.leader else 0.0)

    def fence(self, node: int, planned: bool = False) -> None:
        """The controller has noticed that a node is gone, or was told: it leaves the in-sync set, the last one excepted."""
        if node not in self.nodes:
            return
        if planned and node == self.leader:
            self._hand_over()
        if node not in self.ends:
            self.ends[node] = self._end_of(node)
        if len(self.in_sync) > 1 and node in self.in_sync:
            self.in_sync.remove(node)
            self.service.note_size(len(self.in_sync), self.sim._now)
        if node == self.leader:
            self.isolated = node if self.cluster.runs(node) else None
            self.leader = None
            self._elect(at_once=planned)
        self.look()

    def _hand_over(self) -> None:
        """Before a planned stop the followers get what is on its way to them."""
        for entry in self.tail:
            entry.held |= {node: min(held, self.sim._now) for node, held in entry.held.items() if held < INFINITY}

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
        """A new leader serves after the election, if there is a candidate; else the partition waits for one.

        A queue that lives on one node needs no election: it is there when its node is.
        """
        if self.electing or self.leader is not None or self._candidate() is None:
            return
        self.electing = True
        self.elections += 1
        alone = self.majority and len(self.nodes) == 1
        seconds = 0.0 if at_once or alone else self.cluster.election_seconds(self.name, self.elections)
        if seconds:
            self.sim.call_at(self.sim._now + seconds, TIMER, self._elected, self.cluster.place)
        else:
            self._elected()

    def _candidate(self) -> int | None:
        there = [node for node in self.nodes if self.cluster.in_quorum(node)]
        if not self.majority:
            clean = next((node for node in there if node in self.in_sync), None)
            if clean is not None or not self.cluster.spec.unclean_election:
                return clean
        elif 2 * len(there) <= len(self.nodes):
            return None
        return max(there, key=lambda node: (self._end_of(node), -self.nodes.index(node)), default=None)

    def _elected(self) -> None:
        """The new leader serves; what it does not hold is cut off everywhere."""
        self.electing = False
        leader = self._candidate()
        if leader is None:
            return
        keep = self._end_of(leader)
        self.leader = leader
        self.purgatory.strand(self.tail)
        self.ends.pop(leader, None)
        self._cut_off(keep)
        self.ends = {node: len(self.store) if end >= keep else end for node, end in self.ends.items()}
        if leader not in self.in_sync:
            self.in_sync = {leader}
        self._joining.clear()
        self.service.note_size(len(self.in_sync), self.sim._now)
        self.look()

    def _cut_off(self, keep: int) -> None:
        gone = len(self.store) - keep
        if gone > 0:
            cut = [self.tail.pop() for _ in range(min(gone, len(self.tail)))][::-1]
            for entry in cut:
                entry.alive = False
            self.store.truncate(keep, cut)

    def _could_join(self, node: int) -> bool:
        """Whether a replica out of step can copy what it lacks. It drops what the others do not have."""
        cluster, leader = self.cluster, self.leader
        if leader is None or node not in self.ends or node in self._joining:
            return False
        return cluster.in_quorum(node) and cluster.in_touch(leader, node) and cluster.keeps_up(leader, node)

    def _catch_up(self, node: int) -> None:
        turn = self._joins[node] = self._joins.get(node, 0) + 1
        self._joining.add(node)

        def joined() -> None:
            if self._joins[node] != turn or node not in self._joining:
                return
            self._joining.remove(node)
            if self._could_join(node):
                del self.ends[node]
                self._copied[node] = self.sim._now
                for entry in self.tail:
                    entry.held[node] = min(entry.held.get(node, INFINITY), self.sim._now)
                self.in_sync.add(node)
                self.service.note_size(len(self.in_sync), self.sim._now)
                self.look()

        seconds = self.cluster.catching_up(self._joining_luck, node, turn)
        self.sim.call_at(self.sim._now + seconds, TIMER, joined, self.cluster.place)

    def hurry(self, node: int, seconds: float) -> None:
        """A follower copies faster again: it has what is on its way to it within `seconds`."""
        soon = self._copied[node] = min(self._copied.get(node, 0.0), self.sim._now + seconds)
        for entry in self.tail:
            if entry.held.get(node, INFINITY) < INFINITY:
                entry.held[node] = min(entry.held[node], soon)

    def trails(self, node: int) -> None:
        """A follower has not kept up with the leader for too long: it leaves the in-sync set until it has caught up."""
        if node in self.in_sync and node != self.leader and len(self.in_sync) > 1:
            self.ends[node] = self._end_of(node)
            self.in_sync.remove(node)
            self.service.note_size(len(self.in_sync), self.sim._now)
            self.look()
