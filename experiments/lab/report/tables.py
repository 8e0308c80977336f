"""The tables of a page: metrics by component, comparisons, steps of a plan, verdicts and books."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.lab.comparison import Difference
from experiments.lab.comparison import mean_text as mean_text_of
from experiments.lab.console import NOTABLE, SHOWN, counted, interval_text, mean_text
from experiments.lab.report.folder import Output, Row
from experiments.lab.report.html import cell, folded, row_head, table, tag, text
from models.metrics import metrics_of
from simulator.units import format_value

SPREAD = ("std", "min", "median", "max")
"""Columns of a summary that only its full table shows."""

MOST = 20_000
"""Rows of full tables in a page, which browsers still show; beyond, the few metrics that matter stay."""


MOST_FIRINGS = 1000
"""Of an alert, that a page lists."""


def metric_tables(output: Output) -> str:
    """A table per component: the metrics that matter, a row each or, in a sweep, a column; all of them folded below."""
    parts = []
    small = len(output.rows) <= MOST
    for component, rows in _grouped(output.rows, "component").items():
        shown = [row for found in _grouped(rows, "metric").values() if _is_shown(component, found) for row in found]
        parts.append(tag("h3", text(component)))
        if shown:
            parts.append(_cells(shown, output.varied) if output.varied else _means(shown))
        if small:
            number = len(_grouped(rows, "metric"))
            parts.append(folded(f"all {number} metrics" if number > 1 else "in full", _everything(rows, output.varied)))
    if not small:
        parts.append(tag("p", f"The other metrics, of {len(output.rows):,} rows in all, are in the folder's table."))
    return "\n".join(parts)


def _grouped(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found


def _is_shown(component: str, rows: Sequence[Row]) -> bool:
    """Whether a person wants to see a metric at once, by the console's choice; `rows`: it, in every cell."""
    kind, metric = component.partition(".")[0], rows[0]["metric"]
    if not any(row["n"] for row in rows):
        return False
    if kind not in SHOWN or metric in SHOWN[kind].split():
        return True
    return metric in NOTABLE[kind].split() and any(row["mean"] > 0 for row in rows)


def _means(rows: Iterable[Row]) -> str:
    return table(("", "mean", "95 % interval"), ([row_head(row["metric"]), _mean(row), _interval(row)] for row in rows))


def _cells(rows: Sequence[Row], varied: Sequence[str]) -> str:
    """A row per combination of the varied values, a column per metric."""
    metrics = _grouped(rows, "metric")
    combinations: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        combinations.setdefault(_combination(row, varied), {})[row["metric"]] = row
    lines = [
        [*map(row_head, values), *(_both(found[metric]) if metric in found else cell("–") for metric in metrics)]
        for values, found in combinations.items()
    ]
    return table([*varied, *metrics], lines)


def _combination(row: Row, varied: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[path] for path in varied)


def _both(row: Row) -> str:
    """Mean and interval in one cell."""
    interval = interval_text(row["ci_low"], row["ci_high"], row["unit"])
    return tag("td", f"{text(mean_text(row))}{tag('small', text(interval))}", title=_exact(row["mean"]))


def _everything(rows: Sequence[Row], varied: Sequence[str]) -> str:
    """Every metric of a component with all that is known of it."""
    lines = [
        [
            *map(row_head, (row["metric"], *_combination(row, varied))),
            _mean(row),
            _interval(row),
            *(_number(row[name], row["unit"]) for name in SPREAD),
            cell(f"{row['n']:.0f}", class_="number"),
        ]
        for row in rows
    ]
    return table(["metric", *varied, "mean", "95 % interval", *SPREAD, "runs"], lines)


def _mean(row: Row) -> str:
    return cell(mean_text(row), _exact(row["mean"]), "number")


def _interval(row: Mapping[str, Any]) -> str:
    low, high = row["ci_low"], row["ci_high"]
    return cell(interval_text(low, high, row["unit"]), f"{_exact(low)} – {_exact(high)}", "number")


def _number(value: float, unit: str) -> str:
    return cell("–" if math.isnan(value) else format_value(value, unit), _exact(value), "number")


