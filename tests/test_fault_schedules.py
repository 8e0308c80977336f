"""When faults strike many targets: one after the other, with some probability, and with few to repair them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from played import Played, Tables, together
from theory import Effort, Run, agree, exponential, failing, form, poisson, queue


def windows(fault: Tables, duration: float = 60.0, instances: int = 3, seed: int = 1) -> list[tuple[int, float, float]]:
    """(instance, start, end) of what strikes a group, by start."""
    tables: Tables = {
        "run": {"duration": duration},
        "producers": {"p": together(1)},
        "consumers": {"c": {"topic": "t", "instances": instances}},
        "faults": [{"name": "f", "target": "consumers.c", "kind": "stop", **fault}],
    }
    rows = Played(tables, seed).parts.injection.windows["f"]
    return [(int(path[-2]), start, end) for path, start, end in sorted(rows, key=lambda row: (row[1], row[0]))]


@pytest.mark.parametrize("together", [False, True])
def test_a_rolling_deploy_stops_one_member_after_the_other(together: bool) -> None:
    fault = {"at": 10, "for": 4, "stagger": 5, "together": together}
    assert windows(fault) == [(0, 10, 14), (1, 15, 19), (2, 20, 24)]


def test_a_deploy_every_so_often_rolls_each_time() -> None:
    assert windows({"every": 20, "for": 2, "stagger": 3}, 50.0, 2) == [(0, 20, 22), (1, 23, 25), (0, 40, 42), (1, 43, 45)]


def test_a_group_that_is_deployed_one_by_one_is_never_without_anybody() -> None:
    def handled(stagger: float) -> list[float]:
        tables: Tables = {
            "run": {"duration": 30.0},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0}}},
            "consumers": {"c": {"topic": "t", "instances": 3}},
            "faults": [{"name": "f", "target": "consumers.c", "kind": "stop", "at": 9.5, "for": 6, "stagger": stagger}],
        }
        return [time for time, _ in Played(tables).effects()]

    assert handled(6.0) == [float(second) for second in range(1, 31)]
    assert handled(0.0) == [max(second, 15.5) if second > 9 else second for second in range(1, 31)]


def test_one_crew_repairs_what_broke_first_and_the_others_wait() -> None:
    assert windows({"kind": "crash", "at": 10, "for": 4, "crews": 1}) == [(0, 10, 14), (1, 10, 18), (2, 10, 22)]
    assert windows({"kind": "crash", "at": 10, "for": 4, "crews": 2}) == [(0, 10, 14), (1, 10, 14), (2, 10, 18)]


def test_a_crew_is_free_for_the_next_time_when_it_has_done() -> None:
    shocks = {"kind": "crash", "every": 6, "for": 4, "crews": 1, "together": True}
    assert windows(shocks, 17.0, 2) == [(0, 6, 10), (1, 6, 14), (0, 12, float("inf")), (1, 12, float("inf"))]
    assert windows(shocks, 23.0, 2)[:4] == [(0, 6, 10), (1, 6, 14), (0, 12, 18), (1, 12, 22)]


def test_a_common_cause_meets_each_with_its_probability_and_all_at_once() -> None:
    """200 shocks: the number of three that are hit is binomial (99.9 % of it lies in these bounds), and none is hit alone for
    longer: every window of one shock is the same."""
    shock: dict[str, Any] = {"kind": "pause", "every": 2, "for": 1, "together": True, "probability": 0.3}
    rows = windows(shock, 401.0)
    hit = Counter(start for _, start, _ in rows)
    assert 135 <= len(rows) <= 226
    assert {1, 2} <= set(hit.values())
    assert all(end - start == 1 for _, start, end in rows)
    assert 47 <= 200 - len(hit) <= 91


def test_another_probability_keeps_the_luck_of_each_shock() -> None:
    shock: dict[str, Any] = {"kind": "pause", "every": 2, "for": 1, "together": True}
    few = set(windows({**shock, "probability": 0.2}, 200.0))
    more = set(windows({**shock, "probability": 0.6}, 200.0))
    assert few < more < set(windows(shock, 200.0))


def broken_of(machines: int, crews: int, ratio: float) -> float:
    """Mean number broken of so many machines that fail at `ratio` times the rate of one repair, a birth-death chain."""
    weights = [1.0]
    for broken in range(machines):
        weights.append(weights[-1] * (machines - broken) * ratio / min(broken + 1, crews))
    return sum(n * weight for n, weight in enumerate(weights)) / sum(weights)


def read_availability(run: Run) -> dict[str, float]:
    return {"availability": run.metric("availability")}


@pytest.mark.parametrize("crews", [1, 2])
def test_machines_wait_for_repair_as_the_birth_death_chain_says(crews: int) -> None:
    tables = queue(poisson(0.1), 0.0, instances=4)
    tables["faults"] = failing(exponential(20.0), exponential(8.0), crews=crews)
    values = {"availability": 1 - broken_of(4, crews, 8 / 20) / 4}
    agree(form(f"{crews} crews", tables, values, read_availability, Effort(20, 3000, 0.25), warmup=200), Effort(20, 3000, 0.25))
