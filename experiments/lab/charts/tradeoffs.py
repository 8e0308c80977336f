"""Charts for a review: a map of two values, recovery against utilisation, cost against benefit.

Tables are tidy, as `sweep(...).summary` is: the varied paths as columns, then component, metric, unit, mean, ci_low,
ci_high; a sweep is taken as it is. A metric is named "consumers.payment:latency_p99", or by its bare name where one
component alone has it. Points are means over replications with 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.lab.charts.page import HEAD_WIDTH, WIDTH
from experiments.lab.charts.style import BLACK, BLUE, GREEN, PURPLE, VERMILLION, styled, wrapped
from experiments.lab.charts.tidy import WIDE, Array, Chosen, Measured, longest, unit_of, value_axis, with_unit
from simulator.units import format_number, format_value

FLUID = (0, (2, 2))
MOST_NAMES = 8
"""Combinations on the front that are named."""


def heat_map(frame: Any, x: str, y: str, metric: str, contour: float | None = None, ax: Axes | None = None) -> Axes:
    """The metric at each pair of the varied values `x` and `y`; a line between cells on different sides of `contour`.

    A cell whose interval holds the bound, so that its side is not sure, is marked with "?". Raises KeyError where the table
    has no such metric or column, ValueError where a pair is there twice.
    """
    measured = Measured.of(frame, metric)
    columns, across = np.unique(measured.column(x), return_inverse=True)
    rows, up = np.unique(measured.column(y), return_inverse=True)
    if len(set(zip(up.tolist(), across.tolist(), strict=True))) < len(up):
        raise ValueError(f"{x} and {y} are not all that varies; give one row for each pair")
    cells = np.full((len(rows), len(columns)), -1)
    cells[up, across] = np.arange(len(up))
    mean = np.where(cells < 0, np.nan, measured.mean[cells])
    with _axes(ax, 5.4) as ax:
        unit, scale = unit_of(measured.unit, longest(measured.mean))
        edges = np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5
        image = ax.pcolormesh(*edges, np.ma.masked_invalid(mean / scale), cmap="cividis", norm=_norm(mean / scale))
        ax.grid(False)
        ax.set_facecolor("#EEEEEE")
        ax.set_xticks(range(len(columns)), [f"{value:,g}" for value in columns])
        ax.set_yticks(range(len(rows)), [f"{value:,g}" for value in rows])
        _cell_texts(ax, measured, cells, scale, contour, image)
        if contour is not None:
            ax.add_collection(LineCollection(_borders(mean, contour), colors="white", linewidths=7))
            ax.add_collection(LineCollection(_borders(mean, contour), colors=VERMILLION.colour, linewidths=3.5))
        bar = ax.get_figure().colorbar(image, ax=ax, pad=0.015)  # type: ignore[union-attr]
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.formatter = FuncFormatter(lambda value, _: format_number(value))
        bar.set_label(with_unit(measured.label, unit))
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        ax.set_title(wrapped(_map_finding(measured, cells, contour), HEAD_WIDTH), loc="left")
    return ax


def _norm(values: Array) -> LogNorm | None:
    known = values[np.isfinite(values)]
    wide = known.size and known.min() > 0 and known.max() > WIDE * known.min()
    return LogNorm(known.min(), known.max()) if wide else None


def _cell_texts(
    ax: Axes, measured: Measured, cells: npt.NDArray[np.int_], scale: float, contour: float | None, image: QuadMesh
) -> None:
    """The value in each cell, with "?" where its interval holds the bound."""
    for (row, column), place in np.ndenumerate(cells):
        if place < 0 or np.isnan(measured.mean[place]):
            ax.text(column, row, "–", ha="center", va="center", color="#444444")
            continue
        value = measured.mean[place] / scale
        unsure = contour is not None and bool(measured.low[place] <= contour <= measured.high[place])
        text = f"{'≥' * bool(measured.censored[place])}{format_number(value)}{' ?' * unsure}"
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        ax.text(column, row, text, ha="center", va="center", fontsize=10.5, color="white" if dark else "black")


def _borders(mean: Array, contour: float) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The edges between neighbours, of which one is below the contour and the other is not."""
    below = mean < contour
    known = ~np.isnan(mean)
    lines = []
    for row, column in np.argwhere((below[:, 1:] != below[:, :-1]) & known[:, 1:] & known[:, :-1]):
        lines.append(((column + 0.5, row - 0.5), (column + 0.5, row + 0.5)))
    for row, column in np.argwhere((below[1:] != below[:-1]) & known[1:] & known[:-1]):
        lines.append(((column - 0.5, row + 0.5), (column + 0.5, row + 0.5)))
    return lines


