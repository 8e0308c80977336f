"""Closed forms of queues, retries and crashes, at other loads, laws and sizes than the cases have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from scipy.special import gamma
from theory import Effort, Run, Study, Tables, agree, average, constant, exponential, failing, log, poisson, queue

Values = Mapping[str, float]


def form(name: str, tables: Tables, values: Values, read: Any, effort: Effort, **others: Any) -> Study:
    """A study of a model that is written down as it is."""
    return Study(name, lambda _: tables, read, effort, values=values, given={"form": name}, **others)


def read_queue(run: Run) -> Values:
    return {
        "wait": run.metric("wait_mean"),
        "sojourn": run.metric("latency_mean"),
        "in_system": run.metric("lag_mean"),
        "busy": run.metric("utilization"),
        "served_at_once": (run.times("produced", "started") == 0).mean(),
    }


# -- one server --------------------------------------------------------------------------------------------------------


def pollaczek_khinchine(rate: float, mean: float, cv: float) -> Values:
    """M/G/1 of any service law."""
    load = rate * mean
    wait = rate * mean**2 * (1 + cv**2) / 2 / (1 - load)
    stay = wait + mean
    return {"wait": wait, "sojourn": stay, "in_system": rate * stay, "busy": load, "served_at_once": 1 - load}


def weibull_cv(shape: float) -> float:
    return float(math.sqrt(gamma(1 + 2 / shape) / gamma(1 + 1 / shape) ** 2 - 1))


SERVICES = [
    ("M/M/1 at load 0.3", 30, exponential(0.01), 1.0),
    ("M/M/1 at load 0.6", 60, exponential(0.01), 1.0),
    ("M/M/1 at load 0.9", 90, exponential(0.01), 1.0),
    ("M/D/1 at load 0.5", 50, 0.01, 0.0),
    ("M/E2/1", 70, {"dist": "gamma", "mean": 0.01, "cv": 2**-0.5}, 2**-0.5),
    ("M/E4/1", 80, {"dist": "gamma", "mean": 0.01, "cv": 0.5}, 0.5),
    ("M/U/1", 70, {"dist": "uniform", "low": 0.0, "high": 0.02}, 3**-0.5),
    ("M/W/1", 60, {"dist": "weibull", "mean": 0.01, "shape": 0.8}, weibull_cv(0.8)),
    ("M/lognormal/1", 60, {"dist": "lognormal", "mean": 0.01, "cv": 1.0}, 1.0),
    ("M/H2/1", 60, {"dist": "hyperexponential", "means": [0.005, 0.025], "weights": [0.75, 0.25]}, 2.5**0.5),
]
"""Name, rate, service of mean 10 ms, its coefficient of variation."""

SINGLE = [
    form(name, queue(poisson(rate), law), pollaczek_khinchine(rate, 0.01, cv), read_queue, Effort(20, 40, 0.25), warmup=10)
    for name, rate, law, cv in SERVICES
]
SINGLE.append(
    form(
        "M/M/1 in each of four partitions",
        {
            "producers": {"p": {"topic": "t", "arrivals": poisson(240), "keys": {"dist": "uniform", "count": 40_000}}},
            "topics": {"t": {"partitions": 4}},
            "consumers": {"c": {"topic": "t", "service": exponential(0.01), "instances": 4, "batch": 1}},
        },
        {**pollaczek_khinchine(60, 0.01, 1.0), "in_system": 4 * 1.5},
        read_queue,
        Effort(20, 20, 0.25),
        warmup=10,
    )
)


def clocked(mean: float, cv: float) -> Values:
    """GI/M/1 with gamma gaps and a mean service of 10 ms: sigma = A*(mu (1 - sigma))."""
    shape = cv**-2 if cv else math.inf

    def gaps(s: float) -> float:
        return math.exp(-s * mean) if cv == 0 else (1 + s * mean / shape) ** -shape

    sigma = float(optimize.brentq(lambda x: gaps(100 * (1 - x)) - x, 0, 1 - 1e-6))
    stay = 0.01 / (1 - sigma)
    load = 0.01 / mean
    return {"wait": sigma * stay, "sojourn": stay, "in_system": stay / mean, "busy": load, "served_at_once": 1 - sigma}


SINGLE += [
    form(
        f"GI/M/1, gaps of variation {cv}",
        queue({"process": "renewal", "interarrival": {"dist": "gamma", "mean": mean, "cv": cv}}, exponential(0.01)),
        clocked(mean, cv),
        read_queue,
        Effort(20, 40, 0.25),
        warmup=10,
    )
    for mean, cv in ((0.0125, 0.5), (0.02, 2.0))
]
SINGLE.append(
    form(
        "D/M/1 at load 0.5",
        queue(constant(50), exponential(0.01)),
        clocked(0.02, 0),
        read_queue,
        Effort(20, 40, 0.25),
        warmup=5,
    )
)


def bursts(rates: tuple[float, float], stays: tuple[float, float], mu: float) -> Values:
    """MMPP/M/1 by the rate matrix R of its quasi-birth-death process: A0 + R A1 + R^2 A2 = 0."""
    arrive, serve = np.diag(rates), mu * np.eye(2)
    change = np.array([[-1 / stays[0], 1 / stays[0]], [1 / stays[1], -1 / stays[1]]])
    local, up = change - arrive - serve, np.zeros((2, 2))
    for _ in range(5000):
        up = -(arrive + up @ up @ serve) @ np.linalg.inv(local)
    sums = np.linalg.inv(np.eye(2) - up)
    balance = np.column_stack([(change - arrive + up @ serve)[:, 0], sums.sum(axis=1)])
    empty = np.linalg.solve(balance.T, [0.0, 1.0])
    number = float((empty @ up @ sums @ sums).sum())
    rate = float(np.dot(rates, stays) / sum(stays))
    at_once = float(empty @ np.array(rates)) / rate
    stay = number / rate
    return {"wait": stay - 1 / mu, "sojourn": stay, "in_system": number, "busy": rate / mu, "served_at_once": at_once}


def bursting(rates: tuple[float, float], stays: tuple[float, float]) -> Tables:
    return {"process": "bursts", "rates": list(rates), "stays": [exponential(stay) for stay in stays]}


SINGLE += [
    form(
        f"MMPP/M/1 of rates {rates} for {stays} s",
        queue(bursting(rates, stays), exponential(0.01)),
        bursts(rates, stays, 100.0),
        read_queue,
        Effort(20, 80, 0.25),
        warmup=10,
    )
    for rates, stays in (((10.0, 120.0), (0.5, 0.2)), ((0.0, 80.0), (0.1, 0.3)))
]


# -- several servers, batches, polls -----------------------------------------------------------------------------------


def erlang(rate: float, mu: float, servers: int) -> Values:
    """M/M/c by Erlang's C formula."""
    offered = rate / mu
    load = offered / servers
    last = offered**servers / math.factorial(servers) / (1 - load)
    waits = last / (sum(offered**n / math.factorial(n) for n in range(servers)) + last)
    wait = waits / (servers * mu - rate)
    stay = wait + 1 / mu
    return {"wait": wait, "sojourn": stay, "in_system": rate * stay, "busy": load, "served_at_once": 1 - waits}


