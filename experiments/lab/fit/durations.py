"""Measured durations -> the law to write into a scenario."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from experiments.lab.fit.comparing import FEW, Comparison, compare
from experiments.lab.fit.reading import BadDataError
from experiments.lab.fit.sample import Sample


def service(seconds: ArrayLike, key: str = "service", seed: int = 1) -> Comparison:
    """The laws of the format fitted to durations, shape (n,): service times, latencies, times to repair.

    `key`: the field of the scenario that the line to paste is for. The values are taken as independent; times of calls
    that slowed each other down describe that load and no other. Raises BadDataError (a ValueError) for fewer than 10
    values, and for one that is negative or not finite.

        fit.service(frame["milliseconds"] / 1000).line
    """
    values = np.asarray(seconds, dtype=float).ravel()
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if wrong.size:
        raise BadDataError(f"row {wrong[0] + 1} holds {values[wrong[0]]:g}; durations must be finite and not negative")
    if len(values) < FEW:
        raise BadDataError(f"found {len(values)} values; at least {FEW} are needed to tell one law from another")
    return compare(key, Sample(values), f"{key}.csv", seed)
