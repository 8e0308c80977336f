"""What a system costs to run."""

from __future__ import annotations

from collections.abc import Iterable

from models.outline import Outline
from simulator.results import Measure


def cost_per_hour(scenario: Outline, measures: Iterable[Measure]) -> float:
    """What a run cost per hour of simulated time, by what was measured of it; `scenario` has prices.

    A delivery to a group with idempotency is one operation of its store (the look-up), an effect another (the mark).
    """
    prices, values = scenario.costs, {(m.component, m.metric): m.value for m in measures}
    assert prices is not None
    assert scenario.run.warmup != "auto"
    hours = (scenario.run.duration - scenario.run.warmup) / 3600
    calls = sum(values[f"dependencies.{name}", "calls"] for name in scenario.dependencies)
    keeping = [f"consumers.{name}" for name, consumer in scenario.consumers.items() if consumer.idempotency is not None]
    operations = sum(values[group, "delivered"] + values[group, "effects"] for group in keeping)
    instances = sum(
        consumer.instances if consumer.autoscale is None else values[f"consumers.{name}", "instances_mean"]
        for name, consumer in scenario.consumers.items()
    )
    fixed = prices.consumer_hour * instances + prices.broker_node_hour * scenario.broker.nodes
    used = prices.dependency_million_calls * calls + prices.store_million_operations * operations
    return fixed + used / 1e6 / hours
