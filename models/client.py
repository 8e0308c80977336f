"""A client that publishes to one topic: requests, their unknown outcomes, retries in order or not, and a bounded buffer.

A request can be lost, refused, or stored with its answer lost or late; the client acts on what it knows. Kafka's producer:
`request.timeout.ms` for a try, `delivery.timeout.ms` for all of them, from the moment the event was accepted; a late answer to
a try that was given up is not heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Protocol

from models.buffer import Buffer
from models.cluster import Cluster
from models.courier import Courier
from models.delay import DelayLine
from models.entry import INFINITY, Entry
from models.parcel import DONE, OUT, Letter, Parcel
from models.producer import Terms
from models.replica import ReplicaSet
from models.request import Request
from models.stored import StoredTopic
from simulator.recorder import NAN
from simulator.simulation import COMPLETION, TIMER, Simulation


class Owner(Protocol):
    """Whose events are published."""

    def acknowledged(self, event: int, time: float) -> None:
        """The event is known to be stored from `time` on; NaN: it is not known any more."""

    def gave_up(self, event: int) -> None:
        """The event is not sent again."""

    def vanished(self, event: int) -> None:
        """The event got lost on its way, which nobody is told."""


class Client:
    """One instance's client. `held`: its letters that are not resolved; `buffer`: the room for them, and who waits for it.

    `clear`: nothing stands between it and any node, so that a request to a steady partition is stored and answered for sure.
    """

    def __init__(
        self, sim: Simulation, path: str, name: str, terms: Terms, topic: StoredTopic, cluster: Cluster, owner: Owner,
        place: int,
    ) -> None:  # fmt: skip
        self.sim = sim
        self.terms = terms
        self.topic = topic
        self.owner = owner
        self.place = place
        self.held: dict[Letter, None] = {}
        self.vanished = owner.vanished
        self.buffer = Buffer(sim, terms, self.held, self._accept, owner.gave_up, place)
        self.courier = Courier(sim, path, name, terms, topic, cluster, self, place)
        self.routes = self.courier.routes
        self.gathering: dict[int, Parcel] = {}
        self.clear = False
        self.patience = min(terms.request_timeout or INFINITY, terms.delivery_timeout or INFINITY)
        self._gathers = terms.linger > 0.0 and terms.batch > 1
        self._sends: dict[int, int] = {}
        self._deadlines: DelayLine[Letter] = DelayLine(sim, self._expire, place)
        self.look()
        cluster.disturbed.append(self.look)
        cluster.links.weather.append(self.look)

    def look(self) -> None:
        """Nodes or links have changed."""
        routes, courier = self.routes, self.courier
        if self.clear:
            routes.learn(self.topic.replicas)
        courier.look()
        held_up = routes.lossy or routes.troubled or self._gathers or courier.frozen or courier.is_blocked()
        self.clear = routes.open and routes.swift and not held_up
        if not routes.open or routes.troubled:
            coming = self.buffer.coming.values()
            for entry in [each for each in coming if each.sender is self and each.commit >= self.sim.now]:
                if not routes.reaches(entry.leader) or routes.back[entry.leader].troubles:
                    self.recall(entry)
        courier.hang_up_what_broke()

    # -- publishing ---------------------------------------------------------------------------------------------------

    def publish(self, event: int, number: int) -> None:
        """An event is to be stored in that partition."""
        replicas, buffer = self.topic.replicas[number], self.buffer
        room = buffer.has_room()
        calm = room and self.clear and replicas.steady and not self.held and not buffer.line
        calm = calm and self.topic.welcomes(replicas, self.terms.acks, number, (event,))
        if calm and not self.topic.is_partly_full((event,)) and self._finds_free(replicas):
            self._publish_calmly(event, replicas)
        elif room and not buffer.line:
            self._accept(event, number)
        else:
            buffer.queue(event, number)

    def _finds_free(self, replicas: ReplicaSet) -> bool:
        """Whether the leader takes an event at once; then it takes this one."""
        leader, cluster = replicas.leader, self.topic.cluster
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
        sends = self._sends.get(event, 0) + 1
        self.courier.count(event)
        if sends > 1:
            self._sends[event] = sends
            self.courier.retries.add(event, now)
        if acks == "none":
            self.owner.acknowledged(event, now)
            return
        assert replicas.leader is not None
        answered = entry.commit if acks == "all" else now
        back = self.routes.back[replicas.leader]
        if not back.instant:
            answered += back.seconds(self.courier.identity(event), sends)
        if answered > now:
            entry.answered = answered
            if answered - now > self.patience:
                self._hear_late(entry)
                return
            entry.sender = self if acks == "all" else None
            self.buffer.expect(entry)
        self.owner.acknowledged(event, answered)

    def _accept(self, event: int, number: int) -> None:
        """The event is in the buffer: its time runs."""
        letter = self._hold(event, self.sim.now, self._sends.pop(event, 0))
        parcel = self.gathering.get(number)
        if parcel is None:
            parcel = self.gathering[number] = Parcel(number, [letter])
            if self._gathers:
                self.sim.call_at(self.sim.now + self.terms.linger, TIMER, partial(self._close, parcel), self.place)
        else:
            parcel.take([letter])
        if not self._gathers or len(parcel.letters) == self.terms.batch:
            self._close(parcel)

    def _hold(self, event: int, since: float, sends: int, entry: Entry | None = None) -> Letter:
        letter = Letter(event, sends, entry)
        self.held[letter] = None
        if self.terms.delivery_timeout is not None:
            self._deadlines.put(since + self.terms.delivery_timeout, letter)
        return letter

    def _close(self, parcel: Parcel) -> None:
        """The batch is full or has lingered."""
        if self.gathering.get(parcel.number) is parcel:
            del self.gathering[parcel.number]
            self.courier.send(parcel)

    # -- ends ---------------------------------------------------------------------------------------------------------

    def parcels_out(self) -> Iterable[Parcel]:
        """As of any customer."""
        return dict.fromkeys(letter.parcel for letter in self.held)

    def resolved(self, parcel: Parcel) -> None:
        """As of any customer."""
        for letter in parcel.letters:
            del self.held[letter]
            self.owner.acknowledged(letter.event, self.sim.now)
        self._go_on(parcel.number)

    def failed(self, parcel: Parcel) -> None:
        """As of any customer."""
        for letter in parcel.letters:
            self._drop(letter)
        self._go_on(parcel.number)

    def _drop(self, letter: Letter) -> None:
        del self.held[letter]
        self._sends[letter.event] = letter.sends
        self.owner.gave_up(letter.event)

    def _go_on(self, number: int) -> None:
        self.courier.go_on(number)
        if not self.courier.frozen:
            self.buffer.serve()

    def _expire(self, letter: Letter) -> None:
        """`delivery_timeout` is over for an event, whatever is under way for it."""
        if letter not in self.held or self.courier.defers(partial(self._expire, letter)):
            return
        parcel = letter.parcel
        parcel.letters.remove(letter)
        self._drop(letter)
        if not parcel.letters:
            parcel.state = DONE
            if self.gathering.get(parcel.number) is parcel:
                del self.gathering[parcel.number]
        self._go_on(parcel.number)

    # -- answers that were expected -----------------------------------------------------------------------------------

    def recall(self, entry: Entry) -> None:
        """As of any sender: an answer may not come when it was expected, or not at all. The request is still out."""
        request = Request(self.courier, self._take_back(entry), entry.leader)
        replicas = self.topic.replicas[entry.number]
        if entry.commit > self.sim.now:
            request.wait_for(replicas)
        elif replicas.leader == entry.leader and self.topic.cluster.answers(entry.leader):
            request.answer(True)

    def _hear_late(self, entry: Entry) -> None:
        """An answer comes at a time at which it is not waited for, or not heard."""
        if self.terms.acks == "all" and entry.commit >= self.sim.now:
            self.recall(entry)
        else:
            parcel = self._take_back(entry)
            self.sim.call_at(entry.answered, COMPLETION, partial(self.courier.answered, parcel, 1, True), self.place)

    def _take_back(self, entry: Entry) -> Parcel:
        """What was acknowledged in advance is out."""
        self.owner.acknowledged(entry.event, NAN)
        self.buffer.coming.pop(entry.event, None)
        entry.sender = None
        parcel = Parcel(entry.number, [self._hold(entry.event, entry.appended, self._sends.pop(entry.event, 1), entry)])
        parcel.tries, parcel.state, parcel.node = 1, OUT, entry.leader
        parcel.begun = parcel.sent = entry.appended
        self.courier.resume(parcel)
        return parcel

    # -- the instance -------------------------------------------------------------------------------------------------

    def is_busy(self) -> bool:
        """Whether an event of it is not decided yet."""
        return bool(self.held or self.buffer.line)

    def crash(self) -> list[int]:
        """The process is gone with all that it held. Returns those events."""
        unheard = self.buffer.unexpected()
        for entry in unheard:
            entry.sender = None
            self._sends.setdefault(entry.event, 1)
            self.owner.acknowledged(entry.event, NAN)
        self.courier.crash()
        for letter in self.held:
            self._sends[letter.event] = letter.sends
        gone = [*(entry.event for entry in unheard), *(letter.event for letter in self.held), *self.buffer.clear_line()]
        self.held.clear()
        self.gathering.clear()
        return gone

    def freeze(self) -> None:
        """The process stands still. What it expected it will hear when it goes on."""
        self.courier.frozen = True
        for entry in self.buffer.unexpected():
            self._hear_late(entry)
        self.look()

    def thaw(self) -> None:
        """It goes on."""
        self.courier.thaw()
        self.look()
        self.buffer.serve()
