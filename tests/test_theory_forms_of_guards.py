"""Closed forms of what limits tries: a token bucket is a queue with one server of constant time, a bulkhead is M/M/c."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from theory import Effort, Run, Study, agree, exponential, form, poisson, queue

Values = Mapping[str, float]
ONCE = {"max_deliveries": 1}


def read_waits(run: Run) -> Values:
    latency = run.times("produced", "effect")
    return {"wait": latency.mean(), "at_once": (latency < 1e-9).mean()}


def bucket(arriving: float, rate: float) -> Study:
    """Tokens of which one comes each period, and none is kept but one: who waits for them waits as in M/D/1
    (Pollaczek-Khinchine), rho / (2 rate (1 - rho))."""
    rho = arriving / rate
    limit = {"rate": rate, "burst": 1, "max_wait": 1e6}
    tables = queue(poisson(arriving), concurrency="unlimited", rate_limit=limit)
    values = {"wait": rho / (2 * rate * (1 - rho)), "at_once": 1 - rho}
    return form(f"tokens, {arriving} of {rate}", tables, values, read_waits, Effort(20, 400, 0.2), warmup=20)


def bursts(arriving: float, rate: float, burst: int) -> Study:
    """A bucket of b tokens: who comes finds one at once if less than b are missing, M/D/1 with fewer than b in the system."""
    rho = arriving / rate
    limit = {"rate": rate, "burst": burst, "max_wait": 1e6}
    tables = queue(poisson(arriving), concurrency="unlimited", rate_limit=limit)
    return form(f"bucket of {burst}", tables, {"at_once": below(burst, rho)}, read_waits, Effort(20, 400, 0.2), warmup=20)


def below(number: int, rho: float) -> float:
    """The chance that an arrival at M/D/1 waits less than `number` - 1 services (Erlang 1909)."""
    span = number - 1.0
    terms = [(-rho * (span - k)) ** k / math.factorial(k) * math.exp(rho * (span - k)) for k in range(number)]
    return (1 - rho) * sum(terms)


def read_losses(run: Run) -> Values:
    return {"refused": run.metric("short_circuited") / run.metric("produced", "producers.p")}


def erlang_b(servers: int, load: float) -> float:
    blocked = 1.0
    for each in range(1, servers + 1):
        blocked = load * blocked / (each + load * blocked)
    return blocked


def full_room(servers: int, load: float) -> Study:
    """Nobody may wait: M/M/c/c, of whose calls the share of Erlang's loss formula is refused."""
    bulkhead = {"max_concurrent": servers}
    tables = queue(poisson(load), exponential(1.0), concurrency="unlimited", bulkhead=bulkhead, redelivery=ONCE)
    values = {"refused": erlang_b(servers, load)}
    return form(f"room for {servers}, load {load}", tables, values, read_losses, Effort(20, 400, 0.2), warmup=20)


def waiting_room(servers: int, load: float) -> Study:
    """Everybody may wait: M/M/c, where the wait for room is C / (c - a)."""
    bulkhead = {"max_concurrent": servers, "max_wait": 1e6}
    tables = queue(poisson(load), exponential(1.0), concurrency="unlimited", bulkhead=bulkhead)
    lost = erlang_b(servers, load)
    waits = lost / (1 - load / servers * (1 - lost))
    values = {"latency": 1 + waits / (servers - load)}
    return form(
        f"line for {servers}, load {load}", tables, values, lambda run: {"latency": run.metric("latency_mean")},
        Effort(20, 400, 0.2), warmup=20,
    )  # fmt: skip


STUDIES = [
    bucket(4.0, 5.0), bucket(2.0, 5.0), bursts(4.0, 5.0, 4),
    full_room(5, 3.0), full_room(2, 4.0), waiting_room(4, 3.2),
]  # fmt: skip


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_a_closed_form(study: Study) -> None:
    agree(study, study.quick)
