"""The built-in scenario `poison-pill` shows what its description says."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from models import System
from simulator import replicate
from simulator.results import Result

PILL, END = 20.0, 80.0
SHORT = {"run.duration": END, "run.warmup": 5.0, "producers.legacy.arrivals.start": PILL - 1.0}
GROUP = "consumers.billing"


@cache
def run(*changes: tuple[str, Any]) -> Result:
    system = System.load("poison-pill").with_(SHORT | {f"{GROUP}.{path}": to for path, to in changes})
    return replicate(system, runs=2, seed=1)


def mean(metric: str, *changes: tuple[str, Any]) -> float:
    return run(*changes).value(GROUP, metric).mean


KNOWN = ("permanent", "dead_letter")
LIMITED = ("redelivery.max_deliveries", 10)
ASIDE = ("redelivery.through", "retry_topic")


def test_one_poison_event_that_is_retried_for_ever_blocks_its_partition() -> None:
    assert mean("lag_seconds_max") == pytest.approx(END - PILL)
    assert mean("lag_partition_max") == pytest.approx(25 * (END - PILL), rel=0.2)
    assert mean("dead_lettered") == 0


def test_the_other_partitions_go_on() -> None:
    """Three quarters of what comes after it are handled, as before."""
    waiting = mean("backlog") + mean("in_flight")
    assert waiting == pytest.approx(100 * (END - PILL) / 4, rel=0.2)


def test_a_failure_that_is_known_to_be_permanent_frees_the_partition_at_once() -> None:
    assert mean("dead_lettered", KNOWN) == 1
    assert mean("lag_seconds_max", KNOWN) < 1


def test_a_limit_of_ten_deliveries_frees_it_after_nine_delays() -> None:
    assert mean("dead_lettered", LIMITED) == 1
    assert 9 <= mean("lag_seconds_max", LIMITED) < 10


def test_a_retry_topic_blocks_nothing_but_tries_for_ever() -> None:
    assert mean("lag_seconds_max", ASIDE) == pytest.approx(END - PILL)
    assert mean("lag_partition_max", ASIDE) < 50
    assert mean("dead_lettered", ASIDE) == 0
