"""A worker that receives from leased queues: polls, handles message by message, deletes what is done and leaves the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

from models.handling import Handling
from models.journey import CONSUMER
from models.lease import Copy, LeaseQueue
from models.lease_life import LeaseLife
from models.outcome import POISON, RETURNED, SUPPRESSED
from models.pollers import Pollers
from models.rules import Rules
from models.settlement import Again, Settlement
from models.uplink import Trip
from models.waiting import INFINITY, Wait
from models.worker import Worker
from simulator.recorder import NAN
from simulator.simulation import COMPLETION, WAIT_END


class Receipt:
    """A message in hand: which receive of it this is names the lease."""

    __slots__ = ("copy", "queue", "receive")

    def __init__(self, queue: LeaseQueue, copy: Copy) -> None:
        self.queue = queue
        self.copy = copy
        self.receive = copy.receives


class LeaseWorker(Worker):
    """`batch`: what its last receive brought and it has not settled, the one in hand first. `waits_since`: the start of its
    long polls, NaN while it is in none."""

    life: LeaseLife

    def __init__(
        self,
        life: LeaseLife,
        rules: Rules,
        settlement: Settlement,
        handlings: Sequence[Handling],
        queues: Sequence[LeaseQueue],
        pollers: Pollers,
    ) -> None:
        self.settlement = settlement
        self.handlings = handlings
        self.queues = queues
        self.pollers = pollers
        self.batch: deque[Receipt] = deque()
        self.kept: tuple[Receipt, ...] = ()
        self.waits_since = NAN
        self.is_deaf = False
        self._turn = 0
        self._empty = False
        super().__init__(life, rules)

    def run(self) -> Wait:
        """Receive, handle, delete; wait in a long poll when there is nothing."""
        life, rules, gate = self.life, self.rules, self.life.gate
        while not life.stopping:
            if gate is not None and gate.refuses_intake():
                self.pollers.pass_on()
                yield from self.wait_for_intake(gate)
                continue
            if not self._receive():
                yield from self._wait_for_messages()
                continue
            if life.trip is not None:
                yield from self._fetch(life.trip)
            if rules.batched:
                yield from self._serve_batch()
            yield from self._handle_batch()
            life.active -= 1
            if not life.active and not life.open:
                life.on_stopped(life)
        self.pollers.pass_on()
        yield life.never

    # -- polling ------------------------------------------------------------------------------------------------------

    def _receive(self) -> bool:
        """Takes a batch from one of the queues, which have their turns."""
        life, rules, queues = self.life, self.rules, self.queues
        life.looking = False
        if not life.open or life.frozen or not life.linked:
            return False
        for turn in range(self._turn, self._turn + len(queues)):
            queue = queues[turn % len(queues)]
            if copies := queue.receive(rules.batch):
                break
        else:
            return False
        self._turn = turn + 1
        self.batch.extend([Receipt(queue, copy) for copy in copies])
        life.active += 1
        if self.instance.memory is not None:
            for copy in copies:
                self.instance.memory.take(life, queue.topic, copy.event)
        rules.polls += 1
        rules.polled += len(copies)
        if rules.acknowledge_first:
            for receipt in self.batch:
                self._delete(receipt)
        self.pollers.pass_on()
        return True

    def miss_answer(self) -> None:
        """As of any poller: what is handed out comes back when its leases end."""
        self.is_deaf = any(queue.receive(self.rules.batch) for queue in self.queues)

    def _fetch(self, trip: Trip) -> Wait:
        """What it has received is on its way; its leases run already."""
        copy, journey = self.batch[0].copy, self.handlings[self.batch[0].queue.topic].journey
        fetch = trip.fetch(self._node(trip), journey.messages.identity(copy.event), journey.deliveries[copy.event])
        yield from self.await_fetches([fetch], trip.varies)

    def _node(self, trip: Trip) -> int:
        return self.instance.index % len(trip.there)

    def _wait_for_messages(self) -> Wait:
        """Long polls one after the other until something comes, which cost no event; or one, and `poll_interval` after it."""
        rules, interval, now = self.rules, self.rules.spec.poll_interval, self.sim._now
        wait = rules.spec.poll_wait or 0.0
        if not interval or not self.life.open:
            self.waits_since = now
            self.pollers.waiting.append(self)
            yield from self.listen()
            self.note_polls(self.sim._now)
            self.waits_since = NAN
            return
        if wait:
            self.pollers.waiting.append(self)
            poll = self.sim.call_at(now + wait, WAIT_END, self._come_back_empty, self.life.place)
            self._empty = False
            yield from self.listen()
            poll.silence()
            if not self._empty:
                return
        rules.empty_polls.add(self.sim._now, 0.0, 1)
        yield from self.sleep(interval)

    def _come_back_empty(self) -> None:
        if self in self.pollers.waiting:
            self.pollers.waiting.remove(self)
            self._empty = True
            self.bell.ring()

    def note_polls(self, now: float) -> None:
        """As of any poller."""
        wait = self.rules.spec.poll_wait
        if wait and self.waits_since + wait <= now and self.life.linked and not self.life.frozen:
            empty = int((now - self.waits_since) // wait)
            self.rules.empty_polls.add(self.waits_since + wait, wait, empty)
            self.waits_since += empty * wait

    def poll_again(self) -> None:
        """As of any poller."""
        if self.waits_since == self.waits_since:
            self.waits_since = self.sim.now
        if self.kept:
            self._keep(self.kept)

    # -- leases -------------------------------------------------------------------------------------------------------

    def _keep(self, receipts: tuple[Receipt, ...]) -> None:
        """Extends the leases of what it works on, if that is its way."""
        if self.rules.spec.extend_lease:
            self.kept = receipts
            for receipt in receipts if self.life.heard else ():
                receipt.queue.keep(receipt.copy, receipt.receive)

    def hold_still(self) -> None:
        """As of any poller."""
        for receipt in self.kept:
            receipt.queue.let_go(receipt.copy, receipt.receive)

    # -- handling -----------------------------------------------------------------------------------------------------

    def _serve_batch(self) -> Wait:
        """One service for the whole batch, drawn for its first event; what follows is done event by event at its end."""
        now = self.busy_since = self.sim._now
        first = self.batch[0]
        handling = self.handlings[first.queue.topic]
        started = handling.journey.started
        for receipt in self.batch:
            if started[receipt.copy.event] != started[receipt.copy.event]:
                started[receipt.copy.event] = now
        self._keep(tuple(self.batch))
        event = first.copy.event
        yield from self.work(handling.service.at(event, handling.journey.attempts[event] + 1) * self.slowness())
        self.hold_still()
        self.rules.busy += self.sim._now - now
        self.busy_since = NAN

    def _handle_batch(self) -> Wait:
        """Message by message; a group of a FIFO queue goes no further than its first message that is left to its lease."""
        life, rules, batch = self.life, self.rules, self.batch
        left: set[int | None] = set()
        while batch:
            receipt = batch[0]
            queue, copy = receipt.queue, receipt.copy
            group = queue.line.group_of(copy)
            if group is None or group not in left:
                handling = self.handlings[queue.topic]
                started = handling.journey.started
                if started[copy.event] != started[copy.event]:
                    started[copy.event] = self.sim._now
                self.served = rules.batched
                self._keep((receipt,))
                outcome = yield from self.handle(handling, copy.event)
                if outcome > SUPPRESSED and rules.acknowledge_first and outcome != RETURNED and not life.heard:
                    yield from self.wait_until_heard()
                self.hold_still()
                self.kept = ()
                if self._settle(receipt, handling, outcome):
                    left.add(group)
            batch.popleft()
            if life.stopping and not rules.finishes_batch:
                batch.clear()

    def _settle(self, receipt: Receipt, handling: Handling, outcome: int) -> bool:
        """Deletes what is done. Whether the message is left to its lease."""
        if outcome <= SUPPRESSED:
            life = self.life
            if life.heard and life.trip is None:
                receipt.queue.delete(receipt.copy, receipt.receive)
            else:
                self._delete(receipt)
            return False
        if outcome == RETURNED:
            if self.rules.acknowledge_first:
                handling.journey.lose(receipt.copy.event, self.sim.now, CONSUMER)
            return not self.rules.acknowledge_first
        return self._failed(receipt, handling, outcome)

    def _delete(self, receipt: Receipt) -> bool:
        """Whether it is gone, or perhaps will be when that is heard. What is not heard is not said again."""
        life, queue, copy = self.life, receipt.queue, receipt.copy
        if not life.heard:
            return False
        seconds = 0.0
        if (trip := life.trip) is not None:
            identity = self.handlings[queue.topic].journey.messages.identity(copy.event)
            seconds = trip.word(self._node(trip), identity, receipt.receive)
        if seconds == 0.0:
            return queue.delete(copy, receipt.receive)
        if seconds == INFINITY:
            return False
        arrive = partial(queue.delete, copy, receipt.receive)
        self.sim.call_at(self.sim._now + seconds, COMPLETION, arrive, life.place)
        return not copy.gone

    def _failed(self, receipt: Receipt, handling: Handling, outcome: int) -> bool:
        """Left to its lease, perhaps with another end; sent again; or given up. Whether it is left: so are those that another
        has in hand by now, where a late deletion fails."""
        rules, desk, queue, copy = self.rules, self.settlement, receipt.queue, receipt.copy
        event, receive = copy.event, receipt.receive
        leaves = rules.through == "lease"
        if leaves and not rules.acknowledge_first and not (outcome == POISON and rules.knows_poison):
            seconds, waited = desk.wait(handling, event, outcome, receive, copy.waited)
            if seconds or rules.redelivery.is_immediate(receive):
                self._come_back_after(receipt, handling, seconds, waited)
            return True
        if not (rules.acknowledge_first or self._delete(receipt)):
            return not copy.gone
        if leaves or rules.gives_up(outcome, receive):
            desk.give_up(handling, event, outcome, queue)
        else:
            seconds, waited = desk.wait(handling, event, outcome, receive, copy.waited)
            desk.deliver_later(Again(queue, handling.journey, event, receive, waited), seconds)
        return False

    def _come_back_after(self, receipt: Receipt, handling: Handling, seconds: float, waited: float) -> None:
        """Changes the visibility, which is no use once the lease is over."""
        now, copy = self.sim._now, receipt.copy
        if not self.life.heard:
            return
        if receipt.queue.change_visibility(copy, receipt.receive, seconds) and seconds:
            copy.waited = waited
            handling.journey.delays.add(copy.event, now, now + seconds)

    def line_behind(self) -> int:
        """As of any worker: what is visible, and what its life has received."""
        received = sum(
            len(worker.batch) - 1 for worker in self.life.workers if isinstance(worker, LeaseWorker) and worker.batch
        )
        return received + sum(queue.visible() for queue in self.queues)

    def holds(self, topic: int) -> Iterator[int]:
        """As of any worker: its batch."""
        return (receipt.copy.event for receipt in self.batch if receipt.queue.topic == topic)

    def leave(self, now: float) -> None:
        """The life ends: what was deleted before it was handled is lost."""
        super().leave(now)
        self.hold_still()
        if self.rules.acknowledge_first:
            for receipt in self.batch:
                journey = self.handlings[receipt.queue.topic].journey
                if journey.effect[receipt.copy.event] != journey.effect[receipt.copy.event]:
                    journey.lose(receipt.copy.event, now, CONSUMER)
