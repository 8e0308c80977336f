"""How many calls does one event become where every layer tries again, and how little load does it take to stay down?

A handler calls a service that calls a service, and so on to a bank; each of these layers makes up to three attempts. Errors:
each call of the bank fails with probability p. The attempts of a layer are a truncated geometric number by the failures of the
layer below, and what reaches the bank is their product (*expected*), 3^d calls at the most. Slowdown: the bank is slow for
20 s; whoever calls it waits for 1 s, but cannot take its call back. Where load x 3^d exceeds the capacity, retries can hold it
down when it is fast again. Budgets: one retry for every ten first attempts, outside (in the handler alone) or everywhere.
*Recovers*: in every run at least half of the last 40 s' events are answered in time; *vulnerable*: in some; else collapsed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise, product
from typing import Any

import pandas as pd

from experiments.lab.charts.studies import curves, first_words, slide, states
from experiments.lab.study import Answer, Setup, answered, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_share

TRIES, LAYERS, SERVERS, SERVICE, AT, FOR = 3, (1, 2, 3), 2, 0.1, 40.0, 20.0
GROUP, BANK, ERRORS = "consumers.payment", "dependencies.bank", "errors"
BUDGETS = {"no budget": 0, "budget outside": 1, "budgets everywhere": max(LAYERS)}
METRICS = CALLS, _, UP = tuple(f"{GROUP}:{name}" for name in ("calls", "expected", "up_at_the_end"))
Key = tuple[str, int, float]


def scenario(layers: int, bank: Mapping[str, Any], rate: float, duration: float, wait: float, budgets: int) -> dict[str, Any]:
    """The handler is the first layer, the last one calls the bank; they wait up to `wait` s, the outer ones have `budgets`."""
    tries = {"max_attempts": TRIES, "backoff": "fixed", "base": wait, "jitter": "full"}
    retry = [tries | ({"budget": {"ratio": 0.1}} if layer < budgets else {}) for layer in range(layers)]
    names = [*(f"layer{number}" for number in range(2, layers + 1)), "bank"]
    chain = {
        name: {"latency": 0, "dependencies": [called], "retry": retry[layer]} | ({"timeout": "1s"} if called == "bank" else {})
        for layer, (name, called) in enumerate(pairwise(names), 1)
    }
    payment = {"topic": "orders", "concurrency": "unlimited", "dependencies": names[:1], "retry": retry[0]}
    gives_up = {"redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "orders.dlq"}}
    return {
        "name": "layered_retries", "run": {"duration": duration, "warmup": "10s"}, "broker": {"profile": "rabbitmq"},
        "producers": {"checkout": {"topic": "orders", "arrivals": {"process": "poisson", "rate": rate}}},
        "dependencies": {**chain, "bank": bank},
        "consumers": {"payment": payment | gives_up | ({"timeout": "1s"} if layers == 1 else {})},
    }  # fmt: skip


def scenario_of(key: Key, long: float, short: float) -> dict[str, Any]:
    """Every call takes no time and fails with probability p; or the bank has two places, a load and a time of trouble."""
    look, layers, level = key
    if look == ERRORS:
        return scenario(layers, {"latency": 0, "error_rate": level}, 20.0, short, 0.0, 0)
    bank = {"latency": {"dist": "exponential", "mean": SERVICE}, "concurrency": SERVERS, "queue_limit": 100}
    slow = {"name": "slow", "target": BANK, "kind": "slowdown", "factor": 50, "at": AT, "for": FOR}
    return scenario(layers, bank, level * SERVERS / SERVICE, long, 0.5, BUDGETS[look]) | {"faults": [slow]}


def harm(key: Key, left: Measurement) -> Iterator[Measure]:
    """Calls of the bank by event, what they should be, and whether the system answers in time at the end."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    yield Measure(GROUP, "calls", "1", had[BANK, "calls"] / had["producers.checkout", "produced"])
    if key[0] == ERRORS:
        tries = [sum(key[2] ** (n * TRIES**layer) for n in range(TRIES)) for layer in range(key[1])]
        yield Measure(GROUP, "expected", "1", math.prod(tries))
    else:
        yield Measure(GROUP, "up_at_the_end", "share", float(answered(left, GROUP, 40.0)[-1] >= 0.5), "share")


def study(setup: Setup) -> Answer:
    """Every number of layers with every error rate, and with every load and budget."""
    errors = (0.1, 0.5, 0.9, 1.0) if setup.quick else (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    loads = (0.1, 0.2, 0.5) if setup.quick else (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
    long, short = (130.0, 30.0) if setup.quick else (240.0, 110.0)
    keys: list[Key] = [*product([ERRORS], LAYERS, errors), *product(BUDGETS, LAYERS, loads)]
    systems = [setup.system(scenario_of(key, long, short)) for key in keys]
    found = replicate_all(systems, setup.number(whole=5, quick=2), setup.seed, setup.jobs, progress=setup.progress)
    results = {key: derived(result, partial(harm, key)) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("look", "layers", "level"), METRICS)
    table["state"] = [state(results[key]) for key in zip(table["look"], table["layers"], table["level"], strict=True)]
    said = finding(results)
    small = f"layered_retries, seed {setup.seed}", f"{found[0].runs} runs a cell: R recovers in all, V in some, C in none"
    figure, axes = slide(said.partition(". ")[0], *small, panels=1 + len(BUDGETS), height=5.0)
    curves(pd.DataFrame(table[table["look"] == ERRORS]), "calls", "level", "layers", "calls of the bank by event", axes[0])
    axes[0].set_xlabel("share of calls that fail")
    axes[0].legend(title="layers")
    for ax, policy in zip(axes[1:], BUDGETS, strict=True):
        shown = pd.DataFrame(table[(table["look"] == policy) & (table["metric"] == "up_at_the_end")])
        states(shown, "level", "layers", ax, ("load / capacity", "layers" if ax is axes[1] else " "))
        ax.set_title(policy)
    return Answer(said, table, {"layers": figure})


def state(result: Result) -> str:
    """What becomes of a system after the slowdown, by its runs; "" without one."""
    up = [m.value for m in measures(result, UP)]
    return "" if not up else "recovers" if all(up) else "vulnerable" if any(up) else "collapsed"


def finding(results: Mapping[Key, Result]) -> str:
    """What reaches the bank against theory, and the load from which a slowdown outlasts itself."""
    rough = {key: measures(result, CALLS) for key, result in results.items() if key[0] == ERRORS}
    worst, layers = max(p for _, _, p in rough), first_words([str(number) for number in LAYERS])
    calls = first_words([told(rough[ERRORS, number, worst]) for number in LAYERS])
    text = f"Where {format_share(worst)} of the calls fail, {layers} layers of {TRIES} attempts make {calls} calls of one. "
    held: dict[tuple[str, int], list[float]] = {key: [] for key in product(BUDGETS, LAYERS)}
    for key, result in results.items():
        held.get(key[:2], []).extend([key[2]] if state(result) not in ("", "recovers") else [])
    for policy in BUDGETS:
        least = first_words([format_share(min(held[policy, n])) if held[policy, n] else "no" for n in LAYERS])
        text += f"With {policy} the slowdown keeps the system down from {least} load on with {layers} layers. "
    return text.strip()


if __name__ == "__main__":
    from_shell("layered_retries")
