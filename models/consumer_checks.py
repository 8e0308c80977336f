"""What is wrong with a consumer group: references, settings of another delivery model, failures without end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from models.autoscale_checks import autoscale_problems
from models.consumer import Consumer
from models.errors import Problem, joined, nearest, one_of, shown
from models.limits import Prefetch
from models.outline import Outline
from models.pace import FOR_EVER, at_rest, shortest_step
from models.retry import Redelivery

_LOG, _QUEUE, _LEASE = ("log",), ("queue",), ("lease",)
ONLY_WITH: dict[str, Sequence[str]] = {
    "service_per": (*_LOG, *_LEASE),
    "prefetch": _QUEUE,
    "batch": (*_LOG, *_LEASE),
    "visibility_timeout": _LEASE,
    "extend_lease": _LEASE,
    "late_delete": _LEASE,
    "poll_wait": (*_LOG, *_LEASE),
    "poll_interval": (*_LOG, *_LEASE),
    "commit": _LOG,
    "commit_interval": _LOG,
    "acknowledge": (*_QUEUE, *_LEASE),
    "reset": _LOG,
    "session_timeout": _LOG,
    "heartbeat_interval": _LOG,
    "max_poll_interval": _LOG,
    "rebalance": _LOG,
    "rebalance_time": _LOG,
    "static_membership": _LOG,
    "single_active": _QUEUE,
    "heartbeat_timeout": _QUEUE,
    "consumer_timeout": _QUEUE,
}
"""The models of delivery in which a field means something."""

LARGEST_BATCH = 10
"""Messages that one receive of a leased queue brings at most (SQS)."""
BUILT_POLL_WAIT = 0.5
"""Seconds of a long poll of a log, which is never longer than the wait for the next record."""

THROUGH: dict[str, Sequence[str]] = {
    "requeue": _QUEUE,
    "seek": _LOG,
    "lease": _LEASE,
    "retry_topic": (*_LOG, *_QUEUE, *_LEASE),
}
"""The models of delivery in which each way of redelivery exists."""


def consumer_problems(name: str, given: Consumer, whole: Outline, written: Collection[str]) -> Iterator[Problem]:
    """Problems of the group `name`: `given` is what the user wrote, `whole` is resolved, `written` are its topics."""
    consumer = whole.consumers[name]
    path = ("consumers", name)
    yield from _of_topics(path, given, written)
    yield from _of_references(path, given, whole)
    deliveries = {whole.topics[topic].delivery for topic in given.topics}
    if len(deliveries) > 1:
        yield Problem(joined((*path, "topic")), "found topics of different delivery models", "must all be of one")
    for delivery in deliveries if len(deliveries) == 1 else ():
        yield from _of_delivery(path, given, consumer, str(delivery))
    yield from _of_limits(path, given)
    yield from _of_polls(path, given, deliveries)
    yield from _of_session(path, consumer)
    yield from autoscale_problems(path, given, whole)
    yield from _of_dead_letters(path, given)
    yield from _of_idempotency(path, given, whole)
    if given.outbox is not None and not given.publishes:
        yield Problem(joined((*path, "outbox")), "found one", "only with publishes")
    if given.retry and given.retry.scope != "instance" and given.retry.budget is None:
        yield Problem(joined((*path, "retry", "scope")), f"found {shown(given.retry.scope)}", "only with budget")
    yield from _of_hedges(path, given)
    yield from _of_pace(path, consumer, whole)


def _of_topics(path: tuple[str, str], given: Consumer, written: Collection[str]) -> Iterator[Problem]:
    if not given.topics:
        yield Problem(joined((*path, "topic")), "found []", "must be a topic, or a list of topics")
    for topic, times in Counter(given.topics).items():
        if topic not in written and written:
            found = f'found "{topic}", which nobody writes to'
            yield Problem(joined((*path, "topic")), found, one_of(written), nearest(topic, written))
        if times > 1:
            yield Problem(joined((*path, "topic")), f'found "{topic}" {times} times', "must be named once")


def _of_references(path: tuple[str, str], given: Consumer, whole: Outline) -> Iterator[Problem]:
    known = list(whole.dependencies)
    for index, name in enumerate(given.dependencies):
        if name not in known:
            here = joined((*path, "dependencies", index))
            yield Problem(here, f'found "{name}", which is not declared', one_of(known), nearest(name, known))


def _of_delivery(path: tuple[str, str], given: Consumer, consumer: Consumer, delivery: str) -> Iterator[Problem]:
    for field, models in ONLY_WITH.items():
        value = getattr(given, field)
        if delivery not in models and value != type(given).model_fields[field].get_default():
            yield _misplaced((*path, field), value, models, delivery)
    through = consumer.redelivery.through if consumer.redelivery else None
    if through is not None and delivery not in THROUGH[through]:
        yield _misplaced((*path, "redelivery", "through"), through, THROUGH[through], delivery)


def _misplaced(path: tuple[str, ...], value: Any, models: Iterable[str], delivery: str) -> Problem:
    found = f'found {shown(value)}, but its topic has delivery = "{delivery}"'
    return Problem(joined(path), found, f"only with {' or '.join(models)}")


def _of_polls(path: tuple[str, str], given: Consumer, deliveries: Collection[str | None]) -> Iterator[Problem]:
    if "lease" in deliveries and given.batch is not None and given.batch > LARGEST_BATCH:
        yield Problem(joined((*path, "batch")), f"found {given.batch}", f"must be at most {LARGEST_BATCH} in a lease")
    if "log" in deliveries and given.poll_wait not in (None, BUILT_POLL_WAIT):
        found = f"{given.poll_wait:g} s is not supported yet in a log"
        yield Problem(joined((*path, "poll_wait")), found, f"must be {BUILT_POLL_WAIT:g} s")


def _of_session(path: tuple[str, str], consumer: Consumer) -> Iterator[Problem]:
    beat, session = consumer.heartbeat_interval, consumer.session_timeout
    if beat is not None and session is not None and beat >= session:
        allowed = f"must be below session_timeout ({session:g} s)"
        yield Problem(joined((*path, "heartbeat_interval")), f"found {beat:g} s", allowed)


def _of_dead_letters(path: tuple[str, str], given: Consumer) -> Iterator[Problem]:
    letters = given.dead_letter
    if letters is None:
        if given.permanent == "dead_letter":
            yield Problem(joined((*path, "permanent")), 'found "dead_letter"', "only with dead_letter = { topic = ... }")
        return
    if letters.topic in given.topics:
        here = joined((*path, "dead_letter", "topic"))
        yield Problem(here, f'found "{letters.topic}", which the group reads itself', "must be another topic")
    for field in ("redrive_rate", "redrive_times", "redrive_to") if letters.redrive_after is None else ():
        value = getattr(letters, field)
        if value != type(letters).model_fields[field].get_default():
            yield Problem(joined((*path, "dead_letter", field)), f"found {shown(value)}", "only with redrive_after")


def _of_limits(path: tuple[str, str], given: Consumer) -> Iterator[Problem]:
    if isinstance(given.prefetch, Prefetch) and not given.dependencies:
        found = "a table needs the latency of dependencies, and there are none"
        yield Problem(joined((*path, "prefetch")), found, 'must be a whole number or "unlimited"')
    if given.shed_above is not None and given.service_per == "batch":
        found = 'found one with service_per = "batch", where the work is done before an event is looked at'
        yield Problem(joined((*path, "shed_above")), found, 'only with service_per = "event"')


def _of_hedges(path: tuple[str, str], given: Consumer) -> Iterator[Problem]:
    after = given.hedge_after
    if after is not None and not given.dependencies:
        yield Problem(joined((*path, "hedge_after")), "found one", "only with dependencies")
    elif after is not None and given.timeout is not None and after >= given.timeout:
        yield Problem(joined((*path, "hedge_after")), f"found {after:g} s", f"must be below timeout ({given.timeout:g} s)")


def _of_idempotency(path: tuple[str, str], given: Consumer, whole: Outline) -> Iterator[Problem]:
    marks = given.idempotency
    if marks is None:
        return
    if marks.protocol == "claim" and marks.lease is None:
        yield Problem(joined((*path, "idempotency", "lease")), "required, but missing", 'must be given with order = "claim"')
    if marks.protocol != "claim" and marks.lease is not None:
        yield Problem(joined((*path, "idempotency", "lease")), f"found {marks.lease:g} s", 'only with order = "claim"')
    if marks.lease is not None and marks.lease < (least := shortest_step(whole)):
        here = joined((*path, "idempotency", "lease"))
        yield Problem(here, f"found {marks.lease:g} s", f"must be at least {least:g} s in this run")
    if marks.store is None and marks.on_outage != "fail":
        here = joined((*path, "idempotency", "on_outage"))
        yield Problem(here, f'found "{marks.on_outage}"', "only with store: the group's own never fails")
    if marks.store is not None and marks.store not in (known := list(whole.stores)):
        here = joined((*path, "idempotency", "store"))
        yield Problem(here, f'found "{marks.store}", which is not declared', one_of(known), nearest(marks.store, known))


def _of_pace(path: tuple[str, str], consumer: Consumer, whole: Outline) -> Iterator[Problem]:
    """Rounds without end in which the clock would stand still, after attempts that may take no time."""
    redelivery, retry, breaker = consumer.redelivery, consumer.retry, consumer.breaker
    least = shortest_step(whole)
    assert redelivery is not None
    for field in ("poll_wait", "poll_interval", "max_poll_interval", "consumer_timeout", "visibility_timeout"):
        value = getattr(consumer, field)
        if value and value < least:
            yield Problem(joined((*path, field)), f"found {value:g} s", f"must be at least {least:g} s in this run")
    hasty = at_rest(consumer.service, whole) or (consumer.timeout is not None and consumer.timeout < least)
    refused = (breaker is not None and breaker.on_open == "fail") or consumer.limits_tries
    endless = retry is not None and retry.max_attempts > FOR_EVER and retry.delay(FOR_EVER, 0.5) < least
    if endless and (hasty or refused):
        found = "a failed event would be tried for ever at one instant"
        yield Problem(joined((*path, "retry")), found, "must have a delay or fewer max_attempts")
    marks = consumer.idempotency
    barred = marks is not None and marks.store is not None and marks.on_outage == "fail" and not _answers(marks.store, whole)
    if (hasty or refused or barred) and _is_endless(redelivery, least):
        found = "a failed event would come back for ever at one instant"
        yield Problem(joined((*path, "redelivery")), found, "must have a delay or max_deliveries")


def _answers(store: str, whole: Outline) -> bool:
    """Whether a store never refuses at once."""
    return not any(f"stores.{store}" in fault.targets and fault.kind != "slowdown" for fault in whole.faults)


def _is_endless(redelivery: Redelivery, least: float) -> bool:
    """Whether a failed event comes back as good as for ever, in the long run without a delay of `least` seconds."""
    rounds = (redelivery.immediate or 0) + 1
    unlimited = redelivery.max_deliveries == 0 or (redelivery.max_deliveries or 0) > FOR_EVER
    wait = redelivery.wait(FOR_EVER * rounds, 0.5)
    if redelivery.through == "lease" and not wait:
        wait = math.inf  # the lease's own end
    return unlimited and (rounds > FOR_EVER or wait < least)
