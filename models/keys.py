"""Keys: which of a number of keys an event carries, and the partition that a key belongs to."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from simulator.spec import Spec
from simulator.streams import mix, mix_block

MOST_KEYS = 2**31 - 1  # key numbers are kept as 32-bit integers


class UniformKeys(Spec):
    """Keys 0 .. count - 1, all equally likely."""

    dist: Literal["uniform"] = "uniform"
    count: int = Field(strict=True, ge=1, le=MOST_KEYS)

    def number(self, u: float) -> int:
        """Key number at the uniform number `u` in [0, 1)."""
        return int(u * self.count)

    def numbers(self, u: np.ndarray) -> np.ndarray:
        """Key numbers at the uniform numbers `u`: the same shape, int64."""
        return (u * self.count).astype(np.int64)


class ZipfKeys(Spec):
    """Keys 0 .. count - 1, key k with a probability in proportion to 1 / (k + 1)^exponent: key 0 is the hottest."""

    dist: Literal["zipf"] = "zipf"
    count: int = Field(strict=True, ge=1, le=MOST_KEYS)
    exponent: float = Field(strict=True, ge=0)

    def table(self) -> np.ndarray:
        """Probability of a key up to and including each: shape (count,), ends at 1."""
        return _zipf_table(self.count, self.exponent)

    def number(self, u: float) -> int:
        """Key number at the uniform number `u` in [0, 1)."""
        return int(self.table().searchsorted(u, side="right"))

    def numbers(self, u: np.ndarray) -> np.ndarray:
        """Key numbers at the uniform numbers `u`: the same shape, int64."""
        return self.table().searchsorted(u, side="right")


Keys = Annotated[UniformKeys | ZipfKeys, Field(discriminator="dist")]


def partition_of(key: int, partitions: int) -> int:
    """Partition of a key. Kafka hashes with murmur2, which spreads keys as evenly as SplitMix64's finaliser here."""
    return mix(key) % partitions


def partitions_of(keys: np.ndarray, partitions: int) -> np.ndarray:
    """Partitions of many keys, as `partition_of` gives them: the same shape, int64."""
    with np.errstate(over="ignore"):
        return (mix_block(keys.astype(np.uint64)) % np.uint64(partitions)).astype(np.int64)


@lru_cache(maxsize=32)
def _zipf_table(count: int, exponent: float) -> np.ndarray:
    cumulated = np.cumsum(np.arange(1, count + 1, dtype=np.float64) ** -exponent)
    table: np.ndarray = cumulated / cumulated[-1]
    table.setflags(write=False)
    return table
