"""Retry budgets: buckets that are told the time."""

from __future__ import annotations

import random

import pytest

from models.budget import BudgetState
from models.retry import RatioBudget, ThrottleBudget, TokenBudget


def amplification(budget: BudgetState, failure: float, attempts: int, calls: int) -> float:
    """Tries per call of a client that makes `calls` one after another, each try failing with that probability."""
    luck, tries = random.Random(7), 0
    for _ in range(calls):
        budget.begins(0.0)
        taken = 0.0
        for left in reversed(range(attempts)):
            tries += 1
            if luck.random() >= failure:
                budget.succeeded(taken)
                break
            budget.failed()
            if left == 0 or not (taken := budget.takes(timed_out=False, now=0.0)):
                break
    return tries / calls


def test_a_full_bucket_allows_a_burst_and_then_a_share_of_the_first_tries() -> None:
    budget = BudgetState(RatioBudget(ratio=0.1, burst=3.0))
    assert [budget.takes(False, 0.0) for _ in range(4)] == [1.0, 1.0, 1.0, 0.0]
    for _ in range(9):
        budget.begins(0.0)
        assert budget.takes(False, 0.0) == 0.0
    budget.begins(0.0)
    assert budget.takes(False, 0.0) == 1.0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    budget = BudgetState(RatioBudget(ratio=1.0, burst=2.0))
    for _ in range(10):
        budget.begins(0.0)
    assert [budget.takes(False, 0.0) for _ in range(3)] == [1.0, 1.0, 0.0]


def test_a_minimum_per_second_comes_with_time() -> None:
    budget = BudgetState(RatioBudget(ratio=0.0, burst=2.0, minimum_per_second=0.5))
    assert [budget.takes(False, 0.0) for _ in range(3)] == [1.0, 1.0, 0.0]
    assert budget.takes(False, 1.9) == 0.0
    assert budget.takes(False, 2.0) == 1.0
    budget.begins(100.0)
    assert budget.tokens == 2.0


def test_a_retry_that_succeeds_gives_back_what_it_took_and_a_first_try_the_refund() -> None:
    budget = BudgetState(TokenBudget(tokens=20.0, cost=5.0, refund=1.0, timeout_cost=10.0))
    assert budget.takes(timed_out=True, now=0.0) == 10.0
    assert budget.takes(timed_out=False, now=0.0) == 5.0
    budget.succeeded(5.0)
    assert budget.tokens == 10.0
    budget.succeeded(0.0)
    assert budget.tokens == 11.0
    assert budget.takes(timed_out=True, now=0.0) == 10.0
    assert budget.takes(timed_out=False, now=0.0) == 0.0


@pytest.mark.parametrize(
    ("cost", "failure", "expected"),
    [
        (5.0, 0.05, 1.05),
        (5.0, 0.2, 1.24),
        (5.0, 0.5, 1.20),
        (5.0, 0.9, 1.02),
        (5.0, 1.0, 1.00),
        (14.0, 0.5, 1.07),
        (14.0, 0.9, 1.01),
    ],
)
def test_the_long_run_amplification_of_the_aws_bucket(cost: int, failure: float, expected: float) -> None:
    """Three attempts, a bucket of 500, a refund of 1: tries per call, to the two digits that are known."""
    budget = BudgetState(TokenBudget(tokens=500.0, cost=float(cost), refund=1.0, timeout_cost=2.0 * cost))
    budget.tokens = 0.0  # the long run, without the first burst
    assert amplification(budget, failure, attempts=3, calls=100_000) == pytest.approx(expected, abs=0.008)


def test_failures_take_from_a_throttle_and_above_half_of_it_retries_are_free() -> None:
    budget = BudgetState(ThrottleBudget(max_tokens=10.0, token_ratio=0.1))
    for left in (9, 8, 7, 6):
        budget.failed()
        assert budget.takes(timed_out=False, now=0.0) > 0.0
        assert budget.tokens == left
    budget.failed()
    assert budget.takes(timed_out=False, now=0.0) == 0.0
    budget.failed()
    for _ in range(10):
        budget.succeeded(0.0)
        assert budget.takes(timed_out=False, now=0.0) == 0.0
    budget.succeeded(1.0)
    assert budget.takes(timed_out=False, now=0.0) > 0.0
    for _ in range(20):
        budget.failed()
    assert budget.tokens == 0.0


@pytest.mark.parametrize(("failure", "sustained"), [(0.05, True), (0.08, True), (0.10, False), (0.15, False), (0.3, False)])
def test_a_throttle_sustains_retries_up_to_a_failure_rate_of_r_over_1_plus_r(failure: float, sustained: bool) -> None:
    """With r = 0.1 that is 1/11: below it four tries follow each other as without a budget, above it the count falls to half
    and stays there, where only the tokens of successes between two failures allow a retry."""
    budget = BudgetState(ThrottleBudget(max_tokens=1000.0, token_ratio=0.1))
    budget.tokens = 500.0
    free = (1 - failure**4) / (1 - failure)
    found = amplification(budget, failure, attempts=4, calls=40_000)
    assert (found > 1 + 0.9 * (free - 1)) == sustained
