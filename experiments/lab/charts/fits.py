"""Charts of what was fitted to measured data: quantiles against quantiles, and arrivals, work done and lag over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy import special

from experiments.lab.charts.page import HEAD_WIDTH, WIDTH, head, small_print
from experiments.lab.charts.style import (
    BLACK,
    BLUE,
    GREEN,
    VERMILLION,
    Line,
    Scale,
    plain_numbers,
    styled,
    time_axis,
    time_scale,
    wrapped,
)
from experiments.lab.fit import Comparison, Fitted, Incidents, Lag
from simulator.units import format_duration, format_number, format_share

Values = npt.NDArray[np.float64]

LAWS_SHOWN = 3
POINTS = 50
TAIL = 8
"""The largest values, which all are drawn."""

ALIKE = 2.0
"""Difference of AIC up to which the data hardly tell two laws apart (Burnham, Anderson 2002)."""

WIDE = 30.0
"""Ratio of the largest to the smallest quantile from which on the axes are logarithmic."""

LEVEL = 0.95


class _Dots(NamedTuple):
    line: Line
    marker: str
    filled: bool


_DOTS = (_Dots(BLUE, "o", True), _Dots(VERMILLION, "^", False), _Dots(GREEN, "s", False))


def quantiles(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Quantiles of the data against those of the best three laws: a law that is right lies on the diagonal.

    The band is where 95 % of each quantile of so many values would lie if the best law were the true one.
    """
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 6.5), layout="constrained").add_subplot()
        data = np.sort(comparison.sample.whole)
        ranks = _ranks(len(data))
        scale = _small_scale(float(data[-1]))
        laws = sorted(comparison.fits, key=lambda fit: (fit is not comparison.best, fit.aic))[:LAWS_SHOWN]
        _band(ax, laws[0], ranks, len(data), scale)
        for dots, law in zip(_DOTS, laws, strict=False):
            x = law.spec.ppf_array((ranks - 0.5) / len(data)) / scale.seconds
            face = dots.line.colour if dots.filled else "none"
            verdict = "rejected" if law.rejected else f"KS {law.ks:.3f}, p = {law.p_value:.2f}"
            ax.plot(
                x, data[ranks - 1] / scale.seconds, linestyle="none", marker=dots.marker, markersize=6, color=dots.line.colour,
                markerfacecolor=face, label=f"{law.dist}: {verdict}", zorder=3,
            )  # fmt: skip
        _diagonal(ax, data[ranks - 1] / scale.seconds)
        ax.set_xlabel(f"quantile of the law ({scale.name})")
        ax.set_ylabel(f"quantile of the data ({scale.name})")
        ax.legend(loc="upper left")
        ax.set_title(wrapped(f"{comparison.key}: {quantile_finding(comparison)}", HEAD_WIDTH), loc="left")
    return ax


def quantile_finding(comparison: Comparison) -> str:
    """Which law, how well it has the tail, and whether another would do as well."""
    best = comparison.best
    law, data = best.spec.ppf(0.99), float(np.quantile(comparison.sample.whole, 0.99, method="inverted_cdf"))
    tail = f"p99 {format_duration(law)}, in the data {format_duration(data)}"
    if comparison.nothing_fits:
        return f"no law fits; the closest is {best.dist} ({tail})"
    alike = [fit.dist for fit in comparison.fits if fit is not best and fit.aic - best.aic <= ALIKE and not fit.rejected]
    others = f"; {' and '.join(alike)} nearly as well" if alike else ""
    return f"{best.dist} fits best ({tail}){others}"


def incidents_finding(found: Incidents) -> str:
    """How long it is up and down on average, with the intervals where the laws have one for their mean."""
    up, down = (_mean_text(part) for part in (found.to_failure, found.to_repair))
    return f"{found.target} is up for {up} and then down for {down}: available {format_share(found.availability)} of the time"


def _mean_text(part: Comparison) -> str:
    mean = next((each for each in part.best.parameters if each.name == "mean"), None)
    if mean is None or not np.isfinite([mean.ci_low, mean.ci_high]).all():
        return format_duration(part.best.spec.mean)
    return f"{format_duration(mean.value)} ({format_duration(mean.ci_low)} – {format_duration(mean.ci_high)})"


def _ranks(n: int) -> npt.NDArray[np.int64]:
    """Ranks 1..n that are drawn: spread evenly, and all of the upper tail."""
    spread = np.linspace(1, n, min(n, POINTS)).round().astype(np.int64)
    return np.unique(np.concatenate([spread, np.arange(max(1, n - TAIL + 1), n + 1)]))


def _small_scale(longest: float) -> Scale:
    if longest < 1e-3:
        return Scale("µs", 1e-6)
    return Scale("ms", 1e-3) if longest < 1 else time_scale(longest)


def _band(ax: Axes, law: Fitted, ranks: npt.NDArray[np.int64], n: int, scale: Scale) -> None:
    tails = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
    low, high = (law.spec.ppf_array(special.betaincinv(ranks, n - ranks + 1, tail)) / scale.seconds for tail in tails)
    x = law.spec.ppf_array((ranks - 0.5) / n) / scale.seconds
    ax.fill_between(x, low, high, color="#999999", alpha=0.3, linewidth=0, label=f"95 % band of {law.dist}")


