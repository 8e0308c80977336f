"""What does each pattern of resilience cost per million events, and what does it buy?

Payment calls a gateway that fails 2 % of its calls and is down for a minute; instances of payment crash now and then. The
patterns are added one after the other: nothing (what fails is discarded), retries within the delivery, a retry topic with
dead letters behind it, a breaker that pauses, idempotency, half as many instances again. All meet the same luck. Harmed
are events lost, discarded or dead at the end, and effects beyond each event's first. Prices are in `PRICES`, per hour or
per million: put your own in with --set costs.dependency_million_calls=50.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.lab.charts.studies import by_name, slide
from experiments.lab.charts.study_charts import plane
from experiments.lab.study import Answer, Setup, derived, difference, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_number

GROUP = "consumers.payment"
PRICES = {"consumer_hour": 0.05, "broker_node_hour": 0.1, "store_million_operations": 1.25, "dependency_million_calls": 5.0}
AGAIN = {"through": "retry_topic", "max_deliveries": 5, "base": "5s", "factor": 2, "jitter": "equal"}
BREAKER = {"size": 20, "minimum_calls": 10, "open_for": "5s", "half_open_calls": 3, "on_open": "pause"}
PATTERNS: dict[str, dict[str, Any]] = {
    "nothing": {"redelivery": {"max_deliveries": 1}},
    "+ retry": {"retry": {"max_attempts": 3, "base": "200ms", "jitter": "full"}},
    "+ retry topic": {"redelivery": AGAIN, "dead_letter": {"topic": "orders.dlq"}},
    "+ breaker": {"breaker": BREAKER},
    "+ idempotency": {"idempotency": {"ttl": "1h", "latency": "1ms"}},
    "+ 2 instances": {"instances": 6},
}
METRICS = {
    "price": "cost per million", "calls_per_event": "calls per event", "given_up": "lost or dead",
    "doubled": "doubled", "recovery_time": "recovery",
}  # fmt: skip


def scenario(patterns: dict[str, Any], duration: str) -> dict[str, Any]:
    """A group at half load with some of the patterns, through an outage and crashes."""
    work = {"topic": "orders", "instances": 4, "service": "10ms", "dependencies": ["gateway"], "batch": 50, "commit": "batch"}
    return {
        "name": "cost_of_resilience",
        "run": {"duration": duration, "warmup": "30s"},
        "topics": {"orders": {"partitions": 12}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 40}}},
        "dependencies": {"gateway": {"latency": {"dist": "gamma", "mean": "40ms", "cv": 0.7}, "error_rate": 0.02}},
        "consumers": {"payment": work | {"session_timeout": "10s"} | patterns},
        "faults": [
            {"name": "outage", "target": "dependencies.gateway", "kind": "outage", "at": "90s", "for": "1m"},
            {
                "name": "crashes", "target": GROUP, "kind": "crash", "time_to_repair": "5s",
                "time_to_failure": {"dist": "exponential", "mean": "5m"},
            },
        ],
        "costs": PRICES,
    }  # fmt: skip


def per_million(left: Measurement) -> Iterator[Measure]:
    """The cost and the events harmed per million, and the calls per event, of one replication."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    mine = {metric: value for (component, metric), value in had.items() if component == GROUP}
    hours = next(m.exposure for m in left.metrics if m.metric == "throughput") / 3600
    produced = had["producers.shop", "produced"]
    millions = produced / 1e6
    given_up = sum(mine[name] for name in ("lost", "discarded", "expired", "dead_lettered"))
    yield Measure(GROUP, "price", "1", had["system", "cost"] * hours / millions)
    yield Measure(GROUP, "calls_per_event", "1", had["dependencies.gateway", "calls"] / produced)
    yield Measure(GROUP, "given_up", "share", given_up / produced, "share", produced)
    yield Measure(GROUP, "doubled", "share", mine["duplicate_effects"] / produced, "rate", produced)
    yield Measure(GROUP, "harmed", "1", (given_up + mine["duplicate_effects"]) / millions, "rate", millions)


def study(setup: Setup) -> Answer:
    """One pattern after the other."""
    so_far: dict[str, Any] = {}
    systems = []
    for pattern in PATTERNS.values():
        so_far = so_far | pattern
        systems.append(setup.system(scenario(so_far, "5m" if setup.quick else "10m")))
    runs = setup.number(whole=20, quick=3)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {name: derived(result, per_million) for name, result in zip(PATTERNS, found, strict=True)}
    listed = [f"{GROUP}:{metric}" for metric in (*METRICS, "harmed")]
    listed[listed.index(f"{GROUP}:recovery_time")] = "faults.outage:recovery_time"
    table = tidy({(name,): result for name, result in results.items()}, ["pattern"], listed)
    small = f"cost_of_resilience, seed {setup.seed}", f"{runs} runs a pattern, mean and 95 % interval"
    said, figures = finding(results), {}
    figures["trade-off"], [ax] = slide(said[0], *small, "each pattern with all before it", height=5.6)
    plane(table, "price", "harmed", "pattern", ("cost per million events", "events harmed per million"), ax=ax)
    figures["ladder"], axes = slide(said[-1], *small, "each pattern with all before it", panels=len(METRICS), sharey=True)
    for ax, (metric, label) in zip(axes, METRICS.items(), strict=True):
        by_name(table, metric, "pattern", label, ax)
    return Answer("\n".join(said), table, figures)


def finding(results: Mapping[str, Result]) -> list[str]:
    """From one end to the other, each step, and the step that avoids the most harm for its cost."""
    sides = ({name: measures(each, f"{GROUP}:{metric}") for name, each in results.items()} for metric in ("price", "harmed"))
    price, harm = sides
    first, *others = results
    ends = (f"{told(harm[name])} harmed at a cost of {told(price[name])}" for name in (first, others[-1]))
    said, worth = [f"Of a million events with {first} {', with all patterns '.join(ends)}"], {}
    for before, name in zip(results, others, strict=False):
        (gap, harmed), (more, costs) = (difference(each[before], each[name]) for each in (harm, price))
        sure = gap.ci_high < 0 or gap.ci_low > 0 or gap.identical
        recovery = told(measures(results[name], "faults.outage:recovery_time"))
        said.append(f"{name}: harmed {harmed}{'' if sure else ', which may be luck'}; cost {costs}; recovery {recovery}")
        if gap.ci_high < 0:
            worth[name[2:]] = -gap.difference / more.difference if more.difference > 0 else float("inf")
    best = [name for name in sorted(worth, key=lambda name: -worth[name]) if worth[name] < float("inf")][:1]
    value = [f"with {name} the most harm is avoided for its cost, {format_number(worth[name])} events a unit" for name in best]
    value += [f"with {name} harm falls and cost does not rise" for name in worth if worth[name] == float("inf")]
    return [*said, f"Step by step: {'; '.join(value) or 'no pattern is sure to avoid harm'}"]


if __name__ == "__main__":
    from_shell("cost_of_resilience")
