"""What a crash has delivered again, order and breakers agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from theory import Effort, Inputs, Run, Study, Tables, constant, exponential, failing, lease, log, poisson, queue

Values = Mapping[str, float | np.ndarray]
ALONE = "consumers.c[0]"
BEATS = {"session_timeout": 6, "heartbeat_interval": 1}
BETWEEN_CRASHES = {"dist": "uniform", "low": 10, "high": 15}  # any phase of a batch, which takes 1 s


def saturated(i: Inputs, **fault: Any) -> Tables:
    """One partition with more than can be handled, read in batches that take a second each."""
    fields = {"batch": i["b"], "commit": "batch", "rebalance_time": 0, **BEATS}
    arrivals = constant(1, size=2 * i["b"])
    return {**log(arrivals, 1 / i["b"], **fields), "faults": [{"name": "f", "target": ALONE, "kind": "crash", **fault}]}


def read_saturated(run: Run) -> Values:
    """An instance crashes at most once in a batch."""
    crashes = sum(1 for _ in run.windows("f"))
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
    tables = queue(poisson(i["lam"]), exponential(1 / i["mu"]), prefetch=i["prefetch"], redelivery={"max_deliveries": 0})
    return {**tables, "faults": failing(exponential(0.2), 0.0)}


def read_prefetching(run: Run) -> Values:
    crashes = np.array([start for _, start, _ in run.windows("f")])
    produced, done = run.every("produced"), np.sort(run.every("effect"))
    present = np.searchsorted(produced, crashes) - np.searchsorted(done, crashes)
    return {
        "mean_redelivered": (run.every("deliveries").astype(int) - 1).sum() / len(crashes),
        "p_full_prefetch": (present >= run.inputs["prefetch"]).mean(),
        "present": run.metric("lag_mean"),
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


def dying(i: Inputs) -> Tables:
    """Who fails says nothing, as one that dies."""
    redelivery = {"max_deliveries": i["max_receive"]}
    letters = {"dead_letter": {"topic": "d"}, "redelivery": redelivery}
    return lease(poisson(10), transient_failure=i["p"], visibility_timeout=i["V"], **letters)


def read_dying(run: Run) -> Values:
    journey = run.parts.groups["consumers.c"].handlings[0].journey
    moves, produced, done = journey.moves, run.every("produced"), run.every("effect")
    return {
        "p_dlq": len(moves) / len(produced),
        "mean_receives": run.every("deliveries").mean(),
        "time_to_dlq": (moves["time"] - produced[moves["event"]]).mean() if len(moves) else np.nan,
        "mean_latency_of_success": np.nanmean(done - produced),
    }


def outlasting(i: Inputs, max_deliveries: int) -> Tables:
    """A delete that comes after the end of the lease fails as one that is lost: with probability q."""
    timeout = -np.log(i["q"])
    redelivery = {"max_deliveries": max_deliveries}
    letters = {"dead_letter": {"topic": "d"}, "redelivery": redelivery, "late_delete": "fails"}
    return lease(poisson(10), exponential(1.0), visibility_timeout=timeout, **letters)


def unheard(i: Inputs) -> Tables:
    """Deletes that the network loses."""
    links = {"consumers.c -> broker": {"loss": i["q"]}}
    return {**lease(poisson(10), exponential(1.0), visibility_timeout=60), "network": {"links": links}}


def read_outlasting(run: Run) -> Values:
    deliveries, letters = run.every("deliveries"), run.metric("dead_letter_moves")
    return {
        "mean_deliveries": deliveries.mean(),
        "mean_duplicates": (run.every("effects") - 1).mean(),
        "p_any_duplicate": (run.every("effects") > 1).mean(),
        "mean_deliveries_capped": deliveries.mean(),
        "p_false_dlq": letters / len(deliveries),
    }


def batches(i: Inputs) -> Tables:
    """Each second a batch, which takes a second; one crash in it."""
    group = {"batch": i["B"], "concurrency": 1, "visibility_timeout": 3.0}
    crash = {"name": "f", "target": ALONE, "kind": "crash", "time_to_repair": 2, "from_new": True}
    crash["time_to_failure"] = {"dist": "uniform", "low": 5, "high": 6}
    return {**lease(constant(1, size=i["B"]), 1 / i["B"], **group), "faults": [crash]}


def read_batches(run: Run) -> Values:
    assert len(list(run.windows("f"))) == 1
    return {"redelivered": (run.every("deliveries") - 1.0).sum()}


DELIVERY = [
    Study(
        "D02 commit by batch",
        lambda i: saturated(i, time_to_failure=BETWEEN_CRASHES, time_to_repair=0, from_new=True),
        read_saturated,
        Effort(20, 120, 0.19), Effort(20, 3600),
        drain=False,
        metrics=("mean_handled_uncommitted", "sd_handled_uncommitted", "mean_redelivered_incl_in_progress"),
    ),
    Study(
        "D02 crash just before a commit",
        lambda i: saturated(i, at=4.995, **{"for": 0}),
        read_saturated,
        Effort(2, 20, 0.01), Effort(20, 20),
        drain=False,
        metrics=("max_duplicates",),
    ),
    Study(
        "commit by batches of 10",
        lambda i: saturated(i, time_to_failure=BETWEEN_CRASHES, time_to_repair=0, from_new=True),
        read_saturated,
        Effort(20, 300, 0.09),
        drain=False,
        given={"b": 10},
        values={"mean_handled_uncommitted": 4.5, "mean_redelivered_incl_in_progress": 5.5},
    ),
    Study(
        "D03 prefetch",
        prefetching,
        read_prefetching,
        Effort(20, 60, 0.13), Effort(20, 1500),
        controls={"mean_redelivered": "present", "p_full_prefetch": "present"},
        known={"present": lambda i: i["lam"] / (i["mu"] - i["lam"])},
    ),
    Study("D12 silent deaths", dying, read_dying, Effort(20, 300, 0.45), Effort(40, 5000)),
    Study(
        "D04 deletes that fail",
        lambda i: outlasting(i, 0),
        read_outlasting,
        Effort(20, 200, 0.1), Effort(20, 2000),
        metrics=("mean_deliveries", "mean_duplicates", "p_any_duplicate"),
    ),
    Study(
        "D04 deletes that fail, three receives",
        lambda i: outlasting(i, i["max_receive"]),
        read_outlasting,
        Effort(20, 400, 1.5), Effort(40, 20_000),
        metrics=("mean_deliveries_capped", "p_false_dlq"),
    ),
    Study(
        "D04 deletes that are lost",
        unheard,
        read_outlasting,
        Effort(20, 200, 0.1), Effort(20, 2000),
        metrics=("mean_deliveries", "mean_duplicates", "p_any_duplicate"),
    ),
    Study(
        "batch of a leased queue",
        batches,
        read_batches,
        Effort(150, 8, 0.15),
        given={"B": 10},
        values={"redelivered": 5.5},
    ),
    Study(
        "services that outlast a lease",
        lambda i: lease(poisson(10), exponential(1.0), visibility_timeout=i["V"]),
        lambda run: {"overlapping": (run.every("deliveries") > 1).mean()},
        Effort(20, 60, 0.15),
        given={"V": 2.0},
        values={"overlapping": float(np.exp(-2.0))},
    ),
    Study(
        "D11 overtaking, constant gaps",
        lambda i: delayed_each(constant(1 / i["gap"]), i),
        read_order,
        Effort(20, 30, 0.03), Effort(20, 300),
        metrics=("p_overtaken_by_next_fixed_gap", "mean_overtakers_fixed_gap"),
    ),
    Study(
        "D11 overtaking, random gaps",
        lambda i: delayed_each(poisson(i["lam"]), i),
        read_order,
        Effort(20, 30, 0.03), Effort(20, 300),
        metrics=("p_overtaken_by_next_poisson", "mean_overtakers_poisson"),
    ),
]  # fmt: skip


def guarded(arrivals: Tables, failure: float, breaker: Tables) -> Tables:
    """Instant attempts, each event once."""
    return queue(arrivals, transient_failure=failure, redelivery={"max_deliveries": 1}, breaker=breaker)


def tripping(size: int, failures: int, i: Inputs) -> Tables:
    """A call a second; open for less, so that the next call probes."""
    return guarded(constant(1), i["p"], {"size": size, "failures": failures, "open_for": 0.5, "half_open_calls": 1})


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
    certain = int(expected - 3 * expected**0.5)
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
    for (time, state), (until, _) in pairwise(moves):
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
    Study(
        "C01 failures in a row",
        lambda i: tripping(i["k"], i["k"], i),
        read_row,
        Effort(20, 10_000, 0.51), Effort(20, 420_000),
        controls={"sd_calls_to_trip": "mean_calls_to_trip"},
    ),
    Study(
        "C02 sliding window",
        lambda i: tripping(i["N"], i["m"], i),
        read_window,
        Effort(20, 6_000, 0.1), Effort(20, 40_000),
    ),
    Study("C06 duty cycle", cycling, read_cycle, Effort(20, 700, 0.2), Effort(46, 20_000)),
]  # fmt: skip

STUDIES = [*DELIVERY, *BREAKERS]
