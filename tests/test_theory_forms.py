"""Closed forms of queues, at other loads, laws and sizes than the cases have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from scipy.special import gamma
from theory import Effort, Run, Study, Tables, agree, average, constant, exponential, form, log, poisson, queue

Values = Mapping[str, float]


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
    ("M/M/1 at load 0.9", 90, exponential(0.01), 1.0),
    ("M/D/1 at load 0.5", 50, 0.01, 0.0),
    ("M/E2/1", 70, {"dist": "gamma", "mean": 0.01, "cv": 2**-0.5}, 2**-0.5),
    ("M/E4/1", 80, {"dist": "gamma", "mean": 0.01, "cv": 0.5}, 0.5),
    ("M/U/1", 70, {"dist": "uniform", "low": 0.0, "high": 0.02}, 3**-0.5),
    ("M/W/1", 60, {"dist": "weibull", "mean": 0.01, "shape": 0.8}, weibull_cv(0.8)),
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

STUDIES = [*SINGLE, *OTHERS]


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
