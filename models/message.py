"""The messages of one topic: their facts in columns, a row for each distinct event, numbered from 0 as they are produced.

An event keeps its number whatever happens to it; copies and retries share it. What a group makes of it is in its `Journey`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np

from models.passage import Passage
from simulator.recorder import BLOCK, view
from simulator.streams import root_identity

NONE = -1
NO_LUCK = NONE, NONE


class Messages:
    """Columns of a topic's distinct events. `passage`: how they came in, where that can take time or go wrong.

    produced: time of production (s). key: number of the key, or NONE. poisoned: the events that no handler can process.
    Only where the events are not just the arrivals of one producer in their order (`single`): root, k: the arrival whose luck
    the event has (root NONE: its own, in `identities`); parent: number of the parent in the parent's topic, or NONE; source:
    place in `sources` of the group that published it; born: production time of the first ancestor (s).
    """

    def __init__(self, topic: str, single: bool) -> None:
        self.topic = topic
        self.single = single
        self.produced = array("d")
        self.key = array("i")
        self.poisoned: set[int] = set()
        self.root = array("h")
        self.k = array("i")
        self.parent = array("i")
        self.source = array("h")
        self.born = array("d")
        self.identities: dict[int, int] = {}
        self.producers: list[str] = []
        self.producer_keys: list[int] = []
        self.sources: list[str] = []
        self.passage: Passage | None = None
        self.capacity = 0
        self.growers: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self.produced)

    def make_room(self) -> None:
        """Extends by a block every column of every group that is indexed by event."""
        self.capacity += BLOCK
        for grower in self.growers:
            grower()

    def add_producer(self, name: str, key: int) -> int:
        """Makes a producer known whose arrivals lend their luck to events here. Returns its place."""
        if name not in self.producers:
            self.producers.append(name)
            self.producer_keys.append(key)
        return self.producers.index(name)

    def add_source(self, group: str) -> int:
        """Makes a group known that publishes here. Returns its place."""
        if group not in self.sources:
            self.sources.append(group)
        return self.sources.index(group)

    def add(self, now: float, key: int, born: float, parent: int, source: int, luck: tuple[int, int] = NO_LUCK) -> int:
        """A new event that is not the next arrival of a single producer, with the root and k of the arrival whose luck it
        has; without them its own is still to be set. Returns its number."""
        event = len(self.produced)
        if event >= self.capacity:
            self.make_room()
        self.produced.append(now)
        self.key.append(key)
        self.born.append(born)
        self.parent.append(parent)
        self.source.append(source)
        self.root.append(luck[0])
        self.k.append(luck[1])
        return event

    def luck_of(self, parents: Messages, parent: int) -> tuple[int, int]:
        """Root (its place here) and k of the arrival whose luck an event of another topic has; NO_LUCK: it has its own."""
        if parents.single:
            root, k = 0, parent
        else:
            root, k = parents.root[parent], parents.k[parent]
            if root == NONE:
                return NO_LUCK
        return self.add_producer(parents.producers[root], parents.producer_keys[root]), k

    def identity(self, event: int) -> int:
        """The 64-bit identity from which the event's luck is drawn."""
        if self.single:
            return root_identity(self.producer_keys[0], event)
        root = self.root[event]
        if root == NONE:
            return self.identities[event]
        return root_identity(self.producer_keys[root], self.k[event])

    def roots(self, root: int) -> np.ndarray | slice:
        """Which events a producer itself has put here, by its place: all, or bool, shape (events,)."""
        if self.single:
            return slice(None)
        return np.asarray((view(self.root) == root) & (view(self.source) == NONE))

    def key_of(self, event: int) -> int:
        """Number of the event's key, or NONE."""
        return self.key[event] if self.key else NONE

    def keys(self) -> np.ndarray:
        """Number of each event's key: shape (events,)."""
        return view(self.key, len(self)) if self.key else np.full(len(self), NONE, dtype=np.int32)

    def available(self) -> np.ndarray:
        """When each event could first be read (s), nan where it never could: shape (events,)."""
        return view(self.produced) if self.passage is None else view(self.passage.available, len(self))

    def acknowledged(self) -> np.ndarray:
        """When its publisher knew of each event (s), nan where it never did: shape (events,)."""
        return view(self.produced) if self.passage is None else view(self.passage.acknowledged, len(self))

    def stored(self) -> np.ndarray:
        """When a copy of each event was first appended (s), nan where none was: shape (events,)."""
        return view(self.produced) if self.passage is None else view(self.passage.stored, len(self))

    def born_at(self, event: int) -> float:
        """When the first ancestor of the event was produced (s)."""
        return self.produced[event] if self.single else self.born[event]
