"""When should a consumer commit, if its instances crash: what is lost, and what is done twice?

Four instances take orders from a log, book each in a ledger and publish a receipt, which a second group mails. Instances
crash at random; what was read and not committed is read again by whoever gets the partition next. A booking that is under
way when its instance crashes is still made. Every policy meets the same crashes. Per million orders: events that no
instance ever worked off (lost), bookings beyond each order's first (booked twice), mails likewise (mailed twice).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.lab.charts.studies import curves, first_words, legend_below, slide
from experiments.lab.charts.study_charts import plane, reach
from experiments.lab.charts.tidy import Measured
from experiments.lab.study import Answer, Setup, derived, difference, from_shell, measures, tidy, told
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result

POLICIES = ("auto", "batch", "record", "before", "transaction")
METRICS = {"lost_orders": "lost", "booked_twice": "booked twice", "mailed_twice": "mailed twice"}


def scenario(policy: str, minutes: float, duration: str) -> dict[str, Any]:
    """Instances that are 45 % busy and crash every so many minutes."""
    payment = {"topic": "orders", "instances": 4, "batch": 50, "service": "20ms", "dependencies": ["ledger"]}
    return {
        "name": "commit_policies",
        "run": {"duration": duration, "drain": True},
        "topics": {"orders": {"partitions": 8}, "receipts": {"partitions": 4}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 30}}},
        "dependencies": {"ledger": {"latency": {"dist": "gamma", "mean": "40ms", "cv": 0.7}}},
        "consumers": {
            "payment": payment | {"commit": policy, "session_timeout": "10s", "publishes": [{"topic": "receipts"}]},
            "mail": {"topic": "receipts", "instances": 2, "service": "2ms", "commit": "record"},
        },
        "faults": [
            {
                "name": "crashes", "target": "consumers.payment", "kind": "crash", "time_to_repair": "5s",
                "time_to_failure": {"dist": "exponential", "mean": 60.0 * minutes},
            }
        ],
    }  # fmt: skip


def harm(left: Measurement) -> Iterator[Measure]:
    """Events lost, booked twice and mailed twice per million orders, in one replication."""
    had = {(m.component, m.metric): m.value for m in left.metrics}
    millions = had["producers.shop", "produced"] / 1e6
    counted = {
        "lost_orders": had["consumers.payment", "lost"] + had["consumers.payment", "unpublished"],
        "booked_twice": had["consumers.payment", "duplicate_effects"],
        "mailed_twice": had["consumers.mail", "duplicate_effects"],
    }
    for metric, events in counted.items():
        yield Measure("consumers.payment", metric, "1", events / millions, "rate", millions)


def study(setup: Setup) -> Answer:
    """Every policy at every rate of crashes."""
    between = (8.0, 2.0) if setup.quick else (16.0, 8.0, 4.0, 2.0)
    keys = [(policy, minutes) for policy in POLICIES for minutes in between]
    systems = [setup.system(scenario(*key, "4m" if setup.quick else "10m")) for key in keys]
    runs = setup.number(whole=12, quick=3)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {(name, 60 / minutes): derived(each, harm) for (name, minutes), each in zip(keys, found, strict=True)}
    most = max(rate for _, rate in results)
    table = tidy(results, ("commit", "crashes"), [f"consumers.payment:{metric}" for metric in METRICS])
    safe, lost = losses({policy: results[policy, most] for policy in POLICIES})
    booked, mailed = (fewest(safe, metric) for metric in ("booked_twice", "mailed_twice"))
    text = f"With {most:g} crashes of each instance an hour {lost}"
    small = f"commit_policies, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval"
    figures = {}
    figures["trade-off"], [ax] = slide(text, *small, "numbers: crashes of each instance per hour", height=5.6)
    labels = "booked twice, per million orders", "lost, per million orders"
    plane(table, "booked_twice", "lost_orders", "commit", labels, "crashes", ax)
    figures["crashes"], axes = slide(f"Of the policies that lose nothing: {booked}", *small, "set apart a little", panels=3)
    apart = table.assign(crashes=table["crashes"] + 0.4 * (table["commit"].map(POLICIES.index) - 2))
    for ax, (metric, label) in zip(axes, METRICS.items(), strict=True):
        curves(apart, metric, "crashes", "commit", f"{label}, per million", ax)
        each = Measured.of(table, metric)
        reach(ax, "y", each.mean, each.errors[1])
        ax.set_xlabel("crashes of each instance per hour")
    legend_below(figures["crashes"], axes[0], len(POLICIES))
    return Answer(f"{text}. Of the policies that lose nothing: {booked}; downstream {mailed}.", table, figures)


def losses(worst: Mapping[str, Result]) -> tuple[dict[str, Result], str]:
    """The policies that lose nothing in any run, and what the others lose."""
    lost = {policy: measures(result, "consumers.payment:lost_orders") for policy, result in worst.items()}
    losing = [policy for policy, each in lost.items() if any(m.value for m in each)]
    text = ", ".join(f'"{policy}" loses {told(lost[policy])} per million orders' for policy in losing) or "nothing is lost"
    return {policy: result for policy, result in worst.items() if policy not in losing}, text


def fewest(results: Mapping[str, Result], metric: str) -> str:
    """The policies with the fewest duplicates, and by how much the next differs from them, run by run."""
    found = {policy: measures(result, f"consumers.payment:{metric}") for policy, result in results.items()}
    means = {policy: sum(m.value for m in each) for policy, each in found.items()}
    if not means:
        return "there are none"
    best = min(means, key=lambda policy: means[policy])
    level = [policy for policy in means if means[policy] == means[best]]
    text = f"with {first_words(level, 5)} the fewest are {METRICS[metric]}, {told(found[best])} per million"
    for other in sorted(set(means) - set(level), key=lambda policy: means[policy])[:1]:
        gap, shown = difference(found[best], found[other])
        text += f", with {other} {shown} more{'' if gap.ci_low > 0 else ', which may be luck'}"
    return text


if __name__ == "__main__":
    from_shell("commit_policies")
