"""A node takes only so many events per second, and lets the others wait their turn."""

from __future__ import annotations

import numpy as np
import pytest

from models import System
from simulator import replicate


def limited(**producer: object) -> System:
    """Bursts of 10 events every 10 s to a node that takes two a second."""
    arrivals = {"process": "constant", "rate": 0.1, "size": 10, "stop": "25s"}
    return System(
        run={"duration": 40, "runs": 1},
        broker={"max_publish_rate": 2},
        producers={"p": {"topic": "t", "arrivals": arrivals, **producer}},
        consumers={"c": {"topic": "t"}},
    )


def test_what_is_above_the_rate_waits_and_is_not_refused() -> None:
    result = replicate(limited(), runs=1, seed=1, trace=True)
    published = result.events["published"].to_numpy()
    np.testing.assert_allclose(published[:10], 10 + np.arange(10) / 2)
    np.testing.assert_allclose(published[10:], 20 + np.arange(10) / 2)
    assert result.value("producers.p", "published").mean == 20
    assert result.value("producers.p", "publish_latency_mean").mean == pytest.approx(2.25)


def test_who_waits_longer_than_its_timeout_is_reported_failed_though_it_is_stored_later() -> None:
    result = replicate(limited(request_timeout="1s", retry={"max_attempts": 1}, idempotent=False), runs=1, seed=1, trace=True)
    # At once, after half a second, and at the very instant of the timeout; the others are stored when nobody asks any more.
    assert result.value("producers.p", "published").mean == 6
    assert result.value("producers.p", "phantom").mean == 14
