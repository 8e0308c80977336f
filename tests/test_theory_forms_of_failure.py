"""Closed forms of retries and crashes, at other loads and numbers than the cases have."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from theory import Effort, Run, Study, agree, exponential, failing, form, poisson, queue

Values = Mapping[str, float]


# -- retries -----------------------------------------------------------------------------------------------------------


def read_retries(run: Run) -> Values:
    return {
        "attempts": run.metric("attempts_mean"),
        "dead": run.metric("dead_letter_rate"),
        "errors": run.metric("error_rate"),
        "waited": run.times("produced", "settled").mean(),
    }


def retries(p: float, k: int, poison: float = 0.0, jitter: str = "none") -> Study:
    """Truncated geometric attempts, and the poisoned ones that take all; delays of 0.1 s, doubled each time."""
    healthy = (1 - p**k) / (1 - p)
    attempts = poison * k + (1 - poison) * healthy
    dead = poison + (1 - poison) * p**k
    share = {"none": 1.0, "full": 0.5, "equal": 0.75}[jitter]
    waited = sum((poison + (1 - poison) * p**n) * share * 0.1 * 2 ** (n - 1) for n in range(1, k))
    fields = {
        "transient_failure": p, "poison": poison, "dead_letter": {"topic": "dead"},
        "redelivery": {"max_deliveries": k, "backoff": "exponential", "base": 0.1, "jitter": jitter},
    }  # fmt: skip
    values = {"attempts": attempts, "dead": dead, "errors": 1 - (1 - dead) / attempts, "waited": waited}
    tables = queue(poisson(200), concurrency="unlimited", **fields)
    return form(
        f"retries of {p} up to {k}, poison {poison}, jitter {jitter}", tables, values, read_retries, Effort(20, 8, 0.75)
    )


RETRIES = [
    retries(0.5, 3), retries(0.1, 2), retries(0.3, 6, jitter="full"), retries(0.2, 4, 0.02), retries(0.05, 5, 0.05, "equal"),
]  # fmt: skip


# -- crashes -----------------------------------------------------------------------------------------------------------


def breakdowns(rate: float, mu: float, fail: float, repair: float, number: float) -> Study:
    """M/M/1 that breaks down, busy or idle: L = l [(x + y)^2 + m x] / [(x + y)(m y - l (x + y))]."""
    both = fail + repair
    assert math.isclose(rate * (both**2 + mu * fail) / both / (mu * repair - rate * both), number, rel_tol=1e-4)
    tables = queue(poisson(rate), exponential(1 / mu), prefetch=1, redelivery={"max_deliveries": 0})
    tables["faults"] = failing(exponential(1 / fail), exponential(1 / repair))
    values = {"in_system": number, "sojourn": number / rate}
    name = f"breakdowns at rates {rate}, {mu}, {fail}, {repair}"
    return form(name, tables, values, read_stays, Effort(20, 3000, 0.25), warmup=300)


def read_stays(run: Run) -> Values:
    return {"in_system": run.metric("lag_mean"), "sojourn": run.metric("latency_mean")}


def read_prefetched(run: Run) -> Values:
    crashes = sum(1 for _ in run.windows("f"))
    return {"redelivered": (run.every("deliveries").astype(int) - 1).clip(0).sum() / crashes}


def prefetched(prefetch: int | str, load: float) -> Study:
    """min(N, prefetch) messages of an M/M/1 queue come again."""
    fields = {"prefetch": prefetch, "redelivery": {"max_deliveries": 0}}
    tables = queue(poisson(100 * load), exponential(0.01), **fields)
    tables["faults"] = failing(exponential(1), 0.0)
    ratio = load / (1 - load)
    again = ratio * (1 - load**prefetch) if isinstance(prefetch, int) else ratio
    return form(f"prefetch {prefetch} at load {load}", tables, {"redelivered": again}, read_prefetched, Effort(20, 50, 0.25))


CRASHES = [
    breakdowns(0.5, 1, 0.1, 0.5, 1.91667),
    breakdowns(0.3, 1, 0.05, 0.2, 1.08),
    breakdowns(0.6, 1, 0.01, 0.1, 3.54545),
    prefetched(1, 0.7), prefetched(5, 0.7), prefetched("unlimited", 0.7),
]  # fmt: skip

STUDIES = [*RETRIES, *CRASHES]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_a_closed_form(study: Study) -> None:
    agree(study, study.quick)
