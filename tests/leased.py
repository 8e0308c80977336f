"""Small systems with leased queues, for schedules worked out by hand, with constant times.

Unless a test says otherwise: messages arrive at 1 s, each takes 2 s, one instance receives one at a time, and a lease is
so long that it does not matter.
"""

from __future__ import annotations

from typing import Any

from played import Played, Tables, fault, together

ONE_KEY = {"dist": "uniform", "count": 1}


def played(
    consumer: Tables, *faults: Tables, events: int = 6, fifo: bool = False, duration: float = 60.0, **more: Any
) -> Played:
    """`fifo`: one group of messages in a FIFO queue."""
    tables: Tables = {
        "run": {"duration": duration},
        "broker": {"profile": "sqs"},
        "topics": {"t": {"fifo": fifo}},
        "producers": {"p": {**together(events), **({"keys": ONE_KEY} if fifo else {})}},
        "consumers": {"c": {"topic": "t", "service": 2.0, "batch": 1, **consumer}},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def deliveries(run: Played, name: str = "c") -> list[int]:
    journey = run.journey(name)
    return list(journey.deliveries[: len(journey.messages)])


def errors(until: float) -> Tables:
    return fault("errors", 0.0, until, rate=1.0)