def batch_arrivals(rate: float, size: int) -> Values:
    load = rate * size * 0.01
    stay = (1 + size) * 0.01 / 2 / (1 - load)
    return {"sojourn": stay, "in_system": rate * size * stay, "busy": load}


def batch_service(rate: float, batches: float, most: int) -> Values:
    """M/M[1,b]/1: the queue while busy is geometric in the root of mu r^(b+1) - (l + mu) r + l = 0."""
    r = float(optimize.brentq(lambda x: batches * x ** (most + 1) - (rate + batches) * x + rate, 0, 1 - 1e-6))
    busy = 1 / (1 - r)
    idle = batches / rate
    wait = busy * r / (1 - r) / (busy + idle) / rate
    return {"wait": wait, "sojourn": wait + 1 / batches, "busy": busy / (busy + idle)}


OTHERS = [
    form(
        f"M/M/{servers}, {how}",
        queue(poisson(rate), exponential(0.1), **{how: servers}, prefetch=1 if how == "instances" else servers),
        erlang(rate, 10, servers),
        read_queue,
        Effort(20, 80, 0.25),
        warmup=10,
    )
    for rate, servers, how in (
        (12, 2, "instances"),
        (32, 4, "concurrency"),
        (32, 4, "instances"),
        (34, 5, "concurrency"),
    )
]
OTHERS += [
    form(
        f"M[{size}]/M/1",
        queue(poisson(rate, size=size), exponential(0.01)),
        batch_arrivals(rate, size),
        read_queue,
        Effort(20, 50, 0.25),
        warmup=10,
    )
    for rate, size in ((20, 3), (2.5, 20))
]
OTHERS += [
    form(
        f"batches of up to {most}",
        log(poisson(rate), exponential(1 / batches), service_per="batch", batch=most),
        batch_service(rate, batches, most),
        read_queue,
        Effort(20, 50, 0.25),
        warmup=10,
    )
    for rate, batches, most in ((60, 20, 5), (50, 10, 50))
]
OTHERS += [
    form(
        f"sleeps of {sleep} s on an empty queue",
        log(poisson(50), 0.01, batch=1, poll_interval=sleep),
        {"wait": 0.005 + sleep / 2, "sojourn": 0.015 + sleep / 2},
        read_queue,
        Effort(20, 40, 0.25),
        warmup=5,
    )
    for sleep in (0.02, 0.5)
]


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
    return form(name, tables, values, read_queue, Effort(20, 3000, 0.25), warmup=300)


