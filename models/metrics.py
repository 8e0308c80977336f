"""Every metric that a run measures: its unit, "s", "1" (a number), "count", "share", "1/s" or "1/d" (per day), and which side
is good."""

from __future__ import annotations

from typing import Literal

Side = Literal["lower", "higher"]

_WORDS = {"seconds": "s", "numbers": "1", "counts": "count", "shares": "share", "rates": "1/s", "daily": "1/d"}


def _metrics(**listed: str) -> dict[str, str]:
    return {name: _WORDS[word] for word, names in listed.items() for entry in names.split() for name in _each(entry)}


def _each(entry: str) -> list[str]:
    stem, _, endings = entry.partition("{")
    return [stem + ending for ending in endings.rstrip("}").split(",")]


METRICS: dict[str, dict[str, str]] = {
    "producers": _metrics(
        counts="produced published unsent phantom failed unconfirmed waiting publish_retries",
        numbers="sends_per_event",
        seconds="publish_latency_{mean,p50,p95,p99} blocked_time",
    ),
    "topics": _metrics(counts="stored lost expired rejected size_max", shares="available_fraction"),
    "consumers": _metrics(
        counts="""delivered processed effects duplicate_effects redelivered suppressed dead_lettered dead_letter_moves
            dead_letter_depth_max redriven saved discarded expired lost unpublished out_of_order short_circuited backlog
            in_flight empty_polls lag_{mean,p99,max} lag_waiting_max lag_committed_{mean,max} lag_partition_max
            breaker_trips rebalances memory_kills""",
        rates="throughput goodput",
        shares="""duplicate_rate error_rate dead_letter_rate unfinished_share utilization held availability served
            breaker_open_fraction""",
        numbers="""attempts_mean amplification batch_size_mean sends_per_event deliveries_per_send attempts_per_delivery
            calls_per_attempt total_amplification instances_mean""",
        seconds="""wait_{mean,p50,p95,p99} latency_{mean,sd,p50,p95,p99,p999} end_to_end_{mean,p99}
            lag_seconds_{mean,p99,max}""",
    ),
    "dependencies": _metrics(
        counts="calls errors rejected wasted queue_max",
        shares="utilization",
        numbers="busy_mean",
        seconds="latency_{mean,p99}",
    ),
    "faults": _metrics(
        counts="occurrences peak_lag",
        seconds="downtime time_to_detect recovery_time",
        shares="recovered_share detected_share",
    ),
    "alerts": _metrics(counts="firings", shares="firing_fraction", daily="false_alarms_per_day"),
    "sagas": _metrics(counts="started completed compensated stuck inconsistent", seconds="duration_{mean,p99}"),
    "aggregates": _metrics(counts="rebuilds", seconds="replay_time_mean staleness_{mean,p99}"),
    "paths": _metrics(shares="availability"),
    "system": _metrics(shares="loss_rate dead_letter_rate phantom_rate duplicate_rate slo_violation", numbers="cost"),
}
"""Unit of each metric by the kind of component that has it; `system` is a component by itself."""

_LOWER = {
    "producers": """unsent phantom failed unconfirmed waiting publish_retries sends_per_event publish_latency_{mean,p50,p95,p99}
        blocked_time""",
    "topics": "lost expired rejected",
    "consumers": """duplicate_effects dead_lettered dead_letter_moves dead_letter_depth_max discarded expired lost unpublished
        out_of_order backlog lag_{mean,p99,max} lag_waiting_max lag_committed_{mean,max} lag_partition_max
        rebalances memory_kills duplicate_rate error_rate dead_letter_rate unfinished_share attempts_mean amplification
        sends_per_event deliveries_per_send attempts_per_delivery calls_per_attempt total_amplification
        wait_{mean,p50,p95,p99} latency_{mean,sd,p50,p95,p99,p999} end_to_end_{mean,p99} lag_seconds_{mean,p99,max}""",
    "dependencies": "errors rejected wasted queue_max latency_{mean,p99}",
    "faults": "peak_lag downtime time_to_detect recovery_time",
    "alerts": "false_alarms_per_day",
    "sagas": "stuck inconsistent duration_{mean,p99}",
    "aggregates": "replay_time_mean staleness_{mean,p99}",
    "system": "loss_rate dead_letter_rate phantom_rate duplicate_rate slo_violation cost",
}
_HIGHER = {
    "producers": "published",
    "topics": "available_fraction",
    "consumers": "processed throughput goodput availability served",
    "faults": "recovered_share detected_share",
    "sagas": "completed",
    "paths": "availability",
}

_SIDES: tuple[tuple[Side, dict[str, str]], ...] = (("lower", _LOWER), ("higher", _HIGHER))

BETTER: dict[tuple[str, str], Side] = {
    (kind, name): side
    for side, listed in _SIDES
    for kind, names in listed.items()
    for entry in names.split()
    for name in _each(entry)
}
"""Which side is good, by kind of component and metric; of a metric that is not here neither is by itself, such as
utilization or the calls of a dependency."""

TIMES = frozenset(name for metrics in METRICS.values() for name, unit in metrics.items() if unit == "s")
"""The metrics that are measured in seconds."""


def metrics_of(component: str) -> dict[str, str]:
    """Units of the metrics of a component, by its path (`consumers.payment`); {} for no kind of component."""
    return METRICS.get(component.partition(".")[0], {})


def good_side(component: str, metric: str) -> Side | None:
    """Whether less or more of a metric is better; None where that depends on what else happens."""
    return BETTER.get((component.partition(".")[0], metric))
