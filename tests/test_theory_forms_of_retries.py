"""Closed forms of retries: parts that fail more often than others, stability, all delays, budgets, crashes before the mark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import integrate
from theory import Effort, Run, Study, Tables, agree, exponential, failing, form, lease, log, poisson, queue

from models.retry import TokenBudget

Values = Mapping[str, float]
ONCE = {"max_deliveries": 1}


# -- some fail more often than others: E[p^k] >= (E p)^k -------------------------------------------------------------------


def read_attempts(run: Run) -> Values:
    return {"attempts": run.metric("attempts_mean"), "dead": run.metric("dead_letter_rate")}


def mixed(bad: float, good: float, k: int, poison: float) -> Study:
    """Every other second a share of `bad` is added to that of `good`; and some are poisoned."""
    both = 1 - (1 - good) * (1 - bad)
    shares = [(0.5, both), (0.5, good)]
    dead = sum(share * p**k for share, p in shares)
    assert dead > sum(share * p for share, p in shares) ** k
    fields = {"transient_failure": good, "poison": poison, "retry": {"max_attempts": k, "backoff": "none"}}
    tables = queue(poisson(200), concurrency="unlimited", redelivery=ONCE, dead_letter={"topic": "dead"}, **fields)
    tables["faults"] = [{"name": "f", "target": "consumers.c", "kind": "errors", "rate": bad, "every": 2.0, "for": 1.0}]
    values = {
        "attempts": poison * k + (1 - poison) * sum(share * (1 - p**k) / (1 - p) for share, p in shares),
        "dead": poison + (1 - poison) * dead,
    }
    return form(f"errors of {good} and {both:.2f}, {k} tries", tables, values, read_attempts, Effort(20, 12, 0.1), warmup=2)


MIXED = [mixed(0.5, 0.1, 3, 0.0), mixed(0.8, 0.0, 4, 0.01)]


# -- stability: l E[N] E[S] against the number of workers ------------------------------------------------------------------


def tries(p: float, k: int) -> tuple[float, float]:
    """Mean and mean square of a truncated geometric number."""
    shares = [p ** (n - 1) * (1 - p) for n in range(1, k)] + [p ** (k - 1)]
    return sum(n * q for n, q in enumerate(shares, 1)), sum(n * n * q for n, q in enumerate(shares, 1))


def below(p: float, k: int, rate: float, mean: float) -> Study:
    """All tries hold the worker: M/G/1 (Pollaczek-Khinchine) with N exponential services for each event."""
    number, square = tries(p, k)
    work, squared = number * mean, mean**2 * (square + number)
    load = rate * work
    assert rate * mean < load < 1
    stay = work + rate * squared / 2 / (1 - load)
    fields = {"transient_failure": p, "retry": {"max_attempts": k, "backoff": "none"}, "redelivery": ONCE}
    tables = queue(poisson(rate), exponential(mean), **fields)
    values = {"in_system": rate * stay, "stay": stay, "busy": load}
    return form(f"stable at {load:.2f}", tables, values, read_stable, Effort(20, 100, 0.15), warmup=20)


def read_stable(run: Run) -> Values:
    return {
        "in_system": run.metric("lag_mean"),
        "stay": run.times("produced", "settled").mean(),
        "busy": run.metric("utilization"),
    }


def above(p: float, k: int, rate: float, mean: float, workers: int, again: str) -> Study:
    """Without retries there would be room. With them what waits grows by l - c / (E[N] E[S]) each second: where they are made
    at once, and where a queue takes them back to their place, which is its head."""
    number, _ = tries(p, k)
    assert rate * mean < workers < rate * number * mean
    if again == "retry":
        fields: Tables = {"retry": {"max_attempts": k, "backoff": "none"}, "redelivery": ONCE}
    else:
        fields = {"redelivery": {"max_deliveries": k, "backoff": "none", "through": "requeue"}, "prefetch": workers}
    tables = queue(poisson(rate), exponential(mean), concurrency=workers, transient_failure=p, **fields)
    values = {"growth": rate - workers / (number * mean)}
    effort = Effort(20, 45, 0.15)
    return form(f"unstable by {again}, {workers} workers", tables, values, read_growth, effort, warmup=20, drain=False)


def read_growth(run: Run) -> Values:
    """From the warm-up, when there is enough to do, to the end."""
    produced, settled = run.every("produced"), run.every("settled")
    since, until = (np.count_nonzero(produced <= time) - np.count_nonzero(settled <= time) for time in (run.since, run.until))
    return {"growth": (until - since) / run.seconds}


STABILITY = [
    below(0.5, 3, 40, 0.01), below(0.3, 6, 60, 0.01),
    above(0.5, 4, 70, 0.01, 1, "retry"), above(0.6, 3, 140, 0.02, 3, "retry"),
    above(0.5, 4, 70, 0.01, 1, "requeue"), above(0.6, 3, 140, 0.02, 3, "requeue"),
]  # fmt: skip


# -- the whole wait before giving up ---------------------------------------------------------------------------------------

BASE, TRIES = 0.1, 6


def decorrelated() -> float:
    """After n steps the mean is base (2 * 1.5^n - 1)."""
    return sum(BASE * (2 * 1.5**n - 1) for n in range(1, TRIES))


def smoothed() -> float:
    """Differences of x(t) = 2^t tanh(sqrt(4 t)) add up to where the last of them leads, t = n - 1 + U(0, 1)."""
    last = integrate.quad(lambda t: 2**t * math.tanh(math.sqrt(4 * t)), TRIES - 2, TRIES - 1)[0]
    return last / 1.4 * BASE


DOUBLED = BASE * (2 ** (TRIES - 1) - 1)
WAITS: dict[str, tuple[Tables, float]] = {
    "none": ({"backoff": "none"}, 0.0),
    "fixed": ({"backoff": "fixed", "base": BASE}, BASE * (TRIES - 1)),
    "linear": ({"backoff": "linear", "base": BASE}, BASE * TRIES * (TRIES - 1) / 2),
    "exponential": ({"base": BASE}, DOUBLED),
    "exponential by 3 up to 2 s": ({"base": BASE, "factor": 3.0, "cap": 2.0}, BASE * (1 + 3 + 9) + 2.0 + 2.0),
    "full": ({"base": BASE, "jitter": "full"}, DOUBLED / 2),
    "full, linear": ({"backoff": "linear", "base": BASE, "jitter": "full"}, BASE * TRIES * (TRIES - 1) / 4),
    "equal": ({"base": BASE, "jitter": "equal"}, DOUBLED * 3 / 4),
    "proportional": ({"base": BASE, "jitter": "proportional", "spread": 0.5}, DOUBLED),
    "decorrelated": ({"base": BASE, "jitter": "decorrelated"}, decorrelated()),
    "decorrelated v2": ({"base": BASE, "jitter": "decorrelated_v2"}, smoothed()),
}
"""Fields of the delays between six tries, and the mean of their sum."""


def hopeless(name: str, again: str) -> Study:
    """Every try fails, at once; the delays are all the time that there is."""
    delays, mean = WAITS[name]
    if again == "retry":
        fields: Tables = {"retry": {"max_attempts": TRIES, **delays}, "redelivery": ONCE}
    else:
        fields = {"redelivery": {"max_deliveries": TRIES, "through": "retry_topic", **delays}}
    tables = queue(poisson(50, limit=200), concurrency="unlimited", transient_failure=1.0, **fields)

    def read(run: Run) -> Values:
        assert (run.every("attempts") == TRIES).all()
        return {"wait": run.times("produced", "settled").mean()}

    return form(f"{again} {name}", tables, {"wait": mean}, read, Effort(8, 30, 0.1))


DELAYS = [hopeless(name, again) for name in WAITS if name != "none" for again in ("retry", "retry_topic")]


# -- budgets: the chain of the tokens --------------------------------------------------------------------------------------


def bucket(spec: TokenBudget, tokens: float) -> float:
    return min(spec.tokens, tokens)


def token_calls(spec: TokenBudget, p: float, k: int) -> Callable[[float], list[tuple[float, float, int]]]:
    """What a call finds, to what it leaves: (chance, tokens, tries). A retry takes its cost, which its success gives back; a
    success at the first try brings the refund."""

    def calls(tokens: float) -> list[tuple[float, float, int]]:
        ways, chance, taken = [], 1.0, 0.0
        for tried in range(1, k + 1):
            ways.append((chance * (1 - p), bucket(spec, tokens + (taken or spec.refund)), tried))
            chance *= p
            if tried == k or tokens < spec.cost:
                ways.append((chance, tokens, tried))
                break
            tokens, taken = tokens - spec.cost, spec.cost
        return ways

    return calls


def throttle_calls(most: int, tenths: int, p: float, k: int) -> Callable[[float], list[tuple[float, float, int]]]:
    """The same in tenths of gRPC's tokens: failures take ten of them, and above half of all retries are free."""

    def calls(tokens: float) -> list[tuple[float, float, int]]:
        ways, chance = [], 1.0
        for tried in range(1, k + 1):
            ways.append((chance * (1 - p), min(10.0 * most, tokens + tenths), tried))
            chance *= p
            tokens = max(0.0, tokens - 10)
            if tried == k or tokens <= 5 * most:
                ways.append((chance, tokens, tried))
                break
        return ways

    return calls


