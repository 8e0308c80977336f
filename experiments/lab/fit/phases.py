"""A mixture of two exponential phases, fitted by expectation and maximisation (EM; Dempster, Laird, Rubin 1977)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

STARTS = (0.5, 0.9)
"""Shares of the values, the smallest first, that the short phase is given at the start."""

MOST = 4000
"""Values that one fit looks at; of more, sorted, as many runs of neighbours are taken by their means."""

STEPS = 600
GAIN = 1e-9
"""Rise of the mean log-likelihood at which the steps end."""

LEAST_SHARE = 1e-6
LEAST_MEAN = 1e-6
"""Bounds of a phase, in shares of all values and of their mean: at none the likelihood of a phase is unbounded."""


def two_phases(x: Values) -> Values:
    """Means of the short and the long phase (seconds), and the share of the short one, for each row of x (samples, n):
    shape (3, samples, 1). The better of the local maxima that are reached from `STARTS`.
    """
    ordered = _thinned(np.sort(x, axis=-1))
    tries = [_climbed(ordered, share) for share in STARTS]
    likelihoods = np.stack([likelihood for _, likelihood in tries])
    thetas = np.stack([theta for theta, _ in tries])
    best = np.argmax(likelihoods, axis=0)
    theta = np.take_along_axis(thetas, best[None, None], axis=0)[0]
    swapped = np.stack([theta[1], theta[0], 1 - theta[2]])
    return np.where(theta[0] <= theta[1], theta, swapped)


def _thinned(ordered: Values) -> Values:
    n = ordered.shape[1]
    if n <= MOST:
        return ordered
    edges = np.linspace(0, n, MOST + 1).astype(int)
    return np.add.reduceat(ordered, edges[:-1], axis=-1) / np.diff(edges)


def _climbed(ordered: Values, share: float) -> tuple[Values, Values]:
    """Theta (3, samples, 1) and the mean log-likelihood (samples, 1) at the top."""
    cut = min(max(1, round(share * ordered.shape[1])), ordered.shape[1] - 1)
    mean = ordered.mean(axis=-1, keepdims=True)
    short, long = (part.mean(axis=-1, keepdims=True) for part in (ordered[:, :cut], ordered[:, cut:]))
    weight = np.full_like(mean, share)
    before = np.full_like(mean, -np.inf)
    for _ in range(STEPS):
        first = weight / short * np.exp(-ordered / short)
        density = np.maximum(first + (1 - weight) / long * np.exp(-ordered / long), np.finfo(float).tiny)
        now = np.log(density).mean(axis=-1, keepdims=True)
        if (now - before < GAIN).all():
            break
        before = now
        belongs = first / density
        weight = np.clip(belongs.mean(axis=-1, keepdims=True), LEAST_SHARE, 1 - LEAST_SHARE)
        part = (belongs * ordered).mean(axis=-1, keepdims=True)
        short = np.maximum(part / weight, LEAST_MEAN * mean)
        long = np.maximum((mean - part) / (1 - weight), LEAST_MEAN * mean)
    return np.stack([short, long, weight]), now
