"""What common random numbers are worth in the built-in system."""

from __future__ import annotations

import pytest

from experiments import compare
from models import System

LATENCY = "consumers.payment:latency_mean"


@pytest.mark.long
def test_pairing_makes_the_interval_of_two_retry_policies_at_least_three_times_narrower() -> None:
    orders = System.load("orders")
    patient = orders.with_({"consumers.payment.retry.max_attempts": 5})
    found = compare(orders, {"five attempts": patient}, [LATENCY], runs=10, seed=7)
    (row,) = found.of(LATENCY)
    assert row.narrowing >= 3
