"""The smallest version of what has a property: parts are left out and made simpler as long as it still has it.

Leaving out is delta debugging (ddmin of Zeller and Hildebrandt, 2002): at its end no single part can be left out. What to
try is asked for in batches, so that the caller may look at several candidates at once, of several searches too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

Part = TypeVar("Part")

Asking = Generator[list[tuple[Part, ...]], list[bool], tuple[Part, ...]]
"""Yields candidates, is sent whether each has the property, and returns what is left."""

Step = Callable[[Part], Sequence[Part]]
"""Simpler versions of a part, the ones to be preferred first; none where it is as simple as can be."""


@dataclass(frozen=True)
class Shrunk(Generic[Part]):
    """What is left. `whole`: no single further step keeps the property; else the search stopped at its bound. `tried`: how
    many candidates were looked at."""

    parts: tuple[Part, ...]
    whole: bool
    tried: int


class Shrinking(Generic[Part]):
    """A search that starts from `parts`, which have the property; `asked` is what it wants to know next, [] at its end.

    `best`: the smallest that is known to have the property. Nothing is asked twice, and at most `most` candidates in all.
    """

    def __init__(self, parts: tuple[Part, ...], steps: Sequence[Step[Part]], most: int) -> None:
        self.best = parts
        self.most = most
        self.asked: list[tuple[Part, ...]] = []
        self._known: dict[tuple[Part, ...], bool] = {parts: True}
        self._asking = _smallest(parts, steps)
        self._stopped = False
        self._wanted = next(self._asking, [])
        self._look()

    @property
    def result(self) -> Shrunk[Part]:
        """What was found, at the end."""
        return Shrunk(self.best, not self._stopped, len(self._known) - 1)

    def tell(self, answers: Sequence[bool]) -> None:
        """Whether each candidate in `asked` has the property."""
        self._known.update(zip(self.asked, answers, strict=True))
        self._look()

    def _look(self) -> None:
        """Go on as far as what is known leads."""
        while self._wanted:
            self.asked = [each for each in dict.fromkeys(self._wanted) if each not in self._known]
            if self.asked:
                self._stopped = len(self._known) - 1 + len(self.asked) > self.most
                self.asked = [] if self._stopped else self.asked
                return
            self.best = next((each for each in self._wanted if self._known[each]), self.best)
            try:
                self._wanted = self._asking.send([self._known[each] for each in self._wanted])
            except StopIteration:
                self._wanted = []
        self.asked = []


def _smallest(parts: tuple[Part, ...], steps: Sequence[Step[Part]]) -> Asking[Part]:
    """Leaving out and each step in turn, until a whole round changes nothing."""
    while True:
        before = parts
        parts = yield from _fewer(parts)
        for step in steps:
            parts = yield from _simpler(parts, step)
        if parts == before:
            return parts


def _fewer(parts: tuple[Part, ...]) -> Asking[Part]:
    """Parts of which none can be left out by itself: pieces alone, then all but a piece, then smaller pieces."""
    pieces = 2
    while len(parts) > 1:
        pieces = min(pieces, len(parts))
        ends = [len(parts) * place // pieces for place in range(pieces + 1)]
        alone = [parts[start:end] for start, end in pairwise(ends)]
        without = [parts[:start] + parts[end:] for start, end in pairwise(ends)] if pieces > 2 else []
        answers = yield alone + without
        if True in answers:
            hit = answers.index(True)
            parts = (alone + without)[hit]
            pieces = 2 if hit < pieces else max(pieces - 1, 2)
        elif pieces == len(parts):
            return parts
        else:
            pieces *= 2
    return parts


def _simpler(parts: tuple[Part, ...], step: Step[Part]) -> Asking[Part]:
    """Each part as simple as the step makes it."""
    for place in range(len(parts)):
        while candidates := [(*parts[:place], each, *parts[place + 1 :]) for each in step(parts[place])]:
            answers = yield candidates
            if True not in answers:
                break
            parts = candidates[answers.index(True)]
    return parts
