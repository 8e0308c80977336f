"""Replicas, acknowledgements and outboxes agree with theory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from theory import Effort, Inputs, Run, Study, Tables, constant, exponential, poisson

Values = Mapping[str, float | np.ndarray]
AT_ONCE: Tables = {"detection_time": 0.0, "election_time": 0.0, "replication_lag": 0.0}


def published(arrivals: Tables, producer: Tables, broker: Tables, profile: str = "kafka", **more: Any) -> Tables:
    """A producer `p` of a topic `t` of one partition, on three nodes with a replica each."""
    return {
        "broker": {"profile": profile, "nodes": 3, "replication_factor": 3, **broker},
        "producers": {"p": {"topic": "t", "arrivals": arrivals, **producer}},
        "consumers": {"c": {"topic": "t"}},
        **more,
    }


def waits(run: Run) -> np.ndarray:
    """Seconds from the production of each event to its acknowledgement."""
    messages = run.parts.channels["t"].messages
    assert messages.passage is not None
    produced = np.asarray(messages.produced)
    known = np.asarray(messages.passage.acknowledged[: len(produced)]) - produced
    return known[(produced >= run.since) & ~np.isnan(known)]


# -- what a leader takes along --


def copied_at_times(i: Inputs) -> Tables:
    """The leader crashes for good at a random time of an interval between copies."""
    fault = {
        "name": "f", "target": "broker.nodes[0]", "kind": "crash", "from_new": True,
        "time_to_failure": {"dist": "uniform", "low": i["T"], "high": 2 * i["T"]}, "time_to_repair": "1d",
    }  # fmt: skip
    broker = {**AT_ONCE, "replication_interval": i["T"]}
    return published(poisson(i["lam"]), {"acks": "leader"}, broker, faults=[fault])


# -- acknowledgements --


def acknowledged(profile: str) -> Any:
    """An event every 0.2 s, long after its predecessor is everywhere: followers copy in order."""
    return lambda i: published(constant(5.0), {"acks": "all"}, {"replication_lag": exponential(i["follower_mean"])}, profile)


# -- copies that are lost for good --

RING = 60


def shocked(copies: int, i: Inputs) -> Tables:
    """Nodes in a ring, each of which leads a partition that the next ones follow. Nobody has read what they hold when all
    lose power, each with probability q, before anything is on disk. One copy: nothing is replicated until then."""
    shock = {"name": "f", "target": "broker.nodes", "kind": "power_loss", "at": 5.0, "for": 1.0, "probability": i["q"]}
    away = {"name": "away", "target": "consumers.c", "kind": "stop", "at": 0.0, "for": "1h"}
    late = {"replication_interval": "1h"} if copies == 1 else {}
    broker = {**AT_ONCE, "nodes": RING, "replication_factor": max(copies, 2), **late}
    tables = published(
        constant(1.0, limit=1, size=10 * RING), {"acks": "leader" if copies == 1 else "all"}, broker, faults=[shock, away]
    )
    return {**tables, "topics": {"t": {"partitions": RING}}}


def hit_nodes(run: Run) -> np.ndarray:
    """Which nodes have lost power."""
    hit = np.zeros(RING, dtype=bool)
    hit[[int(target.partition("[")[2].rstrip("]")) for target, _, _ in run.windows("f")]] = True
    return hit


def read_shocked(run: Run) -> Values:
    """Not every partition has as many events: beside what is lost, the share of the nodes that were hit."""
    lost = run.metric("lost", "topics.t") / run.metric("published", "producers.p")
    return {"p_loss_leader_only": lost, "hit": float(hit_nodes(run).mean())}


# -- outboxes --


def outbox(i: Inputs) -> Tables:
    return published(poisson(i["lam"]), {"acks": "all", "outbox": {"poll": i["T"]}}, {"replication_lag": 0.0})


def read_outbox(run: Run) -> Values:
    taken = run.every("published")
    taken = taken[~np.isnan(taken)]
    polls, batches = np.unique(taken, return_counts=True)
    return {
        "mean_latency": run.times("produced", "published").mean(),
        "latency_p99": run.times("produced", "published"),
        "mean_batch": len(taken) / round(run.until / run.inputs["T"]),
        "mean_batch_given_nonempty": float(np.mean(batches[polls <= run.until])),
    }


STUDIES = [
    Study(
        "D06 copies at intervals",
        copied_at_times,
        lambda run: {"mean_lost_periodic": run.metric("lost", "topics.t")},
        Effort(24, 2.2, 0.45), Effort(2800, 2.2),
        drain=False,
        metrics=("mean_lost_periodic", "sd_lost_periodic"),
        spreads={"sd_lost_periodic": "mean_lost_periodic"},
    ),
    Study(
        "D08b two of three",
        acknowledged("rabbitmq"),
        lambda run: {"mean_ack": waits(run).mean(), "ack_p99": waits(run)},
        Effort(20, 100, 0.35), Effort(20, 4000),
        metrics=("mean_ack", "ack_p99"),
    ),
    Study(
        "D08b all of three",
        acknowledged("kafka"),
        lambda run: {"mean_ack_all": waits(run).mean()},
        Effort(20, 100, 0.05), Effort(20, 1000),
        metrics=("mean_ack_all",),
    ),
    Study(
        "D08b leaders lost",
        partial(shocked, 1), read_shocked,
        Effort(40, 10, 0.15), Effort(500, 10),
        drain=False,
        metrics=("p_loss_leader_only",),
        controls={"p_loss_leader_only": "hit"},
        known={"hit": lambda i: i["q"]},
    ),
    Study(
        "D10 outbox",
        outbox, read_outbox,
        Effort(20, 100, 0.2), Effort(20, 500),
        metrics=("mean_latency", "latency_p99", "mean_batch", "mean_batch_given_nonempty"),
    ),
]  # fmt: skip
