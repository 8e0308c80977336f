"""What a client sends: events of one partition together, again and again."""

from __future__ import annotations

from models.entry import INFINITY, Entry

OUT, DUE, RESTING, DONE = range(4)
"""Of a parcel: sent and not answered; to be sent as soon as it may; waiting for its backoff; resolved."""


class Letter:
    """One publishing of an event. `sends`: how often it was sent, in earlier publishings too. `entry`: what the leader last
    made of it."""

    __slots__ = ("entry", "event", "parcel", "sends")

    def __init__(self, event: int, sends: int, entry: Entry | None = None) -> None:
        self.event = event
        self.sends = sends
        self.entry = entry
        self.parcel: Parcel

    def is_stored(self) -> bool:
        """Whether a leader has it."""
        return self.entry is not None and self.entry.alive


class Parcel:
    """Letters to one partition that are sent together. `node`: where to, `sent`: when (s), by the last of its `tries`, the
    first of which was `begun` (s); `memory`: what its next backoff has to know. `place`: where order is kept, with what is
    `before` it."""

    __slots__ = ("before", "begun", "letters", "memory", "node", "number", "place", "sent", "state", "tries")

    def __init__(self, number: int, letters: list[Letter]) -> None:
        self.number = number
        self.letters: list[Letter] = []
        self.take(letters)
        self.node: int | None = None
        self.begun = self.sent = INFINITY
        self.tries = 0
        self.memory = 0.0
        self.state = DUE
        self.before: Parcel | None = None
        self.place = 0

    def take(self, letters: list[Letter]) -> None:
        """These go with it."""
        self.letters += letters
        for letter in letters:
            letter.parcel = self
