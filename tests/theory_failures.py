"""Unreliable parts agree with theory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from theory import Effort, Inputs, Run, Study, Tables, exponential, failing, poisson, queue

Values = Mapping[str, float | np.ndarray]


def components(up: Any, down: Any, members: int = 42, **fault: Any) -> Tables:
    """Instances with next to nothing to do, which fail independently of each other."""
    return {**queue(poisson(1e-3), instances=members), "faults": failing(up, down, **fault)}


def members(run: Run) -> int:
    return run.parts.scenario.consumers["c"].instances


def member(target: str) -> int:
    """The number of an instance, from its path."""
    return int(target.partition("[")[2].rstrip("]"))


def read_components(run: Run) -> Values:
    """Failures and down time of each instance, and their means over instances."""
    failures, down, up = np.zeros(members(run)), np.zeros(members(run)), np.ones(members(run), dtype=bool)
    for target, start, end in run.windows("f"):
        number = member(target)
        failures[number] += run.since <= start <= run.until
        down[number] += max(min(end, run.until) - max(start, run.since), 0.0)
        up[number] &= not start <= run.until <= end
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
    repairs = np.array([end - start for _, start, end in run.windows("f") if start < run.until - long])
    return {**read_components(run), "p_component_down_more_than_2mttr_given_failure": (repairs > long).mean()}


def read_quorums(run: Run) -> Values:
    """Instances in groups of n, of which k must be up. Time to loss counts from whenever all are up again."""
    n, most = run.inputs["n"], run.inputs["n"] - run.inputs["k"]
    changes: list[list[tuple[float, int]]] = [[] for _ in range(members(run) // n)]
    for window in run.measurement.windows:
        changes[member(window.target) // n] += [(window.start, 1), (window.end, -1)]
    lost = exposed = 0.0
    losses = firsts = 0
    for group in changes:
        time, down, intact = 0.0, 0, True
        for until, step in [*sorted(group), (run.until, 0)]:
            lost += (until - time) * (down > most)
            exposed += (until - time) * intact
            time, down = until, down + step
            falls = step > 0 and down == most + 1
            losses, firsts = losses + falls, firsts + (falls and intact)
            intact = (intact and not falls) or not down
    time = len(changes) * run.seconds
    return {
        **{f"availability_{repair}": 1 - lost / time for repair in ("own_repair", "one_crew")},
        "quorum_losses_per_s": losses / time,
        **{f"mean_quorum_outage{repair}": lost / losses for repair in ("", "_one_crew")},
        "mttf_from_all_up": exposed / firsts,
    }


def with_crews(i: Inputs) -> Tables:
    """Each group of n has one crew, which repairs what failed first first."""
    tables = components(exponential(i["mtbf"]), exponential(i["mttr"]))
    [fault] = tables["faults"]
    of_groups = np.arange(42).reshape(-1, i["n"]).tolist()
    faults = [
        {**fault, "name": f"f{number}", "target": [f"consumers.c[{place}]" for place in group], "crews": 1}
        for number, group in enumerate(of_groups)
    ]
    return {**tables, "faults": faults}


def breaking_down(kind: str, i: Inputs) -> Tables:
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu"]), redelivery={"max_deliveries": 0}, prefetch=1)
    up, down = exponential(1 / i["failure_rate"]), exponential(1 / i["repair_rate"])
    return {**tables, "faults": failing(up, down, kind)}


def read_breakdowns(run: Run) -> Values:
    squares = sum((end - start) ** 2 for _, start, end in run.windows("f") if run.since <= start <= run.until)
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
    return {**queue(poisson(5), concurrency="unlimited"), "faults": failing(exponential(i["mtbf"]), down, "pause")}


def read_held_up(run: Run) -> Values:
    delays, produced = run.times("produced", "effect"), run.every("produced")
    edges = np.array([(start, end) for _, start, end in run.windows("f") if run.since <= start <= end < run.until])
    flushed = np.diff(np.searchsorted(produced, edges))
    down = edges[:, 1] - edges[:, 0]
    late = run.inputs["mttr"] * math.log(5)
    return {
        "p_delayed": (delays > 0).mean(),
        **{f"mean_delay_{law}": delays.mean() for law in ("exp", "const")},
        **{f"delay_p99_{law}": delays for law in ("exp", "const")},
        "mean_flush_size_per_1000_per_s": flushed.mean() / 5 * 1000,
        "down": down.sum() / run.seconds,
        "squares": (down**2).sum() / run.seconds,
        "late": (down - late).clip(0).sum() / run.seconds,
        "repairs": down.mean(),
    }


def per_second(repair: Callable[[float], float]) -> Callable[[Inputs], float]:
    """What repairs add up to per second of a renewal process, from its mean over a repair of that mean."""
    return lambda i: repair(i["mttr"]) / (i["mtbf"] + i["mttr"])


STUDIES = [
    Study(
        "U01 down time in a finite run",
        lambda i: components(exponential(i["mtbf"]), exponential(i["mttr"])),
        read_components,
        Effort(20, 3600, 0.12), Effort(270, 3600),
        drain=False,
        metrics=(
            "mean_downtime_in_T", "sd_downtime_in_T", "p_up_at_T", "mean_failures_in_T",
        ),
    ),
    Study(
        "U01 no failure, where none is repaired",
        lambda i: components(exponential(i["mtbf"]), i["T"], members=200),
        read_components,
        Effort(20, 3600, 0.46), Effort(3100, 3600),
        drain=False,
        metrics=("p_no_failure_in_T",),
    ),
    Study(
        "U01 availability",
        lambda i: components(exponential(i["mtbf"]), exponential(i["mttr"])),
        read_components,
        Effort(20, 3500, 0.01), Effort(20, 3500), 500,
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
        Effort(20, 4000, 0.14), Effort(250, 8000), 2000,
        drain=False,
    ),
    Study(
        "U03 two of three",
        lambda i: components(exponential(i["mtbf"]), exponential(i["mttr"])),
        read_quorums,
        Effort(20, 1e4, 0.14), Effort(30, 1e5),
        drain=False,
        metrics=("availability_own_repair", "quorum_losses_per_s", "mean_quorum_outage", "mttf_from_all_up"),
    ),
    Study(
        "U03 two of three, one crew",
        with_crews,
        read_quorums,
        Effort(20, 1e4, 0.3), Effort(40, 1e5),
        drain=False,
        metrics=("availability_one_crew", "mean_quorum_outage_one_crew"),
    ),
    Study(
        "U06 instant replacement",
        lambda i: components({"dist": "weibull", "mean": i["mean_life"], "shape": i["shape"]}, 0.0, from_new=True),
        read_components,
        Effort(20, 1000, 0.11), Effort(320, 1000),
        drain=False,
    ),
    *(
        Study(
            f"U08 consumer breaking down by {kind}",
            partial(breaking_down, kind),
            read_breakdowns,
            Effort(20, 370, 0.5), Effort(20, 4120) if kind == "crash" else None, 120,
            controls={"mean_in_system": "squares", "mean_sojourn": "squares"},
            known={"squares": squared_repairs},
        )
        for kind in ("crash", "pause")
    ),
    Study(
        "U14 held up by a pause, exponential",
        lambda i: held_up(exponential(i["mttr"]), i),
        read_held_up,
        Effort(20, 2100, 0.08), Effort(60, 20_100), 100,
        metrics=("p_delayed", "mean_delay_exp", "delay_p99_exp", "mean_flush_size_per_1000_per_s"),
        controls={
            "p_delayed": "down", "mean_delay_exp": "squares", "delay_p99_exp": "late",
            "mean_flush_size_per_1000_per_s": "repairs",
        },
        known={
            "down": per_second(lambda mean: mean), "squares": per_second(lambda mean: 2 * mean**2),
            "late": per_second(lambda mean: mean / 5), "repairs": lambda i: i["mttr"],
        },
    ),
    Study(
        "U14 held up by a pause, constant",
        lambda i: held_up(i["mttr"], i),
        read_held_up,
        Effort(20, 2100, 0.2), Effort(80, 10_100), 100,
        metrics=("p_delayed", "mean_delay_const", "delay_p99_const", "mean_flush_size_per_1000_per_s"),
    ),
]  # fmt: skip
