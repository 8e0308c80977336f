"""Laws held against the same times: which is likeliest for its number of parameters, and which can be at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from experiments.lab.fit.laws import LAWS, Law, Values
from experiments.lab.fit.sample import Sample
from experiments.lab.fit.writing import duration, line, rounded
from simulator.distributions import Constant, Distribution

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
REJECTED = 0.01
"""A law with a smaller p-value is taken to be wrong."""

DRAWS = 199
DRAWN = 500
"""Samples that the p-value rests on, and how many times each holds at most."""

FAR = 2.0
"""A distance, times the root of the number of values, that chance exceeds once in 1500 times even for a law that was not
fitted (Kolmogorov 1933): no samples are drawn to find that out."""

FEW = 10
"""With fewer values only the exponential law is fitted: they cannot tell one shape from another."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the format with its 95 % interval; nan where the data do not fix a bound."""

    name: str
    value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Fitted:
    """One law at its likeliest. `ks`: largest distance of its distribution function from the data's; `p_value`: how often
    data drawn from it, and fitted again, are as far away."""

    dist: str
    spec: Distribution
    parameters: tuple[Parameter, ...]
    log_likelihood: float
    aic: float
    ks: float
    p_value: float

    @property
    def rejected(self) -> bool:
        return self.p_value < REJECTED

    @property
    def value(self) -> Any:
        """What stands right of `=` in a scenario, rounded to four digits."""
        return rounded({"value": self.spec.value})["value"] if isinstance(self.spec, Constant) else rounded(_table(self))


