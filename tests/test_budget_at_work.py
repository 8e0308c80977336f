"""A retry budget inside a consumer: hand-computed with constant times, and together with a crash and a breaker."""

from __future__ import annotations

from typing import Any

from models import System
from simulator.replication import replicate
from simulator.results import Result


def run(retry: dict[str, Any], faults: tuple[dict[str, Any], ...] = (), **consumer: Any) -> Result:
    """Two instances, 10 events a second for 10 s that all fail, each in at most three tries, and are given up."""
    fields = {
        "topic": "jobs",
        "instances": 2,
        "service": "1ms",
        "transient_failure": 1.0,
        "redelivery": {"max_deliveries": 1},
        "retry": {"max_attempts": 3, "backoff": "none", **retry},
    }
    return replicate(
        System.from_dict(
            {
                "run": {"duration": "10.5s", "runs": 1},
                "broker": {"profile": "rabbitmq"},
                "producers": {"web": {"topic": "jobs", "arrivals": {"process": "constant", "rate": 10.0, "limit": 100}}},
                "consumers": {"work": {**fields, **consumer}},
                "faults": faults,
            }
        )
    )


def retries(result: Result) -> float:
    """Tries beyond the first of each event."""
    attempts = result.value("consumers.work", "attempts_mean").mean * 100
    return round(attempts) - 100


def test_without_a_budget_every_event_is_tried_three_times() -> None:
    assert retries(run({})) == 200


def test_a_budget_of_each_instance_allows_its_burst_and_its_ratio() -> None:
    """Each of two instances has 50 first tries: 4 tokens, and a tenth for each first try beyond the full bucket's."""
    found = retries(run({"budget": {"ratio": 0.1, "burst": 4.0}}))
    assert 2 * (4 + 4) <= found <= 2 * (4 + 5)


def test_a_budget_of_the_group_has_one_burst() -> None:
    """100 first tries: 4 tokens and a tenth for each but the first, whose tenth finds the bucket full: 4 + 9.9."""
    assert retries(run({"budget": {"ratio": 0.1, "burst": 4.0}, "scope": "group"})) == 13


def test_tokens_that_only_successes_bring_back_are_soon_gone() -> None:
    budget = {"tokens": 20.0, "cost": 5.0, "refund": 1.0, "timeout_cost": 10.0}
    assert retries(run({"budget": budget, "scope": "group"})) == 4


def test_a_try_that_timed_out_costs_more() -> None:
    budget = {"tokens": 20.0, "cost": 5.0, "refund": 1.0, "timeout_cost": 10.0}
    slow = run({"budget": budget, "scope": "group"}, service="2ms", timeout="1ms", transient_failure=0.0)
    assert retries(slow) == 2


def test_a_restarted_instance_begins_with_a_full_bucket() -> None:
    crash = {"name": "crash", "target": "consumers.work[0]", "kind": "crash", "at": "5.05s", "for": "1ms"}
    budget = {"ratio": 0.0, "burst": 4.0}
    assert retries(run({"budget": budget}, instances=1)) == 4
    assert retries(run({"budget": budget}, (crash,), instances=1)) == 8
    assert retries(run({"budget": budget, "scope": "group"}, (crash,), instances=1)) == 4


def test_a_try_that_the_breaker_refuses_takes_no_first_try_but_its_retry_takes_a_token() -> None:
    """The breaker opens at the second failure and refuses every further try; the budget counts retries, refused or not."""
    breaker = {"size": 2, "minimum_calls": 2, "open_for": "1h"}
    found = run({"budget": {"ratio": 0.0, "burst": 4.0}}, breaker=breaker, instances=1)
    assert found.value("consumers.work", "short_circuited").mean == 100 + 4 - 2


THROTTLE = {"budget": {"max_tokens": 10.0, "token_ratio": 0.1}}


def test_a_throttle_stops_retries_when_failures_have_taken_half_of_it() -> None:
    """Three tries of the first event leave 7 and two of the second 5: three retries in all, and none from then on."""
    assert retries(run({**THROTTLE, "scope": "group"})) == 3
    assert retries(run(THROTTLE)) == 6


def test_what_a_breaker_refuses_is_no_failure_to_a_throttle() -> None:
    """The breaker opens at the second failure, which leaves 8: every later try is allowed, and refused."""
    breaker = {"size": 2, "minimum_calls": 2, "open_for": "1h"}
    found = run(THROTTLE, breaker=breaker, instances=1)
    assert found.value("consumers.work", "short_circuited").mean == 3 * 100 - 2


def test_a_dependency_that_calls_another_has_a_throttle_too() -> None:
    """Of 100 events that fail: three retries, as above."""
    tables = {
        "run": {"duration": "10.5s", "runs": 1},
        "broker": {"profile": "rabbitmq"},
        "producers": {"web": {"topic": "jobs", "arrivals": {"process": "constant", "rate": 10.0, "limit": 100}}},
        "consumers": {"work": {"topic": "jobs", "dependencies": ["front"], "redelivery": {"max_deliveries": 1}}},
        "dependencies": {
            "front": {"latency": 0, "dependencies": ["back"], "retry": {"max_attempts": 3, "backoff": "none", **THROTTLE}},
            "back": {"latency": "1ms", "error_rate": 1.0},
        },
    }
    assert replicate(System.from_dict(tables)).value("dependencies.back", "calls").mean == 103
