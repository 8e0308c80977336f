"""What do acknowledgements, commits and marks promise together, if brokers and consumers crash: what is lost, what done twice?

A producer sends orders to a log on three nodes, a group of four instances books them. Nodes and instances crash at random and
come back. Acknowledgements by nobody, by the leader or by all in sync meet commits before the work (at most once), after each
batch (at least once), and after each batch with marks that are written with the booking (once). Per million orders: those
that the producer believes to be stored and nobody ever books (lost), and bookings beyond each order's first (doubled).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.lab.charts.studies import first_words, slide
from experiments.lab.charts.study_charts import plane, reach
from experiments.lab.charts.tidy import Measured
from experiments.lab.study import Answer, Setup, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result

ACKS = ("none", "leader", "all")
COMMITS: Mapping[str, Mapping[str, Any]] = {
    "before": {"commit": "before"},
    "batch": {"commit": "batch"},
    "batch + marks": {"commit": "batch", "idempotency": {"atomic": True, "ttl": "1h"}},
}
LOST, DOUBLED = "consumers.ledger:lost_orders", "consumers.ledger:doubled"
Results = Mapping[tuple[str, str, float], Result]


def scenario(acks: str, commit: str, minutes: float, duration: float) -> dict[str, Any]:
    """Every node and every instance crashes every so many minutes, for 15 s."""
    crash = {"kind": "crash", "time_to_failure": {"dist": "exponential", "mean": 60.0 * minutes}, "time_to_repair": "15s"}
    ledger = {"topic": "orders", "instances": 4, "batch": 50, "session_timeout": "10s", **COMMITS[commit]}
    return {
        "name": "delivery_guarantees",
        "run": {"duration": duration, "drain": True},
        "broker": {"nodes": 3, "replication_factor": 3, "min_insync_replicas": 2, "replication_lag": "50ms"},
        "network": {"latency": "2ms"},
        "topics": {"orders": {"partitions": 12}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 40}, "acks": acks}},
        "consumers": {"ledger": ledger | {"service": {"dist": "gamma", "mean": "60ms", "cv": 0.7}}},
        "faults": [
            {"name": "nodes", "target": "broker.nodes", **crash},
            {"name": "instances", "target": "consumers.ledger", **crash},
        ],
    }


def harm(left: Measurement) -> Iterator[Measure]:
    """Orders lost and doubled per million, in one replication."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    believed = had["producers.shop", "published"] + had["producers.shop", "unsent"]
    millions = had["producers.shop", "produced"] / 1e6
    counted = {
        "lost_orders": round(had["system", "loss_rate"] * believed),
        "doubled": had["consumers.ledger", "duplicate_effects"],
    }
    for metric, events in counted.items():
        yield Measure("consumers.ledger", metric, "1", events / millions, "rate", millions)


def study(setup: Setup) -> Answer:
    """Every combination at every rate of crashes."""
    between = (1.0,) if setup.quick else (8.0, 4.0, 2.0)
    keys = [(acks, commit, minutes) for acks in ACKS for commit in COMMITS for minutes in between]
    systems = [setup.system(scenario(*key, 90.0 if setup.quick else 600.0)) for key in keys]
    runs = setup.number(whole=10, quick=2)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {(*key[:2], 60 / key[2]): derived(each, harm) for key, each in zip(keys, found, strict=True)}
    table = tidy(results, ("acks", "commit", "crashes"), (LOST, DOUBLED))
    said = finding(results)
    small = f"delivery_guarantees, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval"
    figure, axes = slide(
        said.partition(". ")[0], *small, "numbers: crashes of each per hour", panels=3, height=5.4, sharey=True
    )
    lost, doubled = (Measured.of(table, metric.partition(":")[2]) for metric in (LOST, DOUBLED))
    for acks, ax in zip(ACKS, axes, strict=True):
        labels = "doubled, per million", "lost, per million" if acks == ACKS[0] else ""
        plane(table[table["acks"] == acks], "doubled", "lost_orders", "commit", labels, "crashes", ax)
        ax.set_title(f"acks = {acks}", loc="left")
        reach(ax, "x", doubled.mean, doubled.errors[1])
        reach(ax, "y", lost.mean, lost.errors[1])
        if acks != ACKS[-1] and (legend := ax.get_legend()):
            legend.remove()
    return Answer(said, table, {"trade-off": figure})


def finding(results: Results) -> str:
    """Who loses nothing, who doubles nothing and who does neither at the highest rate; what the others do."""
    most = max(rate for *_, rate in results)
    worst = {key[:2]: result for key, result in results.items() if key[2] == most}

    def never(metric: str) -> set[tuple[str, str]]:
        return {key for key, each in worst.items() if not any(m.value for m in measures(each, metric))}

    def per_million(metric: str, acks: str, commit: str) -> str:
        return f"{told(measures(worst[acks, commit], metric))} with {named(acks, commit)}"

    neither = [named(*key) for key in worst if key in never(LOST) & never(DOUBLED)]
    doubling = [per_million(DOUBLED, *key) for key in worst if key in never(LOST) - never(DOUBLED)]
    losing = [per_million(LOST, *key) for key in (("leader", "batch"), ("none", "batch"), ("all", "before"))]
    text = f"With {most:g} crashes of each node and instance an hour nothing is lost or doubled with {first_words(neither)}. "
    text += f"Where nothing is lost, per million orders are doubled: {first_words(doubling)}. "
    return f"{text}Per million are lost: {first_words(losing)}."


def named(acks: str, commit: str) -> str:
    """A combination in a sentence."""
    return f"acks = {acks} and commit = {commit}"


if __name__ == "__main__":
    from_shell("delivery_guarantees")
