"""Which libraries' retries, as they come, get events through an outage and an overload, and which make it worse?

Every preset of `retry` that ships, and those of `redelivery` alone that a queue can do, meet the same luck twice, as the
policies of the study `retry_policies` do: an outage, in which the gateway refuses every call, and an overload, in which it is
slow and works on for callers that have timed out. Every event is worked on at once; one that is given up is a dead letter.

Recovery: from the end of the trouble until, for the next 30 s, lag is at most 30 events and in every 10 s at least nine in ten
of the events that arrive are answered in time. What waits for a later delivery counts as lag. Calls: of the gateway, by event.
Wasted: of the gateway's work, that on calls which nobody waits for any more. Given up: dead letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.lab.charts.studies import by_name, first_words, slide
from experiments.lab.study import Answer, Setup, derived, from_shell, measures, tidy, told
from experiments.retry_policies import FOR, METRICS, TROUBLES, harm, scenario
from models.presets import presets_of
from simulator.replication import replicate_all
from simulator.results import Result

RETRIES: dict[str, dict[str, Any]] = {name: {"retry": name} for name in presets_of("retry")}
REDELIVERIES: dict[str, dict[str, Any]] = {
    name: {"redelivery": name} for name in ("spring-kafka-retry-topic", "nservicebus", "masstransit-redelivery")
}
POLICIES = {name: RETRIES.get(name, {}) | REDELIVERIES.get(name, {}) for name in RETRIES | REDELIVERIES}
"""MassTransit's redelivery is set up with its own retries inside."""
FEW = 1.05
"""Calls per event up to which a policy adds as good as no load."""


def study(setup: Setup) -> Answer:
    """Every preset in both troubles."""
    duration = 125.0 if setup.quick else 300.0
    keys = [(trouble, policy) for trouble in TROUBLES for policy in POLICIES]
    data = [scenario(POLICIES[policy], TROUBLES[trouble], duration) for trouble, policy in keys]
    systems = [setup.system(tables | {"name": "presets_compared"}) for tables in data]
    found = replicate_all(systems, setup.number(whole=10, quick=3), setup.seed, setup.jobs, progress=setup.progress)
    results = {key: derived(result, harm) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("trouble", "preset"), [f"consumers.payment:{metric}" for metric in METRICS])
    said = {trouble: finding(trouble, {policy: results[trouble, policy] for policy in POLICIES}) for trouble in TROUBLES}
    figures, runs = {}, f"{found[0].runs} runs a preset, mean and 95 % interval (recovery: median where some run has none)"
    for trouble in TROUBLES:
        small = f"presets_compared, seed {setup.seed}", runs
        figures[trouble], axes = slide(said[trouble].partition(". ")[0], *small, panels=len(METRICS), height=7.6, sharey=True)
        for ax, (metric, label) in zip(axes, METRICS.items(), strict=True):
            by_name(table[table["trouble"] == trouble], metric, "preset", label, ax)
    return Answer("\n".join(said.values()), table, figures)


def finding(trouble: str, results: Mapping[str, Result]) -> str:
    """Which presets do not recover, which of the others gives up fewest events, and what calls it takes."""
    had = {
        name: {metric: measures(result, f"consumers.payment:{metric}") for metric in METRICS}
        for name, result in results.items()
    }
    mean = {
        name: {metric: sum(m.value for m in found) / len(found) for metric, found in mine.items()} for name, mine in had.items()
    }
    stuck = [name for name, mine in had.items() if any(m.censored for m in mine["recovery"])]
    up = [name for name in had if name not in stuck]
    text = f"{trouble.capitalize()} of {FOR:g} s: "
    text += f"not recovered in every run with {first_words(stuck, 4)}" if stuck else "every preset recovers in every run"
    if not up:
        return f"{text}. None does."
    best = min(up, key=lambda name: mean[name]["given_up"])
    most = max(had, key=lambda name: mean[name]["amplification"])
    text += f"; of the others {best} gives up the fewest events, {told(had[best]['given_up'])}"
    text += f", with {told(had[best]['amplification'])} calls per event. "
    few = [name for name in up if mean[name]["amplification"] <= FEW]
    text += f"Most calls are made with {most}: {told(had[most]['amplification'])} per event"
    return text + (f", as good as none beyond the first with {first_words(few, 4)}." if few else ".")


if __name__ == "__main__":
    from_shell("presets_compared")
