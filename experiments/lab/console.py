"""What a finished run prints: metrics by component, the books, recovery, service levels, and where the files are."""

from __future__ import annotations

import math
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.lab.slos import Verdict
from simulator.results import Result
from simulator.units import format_duration, format_share, format_value

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

SHOWN = {
    "producers": "produced",
    "topics": "",
    "consumers": "throughput goodput processed latency_p50 latency_p99 wait_p99 lag_max lag_seconds_p99 lag_seconds_max "
    "duplicate_rate attempts_mean utilization",
    "dependencies": "calls utilization latency_p99",
    "system": "loss_rate duplicate_rate dead_letter_rate",
}
"""Metrics that a person wants to see of each kind of component; of the kinds that are not here, all."""

NOTABLE = {
    "producers": "unsent phantom failed unconfirmed waiting publish_retries publish_latency_p99 blocked_time",
    "topics": "lost expired rejected",
    "consumers": "redelivered error_rate dead_letter_moves dead_lettered saved discarded expired lost unpublished "
    "out_of_order breaker_trips breaker_open_fraction rebalances instances_mean",
    "dependencies": "errors rejected wasted queue_max",
    "system": "phantom_rate slo_violation",
}
"""Metrics that are shown only where they are not 0."""

NARROWEST = 80
"""Characters of a line that a table takes for granted."""

COLOURS = {"met": "green", "violated": "bold red", "undecided": "yellow"}


class QuietConsole(Console):
    """A console whose reader may leave (`edasim run orders | head`): what is printed then goes nowhere."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(stderr: bool = False) -> Console:
    """A console that takes names as they are: no markup, no emoji, no colours by guess."""
    screen = QuietConsole(stderr=stderr, markup=False, emoji=False, highlight=False)
    screen.width = max(screen.width, NARROWEST)  # better a line that is broken than a column that is left out
    return screen


def show(screen: Console, result: Result, verdicts: Sequence[Verdict], out: str, drawn: bool = True) -> None:
    """Print everything about a finished run; `out` is the folder that holds its files, with charts where `drawn`."""
    _head(screen, result)
    for component, rows in _by_component(result):
        _metrics(screen, component, rows, result.runs)
    _recovery(screen, result)
    _alerts(screen, result)
    _books(screen, result)
    _verdicts(screen, verdicts)
    charts = f"charts: {out}/charts   " if drawn else ""
    screen.print(f"\n{charts}tables: {out}", soft_wrap=True)


def _head(screen: Console, result: Result) -> None:
    screen.print(Text(f"{result.name}: {result.description}" if result.description else result.name, "bold"))
    warmup = f" ({format_duration(result.warmup)} of warm-up)" if result.warmup else ""
    runs = f"{result.runs} runs" if result.runs > 1 else "1 run (intervals for rare events alone)"
    screen.print(f"{runs} of {format_duration(result.duration)}{warmup}, seed {result.seed}; edasim {result.version}")


def counted(number: int, noun: str) -> str:
    """ "1 run", "12 runs"."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def precision_text(result: Result, wanted: str, precision: float) -> str:
    """What `runs = "auto"` came to: how many runs it took for the metric `wanted` to be as precise as it is."""
    component, _, metric = wanted.rpartition(":")
    value = result.value(component, metric)
    reached = value.half_width / abs(value.mean) if value.mean else 0.0
    enough = "asked for" if reached <= precision else "not reached; asked for"
    return f"{result.runs} runs give {wanted} to within {format_share(reached)} ({enough} {format_share(precision)})"


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table, by the names of its columns."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _by_component(result: Result) -> Iterator[tuple[str, list[Row]]]:
    """The rows of the summary that are shown, by component: those that the description names are among them."""
    named = set(re.findall(r"\w+", result.description))
    rows: dict[str, list[Row]] = {}
    for row in rows_of(result.summary):
        rows.setdefault(row["component"], []).append(row)
    for component, found in rows.items():
        kind = component.partition(".")[0]
        shown = [row for row in found if row["n"] and (_is_shown(kind, row) or row["metric"] in named)]
        if shown and kind not in ("faults", "alerts"):
            yield component, shown


def _is_shown(kind: str, row: Row) -> bool:
    if kind not in SHOWN or row["metric"] in SHOWN[kind].split():
        return True
    return row["metric"] in NOTABLE[kind].split() and row["max"] > 0


def _metrics(screen: Console, component: str, rows: Iterable[Row], runs: int) -> None:
    table = table_of(component, ("", 22, "left"), ("mean", 15, "right"), ("95 % interval", 29, "left"), ("", 0, "left"))
    for row in rows:
        note = f"in {row['n']} of {runs} runs" if row["n"] < runs else "skewed" if row["skewed"] and runs >= 10 else ""
        table.add_row(row["metric"], mean_text(row), _interval(row), note)
    screen.print()
    screen.print(table)


