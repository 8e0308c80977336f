"""Whatever happens to its members, a log's group shares its partitions: one owner each, in order, and nothing is lost."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from played import Played, Tables, fault
from scenarios import table, ticks

from models import System
from models.assignment import sticky
from models.group import Group
from models.log_worker import LogWorker
from models.parts import Parts
from simulator import replicate
from simulator.simulation import Simulation

PROTOCOLS = ("eager", "cooperative", "server")
SEARCH: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}


# -- the assignment --


def most_kept(members: list[str], kept: Mapping[str, list[int]], partitions: int) -> int:
    """Of all assignments that are balanced, the most partitions that stay: by trying them all."""
    best = 0
    for target in product(members, repeat=partitions):
        loads = [target.count(member) for member in members]
        if max(loads) - min(loads) <= 1:
            best = max(best, sum(target[p] == member for member in members for p in kept.get(member, ())))
    return best


@settings(max_examples=60, derandomize=True, **SEARCH)
@given(st.integers(1, 4), st.lists(st.integers(0, 5), max_size=6))
def test_an_assignment_is_balanced_and_moves_the_fewest(members: int, owners: list[int]) -> None:
    """Owners 4 and 5 are no members any more."""
    names = [f"m{n}" for n in range(members)]
    kept: dict[str, list[int]] = {}
    for partition, owner in enumerate(owners):
        kept.setdefault(f"m{owner}", []).append(partition)
    target = sticky(names, kept, len(owners))
    loads = [target.count(name) for name in names]
    assert len(target) == len(owners)
    assert max(loads) - min(loads) <= 1
    stays = sum(target[partition] == name for name in names for partition in kept.get(name, ()))
    assert stays == most_kept(names, kept, len(owners))


# -- any group --


@st.composite
def groups(draw: st.DrawFn, zombies: bool = True) -> Tables:
    """A group with more members or partitions, whose members come, go, die and freeze until 20 s. Without `zombies`: what is
    expelled has nothing in hand."""
    instances = draw(st.integers(1, 4))
    fields = table(
        {
            "rebalance": st.sampled_from(PROTOCOLS),
            "service": st.sampled_from([0.125, 0.25]),
            "batch": st.integers(1, 4),
            "concurrency": st.sampled_from([1, 1, 2, "unlimited"]),
            "commit": st.sampled_from(["auto", "batch", "record", "transaction"]),
            "commit_interval": st.sampled_from([0.5, 3.0]),
            "session_timeout": st.sampled_from([1.0, 3.0, 6.0]),
            "rebalance_time": st.sampled_from([0.0, 0.5, {"dist": "exponential", "mean": 0.5}]),
            "static_membership": st.booleans() if zombies else st.just(False),
            "max_poll_interval": st.sampled_from([1.5, 20.0]) if zombies else st.just(1000.0),
        }
    )
    group = {"topic": "t", "instances": instances, **draw(fields)}
    group["heartbeat_interval"] = group["session_timeout"] / 3
    if draw(st.booleans()):
        group |= {"transient_failure": 0.2, "redelivery": {"through": "seek", "max_deliveries": 0, "delays": [0.5]}}
    if zombies and draw(st.booleans()):
        group |= {"transient_failure": 0.2, "breaker": {"size": 2, "minimum_calls": 2, "open_for": 0.5, "on_open": "pause"}}
    kinds = st.sampled_from(["crash", "stop", "pause"] if zombies else ["crash", "stop"])
    targets = st.sampled_from([f"consumers.c[{index}]" for index in range(instances)])
    faults = [
        {**fault(draw(kinds), draw(ticks) * 1.5, draw(ticks), draw(targets)), "name": f"f{n}"}
        for n in range(draw(st.integers(1, 6)))
    ]
    return {
        "run": {"duration": 60.0},
        "topics": {"t": {"partitions": draw(st.integers(1, 5))}},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 2.0, "stop": 20.0}}},
        "consumers": {"c": group},
        "faults": faults,
    }


def look(group: Group, quiet: bool) -> None:
    """Each partition has one owner at most, who is a member and knows it, and whose is all that may still be committed."""
    membership = group.subscription.membership
    owned = [cursor for life in group.lives for cursor in life.owned]
    assert len(owned) == len(set(owned))
    for cursor in group.subscription.cursors:
        owner = cursor.owner
        assert owner is None or owner in membership.members
        assert all((cursor in life.owned) == (life is owner) for life in group.lives)
        assert owner is not None or not (quiet and membership.members), "nobody's"
        hands = [life for life in group.lives for worker in life.workers if has_in_hand(worker, cursor)]
        assert not hands or hands == [owner]
    for life in membership.members:
        assert set(life.ready) <= set(life.owned)
        assert len(life.ready) == len(set(life.ready))
    for life in group.lives:
        assert not life.asked or all(membership.handover.owner(partition) is life for partition in life.asked)


def has_in_hand(worker: Any, cursor: Any) -> bool:
    assert isinstance(worker, LogWorker)
    return any(run.cursor is cursor and run.is_ours() and not run.blocked for run in worker.runs)


def watched(tables: Tables) -> Played:
    """A run that is looked at at every half tick; when the last fault, session and rebalance are over nothing is nobody's."""

    def watch(sim: Simulation, parts: Parts) -> Generator[simpy.Event, Any, None]:
        while True:
            look(parts.groups["consumers.c"], quiet=sim.now > 45.0)
            yield sim.timeout(0.125)

    return Played(tables, processes=[watch])


@settings(max_examples=50, derandomize=True, **SEARCH)
@given(groups())
def test_a_partition_has_one_owner_and_nothing_is_lost(tables: Tables) -> None:
    run = watched(tables)
    assert set(run.states()) <= {"processed"}


@settings(max_examples=40, derandomize=True, **SEARCH)
@given(groups(zombies=False))
def test_without_zombies_first_effects_keep_the_order_of_each_partition(tables: Tables) -> None:
    run = watched(tables)
    effect = np.asarray(run.journey().effect)
    for partition in run.parts.channels["t"].partitions:
        assert (np.diff(effect[list(partition.records)]) >= 0).all()


# -- what the protocols are for --


def test_with_one_crash_a_group_that_moves_only_what_must_does_more_than_an_eager_one() -> None:
    """One of three instances crashes at 60 s, and its successor joins at 65 s: until the session ends at about 103 s an eager
    group stands, the others do without the third that the dead one had."""
    during, most = {}, {}
    for protocol in PROTOCOLS:
        result = replicate(System.from_dict(one_crash(protocol)), runs=5, seed=1, trace=True)
        assert result.events is not None
        effect = result.events["effect"]
        during[protocol] = ((effect > 66.0) & (effect < 103.0)).sum() / (5 * 30.0 * 37.0)
        most[protocol] = result.value("consumers.c", "lag_max").mean
    assert during["eager"] < 0.1
    assert during["cooperative"] == pytest.approx(2 / 3, abs=0.05)
    assert during["server"] == pytest.approx(2 / 3, abs=0.05)
    assert most["eager"] > 2 * max(most["cooperative"], most["server"])


def one_crash(protocol: str) -> Tables:
    return {
        "run": {"duration": 150.0},
        "topics": {"t": {"partitions": 6}},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 30.0}}},
        "consumers": {"c": {"topic": "t", "instances": 3, "service": 0.02, "rebalance": protocol}},
        "faults": [fault("crash", 60.0, 5.0, "consumers.c[2]")],
    }
