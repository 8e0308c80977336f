"""Breakers that trip by chance, as Markov chains; and how long they stay open when what failed is well again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from theory import Effort, Run, Study, Tables, agree, constant, exponential, form, poisson, queue
from theory_delivery import transitions

Values = Mapping[str, float]
Outcome = tuple[int, int]
"""Whether a call fails, and whether it is slow: 0 or 1."""
ONCE = {"max_deliveries": 1}


@dataclass(frozen=True)
class Rules:
    """A breaker that calls reach one after the other. `refused`: calls in each opening; `per_second`: of a time
    window, calls."""

    size: int
    minimum: int
    rate: float
    probes: int = 1
    refused: int = 0
    slow_rate: float = 1.0
    per_second: int = 0

    @property
    def tables(self) -> Tables:
        """Its fields in a scenario."""
        window = {"window": "time"} if self.per_second else {}
        return {
            "size": self.size, "minimum_calls": self.minimum, "failure_rate": self.rate, "half_open_calls": self.probes,
            "slow_call_rate": self.slow_rate, **window,
        }  # fmt: skip

    def bad(self, calls: tuple[Outcome, ...]) -> bool:
        """Whether one of the two rates is reached."""
        failed, slow = (sum(kind) for kind in zip(*calls, strict=True))
        return bool(failed >= self.rate * len(calls) or slow >= self.slow_rate * len(calls))


State = tuple[Any, ...]


def after(rules: Rules, state: State, outcome: Outcome) -> State:
    """The state after a call: closed with the calls of the window, by second if that is of time, and the place in the second;
    open for so many more calls; half open with the probes until now."""
    phase, held, place = state
    place = (place + 1) % rules.per_second if rules.per_second else 0
    if phase == "open" and held:
        return "open", held - 1, place
    if phase in ("open", "half open"):
        probes = tuple(sorted((*(held or ()), outcome)))
        if len(probes) < min(rules.minimum, rules.probes):
            return "half open", probes, place
        return ("open", rules.refused, place) if rules.bad(probes) else ("closed", empty(rules), place)
    window = moved(rules, held, outcome, place)
    calls = tuple(call for second in window for call in second) if rules.per_second else window
    if len(calls) >= (rules.minimum if rules.per_second else min(rules.minimum, rules.size)) and rules.bad(calls):
        return "open", rules.refused, place
    return "closed", window, place


def empty(rules: Rules) -> tuple[Any, ...]:
    return ((),) * rules.size if rules.per_second else ()


def moved(rules: Rules, held: tuple[Any, ...], outcome: Outcome, place: int) -> tuple[Any, ...]:
    """The window with a call more. The first call of a second drops the eldest second."""
    if not rules.per_second:
        return (*held, outcome)[-rules.size :]
    seconds = (*held[1:], ()) if place == 0 else held
    return *seconds[:-1], tuple(sorted((*seconds[-1], outcome)))


def explored(rules: Rules, law: Mapping[Outcome, float]) -> tuple[list[State], np.ndarray]:
    """All states from the one at the start, and the probabilities of going from one to another. The first call comes after a
    period, so that there is one less in the first second."""
    states: list[State] = [("closed", empty(rules), 0)]
    number = {states[0]: 0}
    steps = []
    for state in states:
        for outcome, share in law.items():
            follower = after(rules, state, outcome)
            if follower not in number:
                number[follower] = len(states)
                states.append(follower)
            steps.append((number[state], number[follower], share))
    matrix = np.zeros((len(states), len(states)))
    for one, other, share in steps:
        matrix[one, other] += share
    return states, matrix


def calls_to_trip(rules: Rules, law: Mapping[Outcome, float]) -> float:
    """The mean number of calls from an empty window to opening, that one included."""
    states, matrix = explored(rules, law)
    closed = [number for number, state in enumerate(states) if state[0] == "closed"]
    inside = matrix[np.ix_(closed, closed)]
    return float(np.linalg.solve(np.eye(len(closed)) - inside, np.ones(len(closed)))[0])


def long_run(rules: Rules, law: Mapping[Outcome, float]) -> Values:
    """Shares of calls that are refused, and that open and close it, in the stationary law of the chain."""
    states, matrix = explored(rules, law)
    balance = np.vstack([matrix.T - np.eye(len(states)), np.ones(len(states))])
    chance = np.linalg.lstsq(balance, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    phases = np.array([state[0] for state in states])
    held = np.array([state[0] == "open" and state[1] > 0 for state in states])
    moves = chance[:, None] * matrix
    opened = np.array([state[:2] == ("open", rules.refused) for state in states])
    return {
        "refused": float(chance[held].sum()),
        "opened": float(moves[~held][:, opened].sum()),
        "closed": float(moves[phases != "closed"][:, phases == "closed"].sum()),
    }


def read_long_run(run: Run) -> Values:
    entered = [state for time, state in transitions(run) if run.since < time <= run.until]
    calls = len(run.column("produced"))
    return {
        "refused": run.metric("short_circuited") / calls,
        "opened": entered.count("open") / calls,
        "closed": entered.count("closed") / calls,
    }


RATE = 4
"""Calls per second; a quarter is exact in floats."""


def chain(name: str, rules: Rules, failing: float, slow: float = 0.0) -> Study:
    """Calls every 0.25 s, of which a share fails and, independent of that, another takes longer than 0.15 s: U(0, w)."""
    law = {(f, s): abs(1 - f - failing) * abs(1 - s - slow) for f in (0, 1) for s in ((0, 1) if slow else (0,))}
    assert sum(law.values()) == pytest.approx(1)
    service = {"dist": "uniform", "low": 0.0, "high": 0.15 / (1 - slow)} if slow else 0.0
    breaker = {**rules.tables, "slow_call": 0.15, "open_for": rules.refused / RATE + 0.0078125}
    fields = {"transient_failure": failing, "redelivery": ONCE, "breaker": breaker, "concurrency": "unlimited"}
    tables = queue(constant(RATE), service, **fields)
    return form(name, tables, long_run(rules, law), read_long_run, Effort(20, 900, 0.12), warmup=50)


CHAINS = [
    chain("chain of a count window of 6", Rules(6, 100, 0.5, probes=3, refused=8), 0.3),
    chain("chain of a minimum below the window", Rules(8, 3, 0.6, probes=5, refused=4), 0.35),
    chain("chain of slow calls", Rules(4, 4, 0.75, probes=2, refused=8, slow_rate=0.5), 0.3, slow=0.2),
    chain("chain of a time window of 2 s", Rules(2, 5, 0.5, probes=2, refused=7, per_second=RATE), 0.3),
]


# -- shares of time: a cycle is closed, then open and half open until the probes are good ----------------------------------


def cycle(rules: Rules, failing: float, rate: float, wait: float, factor: float, automatic: bool) -> Values:
    """Poisson calls without duration. The next call ends a lazy wait; each opening in a row waits `factor` times as long."""
    law = {(0, 0): 1 - failing, (1, 0): failing}
    needed = min(rules.minimum, rules.probes)
    again = float(binom.sf(math.ceil(rules.rate * needed) - 1, needed, failing))
    lazy = 0 if automatic else 1
    calls = calls_to_trip(rules, law)
    # Evaluations overlap, so that they trip less often than each by itself would.
    assert 1 / (calls - rules.minimum + 1) < binom.sf(math.ceil(rules.rate * rules.size) - 1, rules.size, failing)
    closed = calls / rate
    opened = wait / (1 - again * factor) + lazy / rate / (1 - again)
    half = (needed - lazy) / rate / (1 - again)
    whole = closed + opened + half
    return {
        "closed": closed / whole, "open": opened / whole, "half open": half / whole,
        "openings": 1 / (1 - again) / whole, "tried": (calls + needed / (1 - again)) / whole,
    }  # fmt: skip


def read_cycle(run: Run) -> Values:
    moves = [(0.0, "closed"), *transitions(run), (math.inf, "")]
    seconds = {"closed": 0.0, "open": 0.0, "half_open": 0.0}
    for (time, state), (until, _) in pairwise(moves):
        seconds[state] += max(min(until, run.until) - max(time, run.since), 0.0)
    assert run.metric("breaker_open_fraction") == pytest.approx(seconds["open"] / run.seconds)
    return {
        "closed": seconds["closed"] / run.seconds,
        "open": seconds["open"] / run.seconds,
        "half open": seconds["half_open"] / run.seconds,
        "openings": run.metric("breaker_trips") / run.seconds,
        "tried": run.column("attempts").sum() / run.seconds,
    }


def cycling(rules: Rules, failing: float, wait: float, factor: float = 1.0, automatic: bool = False) -> Study:
    breaker = {**rules.tables, "open_for": wait, "open_factor": factor, "automatic": automatic}
    tables = queue(poisson(10), transient_failure=failing, redelivery=ONCE, breaker=breaker)
    values = cycle(rules, failing, 10.0, wait, factor, automatic)
    name = f"cycle of {rules.size} calls and {rules.probes} probes, factor {factor}{', automatic' * automatic}"
    return form(name, tables, values, read_cycle, Effort(20, 500, 0.1), warmup=50)


CYCLES = [
    cycling(Rules(10, 10, 0.5, probes=3), 0.3, 2.0),
    cycling(Rules(10, 10, 0.5, probes=3), 0.3, 2.0, automatic=True),
    cycling(Rules(8, 8, 0.5, probes=5), 0.4, 1.0, factor=1.5),
]


# -- what remains of the wait when all is well again -----------------------------------------------------------------------


def still_refused(wait: float, probes: int, rate: float, threshold: float, mean: float) -> float:
    """Seconds from the end of an outage, exponential with that mean, until it is closed, where it was open at all. Each
    opening begins anew: it is open for the wait, in which the outage ends at any time, and then a call in a mean of 1 / l
    probes; of those that failed before the end there may be too many, so that it is open once more."""
    end = 1 / mean
    left = math.exp(-end * wait)
    opened = wait - (1 - left) / end  # mean rest of the wait, where the outage ends in it, times the chance of that
    parts = [(1 - left, opened + (1 - left) * probes / rate)]
    for failed in range(probes):
        chance = left * (rate / (rate + end)) ** failed * end / (rate + end)
        again = failed >= threshold * probes
        parts.append((chance, chance * ((probes - failed) / rate + again * (wait + probes / rate))))
    return sum(part for _, part in parts) / sum(chance for chance, _ in parts)


def read_rest(run: Run) -> Values:
    """Of the outages in which it was open at the end or half open."""
    moves = transitions(run)
    times = np.array([time for time, _ in moves])
    rests = []
    for _, _, end in run.windows("f"):
        last = int(np.searchsorted(times, end, side="right")) - 1
        if end < run.until - 60 and last >= 0 and moves[last][1] != "closed":
            rests.append(next(time for time, state in moves[last:] if state == "closed") - end)
    return {"rest": float(np.mean(rests))}


def resting(wait: float, probes: int, threshold: float, mean: float) -> Study:
    """Outages with an hour between them; a window of 5 calls."""
    breaker = {"size": 5, "minimum_calls": 10, "failure_rate": threshold, "open_for": wait, "half_open_calls": probes}
    outage = {
        "name": "f", "target": "dependencies.s", "kind": "outage", "from_new": True,
        "time_to_failure": 60.0, "time_to_repair": exponential(mean),
    }  # fmt: skip
    fields = {"dependencies": ["s"], "redelivery": ONCE, "breaker": breaker}
    tables = {**queue(poisson(2), **fields), "dependencies": {"s": {"latency": 0}}, "faults": [outage]}
    values = {"rest": still_refused(wait, probes, 2.0, threshold, mean)}
    return form(f"rest of a wait of {wait}, {probes} probes", tables, values, read_rest, Effort(20, 1500, 0.15))


RESTS = [resting(10.0, 4, 0.5, 30.0), resting(3.0, 10, 0.25, 20.0)]


def test_the_rest_of_the_wait_is_half_of_it_and_the_probes_where_outages_are_long() -> None:
    """W / 2 + n / l, where next to no time is spent on probes."""
    assert still_refused(60.0, 10, 500.0, 0.5, 1e6) == pytest.approx(30 + 10 / 500, rel=0.001)


def test_the_chain_of_a_row_of_failures_has_the_known_mean() -> None:
    """(1 - p^k) / ((1 - p) p^k), Feller vol. 1, XIII.7."""
    p = 0.3
    found = calls_to_trip(Rules(5, 5, 1.0), {(0, 0): 1 - p, (1, 0): p})
    assert found == pytest.approx((1 - p**5) / ((1 - p) * p**5))


@pytest.mark.parametrize("study", [*CHAINS, *CYCLES, *RESTS], ids=lambda study: study.name)
def test_breakers_agree_with_theory(study: Study) -> None:
    agree(study, study.quick)
