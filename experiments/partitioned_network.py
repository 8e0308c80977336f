"""What does a network that splits cost, by its length, the acknowledgements and the side on which the producers are?

One of three nodes, which leads a third of the partitions, is cut off from the others and from the consumers; the producer is
either beside it or on the side of the majority. Measured are the events that are lost although the producer knows them to be
stored, those that it is told have failed, how many wait at most, and how long it takes after the network has healed until no
more wait or lag than before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from experiments.lab.charts.studies import curves, legend_below, slide
from experiments.lab.study import Answer, Setup, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_duration

BEGIN, AFTER = 40.0, 80.0
SIDES = {"beside": "cut-off side", "majority": "majority's side"}
SHOWN = {"lost_events": "acknowledged and lost", "failed_events": "reported failed", "caught_up": "caught up after"}
METRICS = [f"producers.shop:{metric}" for metric in (*SHOWN, "waiting_most")]
Results = Mapping[tuple[str, str, float], Result]


def scenario(side: str, acks: str, length: float, rate: float) -> dict[str, Any]:
    """One partition of the network of `length` seconds."""
    few, many = ["broker.nodes[0]"], ["broker.nodes[1]", "broker.nodes[2]", "consumers.billing"]
    (few if side == "beside" else many).append("producers.shop")
    return {
        "name": "partitioned_network",
        "run": {"duration": BEGIN + length + AFTER, "warmup": "10s", "drain": True},
        "broker": {"nodes": 3, "replication_factor": 3, "min_insync_replicas": 2},
        "topics": {"orders": {"partitions": 6}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": rate}, "acks": acks}},
        "consumers": {"billing": {"topic": "orders", "instances": 3, "service": "5ms"}},
        "faults": [{"name": "split", "kind": "partition", "between": [few, many], "at": BEGIN, "for": length}],
    }


def harm(length: float, left: Measurement) -> Iterator[Measure]:
    """What was lost, failed, waited and for how long, in one replication. Times are those of the grid of the series."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    waiting = left.series["producers.shop", "unacknowledged"]
    pending, times = waiting + left.series["consumers.billing", "lag"], left.times
    usual = pending[(times >= 10.0) & (times < BEGIN)].max()
    above = times[(times >= BEGIN + length) & (pending > 2 * usual + 10)]
    counted = {
        "lost_events": round(had["system", "loss_rate"] * had["producers.shop", "published"]),
        "failed_events": had["producers.shop", "failed"] + had["producers.shop", "phantom"],
        "waiting_most": waiting.max(),
    }
    for metric, events in counted.items():
        yield Measure("producers.shop", metric, "1", float(events), "rate", 1.0)
    yield Measure("producers.shop", "caught_up", "s", float(np.max(above, initial=BEGIN + length)) - BEGIN - length)


def study(setup: Setup) -> Answer:
    """Every length with both acknowledgements on both sides."""
    lengths = (30.0, 150.0) if setup.quick else (5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 240.0)
    rate = 15.0 if setup.quick else 60.0
    keys = [(side, acks, length) for side in SIDES for acks in ("leader", "all") for length in lengths]
    systems = [setup.system(scenario(*key, rate)) for key in keys]
    runs = setup.number(whole=10, quick=2)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=True)
    results = {key: derived(each, partial(harm, key[2])) for key, each in zip(keys, found, strict=True)}
    table = tidy(results, ("side", "acks", "length"), METRICS)
    said = finding(results, rate)
    table.insert(0, "line", table["side"].map(SIDES) + ", acks " + table["acks"])
    figure, axes = slide(
        said.partition(". ")[0], f"partitioned_network, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval",
        f"{rate:g} events/s", panels=3,
    )  # fmt: skip
    for ax, (metric, label) in zip(axes, SHOWN.items(), strict=True):
        curves(table, metric, "length", "line", f"{label}{'' if metric == 'caught_up' else ' (events)'}", ax)
        ax.set_xlabel("length of the partition (s)")
    legend_below(figure, axes[0], 4)
    return Answer(said, table.drop(columns="line"), {"partition": figure})


def finding(results: Results, rate: float) -> str:
    """Where events are lost, from which length on they fail, and when the producer has caught up."""
    longest = max(length for *_, length in results)

    def most(metric: str, side: str, acks: str) -> str:
        return told(measures(results[side, acks, longest], f"producers.shop:{metric}"))

    def some(metric: str) -> list[tuple[str, str, float]]:
        return [key for key, each in results.items() if any(m.value for m in measures(each, f"producers.shop:{metric}"))]

    text = (
        f"In a partition of {format_duration(longest)} {most('lost_events', 'beside', 'leader')} of the {rate * longest:,.0f} "
    )
    text += "events produced in it are acknowledged and lost beside the cut-off leader with acks = leader. "
    others = {(side, acks) for side, acks, _ in some("lost_events")} - {("beside", "leader")}
    text += "With acks = all or beside the majority none is lost" if not others else "Others lose some too"
    failing = [length for side, acks, length in some("failed_events") if (side, acks) == ("beside", "all")]
    if failing:
        told_failed = most("failed_events", "beside", "all")
        text += f"; from {format_duration(min(failing))} on some are reported failed, {told_failed} in the longest"
    return (
        f"{text}. Beside the majority at most {most('waiting_most', 'majority', 'all')} wait, beside the cut-off leader "
        f"{most('waiting_most', 'beside', 'all')}; there all is caught up {most('caught_up', 'beside', 'all')} after the end."
    )


if __name__ == "__main__":
    from_shell("partitioned_network")
