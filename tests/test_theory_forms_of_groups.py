"""Closed forms of a log's consumer group: what a crash has done again, and when it is noticed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from theory import Effort, Run, Study, agree, constant, exponential, failing, form, log

Values = Mapping[str, float]


def read_uncommitted(run: Run) -> Values:
    """Effects that were not committed at each crash. All of them come again, but those of the last crash perhaps."""
    cursor, journey = (
        run.parts.groups["consumers.c"].subscription.cursors[0],
        run.parts.groups["consumers.c"].handlings[0].journey,
    )
    crashes = np.array([start for _, start, _ in run.windows("f")])
    handled = np.searchsorted(np.sort(run.every("effect")), crashes)
    offsets = np.concatenate([[0], cursor.commits["offset"]])
    uncommitted = handled - offsets[np.searchsorted(cursor.commits["time"], crashes)]
    assert np.count_nonzero(journey.duplicates["time"] < crashes[-1]) == uncommitted[:-1].sum()
    return {"uncommitted": uncommitted.mean()}


def auto_commit(protocol: str, rate: int, interval: float, batch: int) -> Study:
    """A commit at the first poll after the interval: every Te = ceil(T / tau) tau. At a random crash 0 .. r Te - 1 effects, all
    equally likely, are not committed: r Te / 2, the one in hand counted half."""
    loop = batch / rate
    every = math.ceil(interval / loop) * loop
    fields = {
        "batch": batch, "commit": "auto", "commit_interval": interval, "rebalance": protocol, "rebalance_time": 0,
        "session_timeout": 6, "heartbeat_interval": 1,
    }  # fmt: skip
    between = {"dist": "uniform", "low": 20, "high": 20 + every}
    tables = log(constant(1, size=2 * rate), 1 / rate, **fields)
    tables["faults"] = failing(between, 0.0, from_new=True)
    values = {"uncommitted": (rate * every - 1) / 2}
    return form(f"auto-commit, {protocol}", tables, values, read_uncommitted, Effort(20, 500, 0.09), drain=False)


def read_detection(run: Run) -> Values:
    """From each crash to the rebalance that it causes."""
    rebalances = np.array(run.parts.groups["consumers.c"].membership.rebalances)
    crashes = np.array([start for _, start, end in run.windows("f") if end < run.until])
    waits = rebalances[np.searchsorted(rebalances, crashes)] - crashes
    return {"detection": waits.mean(), "spread": waits.std(ddof=1)}


def detection(session: float, heartbeat: float, protocol: str, static: bool) -> Study:
    """A session lasts from the last heartbeat, which was U(0, interval) before the crash."""
    fields = {"session_timeout": session, "heartbeat_interval": heartbeat, "rebalance": protocol, "static_membership": static}
    tables = log(constant(0.1), 0.1, instances=2, **fields)
    tables["faults"] = [{**failing(exponential(100), 2 * session)[0], "target": "consumers.c[0]"}]
    values = {"detection": session - heartbeat / 2, "spread": heartbeat / math.sqrt(12)}
    name = f"detection of {session}, {heartbeat}, {protocol}, static {static}"
    return form(name, tables, values, read_detection, Effort(20, 7200, 0.2))


STUDIES = [
    auto_commit("eager", 10, 5.0, 7), auto_commit("cooperative", 10, 5.0, 7), auto_commit("server", 20, 2.0, 10),
    detection(45, 3, "eager", False), detection(45, 3, "cooperative", True), detection(45, 5, "server", False),
]  # fmt: skip


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_a_closed_form(study: Study) -> None:
    agree(study, study.quick)
