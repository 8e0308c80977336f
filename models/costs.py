"""Prices, in one currency."""

from __future__ import annotations

from pydantic import Field

from models.later import later
from models.scalars import Rate
from simulator.spec import Spec


class Costs(Spec):
    """`[costs]`: per hour, per month, or per million. An instance and a node are paid for whether they are up or down; where
    a group autoscales, an instance is from being wanted until it has put down what it had in hand."""

    consumer_hour: Rate = 0.0
    broker_node_hour: Rate = 0.0
    store_million_operations: Rate = 0.0
    storage_gb_month: Rate = Field(0.0, json_schema_extra=later())
    dependency_million_calls: Rate = 0.0
