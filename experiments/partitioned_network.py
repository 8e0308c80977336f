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

from experiments.lab.charts.studies import curves, first_words, legend_below, slide
from experiments.lab.study import Answer, Setup, derived, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.units import format_duration

BEGIN, AFTER = 40.0, 80.0
SIDES = {"beside": "beside the cut-off leader", "majority": "beside the majority"}
SHOWN = {"lost_events": "acknowledged and lost", "failed_events": "told to have failed", "caught_up": "caught up after"}
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
    lengths = (20.0, 60.0, 180.0) if setup.quick else (5.0, 10.0, 20.0, 40.0, 60.0, 90.0, 120.0, 180.0, 240.0)
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
    legend_below(figure, axes[0], 2)
    return Answer(said, table.drop(columns="line"), {"partition": figure})


def finding(results: Results, rate: float) -> str:
    """Where events are lost, from which length on they fail, and when the producer has caught up."""
    longest = max(length for *_, length in results)

    def told_of(metric: str, side: str, acks: str, length: float = longest) -> str:
        return told(measures(results[side, acks, length], f"producers.shop:{metric}"))

    span = format_duration(longest)
    losing = [key for key, each in results.items() if any(m.value for m in measures(each, METRICS[0]))]
    where = list(dict.fromkeys(f"{SIDES[side]} with acks = {acks}" for side, acks, _ in losing))
    text = f"In a partition of {span} {told_of('lost_events', 'beside', 'leader')} of {rate * longest:,.0f} events are lost "
    text += f"beside the cut-off leader with acks = leader, {told_of('lost_events', 'beside', 'all')} with all. "
    text += f"Events are lost {first_words(where)}. "
    failing = sorted({length for side, _, length in results for acks in ("all",) if side == "beside"
                      and any(m.value for m in measures(results[side, acks, length], METRICS[1]))})  # fmt: skip
    if failing:
        text += f"From {format_duration(failing[0])} on some of what waits is told to have failed. "
    return (
        f"{text}Beside the majority at most {told_of('waiting_most', 'majority', 'all')} wait, however long it lasts; beside the cut-off "
        f"leader {told_of('waiting_most', 'beside', 'all')}, and it has caught up {told_of('caught_up', 'beside', 'all')} later."
    )


if __name__ == "__main__":
    from_shell("partitioned_network")
