"""What `edasim fit` prints: the laws, best first, their parameters with intervals, and the lines to paste."""

from __future__ import annotations

import math

from rich.console import Console
from rich.text import Text

from experiments.lab.console import interval_text, table_of
from experiments.lab.fit.backlog import Lag
from experiments.lab.fit.comparing import DRAWN, DRAWS, REJECTED, Comparison, Fitted
from experiments.lab.fit.outages import Incidents
from experiments.lab.fit.writing import duration
from simulator.units import format_duration, format_number, format_share

TIMES = {"mean", "low", "high", "value", "means[0]", "means[1]"}


def show_comparison(screen: Console, found: Comparison) -> None:
    """The laws for one field, and the line to paste."""
    _laws(screen, found)
    _p_values(screen)
    if found.nothing_fits:
        screen.print(f"No law fits (every p-value is below {REJECTED:g}); the data themselves can stand in:")
    _paste(screen, found.line, found.file if found.nothing_fits else "")
    if found.nothing_fits:
        screen.print(f"The closest law:\n{found.closest_line}", soft_wrap=True)


def show_incidents(screen: Console, found: Incidents) -> None:
    """Both parts, what was done with incidents that overlap and times that were seen in part, the table to paste."""
    for part in (found.to_failure, found.to_repair):
        _laws(screen, part)
        screen.print()
    _p_values(screen)
    if found.merged:
        screen.print(f"{found.merged:,} of the incidents overlapped or touched an earlier one and were joined to it")
    sample = found.to_failure.sample
    rest = "a time to failure under way" if sample.rest.size else "left out: --from was not given"
    cut = "a time to failure of at least that" if sample.cut.size else "left out: --to was not given"
    screen.print(f"time up before the first incident: {rest}\ntime up after the last one: {cut}", soft_wrap=True)
    screen.print(f"available {format_share(found.availability)} of the time in the long run")
    names = [part.file for part in (found.to_failure, found.to_repair) if part.nothing_fits]
    _paste(screen, found.line, ", ".join(names))
    _paste(screen, found.replay_line, "incidents.csv", "or, to have these very incidents again")


def show_lag(screen: Console, found: Lag) -> None:
    """The capacity, or the bound, and the lines to paste."""
    observed = found.observed
    span = format_duration(float(observed.times[-1] - observed.times[0]))
    events = format_number(float(observed.arrivals.sum()))
    screen.print(Text(f"{len(observed.times):,} samples over {span}, {events} events", "bold"))
    if observed.dropped:
        screen.print(f"{observed.dropped:,} more times were left out: not every series has them")
    if found.stalled.any():
        screen.print(f"{int(found.stalled.sum()):,} intervals in which the group stood still were left out")
    screen.print(found.finding)
    if found.size > 1:
        screen.print(f"an arrival of the trace stands for {found.size} events, so that it has at most five million rows")
    _paste(screen, found.line, "arrivals.parquet")
    if found.known:
        many = f"each of {found.workers:,} workers" if found.workers > 1 else "one worker (--workers says how many there were)"
        screen.print(f"service: the mean time of {many} per event; lag does not show its law", soft_wrap=True)
    else:
        screen.print("Only the arrivals: a group that keeps up does not show how much more it could do.", soft_wrap=True)


def _laws(screen: Console, found: Comparison) -> None:
    columns = ("law", 17, "left"), ("ΔAIC", 9, "right"), ("KS", 6, "right"), ("p-value", 7, "right")
    title = f"{found.key} ({found.sample.whole.size:,} values)"
    table = table_of(title, *columns, ("mean", 7, "right"), ("p99", 7, "right"), ("", 8, "left"))
    for row in found.table.to_dict("records"):
        tests = [_number(row[name], form) for name, form in (("delta_aic", ",.1f"), ("ks", ".4f"), ("p_value", ".3f"))]
        times = [duration(row[name], 3) for name in ("mean", "p99")]
        table.add_row(row["dist"], *tests, *times, "rejected" if row["rejected"] else "")
    screen.print(table)
    for law, reason in found.left_out:
        screen.print(f"not {law}: {reason}", style="dim", soft_wrap=True)
    screen.print(_parameters(found.best), soft_wrap=True)


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _parameters(fitted: Fitted) -> str:
    """`lognormal: mean 41 ms (40 ms – 42 ms), cv 0.61 (0.58 – 0.64)`."""
    parts = []
    for each in fitted.parameters:
        unit = "s" if each.name in TIMES else "1"
        text = format_duration(each.value) if unit == "s" else format_number(each.value)
        interval = interval_text(each.ci_low, each.ci_high, unit) if math.isfinite(each.ci_low) else "interval not known"
        parts.append(f"{each.name} {text} ({interval})")
    return f"{fitted.dist}: {', '.join(parts)}"


def _p_values(screen: Console) -> None:
    text = f"p-values: parametric bootstrap, {DRAWS} samples of at most {DRAWN} values, as the parameters were fitted"
    screen.print(f"{text}; intervals: 95 %", style="dim", soft_wrap=True)


def _paste(screen: Console, lines: str, files: str, lead: str = "to paste into a scenario") -> None:
    beside = f" ({files} beside it)" if files else ""
    screen.print(f"\n{lead}{beside}:", soft_wrap=True)
    screen.print(Text(lines, "bold"), soft_wrap=True)
