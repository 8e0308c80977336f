"""What a group's idempotency knows of the events of one topic: which request begins a delivery, and which ends it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from models.draws import rare_drawer
from models.idempotency import Idempotency
from models.journey import Journey
from models.mark_store import MarkStore
from models.marks import FREE, SEEN, LimitedMarks, Marks
from simulator.distributions import Constant
from simulator.simulation import Simulation

STEPS = 8
"""Requests of a delivery that draw luck of their own."""
BEFORE, AFTER, COMMIT = 0, 2, 4
"""The first of them: the look-up or claim, and its repetition; the mark or release; the transaction's."""
UNKNOWN = -1
"""The store has not answered, or with an error."""


class Register:
    """The marks of one group in its store, shared by its topics: a key is a number of `topics` and an event's.
    `struck`: faults may do something to the store."""

    def __init__(self, sim: Simulation, group: str, spec: Idempotency, store: MarkStore, topics: int, struck: bool) -> None:
        self.sim = sim
        self.name = f"{group}/idempotency"
        self.spec = spec
        self.store = store
        self.topics = topics
        self.struck = struck
        self.owners = count()
        evicted = sim.stream(f"{self.name}/evicted")
        self.marks = Marks(spec.ttl) if spec.max_keys is None else LimitedMarks(spec.ttl, spec.max_keys, evicted.uniform)
        store.registers.append(self.marks)


class Inbox:
    """The part of a register that is about one topic."""

    def __init__(self, register: Register, topic: int, journey: Journey) -> None:
        spec, sim = register.spec, register.sim
        self.sim = sim
        self.store = register.store
        self.marks = register.marks
        self.owners = register.owners
        self.journey = journey
        self.struck = register.struck
        self.protocol = spec.protocol
        self.lease = spec.lease or 0.0
        self.fails_open = spec.on_outage == "process"
        self.transaction = self.protocol == "transaction"
        self.marks_after = self.protocol in ("do_then_mark", "claim")
        law = spec.latency or (self.store.spec.latency if self.store.spec else Constant(value=0.0))
        self.latency = rare_drawer(sim.stream(register.name), journey.messages, law)
        self._error = rare_drawer(sim.stream(f"{register.name}/error"), journey.messages)
        self._topic, self._topics = topic, register.topics

    def _key(self, event: int) -> int:
        return event * self._topics + self._topic

    def ordinal(self, event: int, step: int) -> int:
        """By which the luck of a request of the latest delivery is drawn."""
        return STEPS * self.journey.deliveries[event] + step

    def carry_out(self, request: Callable[[], int]) -> int:
        """The store does what is asked of it."""
        self.store.operations += 1
        return request()

    def begin(self, event: int, owner: int) -> int:
        """Before the work: a look-up, a mark unless there is one, or a claim. FREE, SEEN or HELD."""
        key, now, marks = self._key(event), self.sim._now, self.marks
        if self.protocol == "mark_then_do":
            return marks.mark_unless_seen(key, now)
        if self.protocol == "claim":
            return marks.claim(key, owner, now, self.lease)
        return SEEN if marks.seen(key, now) else FREE

    def mark(self, event: int) -> int:
        """After the work."""
        self.marks.mark(self._key(event), self.sim._now)
        return FREE

    def release(self, event: int, owner: int) -> int:
        """After work that came to nothing: the claim is taken back."""
        self.marks.release(self._key(event), owner)
        return FREE

    def commit(self, event: int, n: int) -> int:
        """In the transaction with the effect of the n-th attempt: FREE, SEEN, or UNKNOWN where it cannot be."""
        store = self.store
        if store.down or store.silent or self.fails(event, STEPS * n + COMMIT):
            return FREE if self.fails_open else UNKNOWN
        store.operations += 1
        return self.marks.mark_unless_seen(self._key(event), self.sim._now)

    def fails(self, event: int, n: int) -> bool:
        """Whether the n-th request for an event ends with an error."""
        rate = self.store.error_rate
        return rate > 0.0 and self._error(event, n) < rate

    def claimed_until(self, event: int) -> float:
        """When the claim on an event ends (s); now where there is none."""
        return self.marks.claimed_until(self._key(event), self.sim._now)
