"""A try of a parcel, as a node meets it."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from models.parcel import Letter, Parcel
from models.producer import Terms
from models.replica import ReplicaSet
from models.routes import Routes
from models.stored import StoredTopic
from simulator.simulation import Simulation


class Customer(Protocol):
    """Whose events they are."""

    def vanished(self, event: int) -> None:
        """What was sent, and nobody would have answered, got lost."""


class Sending(Protocol):
    """Who tries to send it."""

    sim: Simulation
    terms: Terms
    topic: StoredTopic
    routes: Routes

    @property
    def customer(self) -> Customer:
        """Whose parcels they are."""

    def identity(self, event: int) -> int:
        """By which the luck of an event is drawn."""

    def misses(self, parcel: Parcel) -> bool:
        """Whether something before a parcel is not stored that should be."""

    def answered(self, parcel: Parcel, turn: int, stored: bool) -> None:
        """The answer to a try has come."""


class Request:
    """One try of a parcel on its way to a node, and there. What is given up meanwhile arrives all the same."""

    def __init__(self, courier: Sending, parcel: Parcel, node: int) -> None:
        self.courier = courier
        self.parcel = parcel
        self.turn = parcel.tries
        self.node = node
        self.letters = list(parcel.letters)
        self.identity = courier.identity(self.letters[0].event)
        self.sends = self.letters[0].sends
        self._uncommitted = 0
        self._taken_by_all = True

    def handle(self) -> None:
        """The node looks whether it leads the partition, and stores what it does not have yet."""
        topic, acks = self.courier.topic, self.courier.terms.acks
        replicas = topic.replicas[self.parcel.number]
        if replicas.isolated == self.node:
            self._fork(replicas)
        elif replicas.leader != self.node or self.courier.misses(self.parcel):
            self.refused()
        elif not topic.welcomes(replicas, acks, self.parcel.number, events := [letter.event for letter in self.letters]):
            topic.turn_away(events, heard=acks != "none")
            self.refused()
        else:
            self._taken_by_all = not topic.is_partly_full(events)
            if len(self.letters) > 1:
                self.courier.sim.hold()
            for letter in self.letters:
                self._store(letter, replicas)
            if acks == "all":
                self.wait_for(replicas)
            else:
                self.answer(self._taken_by_all)

    def _fork(self, replicas: ReplicaSet) -> None:
        """The node does not know that it was replaced. It cannot get other nodes to hold what it stores."""
        all_of_them = self.courier.terms.acks == "all"
        for letter in self.letters:
            self.courier.topic.fork(letter.event, decided=not all_of_them)
        if all_of_them:
            replicas.purgatory.stranded.append(self)
        else:
            self.answer(True)

    def _store(self, letter: Letter, replicas: ReplicaSet) -> None:
        """An idempotent client numbers what it sends, so that what is there already is known again."""
        if not (self.courier.terms.idempotent and letter.is_stored()):
            letter.entry = self.courier.topic.append_to(letter.event, replicas)

    def wait_for(self, replicas: ReplicaSet) -> None:
        """Answers as soon as all of it is committed."""
        now = self.courier.sim.now
        waiting = [entry for letter in self.letters if (entry := letter.entry) is not None and entry.commit > now]
        self._uncommitted = len(waiting)
        for entry in waiting:
            entry.asking.append(self)
            replicas.purgatory.answer_later(entry)
        if not waiting:
            self.answer(self._taken_by_all)

    def committed(self) -> None:
        """One of the records is. The last one answers: stored, and refused all the same if too few hold it."""
        self._uncommitted -= 1
        topic = self.courier.topic
        replicas = topic.replicas[self.parcel.number]
        if not self._uncommitted and replicas.leader == self.node and topic.cluster.answers(self.node):
            self.answer(self._taken_by_all and topic.has_enough(replicas))

    def refused(self) -> None:
        """The node cannot take it. Who waits for no answer sees the connection closed, and looks for the leader anew."""
        if self.courier.terms.acks == "none":
            look_anew = partial(self.courier.routes.forget, self.parcel.number)
            self.courier.routes.send_back(self.node, self.identity, self.sends, look_anew)
            self.lost()
        else:
            self.answer(False)

    def lost(self) -> None:
        """It is not handled by anybody, and this is not told. What nobody asks about is not sent again, and is gone unless the
        request that it is the double of was stored."""
        if self.courier.terms.acks == "none":
            for letter in self.letters:
                if not letter.is_stored():
                    self.courier.customer.vanished(letter.event)

    def answer(self, stored: bool) -> None:
        """What the client will know of it, if the answer arrives."""
        if self.courier.terms.acks != "none":
            tell = partial(self.courier.answered, self.parcel, self.turn, stored)
            self.courier.routes.send_back(self.node, self.identity, self.sends, tell)