def _diagonal(ax: Axes, data: Values) -> None:
    """The diagonal, and axes that hold the data: of a law that is far off, points may lie outside."""
    least, most = float(data[0]), float(data[-1])
    if least > 0 and most / least > WIDE:
        low, high = least / 1.3, most * 1.6
        ax.set_xscale("log")
        ax.set_yscale("log")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
            axis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.05 * (most - least) or 1.0
        low, high = max(0.0, least - margin), most + margin
        ax.locator_params(nbins=7)
    ax.plot([low, high], [low, high], color=BLACK.colour, linestyle="-", linewidth=1, zorder=2)
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)


def capacity(found: Lag, ax: Axes | None = None) -> Axes:
    """Events that arrive and that are finished per second, and the capacity with its 95 % interval."""
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 4.5), layout="constrained").add_subplot()
        table, scale = found.table, _axis_of(found)
        x = (table["time"] - found.observed.times[0]) / scale.seconds
        ax.plot(x, table["arrivals"] / table["seconds"], color=BLACK.colour, linestyle=BLACK.dashes, label="arriving", zorder=3)
        ax.plot(
            x, table["finished"] / table["seconds"], color=BLUE.colour, linestyle=BLUE.dashes, label="finished", linewidth=1.1
        )
        if found.known:
            ax.axhspan(found.ci_low, found.ci_high, color=VERMILLION.colour, alpha=0.3, linewidth=0)
            ax.axhline(found.capacity, color=VERMILLION.colour, linestyle=VERMILLION.dashes, label="capacity")
        else:
            ax.axhline(found.at_least, color=VERMILLION.colour, linestyle=VERMILLION.dashes, label="capacity is above")
        ax.set_ylabel("events/s")
        _time_axis(ax, found, scale)
        plain_numbers(ax)
        ax.set_ylim(0, 1.25 * max(ax.dataLim.y1, found.at_least))  # the legend stands above the lines
        ax.legend(loc="upper right", ncols=3)
        ax.set_title(wrapped(found.finding, HEAD_WIDTH), loc="left")
    return ax


def backlog(found: Lag, ax: Axes | None = None) -> Axes:
    """Lag over time; intervals that the capacity rests on are shaded."""
    with styled():
        ax = ax or Figure(figsize=(WIDTH, 4.5), layout="constrained").add_subplot()
        scale = _axis_of(found)
        x = (found.observed.times - found.observed.times[0]) / scale.seconds
        top = float(found.observed.lag.max()) or 1.0
        if found.saturated.any():
            ax.fill_between(
                x, 0, top, where=found.saturated.tolist(), step="pre", color=VERMILLION.colour, alpha=0.18, linewidth=0,
                label="saturated",
            )  # fmt: skip
        ax.plot(x, found.observed.lag, color=BLUE.colour, linestyle=BLUE.dashes, label="lag")
        ax.set_ylabel("lag (events)")
        _time_axis(ax, found, scale)
        plain_numbers(ax)
        ax.legend(loc="upper right", ncols=2)
        ax.set_title(f"lag reaches {format_number(float(found.observed.lag.max()))} events", loc="left")
    return ax


def _axis_of(found: Lag) -> Scale:
    return time_scale(float(np.ptp(found.observed.times)))


def _time_axis(ax: Axes, found: Lag, scale: Scale) -> None:
    time_axis(ax, scale, float(np.ptp(found.observed.times)))
    ax.set_xlabel(f"time since the first sample ({scale.name})")


def fit_figures(found: Comparison | Incidents | Lag, source: str) -> dict[str, Figure]:
    """The figures of a fit by name; `source`, in small print, says where the data came from."""
    with styled():
        if isinstance(found, Lag):
            figure, (upper, lower) = _page(found.finding, rows=2)
            capacity(found, upper).set_title("")
            backlog(found, lower).set_title("")
            upper.set_xlabel("")
            small_print(figure, source, "saturated: began with more lag than an interval finishes", "band: 95 % interval")
            return {"capacity": figure}
        note = "grey: 95 % of each quantile, were the best law true"
        if isinstance(found, Incidents):
            figure, panels = _page(incidents_finding(found), columns=2)
            for part, ax in zip((found.to_failure, found.to_repair), panels, strict=True):
                quantiles(part, ax).set_title(wrapped(f"{part.key}: {quantile_finding(part)}", 52), loc="left", fontsize=11)
            small_print(figure, source, f"{len(found.windows):,} incidents", "brackets: 95 % intervals", note)
        else:
            figure, (ax,) = _page(quantile_finding(found))
            quantiles(found, ax).set_title("")
            small_print(figure, source, f"{found.sample.whole.size:,} values", note)
        return {"quantiles": figure}


def _page(finding: str, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with the finding above, room for small print below, and panels between."""
    text = wrapped(finding, HEAD_WIDTH)
    height = 6.6 + 0.27 * text.count("\n")
    figure = Figure(figsize=(WIDTH, height))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    top = 1 - (0.55 + 0.27 * text.count("\n") + 0.55 * (columns > 1)) / height
    figure.subplots_adjust(left=0.085, right=0.98, top=top, bottom=0.95 / height, hspace=0.12, wspace=0.22)
    head(figure, text)
    return figure, panels
