"""How long does it take to catch up after an outage, and how does that depend on headroom?

A group of five workers waits for a dependency that is gone for a while, and works off what has gathered when it is back. The
load is varied at constant capacity. Without chance the backlog of an outage of length D is gone after D ρ / (1 - ρ), where ρ
is the load before it over the capacity: the less headroom, the longer, without bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from experiments.lab import charts
from experiments.lab.charts.studies import slide
from experiments.lab.study import Answer, Setup, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.statistics import summarise
from simulator.units import format_share, format_value

CAPACITY, CALM = 50.0, 120.0
RECOVERY, RATIO = "faults.outage:recovery_time", "faults.outage:over_fluid"
Results = dict[tuple[float, float], Result]


def fluid(rho: float, outage: float) -> float:
    """Seconds in which a backlog without chance is gone."""
    return outage * rho / (1 - rho)


def scenario(rho: float, outage: float) -> dict[str, Any]:
    """Five workers, each with calls of 100 ms on average; a worker that meets the outage tries again until it is over."""
    patient = {"max_attempts": 1_000_000, "backoff": "fixed", "base": "200ms"}
    return {
        "name": "recovery_time",
        "run": {"duration": CALM + outage + 1.5 * fluid(rho, outage) + 120.0, "warmup": "30s"},
        "broker": {"profile": "rabbitmq"},
        "producers": {"checkout": {"topic": "orders", "arrivals": {"process": "poisson", "rate": CAPACITY * rho}}},
        "dependencies": {"gateway": {"latency": {"dist": "exponential", "mean": "100ms"}}},
        "consumers": {"payment": {"topic": "orders", "concurrency": 5, "dependencies": ["gateway"], "retry": patient}},
        "faults": [{"name": "outage", "target": "dependencies.gateway", "kind": "outage", "at": CALM, "for": outage}],
    }


def over_fluid(rho: float, outage: float, left: Measurement) -> Iterator[Measure]:
    """Recovery time over that without chance."""
    (time,) = (m for m in left.metrics if (m.component, m.metric) == ("faults.outage", "recovery_time"))
    yield Measure("faults.outage", "over_fluid", "1", time.value / fluid(rho, outage), time.kind, 1.0, time.censored)


def study(setup: Setup) -> Answer:
    """Every length of outage at every utilisation."""
    utilisations = (0.5, 0.7, 0.8) if setup.quick else (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
    outages = (30.0, 60.0) if setup.quick else (30.0, 60.0, 120.0)
    keys = [(rho, outage) for outage in outages for rho in utilisations]
    systems = [setup.system(scenario(*key)) for key in keys]
    found = replicate_all(
        systems, setup.number(whole=8, quick=3), setup.seed, setup.jobs, progress=setup.progress, series=False
    )
    results = {key: derived(result, partial(over_fluid, *key)) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("utilisation", "outage"), (RECOVERY, RATIO))
    said = finding(results)
    small = f"recovery_time, seed {setup.seed}", f"{found[0].runs} runs a point, mean and 95 % interval"
    figure, (ax,) = slide(said.partition(". ")[0], *small)
    charts.recovery_against_utilisation(table[table["metric"] == "recovery_time"], "utilisation", "outage", ax=ax)
    ax.set_title("", loc="left")
    return Answer(said, table, {"recovery": figure})


def finding(results: Results) -> str:
    """What headroom does to the longest outage, and how well the fluid curve foretells all of them."""
    longest = max(outage for _, outage in results)
    ends = [rho for rho, outage in results if outage == longest]
    low, high = min(ends), max(ends)
    first, last = (told(measures(results[rho, longest], RECOVERY)) for rho in (low, high))
    length = format_value(longest, "s")
    text = f"An outage of {length} takes {first} to catch up with at {format_share(low)} load, {last} at {format_share(high)}. "
    agree = []
    for key, result in results.items():
        row = summarise(measures(result, RATIO))
        agree.append((abs(row.mean - 1), row.ci_low <= 1 <= row.ci_high, key))
    inside = sum(holds for _, holds, _ in agree)
    _, _, (rho, outage) = max(agree)
    worst = f"{format_value(outage, 's')} at {format_share(rho)} load, {told(measures(results[rho, outage], RATIO))} times that"
    return text + (
        f"Without chance, D ρ / (1 - ρ) lies in the interval of {inside} of {len(agree)} points; farthest off is {worst}."
    )


if __name__ == "__main__":
    from_shell("recovery_time")
