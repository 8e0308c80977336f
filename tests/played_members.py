"""A group of a log whose members come and go, with constant times, to be compared with schedules worked out by hand.

All records arrive at 1 s in two partitions, one for each of two instances, that have a worker each; a record takes 1 s, a poll
brings one, which is committed when it is done; sessions last 10 s and are counted from the crash itself, a rebalance takes 1 s.
Undisturbed, each partition has an effect at 2, 3, 4, ... s.
"""

from __future__ import annotations

from typing import Any

from played import Played, Tables, together

PROMPT = 1e-8
"""A heartbeat interval (s) that puts the last heartbeat at the crash, to the digits that are compared."""

ZERO, ONE, TWO = (f"consumers.c[{index}]" for index in range(3))
PROTOCOLS = ("eager", "cooperative", "server")


def played(
    protocol: str, *faults: Tables, events: int = 60, duration: float = 20.25, partitions: int = 2, **group: Any
) -> Played:
    """A run of the group, with what is otherwise than said above."""
    consumer = {
        "topic": "t", "instances": 2, "service": 1.0, "batch": 1, "commit": "record", "rebalance": protocol,
        "session_timeout": 10.0, "heartbeat_interval": PROMPT, "rebalance_time": 1.0, **group,
    }  # fmt: skip
    return Played(
        {
            "run": {"duration": duration},
            "topics": {"t": {"partitions": partitions}},
            "producers": {"p": together(events)},
            "consumers": {"c": consumer},
            "faults": list(faults),
        }
    )


def every_second(first: float, last: float) -> list[float]:
    """Times from the first to the last."""
    return [first + n for n in range(round(last - first) + 1)]
