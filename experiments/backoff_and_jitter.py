"""How should clients that compete for one row wait before they try again?

The study of Brooker (Exponential Backoff And Jitter, AWS Architecture Blog, 2015), with a process of its own: each client
reads a row, over a network with a delay, and writes it, which succeeds only if nobody has written since; else it waits and
begins again. Calls are the writes tried; the time is until the last client has its answer. As there a hop takes 10 ms with a
deviation of 2 ms, the exponential delays begin with at most 10 ms, decorrelated jitter with 5 to 15 ms, all capped at 2 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

import numpy as np
import simpy
from scipy.special import ndtri

from experiments.lab.charts.studies import curves, legend_below, slide
from experiments.lab.study import Answer, OwnModel, Setup, difference, from_shell, measures, tidy, told
from models.backoff import Delays
from models.errors import BadScenario, Problem
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement, Result
from simulator.simulation import Simulation

POLICIES: dict[str, Delays] = {
    "no backoff": Delays(backoff="none"),
    "exponential": Delays(base=0.010, cap=2.0),
    "full jitter": Delays(base=0.010, cap=2.0, jitter="full"),
    "equal jitter": Delays(base=0.010, cap=2.0, jitter="equal"),
    "decorrelated": Delays(base=0.005, cap=2.0, jitter="decorrelated"),
}
CALLS, TIME = "row:calls", "row:time"


class Row:
    """The row that all want: its version, the writes tried, and when the last client had its answer (s)."""

    version = calls = 0
    done_at = 0.0


@dataclass(frozen=True)
class Contest(OwnModel):
    """`clients` that each want to change the row once, and wait by `policy`: a model that can be replicated."""

    clients: int
    policy: Delays
    name: ClassVar[str] = "backoff_and_jitter"

    def start(self, sim: Simulation) -> Row:
        """Start every client at once."""
        row = Row()
        for client in range(self.clients):
            sim.process(self.client(sim, row, client))
        return row

    def client(self, sim: Simulation, row: Row, number: int) -> Generator[simpy.Event, Any, None]:
        """Read, write, and where somebody else was first wait and begin again."""
        network, luck = sim.stream("network"), sim.stream("backoff")
        hops = (max(0.0, 0.010 + 0.002 * float(ndtri(network.uniform(number, n)))) for n in count())
        attempt, delay, done = 0, 0.0, False
        while not done:
            yield sim.timeout(delay + next(hops))
            seen = row.version
            yield sim.timeout(next(hops) + next(hops))
            done = row.version == seen
            row.calls, row.version = row.calls + 1, row.version + done
            yield sim.timeout(next(hops))
            attempt += 1
            delay = self.policy.delay(attempt, luck.uniform(number, attempt), delay)
        row.done_at = sim.now

    def measure(self, record: Row) -> Measurement:
        """Calls in all, and the time until the last client has its answer."""
        time = Measure("row", "time", "s", record.done_at, "survival", 1.0, censored=record.version < self.clients)
        return Measurement((Measure("row", "calls", "1", record.calls), time), np.empty(0), {})


def study(setup: Setup) -> Answer:
    """Every policy with every number of clients. Raises BadScenario for changes: there is no scenario to change."""
    if setup.changes:
        raise BadScenario([Problem(path, "there is no scenario here", "must not be given") for path in setup.changes])
    crowds = (10, 50, 90) if setup.quick else (10, 30, 50, 70, 90, 110, 130, 150, 170, 190)
    keys, runs = [(policy, clients) for policy in POLICIES for clients in crowds], setup.number(whole=20, quick=10)
    contests = [Contest(clients, POLICIES[policy]) for policy, clients in keys]
    results = dict(zip(keys, replicate_all(contests, runs, setup.seed, setup.jobs, progress=setup.progress), strict=True))
    table = tidy(results, ("policy", "clients"), (CALLS, TIME))
    said = finding(results, max(crowds))
    small = f"backoff_and_jitter, seed {setup.seed} · {runs} runs a point, mean and 95 % interval"
    figure, axes = slide(said.partition(". ")[0], small, panels=2, height=5.6)
    for ax, metric, label in zip(axes, (CALLS, TIME), ("calls", "time until all are done"), strict=True):
        curves(table, metric, "clients", "policy", label, ax)
    legend_below(figure, axes[0], len(POLICIES))
    return Answer(said, table, {"calls and time": figure})


def finding(results: Mapping[tuple[str, int], Result], clients: int) -> str:
    """Which policy makes the most and the fewest calls, and which is done first, with the largest crowd and with others."""
    calls, times = ({policy: measures(results[policy, clients], metric) for policy in POLICIES} for metric in (CALLS, TIME))
    fewest, *_, most = sorted(calls, key=lambda policy: sum(m.value for m in calls[policy]))
    crowds = sorted({crowd for _, crowd in results})
    wins = Counter(min(POLICIES, key=lambda policy: results[policy, crowd].value("row", "calls").mean) for crowd in crowds)
    won = ", ".join(f"{policy} in {number}" for policy, number in wins.most_common())
    text = f"With {clients} clients {most} makes the most calls, {told(calls[most])}, {fewest} fewest, {told(calls[fewest])}."
    return f"{text} {runner_up(calls, 'calls')} Fewest calls of {len(crowds)} crowds: {won}. {runner_up(times, 'time')}"


def runner_up(found: Mapping[str, list[Measure]], what: str) -> str:
    """How far the policy with the least is ahead of the next."""
    first, second, *_ = sorted(found, key=lambda policy: sum(m.value for m in found[policy]))
    gap, shown = difference(found[first], found[second])
    return f"Least {what}: {first}, {told(found[first])}; {second} {shown} more{'' if gap.ci_low > 0 else ', perhaps luck'}."


if __name__ == "__main__":
    from_shell("backoff_and_jitter")
