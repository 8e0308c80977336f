"""Unreliable parts, retries, outages, delivery and breakers agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from theory import Effort, Inputs, Run, Study, Tables, agree, average, constant, exponential, log, poisson, queue

Values = Mapping[str, float | np.ndarray]
MEMBERS = 300  # instances that fail independently of each other
ALONE = "consumers.c[0]"


# -- unreliable parts --------------------------------------------------------------------------------------------------


def failing(up: Any, down: Any, kind: str = "crash", **fault: Any) -> list[Tables]:
    """A renewal fault of every instance."""
    return [{"name": "f", "target": "consumers.c", "kind": kind, "time_to_failure": up, "time_to_repair": down, **fault}]


def components(up: Any, down: Any, **fault: Any) -> Tables:
    """Many instances with next to nothing to do."""
    return {**queue(poisson(1e-3), instances=MEMBERS), "faults": failing(up, down, **fault)}


def read_components(run: Run) -> Values:
    """Failures and down time of each instance, and their means over instances."""
    failures, down, up = np.zeros(MEMBERS), np.zeros(MEMBERS), np.ones(MEMBERS, dtype=bool)
    for target, start, end in run.windows("faults.f"):
        member = int(target[len("consumers.c[") : -1])
        if run.since <= start <= run.until:
            failures[member] += 1
        down[member] += max(min(end, run.until) - max(start, run.since), 0.0)
        up[member] &= not start <= run.until < end
    return {
        "availability": run.metric("availability"),
        "mean_downtime_in_T": down.mean(),
        "sd_downtime_in_T": down.std(ddof=1),
        "p_up_at_T": up.mean(),
        "mean_failures_in_T": failures.mean(),
        "mean_failures": failures.mean(),
        "sd_failures": failures.std(ddof=1),
        "p_no_failure_in_T": (failures == 0).mean(),
        "failure_rate": failures.mean() / run.seconds,
    }


def read_repairs(run: Run) -> Values:
    """Whether a repair takes longer than twice its mean is known only where the run goes on for as long."""
    long = 2 * run.inputs["mttr"]
    repairs = np.array([end - start for _, start, end in run.windows("faults.f") if start < run.until - long])
    return {**read_components(run), "p_component_down_more_than_2mttr_given_failure": (repairs > long).mean()}


def read_quorums(run: Run) -> Values:
    """Instances in groups of n, of which k must be up."""
    n, most = run.inputs["n"], run.inputs["n"] - run.inputs["k"]
    changes: list[list[tuple[float, int]]] = [[] for _ in range(MEMBERS // n)]
    for target, start, end in run.windows("faults.f"):
        changes[int(target[len("consumers.c[") : -1]) // n] += [(start, 1), (end, -1)]
    outages, first = [], []
    for group in changes:
        times, steps = np.array(sorted(group)).T
        down = np.cumsum(steps) > most
        starts, ends = times[1:][down[1:] & ~down[:-1]], times[1:][~down[1:] & down[:-1]]
        outages += list(zip(starts, ends, strict=False))
        first.append(min([*starts, run.until]))
    lasting = sum(end - start for start, end in outages)
    return {
        "availability_own_repair": 1 - lasting / len(changes) / run.seconds,
        "quorum_losses_per_s": len(outages) / len(changes) / run.seconds,
        "mean_quorum_outage": lasting / len(outages),
        "mttf_from_all_up": np.mean(first),
    }


def breaking_down(kind: str, i: Inputs) -> Tables:
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu"]), redelivery={"max_deliveries": 0}, prefetch=1)
    up, down = exponential(1 / i["failure_rate"]), exponential(1 / i["repair_rate"])
    return {**tables, "faults": failing(up, down, kind)}


def read_breakdowns(run: Run) -> Values:
    squares = sum((end - start) ** 2 for _, start, end in run.windows("faults.f") if run.since <= start <= run.until)
    availability, work = run.metric("availability"), run.metric("throughput") / run.inputs["mu"]
    return {
        "availability": availability,
        "effective_load": work / availability,
        "mean_in_system": run.metric("lag_mean"),
        "mean_sojourn": run.metric("latency_mean"),
        "p_empty": run.occupancy("produced", "effect")[0],
        "squares": squares / run.seconds,
    }


def squared_repairs(i: Inputs) -> float:
    """The mean over time of the squared lengths of exponential repairs."""
    return float(2 / i["repair_rate"] ** 2 / (1 / i["failure_rate"] + 1 / i["repair_rate"]))


def held_up(down: Any, i: Inputs) -> Tables:
    """A consumer that hands everything on at once while it is up."""
    return {**queue(poisson(50), concurrency="unlimited"), "faults": failing(exponential(i["mtbf"]), down, "pause")}


def read_held_up(run: Run) -> Values:
    delays, produced = run.times("produced", "effect"), run.every("produced")
    edges = [(start, end) for _, start, end in run.windows("faults.f") if run.since <= start and end <= run.until]
    flushed = [np.count_nonzero((produced >= start) & (produced < end)) for start, end in edges]
    return {
        "p_delayed": (delays > 0).mean(),
        **{f"mean_delay_{law}": delays.mean() for law in ("exp", "const")},
        **{f"delay_p99_{law}": delays for law in ("exp", "const")},
        "mean_flush_size_per_1000_per_s": np.mean(flushed) / 50 * 1000,
    }


PARTS = [
    Study(
        "U01 down time in a finite run",
        lambda i: components(exponential(i["mtbf"]), exponential(i["mttr"])),
        read_components,
        Effort(20, 3600), Effort(40, 3600),
        drain=False,
        metrics=(
            "mean_downtime_in_T", "sd_downtime_in_T", "p_up_at_T", "p_no_failure_in_T", "mean_failures_in_T",
        ),
    ),
    Study(
        "U01 availability",
        lambda i: components(exponential(i["mtbf"]), exponential(i["mttr"])),
        read_components,
        Effort(20, 3500), Effort(20, 3500), 500,
        drain=False,
        metrics=("availability",),
    ),
    Study(
        "U02 Weibull up, lognormal down",
        lambda i: components(
            {"dist": "weibull", "mean": i["mtbf"], "shape": i["up_shape"]},
            {"dist": "lognormal", "mean": i["mttr"], "cv": i["repair_cv"]},
        ),
        read_repairs,
        Effort(20, 4000), Effort(60, 8000), 2000,
        drain=False,
    ),
    Study(
        "U03 two of three",
        lambda i: components(exponential(i["mtbf"]), exponential(i["mttr"])),
        read_quorums,
        Effort(20, 6e4), Effort(20, 6e4),
        drain=False,
        metrics=("availability_own_repair", "quorum_losses_per_s", "mean_quorum_outage", "mttf_from_all_up"),
    ),
    Study(
        "U06 instant replacement",
        lambda i: components({"dist": "weibull", "mean": i["mean_life"], "shape": i["shape"]}, 0.0, from_new=True),
        read_components,
        Effort(20, 1000), Effort(40, 1000),
        drain=False,
    ),
    *(
        Study(
            f"U08 consumer breaking down by {kind}",
            lambda i, kind=kind: breaking_down(kind, i),
            read_breakdowns,
            Effort(20, 420), Effort(60, 4120) if kind == "crash" else None, 120,
            controls={"mean_in_system": "squares", "mean_sojourn": "squares"},
            known={"squares": squared_repairs},
        )
        for kind in ("crash", "pause")
    ),
    Study(
        "U14 held up by a pause, exponential",
        lambda i: held_up(exponential(i["mttr"]), i),
        read_held_up,
        Effort(20, 300), Effort(60, 3000), 100,
        metrics=("p_delayed", "mean_delay_exp", "delay_p99_exp", "mean_flush_size_per_1000_per_s"),
    ),
    Study(
        "U14 held up by a pause, constant",
        lambda i: held_up(i["mttr"], i),
        read_held_up,
        Effort(20, 300), Effort(60, 3000), 100,
        metrics=("p_delayed", "mean_delay_const", "delay_p99_const", "mean_flush_size_per_1000_per_s"),
    ),
]  # fmt: skip


# -- retries -----------------------------------------------------------------------------------------------------------


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
    return queue(poisson(200), concurrency="unlimited", transient_failure=1.0, redelivery=redelivery)


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


BACKOFF = {"R03": "without jitter", "R04": "with full jitter", "R05": "with equal jitter"}
SPREAD = ("horizon_sd", *(f"delay{n}_var" for n in range(1, 8)))
RETRIES = [
    Study("R01 redelivery", attempts, read_attempts, Effort(20, 6), Effort(40, 60)),
    Study("R01 retry", tries, read_attempts, Effort(20, 6)),
    *(
        Study(
            f"{case} delays {jitter}",
            hopeless,
            read_delays,
            Effort(20, 8), Effort(20, 40),
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
            Effort(20, 10), Effort(40, 40),
            metrics=("mean_backoff_per_message", "mean_backoff_given_delivered"),
        )
        for case, jitter in BACKOFF.items()
    ),
    Study("R08 feedback", feedback, read_feedback, Effort(20, 110), Effort(60, 1010), 10),
    Study("R12 timeouts", impatient, read_impatient, Effort(20, 50), Effort(40, 1000)),
]  # fmt: skip


# -- outages -----------------------------------------------------------------------------------------------------------


def calling(arrivals: Tables, i: Inputs, fault: Tables) -> Tables:
    """Instant attempts at a dependency that has outages, tried again through a retry topic."""
    redelivery = {
        "max_deliveries": i["max_attempts"], "through": "retry_topic",
        "backoff": "exponential", "base": i["base"], "cap": i["cap"],
    }  # fmt: skip
    fields = {"dependencies": ["s"], "redelivery": redelivery, "dead_letter": {"topic": "dead"}}
    return {
        **queue(arrivals, concurrency="unlimited", **fields),
        "dependencies": {"s": {"latency": 0.0}},
        "faults": [{"name": "f", "target": "dependencies.s", "kind": "outage", **fault}],
    }


def read_outage(run: Run) -> Values:
    given_up = run.column("effects") == 0
    return {
        "retry_horizon": run.times("produced", "settled")[given_up].mean(),
        "mean_dlq_messages": run.metric("dead_lettered"),
        "dlq_fraction_of_arrivals_in_outage": run.metric("dead_letter_rate"),
        "mean_failed_attempts": run.metric("error_rate") * run.column("attempts").sum(),
    }


def read_outages(run: Run) -> Values:
    produced, given_up = run.column("produced"), run.column("effects") == 0
    edges = np.array([edge for _, *window in run.windows("faults.f") for edge in window])
    inside = np.searchsorted(edges, produced, side="right") % 2 == 1
    return {
        "retry_horizon": run.times("produced", "settled")[given_up].mean(),
        "p_dlq_given_arrival_in_outage": given_up.sum() / inside.sum(),
        "mean_dlq_per_outage_at_10_per_s": given_up.sum() / (len(edges) / 2) * 10 / 0.2,
    }


def stopped(arrivals: Tables, service: Any, i: Inputs) -> Tables:
    fault = {"name": "f", "target": ALONE, "kind": "pause", "at": 20, "for": i["D"]}
    return {**queue(arrivals, service), "faults": [fault]}


def read_backlog(run: Run) -> Values:
    produced, done = run.every("produced"), run.every("effect")
    end = 20 + run.inputs["D"]
    emptied = done[:-1][(done[:-1] > end) & (produced[1:] > done[:-1])][0]
    left = np.count_nonzero(produced <= end) - np.count_nonzero(done <= end)
    waits = (run.every("started") - produced)[(produced > 20) & (produced < emptied)]
    return {
        "fluid_peak": run.metric("lag_max"),
        "fluid_drain_time": emptied - end,
        "fluid_max_lag": run.metric("lag_seconds_max"),
        "fluid_messages_delayed": len(waits),
        "fluid_mean_delay_of_delayed": waits.mean(),
        "stoch_mean_at_end_of_outage": left,
        "stoch_mean_time_to_empty": emptied - end,
    }


def growing(i: Inputs) -> Tables:
    """Instances that are stopped from the start, and come up one after the other."""
    first, most = int(i["c0"] / i["step"]), int(i["cmax"] / i["step"])
    faults = [
        {"name": f"f{n}", "target": f"consumers.c[{n}]", "kind": "stop", "at": 0, "for": i["t0"] + (n - first) * i["dt"]}
        for n in range(first, most)
    ]
    return {**queue(constant(i["lam2"]), 1 / i["step"], instances=most, prefetch=1), "faults": faults}


def read_growing(run: Run) -> Values:
    """Without what the instances have in hand, which a fluid has not."""
    produced, started = run.every("produced"), run.every("started")
    waiting = np.arange(1, len(produced) + 1) - np.searchsorted(np.sort(started), produced, side="right")
    return {
        "peak_backlog": waiting.max(),
        "time_of_peak": produced[waiting >= 0.999 * waiting.max()][0],
        "time_to_empty": produced[np.flatnonzero(waiting > 1)[-1]],
        "backlog_area": average(run.occupancy("produced", "started")) * run.seconds,
    }


FLUID = ("peak", "drain_time", "max_lag", "messages_delayed", "mean_delay_of_delayed")
OUTAGES = [
    Study(
        "O01 outage of fixed length",
        lambda i: calling(poisson(i["lam"]), i, {"at": 0, "for": i["D"]}),
        read_outage,
        Effort(40, 30), Effort(100, 30),
    ),
    Study(
        "O03 outages of exponential length",
        lambda i: calling(poisson(0.2), i, {"every": 250, "for": exponential(i["mttr"])}),
        read_outages,
        Effort(20, 25_000), Effort(30, 250_000),
    ),
    Study(
        "O04 backlog, constant rates",
        lambda i: stopped(constant(i["lam"]), 1 / i["mu"], i),
        read_backlog,
        Effort(2, 800), Effort(20, 800),
        metrics=tuple(f"fluid_{metric}" for metric in FLUID),
    ),
    Study(
        "O04 backlog, random",
        lambda i: stopped(poisson(i["lam"]), exponential(1 / i["mu"]), i),
        read_backlog,
        Effort(5, 820), Effort(560, 820),
        metrics=(
            "stoch_mean_at_end_of_outage", "stoch_sd_at_end_of_outage",
            "stoch_mean_time_to_empty", "stoch_sd_time_to_empty",
        ),
        spreads={
            "stoch_sd_at_end_of_outage": "stoch_mean_at_end_of_outage",
            "stoch_sd_time_to_empty": "stoch_mean_time_to_empty",
        },
    ),
    Study("O08 capacity in steps", growing, read_growing, Effort(2, 450), Effort(20, 450)),
]  # fmt: skip


# -- delivery ----------------------------------------------------------------------------------------------------------


def saturated(i: Inputs, **fault: Any) -> Tables:
    """One partition with more than can be handled, read in batches that take a second each."""
    fields = {
        "batch": i["b"], "commit": "batch", "session_timeout": 6, "heartbeat_interval": 1, "rebalance_time": 0,
    }  # fmt: skip
    arrivals = constant(1, size=2 * i["b"])
    return {**log(arrivals, 1 / i["b"], **fields), "faults": [{"name": "f", "target": ALONE, "kind": "crash", **fault}]}


def read_saturated(run: Run) -> Values:
    """An instance crashes at most once in a batch."""
    crashes = sum(1 for _ in run.windows("faults.f"))
    batch = run.inputs["b"]
    again = run.every("effects")[: len(run.every("effects")) // batch * batch].reshape(-1, batch)
    doubled = np.sort((again - 1).clip(0).sum(axis=1))[::-1][:crashes]
    begun = (run.every("attempts").astype(int) - 1).clip(0).sum()
    return {
        "mean_handled_uncommitted": doubled.mean(),
        "sd_handled_uncommitted": doubled.std(ddof=1) if crashes > 1 else 0.0,
        "mean_redelivered_incl_in_progress": begun / crashes,
        "max_duplicates": doubled.max(),
    }


def prefetching(i: Inputs) -> Tables:
    tables = queue(
        poisson(i["lam"]), exponential(1 / i["mu"]), prefetch=i["prefetch"], redelivery={"max_deliveries": 0}
    )
    return {**tables, "faults": failing(exponential(2), 0.0)}


def read_prefetching(run: Run) -> Values:
    crashes = np.array([start for _, start, _ in run.windows("faults.f")])
    produced, done = run.every("produced"), np.sort(run.every("effect"))
    present = np.searchsorted(produced, crashes) - np.searchsorted(done, crashes)
    return {
        "mean_redelivered": (run.every("deliveries").astype(int) - 1).sum() / len(crashes),
        "p_full_prefetch": (present >= run.inputs["prefetch"]).mean(),
    }


def delayed_each(arrivals: Tables, i: Inputs) -> Tables:
    return queue(arrivals, exponential(1 / i["theta"]), concurrency="unlimited")


def read_order(run: Run) -> Values:
    """A message is overtaken by those after it that are done before it."""
    done = run.column("effect")
    overtakers = sum(np.count_nonzero(done[n:] < done[:-n]) for n in range(1, 100)) / len(done)
    by_next = (done[1:] < done[:-1]).mean()
    return {
        **{f"p_overtaken_by_next_{law}": by_next for law in ("fixed_gap", "poisson")},
        **{f"mean_overtakers_{law}": overtakers for law in ("fixed_gap", "poisson")},
    }


DELIVERY = [
    Study(
        "D02 commit by batch",
        lambda i: saturated(i, time_to_failure={"dist": "uniform", "low": 10, "high": 15}, time_to_repair=0, from_new=True),
        read_saturated,
        Effort(20, 120), Effort(20, 2000),
        drain=False,
        metrics=("mean_handled_uncommitted", "sd_handled_uncommitted", "mean_redelivered_incl_in_progress"),
    ),
    Study(
        "D02 crash just before a commit",
        lambda i: saturated(i, at=4.995, **{"for": 0}),
        read_saturated,
        Effort(2, 20), Effort(20, 20),
        drain=False,
        metrics=("max_duplicates",),
    ),
    Study("D03 prefetch", prefetching, read_prefetching, Effort(20, 110), Effort(60, 1010)),
    Study(
        "D11 overtaking, constant gaps",
        lambda i: delayed_each(constant(1 / i["gap"]), i),
        read_order,
        Effort(20, 30), Effort(20, 300),
        metrics=("p_overtaken_by_next_fixed_gap", "mean_overtakers_fixed_gap"),
    ),
    Study(
        "D11 overtaking, random gaps",
        lambda i: delayed_each(poisson(i["lam"]), i),
        read_order,
        Effort(20, 30), Effort(20, 300),
        metrics=("p_overtaken_by_next_poisson", "mean_overtakers_poisson"),
    ),
]  # fmt: skip


# -- breakers ----------------------------------------------------------------------------------------------------------


def guarded(arrivals: Tables, failure: float, breaker: Tables) -> Tables:
    """Instant attempts, each event once."""
    return queue(arrivals, transient_failure=failure, redelivery={"max_deliveries": 1}, breaker=breaker)


def tripping(size: int, failures: int, i: Inputs) -> Tables:
    """A call a second; open for less, so that the next call probes."""
    return guarded(
        constant(1), i["p"], {"size": size, "failures": failures, "open_for": 0.5, "half_open_calls": 1}
    )


def transitions(run: Run) -> list[tuple[float, str]]:
    [(_, gate)] = run.parts.groups["consumers.c"].gates
    return gate.state.transitions


def calls_to_trip(run: Run, mean: float) -> np.ndarray:
    """Calls from closing to the one that trips it: as many intervals as a run of this length has for certain."""
    closed, calls = 0.0, []
    produced = run.every("produced")
    for time, state in transitions(run):
        if state == "closed":
            closed = time
        elif state == "open" and closed >= 0:
            calls.append(np.count_nonzero((produced > closed) & (produced <= time)))
            closed = -1.0
    expected = run.seconds / mean
    certain = int(expected - 4 * expected**0.5)
    assert len(calls) >= certain
    return np.array(calls[:certain])


def read_row(run: Run) -> Values:
    calls = calls_to_trip(run, 588)
    return {"mean_calls_to_trip": calls.mean(), "sd_calls_to_trip": calls.std(ddof=1)}


def read_window(run: Run) -> Values:
    calls = calls_to_trip(run, 36)
    return {
        "mean_calls_to_trip": calls.mean(),
        "p90_calls_to_trip": float(np.quantile(calls, 0.9, method="inverted_cdf")),
        **{f"p_trip_within_{n}": (calls <= n).mean() for n in (25, 50, 200)},
    }


def cycling(i: Inputs) -> Tables:
    breaker = {
        "size": i["N"], "failures": i["m"], "open_for": i["open_time"],
        "half_open_calls": i["half_open_calls"], "half_open_failures": 1, "automatic": True,
    }  # fmt: skip
    return guarded(poisson(i["lam"]), i["p"], breaker)


def read_cycle(run: Run) -> Values:
    seconds = {"closed": 0.0, "open": 0.0, "half_open": 0.0}
    moves = [(0.0, "closed"), *transitions(run), (run.until, "")]
    for (time, state), (until, _) in zip(moves, moves[1:], strict=False):
        seconds[state] += min(until, run.until) - time
    entered = [state for time, state in moves[1:-1] if time <= run.until]
    produced = len(run.column("produced"))
    return {
        "fraction_short_circuited": run.metric("short_circuited") / produced,
        "error_rate_seen_by_callers": 1 - run.metric("processed") / produced,
        "call_rate_reaching_dependency": run.column("attempts").sum() / run.seconds,
        "time_fraction_open": run.metric("breaker_open_fraction"),
        "time_fraction_half_open": seconds["half_open"] / run.seconds,
        "time_fraction_closed": seconds["closed"] / run.seconds,
        "mean_cycle": run.seconds / entered.count("closed"),
        "mean_opens_per_cycle": entered.count("open") / entered.count("closed"),
    }


BREAKERS = [
    Study("C01 failures in a row", lambda i: tripping(i["k"], i["k"], i), read_row, Effort(20, 25_000), Effort(20, 3e5)),
    Study("C02 sliding window", lambda i: tripping(i["N"], i["m"], i), read_window, Effort(20, 10_000), Effort(20, 1e5)),
    Study("C06 duty cycle", cycling, read_cycle, Effort(20, 1000), Effort(60, 10_000)),
]

STUDIES = [*PARTS, *RETRIES, *OUTAGES, *DELIVERY, *BREAKERS]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_theory(study: Study) -> None:
    agree(study, study.quick)
