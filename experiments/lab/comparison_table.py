"""What a finished comparison prints: a table per metric, and what the pairing was good for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.lab.comparison import Comparison, Difference, Verdict, mean_text, signed
from experiments.lab.console import counted, table_of
from simulator.units import format_value

COLOURS: dict[Verdict, str] = {
    "better": "green", "worse": "bold red", "differs": "cyan", "same": "", "undecided": "yellow",
}  # fmt: skip

COLUMNS = (("", 14, "left"), ("mean", 9, "right"), ("difference, 95 %", 16, "right"), ("", 7, "right"), ("", 9, "left"),
           ("", 6, "right"))  # fmt: skip


def show_comparison(screen: Console, comparison: Comparison) -> None:
    """Print every metric of the family with the baseline's mean, each alternative's, and the verdict."""
    screen.print(Text(comparison.heading, "bold"), soft_wrap=True)
    for metric in comparison.metrics:
        rows = comparison.of(metric)
        alike = f"{comparison.baseline}: {mean_text(rows[0].baseline_mean, rows[0].unit, rows[0].baseline_censored)}"
        screen.print()
        screen.print(_table(f"{rows[0].component} {rows[0].metric}  ({'without faults' if comparison.twin else alike})", rows))
        for note in filter(None, (_note(row, comparison) for row in rows)):
            screen.print(f"  {note}", style="dim", soft_wrap=True)
    screen.print(f"\n{_family(comparison)}", soft_wrap=True)


def _table(title: str, rows: Sequence[Difference]) -> Table:
    table = table_of(title, *COLUMNS)
    for column in table.columns[1:]:
        column.no_wrap = True
    for row in rows:
        relative = signed(row.relative, "share") if math.isfinite(row.relative) and row.difference else ""
        narrower = f"{row.narrowing:.1f}x" if math.isfinite(row.narrowing) and row.ci_high > row.ci_low else ""
        verdict = Text(row.verdict, COLOURS[row.verdict])
        table.add_row(row.name, mean_text(row.mean, row.unit, row.mean_censored), _difference(row), relative, verdict, narrower)
    return table


def _difference(row: Difference) -> str:
    """The difference and how far its interval reaches on both sides, or from where to where if they are not alike."""
    if row.censored or not row.ci_high > row.ci_low:
        bounds = row.interval if row.censored and row.verdict != "same" else ""
        return bounds or signed(row.difference, row.unit)
    return f"{signed(row.difference, row.unit)} ± {format_value(_two_digits((row.ci_high - row.ci_low) / 2), row.unit)}"


def _two_digits(width: float) -> float:
    return float(f"{width:.2g}")


def _note(row: Difference, comparison: Comparison) -> str:
    """What a reader has to know of a row besides: runs without a value, lower bounds among the values."""
    runs = comparison.results[row.name].runs
    bounds = row.censored and row.verdict != "same"
    notes = [
        f"a value in both in {row.n} of {runs} runs" if row.n < runs else "",
        f"a lower bound in {row.censored} of {row.n} runs: median of the differences, sign test" if bounds else "",
    ]
    return f"{row.name}: {', '.join(filter(None, notes))}" if any(notes) else ""


def _family(comparison: Comparison) -> str:
    known = [row.narrowing for row in comparison.rows if math.isfinite(row.narrowing)]
    text = f"verdicts at 5 % over {counted(len(comparison.rows), 'comparison')} (paired t, Holm)"
    if not known:
        return text
    return f"pairing narrowed the intervals {np.median(known):.1f} times (median; each: last column); {text}"
