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
    with pytest.raises(BadScenario, match=r"consumers\.c\.topic: the run needs about .* GB.*; this machine has .* GB"):
        replicate(system(rate=1e7, duration=1e5), runs=1)


def test_the_estimate_grows_with_what_runs_at_once_and_with_a_trace() -> None:
    small = system()
    assert footprint(small).total() < footprint(small, trace=True).total() < footprint(system(rate=1e4)).total()
    check_memory(small, at_once=2)
    with pytest.raises(BadScenario, match="fewer at once"):
        check_memory(small, at_once=1_000_000)


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("topics.t.partitions", {"topics": {"t": {"partitions": 10**12}}}),
        ("producers.p.arrivals", {"producers.p.keys": {"dist": "zipf", "count": 2**31 - 1, "exponent": 1.0}}),
        ("consumers.c.instances", {"consumers.c.instances": 10**10}),
        ("consumers.c.publishes[0]", {"consumers.c.publishes": [{"topic": "u", "count": 10**9}]}),
        ("run.runs", {"run.runs": 10**10}),
    ],
)
def test_the_refusal_names_what_needs_most(path: str, changes: dict[str, object]) -> None:
    with pytest.raises(BadScenario) as refused:
        check_memory(system().with_(changes))
    assert [problem.path for problem in refused.value.problems] == [path]