def tries_per_call(calls: Callable[[float], list[tuple[float, float, int]]], full: float) -> float:
    """In the stationary law of the tokens that a call finds."""
    found, number, rows = [full], {full: 0}, []
    for tokens in found:
        for chance, left, tried in calls(tokens):
            if left not in number:
                number[left] = len(found)
                found.append(left)
            rows.append((number[tokens], number[left], chance, tried))
    matrix, mean = np.zeros((len(found), len(found))), np.zeros(len(found))
    for one, other, chance, tried in rows:
        matrix[one, other] += chance
        mean[one] += chance * tried
    balance = np.vstack([matrix.T - np.eye(len(found)), np.ones(len(found))])
    law = np.linalg.lstsq(balance, np.append(np.zeros(len(found)), 1.0), rcond=None)[0]
    return float(law @ mean)


def aws(cost: float, tokens: float = 500.0) -> TokenBudget:
    return TokenBudget(tokens=tokens, cost=cost, refund=1.0, timeout_cost=2 * cost)


@pytest.mark.parametrize(
    ("cost", "p", "known"),
    [(5, 0.05, 1.05), (5, 0.2, 1.24), (5, 0.5, 1.20), (5, 0.9, 1.02), (5, 1.0, 1.0), (14, 0.5, 1.07), (14, 0.9, 1.01)],
)
def test_the_chain_of_the_aws_bucket_has_the_known_means(cost: float, p: float, known: float) -> None:
    assert tries_per_call(token_calls(aws(cost), p, 3), 500.0) == pytest.approx(known, abs=0.006)


