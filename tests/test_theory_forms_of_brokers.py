"""Closed forms of replication, of lossy links and of links that are cut."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from theory import Effort, Run, Study, Tables, agree, constant, exponential, form, poisson, simulate
from theory_brokers import AT_ONCE, RING, hit_nodes, published, shocked, waits

Values = Mapping[str, float | np.ndarray]


# -- publishing over a lossy link: E[copies] = (1 - a)(1 - f^k) / (1 - f), f = a + (1 - a) b -------------------------------


def read_copies(run: Run) -> Values:
    produced = run.metric("produced", "producers.p")
    phantoms = run.metric("phantom", "producers.p")
    return {
        "copies": run.metric("stored", "topics.t") / produced,
        "told_failure": (run.metric("failed", "producers.p") + phantoms) / produced,
        "phantom": phantoms / produced,
        "duplicates": run.metric("duplicate_effects") / produced,
    }


def lossy(a: float, b: float, k: int, copies: float) -> Study:
    """Requests are lost with probability a, answers with b; k tries, not idempotent."""
    fails = a + (1 - a) * b
    values = {
        "copies": (1 - a) * (1 - fails**k) / (1 - fails),
        "told_failure": fails**k,
        "phantom": fails**k - a**k,
        "duplicates": (1 - a) * (1 - fails**k) / (1 - fails) - (1 - a**k),
    }
    assert values["copies"] == pytest.approx(copies, abs=1e-4)
    client = {
        "acks": "leader", "request_timeout": 0.05, "delivery_timeout": "1d",
        "retry": {"backoff": "fixed", "base": 0.05, "max_attempts": k},
    }  # fmt: skip
    links = {"producers.p -> broker": {"loss": a}, "broker -> producers.p": {"loss": b}}
    tables = published(poisson(100), client, {"nodes": 1, "replication_factor": 1}, network={"links": links})
    return form(f"loss of {a} and {b}, {k} tries", tables, values, read_copies, Effort(12, 20, 1.0))


# -- what is lost with a leader: E[loss] = rate x delay of the copies ------------------------------------------------------


def read_losses(run: Run) -> Values:
    spans = run.parts.channels["t"].replicas[0].service.without_leader  # type: ignore[attr-defined]
    return {"lost": run.metric("lost", "topics.t") / np.count_nonzero(spans["end"] > spans["start"])}


def leader_lost(rate: float, delay: float, copies: Tables) -> Study:
    """Five nodes, of which somebody is always there, crash every now and then; whoever leads takes along what he alone has."""
    fault = {
        "name": "f", "target": "broker.nodes", "kind": "crash",
        "time_to_failure": exponential(30.0), "time_to_repair": 3.0,
    }  # fmt: skip
    broker = {"nodes": 5, "replication_factor": 5, "detection_time": 0.5, "election_time": 0.5, **copies}
    tables = published(poisson(rate), {"acks": "leader", "retry": {"cap": 0.5}}, broker, faults=[fault])
    return form(f"leader lost, {copies}", tables, {"lost": rate * delay}, read_losses, Effort(8, 200, 0.3))


# -- unavailability = rate of leaders' failures x (detection + election) ---------------------------------------------------


def failover(up: float, detection: Any, election: Any, seconds: float) -> Study:
    """A leader lives for an exponential time, and there is another one so many seconds later."""
    fault = {
        "name": "f", "target": "broker.nodes", "kind": "crash",
        "time_to_failure": exponential(up), "time_to_repair": 20.0,
    }  # fmt: skip
    broker = {"nodes": 6, "replication_factor": 6, "detection_time": detection, "election_time": election}
    tables = published(constant(0.1), {"acks": "leader"}, broker, faults=[fault])

    def read(run: Run) -> Values:
        return {"unavailable": 1.0 - run.metric("available_fraction", "topics.t")}

    values = {"unavailable": seconds / (up + seconds)}
    return form(f"failover after {seconds} s", tables, values, read, Effort(8, 6000, 0.25))


# -- a majority of three: 3 A^2 - 2 A^3, MTTF (5 f + r) / (6 f^2) ----------------------------------------------------------


def majority(up: float, down: float, mttf: float) -> Study:
    """Nodes that crash and come back by themselves, of a queue that needs two of them."""
    share, fail, repair = up / (up + down), 1 / up, 1 / down
    assert (5 * fail + repair) / (6 * fail**2) == pytest.approx(mttf, rel=1e-3)
    available = 3 * share**2 - 2 * share**3
    losses = 6 * share**2 * (1 - share) / up
    values = {
        "availability": available, "losses_per_s": losses, "mean_outage": (1 - available) / losses, "mttf_from_all_up": mttf,
    }  # fmt: skip
    renewal = {"time_to_failure": exponential(up), "time_to_repair": exponential(down)}
    fault = {"name": "f", "target": "broker.nodes", "kind": "crash", **renewal}
    tables = published(constant(0.001), {"acks": "none"}, AT_ONCE, "rabbitmq", faults=[fault])
    return form(f"majority of three, up {up}, down {down}", tables, values, read_majority, Effort(20, 60 * up, 0.25))


def read_majority(run: Run) -> Values:
    spans = run.parts.channels["t"].replicas[0].service.without_leader  # type: ignore[attr-defined]
    outages = spans["end"] > spans["start"]
    return {
        "availability": run.metric("available_fraction", "topics.t"),
        "losses_per_s": np.count_nonzero(outages) / run.until,
        "mean_outage": (spans["end"] - spans["start"])[outages].mean(),
        "mttf_from_all_up": np.mean(lives_of(run, spans["start"][outages])),
    }


def lives_of(run: Run, losses: np.ndarray) -> list[float]:
    """Seconds from a time at which all nodes are up to the next loss of the majority, and so on from there."""
    edges = sorted(edge for _, start, end in run.windows("f") for edge in ((start, 1), (end, -1)))
    times, down = np.array([time for time, _ in edges]), np.cumsum([step for _, step in edges])
    healthy = times[down == 0]
    found, since = [], float(healthy[0])
    for loss in losses:
        if loss >= since:
            found.append(float(loss) - since)
            since = float(min(healthy[healthy > loss], default=math.inf))
    return found


# -- a link that is cut: what is sent then waits for the residual time ----------------------------------------------------

RATE = 2.0


def forwarded(law: str, down: Any, mean_delay: float, p99: float) -> Study:
    """What cannot be sent is tried again every 40 ms, one at a time; nothing is lost."""
    eager = {
        "acks": "all", "idempotent": False, "max_in_flight": 1, "request_timeout": 0.02, "delivery_timeout": "10d",
        "retry": {"backoff": "fixed", "base": 0.02},
    }  # fmt: skip
    cut = {
        "name": "f", "kind": "partition", "between": [["producers.p"], ["broker"]],
        "time_to_failure": exponential(95.0), "time_to_repair": down,
    }  # fmt: skip

    def read(run: Run) -> Values:
        delays = waits(run)
        flushed = np.count_nonzero(delays) / sum(1 for _ in run.windows("f"))
        return {"delayed": np.mean(delays > 0.0), "delay": delays.mean(), "delay_p99": delays, "flushed": flushed}

    values = {"delayed": 0.05, "delay": mean_delay, "delay_p99": p99, "flushed": 5.0 * RATE}
    tables = published(poisson(RATE), eager, {"replication_lag": 0.0}, faults=[cut])
    return form(f"link cut for {law} times", tables, values, read, Effort(8, 1500, 1.2))


STUDIES = [
    lossy(0.1, 0.2, 4, 1.2423), lossy(0.3, 0.1, 2, 0.959), lossy(0.0, 0.5, 3, 1.75),
    leader_lost(40, 0.25, {"replication_lag": 0.25}),
    leader_lost(40, 0.8 / 2, {"replication_interval": 0.8}),
    failover(200.0, 3.0, 1.0, 4.0), failover(100.0, {"dist": "uniform", "low": 1.0, "high": 3.0}, 0.5, 2.5),
    majority(1000.0, 50.0, 4166.67), majority(100.0, 20.0, 166.67),
    forwarded("exponential", exponential(5.0), 0.25, 5.0 * math.log(5.0)), forwarded("constant", 5.0, 0.125, 4.0),
]  # fmt: skip


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_a_closed_form(study: Study) -> None:
    agree(study, study.quick)


@pytest.mark.parametrize("copies", [2, 3])
def test_an_event_is_lost_with_all_nodes_that_hold_it_and_only_then(copies: int) -> None:
    """Hence with q^copies, where each is lost with q by itself."""
    kinds = set()
    for run in simulate(shocked(copies, {"q": 0.5}), {"duration": 10.0}, {}, runs=4):
        hit = hit_nodes(run)
        gone = [p for p in range(RING) if all(hit[(p + copy) % RING] for copy in range(copies))]
        records = run.parts.channels["t"].partitions
        lost = {event for p in gone for event in records[p].records}
        assert set(np.flatnonzero(run.every("state") == "lost").tolist()) == lost
        kinds |= {len(gone) > 0, len(gone) < RING}
        assert run.metric("lost", "topics.t") == len(lost)
    assert kinds == {True}
