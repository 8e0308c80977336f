"""What does a node that fails cost, by the number of replicas and the acknowledgements that producers wait for?

Three nodes keep six partitions with one, two or three replicas; one node is stopped, crashes, or loses power with what it had
not flushed, for a minute. One group reads at once, another every 15 s. Measured are the time for which a partition that the
node led has no leader, the stored events that are lost to one of the groups, and the highest lag of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.lab.charts.studies import curves, first_words, legend_below, slide
from experiments.lab.charts.study_charts import reach
from experiments.lab.charts.tidy import Measured
from experiments.lab.study import Answer, Setup, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_duration

NODES, BEGIN, AWAY = 3, 52.5, 60.0
GONE, LOST, LAG = "topics.orders:without_leader", "topics.orders:lost", "consumers.billing:lag_max"
KINDS = {"stop": "stop", "crash": "crash", "power_loss": "power loss"}
Results = Mapping[tuple[str, str, int], Result]


def scenario(kind: str, acks: str, replicas: int, rate: float) -> dict[str, Any]:
    """One failure of the node that leads a third of the partitions; a majority of the replicas has to be in sync."""
    return {
        "name": "broker_failover",
        "run": {"duration": BEGIN + AWAY + 15.0, "warmup": "10s", "drain": True},
        "broker": {
            "nodes": NODES, "replication_factor": replicas, "min_insync_replicas": max(1, replicas - 1),
            "replication_lag": {"dist": "lognormal", "mean": "50ms", "p99": "200ms"},
        },
        "topics": {"orders": {"partitions": 6}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": rate}, "acks": acks}},
        "consumers": {
            "billing": {"topic": "orders", "instances": 3, "service": {"dist": "exponential", "mean": 1.5 / rate}},
            "archive": {"topic": "orders", "poll_interval": "15s"},
        },
        "faults": [{"name": "failure", "target": "broker.nodes[0]", "kind": kind, "at": BEGIN, "for": AWAY}],
    }  # fmt: skip


def harm(left: Measurement) -> Iterator[Measure]:
    """Seconds for which a partition of the node has no leader, in one replication."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    measured = BEGIN + AWAY + 15.0 - 10.0
    yield Measure("topics.orders", "without_leader", "s", (1 - had["topics.orders", "available_fraction"]) * measured * NODES)


def study(setup: Setup) -> Answer:
    """Every failure with every number of replicas and both acknowledgements."""
    kinds = ("crash", "power_loss") if setup.quick else tuple(KINDS)
    most = (1, 3) if setup.quick else (1, 2, 3)
    keys = [(kind, acks, replicas) for kind in kinds for acks in ("leader", "all") for replicas in most]
    systems = [setup.system(scenario(*key, 40.0 if setup.quick else 150.0)) for key in keys]
    runs = setup.number(whole=12, quick=2)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {key: derived(each, harm) for key, each in zip(keys, found, strict=True)}
    table = tidy(results, ("kind", "acks", "replicas"), (GONE, LOST, LAG))
    table.insert(0, "failure", table["kind"].map(KINDS) + ", " + table["acks"])
    said = finding(results)
    figure, axes = slide(
        said.partition(". ")[0], f"broker_failover, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval",
        "lines: failure, acks; set apart a little", panels=3,
    )  # fmt: skip
    order = list(dict.fromkeys(table["failure"]))
    apart = table.assign(replicas=table["replicas"] + 0.05 * (table["failure"].map(order.index) - len(order) / 2 + 0.5))
    labels = {"without_leader": "without a leader", "lost": "lost", "lag_max": "highest lag"}
    for ax, (metric, label) in zip(axes, labels.items(), strict=True):
        curves(apart, metric, "replicas", "failure", f"{label}{'' if metric == 'without_leader' else ' (events)'}", ax)
        each = Measured.of(table, metric)
        if metric != "without_leader":
            reach(ax, "y", each.mean, each.errors[1])
        ax.set_xticks([1, 2, 3])
    legend_below(figure, axes[0], len(order))
    return Answer(said, table.drop(columns="failure"), {"failover": figure})


def finding(results: Results) -> str:
    """How long partitions have no leader, who loses what, and what waiting for all does to lag."""
    gone = [told(measures(results["crash", "all", replicas], GONE)) for replicas in (1, 3)]
    lost = {key: measures(each, LOST) for key, each in results.items()}
    losing = {key: each for key, each in lost.items() if any(m.value for m in each)}
    told_lost = [
        f"{told(each)} in a {KINDS[kind]} with {_replicas(number)} and acks = {acks}"
        for (kind, acks, number), each in losing.items()
    ]
    safe = [
        _replicas(number)
        for number in sorted({key[2] for key in results})
        if not any(key[1:] == ("all", number) for key in losing)
    ]
    lag = [told(measures(results["crash", acks, 3], LAG)) for acks in ("leader", "all")]
    text = f"A crash of {format_duration(AWAY)} leaves a partition without a leader for {gone[0]} with one replica, {gone[1]} "
    text += f"with three. Events lost: {first_words(told_lost, 12)}. With acks = all nothing is lost with {first_words(safe)}. "
    return (
        f"{text}After a crash of one of three nodes the lag goes up to {lag[0]} events with acks = leader, {lag[1]} with all."
    )


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


if __name__ == "__main__":
    from_shell("broker_failover")