def budgeted(name: str, budget: Tables, p: float, k: int, exact: float, calls: int) -> Study:
    """One worker makes the calls one after another. What is left of a full bucket is used up before they count."""
    retry = {"max_attempts": k, "backoff": "none", "budget": budget, "scope": "group"}
    tables = queue(poisson(200), transient_failure=p, retry=retry, redelivery=ONCE)
    read: Any = lambda run: {"tries": run.metric("attempts_mean")}  # noqa: E731
    return form(name, tables, {"tries": exact}, read, Effort(20, 10 + calls / 200, 0.05), warmup=10)


def amazon(cost: float, p: float, tokens: float = 50.0) -> Study:
    spec = aws(cost, tokens)
    exact = tries_per_call(token_calls(spec, p, 3), tokens)
    return budgeted(f"tokens at a cost of {cost}, {p}", spec.model_dump(), p, 3, exact, 4000)


def google(p: float) -> Study:
    exact = tries_per_call(throttle_calls(10, 1, p, 4), 100.0)
    return budgeted(f"throttle at {p}", {"max_tokens": 10.0, "token_ratio": 0.1}, p, 4, exact, 4000)


BUDGETS = [
    amazon(5.0, 0.05), amazon(5.0, 0.2), amazon(5.0, 0.5), amazon(5.0, 0.9), amazon(14.0, 0.5), amazon(14.0, 0.9),
    google(0.03), google(0.08), google(0.1),
]  # fmt: skip


# -- an effect before its mark: nu W ---------------------------------------------------------------------------------------


def unmarked(name: str, delivery: Callable[..., Tables], window: float, life: float, **consumer: Any) -> Study:
    """Crashes at rate nu, and W from the effect to the mark: none comes in it with e^(-nu W), so that there are
    e^(nu W) - 1 effects too many of each event."""
    idempotency = {"ttl": 1e6, "latency": window, "order": "do_then_mark"}
    tables = delivery(poisson(1.0), 0.1, idempotency=idempotency, **consumer)
    tables["faults"] = failing(exponential(life), 0.0)
    values = {"doubled": math.expm1(window / life)}
    return form(f"crash before the mark, {name}", tables, values, read_unmarked, Effort(20, 800, 0.15))


def read_unmarked(run: Run) -> Values:
    assert run.metric("processed") == run.metric("produced", "producers.p")
    return {"doubled": run.metric("duplicate_effects") / run.metric("processed")}


CRASHES = [
    unmarked("queue", queue, 0.4, 4.0, prefetch=1, redelivery={"max_deliveries": 0}),
    unmarked("log", log, 0.4, 4.0, commit="record", static_membership=True, batch=1),
    unmarked("lease", lease, 0.4, 4.0, concurrency=1, visibility_timeout=2.0),
]


@pytest.mark.parametrize("study", [*MIXED, *STABILITY, *DELAYS, *BUDGETS, *CRASHES], ids=lambda study: study.name)
def test_retries_agree_with_theory(study: Study) -> None:
    agree(study, study.quick)