def _map_finding(measured: Measured, cells: npt.NDArray[np.int_], contour: float | None) -> str:
    known = np.flatnonzero(np.isfinite(measured.mean))
    if not len(known):
        return f"{measured.label}: no value in any cell"
    if contour is None:
        best, worst = known[np.argmin(measured.mean[known])], known[np.argmax(measured.mean[known])]
        ends = (f"{measured.told(place)} with {measured.names[place]}" for place in (best, worst))
        return f"{measured.label}: from {' to '.join(ends)}"
    surely = int(((measured.high < contour) & ~measured.censored)[known].sum())
    unsure = int(((measured.low[known] <= contour) & (contour <= measured.high[known])).sum())
    text = f"{measured.label} is below {format_value(contour, measured.unit)} in {surely} of {int((cells >= 0).sum())} cells"
    return f"{text}, {unsure} undecided (?)" if unsure else text


def recovery_against_utilisation(
    frame: Any, utilisation: str, outage: str | float, fault: str | None = None, ax: Axes | None = None
) -> Axes:
    """Time from the end of a fault until lag is normal again, against the utilisation before it, and D ρ / (1 - ρ).

    `utilisation`: the column with ρ, arrivals over capacity. `outage`: the length D of the fault (s), or the column with it;
    each length is a line. `fault`: its name, where there are several. A time that is a lower bound has an arrow.
    """
    measured = Measured.of(frame, f"faults.{fault}:recovery_time" if fault else "recovery_time")
    rho = measured.column(utilisation)
    lengths = measured.column(outage) if isinstance(outage, str) else np.full(len(rho), float(outage))
    with _axes(ax) as ax:
        unit, scale = unit_of("s", longest(measured.mean))
        for number, length in enumerate(np.unique(lengths)):
            colour, marker = (BLUE, VERMILLION, GREEN, PURPLE)[number % 4].colour, "os^D"[number % 4]
            mine = lengths == length
            measured.points(ax, rho, mine, scale, (colour, marker, f"outage of {format_value(float(length), 's')}"))
            smooth = np.linspace(0, min(float(rho[mine].max()) * 1.02, 0.995), 200)
            ax.plot(smooth, length * smooth / (1 - smooth) / scale, color=colour, linestyle=FLUID)
        ax.plot([], [], color="#444444", linestyle=FLUID, label="fluid: D ρ / (1 - ρ)")
        value_axis(ax, measured.mean / scale)
        ax.set_xlim(0, 1)
        ax.set_xlabel("utilisation ρ before the fault (arrivals / capacity)")
        ax.set_ylabel(with_unit("recovery time", unit))
        ax.legend(loc="upper left")
        ax.set_title(wrapped(_recovery_finding(measured, rho, lengths), HEAD_WIDTH), loc="left")
    return ax


def _recovery_finding(measured: Measured, rho: Array, lengths: Array) -> str:
    known = np.flatnonzero(np.isfinite(measured.mean) & (rho < 1))
    if not len(known):
        return "nothing recovers"
    place = known[np.lexsort((lengths[known], rho[known]))[-1]]
    length = float(lengths[place])
    times = float(measured.mean[place]) / length
    fluid = float(rho[place] / (1 - rho[place]))
    text = f"at {format_value(float(rho[place]), 'share')} utilisation an outage of {format_value(length, 's')}"
    return f"{text} takes {'≥ ' * bool(measured.censored[place])}{times:.3g} times as long to drain; fluid: {fluid:.3g}"