def read_prefetched(run: Run) -> Values:
    crashes = sum(1 for _ in run.windows("f"))
    return {"redelivered": (run.every("deliveries").astype(int) - 1).clip(0).sum() / crashes}


def prefetched(prefetch: int | str, load: float) -> Study:
    """min(N, prefetch) messages of an M/M/1 queue come again."""
    fields = {"prefetch": prefetch, "redelivery": {"max_deliveries": 0}}
    tables = queue(poisson(100 * load), exponential(0.01), **fields)
    tables["faults"] = failing(exponential(1), 0.0)
    ratio = load / (1 - load)
    again = ratio if prefetch == "unlimited" else ratio * (1 - load**prefetch)
    return form(f"prefetch {prefetch} at load {load}", tables, {"redelivered": again}, read_prefetched, Effort(20, 50, 0.25))


CRASHES = [
    breakdowns(0.5, 1, 0.1, 0.5, 1.91667),
    breakdowns(0.3, 1, 0.05, 0.2, 1.08),
    breakdowns(0.6, 1, 0.01, 0.1, 3.54545),
    prefetched(1, 0.7), prefetched(5, 0.7), prefetched("unlimited", 0.7),
]  # fmt: skip

STUDIES = [*SINGLE, *OTHERS, *RETRIES, *CRASHES]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_a_closed_form(study: Study) -> None:
    agree(study, study.quick)


@pytest.mark.parametrize("delivery", [queue, log])
def test_number_in_system_is_rate_times_stay(delivery: Any) -> None:
    """Little's law, to rounding: arrivals stop early enough for all to be finished."""
    tables = delivery(poisson(80, stop=50), exponential(0.01), transient_failure=0.1)

    def read(run: Run) -> Values:
        stays = run.times("produced", "effect")
        assert average(run.occupancy("produced", "effect")) == pytest.approx(run.metric("lag_mean"), rel=1e-9)
        return {"ratio": run.metric("lag_mean") * run.seconds / stays.sum()}

    study = form("Little's law", tables, {"ratio": 1.0}, read, Effort(2, 100), rounding=1e-9)
    agree(study, study.quick)
