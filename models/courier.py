"""Carries parcels to the nodes and back: tries, their unknown outcomes, backoff, and the order of a partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from models.cluster import Cluster
from models.ends import BROKER
from models.entry import INFINITY
from models.lanes import Lanes
from models.parcel import DONE, DUE, OUT, RESTING, Parcel
from models.producer import Terms
from models.request import Request
from models.routes import Routes
from models.stored import StoredTopic
from simulator.recorder import Trail
from simulator.simulation import COMPLETION, TIMER, WAIT_END, Simulation

RECONNECT = 1.0
"""How long a client waits before it tries again to connect (s): Kafka's `reconnect.backoff.max.ms`."""


class Customer(Protocol):
    """Whose parcels they are."""

    def resolved(self, parcel: Parcel) -> None:
        """It is stored, as far as anybody asks."""

    def failed(self, parcel: Parcel) -> None:
        """It is not tried again."""

    def parcels_out(self) -> Iterable[Parcel]:
        """Those that are not resolved."""

    def vanished(self, event: int) -> None:
        """What was sent, and nobody would have answered, got lost."""


class Courier:
    """`lanes`: None where order is not kept. `retries`: of each event, when. `frozen`: nothing is heard or sent."""

    def __init__(
        self, sim: Simulation, path: str, name: str, terms: Terms, topic: StoredTopic, cluster: Cluster, customer: Customer,
        place: int,
    ) -> None:  # fmt: skip
        self.sim = sim
        self.path = path
        self.terms = terms
        self.topic = topic
        self.cluster = cluster
        self.customer = customer
        self.place = place
        self.identity = topic.messages.identity
        self.routes = Routes(cluster, path, place)
        ordered = bool(terms.idempotent) or terms.max_in_flight == 1
        self.lanes = Lanes(self._transmit, terms.max_in_flight) if ordered else None
        self.retries = Trail(event="i", time="d")
        self.asks = terms.acks != "none"
        self.frozen = self._reconnects = False
        self._unheard: list[Callable[[], None]] = []
        self._stalled: dict[Parcel, None] = {}
        self._luck = sim.stream(f"{name}/retry")

    def is_blocked(self) -> bool:
        """Whether the broker lets nobody publish but itself."""
        return self.cluster.blocks and self.path != BROKER

    def stalls(self, parcel: Parcel) -> bool:
        """Whether a parcel waits until the broker lets it in, or there is a connection for what nobody will answer."""
        if self.is_blocked():
            self._stalled[parcel] = None
            return True
        if self.asks or self.routes.connects(parcel.number, self.topic.replicas[parcel.number]):
            return False
        self._stalled[parcel] = None
        if not self._reconnects:
            self._reconnects = True
            self.sim.call_at(self.sim.now + RECONNECT, TIMER, self._reconnect, self.place)
        return True

    def _reconnect(self) -> None:
        self._reconnects = False
        self._unblock()

    def _unblock(self) -> None:
        stalled, self._stalled = self._stalled, {}
        self.sim.hold()
        for parcel in stalled:
            self._transmit(parcel)

    def defers(self, happening: Callable[[], None]) -> bool:
        """Whether a process that stands still will meet something only when it goes on."""
        if self.frozen:
            self._unheard.append(happening)
        return self.frozen

    def thaw(self) -> None:
        """It goes on, and first meets what it has missed."""
        self.frozen = False
        unheard, self._unheard = self._unheard, []
        self.sim.hold()
        for happening in unheard:
            happening()

    def look(self) -> None:
        """Nodes or links have changed."""
        self.routes.look()
        if self._stalled and not self.cluster.blocks:
            self._unblock()

    def hang_up_what_broke(self) -> None:
        """Connections to nodes that have gone down now, or that are reset, are over as soon as that is known."""
        now = self.sim.now
        for node in self.cluster.nodes:
            if (node.broke == now and not node.dark) or self.routes.is_reset(node.number):
                if seconds := self.routes.back[node.number].mean:
                    self.sim.call_at(now + seconds, COMPLETION, partial(self._hang_up, node.number, now), self.place)
                else:
                    self._hang_up(node.number, now)

    def send(self, parcel: Parcel) -> None:
        """A parcel goes out as soon as order allows."""
        if self.lanes is None:
            self._transmit(parcel)
        else:
            self.lanes.put(parcel)
            self.go_on(parcel.number)

    def resume(self, parcel: Parcel) -> None:
        """A parcel is out."""
        if self.lanes is not None:
            self.lanes.put(parcel)
        self._watch(parcel)

    def go_on(self, number: int) -> None:
        """Something of that partition has been resolved."""
        if self.lanes is not None:
            self.lanes.advance(number)

    def misses(self, parcel: Parcel) -> bool:
        """Whether a broker that knows the order of an idempotent client sees a gap before a parcel."""
        return self.lanes is not None and bool(self.terms.idempotent) and self.lanes.misses(parcel)

    # -- tries --------------------------------------------------------------------------------------------------------

    def _transmit(self, parcel: Parcel) -> None:
        if parcel.state != DUE or self.stalls(parcel) or self.defers(partial(self._transmit, parcel)):
            return
        now = self.sim.now
        parcel.tries += 1
        parcel.state, parcel.sent = OUT, now
        parcel.begun = min(parcel.begun, now)
        for letter in parcel.letters:
            letter.sends += 1
            self.count(letter.event)
            if letter.sends > 1:
                self.retries.add(letter.event, now)
        node = parcel.node = self.routes.target(parcel.number, self.topic.replicas[parcel.number])
        self._watch(parcel)
        if node is not None:
            self._post(parcel, node)
        if not self.asks:
            self._resolve(parcel)

    def count(self, event: int) -> None:
        """An event is sent, if it is not the broker itself that moves it."""
        if self.path != BROKER:
            self.topic.passage.sends[event] += 1

    def _post(self, parcel: Parcel, node: int) -> None:
        """A request goes to a node; it may be refused at once, or arrive twice."""
        if self.asks and self.routes.is_refused(node):
            self.answered(parcel, parcel.tries, False)
            return
        identity, sends = self.identity(parcel.letters[0].event), parcel.letters[0].sends
        lane, times = None if self.lanes is None else parcel.number, 2 if self.routes.doubles(node, identity, sends) else 1
        for request in [Request(self, parcel, node) for _ in range(times)]:
            arrive = partial(self.cluster.receive, node, len(request.letters), request)
            if not self.routes.send(node, identity, sends, lane, arrive):
                request.lost()

    def _watch(self, parcel: Parcel) -> None:
        """A try is waited for so long."""
        timeout = self.terms.request_timeout
        if timeout is not None and self.asks:
            self.sim.call_at(parcel.sent + timeout, TIMER, partial(self._timed_out, parcel, parcel.tries), self.place)

    def _timed_out(self, parcel: Parcel, turn: int) -> None:
        """A try was not answered in time. If the connection is dead, every other request on it fails with it."""
        waits = parcel.state == OUT and parcel.tries == turn and not self.frozen
        if waits and parcel.node is not None and not self.cluster.is_connected(self.path, parcel.node):
            self._hang_up(parcel.node)
        else:
            self.answered(parcel, turn, False)

    def _hang_up(self, number: int, since: float = INFINITY) -> None:
        """A connection is over: every request on it that was sent until then fails."""
        self.routes.hang_up(number)
        for parcel in self.customer.parcels_out():
            if parcel.node == number and parcel.state == OUT and parcel.sent <= since:
                self.answered(parcel, parcel.tries, False)

    def answered(self, parcel: Parcel, turn: int, stored: bool) -> None:
        """The answer to a try has come, or is not waited for any longer."""
        if parcel.state != OUT or parcel.tries != turn or self.defers(partial(self.answered, parcel, turn, stored)):
            return
        if stored:
            self._resolve(parcel)
        else:
            self.routes.forget(parcel.number)
            self._rest(parcel)

    def _resolve(self, parcel: Parcel) -> None:
        parcel.state = DONE
        self.customer.resolved(parcel)

    def _rest(self, parcel: Parcel) -> None:
        """A try has failed: another one after its backoff, or none."""
        retry, first = self.terms.retry, parcel.letters[0]
        if retry is not None and (retry.max_attempts is None or parcel.tries < retry.max_attempts):
            luck = self._luck.uniform(self.identity(first.event), first.sends)
            seconds, parcel.memory = retry.step(parcel.tries, luck, parcel.memory)
            again = self.sim.now + seconds
            if retry.max_elapsed is None or again - parcel.begun <= retry.max_elapsed:
                parcel.state = RESTING
                if self.lanes is not None:
                    self.lanes.wait(parcel)
                self.sim.call_at(again, WAIT_END, partial(self._rested, parcel), self.place)
                return
        parcel.state = DONE
        self.customer.failed(parcel)

    def _rested(self, parcel: Parcel) -> None:
        if parcel.state == RESTING:
            parcel.state = DUE
            if self.lanes is None:
                self._transmit(parcel)
            else:
                self.go_on(parcel.number)

    def crash(self) -> None:
        """The process is gone."""
        for parcel in self.customer.parcels_out():
            parcel.state = DONE
        self._unheard.clear()
        self._stalled.clear()
        if self.lanes is not None:
            self.lanes.clear()
        self.routes.forget()
