"""Retries, back-off and time-outs agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from theory import Effort, Inputs, Run, Study, Tables, exponential, poisson, queue

Values = Mapping[str, float | np.ndarray]


def attempts(i: Inputs, **others: Any) -> Tables:
    limit = {"max_deliveries": i["max_attempts"], "backoff": "none", "through": "requeue"}
    fields = {"transient_failure": i["p"], "redelivery": limit, "dead_letter": {"topic": "dead"}, **others}
    return queue(poisson(1000), concurrency="unlimited", **fields)


def tries(i: Inputs) -> Tables:
    retry = {"max_attempts": i["max_attempts"], "backoff": "none"}
    return attempts(i, retry=retry, redelivery={"max_deliveries": 1})


def read_attempts(run: Run) -> Values:
    number, delivered = run.column("attempts"), run.column("effects") > 0
    return {
        "mean_attempts": run.metric("attempts_mean"),
        "var_attempts": number.var(ddof=1),
        "p_dlq": run.metric("dead_letter_rate"),
        "p_first_time": (delivered & (number == 1)).mean(),
        "amplification": run.metric("amplification"),
        "mean_attempts_of_delivered": number[delivered].mean(),
    }


def backoff(i: Inputs) -> Tables:
    return {"backoff": "exponential", "base": i["base"], "cap": i["cap"], "jitter": i["kind"]}


def hopeless(i: Inputs) -> Tables:
    """Every attempt fails, and every event waits in a retry topic between them."""
    redelivery = {"max_deliveries": i["max_attempts"], "through": "retry_topic", **backoff(i)}
    return queue(poisson(200, limit=400), concurrency="unlimited", transient_failure=1.0, redelivery=redelivery)


def read_delays(run: Run) -> Values:
    waits = run.parts.groups["consumers.c"].handlings[0].journey.delays
    order = np.argsort(waits["event"], kind="stable")
    delays = (waits["end"] - waits["start"])[order].reshape(-1, run.inputs["max_attempts"] - 1)
    horizon = run.times("produced", "settled")
    return {
        **{f"delay{n + 1}_mean": delays[:, n].mean() for n in range(delays.shape[1])},
        **{f"delay{n + 1}_var": delays[:, n].var(ddof=1) for n in range(delays.shape[1])},
        "horizon_mean": horizon.mean(),
        "horizon_sd": horizon.std(ddof=1),
    }


def retrying(i: Inputs) -> Tables:
    retry = {"max_attempts": i["max_attempts"], **backoff(i)}
    once = {"max_deliveries": 1}
    return queue(poisson(500), concurrency="unlimited", transient_failure=i["p"], retry=retry, redelivery=once)


def read_backoffs(run: Run) -> Values:
    return {
        "mean_backoff_per_message": run.times("produced", "settled").mean(),
        "mean_backoff_given_delivered": run.metric("latency_mean"),
    }


def feedback(i: Inputs) -> Tables:
    again = {"max_deliveries": i["max_attempts"], "backoff": "none", "through": "retry_topic"}
    fields = {"transient_failure": i["p"], "redelivery": again, "dead_letter": {"topic": "dead"}}
    return queue(poisson(i["lam"]), exponential(1 / i["mu"]), **fields)


def read_feedback(run: Run) -> Values:
    stays, number = run.times("produced", "settled"), run.column("attempts").sum()
    return {
        "total_attempt_rate": number / run.seconds,
        "utilisation": run.metric("utilization"),
        "mean_in_system": run.metric("lag_mean"),
        "mean_sojourn_per_attempt": stays.sum() / number,
        "mean_total_time": stays.mean(),
        "dlq_rate": run.metric("dead_lettered") / run.seconds,
    }


def impatient(i: Inputs) -> Tables:
    retry = {"max_attempts": i["max_attempts"], "backoff": "none"}
    fields = {"dependencies": ["s"], "timeout": i["timeout"], "retry": retry, "redelivery": {"max_deliveries": 1}}
    tables = queue(poisson(100), concurrency="unlimited", dead_letter={"topic": "dead"}, **fields)
    return {**tables, "dependencies": {"s": {"latency": exponential(1 / i["mu"])}}}


def read_impatient(run: Run) -> Values:
    """Seconds as the caller sees them; a late reply that it does not wait for has an effect all the same."""
    total, number, patience = run.times("produced", "settled"), run.column("attempts"), run.inputs["timeout"]
    last = total - (number - 1) * patience
    useful = last[last < patience - 1e-6]
    calls = run.metric("calls", "dependencies.s")
    work = calls * run.metric("latency_mean", "dependencies.s")
    return {
        "p_attempt_times_out": run.metric("error_rate"),
        "mean_attempts": run.metric("attempts_mean"),
        "p_request_fails": run.metric("dead_letter_moves") / len(total),
        "server_work_per_request": work / len(total),
        "wasted_work_share": 1 - useful.sum() / work,
        "mean_latency_of_success": total[last < patience - 1e-6].mean(),
    }


def budgeted(i: Inputs) -> Tables:
    """One worker makes the calls one after another; each costs next to no time."""
    budget = {"ratio": i["fill_tenths"] / 10, "burst": i["bucket_tenths"] / 10}
    retry = {"max_attempts": i["max_attempts"], "backoff": "none", "budget": budget}
    fields = {"transient_failure": i["f"], "retry": retry, "redelivery": {"max_deliveries": 1}}
    return queue(poisson(1000), "1us", dead_letter={"topic": "dead"}, **fields)


def read_budgeted(run: Run) -> Values:
    attempts = run.metric("attempts_mean")
    return {
        "success_per_call": 1 - run.metric("dead_letter_rate"),
        "attempts_per_call": attempts,
        "retries_per_call": attempts - 1,
    }


BACKOFF = {"R03": "without jitter", "R04": "with full jitter", "R05": "with equal jitter"}
SPREAD = ("horizon_sd", *(f"delay{n}_var" for n in range(1, 8)))
STUDIES = [
    Study("R01 redelivery", attempts, read_attempts, Effort(20, 6, 0.61), Effort(55, 60)),
    Study("R01 retry", tries, read_attempts, Effort(20, 6, 0.76)),
    *(
        Study(
            f"{case} delays {jitter}",
            hopeless,
            read_delays,
            Effort(20, 20, 0.05), Effort(100, 20),
            drain=False,
            metrics=(
                *(f"delay{n}_mean" for n in range(1, 8)), "horizon_mean", *(SPREAD if case != "R03" else ()),
            ),
        )
        for case, jitter in BACKOFF.items()
    ),
    *(
        Study(
            f"{case} waiting {jitter}",
            retrying,
            read_backoffs,
            Effort(20, 6, 0.08), Effort(20, 40),
            metrics=("mean_backoff_per_message", "mean_backoff_given_delivered"),
        )
        for case, jitter in BACKOFF.items()
    ),
    Study("R08 feedback", feedback, read_feedback, Effort(20, 110, 0.3), Effort(32, 1010), 10),
    Study("R11b budget", budgeted, read_budgeted, Effort(20, 10, 0.05), Effort(40, 80), 1),
    Study("R12 timeouts", impatient, read_impatient, Effort(20, 30, 0.25), Effort(38, 300)),
]  # fmt: skip
