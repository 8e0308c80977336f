"""What does a node that fails cost, by the number of replicas and the acknowledgements that producers wait for?

Three nodes keep six partitions with one, two or three replicas; one node is stopped, crashes, or loses power with what it had
not flushed, for a minute. Measured are the time for which a partition that it led has no leader, the events that are lost
although the producer knows them to be stored, and the highest lag of the group that reads them.
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

NODES, BEGIN, AWAY = 3, 45.0, 60.0
GONE, LOST, LAG = "topics.orders:without_leader", "topics.orders:lost_per_failure", "consumers.billing:lag_max"
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
        "consumers": {"billing": {"topic": "orders", "instances": 3, "service": {"dist": "exponential", "mean": 1.5 / rate}}},
        "faults": [{"name": "failure", "target": "broker.nodes[0]", "kind": kind, "at": BEGIN, "for": AWAY}],
    }  # fmt: skip


def harm(left: Measurement) -> Iterator[Measure]:
    """Seconds for which a partition of the node has no leader, and acknowledged events lost, in one replication."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    measured = BEGIN + AWAY + 15.0 - 10.0
    yield Measure("topics.orders", "without_leader", "s", (1 - had["topics.orders", "available_fraction"]) * measured * NODES)
    lost = round(had["system", "loss_rate"] * had["producers.shop", "published"])
    yield Measure("topics.orders", "lost_per_failure", "1", lost, "rate", 1.0)


def study(setup: Setup) -> Answer:
    """Every failure with every number of replicas and both acknowledgements."""
    kinds = ("crash", "power_loss") if setup.quick else tuple(KINDS)
    keys = [(kind, acks, replicas) for kind in kinds for acks in ("leader", "all") for replicas in (1, 2, 3)]
    systems = [setup.system(scenario(*key, 40.0 if setup.quick else 150.0)) for key in keys]
    runs = setup.number(whole=20, quick=3)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {key: derived(each, harm) for key, each in zip(keys, found, strict=True)}
    table = tidy(results, ("kind", "acks", "replicas"), (GONE, LOST, LAG))
    table.insert(0, "failure", table["kind"].map(KINDS) + ", acks " + table["acks"])
    said = finding(results)
    figure, axes = slide(
        said.partition(". ")[0], f"broker_failover, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval",
        "set apart a little", panels=3,
    )  # fmt: skip
    order = list(dict.fromkeys(table["failure"]))
    apart = table.assign(replicas=table["replicas"] + 0.05 * (table["failure"].map(order.index) - len(order) / 2 + 0.5))
    labels = {"without_leader": "without a leader", "lost_per_failure": "acknowledged and lost", "lag_max": "highest lag"}
    for ax, (metric, label) in zip(axes, labels.items(), strict=True):
        curves(apart, metric, "replicas", "failure", f"{label}{'' if metric == 'without_leader' else ' (events)'}", ax)
        each = Measured.of(table, metric)
        if metric != "without_leader":
            reach(ax, "y", each.mean, each.errors[1])
        ax.set_xticks([1, 2, 3])
    legend_below(figure, axes[0], 3 if len(order) > 4 else 4)
    return Answer(said, table.drop(columns="failure"), {"failover": figure})


def finding(results: Results) -> str:
    """How long partitions have no leader, who loses what, and what waiting for all does to lag."""
    gone = [told(measures(results["crash", "all", replicas], GONE)) for replicas in (1, 3)]
    text = f"A crash of {AWAY:g} s leaves a partition without a leader for {gone[0]} with one replica, {gone[1]} with three. "
    losing = {key: measures(each, LOST) for key, each in results.items() if any(m.value for m in measures(each, LOST))}
    lost = [
        f"{told(each)} in a {KINDS[kind]} with {replicas} and acks = {acks}" for (kind, acks, replicas), each in losing.items()
    ]
    text += f"Acknowledged events are lost by replicas: {first_words(lost, 12)}. " if lost else "Nothing acknowledged is lost. "
    safe = [f"{replicas}" for replicas in (1, 2, 3) if not any(key[1:] == ("all", replicas) for key in losing)]
    lag = [told(measures(results["crash", acks, 3], LAG)) for acks in ("leader", "all")]
    return (
        f"{text}Waiting for all in sync loses nothing with {first_words(safe)} replicas. After a crash of one of three the lag "
        f"goes up to {lag[0]} events with acks = leader and to {lag[1]} with all: a record that not all in sync hold is not read."
    )


if __name__ == "__main__":
    from_shell("broker_failover")
