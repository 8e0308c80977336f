"""Queues and arrival processes agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from theory import Effort, Run, Study, average, constant, exponential, log, poisson, queue

from simulator.recorder import view

Values = Mapping[str, float | np.ndarray]


def read_queue(run: Run) -> Values:
    """Everything that a single queue is asked for."""
    waits, stays = run.times("produced", "started"), run.times("produced", "effect")
    system = run.occupancy("produced", "effect")
    return {
        "utilisation": run.metric("utilization"),
        "p_busy_time_average": run.metric("utilization"),
        "mean_busy": run.metric("utilization") * run.inputs.get("c", 1),
        "throughput": run.metric("throughput"),
        "mean_sojourn": run.metric("latency_mean"),
        "sojourn_sd": run.metric("latency_sd"),
        "mean_wait": run.metric("wait_mean"),
        "mean_in_system": run.metric("lag_mean"),
        "mean_in_queue": average(run.occupancy("produced", "started")),
        "p_in_system_ge_10": system[10:].sum(),
        "p_wait_zero": (waits == 0).mean(),
        "p_wait": (waits > 0).mean(),
        "sigma": (waits > 0).mean(),
        **{f"wait_p{share}": waits for share in (50, 95, 99)},
        **{f"sojourn_p{share}": stays for share in (50, 95, 99)},
    }


def bursts(i: Mapping[str, Any]) -> dict[str, Any]:
    stays = [exponential(1 / i["r21"]), exponential(1 / i["r12"])]
    return {"process": "bursts", "rates": [i["lam2"], i["lam1"]], "stays": stays}


def read_counts(run: Run) -> Values:
    """Over windows of 10 s; nobody needs to read the topic."""
    produced = view(run.parts.channels["t"].messages.produced)
    counts = np.diff(np.searchsorted(produced, np.arange(run.since, run.until + 1, 10.0)))
    return {
        "mean_rate": run.metric("produced", "producers.p") / run.seconds,
        "mean_count_10s": counts.mean(),
        "var_count_10s": counts.var(ddof=1),
        "idc_10s": counts.var(ddof=1) / counts.mean(),
    }


def tandem(i: Mapping[str, Any]) -> dict[str, Any]:
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu1"]), publishes=[{"topic": "next"}])
    tables["consumers"]["d"] = {"topic": "next", "service": exponential(1 / i["mu2"])}
    return tables


def read_tandem(run: Run) -> Values:
    totals = run.column("effect", "d") - run.every("produced")[run.column("parent", "d")]
    gaps = np.diff(run.column("produced", "d"))
    return {
        "mean_sojourn_1": run.metric("latency_mean"),
        "mean_sojourn_2": run.metric("latency_mean", "consumers.d"),
        "mean_total": run.metric("end_to_end_mean", "consumers.d"),
        "total_sd": totals.std(ddof=1),
        "total_p95": totals,
        "total_p99": totals,
        "interdeparture_cv2_stage1": gaps.var(ddof=1) / gaps.mean() ** 2,
    }


def fan_out(i: Mapping[str, Any]) -> dict[str, Any]:
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu"]))
    tables["consumers"]["d"] = tables["consumers"]["c"]
    return tables


def read_fan_out(run: Run) -> Values:
    both = np.maximum(run.times("produced", "effect"), run.times("produced", "effect", "d")).mean()
    each = (run.metric("latency_mean") + run.metric("latency_mean", "consumers.d")) / 2
    return {"mean_sojourn_each": each, "mean_completion_both": both, "ratio": both / each}


def batches(i: Mapping[str, Any]) -> dict[str, Any]:
    service = exponential(1 / i["batch_rate"])
    return log(poisson(i["lam"]), service, service_per="batch", batch=i["max_batch"], commit="batch")


def read_batches(run: Run) -> Values:
    idle = 1 - run.metric("utilization")
    return {**read_queue(run), "p_idle": idle, "mean_batch_size": run.metric("batch_size_mean")}


def unlimited(i: Mapping[str, Any]) -> dict[str, Any]:
    service = {"dist": "lognormal", "mean": i["mean_service"], "cv": i["cv_service"]}
    return queue(poisson(i["lam"]), service, concurrency="unlimited")


def read_unlimited(run: Run) -> Values:
    shares = run.occupancy("started", "effect")
    numbers, mean = np.arange(len(shares)), run.inputs["lam"] * run.inputs["mean_service"]
    return {
        "mean_in_flight": run.metric("lag_mean"),
        "var_in_flight": float((numbers - mean) ** 2 @ shares),
        "in_flight_p99": run.metric("lag_p99"),
        "p_in_flight_gt_60": shares[61:].sum(),
    }


def bounded(i: Mapping[str, Any]) -> dict[str, Any]:
    """A server with a limit, which refuses a call beyond it."""
    server = {"latency": exponential(1 / i["mu"]), "concurrency": i["c"], "queue_limit": i["K"] - i["c"]}
    once = {"max_deliveries": 1}
    tables = queue(poisson(i["lam"]), concurrency="unlimited", dependencies=["s"], redelivery=once)
    return {**tables, "dependencies": {"s": server}}


def read_bounded(run: Run) -> Values:
    """Of the accepted, what is not service is waiting."""
    present = average(run.occupancy("produced", "settled"))
    busy, server = run.metric("busy_mean", "dependencies.s"), "dependencies.s"
    accepted = run.metric("calls", server) - run.metric("rejected", server)
    stay = run.metric("latency_mean", server)
    return {
        "p_reject": run.metric("rejected", server) / run.metric("calls", server),
        "throughput": run.metric("throughput"),
        "mean_in_system": present,
        "mean_in_queue": present - busy,
        "mean_sojourn_accepted": stay,
        "mean_wait_accepted": stay - busy * run.seconds / accepted,
    }


def read_polling(run: Run) -> Values:
    """Of the polls that find nothing, all but one after each busy time end a sleep."""
    started, done = run.every("started"), run.every("effect")
    ends = np.count_nonzero((started[1:] > done[:-1]) & (done[:-1] >= run.since))
    return {**read_queue(run), "empty_polls_rate": (run.metric("empty_polls") - ends) / run.seconds}


STUDIES = [
    Study(
        "Q01 M/M/1",
        lambda i: queue(poisson(i["lam"]), exponential(1 / i["mu"])),
        read_queue,
        Effort(20, 110, 0.87), Effort(42, 1010), 10,
        controls=dict.fromkeys(("wait_p99", "sojourn_p99", "sojourn_sd", "p_in_system_ge_10"), "mean_in_system"),
    ),
    Study(
        "Q03 M/M/10, ten consumers of one message",
        lambda i: queue(poisson(i["lam"]), exponential(1 / i["mu"]), instances=i["c"], prefetch=1),
        read_queue,
        Effort(20, 110, 2.35), Effort(82, 1010), 10,
        controls=dict.fromkeys(("wait_p95", "wait_p99"), "mean_wait"),
    ),
    Study(
        "Q03 M/M/10, ten workers of one consumer",
        lambda i: queue(poisson(i["lam"]), exponential(1 / i["mu"]), concurrency=i["c"], prefetch=i["c"]),
        read_queue,
        Effort(20, 110, 1.33), warmup=10,
    ),
    Study("Q05 bounded queue of a server", bounded, read_bounded, Effort(20, 40, 0.11), Effort(48, 210), 10),
    Study(
        "Q08 M/D/1", lambda i: queue(poisson(i["lam"]), i["service"]), read_queue, Effort(20, 110, 0.54), Effort(30, 1010), 10
    ),
    Study(
        "Q09 M/G/1",
        lambda i: queue(poisson(i["lam"]), {"dist": "lognormal", "mean": i["mean_service"], "cv": i["cv_service"]}),
        read_queue,
        Effort(20, 140, 1.35), Effort(42, 2020), 20,
        controls=dict.fromkeys(("wait_p95", "wait_p99"), "mean_wait"),
    ),
    Study(
        "Q12 D/M/1",
        lambda i: queue(constant(1 / i["T"]), exponential(1 / i["mu"])),
        read_queue,
        Effort(20, 110, 0.45), Effort(32, 1010), 10,
        controls=dict.fromkeys(("wait_p95", "wait_p99"), "mean_wait"),
    ),
    Study(
        "Q14b MMPP/M/1",
        lambda i: queue(bursts(i), exponential(1 / i["mu"])),
        read_queue,
        Effort(20, 160, 0.84), Effort(45, 1010), 10,
        metrics=("utilisation", "mean_in_system", "mean_sojourn", "p_wait_zero", "wait_p95", "wait_p99"),
    ),
    Study(
        "Q14b counts of an MMPP",
        lambda i: {"producers": {"p": {"topic": "t", "arrivals": bursts(i)}}},
        read_counts,
        Effort(20, 600, 0.15), Effort(50, 6000),
        drain=False,
        metrics=("mean_rate", "mean_count_10s", "var_count_10s", "idc_10s"),
    ),
    Study(
        "Q16 tandem",
        tandem,
        read_tandem,
        Effort(20, 70, 0.85), Effort(26, 1010), 10,
        controls=dict.fromkeys(("total_sd", "total_p95", "total_p99"), "mean_total"),
    ),
    Study("Q17 fork-join", fan_out, read_fan_out, Effort(20, 70, 0.08), Effort(22, 1010), 10),
    Study("Q20 batch service", batches, read_batches, Effort(20, 110, 0.1), Effort(50, 1010), 10),
    Study(
        "Q22 batch arrivals",
        lambda i: queue(poisson(i["lam_batch"], size=i["batch"]), exponential(1 / i["mu"])),
        read_queue,
        Effort(20, 110, 0.2), Effort(32, 1010), 10,
    ),
    Study(
        "Q23 M/G/inf",
        unlimited,
        read_unlimited,
        Effort(20, 35, 0.38), Effort(20, 600), 15,
        metrics=("mean_in_flight", "var_in_flight", "in_flight_p99", "p_in_flight_gt_60"),
    ),
    Study(
        "Q23 M/G/inf from empty",
        unlimited,
        lambda run: {"mean_in_flight_at_0_1s": run.metric("in_flight")},
        Effort(100, 0.1, 0.09), Effort(1500, 0.1),
        drain=False,
        metrics=("mean_in_flight_at_0_1s",),
    ),
    Study(
        "Q26 closed",
        lambda i: queue(
            {"process": "closed", "clients": i["clients"], "think": exponential(i["think"])},
            exponential(i["mean_service"]),
        ),
        read_queue,
        Effort(20, 320, 0.04), Effort(20, 1020), 20,
    ),
    Study(
        "Q27 polling",
        lambda i: log(poisson(i["lam"]), exponential(1 / i["mu"]), batch=1, poll_interval=i["sleep"]),
        read_polling,
        Effort(20, 160, 0.33), Effort(330, 2010), 10,
    ),
    Study(
        "Q29 daily cycle",
        lambda i: {
            "producers": {
                "p": {
                    "topic": "t",
                    "arrivals": {
                        "process": "sine",
                        "base": float(i["base"]),
                        "amplitude": i["amp"],
                        "period": i["period"],
                    },
                }
            }
        },
        lambda run: {"mean_count": run.metric("produced", "producers.p")},
        Effort(20, 900, 0.51), Effort(560, 900),
        drain=False,
        spreads={"sd_count": "mean_count"},
    ),
]  # fmt: skip
