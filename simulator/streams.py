"""Named random streams that are functions of (seed, replication, stream, event, n), so that changed systems keep the same luck.

A draw is the hash of what it is for: no generator has a state that one component could advance for another. The hash is the
finaliser of SplitMix64 (Steele, Lea, Flood 2014), applied once to the identity of the event and once to identity, stream and n.
The scalar and the block form compute the same integers, hence the same uniforms.
"""

from __future__ import annotations

import hashlib

import numpy as np

MASK = 0xFFFF_FFFF_FFFF_FFFF
GOLDEN = 0x9E37_79B9_7F4A_7C15
STEP = 0xD1B5_4A32_D192_ED03
TO_UNIT = 2.0**-53
UNIFORM_CEILING = 1.0 - TO_UNIT

_GOLDEN, _STEP = np.uint64(GOLDEN), np.uint64(STEP)
_M1, _M2 = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def mix(x: int) -> int:
    """Finaliser of SplitMix64: a bijection of 64-bit integers in which every input bit moves half of the output bits."""
    x &= MASK
    x = ((x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return x ^ (x >> 31)


def name_key(*parts: object) -> int:
    """A 64-bit key from names and numbers, the same in every process."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def root_identity(producer_key: int, k: int) -> int:
    """Identity of the k-th arrival of a producer."""
    return mix(producer_key + k * GOLDEN)


def child_identity(parent: int, key: int, copy: int) -> int:
    """Identity of a published copy: `key` names the group and the place in its `publishes`."""
    return mix(parent ^ mix(key + copy * GOLDEN))


class Stream:
    """Uniform numbers in [0, 1) for one purpose of one component, e.g. `consumers.payment/service`."""

    def __init__(self, seed: int, replication: int, name: str) -> None:
        self.name = name
        self.key = name_key(seed, replication, name)

    def uniform(self, identity: int, n: int = 0) -> float:
        """The number of the event or component `identity`, its n-th."""
        return (mix((identity ^ self.key) + n * STEP) >> 11) * TO_UNIT

    def block(self, producer_key: int, start: int, count: int, n: int = 0) -> np.ndarray:
        """The numbers of the arrivals start .. start + count - 1 of one producer: shape (count,), as `uniform` gives them."""
        with np.errstate(over="ignore"):
            k = np.arange(start, start + count, dtype=np.uint64)
            identity = mix_block(np.uint64(producer_key) + k * _GOLDEN)
            bits = mix_block((identity ^ np.uint64(self.key)) + np.uint64(n & MASK) * _STEP)
        unit: np.ndarray = (bits >> _S11).astype(np.float64) * TO_UNIT
        return unit


def mix_block(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    mixed: np.ndarray = x ^ (x >> _S31)
    return mixed
