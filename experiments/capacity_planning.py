"""How many instances of payment keep the p99 of lag within bounds through an outage of what they depend on?

The gateway is down for 15 s, and slow for 2 minutes after that: four times its latency, so that an instance does a third of
its usual work. What could not be done waits in its partition and is tried again each second. `plan` finds the smallest
number of instances that surely meets the objective at the usual rate; a sweep over rates and instances shows what more
traffic would need, and at what cost. Partitions are handed out whole: 24 of them over 7 instances leave some with 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments import plan, sweep
from experiments.lab.charts.sizing import headroom, headroom_finding
from experiments.lab.charts.studies import slide
from experiments.lab.charts.tidy import Measured
from experiments.lab.charts.tradeoffs import heat_map, pareto
from experiments.lab.study import Answer, Setup, from_shell
from simulator.units import format_number

RATE, BOUND = 40.0, 30.0
RATES, INSTANCES = "producers.shop.arrivals.rate", "consumers.payment.instances"
LAG, COST = "consumers.payment:lag_seconds_p99", "system:cost"
MEAN = 0.06
"""Seconds of work for an event in calm: 50 ms at the gateway and 10 ms beside it."""


def scenario(duration: str) -> dict[str, Any]:
    """Payment, with an outage of its gateway and slow minutes after it."""
    again = {"through": "seek", "max_deliveries": 0, "backoff": "fixed", "base": "1s"}
    work = {"topic": "orders", "instances": 8, "service": "10ms", "dependencies": ["gateway"], "batch": 20, "commit": "batch"}
    return {
        "name": "capacity_planning",
        "run": {"duration": duration, "warmup": "30s"},
        "topics": {"orders": {"partitions": 24}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": RATE}}},
        "dependencies": {"gateway": {"latency": {"dist": "gamma", "mean": "50ms", "cv": 0.7}}},
        "consumers": {"payment": work | {"redelivery": again}},
        "faults": [
            {"name": "outage", "target": "dependencies.gateway", "kind": "outage", "at": "1m", "for": "15s"},
            {"name": "slow", "target": "dependencies.gateway", "kind": "slowdown", "factor": 4, "at": "75s", "for": "2m"},
        ],
        "costs": {"consumer_hour": 0.1, "broker_node_hour": 0.2, "dependency_million_calls": 2.0},
        "slos": [{"component": "consumers.payment", "metric": "lag_seconds_p99", "below": BOUND}],
    }


def study(setup: Setup) -> Answer:
    """A plan at the usual rate, and every rate with every number of instances."""
    system = setup.system(scenario("4m" if setup.quick else "8m"))
    rates = (20.0, 40.0) if setup.quick else (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
    instances = (4, 8, 12, 24) if setup.quick else (4, 6, 8, 10, 12, 16, 24)
    options: dict[str, Any] = {"seed": setup.seed, "jobs": setup.jobs, "progress": setup.progress}
    planned = plan(system, {INSTANCES: (3, 24)}, runs=setup.number(whole=6, quick=3), **options)
    runs = setup.number(whole=6, quick=3)
    table = sweep(system, {RATES: rates, INSTANCES: instances}, runs, **options).summary
    table = table[(table["component"] + ":" + table["metric"]).isin((LAG, COST))].drop(columns=["std", "min", "median", "max"])
    table = table.rename(columns={RATES: "rate", INSTANCES: "instances"}).reset_index(drop=True)
    small = f"capacity_planning, seed {setup.seed}", "mean and 95 % interval"
    figures = {}
    usually = f"At {RATE:g} events a second"
    figures["headroom"], [ax] = slide(f"{usually} {headroom_finding(planned, planned.binding)}", *small)
    headroom(planned, ax=ax).set_title("", loc="left")
    figures["map"], [ax] = slide(needed(table), *small, f"{runs} runs a cell; line: {BOUND:g} s, ?: not sure", height=5.6)
    heat_map(table, "instances", "rate", LAG, BOUND, ax).set_title("", loc="left")
    ax.set_xlabel("instances")
    ax.set_ylabel("events per second")
    usual = table[table["rate"] == RATE].drop(columns="rate")
    figures["cost"], [ax] = slide(cheapest(usual), *small, f"{runs} runs a point; {RATE:g} events a second", height=5.6)
    pareto(usual, COST, LAG, BOUND, ax).set_title("", loc="left")
    calm = f"in calm {RATE * MEAN:.2g} of them are busy"
    return Answer(f"{usually} {planned.answer}; {calm}. {needed(table)}. {cheapest(usual)}.", table, figures)


def needed(table: Any) -> str:
    """The fewest instances tried at each rate that surely stay within the bound."""
    lag = Measured.of(table, LAG)
    rates, instances = lag.column("rate"), lag.column("instances")
    fewest = []
    for rate in np.unique(rates):
        enough = instances[(rates == rate) & (lag.high < BOUND)]
        fewest.append(f"{enough.min():g} at {rate:g}/s" if len(enough) else f"none tried at {rate:g}/s")
    return f"Instances that keep the p99 of lag below {BOUND:g} s: {', '.join(fewest)}"


def cheapest(usual: Any) -> str:
    """What it costs to stay within the bound at the usual rate, against the fewest instances tried."""
    lag = Measured.of(usual, LAG)
    cost, instances = lag.like(usual, COST), lag.column("instances")
    enough = np.flatnonzero(lag.high < BOUND)
    if not len(enough):
        return f"Nothing tried keeps the p99 of lag below {BOUND:g} s"
    best, least = enough[np.argmin(cost.mean[enough])], int(np.argmin(instances))
    first = f"{instances[best]:g} instances cost {format_number(cost.mean[best])} an hour for a p99 of {lag.told(best)}"
    return f"{first}; {instances[least]:g} cost {format_number(cost.mean[least])} for {lag.told(least)}"


if __name__ == "__main__":
    from_shell("capacity_planning")
