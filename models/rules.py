"""The policies of one group as its workers apply them, and what they add up."""

from __future__ import annotations

from models.consumer import Consumer
from models.outcome import POISON
from models.retry import Redelivery
from simulator.recorder import Trail

INFINITY = float("inf")


class Rules:
    """A group's resolved settings, with the rates that faults change.

    `busy`, `held`: worker-seconds inside attempts, and holding an event without working, of those that have ended.
    `polls`, `polled`: hand-outs of at least one record, and their records; `empty_polls`: of the others the time of
    the first, and how many followed at which period (s).
    """

    def __init__(self, spec: Consumer, may_be_poison: bool, may_fail: bool, may_starve: bool = False) -> None:
        self.spec = spec
        self.retry = spec.retry
        self.redelivery = spec.redelivery or Redelivery()
        self.idempotency = spec.idempotency
        self.dead_letter = spec.dead_letter
        self.timeout = INFINITY if spec.timeout is None else spec.timeout
        self.concurrency = INFINITY if spec.concurrency == "unlimited" else spec.concurrency
        self.batch = spec.batch or 1
        self.batched = spec.service_per == "batch"
        self.commit = spec.commit or "batch"
        self.settles_first = spec.acknowledge == "before" or self.commit == "before"
        self.finishes_batch = self.settles_first or self.batched
        self.commits_batches = self.commit in ("batch", "transaction")
        self.acknowledge_first = spec.acknowledge == "before"
        self.through = self.redelivery.through or "requeue"
        self.max_deliveries = self.redelivery.max_deliveries or 0
        self.knows_poison = spec.permanent != "retry"
        self.defer_publishes = spec.commit == "transaction"
        self.publishes_last = bool(spec.publishes) and not self.defer_publishes and spec.outbox is None
        self.shared_gate = spec.breaker is not None and spec.breaker.scope == "group"
        self.may_be_poison = may_be_poison
        self.may_fail = may_fail
        self.failure_rate = spec.transient_failure
        self.poison_rate = spec.poison
        redrives = spec.dead_letter is not None and spec.dead_letter.redrive_after is not None
        self.uses_retry_topic = self.through == "retry_topic" or redrives
        self.guarded = spec.limits_tries
        self.shed_above = INFINITY if spec.shed_above is None else spec.shed_above
        more = self.guarded or spec.shed_above is not None
        self.plain = not (spec.retry or spec.breaker or spec.idempotency or spec.publishes or more)
        has_more = spec.dependencies or spec.timeout is not None or may_be_poison or spec.poll_interval
        has_more = has_more or may_starve or spec.memory is not None
        self.simple = self.plain and not (has_more or self.batched or self.defer_publishes or self.commit == "record")
        self.busy = self.held = 0.0
        self.polls = self.polled = 0
        self.empty_polls = Trail(time="d", period="d", count="q")

    def gives_up(self, outcome: int, deliveries: int) -> bool:
        """Whether a delivery that failed was the last: poison that is known as such, or the limit reached."""
        if outcome == POISON and self.knows_poison:
            return True
        return 0 < self.max_deliveries <= deliveries
