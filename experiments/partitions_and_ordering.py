"""Retry in place, or through a retry topic: what do order and lag cost with hot keys and few partitions?

One attempt in fifty fails, and the event is tried again after 2 s. In place (seek) its partition waits, and order holds.
Through a retry topic everything else goes on, and later events of the same key overtake it. In place each event takes its
partition (s + f d) / (1 - f) seconds, s being the service, f the share that fails and d the delay: a partition keeps up only
while its arrivals times that, its load, are below 1, and hot keys (Zipf) load one partition more than the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from experiments.lab.charts.studies import curves, slide
from experiments.lab.charts.style import BLACK, styled
from experiments.lab.charts.tidy import Measured
from experiments.lab.charts.tradeoffs import heat_map
from experiments.lab.study import Answer, Setup, derived, difference, from_shell, measures, tidy, told
from models.keys import ZipfKeys, partitions_of
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_value

GROUP = "consumers.payment"
RATE, SERVICE, FAILS, DELAY, KEYS = 80.0, 0.01, 0.02, 2.0, 1000
BOUND = 10.0
"""Seconds: the 99th percentile of lag that is still good."""
WAYS = {"seek": "in place", "retry_topic": "retry topic"}
Key = tuple[str, int, float]


def scenario(key: Key, duration: str) -> dict[str, Any]:
    """Enough workers for every partition, so that partitions alone are what runs short."""
    through, partitions, exponent = key
    again = {"through": through, "max_deliveries": 0, "backoff": "fixed", "base": DELAY}
    work = {"instances": 4, "concurrency": 32, "batch": 20, "commit": "record", "transient_failure": FAILS}
    return {
        "name": "partitions_and_ordering",
        "run": {"duration": duration, "warmup": "20s"},
        "topics": {"orders": {"partitions": partitions}},
        "producers": {
            "shop": {
                "topic": "orders", "arrivals": {"process": "poisson", "rate": RATE},
                "keys": {"dist": "zipf", "count": KEYS, "exponent": exponent},
            }
        },
        "consumers": {"payment": work | {"topic": "orders", "service": SERVICE, "redelivery": again}},
    }  # fmt: skip


def load(partitions: int, exponent: float) -> float:
    """Of the hottest partition, retried in place."""
    share = np.diff(ZipfKeys(count=KEYS, exponent=exponent).table(), prepend=0.0)
    hottest = float(np.bincount(partitions_of(np.arange(KEYS), partitions), share).max())
    return RATE * hottest * (SERVICE + FAILS * DELAY) / (1 - FAILS)


def disorder(left: Measurement) -> Iterator[Measure]:
    """The share of events that take effect after a later one of their key, in one replication."""
    had = {m.metric: m.value for m in left.metrics if m.component == GROUP}
    yield Measure(GROUP, "overtaken", "share", had["out_of_order"] / had["processed"], "share", had["processed"])


def study(setup: Setup) -> Answer:
    """Both ways with every number of partitions and every distribution of keys."""
    partitions = (4, 16, 64) if setup.quick else (4, 8, 16, 32, 64)
    exponents = (0.0, 1.2) if setup.quick else (0.0, 0.6, 0.9, 1.2)
    keys = [(way, count, exponent) for way in WAYS for count in partitions for exponent in exponents]
    systems = [setup.system(scenario(key, "2m" if setup.quick else "5m")) for key in keys]
    runs = setup.number(whole=10, quick=3)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {key: derived(result, disorder) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("through", "partitions", "exponent"), [f"{GROUP}:{m}" for m in ("lag_seconds_p99", "overtaken")])
    table.insert(3, "load", [load(*each) for each in zip(table["partitions"], table["exponent"], strict=True)])
    small = f"partitions_and_ordering, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval"
    sides = {way: table[table["through"] == way] for way in WAYS}
    lag, price = keeping_up(sides), overtaking(results, sides, max(exponents), max(partitions))
    figures = {}
    figures["lag"], [ax] = slide(lag, *small, f"in place; line: p99 of lag of {BOUND:g} s, ?: not sure")
    heat_map(sides["seek"].drop(columns=["load", "through"]), "partitions", "exponent", "lag_seconds_p99", BOUND, ax)
    ax.set_title("", loc="left")
    ax.set_ylabel("Zipf exponent of the keys")
    figures["price"], (left, right) = slide(price, *small, panels=2)
    curves(sides["seek"], "lag_seconds_p99", "load", "exponent", "p99 of lag, in place", left)
    even = table[table["partitions"] == min(partitions)].drop(columns=["partitions", "load"]).replace({"through": WAYS})
    curves(even, "overtaken", "exponent", "through", "overtaken by a later event of the key", right)
    with styled():
        left.axvline(1.0, color=BLACK.colour, linestyle=BLACK.dashes)
        left.set_xlabel("load of the hottest partition (1: cannot keep up)")
        left.legend(title="Zipf exponent", loc="upper left")
        right.set_xlabel("Zipf exponent of the keys")
        right.legend(loc="upper left")
    return Answer(f"{lag}. {price}.", table, figures)


def keeping_up(sides: Mapping[str, Any]) -> str:
    """In how many cells lag is surely good, and up to which load in place."""
    seek, topic = (Measured.of(sides[way], "lag_seconds_p99") for way in WAYS)
    good, loads = seek.high < BOUND, seek.column("load")
    busy = format_value(float(np.min(loads[~good], initial=np.inf)), "share")
    limit = "" if good.all() else f"; the least loaded of the others has its hottest partition {busy} busy"
    cells = f"{int(good.sum())} of {len(good)} cells, through a retry topic in {int((topic.high < BOUND).sum())}{limit}"
    return f"In place the p99 of lag is surely below {BOUND:g} s in {cells}"


def overtaking(results: Mapping[Key, Result], sides: Mapping[str, Any], hot: float, most: int) -> str:
    """What the retry topic gains and what it does to order, with the hottest keys and the most partitions."""
    seek, topic = (results[way, most, hot] for way in WAYS)
    _, shown = difference(*(measures(each, f"{GROUP}:lag_seconds_p99") for each in (seek, topic)))
    even = Measured.of(sides["retry_topic"], "overtaken").mean[0]
    share = told(measures(topic, f"{GROUP}:overtaken"))
    where = f"With {most} partitions and keys of Zipf {hot:g} a retry topic changes the p99 of lag by {shown}"
    return f"{where}; {share} of the events are overtaken, with even keys {format_value(even, 'share')}"


if __name__ == "__main__":
    from_shell("partitions_and_ordering")
