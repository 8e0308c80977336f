"""Which random faults break a system, how few of them are enough, and which of them does each pattern of resilience take away?

One system in four versions, each with one more pattern: a broker that acknowledges what one node has, handlers that try once;
acknowledgements of all replicas in sync; retries and a dead-letter topic; twice the instances. All of them meet the same random
schedules under the same luck. A schedule breaks a system where more than one event in a thousand is lost, or the oldest event
waits for longer than 30 s. The worst schedules are shrunk to what is enough to break it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments import chaos
from experiments.lab.campaign import Campaign
from experiments.lab.charts import chaos_figures
from experiments.lab.charts.studies import by_name, slide
from experiments.lab.fault_words import in_words
from experiments.lab.study import Answer, Setup, from_shell
from simulator.results import Measure
from simulator.statistics import summarise

FAULTS = 3
HYPOTHESIS = ("system:loss_rate<0.001", "consumers.billing:lag_seconds_max<30s")
PATTERNS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "+ acks = all": {"producers.shop.acks": "all"},
    "+ retries, dead letters": {
        "consumers.billing.retry": {"max_attempts": 3, "base": "200ms"},
        "consumers.billing.redelivery": {"through": "retry_topic", "max_deliveries": 8, "base": "1s", "cap": "10s"},
        "consumers.billing.dead_letter": {"topic": "orders.dead"},
    },
    "+ twice the instances": {"consumers.billing.instances": 6},
}
"""What each version changes in the one before it."""


def scenario(rate: float, duration: float) -> dict[str, Any]:
    """Three nodes, a group that calls a gateway, and half of its time to spare."""
    billing = {"topic": "orders", "instances": 3, "service": {"dist": "exponential", "mean": 1 / rate}}
    once = {"redelivery": {"through": "seek", "max_deliveries": 1}}
    session = {"session_timeout": "10s", "commit": "batch"}
    return {
        "name": "chaos_campaign",
        "run": {"duration": duration, "warmup": "20s"},
        "broker": {"nodes": 3, "replication_factor": 3, "min_insync_replicas": 2, "replication_lag": "50ms"},
        "topics": {"orders": {"partitions": 6}},
        "producers": {
            "shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": rate}, "acks": "leader", "idempotent": False}
        },
        "dependencies": {"gateway": {"latency": {"dist": "exponential", "mean": 0.5 / rate}}},
        "consumers": {"billing": billing | once | session | {"dependencies": ["gateway"], "timeout": "2s"}},
    }


def study(setup: Setup) -> Answer:
    """The same schedules against each version; the worst of the first and the last are shrunk."""
    schedules, worst = setup.number(whole=40, quick=6), 1 if setup.quick else 8
    system = setup.system(scenario(5.0, 140.0) if setup.quick else scenario(20.0, 260.0))
    found = {}
    for place, (pattern, changes) in enumerate(PATTERNS.items()):
        system = system.with_(changes)
        shrunk = worst if place in (0, len(PATTERNS) - 1) else 0
        asked = FAULTS, schedules, setup.seed, HYPOTHESIS, shrunk, setup.jobs
        found[pattern] = chaos(system, *asked, progress=setup.progress)
    said = finding(found)
    table = pd.DataFrame([row for pattern, campaign in found.items() for row in rows(pattern, campaign)])
    number = len(found["as it is"].ranked)
    small = f"chaos_campaign, seed {setup.seed}", f"{number} schedules of {FAULTS} faults, the same for all; 95 % intervals"
    figure, axes = slide(said.partition(". ")[0], *small, panels=2, sharey=True)
    by_name(table, "system:broken", "pattern", "schedules that break it", axes[0])
    by_name(table, "system:loss_rate", "pattern", "events lost, mean", axes[1])
    least = list(found.values())[-1]
    return Answer(said, table, {"patterns": figure, "schedules": chaos_figures(least)["schedules"]})


def rows(pattern: str, campaign: Campaign) -> list[dict[str, Any]]:
    """What a campaign found, over its schedules: how many break the system, loss, and recovery, if it is known to the end."""
    measured = [
        [Measure("system", "broken", "share", float(bool(each.outcome.violated)), "share") for each in campaign.ranked],
        [Measure("system", "loss_rate", "share", each.outcome.loss) for each in campaign.ranked],
        [
            Measure("system", "recovery_time", "s", each.outcome.recovery, "survival", censored=not each.outcome.recovered)
            for each in campaign.ranked
        ],
    ]
    named = []
    for each in measured:
        row = summarise(each)
        of = {"pattern": pattern, "component": each[0].component, "metric": each[0].metric, "unit": each[0].unit}
        numbers = {"mean": row.mean, "ci_low": row.ci_low, "ci_high": row.ci_high, "n": row.n, "censored": row.censored}
        named.append(of | numbers)
    return named


def finding(found: Mapping[str, Campaign]) -> str:
    """How many schedules break each version, and what is enough for the first and the last."""
    first, last = found["as it is"], list(found.values())[-1]
    counts = ", ".join(f"{len(campaign.violating)} {pattern}" for pattern, campaign in found.items())
    text = f"Of {len(first.ranked)} schedules of {FAULTS} random faults these break the system: {counts}. "
    for version, campaign in (("As it is,", first), ("With all patterns", last)):
        shrunk = [each.least for each in campaign.ranked if each.least]
        if not shrunk:
            text += f"{version} none breaks it. "
            continue
        kinds = Counter(" with ".join(sorted(fault.kind.replace("_", " ") for fault in least)) for least in shrunk)
        told = ", ".join(f"{kind} ({number})" for kind, number in kinds.most_common())
        text += f"{version} enough in the worst {len(shrunk)}: {told}; in the first of them {in_words(shrunk[0])}. "
    return text.strip()


if __name__ == "__main__":
    from_shell("chaos_campaign")
