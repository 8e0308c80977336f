"""When breakers trip and what they let through, at constant rates: exact to the call."""

from __future__ import annotations

import math
from typing import Any

import pytest
from theory import Run, Tables, constant, queue, simulate
from theory_delivery import transitions

START = 100.0
ONCE = {"max_deliveries": 1}


def guarded(rate: float, breaker: Tables, fault: Tables, since: float = 0.0, **consumer: Any) -> Run:
    """Calls at a constant rate to a dependency that answers nearly at once until START, one of them then."""
    fields = {"dependencies": ["s"], "redelivery": ONCE, "breaker": breaker, **consumer}
    group = queue(constant(rate, start=since), concurrency="unlimited", **fields)
    fault = {"name": "f", "target": "dependencies.s", "at": START, "for": 1000.0, **fault}
    tables = {**group, "dependencies": {"s": {"latency": 0.015625}}, "faults": [fault]}
    return simulate(tables, {"duration": START + 60.0}, {})[0]


def trip(run: Run) -> float:
    """Seconds from START until it opens for the first time, which it has not before."""
    time, state = transitions(run)[0]
    assert state == "open"
    return time - START


FAULTS: dict[str, tuple[Tables, Tables, float]] = {
    "refused": ({"kind": "outage"}, {}, 0.0),
    "timed out": ({"kind": "outage", "silent": True}, {"timeout": 0.75}, 0.75),
    "wrong": ({"kind": "errors", "rate": 1.0}, {}, 0.015625),
    "slow": ({"kind": "slowdown", "factor": 32.0}, {}, 0.5),
}
"""What becomes of each call, and how long it takes then."""


def rates(how: str, threshold: float) -> Tables:
    """The rule by which such calls open it."""
    if how == "slow":
        return {"slow_call": 0.25, "slow_call_rate": threshold, "failure_rate": 1.0}
    return {"failure_rate": threshold}


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize(("size", "threshold", "minimum"), [(100, 0.5, 100), (50, 0.21, 5), (20, 1.0, 20)])
def test_a_full_healthy_window_takes_its_share_of_bad_calls(how: str, size: int, threshold: float, minimum: int) -> None:
    """ceil(theta N) calls, the first of them at the start of the fault, and the time of the last."""
    fault, consumer, seconds = FAULTS[how]
    breaker = {"size": size, "minimum_calls": minimum, **rates(how, threshold)}
    found = trip(guarded(8.0, breaker, fault, **consumer))
    assert found == pytest.approx((math.ceil(threshold * size) - 1) / 8.0 + seconds)


def calls_in_time(rate: int, seconds: int, threshold: float, late: float) -> int:
    """The first number of bad calls, each `late`, that is the threshold's share of all that end in this second and those
    before it that count."""
    for bad in range(1, rate * seconds + 1):
        first = math.floor(late + (bad - 1) / rate) - seconds + 1
        healthy = max(-first, 0) * rate
        counted = sum(math.floor(late + n / rate) >= first for n in range(bad))
        if counted >= threshold * (healthy + counted):
            return bad
    raise AssertionError


@pytest.mark.parametrize(
    ("how", "seconds", "threshold", "calls"),
    [
        ("refused", 5, 0.5, 17), ("refused", 60, 0.5, 240), ("refused", 10, 0.25, 19), ("refused", 3, 1.0, 17),
        ("slow", 5, 0.5, 16), ("slow", 60, 0.5, 237), ("slow", 3, 1.0, 13),
    ],
)  # fmt: skip
def test_a_full_healthy_window_of_time_forgets_whole_seconds(how: str, seconds: int, threshold: float, calls: int) -> None:
    """Eight calls in each second: of 5 s, 16 calls in two seconds are less than half of 40, and the next, which drops a
    second, is one of 33, of which 17 are bad. Slow calls end 0.5 s later, and for so long none does."""
    fault, _, late = FAULTS[how]
    breaker = {"window": "time", "size": seconds, "minimum_calls": 10, **rates(how, threshold)}
    found = trip(guarded(8.0, breaker, fault))
    assert calls_in_time(8, seconds, threshold, late) == calls
    assert found == pytest.approx((calls - 1) / 8.0 + late)


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("window", [{"size": 100}, {"window": "time", "size": 60}])
def test_an_empty_window_takes_its_minimum_of_calls(how: str, window: Tables) -> None:
    """No call before the fault."""
    fault, consumer, seconds = FAULTS[how]
    breaker = {**window, "minimum_calls": 40, **rates(how, 0.5)}
    found = trip(guarded(8.0, breaker, fault, START - 1 / 8.0, **consumer))
    assert found == pytest.approx(39 / 8.0 + seconds)


@pytest.mark.parametrize(("factor", "openings"), [(1.0, 20), (2.0, 5), (3.0, 4)])
def test_where_waits_grow_fewer_probes_pass(factor: float, openings: int) -> None:
    """From the first opening on: in each cycle the wait, the next call, and a call more for the second probe."""
    breaker = {"size": 8, "minimum_calls": 8, "open_for": 2.0, "open_factor": factor, "half_open_calls": 2}
    run = guarded(8.0, breaker, {"kind": "outage"})
    opened = [time for time, state in transitions(run) if state == "open"]
    waits = [2.0 * factor**row + 2 / 8.0 for row in range(40)]
    due = [opened[0] + sum(waits[:row]) for row in range(40)]
    assert opened == pytest.approx([time for time in due if time <= run.until])
    assert len(opened) >= openings
    assert run.metric("calls", "dependencies.s") == (START * 8 - 1) + 4 + 2 * (len(opened) - 1)
