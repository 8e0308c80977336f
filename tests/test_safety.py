"""What replication promises, over random schedules of failures: nothing acknowledged is lost, and order is kept where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from brokers import safe_systems
from hypothesis import HealthCheck, assume, given, settings
from played import Played, Tables

from models.errors import BadScenario
from models.message import Messages
from models.stored import StoredTopic

SEARCH: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}


def played(tables: Tables) -> Played:
    try:
        return Played(tables)
    except BadScenario:
        assume(False)
        raise


def records(run: Played) -> list[list[int]]:
    """Events of the records that are left, by partition, in order."""
    topic = run.parts.channels["t"]
    assert isinstance(topic, StoredTopic)
    if topic.delivery != "log":
        return [list(topic.replicas[0].store.events)]  # type: ignore[attr-defined]
    gone = [{offset for start, end in each.gaps for offset in range(start, end)} for each in topic.partitions]
    return [
        [event for offset, event in enumerate(each.records) if offset not in lost]
        for each, lost in zip(topic.partitions, gone, strict=True)
    ]


def check_nothing_acknowledged_is_lost(run: Played) -> None:
    """It is still there, and nobody counts it as lost."""
    messages = run.parts.channels["t"].messages
    assert messages.passage is not None
    known = np.asarray(messages.passage.acknowledged[: len(messages)])
    acknowledged = set(np.flatnonzero(known <= run.parts.end).tolist())
    there = {event for partition in records(run) for event in partition}
    assert acknowledged <= there, f"acknowledged, but gone: {sorted(acknowledged - there)}"
    events = run.result.events
    assert events is not None
    lost = set(events.loc[events["state"] == "lost", "event"])
    assert not lost & acknowledged, f"acknowledged, but lost: {sorted(lost & acknowledged)}"


def check_order(run: Played, tables: Tables) -> None:
    """Of what an instance that keeps the order has published, the first records are in order; one that is idempotent stores
    nothing twice. An outbox publishes again, later, what its client has given up, and so does another session."""
    messages = run.parts.channels["t"].messages
    struck = {str(f.get("target", "")).partition("[")[0] for f in tables["faults"] if f["kind"] in ("crash", "stop")}
    for name, spec in tables["producers"].items():
        ordered = spec["idempotent"] or spec.get("max_in_flight") == 1
        if not ordered or "outbox" in spec or f"producers.{name}" in struck:
            continue
        for instance in range(spec.get("instances", 1)):
            for partition in records(run):
                mine = [event for event in partition if sender_of(messages, name, event, spec) == instance]
                first = list(dict.fromkeys(mine))
                assert first == sorted(first), f"{name}[{instance}]: {first}"
                assert not spec["idempotent"] or len(first) == len(mine), f"{name}[{instance}] doubled"


def sender_of(messages: Messages, name: str, event: int, spec: Tables) -> int | None:
    """Which instance of a producer an event has come from; None: from another."""
    if messages.single:
        return event % int(spec.get("instances", 1))
    if messages.producers[messages.root[event]] != f"producers.{name}":
        return None
    return messages.k[event] % int(spec.get("instances", 1))


@settings(max_examples=70, **SEARCH)
@given(safe_systems())
def test_nothing_acknowledged_is_lost_and_order_is_kept(tables: Tables) -> None:
    run = played(tables)
    check_nothing_acknowledged_is_lost(run)
    check_order(run, tables)
