"""Chance on the message path: the luck of an event's n-th attempt, from block-drawn columns where it is the first.

First attempts are most attempts; their numbers are drawn a block of arrivals at a time and looked up. Later attempts, and
events that no arrival lends its luck, are hashed one by one. Both give the same number for the same (stream, event, n).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from models.message import NONE, Messages
from simulator.distributions import Constant, Distribution
from simulator.recorder import BLOCK
from simulator.streams import Stream

ONCE, FIRST = 0, 1


class Draw(NamedTuple):
    """The luck of events: `at(event, n)` is the number for its n-th attempt, from 1 (n = 0: what is drawn once).

    `column` holds those of first attempts by event, as far as they are drawn; None where they are not kept by event.
    """

    at: Callable[[int, int], float]
    column: array[float] | None = None


def drawer(stream: Stream, messages: Messages, shape: Distribution, usual: int = FIRST) -> Draw:
    """Seconds, or whatever `shape` is a law of; `usual` is the n that is mostly asked for."""
    if isinstance(shape, Constant):
        value = shape.value
        return Draw(lambda event, n: value)
    return _drawer(stream, messages, shape.ppf, shape.ppf_array, usual)


def uniform_drawer(stream: Stream, messages: Messages, usual: int = FIRST) -> Draw:
    """Uniform numbers in [0, 1); `usual` is the n that is mostly asked for."""
    return _drawer(stream, messages, _same, _same_array, usual)


def rare_drawer(stream: Stream, messages: Messages, shape: Distribution | None = None) -> Callable[[int, int], float]:
    """The same without columns, for what few events are asked about: uniform numbers, or seconds drawn from `shape`."""
    identity, uniform = messages.identity, stream.uniform
    if shape is None:
        return lambda event, n: uniform(identity(event), n)
    if isinstance(shape, Constant):
        value = shape.value
        return lambda event, n: value
    ppf = shape.ppf
    return lambda event, n: ppf(uniform(identity(event), n))


def _same(u: float) -> float:
    return u


def _same_array(u: np.ndarray) -> np.ndarray:
    return u


def _drawer(
    stream: Stream,
    messages: Messages,
    ppf: Callable[[float], float],
    ppf_array: Callable[[np.ndarray], np.ndarray],
    usual: int = FIRST,
) -> Draw:
    identity, uniform = messages.identity, stream.uniform
    columns: dict[int, array[float]] = {}

    def extended(root: int, k: int) -> float:
        column = columns.setdefault(root, array("d"))
        while len(column) <= k:
            block = stream.block(messages.producer_keys[root], len(column), BLOCK, usual)
            column.frombytes(np.ascontiguousarray(ppf_array(block), dtype=np.float64).tobytes())
        return column[k]

    if messages.single:
        arrivals = columns.setdefault(0, array("d"))

        def draw_arrival(event: int, n: int) -> float:
            if n == usual:
                try:
                    return arrivals[event]
                except IndexError:
                    return extended(0, event)
            return ppf(uniform(identity(event), n))

        return Draw(draw_arrival, arrivals)

    roots, ks = messages.root, messages.k

    def draw(event: int, n: int) -> float:
        root = roots[event]
        if n == usual and root != NONE:
            try:
                return columns[root][ks[event]]
            except (KeyError, IndexError):
                return extended(root, ks[event])
        return ppf(uniform(identity(event), n))

    return Draw(draw)
