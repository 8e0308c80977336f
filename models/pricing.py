"""What a system costs to run."""

from __future__ import annotations

from collections.abc import Iterable

from models.outline import Outline
from simulator.results import Measure


def cost_per_hour(scenario: Outline, measures: Iterable[Measure], operations: float) -> float:
    """What a run cost per hour of simulated time, by what was measured of it; `scenario` has prices.

    `operations`: requests that stores of marks have carried out: look-ups, marks, claims and releases.
    """
    prices, values = scenario.costs, {(m.component, m.metric): m.value for m in measures}
    assert prices is not None
    assert scenario.run.warmup != "auto"
    hours = (scenario.run.duration - scenario.run.warmup) / 3600
    calls = sum(values[f"dependencies.{name}", "calls"] for name in scenario.dependencies)
    instances = sum(
        consumer.instances if consumer.autoscale is None else values[f"consumers.{name}", "instances_mean"]
        for name, consumer in scenario.consumers.items()
    )
    fixed = prices.consumer_hour * instances + prices.broker_node_hour * scenario.broker.nodes
    used = prices.dependency_million_calls * calls + prices.store_million_operations * operations
    return fixed + used / 1e6 / hours