def table_of(title: str, *columns: tuple[str, int, Any]) -> Table:
    """A table without lines; each column is a header, its least width and how it is justified."""
    table = Table(title=Text(title, "bold"), title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for header, width, justify in columns:
        table.add_column(header, min_width=width, justify=justify, header_style="dim", overflow="fold")
    return table


def mean_text(row: Row) -> str:
    """The mean in a row of a summary for people; "≥" where it is a lower bound."""
    if math.isnan(row["mean"]):
        return f"≥ {format_value(row['max'], row['unit'])}" if row["censored"] else "–"
    return ("≥ " if row["censored"] else "") + format_value(row["mean"], row["unit"])


def _interval(row: Row) -> str:
    return interval_text(row["ci_low"], row["ci_high"], row["unit"])


def interval_text(low: float, high: float, unit: str) -> str:
    """An interval for people, of what is never below 0, nor a share above 1; nan is a bound that the runs do not fix."""
    low = 0.0 if low < 0 else low
    high = 1.0 if unit == "share" and high > 1 else high
    if math.isnan(low) and math.isnan(high):
        return ""
    if math.isnan(low):
        return f"at most {format_value(high, unit)}"
    if math.isnan(high):
        return f"at least {format_value(low, unit)}"
    return f"{format_value(low, unit)} – {format_value(high, unit)}"


def _rows_by_name(result: Result, kind: str) -> dict[str, dict[str, Row]]:
    """The rows of the summary that have a value, of the components of a kind, by name and metric."""
    rows: dict[str, dict[str, Row]] = {}
    for row in rows_of(result.summary):
        if row["component"].startswith(f"{kind}.") and row["n"]:
            rows.setdefault(row["component"].removeprefix(f"{kind}."), {})[row["metric"]] = row
    return rows


def _recovery(screen: Console, result: Result) -> None:
    """One row per fault: how long lag took to be normal again after it, how high it was, and how soon an alert told of it."""
    rows = _rows_by_name(result, "faults")
    if not rows:
        return
    watched = any("detected_share" in found for found in rows.values())
    columns = ("recovery", 12, "right"), ("95 % interval", 22, "left"), ("peak lag", 0, "right")
    detection = [("detected", 0, "right")] if watched else []
    table = table_of("faults", ("", 12 if watched else 24, "left"), *columns, *detection)
    for name, found in rows.items():
        recovery, peak = found.get("recovery_time"), found.get("peak_lag")
        share = found.get("recovered_share")
        text = mean_text(recovery) if recovery else "never" if share and not share["mean"] else "–"
        cells = [name, text, _interval(recovery) if recovery else "", mean_text(peak) if peak else "–"]
        table.add_row(*cells, *([_detection(found)] if watched else []))
    screen.print()
    screen.print(table)


def _detection(found: dict[str, Row]) -> str:
    """How soon alerts told of a fault, and of how many of its disturbances, where not of all."""
    share, seconds = found.get("detected_share"), found.get("time_to_detect")
    if not share:
        return "–"
    if not seconds:
        return "never"
    return mean_text(seconds) + (f" ({mean_text(share)})" if share["mean"] < 1 else "")


def _alerts(screen: Console, result: Result) -> None:
    """One row per alert: how often it fired in a run, for how much of the time, and how often of nothing."""
    rows = _rows_by_name(result, "alerts")
    if not rows:
        return
    columns = ("", 16, "left"), ("firings", 8, "right"), ("of the time", 11, "right"), ("false alarms", 12, "right")
    table = table_of("alerts", *columns, ("95 % interval", 0, "left"))
    for name, found in rows.items():
        false = found.get("false_alarms_per_day")
        cells = [mean_text(found["firings"]), mean_text(found["firing_fraction"])]
        table.add_row(name, *cells, *([mean_text(false), _interval(false)] if false else ["–", ""]))
    screen.print()
    screen.print(table)


def _books(screen: Console, result: Result) -> None:
    """Both equations of the books for each component, summed over the runs; terms that are 0 are left out."""
    if not any("books" in run.tables for run in result.measurements):
        return
    sums = result.table("books").groupby(["component", "term"], sort=False, as_index=False)["value"].sum()
    screen.print()
    over = f"sum of {result.runs} runs" if result.runs > 1 else "1 run"
    screen.print(Text(f"books (distinct events, {over})", "bold"))
    for component, terms in sums.groupby("component", sort=False):
        (left, whole), *right = zip(terms["term"], terms["value"].astype(int), strict=True)
        balanced = "balanced" if sum(value for _, value in right) == whole else "NOT BALANCED"
        equation = " + ".join(f"{term} {value:,}" for term, value in right if value) or "0"
        screen.print(f"{component}: {left} {whole:,}")
        screen.print(_kept_together(f"  = {equation}  ({balanced})", screen.width))


def _kept_together(equation: str, width: int) -> str:
    """An equation in lines that begin with a sign."""
    glued = re.sub(r"([=+]) (\w+) ", "\\1\u00a0\\2\u00a0", equation)
    return "\n".join(textwrap.wrap(glued, width - 1, subsequent_indent="  ")).replace("\u00a0", " ")


def _verdicts(screen: Console, verdicts: Sequence[Verdict]) -> None:
    if not verdicts:
        return
    table = table_of("service levels", ("", 9, "left"), ("", 0, "left"))
    for each in verdicts:
        known = not math.isnan(each.mean)
        mean = f"mean {'≥ ' * each.censored}{format_value(each.mean, each.unit)}" if known else "no value"
        interval = interval_text(each.ci_low, each.ci_high, each.unit)
        name = f"{each.component} {each.metric} {each.bound_text}\n  {mean}{f' ({interval})' if interval else ''}"
        table.add_row(Text(each.verdict, COLOURS[each.verdict]), name)
    table.show_header = False
    screen.print()
    screen.print(table)