def _exact(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def comparison_tables(differences: Iterable[Difference]) -> str:
    """Per component, every alternative beside its reference."""
    head = "metric", "system", "verdict", "baseline", "mean", "difference", "95 % interval", "p", "adjusted", "narrower"
    found: dict[str, list[Difference]] = {}
    for each in differences:
        found.setdefault(each.component, []).append(each)
    parts = [tag("h3", text(component)) + table(head, map(_compared, rows)) for component, rows in found.items()]
    return "\n".join(parts)


def _compared(row: Difference) -> list[str]:
    return [
        row_head(row.metric),
        row_head(row.name),
        verdict(row.verdict),
        cell(mean_text_of(row.baseline_mean, row.unit, row.baseline_censored), _exact(row.baseline_mean), "number"),
        cell(mean_text_of(row.mean, row.unit, row.mean_censored), _exact(row.mean), "number"),
        cell(row.change, _exact(row.difference), "number"),
        cell(row.interval, f"{_exact(row.ci_low)} … {_exact(row.ci_high)}", "number"),
        *(cell(_probability(p), _exact(p), "number") for p in (row.p_value, row.p_adjusted)),
        cell(f"{row.narrowing:.1f}x" if math.isfinite(row.narrowing) else "", _exact(row.narrowing), "number"),
    ]


def _probability(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.2g}"


def verdict(word: str) -> str:
    """A cell with a verdict in its colour."""
    return cell(word, class_=f"verdict {word}")


def slo_table(slos: Iterable[Mapping[str, Any]]) -> str:
    """A row per objective."""
    return table(("objective", "verdict", "mean", "95 % interval"), map(_objective, slos))


def _objective(slo: Mapping[str, Any]) -> list[str]:
    name = " ".join(str(slo[key]) for key in ("component", "metric", "bound_text"))
    return [row_head(name), verdict(slo["verdict"]), cell(_slo_mean(slo), _exact(slo["mean"]), "number"), _interval(slo)]


def _slo_mean(slo: Mapping[str, Any]) -> str:
    if math.isnan(slo["mean"]):
        return "no value"
    return f"{'≥ ' * slo['censored']}{format_value(slo['mean'], slo['unit'])}"


def plan_table(plan: Mapping[str, Any]) -> str:
    """A row per value that was tried, with what became of each objective."""
    lines = [
        [row_head(shown(step["value"])), _met(step["met"]), _outcomes(step["slos"]), cell(shown(step.get("runs", "–")))]
        for step in plan["tried"]
    ]
    return table((plan["path"], "all objectives", "one by one", "runs"), lines)


def ranking_table(ranking: Iterable[Row]) -> str:
    """A row per schedule of a chaos campaign, the worst first, with what is left of it when shrunk."""
    head = "rank", "verdict", "faults", "what does not hold", "in violation", "lost", "recovery", "enough to violate", "files"
    return table(head, map(_ranked, ranking))


def _ranked(row: Row) -> list[str]:
    late = "" if row["recovered"] else "not by the end, in "
    recovery = f"{late}{format_value(row['recovery_time'], 's')}" if row["recovery_time"] == row["recovery_time"] else "–"
    return [
        row_head(row["rank"]),
        verdict("violated" if row["violated"] else "met"),
        _lines(row["faults"]),
        _lines(row["violations"]),
        _number(row["time_in_violation"], "s"),
        _number(row["loss_rate"], "share"),
        cell(recovery, _exact(row["recovery_time"]), "number"),
        _lines(row["shrunk"]),
        _lines("; ".join(filter(None, (row["file"], row["shrunk_file"])))),
    ]


def _lines(texts: str) -> str:
    """Texts with "; " between them, a line each."""
    return tag("td", "<br>".join(map(text, texts.split("; "))))


def _met(met: object) -> str:
    return verdict("met" if met else "not met")


def _outcomes(slos: Iterable[Mapping[str, Any]]) -> str:
    return tag("td", "<br>".join(text(_outcome(slo)) for slo in slos))


def _outcome(slo: Mapping[str, Any]) -> str:
    """An objective of a step in a line, as far as the file tells."""
    component, metric = str(slo.get("component")), str(slo.get("metric"))
    unit = metrics_of(component).get(metric, "1")
    mean, low, high = (_float(slo.get(key)) for key in ("mean", "ci_low", "ci_high"))
    bound = slo.get("bound_text", slo.get("bound", ""))
    known = {"unit": unit, "mean": mean, "censored": bool(slo.get("censored"))}
    interval = interval_text(low, high, unit)
    return f"{component} {metric} {bound}: {slo.get('verdict', '')}, {_slo_mean(known)}{f' ({interval})' if interval else ''}"


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def shown(value: object) -> str:
    """A value of a JSON file as people write it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def book_lines(books: Iterable[Row]) -> str:
    """The equation of each component: its first term is the sum of the others; those that are 0 are left out."""
    return "\n".join(_equation(component, rows) for component, rows in _grouped(books, "component").items())


def _equation(component: str, rows: Sequence[Row]) -> str:
    (left, whole), *right = ((row["term"], row["value"]) for row in rows)
    balanced = sum(value for _, value in right) == whole
    terms = " + ".join(f"{term} {value:,.0f}" for term, value in right if value) or "0"
    mark = tag("strong", "balanced" if balanced else "NOT BALANCED", class_="verdict met" if balanced else "verdict violated")
    return tag("p", f"{tag('b', text(component))}<br>{text(f'{left} {whole:,.0f} = {terms}')} ({mark})", class_="books")


def alert_tables(firings: Sequence[Row]) -> str:
    """Per alert when it fired and cleared in each run, to be unfolded: the first `MOST_FIRINGS`."""
    parts = []
    for name, found in _grouped(firings, "alert").items():
        more = f", the first {MOST_FIRINGS:,}" if len(found) > MOST_FIRINGS else ""
        watched = f"{found[0]['metric']} of {found[0]['component']}"
        title = f"{name}, on {watched} ({counted(len(found), 'firing')} in all runs{more})"
        head = "run", "fired", "cleared (–: not yet)", "after"
        parts.append(folded(title, table(head, map(_firing, found[:MOST_FIRINGS]))))
    return "\n".join(parts)


def _firing(row: Row) -> list[str]:
    times = row["fired"], row["cleared"], row["cleared"] - row["fired"]
    texts = ("–" if math.isnan(each) else format_value(each, "s") for each in times)
    return [row_head(row["run"]), *(cell(said, _exact(each), "number") for said, each in zip(texts, times, strict=True))]
