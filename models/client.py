"""A client that publishes to one topic: requests, their unknown outcomes, retries in order or not, and a bounded buffer.

A request can be lost, refused, or stored with its answer lost or late; the client acts on what it knows. Kafka's producer:
`request.timeout.ms` for a try, `delivery.timeout.ms` for all of them, from the moment the event was accepted; a late answer to
a try that was given up is not heard. A client that is idempotent, or has one request in flight, keeps the order of a partition:
what comes later waits while something before it is tried again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Protocol

from models.cluster import Cluster
from models.delay import DelayLine
from models.links import Links, Way
from models.producer import Terms
from models.replica import INFINITY, Entry, ReplicaSet
from models.stored import StoredTopic
from simulator.recorder import NAN, Trail
from simulator.simulation import COMPLETION, DELIVERY, TIMER, WAIT_END, Simulation

OUT, DUE, RESTING = range(3)
"""Of a parcel: sent and not answered; to be sent as soon as it may; waiting for its backoff."""


class Owner(Protocol):
    """Whose events are published."""

    def acknowledged(self, event: int, time: float) -> None:
        """The event is known to be stored from `time` on; NaN: it is not known any more."""

    def gave_up(self, event: int) -> None:
        """The event is not sent again."""


class Parcel:
    """Events of one partition that are sent together. `entries`: what the leader last made of each of them."""

    __slots__ = ("done", "entries", "events", "node", "number", "sent", "state", "tries", "waited")

    def __init__(self, number: int, events: list[int]) -> None:
        self.number = number
        self.events = events
        self.entries: dict[int, Entry] = {}
        self.node: int | None = None
        self.sent = 0.0
        self.tries = 0
        self.waited = 0.0
        self.state = DUE
        self.done = False


class Request:
    """One try of a parcel on its way to a node, and there."""

    def __init__(self, client: Client, parcel: Parcel, node: int) -> None:
        self.client = client
        self.parcel = parcel
        self.turn = parcel.tries
        self.node = node
        self.events = list(parcel.events)
        self.open = 0
        self.taken_by_all = True

    def handle(self) -> None:
        """The node looks whether it leads the partition, and stores what it does not have yet."""
        client, parcel = self.client, self.parcel
        replicas, topic, acks = client.replicas[parcel.number], client.topic, client.terms.acks
        if replicas.isolated == self.node:
            for event in self.events:
                topic.fork(event)
            if acks == "leader":
                self.answer(True)
        elif replicas.leader != self.node:
            self.refused()
        elif not topic.welcomes(replicas, acks, parcel.number, self.events):
            topic.turn_away(self.events, heard=acks != "none")
            self.refused()
        else:
            self.taken_by_all = not topic.is_partly_full(self.events)
            entries = [self._stored(event, replicas) for event in self.events]
            waiting = [entry for entry in entries if entry.commit > client.sim.now] if acks == "all" else []
            self.open = len(waiting)
            for entry in waiting:
                entry.asking.append(self)
                replicas.answer_later(entry)
            if not waiting:
                self.answer(self.taken_by_all)

    def _stored(self, event: int, replicas: ReplicaSet) -> Entry:
        client, entries = self.client, self.parcel.entries
        entry = entries.get(event)
        if entry is None or not entry.alive or not client.terms.idempotent:
            entry = entries[event] = client.topic.append_to(event, replicas)
        return entry

    def committed(self, entry: Entry) -> None:
        """One of the records is: all of them answer the request, or too few hold them (stored, and refused all the same)."""
        self.open -= 1
        if not self.open:
            self.answer(self.taken_by_all and self.client.topic.has_enough(self.client.replicas[self.parcel.number]))

    def refused(self) -> None:
        """The node cannot take it."""
        self.answer(False)

    def answer(self, stored: bool) -> None:
        """What the client will know of it, if the answer arrives."""
        client = self.client
        if client.terms.acks == "none" or not self.events:
            return
        identity = client.identity(self.events[0])
        back = client.way_from(self.node)
        if not client.links.open(client.node_path(self.node), client.path) or back.loses(identity, self.turn):
            return
        tell = partial(client.answered, self.parcel, self.turn, stored)
        seconds = back.seconds(identity, self.turn)
        if seconds:
            client.sim.call_at(client.sim.now + seconds, COMPLETION, tell, client.place)
        else:
            tell()


class Client:
    """One instance's client. `held`: its unresolved events, with the parcel of each; `line`: those for which it has no room.

    `clear`: nothing stands between it and any node, so that a request to a steady partition is stored and answered for sure.
    """

    def __init__(
        self,
        sim: Simulation,
        path: str,
        name: str,
        terms: Terms,
        topic: StoredTopic,
        cluster: Cluster,
        owner: Owner,
        place: int,
    ) -> None:
        self.sim = sim
        self.path = path
        self.terms = terms
        self.topic = topic
        self.replicas = topic.replicas
        self.cluster = cluster
        self.links: Links = cluster.links
        self.owner = owner
        self.place = place
        self.identity = topic.messages.identity
        self.ordered = bool(terms.idempotent) or terms.max_in_flight == 1
        self.room = INFINITY if terms.buffer is None else terms.buffer
        self.held: dict[int, Parcel] = {}
        self.line: deque[tuple[int, int, float]] = deque()
        self.lanes: dict[int, deque[Parcel]] = {}
        self.gathering: dict[int, Parcel] = {}
        self.blocked = Trail(start="d", end="d")
        self.retries = Trail(event="i", time="d")
        self.frozen = False
        self._unheard: list[Callable[[], None]] = []
        self._advancing: set[int] = set()
        self._broken: set[int] = set()
        self._arrival: dict[int, float] = {}
        self._serving = False
        self._answers: list[float] = []
        self._blocked_since = INFINITY
        self._known: dict[int, int | None] = {}
        self._deadlines: DelayLine[int] = DelayLine(sim, self._expire, place)
        self._due: dict[int, float] = {}
        self._luck = sim.stream(f"{name}/retry")
        self._name = name
        self._to: dict[int, Way] = {}
        self._from: dict[int, Way] = {}
        self.clear = self.lossy = False
        self.look()
        cluster.disturbed.append(self.look)

    # -- the network --------------------------------------------------------------------------------------------------

    def node_path(self, node: int) -> str:
        """Path of a node."""
        return self.cluster.nodes[node].path

    def way_to(self, node: int) -> Way:
        """To a node."""
        way = self._to.get(node)
        if way is None:
            way = self._to[node] = self.links.way(self.path, self.node_path(node), self.cluster.spec.publish_latency)
        return way

    def way_from(self, node: int) -> Way:
        """And back."""
        way = self._from.get(node)
        if way is None:
            way = self._from[node] = self.links.way(self.node_path(node), self.path, self.cluster.spec.acknowledge_latency)
        return way

    def look(self) -> None:
        """Nodes or links have changed."""
        nodes = range(len(self.cluster.nodes))
        ways = [way for node in nodes for way in (self.way_to(node), self.way_from(node))]
        gathers = self.terms.linger > 0.0 and self.terms.batch > 1
        reached = all(self.links.both(self.path, self.node_path(node)) for node in nodes)
        swift = all(self.way_to(node).instant for node in nodes)
        self.lossy = any(way.loss for way in ways)
        self.clear = reached and swift and not gathers and not self.frozen and not self.lossy
        if not reached:
            self._recall_unreachable()
        for each in self.cluster.nodes:
            if each.broke == self.sim.now and not each.dark:
                self._hang_up(each.number, each.broke)

    def _recall_unreachable(self) -> None:
        """Answers that were still to come from leaders beyond a cut will not."""
        for replicas in self.replicas:
            leader = replicas.leader
            if leader is not None and not self.links.both(self.path, self.node_path(leader)):
                for entry in replicas.tail:
                    if entry.sender is self and entry.commit > self.sim.now:
                        entry.sender, entry.answered = None, INFINITY
                        self._take_back(entry, replicas)

    # -- publishing ---------------------------------------------------------------------------------------------------

    def publish(self, event: int, number: int) -> None:
        """An event is to be stored in that partition."""
        replicas, sim = self.replicas[number], self.sim
        calm = self.clear and replicas.steady and not self.held and not self.line and self._has_room()
        calm = calm and self.topic.welcomes(replicas, self.terms.acks, number, (event,))
        if calm and not self.topic.is_partly_full((event,)) and self._finds_free(replicas):
            self._publish_calmly(event, replicas)
        elif self._has_room() and not self.line:
            self._accept(event, number)
        elif self.terms.overflow == "drop":
            self.owner.gave_up(event)
        else:
            wait = INFINITY if self.terms.max_block is None else self.terms.max_block
            self.line.append((event, number, sim.now + wait))
            if len(self.line) == 1:
                self._blocked_since = sim.now
                self._watch_line()

    def _finds_free(self, replicas: ReplicaSet) -> bool:
        """Whether the leader takes an event at once; then it takes this one."""
        leader, cluster = replicas.leader, self.cluster
        if cluster.spec.max_publish_rate is None:
            return True
        if leader is None or not cluster.is_free(leader):
            return False
        cluster.take(leader)
        return True

    def _publish_calmly(self, event: int, replicas: ReplicaSet) -> None:
        """Nothing is broken: when the answer comes is known at once, and nothing has to happen for it."""
        entry = self.topic.append_to(event, replicas)
        acks, now = self.terms.acks, self.sim._now
        if acks == "none":
            entry.answered = now
            self.owner.acknowledged(event, now)
            return
        assert replicas.leader is not None
        back = self.way_from(replicas.leader)
        seconds = 0.0 if back.instant else back.seconds(self.identity(event), 1)
        entry.answered = (entry.commit if acks == "all" else now) + seconds
        entry.sender = self if acks == "all" else None
        if entry.answered > now and self.room < INFINITY:
            heappush(self._answers, entry.answered)
        self.owner.acknowledged(event, entry.answered)

    def _has_room(self) -> bool:
        answers, now = self._answers, self.sim._now
        while answers and answers[0] <= now:
            heappop(answers)
        return len(answers) + len(self.held) < self.room

    def _watch_line(self) -> None:
        """Looks at the head of the line when its patience ends, or an answer makes room."""
        if self.line:
            when = min(self.line[0][2], self._answers[0] if self._answers else INFINITY)
            if when < INFINITY:
                self.sim.call_at(when, TIMER, self._serve_line, self.place)

    def _serve_line(self) -> None:
        if self.frozen:
            self._unheard.append(self._serve_line)
            return
        line, now = self.line, self.sim.now
        if not line or self._serving:
            return
        self._serving = True
        while line and (line[0][2] <= now or self._has_room()):
            event, number, due = line.popleft()
            if self._has_room():
                self._accept(event, number)
            elif due <= now:
                self.owner.gave_up(event)
        self._serving = False
        if line:
            self._watch_line()
        else:
            self.blocked.add(self._blocked_since, now)
            self._blocked_since = INFINITY

    def _accept(self, event: int, number: int) -> None:
        """The event is in the buffer: its time runs."""
        terms = self.terms
        if terms.delivery_timeout is not None and terms.acks != "none":
            self._due[event] = self.sim.now + terms.delivery_timeout
            self._deadlines.put(self._due[event], event)
        parcel = self.gathering.get(number)
        if parcel is not None:
            parcel.events.append(event)
        else:
            parcel = Parcel(number, [event])
        self.held[event] = parcel
        if terms.linger > 0.0 and len(parcel.events) < terms.batch:
            if len(parcel.events) == 1:
                self.gathering[number] = parcel
                self.sim.call_at(self.sim.now + terms.linger, TIMER, partial(self._close, parcel), self.place)
        else:
            self._close(parcel)

    def _close(self, parcel: Parcel) -> None:
        """The batch is full or has lingered: it is sent as soon as order allows."""
        if self.gathering.get(parcel.number) is parcel:
            del self.gathering[parcel.number]
        elif parcel.tries or parcel.done or parcel in self.lanes.get(parcel.number, ()):
            return
        if not self.ordered:
            self._transmit(parcel)
            return
        lane = self.lanes.setdefault(parcel.number, deque())
        if lane and not lane[-1].tries:
            lane[-1].events += parcel.events
            for event in parcel.events:
                self.held[event] = lane[-1]
            return
        lane.append(parcel)
        self._advance(parcel.number)

    def _advance(self, number: int) -> None:
        """The first of a lane is sent; what follows only if nothing before it has failed or can get lost."""
        if number in self._advancing:
            return
        self._advancing.add(number)
        lane = self.lanes.get(number, deque())
        while lane:
            if lane[0].done:
                lane.popleft()
            elif lane[0].state == DUE:
                self._transmit(lane[0])
                if self.frozen:
                    break
            else:
                break
        if not lane:
            self._broken.discard(number)
        elif number not in self._broken and not self.lossy and lane[-1].state == DUE and not self.frozen:
            self._transmit(lane[-1])
        self._advancing.discard(number)

    # -- tries --------------------------------------------------------------------------------------------------------

    def _transmit(self, parcel: Parcel) -> None:
        if self.frozen:
            self._unheard.append(partial(self._transmit, parcel))
            return
        if parcel.done or parcel.state == OUT:
            return
        parcel.tries += 1
        parcel.state = OUT
        now, terms = self.sim.now, self.terms
        node = parcel.node = self._target(parcel.number)
        parcel.sent = now
        if parcel.tries > 1:
            for event in parcel.events:
                self.retries.add(event, now)
        if terms.request_timeout is not None and terms.acks != "none":
            late = partial(self._timed_out, parcel, parcel.tries)
            self.sim.call_at(now + terms.request_timeout, TIMER, late, self.place)
        if node is not None:
            self._send(Request(self, parcel, node))
        if terms.acks == "none":
            self._resolve(parcel)

    def _send(self, request: Request) -> None:
        node, identity = request.node, self.identity(request.events[0])
        way = self.way_to(node)
        if not self.links.open(self.path, self.node_path(node)) or way.loses(identity, request.turn):
            return
        arrive = partial(self.cluster.receive, node, len(request.events), request.handle, request.refused)
        arrival = self.sim.now + way.seconds(identity, request.turn)
        if self.ordered:
            arrival = self._arrival[request.parcel.number] = max(arrival, self._arrival.get(request.parcel.number, 0.0))
        if arrival > self.sim.now:
            self.sim.call_at(arrival, DELIVERY, arrive, self.place)
        else:
            arrive()

    def _target(self, number: int) -> int | None:
        """The node to which it sends: as long as nothing fails the one that it knows, then the leader that those nodes know
        which it reaches."""
        replicas = self.replicas[number]
        known = self._known.get(number)
        if known is not None:
            return known
        reached = [node.number for node in self.cluster.nodes if self.links.both(self.path, node.path)]
        informed = [node for node in reached if self.cluster.in_quorum(node)]
        if not informed and replicas.isolated in reached:
            known = replicas.isolated
        elif replicas.leader is not None:
            known = replicas.leader
        else:
            return informed[0] if informed else None
        self._known[number] = known
        return known

    def _timed_out(self, parcel: Parcel, turn: int) -> None:
        """A try was not answered in time. If the connection is dead, every other request on it fails with it."""
        if self.frozen or parcel.done or parcel.state != OUT or parcel.tries != turn:
            self.answered(parcel, turn, False)
            return
        if parcel.node is None or self.cluster.is_connected(self.path, parcel.node):
            self.answered(parcel, turn, False)
        else:
            self._hang_up(parcel.node)

    def _hang_up(self, number: int, since: float = INFINITY) -> None:
        """A connection is over: every request on it that was sent until then fails."""
        for parcel in dict.fromkeys(self.held.values()):
            if parcel.node == number and parcel.state == OUT and parcel.sent <= since:
                self.answered(parcel, parcel.tries, False)

    def answered(self, parcel: Parcel, turn: int, stored: bool) -> None:
        """The answer to a try has come, or is not waited for any longer."""
        if self.frozen:
            self._unheard.append(partial(self.answered, parcel, turn, stored))
            return
        if parcel.done or parcel.state != OUT or parcel.tries != turn:
            return
        if stored:
            self._resolve(parcel)
        else:
            self._known.pop(parcel.number, None)
            self._rest(parcel)

    def _rest(self, parcel: Parcel) -> None:
        """A try has failed: another one after its backoff, or none."""
        retry = self.terms.retry
        if retry is None or (retry.max_attempts is not None and parcel.tries >= retry.max_attempts):
            self._give_up(parcel)
            return
        luck = self._luck.uniform(self.identity(parcel.events[0]), parcel.tries)
        parcel.waited = retry.delay(parcel.tries, luck, parcel.waited)
        parcel.state = RESTING
        self._broken.add(parcel.number)
        self.sim.call_at(self.sim.now + parcel.waited, WAIT_END, partial(self._rested, parcel), self.place)

    def _rested(self, parcel: Parcel) -> None:
        if parcel.done or parcel.state != RESTING:
            return
        parcel.state = DUE
        if self.ordered:
            self._advance(parcel.number)
        else:
            self._transmit(parcel)

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _resolve(self, parcel: Parcel) -> None:
        parcel.done = True
        now = self.sim.now
        for event in parcel.events:
            self._forget(event)
            self.owner.acknowledged(event, now)
        self._go_on(parcel.number)

    def _give_up(self, parcel: Parcel) -> None:
        parcel.done = True
        for event in parcel.events:
            self._forget(event)
            self.owner.gave_up(event)
        self._go_on(parcel.number)

    def _forget(self, event: int) -> None:
        self.held.pop(event, None)
        self._due.pop(event, None)

    def _go_on(self, number: int) -> None:
        if self.ordered:
            self._advance(number)
        if self.line:
            self._serve_line()

    def _expire(self, event: int) -> None:
        """`delivery_timeout` is over for an event, whatever is under way for it."""
        if self.frozen:
            self._unheard.append(partial(self._expire, event))
            return
        parcel, due = self.held.get(event), self._due.get(event)
        if parcel is None or due is None or due > self.sim.now:
            return
        parcel.events.remove(event)
        self._forget(event)
        self.owner.gave_up(event)
        if not parcel.events:
            parcel.done = True
            if self.gathering.get(parcel.number) is parcel:
                del self.gathering[parcel.number]
        self._go_on(parcel.number)

    def recall(self, entry: Entry, replicas: ReplicaSet) -> None:
        """What was answered in advance is not: the request is still out."""
        parcel = self._take_back(entry, replicas)
        if entry.alive and replicas.leader is not None:
            request = Request(self, parcel, replicas.leader)
            request.open = 1
            entry.asking.append(request)

    def _take_back(self, entry: Entry, replicas: ReplicaSet) -> Parcel:
        """A request that was answered in advance is under way again."""
        event, terms, now = entry.event, self.terms, self.sim.now
        self.owner.acknowledged(event, NAN)
        self._answers.clear()
        parcel = Parcel(self.replicas.index(replicas), [event])
        parcel.entries[event] = entry
        parcel.tries, parcel.state, parcel.node, parcel.sent = 1, OUT, replicas.leader, entry.appended
        self.held[event] = parcel
        if self.ordered:
            self.lanes.setdefault(parcel.number, deque()).append(parcel)
        if terms.delivery_timeout is not None:
            self._due[event] = entry.appended + terms.delivery_timeout
            self._deadlines.put(self._due[event], event)
        if terms.request_timeout is not None:
            due = max(now, entry.appended + terms.request_timeout)
            self.sim.call_at(due, TIMER, partial(self._timed_out, parcel, 1), self.place)
        return parcel

    # -- the instance -------------------------------------------------------------------------------------------------

    def crash(self) -> list[int]:
        """The process is gone with all that it held. Returns those events."""
        held = [*self.held, *(event for event, _, _ in self.line)]
        for parcel in self.held.values():
            parcel.done = True
        now = self.sim.now
        for replicas in self.replicas:
            for entry in replicas.tail:
                if entry.sender is self and entry.commit > now:
                    entry.sender, entry.answered = None, now
                    self.owner.acknowledged(entry.event, NAN)
                    held.append(entry.event)
        if self.line:
            self.blocked.add(self._blocked_since, now)
        for holder in (self.held, self.line, self.lanes, self.gathering, self._due, self._answers, self._known, self._unheard):
            holder.clear()
        return held

    def freeze(self) -> None:
        """The process stands still: it hears and sends nothing."""
        self.frozen = True
        self.look()

    def thaw(self) -> None:
        """It goes on, and first meets what it has missed."""
        self.frozen = False
        self.look()
        unheard, self._unheard = self._unheard, []
        for happening in unheard:
            happening()

    def finish(self) -> None:
        """The run is over."""
        if self.line:
            self.blocked.add(self._blocked_since, self.sim.now)
            self._blocked_since = self.sim.now
