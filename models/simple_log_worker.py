"""A worker of a group that has nothing but service and failure: the common case, told in one piece for its price."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappush
from typing import Any

from models.log_worker import LogWorker
from models.outcome import TRANSIENT
from models.worker import either
from simulator.recorder import NAN
from simulator.simulation import DELIVERY


class SimpleLogWorker(LogWorker):
    """A `LogWorker` at half the cost, because it is told a million times; a test holds that it gives the same, bit for bit.

    It is not a SimPy process: each event that it waits for sends its story on directly. Draws of first attempts are looked
    up in their columns.
    """

    def begin(self) -> None:
        """The story begins."""
        story = self.tell()
        self.resume: list[Callable[[Any], None]] = [story.send]
        self.sim.call_at(self.sim.now, DELIVERY, lambda: next(story), self.life.place)

    def tell(self) -> Generator[None, object, None]:
        """What `run` tells, in one piece."""
        life, rules, sim, instance = self.life, self.rules, self.sim, self.instance
        alarm, bell, resume = self.alarm, self.bell, self.resume
        queue, eid, order, may_fail = sim._queue, sim._eid, alarm.order, rules.may_fail
        while not life.stopping:
            mark = life.mark
            if not self.poll():
                life.idle.append(self)
                bell.callbacks = resume
                yield
                if life.mark != mark:
                    yield from self._come_back(0.0, 0.0)
                continue
            self.busy_since = sim._now
            for run in self.runs:
                cursor = run.cursor
                records, handling = cursor.records, self.handlings[cursor.topic]
                journey, service, services = handling.journey, *handling.service
                failure, failures = handling.failure
                started, attempts, effect = journey.started, journey.attempts, journey.effect
                for offset in range(run.offset, run.end):
                    event = records[offset]
                    began = sim._now
                    n = attempts[event] = attempts[event] + 1
                    if n == 1:
                        started[event] = began
                    else:
                        journey.retries.add(event, began)
                    try:
                        seconds = services[event] if n == 1 and services is not None else service(event, n)
                    except IndexError:
                        seconds = service(event, n)
                    seconds *= instance.slow
                    mark = life.mark
                    alarm.callbacks = resume
                    heappush(queue, (began + seconds, order, next(eid), alarm))  # type: ignore[misc]
                    yield
                    if life.mark != mark:
                        yield from self._come_back(began, seconds)
                    failed = False
                    if may_fail:
                        try:
                            luck = failures[event] if failures is not None and n == 1 else failure(event, n)
                        except IndexError:
                            luck = failure(event, n)
                        rate = rules.failure_rate
                        failed = luck < (either(rate, instance.failure_rate) if instance.failure_rate else rate)
                    if failed:
                        journey.failures.add(event, sim._now)
                        if self.must_wait(run, handling, event, TRANSIENT):
                            break
                    elif effect[event] != effect[event] and not journey.on_settled:
                        effect[event] = sim._now
                    else:
                        journey.effect_applied(event, sim._now)
                    run.offset = offset + 1
                    if life.stopping and not rules.finishes_batch:
                        break
                if life.stopping and not rules.finishes_batch:
                    break
            rules.busy += sim._now - self.busy_since
            self.busy_since = NAN
            self.finish_batch()
        yield

    def _come_back(self, began: float, work: float) -> Generator[None, object, None]:
        """`_disturbed` for `tell`: gone for ever, or later by as long as the life was frozen."""
        life, sim = self.life, self.sim
        while True:
            if not life.alive:
                yield
            if life.frozen:
                assert life.thawed.callbacks is not None
                life.thawed.callbacks.append(self.resume[0])
                yield
                continue
            due = began + work + life.overlap(began, sim._now) if work else 0.0
            if due <= sim._now:
                return
            self.alarm.at(due).callbacks = self.resume
            yield
