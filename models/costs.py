"""Prices, in one currency."""

from __future__ import annotations

from models.scalars import Rate
from simulator.spec import Spec


class Costs(Spec):
    """`[costs]`: per hour, per month, or per million."""

    consumer_hour: Rate = 0.0
    broker_node_hour: Rate = 0.0
    store_million_operations: Rate = 0.0
    storage_gb_month: Rate = 0.0
    dependency_million_calls: Rate = 0.0