def _table(fitted: Fitted) -> dict[str, Any]:
    return fitted.spec.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All laws that can be fitted to the times of `sample`, the smallest AIC first. `key`: the field that they are for.

    `left_out`: law and reason. `file`: the name that the times themselves go by where no law fits; `save` writes it.
    """

    key: str
    sample: Sample
    fits: tuple[Fitted, ...]
    left_out: tuple[tuple[str, str], ...]
    file: str

    @property
    def nothing_fits(self) -> bool:
        """Whether every law is rejected."""
        return all(fit.rejected for fit in self.fits)

    @property
    def best(self) -> Fitted:
        """The law of the smallest AIC among those that are not rejected; of all, where nothing fits."""
        return next((fit for fit in self.fits if not fit.rejected), self.fits[0])

    @property
    def value(self) -> Any:
        """What to paste right of `=`: the best law, or the times themselves where nothing fits."""
        return {"dist": "empirical", "file": self.file, "column": "seconds"} if self.nothing_fits else self.best.value

    @property
    def line(self) -> str:
        """The line to paste into a scenario."""
        return line(self.key, self.value)

    @property
    def closest_line(self) -> str:
        """The line of the best law, even where nothing fits."""
        return line(self.key, self.best.value)

    @property
    def table(self) -> pd.DataFrame:
        """A row per law, best first: dist, aic, delta_aic, ks, p_value, rejected, mean and p50, p99 (seconds), line.

        The last row, `data`, is of the times that were seen whole.
        """
        import pandas as pd

        columns = ["dist", "aic", "delta_aic", "ks", "p_value", "rejected", "mean", "p50", "p99", "line"]
        rows = [self._row(fit) for fit in self.fits]
        p50, p99 = np.quantile(self.sample.whole, [0.5, 0.99], method="inverted_cdf").tolist()
        data = ["data", *[math.nan] * 4, False, float(self.sample.whole.mean()), p50, p99, ""]
        return pd.DataFrame([*rows, data], columns=columns)

    def _row(self, fit: Fitted) -> list[Any]:
        tested = [fit.aic, fit.aic - self.fits[0].aic, fit.ks, fit.p_value, fit.rejected]
        return [fit.dist, *tested, fit.spec.mean, fit.spec.ppf(0.5), fit.spec.ppf(0.99), line(self.key, fit.value)]

    @property
    def parameters(self) -> pd.DataFrame:
        """A row per law and parameter: dist, parameter, value, ci_low, ci_high."""
        import pandas as pd

        rows = [[fit.dist, p.name, p.value, p.ci_low, p.ci_high] for fit in self.fits for p in fit.parameters]
        return pd.DataFrame(rows, columns=["dist", "parameter", "value", "ci_low", "ci_high"])

    def save(self, folder: Path) -> None:
        """Write the tables, and the times under the name that `line` gives them where nothing fits."""
        import pandas as pd

        self.table.to_csv(folder / f"{self.key}-laws.csv", index=False, lineterminator="\n")
        self.parameters.to_csv(folder / f"{self.key}-parameters.csv", index=False, lineterminator="\n")
        pd.DataFrame({"seconds": self.sample.whole}).to_csv(folder / self.file, index=False, lineterminator="\n")

    def _repr_html_(self) -> str:
        from html import escape

        shown = self.table.drop(columns="line").to_html(index=False, float_format="{:.4g}".format, na_rep="")
        return f"{shown}<pre>{escape(self.line)}</pre>"


def compare(key: str, sample: Sample, file: str, seed: int = 1) -> Comparison:
    """Fit every law of the format that can be and compare them by AIC = 2 k - 2 log L (Akaike 1974).

    The Kolmogorov-Smirnov distance has no table of its own once the parameters come from the same data (Lilliefors 1967):
    its p-value is that of a parametric bootstrap (Stute, Manteiga, Quindimil 1993) with chance from `seed`. Its samples
    hold at most 500 times; distances are brought to the size of the data by Stephens' factor (1970).
    """
    if _all_equal(sample.whole) and sample.complete:
        return Comparison(key, sample, (_constant(float(sample.whole.mean())),), (), file)
    fits, left_out = [], []
    for place, law in enumerate(LAWS):
        reason = _unfit(law, sample)
        if not reason:
            try:
                with np.errstate(all="ignore"):  # what leaves the range of floats leaves that of the format
                    fits.append(_fitted(law, sample, np.random.default_rng([seed, place])))
            except _UselessError as useless:
                reason = str(useless)
        if reason:
            left_out.append((law.dist, reason))
    return Comparison(key, sample, tuple(sorted(fits, key=lambda fit: fit.aic)), tuple(left_out), file)


class _UselessError(ValueError):
    """The likeliest law of a family is not one to write into a scenario."""


def _unfit(law: Law, sample: Sample) -> str:
    """Why the law cannot be fitted to the sample; "" where it can."""
    zeros = int((sample.whole == 0).sum())
    if law.needs_above_zero and zeros:
        return f"{zeros:,} of the values {'is' if zeros == 1 else 'are'} 0"
    if law.dist != "exponential" and sample.whole.size < FEW:
        return f"{sample.whole.size} values cannot tell its shape; {FEW} can"
    if law.dist != "exponential" and _all_equal(sample.whole):
        return "all whole times are equal"
    if not law.smooth and not sample.complete:
        return "its ends cannot be told from times that were seen in part"
    return ""


def _all_equal(x: Values) -> bool:
    """Whether a line to paste cannot tell the smallest from the largest."""
    return duration(float(x.min())) == duration(float(x.max()))


def _constant(value: float) -> Fitted:
    parameter = Parameter("value", value, math.nan, math.nan)
    return Fitted("constant", Constant(value=value), (parameter,), math.nan, math.nan, 0.0, 1.0)


def _fitted(law: Law, sample: Sample, chance: np.random.Generator) -> Fitted:
    theta = sample.likeliest(law)
    likelihood = sample.log_likelihood(law, theta)
    if law.dist == "hyperexponential" and likelihood < _exponential_likelihood(sample) + len(theta) - 1:
        raise _UselessError("a second phase makes the data no likelier than one, for two parameters more")
    try:
        spec = law.spec(theta)
    except ValidationError:
        found = ", ".join(f"{name} {value:.3g}" for name, value in zip(law.parameters, theta, strict=True))
        raise _UselessError(f"the likeliest one is outside of the format: {found}") from None
    named = zip(law.parameters, theta, sample.bounds(law, theta, LEVEL), strict=True)
    ks = float(_distances(law, sample.whole[None], np.array(theta))[0])
    return Fitted(
        law.dist, spec, tuple(Parameter(name, value, low, high) for name, value, (low, high) in named),
        likelihood, 2 * len(theta) - 2 * likelihood, ks, _p_value(law, spec, ks, sample.whole.size, chance),
    )  # fmt: skip


def _exponential_likelihood(sample: Sample) -> float:
    law = LAWS[0]
    return sample.log_likelihood(law, sample.likeliest(law))


def _p_value(law: Law, spec: Distribution, ks: float, n: int, chance: np.random.Generator) -> float:
    if ks * _stephens(n) > FAR:
        return 1 / (1 + DRAWS)
    drawn = min(n, DRAWN)
    samples = spec.ppf_array(chance.random((DRAWS, drawn)))
    distances = _distances(law, samples, law.estimate(samples)) * _stephens(drawn)
    return float((1 + (distances >= ks * _stephens(n)).sum()) / (1 + DRAWS))


def _stephens(n: int) -> float:
    return math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)


def _distances(law: Law, x: Values, theta: Values) -> Values:
    """The Kolmogorov-Smirnov distance of each row of x (samples, n) from the law with its theta: shape (samples,)."""
    ordered = np.sort(x, axis=-1)
    below = -np.expm1(law.log_survival(ordered, theta))
    n = x.shape[-1]
    steps = np.arange(n + 1) / n
    return np.asarray(np.maximum(steps[1:] - below, below - steps[:-1]).max(axis=-1))
