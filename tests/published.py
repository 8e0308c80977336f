"""A producer and its broker, to be compared with a schedule worked out by hand: constant times, one event a second.

Event k is produced at k + 1 s. Unless a test says otherwise: three nodes with a replica each, a follower has a record 0.5 s
after the leader, a crash is noticed after 2 s, an election takes 1 s; a try is repeated 1 s after the one before it has failed;
the group `c` handles events at once.
"""

from __future__ import annotations

from typing import Any

from played import DIGITS, Happening, Played, Tables, fault

from models.passage import Passage
from models.stored import StoredTopic
from models.verdicts import VERDICTS, verdicts_of

NODE = "broker.nodes[0]"
BROKER: Tables = {
    "profile": "kafka", "nodes": 3, "replication_factor": 3,
    "detection_time": 2.0, "election_time": 1.0, "replication_lag": 0.5, "flush_interval": 0,
}  # fmt: skip
PRODUCER: Tables = {
    "topic": "t", "arrivals": {"process": "constant", "rate": 1.0},
    "acks": "all", "idempotent": False, "max_in_flight": 5, "retry": {"backoff": "fixed", "base": 1.0},
}  # fmt: skip


def down(kind: str, at: float, lasting: float, node: int = 0, **fields: Any) -> Tables:
    """A fault of one node."""
    return fault(kind, at, lasting, f"broker.nodes[{node}]", **fields)


def cut(one: list[str], other: list[str], at: float, lasting: float, **fields: Any) -> Tables:
    """A network partition."""
    return {
        "name": f"{one} from {other} at {at}", "kind": "partition", "between": [one, other], "at": at, "for": lasting, **fields,
    }  # fmt: skip


class Published(Played):
    """What became of the events of the producer `p` in topic `t`."""

    def __init__(
        self, producer: Tables, *faults: Tables, broker: Tables | None = None, duration: float = 20.0,
        consumer: Tables | None = None, **more: Any,
    ) -> None:  # fmt: skip
        tables = {
            "run": {"duration": duration},
            "broker": {**BROKER, **(broker or {})},
            "producers": {"p": {**PRODUCER, **producer}},
            "consumers": {"c": {"topic": "t", **(consumer or {})}},
            "faults": list(faults),
        }
        super().__init__({**tables, **more})

    @property
    def topic(self) -> StoredTopic:
        """Topic t."""
        topic = self.parts.channels["t"]
        assert isinstance(topic, StoredTopic)
        return topic

    @property
    def passage(self) -> Passage:
        """How the events of topic t came in."""
        passage = self.parts.channels["t"].messages.passage
        assert passage is not None
        return passage

    def records(self, partition: int = 0) -> list[int]:
        """Events of the records that are left in a partition, in order."""
        part = self.parts.channels["t"].partitions[partition]
        gone = {offset for start, end in getattr(part, "gaps", ()) for offset in range(start, end)}
        return [event for offset, event in enumerate(part.records) if offset not in gone]

    def acknowledged(self) -> list[Happening]:
        """(time, event) of every acknowledgement, by event; those that are known to come later too."""
        return self._times(self.passage.acknowledged)

    def available(self) -> list[Happening]:
        """(time, event) at which each event could first be read, by event."""
        return self._times(self.passage.available)

    def _times(self, column: Any) -> list[Happening]:
        known = column[: len(self.parts.channels["t"].messages)]
        return [(round(time, DIGITS), event) for event, time in enumerate(known) if time == time]

    def retries(self) -> list[Happening]:
        """(time, event) of each send but an event's first."""
        publisher = self.parts.producers["producers.p"].publisher
        assert publisher is not None
        trails = [instance.way.client.courier.retries for instance in publisher.instances]
        rows = [
            row for trail in trails for row in zip(trail["time"].round(DIGITS).tolist(), trail["event"].tolist(), strict=True)
        ]
        return sorted(rows)

    def believed(self, name: str = "p") -> dict[str, list[int]]:
        """Events by verdict, but for the published ones."""
        found: dict[str, list[int]] = {}
        producer = self.parts.producers[f"producers.{name}"]
        for event, verdict in enumerate(verdicts_of(producer.messages, self.parts.end).tolist()):
            if VERDICTS[verdict] != "published":
                found.setdefault(VERDICTS[verdict], []).append(event)
        return found

    def lost(self) -> list[int]:
        """Events that the broker lost."""
        return sorted({event for _, event in self.trail("losses")})

    def unserved(self, partition: int = 0) -> list[tuple[float, float]]:
        """Spans in which a partition had no leader that served."""
        spans = self.topic.replicas[partition].service.without_leader
        return _rows(spans["start"].round(DIGITS), spans["end"].round(DIGITS))

    def sizes(self, partition: int = 0) -> list[tuple[float, int]]:
        """(time, size) of the in-sync set whenever it changed."""
        found: list[tuple[float, int]] = []
        sizes = self.topic.replicas[partition].service.sizes
        for time, size in _rows(sizes["time"].round(DIGITS), sizes["size"]):
            if not found or found[-1][1] != size:
                found.append((time, size))
        return found


def _rows(first: Any, second: Any) -> list[Any]:
    return list(zip(first.tolist(), second.tolist(), strict=True))
