"""How many deliveries before an event becomes a dead letter, and when should dead letters be tried again?

A dependency is gone for three minutes, and one event in five hundred can never be handled. A failed delivery comes back
through a retry topic after 2, 4, 8, ... s, until the event is moved to the dead letters, from which it is redriven once after
a while, or never. More deliveries save events by themselves, at the price of calls into the outage; a redrive saves what is
left, if it does not itself come too early. Everything is worked off before a run ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from experiments.lab.charts.studies import curves, legend_below, slide
from experiments.lab.study import Answer, Setup, derived, difference, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result

POISON = 0.002
REDRIVES = {"none": None, "after 1 min": "1m", "after 10 min": "10m"}
GROUP = "consumers.payment"
METRICS = {
    "saved_share": "saved by redrive", "resting_share": "dead letters that rest", "attempts_mean": "attempts per event",
    "lag_max": "highest lag (events)",
}  # fmt: skip
COSTS = ("attempts_mean", "lag_max")
Key = tuple[int, str]


def scenario(deliveries: int, redrive: str | None, rate: float) -> dict[str, Any]:
    """A group with many workers, so that what waits, waits for its next delivery and for nothing else."""
    rest = {"topic": "orders.dlq"} | ({"redrive_after": redrive} if redrive else {})
    again = {"through": "retry_topic", "max_deliveries": deliveries, "backoff": "exponential", "base": "2s"}
    return {
        "name": "dead_letter_strategy",
        "run": {"duration": "6m", "drain": True},
        "broker": {"profile": "rabbitmq"},
        "producers": {"checkout": {"topic": "orders", "arrivals": {"process": "poisson", "rate": rate}}},
        "dependencies": {"gateway": {"latency": {"dist": "exponential", "mean": "50ms"}, "error_rate": 0.01}},
        "consumers": {
            "payment": {
                "topic": "orders", "concurrency": "unlimited", "dependencies": ["gateway"], "poison": POISON,
                "redelivery": again, "dead_letter": rest,
            }
        },
        "faults": [{"name": "outage", "target": "dependencies.gateway", "kind": "outage", "at": "1m", "for": "3m"}],
    }  # fmt: skip


def shares(left: Measurement) -> Iterator[Measure]:
    """What became of the dead letters, as shares of all events."""
    had = {m.metric: m.value for m in left.metrics if m.component in (GROUP, "producers.checkout")}
    for name, events in (("saved_share", "saved"), ("resting_share", "dead_lettered")):
        yield Measure(GROUP, name, "share", had[events] / had["produced"], "share", had["produced"])


def study(setup: Setup) -> Answer:
    """Every number of deliveries with every redrive."""
    deliveries, rate = ((1, 3, 6), 5.0) if setup.quick else ((1, 2, 3, 4, 6, 8), 20.0)
    keys: list[Key] = list(product(deliveries, REDRIVES))
    systems = [setup.system(scenario(number, REDRIVES[redrive], rate)) for number, redrive in keys]
    runs = setup.number(whole=10, quick=3)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {key: derived(result, shares) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("deliveries", "redrive"), [f"{GROUP}:{metric}" for metric in METRICS])
    said = finding(results)
    small = f"dead_letter_strategy, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval"
    figure, axes = slide(said.partition(". ")[0], *small, panels=len(METRICS), height=5.4)
    for ax, (metric, label) in zip(axes, METRICS.items(), strict=True):
        curves(table, metric, "deliveries", "redrive", label, ax)
        ax.set_xticks(deliveries)
    legend_below(figure, axes[0], len(REDRIVES), "redrive")
    return Answer(said, table, {"dead letters": figure})


def finding(results: Mapping[Key, Result]) -> str:
    """Which combination leaves the fewest dead letters, what the redrives save, and what deliveries cost."""
    rest = {key: measures(result, f"{GROUP}:resting_share") for key, result in results.items()}
    means = {key: sum(m.value for m in found) / len(found) for key, found in rest.items()}
    best = min(means, key=lambda key: (round(means[key], 12), key[0]))  # of equals the fewest deliveries
    level = sum(round(mean, 12) == round(means[best], 12) for mean in means.values())
    text = f"Fewest dead letters rest with {named(best)}: {told(rest[best])} of the events. "
    text += f"It has the fewest deliveries of {level} combinations with so few. " if level > 1 else ""
    others = sorted((key for key in means if key[0] == best[0] and key != best), key=lambda key: means[key])
    gap, shown = difference(rest[best], rest[others[0]])
    sure = "" if gap.ci_low > 0 else ", which does not tell the two apart"
    text += f"With {named(others[0])} they are {shown} of the events more{sure}. "
    few, many = min(key[0] for key in results), max(key[0] for key in results)
    saved = [f"{told(measures(results[few, name], f'{GROUP}:saved_share'))} {name}" for name in list(REDRIVES)[1:]]
    text += f"With {few} {word(few)} a redrive saves {', '.join(saved)}, of all events. "
    ends = [[measures(results[number, "none"], f"{GROUP}:{metric}") for number in (few, many)] for metric in COSTS]
    attempts, lag = (difference(*pair)[1] for pair in ends)
    return text + f"{many} in place of {few} make {attempts} more attempts per event, and the highest lag {lag} events more."


def named(key: Key) -> str:
    """A combination for people."""
    return f"{key[0]} {word(key[0])} and {'no redrive' if REDRIVES[key[1]] is None else f'a redrive {key[1]}'}"


def word(number: int) -> str:
    """Deliveries, one or several."""
    return "delivery" if number == 1 else "deliveries"


if __name__ == "__main__":
    from_shell("dead_letter_strategy")
