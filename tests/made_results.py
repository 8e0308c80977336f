"""Results made by hand: a group behind a dependency that is away for three minutes, and one that nothing touches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.results import Measure, Measurement, Result, Window

RATE, SPEED, START, END = 80.0, 150.0, 600.0, 780.0


def outage_result(runs: int = 10, duration: float = 2400.0, faults: bool = True, second_peak: bool = False) -> Result:
    """`runs` replications of 40 minutes with 2 minutes of warm-up; payment stands still from minute 10 to 13."""
    measurements = tuple(_run(np.random.default_rng([5, run]), duration, faults, second_peak) for run in range(runs))
    return Result("orders", "a payment outage", 7, duration, 120.0, tuple(range(runs)), measurements, version="1.2.3")


def _run(luck: np.random.Generator, duration: float, faults: bool, second_peak: bool) -> Measurement:
    times = np.linspace(0.0, duration, 601)
    step = times[1]
    payment = dict(_payment(luck, times, step, faults, second_peak))
    inventory = dict(_calm(luck, times))
    series = {("consumers.payment", name): values for name, values in payment.items()}
    series |= {("consumers.inventory", name): values for name, values in inventory.items()}
    windows = _windows(luck, duration) if faults else ()
    peak = float(payment["lag"][times >= 120].max())
    return Measurement(_metrics(luck, peak), times, series, windows, {"books": _books()})


def _payment(
    luck: np.random.Generator, times: np.ndarray, step: float, faults: bool, second_peak: bool
) -> Iterator[tuple[str, np.ndarray]]:
    arrivals = luck.poisson(RATE * step, len(times)) / step
    down = (times > START) & (times <= END) & faults
    capacity = np.where(down, 0.0, SPEED + luck.normal(0, 3, len(times)))
    extra = np.where((times > 1500) & (times < 1520) & second_peak, 400.0, 0.0)
    lag, throughput, waiting = 4.0, np.zeros(len(times)), np.zeros(len(times))
    lags = np.zeros(len(times))
    for i in range(len(times)):
        throughput[i] = min(capacity[i], arrivals[i] + extra[i] + (lag - 4.0) / step)
        lag = max(4.0, lag + (arrivals[i] + extra[i] - throughput[i]) * step)
        lags[i] = lag + luck.poisson(3)
        waiting[i] = max(0.0, min(lag, 900.0) - 5.0) * (times[i] > START)
    yield "arrivals", arrivals
    yield "throughput", throughput
    yield "lag", lags
    yield "lag_waiting", waiting
    yield "lag_seconds", np.where(lags > 12, lags / RATE, 0.2) + luck.exponential(0.1, len(times))
    failures = throughput * 0.002 + np.where(down, 3.0 + luck.poisson(2, len(times)), 0.0)
    yield "attempts", throughput + failures
    yield "failures", failures
    dead = np.cumsum(luck.poisson(0.04 * step, len(times)) + down * luck.poisson(0.4, len(times)))
    yield "dead_letters", np.where(times > 1200, dead - np.interp(times - 600, times, dead), dead)
    yield "breaker_open", np.where(down & (times > START + 8), luck.choice([1.0, 0.83], len(times)), 0.0)


def _calm(luck: np.random.Generator, times: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    arrivals = luck.poisson(RATE * times[1], len(times)) / times[1]
    yield "arrivals", arrivals
    yield "throughput", arrivals
    yield "lag", luck.poisson(4, len(times)).astype(float)
    yield "lag_seconds", luck.exponential(0.02, len(times))
    yield "attempts", arrivals
    yield "failures", np.zeros(len(times))
    yield "dead_letters", np.zeros(len(times))


def _windows(luck: np.random.Generator, duration: float) -> tuple[Window, ...]:
    outage = Window("gateway outage", "dependencies.gateway", START, END)
    crashes = []
    for instance in range(6):
        start = float(luck.exponential(1800.0))
        while start < duration:
            end = start + float(luck.exponential(20.0))
            crashes.append(Window("payment instance crashes", f"consumers.payment[{instance}]", start, end))
            start = end + float(luck.exponential(1800.0))
    return (outage, *crashes)


def _metrics(luck: np.random.Generator, peak: float) -> tuple[Measure, ...]:
    noise = luck.normal(1.0, 0.01)
    payment = "consumers.payment"
    return (
        Measure("producers.checkout", "produced", "count", 182_400.0 * noise),
        Measure(payment, "throughput", "1/s", 80.0 * noise),
        Measure(payment, "latency_p99", "s", 250.0 * noise, censored=True),
        Measure(payment, "lag_max", "count", peak),
        Measure(payment, "duplicate_rate", "share", 0.0, kind="share", exposure=180_000.0),
        Measure(payment, "dead_letter_moves", "count", float(luck.poisson(92)), kind="count"),
        Measure(payment, "expired", "count", float("nan")),
        Measure(payment, "attempts_mean", "1", 1.01),
        Measure(payment, "error_rate", "share", 0.01),
        Measure("consumers.inventory", "attempts_mean", "1", 1.0),
        Measure("consumers.inventory", "error_rate", "share", 0.0),
        Measure("faults.gateway outage", "recovery_time", "s", 250.0 * noise),
        Measure("faults.gateway outage", "recovered_share", "share", 1.0),
        Measure("faults.gateway outage", "peak_lag", "count", peak),
        Measure("system", "loss_rate", "share", 0.0, kind="share", exposure=180_000.0),
    )


def _books() -> dict[str, list[object]]:
    produced = {"produced": 1010, "published": 1000, "unsent": 0, "phantom": 4, "failed": 3}
    produced |= {"unconfirmed": 2, "waiting": 1}
    arrived = {"arrived": 1006, "processed": 990, "backlog": 6, "in_flight": 2, "dead_lettered": 8}
    arrived |= {"discarded": 0, "expired": 0, "lost": 0}
    rows = [("producers.checkout", *item) for item in produced.items()]
    rows += [("consumers.payment", *item) for item in arrived.items()]
    return {name: [row[i] for row in rows] for i, name in enumerate(("component", "term", "value"))}