def pareto(frame: Any, cost: str, metric: str, bound: float | None = None, ax: Axes | None = None) -> Axes:
    """What each combination costs against what it gives, less of both being better, and the combinations that none beats.

    `cost`: a varied column, or a metric named as `metric` is. `bound`: of an objective, drawn as a line.
    """
    gain = Measured.of(frame, metric)
    price = gain.like(frame, cost)
    front = _front(price.mean, gain.mean)
    order = np.flatnonzero(front)[np.argsort(price.mean[front], kind="stable")]
    with _axes(ax, 5.0) as ax:
        (unit, scale), (cost_unit, cost_scale) = (
            unit_of(gain.unit, longest(gain.mean)),
            unit_of(price.unit, longest(price.mean)),
        )
        across, errors = price.mean / cost_scale, price.errors / cost_scale
        gain.points(ax, across, ~front, scale, ("#8A8A8A", "o", "another one beats it"), errors)
        gain.points(ax, across, front, scale, (BLUE.colour, "s", "none beats it"), errors)
        ax.step(across[order], gain.mean[order] / scale, where="post", color=BLUE.colour, linewidth=1.2)
        for number, place in enumerate(order[:: -(-len(order) // MOST_NAMES)]):
            where = float(across[place]), float(gain.mean[place] / scale)
            ax.annotate(gain.names[place], where, (7, 7 + 14 * (number % 2)), textcoords="offset points", fontsize=10)
        if bound is not None:
            ax.axhline(
                bound / scale, color=BLACK.colour, linestyle=(0, (6, 3)), label=f"below {format_value(bound, gain.unit)}"
            )
        value_axis(ax, [*(gain.mean / scale), *([] if bound is None else [bound / scale])])
        ax.margins(x=0.12)
        ax.set_xlabel(with_unit(price.label, cost_unit))
        ax.set_ylabel(with_unit(gain.label, unit))
        ax.legend(loc="upper right")
        ax.set_title(wrapped(_front_finding(price, gain, order, bound), HEAD_WIDTH), loc="left")
    return ax


def _front(cost: Array, gain: Array) -> Chosen:
    """Where no other combination is better in one and at least as good in the other, shape (n,)."""
    no_worse = (cost <= cost[:, None]) & (gain <= gain[:, None])
    better = (cost < cost[:, None]) | (gain < gain[:, None])
    front: Chosen = np.isfinite(cost) & np.isfinite(gain) & ~(no_worse & better).any(axis=1)
    return front


def _front_finding(price: Measured, gain: Measured, order: Sequence[int] | npt.NDArray[np.int_], bound: float | None) -> str:
    if not len(order):
        return f"{gain.label}: no value"
    if bound is not None:
        enough = [place for place in order if gain.high[place] < bound and not gain.censored[place]]
        limit = f"{gain.label} below {format_value(bound, gain.unit)}"
        if not enough:
            return f"nothing keeps {limit} for sure"
        paid = "" if price.label in price.rows else f" ({price.label} {price.told(enough[0])})"
        return f"the cheapest that keeps {limit}: {gain.names[enough[0]]}{paid}"
    first, last = order[0], order[-1]
    if first == last:
        return f"one beats all others: {gain.names[first]} ({gain.label} {gain.told(first)})"
    text = f"{len(order)} of {len(gain.mean)} are not beaten"
    return f"{text}: {gain.names[first]} ({gain.label} {gain.told(first)}) to {gain.names[last]} ({gain.told(last)})"


@contextmanager
def _axes(ax: Axes | None, height: float = 4.5) -> Iterator[Axes]:
    with styled():
        yield ax or Figure(figsize=(WIDTH, height), layout="constrained").add_subplot()
