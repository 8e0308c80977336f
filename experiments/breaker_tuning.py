"""How sensitive should a circuit breaker be, and how long should it wait?

The same breaker, over the last 20 calls, with several thresholds and waits, meets two days: one on which the dependency has
its usual errors and nothing else, where every trip is false and refuses good calls; and one with an outage, where every call
that is let through hits a dependency that is down. Those calls are what a breaker is to prevent, false trips what it costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.lab.charts.studies import slide
from experiments.lab.charts.study_charts import plane
from experiments.lab.study import Answer, Setup, derived, difference, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.statistics import summarise
from simulator.units import format_share

ERRORS, AT, LONGEST = 0.05, 60.0, 80.0
LENGTH = {"dist": "uniform", "low": "40s", "high": LONGEST}  # by chance, so that it is no multiple of a wait
FALSE, THROUGH, LATE = "breaker:false_trips_per_hour", "breaker:calls_in_outage", "breaker:refused_after"
Key = tuple[float, float]


def scenario(threshold: float, wait: float, duration: float, outage: bool) -> dict[str, Any]:
    """Twenty calls a second; what the breaker refuses is given up."""
    breaker = {"size": 20, "minimum_calls": 20, "failure_rate": threshold, "open_for": wait, "half_open_calls": 5}
    payment = {"topic": "orders", "concurrency": "unlimited", "dependencies": ["gateway"], "breaker": breaker}
    fault = {"name": "outage", "target": "dependencies.gateway", "kind": "outage", "at": AT, "for": LENGTH}
    return {
        "name": "breaker_tuning",
        "run": {"duration": duration},
        "broker": {"profile": "rabbitmq"},
        "producers": {"checkout": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 20}}},
        "dependencies": {"gateway": {"latency": {"dist": "exponential", "mean": "50ms"}, "error_rate": ERRORS}},
        "consumers": {"payment": payment | {"redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "orders.dlq"}}},
        "faults": [fault] if outage else [],
    }


def of_calm(left: Measurement) -> Iterator[Measure]:
    """Trips without a reason, by hour."""
    (trips,) = (m.value for m in left.metrics if m.metric == "breaker_trips")
    hours = float(left.times[-1]) / 3600
    yield Measure("breaker", "false_trips_per_hour", "1", trips / hours, "rate", hours)


def of_outage(left: Measurement) -> Iterator[Measure]:
    """Calls that met the outage, and seconds after it in which good calls were refused."""
    (through,) = (m.value for m in left.metrics if m.metric == "rejected" and m.component == "dependencies.gateway")
    opened = left.series["consumers.payment", "breaker_open"]
    (end,) = (window.end for window in left.windows)
    after = (left.times >= end) & (left.times < end + 60.0)
    yield Measure("breaker", "calls_in_outage", "count", through, "count")
    yield Measure("breaker", "refused_after", "s", float(opened[after].mean()) * 60.0)


def study(setup: Setup) -> Answer:
    """Every threshold with every wait, on both days."""
    thresholds = (0.15, 0.3, 0.5) if setup.quick else (0.1, 0.2, 0.3, 0.5, 0.8)
    waits = (2.0, 10.0) if setup.quick else (1.0, 5.0, 20.0)
    keys = list(product(thresholds, waits))
    days = (300.0 if setup.quick else 900.0, False), (AT + LONGEST + 70.0, True)
    systems = [setup.system(scenario(*key, *day)) for day in days for key in keys]
    found = replicate_all(systems, setup.number(whole=16, quick=4), setup.seed, setup.jobs, progress=setup.progress)
    calm = {key: derived(result, of_calm) for key, result in zip(keys, found[: len(keys)], strict=True)}
    down = {key: derived(result, of_outage) for key, result in zip(keys, found[len(keys) :], strict=True)}
    varied = ("threshold", "wait")
    table = pd.concat([tidy(calm, varied, (FALSE,)), tidy(down, varied, (THROUGH, LATE))], ignore_index=True)
    said = finding(calm, down)
    small = (
        f"breaker_tuning, seed {setup.seed}",
        f"{found[0].runs} runs a setting, mean and 95 % interval",
        "numbers: threshold",
    )
    figure, (ax,) = slide(said.partition(". ")[0], *small, height=5.8)
    drawn = table.assign(wait=[f"wait {wait:g} s" for wait in table["wait"]])[::-1]
    labels = f"false trips an hour, with {format_share(ERRORS)} errors as usual", "calls made in an outage of 40 to 80 s"
    plane(drawn, FALSE, THROUGH, "wait", labels, "threshold", ax)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda calls, _: f"{calls:,g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    calls = table[table["metric"] == "calls_in_outage"]
    ax.set_ylim(0.7 * calls["ci_low"].min(), 3.5 * calls["ci_high"].max())
    return Answer(said, table, {"trade-off": figure})


def finding(calm: Mapping[Key, Result], down: Mapping[Key, Result]) -> str:
    """The lowest threshold that trips falsely no more often than the best, and what a longer wait does there."""
    trips = {key: measures(result, FALSE) for key, result in calm.items()}
    rows = {key: summarise(each) for key, each in trips.items()}
    fewest = min(row.ci_high for row in rows.values())
    frequent = {key[0] for key, row in rows.items() if row.ci_low > fewest}
    thresholds, waits = (sorted(set(values)) for values in zip(*calm, strict=True))
    short, long = waits[0], waits[-1]
    good = [threshold for threshold in thresholds if threshold not in frequent]
    best = good[0] if good else thresholds[-1]
    text = "The lowest threshold with false trips as few as at any" if good else "No threshold is best; the highest"
    text += f" is {format_share(best)}: {told(trips[best, short])} an hour with a wait of {short:g} s. "
    if best != thresholds[0]:
        below = thresholds[thresholds.index(best) - 1]
        text += f"At {format_share(below)} there are {told(trips[below, short])}. "
    changes = [difference(*(measures(down[best, w], metric) for w in (short, long)))[1] for metric in (THROUGH, LATE)]
    calls, late = (told(measures(down[best, long], metric)) for metric in (THROUGH, LATE))
    text += f"A wait of {long:g} s in place of {short:g} s changes the calls made in an outage by {changes[0]}, to "
    return text + f"{calls}, and the time for which good calls are refused in the minute after it by {changes[1]}, to {late}."


if __name__ == "__main__":
    from_shell("breaker_tuning")
