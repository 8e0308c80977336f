"""The marks and claims that a group has in a store: plain objects that are told the time, which must not go back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import NamedTuple

FREE, SEEN, HELD = range(3)
"""What a request finds: nothing (and perhaps it leaves something), a mark, the live claim of another."""


class Claim(NamedTuple):
    """Whoever is at work on an event: nobody else may be from `made` until just before `until` (s)."""

    owner: int
    made: float
    until: float


class Marks:
    """Marks by key, each of which holds in [t, t + ttl) if it was made at t (s); made again it holds anew.

    Kept in two generations, each open for `ttl`, of which the elder is thrown away whole: never more marks than were made in
    the last 2 ttl, at constant cost for each.
    """

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self.claims: dict[int, Claim] = {}
        self._began = 0.0
        self._young: dict[int, float] = {}
        self._old: dict[int, float] = {}

    def __len__(self) -> int:
        """Marks in memory, those included that no longer hold but are not yet thrown away."""
        return len(self._young) + len(self._old)

    def seen(self, key: int, now: float) -> bool:
        """Whether `key` bears a mark that holds at `now`."""
        made = self._young.get(key)
        if made is None:
            made = self._old.get(key)
        return made is not None and now < made + self.ttl

    def mark(self, key: int, now: float) -> None:
        """Marks `key` from `now` on; it needs no claim any more."""
        if now >= self._began + self.ttl:
            self._old = self._young
            self._young = {}
            self._began = now
        self._young.pop(key, None)
        self._young[key] = now
        if self.claims:
            self.claims.pop(key, None)

    def mark_unless_seen(self, key: int, now: float) -> int:
        """The first comes first: FREE where the mark is made now, SEEN where it was there (Redis: SET NX)."""
        if self.seen(key, now):
            return SEEN
        self.mark(key, now)
        return FREE

    def claim(self, key: int, owner: int, now: float, lease: float) -> int:
        """Claims `key` for `lease` seconds, unless it is marked (SEEN) or another has it (HELD). An owner that has it
        already is told so: FREE."""
        if self.seen(key, now):
            return SEEN
        claim = self.claims.get(key)
        if claim is not None and now < claim.until:
            return FREE if claim.owner == owner else HELD
        self.claims[key] = Claim(owner, now, now + lease)
        return FREE

    def release(self, key: int, owner: int) -> None:
        """Takes back a claim, if it is still its owner's."""
        claim = self.claims.get(key)
        if claim is not None and claim.owner == owner:
            self.forget(key)

    def claimed_until(self, key: int, now: float) -> float:
        """When the claim on `key` ends (s); `now` where there is none."""
        claim = self.claims.get(key)
        return now if claim is None else max(now, claim.until)

    def forget(self, key: int) -> None:
        """The key is gone, whatever it is."""
        self._young.pop(key, None)
        self._old.pop(key, None)
        self.claims.pop(key, None)

    def lose_since(self, time: float) -> int:
        """Marks and claims made after `time` (s) are gone. Returns how many."""
        lost = list(_newest(self._young, time))
        lost += _newest(self._old, time) if len(lost) == len(self._young) else ()
        lost += [key for key, claim in self.claims.items() if claim.made > time]
        for key in lost:
            self.forget(key)
        return len(lost)


def _newest(generation: dict[int, float], time: float) -> Iterable[int]:
    """Keys made after `time`: they are the last ones."""
    return (key for key, _ in takewhile(lambda item: item[1] > time, reversed(generation.items())))


class LimitedMarks(Marks):
    """At most `most` keys, claims included: one at random goes for the next (Redis: `maxmemory-policy allkeys-random`).

    `luck`: a number in [0, 1) for the k-th that goes.
    """

    def __init__(self, ttl: float, most: int, luck: Callable[[int], float]) -> None:
        super().__init__(ttl)
        self.most = most
        self.evicted = 0
        self._luck = luck
        self._expiries: OrderedDict[int, float] = OrderedDict()
        self._keys: list[int] = []
        self._places: dict[int, int] = {}

    def mark(self, key: int, now: float) -> None:
        """As of any marks."""
        self._take_in(key, now, now + self.ttl)
        super().mark(key, now)

    def claim(self, key: int, owner: int, now: float, lease: float) -> int:
        """As of any marks."""
        found = super().claim(key, owner, now, lease)
        if found == FREE:
            self._take_in(key, now, self.claims[key].until)
        return found

    def forget(self, key: int) -> None:
        """As of any marks."""
        super().forget(key)
        place = self._places.pop(key, None)
        if place is not None:
            del self._expiries[key]
            last = self._keys.pop()
            if last != key:
                self._keys[place] = last
                self._places[last] = place

    def _take_in(self, key: int, now: float, until: float) -> None:
        """Makes room for a key: of those that hold no longer, else of any."""
        if key in self._places:
            self._expiries[key] = until
            self._expiries.move_to_end(key)
            return
        while self._expiries and next(iter(self._expiries.values())) <= now:
            self.forget(next(iter(self._expiries)))
        if len(self._keys) >= self.most:
            self.forget(self._keys[int(self._luck(self.evicted) * len(self._keys))])
            self.evicted += 1
        self._expiries[key] = until
        self._places[key] = len(self._keys)
        self._keys.append(key)
