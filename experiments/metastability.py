"""At which load, and after how much trouble, does a system stay down although the trouble is over?

A gateway of finite capacity is slow for a while (the trigger). Callers time out after 1 s, but what they no longer wait for
is worked on all the same; each tries up to three times. Once the line at the gateway is longer than their patience all its
work is wasted, and the retries keep the line full: where load x tries exceeds the capacity nothing ends that but less load
(Bronson et al., Metastable Failures in Distributed Systems, 2021). With three tries that begins at a third of the capacity.

*recovers*: in every run at least half of the events that arrive in the last minute are answered in time; *vulnerable*: in
some runs; *collapsed*: in none. Hysteresis: the same load, before the trigger and long after it, in two different states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pandas as pd

from experiments.lab.charts.studies import first_words, slide, states
from experiments.lab.study import Answer, Setup, answered, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_share

SERVERS, SERVICE, TRIES, AT = 5, 0.2, 3, 60.0
RETRY = {"max_attempts": TRIES, "backoff": "exponential", "base": "1s", "jitter": "full"}
POLICIES: dict[str, dict[str, Any]] = {
    "no retry": {},
    "retry": {"retry": RETRY},
    "retry with budget": {"retry": RETRY | {"budget": {"ratio": 0.1}}},
    "retry with breaker": {"retry": RETRY, "breaker": {"window": "time", "size": 10, "minimum_calls": 20, "open_for": "5s"}},
    "retry with shedding": {"retry": RETRY, "concurrency": 4 * SERVERS, "shed_above": 10},
}
GROUP = "consumers.payment"
BEFORE, AFTER, UP = f"{GROUP}:answered_before", f"{GROUP}:answered_after", f"{GROUP}:up_at_the_end"
Key = tuple[str, float, float]


def scenario(policy: str, load: float, trigger: float, duration: float) -> dict[str, Any]:
    """All events are worked on at once, but where what waits is shed; `load` is that of the gateway without retries."""
    payment = {"topic": "orders", "concurrency": "unlimited", "dependencies": ["gateway"], "timeout": "1s"}
    gives_up = {"redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "orders.dlq"}}
    slow = {"name": "trigger", "target": "dependencies.gateway", "kind": "slowdown", "factor": 4, "at": AT, "for": trigger}
    arrivals = {"process": "poisson", "rate": load * SERVERS / SERVICE}
    gateway = {"latency": {"dist": "exponential", "mean": SERVICE}, "concurrency": SERVERS, "queue_limit": 100}
    return {
        "name": "metastability",
        "run": {"duration": duration, "warmup": "20s"},
        "broker": {"profile": "rabbitmq"},
        "producers": {"checkout": {"topic": "orders", "arrivals": arrivals}},
        "dependencies": {"gateway": gateway},
        "consumers": {"payment": payment | gives_up | POLICIES[policy]},
        "faults": [slow] if trigger else [],
    }


def before_and_after(left: Measurement) -> Iterator[Measure]:
    """Shares of the events that are answered in time: in the 40 s before the trigger, and at the end."""
    end = float(left.times[-1])
    for name, span, at in (("answered_before", 40.0, AT), ("answered_after", 60.0, end)):
        share = float(answered(left, GROUP, span)[left.times.searchsorted(at, side="right") - 1])
        yield Measure(GROUP, name, "share", min(1.0, max(0.0, share)))
    yield Measure(GROUP, "up_at_the_end", "share", float(share >= 0.5), "share")


def study(setup: Setup) -> Answer:
    """Every load with every length of the trigger, for every policy."""
    loads = (0.3, 0.5, 0.7) if setup.quick else (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    triggers = (0.0, 3.0, 20.0) if setup.quick else (0.0, 1.0, 3.0, 10.0, 30.0)
    duration = 170.0 if setup.quick else 240.0
    keys: list[Key] = list(product(POLICIES, loads, triggers))
    systems = [setup.system(scenario(*key, duration)) for key in keys]
    found = replicate_all(systems, setup.number(whole=5, quick=3), setup.seed, setup.jobs, progress=setup.progress)
    results = {key: derived(result, before_and_after) for key, result in zip(keys, found, strict=True)}
    varied = ("policy", "load", "trigger")
    table = tidy(results, varied, (BEFORE, AFTER, UP))
    table["state"] = [state(results[key]) for key in table[list(varied)].itertuples(index=False, name=None)]
    said = finding(results, duration)
    small = f"metastability, seed {setup.seed}", f"{found[0].runs} runs a cell: R recovers in all, V in some, C in none"
    figure, axes = slide(said.partition(". ")[0], *small, panels=len(POLICIES), height=5.0, sharey=True)
    for ax, policy in zip(axes, POLICIES, strict=True):
        shown = pd.DataFrame(table[(table["policy"] == policy) & (table["metric"] == "up_at_the_end")])
        states(shown, "load", "trigger", ax, ("load / capacity", "length of the trigger (s)" if ax is axes[0] else " "))
        ax.set_title(policy)
    return Answer(said, table, {"map": figure})


def state(result: Result) -> str:
    """What becomes of a system, by its runs."""
    up = [m.value for m in measures(result, UP)]
    return "recovers" if all(up) else "vulnerable" if any(up) else "collapsed"


def finding(results: Mapping[Key, Result], duration: float) -> str:
    """With which policies a trigger outlasts itself, where runs go down without any, and the plainest hysteresis."""
    cells = {key: state(result) for key, result in results.items()}
    steady = [key for key in cells if key[2] and cells[*key[:2], 0.0] == "recovers"]
    held = {policy: [key for key in steady if key[0] == policy and cells[key] != "recovers"] for policy in POLICIES}
    lost, safe = ([policy for policy in POLICIES if bool(held[policy]) == bad] for bad in (True, False))
    text = f"A trigger that is over keeps a system down that stays up without it with {first_words(lost)}"
    text += f", not with {first_words(safe)}. " if safe else ". "
    for policy in lost:
        borne, least = sum(key[0] == policy for key in steady), min(load for _, load, _ in held[policy])
        text += f"With {policy} in {len(held[policy])} of {borne} cells, from {format_share(least)} load on. "
    tipping = [key[:2] for key in cells if not key[2] and cells[key] != "recovers"]
    limits = {policy: min(load for other, load in tipping if other == policy) for policy, _ in tipping}
    shown = [f"with {policy} from {format_share(load)} load on" for policy, load in limits.items()]
    text += f"Without any trigger runs go down {first_words(shown)}. " if shown else "Without any trigger no run goes down. "
    fallen = [key for key in steady if cells[key] == "collapsed"]
    if not fallen:
        return text + "No system that stays up without it collapsed in every run."
    policy, load, trigger = key = min(fallen, key=lambda key: (key[1], key[2]))
    before, after = (told(measures(results[key], metric)) for metric in (BEFORE, AFTER))
    text += f"Hysteresis: with {policy} at {format_share(load)} load {before} of the events are answered in time before a "
    return text + f"trigger of {trigger:g} s, {after} in the last minute, up to {duration - AT - trigger:g} s after its end."


if __name__ == "__main__":
    from_shell("metastability")
