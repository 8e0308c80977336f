"""What does not fit into memory is refused before it starts, with the estimate and what to change."""

from __future__ import annotations

import pytest

from models import System
from models.errors import BadScenario
from models.footprint import check_memory, events_of, footprint
from simulator import replicate


def system(rate: float = 100.0, duration: float = 100.0, **consumer: object) -> System:
    return System.from_dict(
        {
            "run": {"duration": duration},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": rate}}},
            "consumers": {"c": {"topic": "t", **consumer}},
        }
    )


def test_events_follow_publishes_and_surges() -> None:
    chain = system(publishes=[{"topic": "u", "count": 3, "probability": 0.5}]).with_(
        {"faults": [{"name": "s", "kind": "surge", "target": "producers.p", "factor": 2.0, "at": 10, "for": 10}]}
    )
    assert events_of(chain) == {"t": 20_000, "u": 30_000}


def test_a_run_that_cannot_fit_is_refused_with_its_estimate() -> None:
    with pytest.raises(BadScenario, match=r"run\.duration: about .* events need about .* GB; this machine has .* GB"):
        replicate(system(rate=1e7, duration=1e5), runs=1)


def test_the_estimate_grows_with_what_runs_at_once_and_with_a_trace() -> None:
    small = system()
    assert footprint(small) < footprint(small, trace=True) < footprint(system(rate=1000.0), trace=True)
    check_memory(small, at_once=2)
    with pytest.raises(BadScenario, match="fewer at once"):
        check_memory(small, at_once=1_000_000)
