"""Changes that stack: each is put on and taken off in any order, and what is left is what the others make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Modified:
    """A value that several changes act on: `set_value` is told the new one after each change."""

    def __init__(self, base: float, combine: Callable[[Iterable[float]], float], set_value: Callable[[float], object]) -> None:
        self.base = base
        self.combine = combine
        self.set_value = set_value
        self.changes: list[float] = []

    def put_on(self, change: float) -> None:
        """Another change begins."""
        self.changes.append(change)
        self.set_value(self.combine([self.base, *self.changes]))

    def take_off(self, change: float) -> None:
        """One of the changes ends; without any, the value is exactly what it was."""
        self.changes.remove(change)
        self.set_value(self.combine([self.base, *self.changes]) if self.changes else self.base)


def any_of(rates: Iterable[float]) -> float:
    """Rate at which at least one of independent causes strikes: 1 - (1-a)(1-b)..."""
    spared = 1.0
    for rate in rates:
        spared *= 1.0 - rate
    return 1.0 - spared
