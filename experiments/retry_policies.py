"""Which way of trying again gets events through an outage, and through an overload, without making it worse?

Eight policies with at most four tries meet the same luck twice. Outage: the gateway refuses every call for a while.
Overload: it is slow for a while, callers time out after 1 s, and what they no longer wait for goes on at the gateway, which
is how retries can hold a system down after its trouble is over (Bronson et al. 2021). Every event is worked on at once.

Recovery: from the end of the trouble until, for the next 30 s, lag is at most 30 events and in every 10 s at least nine in ten
of the events that arrive are answered in time. Calls: of the gateway, by event. Wasted: of the gateway's work, that on calls
which nobody waits for any more. Given up: dead letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.lab.charts.studies import by_name, first_words, slide
from experiments.lab.study import Answer, Setup, answered, derived, difference, from_shell, measures, tidy, told
from models import System
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result

BACKOFF = {"max_attempts": 4, "backoff": "exponential", "base": "1s", "cap": "10s"}
FULL = BACKOFF | {"jitter": "full"}
POLICIES: dict[str, dict[str, Any]] = {
    "no retry": {},
    "fixed": {"retry": {"max_attempts": 4, "backoff": "fixed", "base": "1s"}},
    "exponential": {"retry": BACKOFF},
    "full jitter": {"retry": FULL},
    "equal jitter": {"retry": BACKOFF | {"jitter": "equal"}},
    "decorrelated": {"retry": BACKOFF | {"jitter": "decorrelated"}},
    "budget 10 %": {"retry": FULL | {"budget": {"ratio": 0.1}}},
    "breaker": {"retry": FULL, "breaker": {"window": "time", "size": 10, "minimum_calls": 20, "open_for": "5s"}},
}
TROUBLES: dict[str, dict[str, Any]] = {"outage": {"kind": "outage"}, "overload": {"kind": "slowdown", "factor": 5}}
AT, FOR = 60.0, 20.0
METRICS = {
    "recovery": "recovery", "amplification": "calls per event", "wasted_share": "work wasted",
    "given_up": "events given up", "duplicate_rate": "events doubled",
}  # fmt: skip


def scenario(policy: Mapping[str, Any], trouble: Mapping[str, Any], duration: float) -> dict[str, Any]:
    """A gateway for 25 calls a second at half load, and what befalls it."""
    payment = {"topic": "orders", "concurrency": "unlimited", "dependencies": ["gateway"], "timeout": "1s"}
    gives_up = {"redelivery": {"max_deliveries": 1}, "dead_letter": {"topic": "orders.dlq"}}
    return {
        "name": "retry_policies",
        "run": {"duration": duration, "warmup": "20s"},
        "broker": {"profile": "rabbitmq"},
        "producers": {"checkout": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 12.5}}},
        "dependencies": {
            "gateway": {"latency": {"dist": "exponential", "mean": "200ms"}, "concurrency": 5, "queue_limit": 100}
        },
        "consumers": {"payment": payment | gives_up | dict(policy)},
        "faults": [{"name": "trouble", "target": "dependencies.gateway", "at": AT, "for": FOR, "normal": 30} | dict(trouble)],
    }


def harm(left: Measurement) -> Iterator[Measure]:
    """Recovery, and the shares of calls wasted and of events given up, of one replication."""
    had = {(m.component, m.metric): m for m in left.metrics}
    begins, good = left.times - 10.0, answered(left, "consumers.payment", span=10.0) >= 0.9
    lasting = [
        time for time in begins
        if time >= AT + FOR and time + 20.0 <= begins[-1] and good[(begins >= time) & (begins <= time + 20.0)].all()
    ]  # fmt: skip
    lag = had["faults.trouble", "recovery_time"]
    never = lag.censored or not lasting
    recovery = float(left.times[-1]) - AT - FOR if never else max(lag.value, lasting[0] - AT - FOR)
    calls, rejected, wasted = (had["dependencies.gateway", name].value for name in ("calls", "rejected", "wasted"))
    moves, produced = had["consumers.payment", "dead_letter_moves"].value, had["producers.checkout", "produced"].value
    yield Measure("consumers.payment", "recovery", "s", recovery, "survival", 1.0, never)
    yield Measure("consumers.payment", "wasted_share", "share", wasted / (calls - rejected), "share", calls - rejected)
    yield Measure("consumers.payment", "given_up", "share", moves / produced, "share", produced)


def study(setup: Setup) -> Answer:
    """Every policy in both troubles."""
    duration = 150.0 if setup.quick else 300.0
    keys = [(trouble, policy) for trouble in TROUBLES for policy in POLICIES]
    systems: list[System] = [setup.system(scenario(POLICIES[policy], TROUBLES[trouble], duration)) for trouble, policy in keys]
    found = replicate_all(systems, setup.number(whole=20, quick=3), setup.seed, setup.jobs, progress=setup.progress)
    results = {key: derived(result, harm) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("trouble", "policy"), [f"consumers.payment:{metric}" for metric in METRICS])
    said = {trouble: finding(trouble, {policy: results[trouble, policy] for policy in POLICIES}) for trouble in TROUBLES}
    figures, runs = {}, f"{found[0].runs} runs a policy, mean and 95 % interval (recovery: median where some run has none)"
    for trouble in TROUBLES:
        small = f"retry_policies, seed {setup.seed}", runs
        figures[trouble], axes = slide(said[trouble].partition(". ")[0], *small, panels=len(METRICS), height=5.0, sharey=True)
        for ax, (metric, label) in zip(axes, METRICS.items(), strict=True):
            by_name(table[table["trouble"] == trouble], metric, "policy", label, ax)
    return Answer("\n".join(said.values()), table, figures)


def finding(trouble: str, results: Mapping[str, Result]) -> str:
    """Which policies recover in every run, and which of these gives up the fewest events."""
    times = {policy: measures(result, "consumers.payment:recovery") for policy, result in results.items()}
    stuck = [policy for policy, found in times.items() if any(m.censored for m in found)]
    up = [policy for policy in results if policy not in stuck]
    held = f"recovers in every run with {first_words(up, 8)}" + (f", not with {first_words(stuck, 8)}" if stuck else "")
    text = f"{trouble.capitalize()} of {FOR:g} s: the system {held}. "
    if stuck:
        worst = max(stuck, key=lambda policy: results[policy].value("consumers.payment", "amplification").mean)
        calls, wasted = (measures(results[worst], f"consumers.payment:{m}") for m in ("amplification", "wasted_share"))
        text += f"With {worst} the gateway gets {told(calls)} calls per event; {told(wasted)} of its work is for nobody. "
    given = {policy: measures(results[policy], "consumers.payment:given_up") for policy in up}
    if len(up) < 2:
        return text + "There is nothing to choose between."
    best, second = sorted(up, key=lambda policy: sum(m.value for m in given[policy]))[:2]
    gap, shown = difference(given[best], given[second])
    sure = f"fewer than with {second} by {shown}" if gap.ci_low > 0 else f"not told apart from {second}, {shown} more"
    return text + f"Of those that recover {best} gives up the fewest events, {told(given[best])}: {sure}."


if __name__ == "__main__":
    from_shell("retry_policies")
