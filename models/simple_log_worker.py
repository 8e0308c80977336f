"""A worker of a group that has nothing but service and failure: the common case, told in one piece for its price."""

from __future__ import annotations

from heapq import heappush

from models.log_worker import LogWorker
from models.outcome import TRANSIENT
from models.trying import either
from models.waiting import Wait
from simulator.recorder import NAN


class SimpleLogWorker(LogWorker):
    """A `LogWorker` at half the cost, because it is told a million times; a test holds that it gives the same, bit for bit.

    Draws of first attempts are looked up in their columns.
    """

    def run(self) -> Wait:
        """What a `LogWorker` tells, in one piece."""
        life, rules, sim, instance = self.life, self.rules, self.sim, self.instance
        alarm, bell, resume = self.alarm, self.bell, self.resume
        queue, eid, order, may_fail = sim._queue, sim._eid, alarm.order, rules.may_fail
        tools = [(handling, handling.journey, *handling.service, *handling.failure) for handling in self.handlings]
        while not life.stopping:
            mark = life.mark
            if not self.poll():
                life.idle.append(self)
                yield bell.wait()
                if life.mark != mark:
                    yield from self.disturbed()
                continue
            self.busy_since = sim._now
            for run in self.runs:
                cursor = run.cursor
                records = cursor.records
                handling, journey, service, services, failure, failures = tools[cursor.topic]
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
                    yield alarm
                    if life.mark != mark:
                        yield from self.disturbed(began, seconds)
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
                        if not life.heard and self.must_tell(run, TRANSIENT):
                            rules.busy += sim._now - self.busy_since
                            self.busy_since = NAN
                            yield from self.wait_until_heard()
                            self.busy_since = sim._now
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
        yield life.never
