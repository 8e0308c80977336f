"""A worker that reads a log: polls, handles record by record, commits by its group's policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.handling import Handling
from models.instance import Memory
from models.journey import CONSUMER
from models.log import Cursor, Partition, Seek
from models.log_life import LogLife
from models.outcome import OK, RETURNED, SUPPRESSED
from models.rules import Rules
from models.settlement import Again, Settlement
from models.uplink import Trip
from models.waiting import Wait
from models.worker import Worker
from simulator.recorder import NAN


class Run:
    """Records that a poll returned from one partition: offsets [offset, end) are not finished. `blocked`: the first
    of them is to be tried again in its place, `at_once` or after a delay."""

    __slots__ = ("at_once", "blocked", "cursor", "end", "offset", "tenancy")

    def __init__(self, cursor: Cursor, offset: int, end: int) -> None:
        self.cursor = cursor
        self.offset = offset
        self.end = end
        self.tenancy = cursor.tenancy
        self.blocked = self.at_once = False

    def is_ours(self) -> bool:
        """Whether the partition has not been given to another since."""
        return self.cursor.tenancy == self.tenancy


class LogWorker(Worker):
    """`runs`: what its last poll returned. `retry_partitions`: the group's own, by topic and number."""

    life: LogLife

    def __init__(
        self,
        life: LogLife,
        rules: Rules,
        settlement: Settlement,
        handlings: Sequence[Handling],
        retry_partitions: Sequence[Sequence[Partition]],
    ) -> None:
        self.settlement = settlement
        self.handlings = handlings
        self.retry_partitions = retry_partitions
        self.runs: list[Run] = []
        self.in_hand: Run | None = None
        self.unpublished: list[tuple[Handling, int]] = []
        super().__init__(life, rules)

    def run(self) -> Wait:
        """Poll, handle, commit; sleep when there is nothing."""
        life, rules, gate = self.life, self.rules, self.life.gate
        while not life.stopping:
            if gate is not None and gate.refuses_intake():
                yield from self.wait_for_intake(gate)
            if not self.poll():
                yield from self._idle()
                continue
            if self.instance.memory is not None:
                self._fill(self.instance.memory)
            if life.trip is not None:
                yield from self._fetch(life.trip)
            if rules.batched:
                yield from self._serve_batch()
            for run in self.runs:
                yield from self._handle_run(run)
                if life.stopping and not rules.finishes_batch:
                    break
            if rules.defer_publishes and not life.heard:
                yield from self.wait_until_heard()
            self.finish_batch()
        yield life.never

    def _fetch(self, trip: Trip) -> Wait:
        """What it has polled is on its way: as long as from the slowest of the nodes that lead what it reads."""
        fetches = []
        for run in self.runs:
            event, journey, led = run.cursor.records[run.offset], run.cursor.journey, run.cursor.partition.led
            leader = led.leader if led is not None and led.leader is not None else run.cursor.partition.number % len(trip.there)
            fetches.append(trip.fetch(leader, journey.messages.identity(event), journey.deliveries[event]))
        yield from self.await_fetches(fetches, trip.varies)

    def _fill(self, memory: Memory) -> None:
        """What it has polled takes room."""
        for run in self.runs:
            for offset in range(run.offset, run.end):
                memory.take(self.life, run.cursor.topic, run.cursor.records[offset])

    def poll(self) -> bool:
        """Takes up to `batch` records, of this worker's share of the partitions. Commits what is due first.

        Its share is that of all workers, and of what is ready now it leaves as much to each one that has nothing in hand.
        """
        life, rules = self.life, self.rules
        ready = life.ready
        now = self.sim._now
        if life.commit_due <= now and life.open:
            life.commit_by_itself(now)
        if not ready or not life.open:
            return False
        room, runs, share = rules.batch, self.runs, life.share
        free = rules.concurrency - life.active
        if free > 1:
            share = min(share, -int(-len(ready) // free))
        while ready and room and len(runs) < share:
            cursor = ready.popleft()
            offset = end = cursor.position
            records, deliveries = cursor.records, cursor.deliveries
            last = min(len(records), offset + room)
            if (times := cursor.times) is None:
                if cursor.guarded and (last := cursor.readable(last, now)) <= cursor.position:
                    cursor.rest()
                    continue
                offset = end = cursor.position
                while end < last:
                    deliveries[records[end]] += 1
                    end += 1
            else:
                while end < last and times[event := records[end]] <= now:
                    deliveries[event] += 1
                    end += 1
            cursor.position = end
            if rules.commit == "before":
                cursor.commit(end, now, surely=True)
            room -= end - offset
            runs.append(Run(cursor, offset, end))
        if not runs:
            return False
        if ready and life.idle:
            life.call_worker()
        life.active += 1
        self.polled_at = now
        rules.polls += 1
        rules.polled += rules.batch - room
        return True

    def _idle(self) -> Wait:
        life, interval = self.life, self.rules.spec.poll_interval
        if interval > 0.0:
            self.rules.empty_polls.add(self.sim._now, 0.0, 1)
            yield from self.sleep(interval)
        else:
            life.idle.append(self)
            yield from self.listen()

    def _serve_batch(self) -> Wait:
        """One service for the whole batch, drawn for its first event; what follows is done event by event at its end."""
        now = self.busy_since = self.sim._now
        for run in self.runs:
            journey = run.cursor.journey
            for event in run.cursor.records[run.offset : run.end]:
                if journey.started[event] != journey.started[event]:
                    journey.started[event] = now
        first = self.runs[0]
        event, handling = first.cursor.records[first.offset], self.handlings[first.cursor.topic]
        yield from self.work(handling.service.at(event, handling.journey.attempts[event] + 1) * self.slowness())
        self.rules.busy += self.sim._now - now
        self.busy_since = NAN

    def _handle_run(self, run: Run) -> Wait:
        """The records of one partition in order, until one must be tried again in its place, or the instance stops."""
        cursor, life, rules = run.cursor, self.life, self.rules
        handling = self.handlings[cursor.topic]
        started, records = cursor.journey.started, cursor.records
        by_record = rules.commit == "record"
        self.in_hand = run
        while run.offset < run.end:
            event = records[run.offset]
            if started[event] != started[event]:
                started[event] = self.sim._now
            self.served = rules.batched
            outcome = yield from self.handle(handling, event)
            if outcome > SUPPRESSED:
                if not life.heard and self.must_tell(run, outcome):
                    yield from self.wait_until_heard()
                if outcome == RETURNED or self.must_wait(run, handling, event, outcome):
                    return
            if rules.defer_publishes and outcome == OK and handling.publications:
                self.unpublished.append((handling, event))
            run.offset += 1
            if by_record and run.is_ours():
                cursor.commit(run.offset, self.sim._now)
            if life.stopping and not rules.finishes_batch:
                return

    def still_wanted(self) -> bool:
        """Whether the partition of the record in hand has not been given to another while it waited, for all that it knows."""
        return self.in_hand is None or self.in_hand.is_ours() or not self.life.linked

    def must_wait(self, run: Run, handling: Handling, event: int, outcome: int) -> bool:
        """A delivery failed. Whether the record must be tried again in its place; else it is finished here."""
        cursor, rules, desk = run.cursor, self.rules, self.settlement
        partition, seeks = cursor.partition, rules.through == "seek"
        failed, waited = self._failures(run)
        retry_partition = self.retry_partitions[cursor.topic][partition.number]
        if rules.gives_up(outcome, failed):
            desk.give_up(handling, event, outcome, retry_partition)
            return False
        seconds, waited = desk.wait(handling, event, outcome, failed, waited)
        if seeks:
            self._block(run, event, failed, seconds, waited)
        else:
            desk.deliver_later(Again(retry_partition, cursor.journey, event, failed, waited), seconds)
        return seeks

    def must_tell(self, run: Run, outcome: int) -> bool:
        """Whether the broker must hear of a delivery that failed: the record goes to another topic."""
        if outcome == RETURNED:
            return False
        if self.rules.gives_up(outcome, self._failures(run)[0]):
            return self.rules.dead_letter is not None
        return self.rules.through != "seek"

    def _failures(self, run: Run) -> tuple[int, float]:
        """How often the record has failed, this time included, and its last delay (s)."""
        cursor, partition = run.cursor, run.cursor.partition
        if self.rules.through == "seek":
            seek = self.life.seeking.get(cursor)
            if seek is not None and seek.offset == run.offset:
                return seek.failed + 1, seek.waited
        elif cursor.retry:
            return partition.failed[run.offset] + 1, partition.waited[run.offset]
        return 1, 0.0

    def _block(self, run: Run, event: int, failed: int, seconds: float, waited: float) -> None:
        """The partition stands still at this record; a former owner has no say in it."""
        run.blocked = True
        if not run.is_ours():
            self._lose(run)
            return
        cursor, now = run.cursor, self.sim.now
        delays = cursor.journey.delays
        cursor.go_back(run.offset)
        cursor.handled = run.offset
        self.life.seeking[cursor] = Seek(run.offset, failed, waited, now + seconds, len(delays))
        run.at_once = seconds == 0.0
        if not run.at_once:
            delays.add(event, now, now + seconds)
            cursor.wait_until(now + seconds)

    def finish_batch(self) -> None:
        """Commits, publishes what waited for the commit, and gives the partitions back to the line."""
        life, now, runs = self.life, self.sim._now, self.runs
        if self.rules.commits_batches:
            self._commit_batch(now)
        for run in runs:
            cursor = run.cursor
            if run.blocked:
                if run.at_once and run.is_ours():
                    life.ready.appendleft(cursor)
                continue
            if run.offset < run.end:
                self._put_back(run)
            if cursor.tenancy == run.tenancy:
                cursor.handled = run.offset
                cursor.rest()
        runs.clear()
        self.polled_at = NAN
        life.active -= 1
        if not life.active:
            life.idle_since = now
            if not life.open:
                life.on_stopped(life)
        if life.on_poll is not None:
            life.answer()

    def _put_back(self, run: Run) -> None:
        """What was not handled is read again by whoever owns the partition; or is lost, if it was committed first."""
        if self.rules.commit == "before":
            self._lose(run)
        elif run.is_ours():
            run.cursor.go_back(run.offset)

    def _commit_batch(self, now: float) -> None:
        """In a transaction the publishes appear with the commit, and not at all if a partition was lost meanwhile."""
        if not self.rules.defer_publishes or all(run.is_ours() for run in self.runs):
            for run in self.runs:
                if run.is_ours():
                    run.cursor.commit(run.offset, now, self.rules.defer_publishes)
            for handling, event in self.unpublished:
                handling.publish(event, now)
        self.unpublished.clear()

    def line_behind(self) -> int:
        """As of any worker: what its life has polled, and what it could."""
        now, life = self.sim._now, self.life
        polled = 0
        for worker in life.workers:
            assert isinstance(worker, LogWorker)
            left = [run.end - run.offset - (run is worker.in_hand) for run in worker.runs if not run.blocked]
            polled += sum(max(0, each) for each in left)
        return polled + sum(cursor.unread(now) for cursor in life.owned)

    def holds(self, topic: int) -> Iterator[int]:
        """As of any worker: what it polled."""
        for run in self.runs:
            if run.cursor.topic == topic:
                yield from run.cursor.records[run.offset : run.end]

    def uncommitted(self, topic: int) -> Iterator[int]:
        """As of any worker."""
        return (event for handling, event in self.unpublished if handling is self.handlings[topic])

    def leave(self, now: float) -> None:
        """The life ends: what was committed before it was handled is lost."""
        super().leave(now)
        for run in self.runs:
            self._lose(run)

    def _lose(self, run: Run) -> None:
        """What this worker drops is gone if it was committed before it was handled; else the partition's owner has it."""
        if self.rules.commit == "before":
            journey = run.cursor.journey
            for event in run.cursor.records[run.offset : run.end]:
                if journey.effect[event] != journey.effect[event]:
                    journey.lose(event, self.sim.now, CONSUMER)
