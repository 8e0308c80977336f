"""The price of a system: what stands there, and what is used."""

from __future__ import annotations

import pytest

from models import System
from models.errors import BadScenario
from simulator.replication import replicate

SYSTEM = {
    "run": {"duration": "110s", "warmup": "10s", "runs": 1},
    "broker": {"nodes": 3},
    "producers": {"web": {"topic": "jobs", "arrivals": {"process": "constant", "rate": 10.0}}},
    "dependencies": {"api": {"latency": "1ms"}},
    "consumers": {
        "work": {"topic": "jobs", "instances": 2, "service": "1ms", "dependencies": ["api"]},
        "audit": {"topic": "jobs", "instances": 1, "service": "1ms", "idempotency": {"ttl": "1h"}},
    },
}


def cost(**prices: float) -> float:
    return replicate(System.from_dict({**SYSTEM, "costs": prices})).value("system", "cost").mean


def test_instances_and_nodes_are_paid_by_the_hour() -> None:
    assert cost(consumer_hour=0.5) == pytest.approx(1.5)
    assert cost(broker_node_hour=2.0) == pytest.approx(6.0)


def test_calls_and_operations_are_paid_by_the_million() -> None:
    """10 events a second: as many calls, and in the group with idempotency a look-up and a mark each."""
    assert cost(dependency_million_calls=1.0) == pytest.approx(36_000 / 1e6, rel=0.002)
    assert cost(store_million_operations=1.0) == pytest.approx(72_000 / 1e6, rel=0.002)


def test_without_prices_there_is_no_cost() -> None:
    with pytest.raises(KeyError):
        replicate(System.from_dict(SYSTEM)).value("system", "cost")


def test_storage_is_refused_by_name() -> None:
    with pytest.raises(BadScenario, match=r"costs\.storage_gb_month: not supported yet"):
        System.from_dict({**SYSTEM, "costs": {"storage_gb_month": 0.1}})
