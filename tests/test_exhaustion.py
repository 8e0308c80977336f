"""What runs out: memory kills an instance again and again, busy workers share processors, a dependency refuses connections."""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault, together
from theory import Effort, Run, agree, constant, exponential, form, poisson, queue

PROFILES = {"log": "kafka", "queue": "rabbitmq", "lease": "sqs"}


def played(delivery: str, consumer: Tables, *faults: Tables, events: int = 8, duration: float = 60.0, **more: Any) -> Played:
    tables: Tables = {
        "run": {"duration": duration},
        "broker": {"profile": PROFILES[delivery], **more.pop("broker", {})},
        "topics": {"t": {"message_size": 100}},
        "producers": {"p": together(events)},
        "consumers": {"c": {"topic": "t", "service": 1.0, **consumer}},
        "faults": list(faults),
    }
    return Played({**tables, **more})


def kills(run: Played) -> list[float]:
    memory = run.group().instances[0].memory
    assert memory is not None
    return memory.kills


def short_of(resource: str, to: float, at: float, lasting: float, target: str = "consumers.c") -> Tables:
    return fault("exhaustion", at, lasting, target, resource=resource, to=to)


# -- memory --


def test_an_instance_that_is_handed_more_than_it_can_hold_dies_again_and_again() -> None:
    """Ten events of 100 bytes are pushed at once at 1 s, into 950 bytes: killed, back at once, killed; then after 10 and 20 s.
    Each time it dies before it has finished anything."""
    run = played("queue", {"memory": 950, "redelivery": {"max_deliveries": 0}}, events=10)
    assert kills(run) == [1, 1, 11, 31]
    assert run.effects() == []
    assert run.value("consumers.c", "memory_kills") == 4
    assert run.value("consumers.c", "redelivered") == 10 * 4 - 10


def test_a_prefetch_keeps_what_is_in_hand_within_the_memory() -> None:
    run = played("queue", {"memory": 950, "prefetch": 9}, events=10)
    assert kills(run) == []
    assert [time for time, _ in run.effects()] == [2.0 + n for n in range(10)]


def test_a_poll_that_brings_too_much_kills_each_time_it_is_made_again() -> None:
    """A member that comes back owns its partition as soon as the dead one has been expelled, and polls the same records."""
    members = {"session_timeout": 5.0, "heartbeat_interval": 1e-8, "rebalance_time": 0.0, "static_membership": True}
    run = played("log", {"memory": 450, "batch": 5, **members})
    assert kills(run) == [1, 1, 11, 31]
    assert run.effects() == []
    smaller = played("log", {"memory": 450, "batch": 4, **members})
    assert [time for time, _ in smaller.effects()] == [2.0 + n for n in range(8)]


def test_leases_that_an_instance_took_to_its_death_come_back_when_they_end() -> None:
    """Two receives of eight and of the other two; it is killed with what it had received, and delivery limits count it."""
    run = played("lease", {"memory": 750, "batch": 8, "visibility_timeout": 5.0, "redelivery": {"max_deliveries": 2}})
    assert kills(run) == [1, 6]
    assert run.effects() == []
    assert run.value("consumers.c", "discarded") == 8


def test_a_leak_kills_what_was_well_before_and_after() -> None:
    """Half of the memory is gone from 3.5 s to 14 s: the seven that wait in hand at 3.5 s are too much for 450 bytes."""
    leak = short_of("memory", 0.5, 3.5, 10.5)
    run = played("queue", {"memory": 900, "redelivery": {"max_deliveries": 0}}, leak, duration=90.0)
    assert kills(run) == [3.5, 3.5, 13.5]
    assert run.value("consumers.c", "processed") == 8
    assert [time for time, _ in run.effects()][:3] == [2, 3, 34.5]


def test_nothing_else_wears_out_while_an_instance_waits_to_come_back() -> None:
    """It is killed at 3.5 s and comes back for good at 33.5 s: a crash after 6 s of time up is at 36 s."""
    leak = short_of("memory", 0.5, 3.5, 10.5)
    wear = {"kind": "crash", "target": "consumers.c", "time_to_failure": 6.0, "time_to_repair": 1.0, "from_new": True}
    fields = {"memory": 900, "redelivery": {"max_deliveries": 0}}
    run = played("queue", fields, leak, {"name": "wear", **wear}, duration=40.0)
    assert run.parts.injection.windows["wear"] == [("consumers.c[0]", 36.0, 37.0)]


# -- processors --


def test_busy_workers_share_the_processors_that_are_left() -> None:
    """Four workers, half of four processors left from 0 s on: four at once take twice as long, two of them no longer."""
    half = short_of("cpu", 0.5, 0.0, 60.0)
    shared = played("log", {"concurrency": 4}, half, topics={"t": {"partitions": 4}}, events=4)
    assert max(time for time, _ in shared.effects()) == 3.0
    alone = played("queue", {"concurrency": 4, "prefetch": 2}, half, events=2)
    assert [time for time, _ in alone.effects()] == [2.0, 2.0]


@pytest.mark.parametrize("delivery", PROFILES)
def test_a_single_worker_slows_by_what_is_gone_and_only_while_it_is(delivery: str) -> None:
    run = played(delivery, {}, short_of("cpu", 0.25, 2.5, 3.0), events=3)
    assert [time for time, _ in run.effects()] == [2, 3, 7]


def test_shortages_multiply_and_each_takes_back_its_own() -> None:
    faults = [short_of("cpu", 0.5, 0.0, 20.0), {**short_of("cpu", 0.5, 2.5, 2.0), "name": "more"}]
    run = played("queue", {}, *faults, events=4)
    assert [time for time, _ in run.effects()] == [3, 7, 9, 11]


def test_calls_in_service_share_the_processors_of_a_dependency() -> None:
    dependency = {"d": {"latency": 1.0, "concurrency": 4}}
    starved = short_of("cpu", 0.25, 0.0, 60.0, "dependencies.d")
    run = played(
        "queue", {"service": 0, "concurrency": 3, "dependencies": ["d"]}, starved, events=3, dependencies=dependency
    )  # fmt: skip
    assert [time for time, _ in run.effects()] == [2, 3, 4]


# -- connections --


def test_a_dependency_short_of_connections_refuses_at_once_what_is_too_much() -> None:
    """Of 4 at once a half is let in, those in line included."""
    dependency = {"d": {"latency": 1.0, "concurrency": 4}}
    few = short_of("connections", 0.5, 0.0, 1.5, "dependencies.d")
    fields = {"service": 0, "concurrency": 4, "dependencies": ["d"], "redelivery": {"delays": [1.0], "through": "requeue"}}
    run = played("queue", fields, few, events=4, dependencies=dependency)
    assert [time for time, _ in run.effects()] == [2, 2, 3, 3]
    assert run.value("dependencies.d", "rejected") == 2


def read_refusals(run: Run) -> dict[str, float]:
    return {"refused": run.metric("rejected", "dependencies.d") / run.metric("calls", "dependencies.d")}


def test_refused_connections_follow_erlangs_loss_formula() -> None:
    """8 slots of 16 are left for a load of 6 erlangs: B = (a^c / c!) / sum a^k / k!."""
    terms = [1.0]
    for k in range(1, 9):
        terms.append(terms[-1] * 6.0 / k)
    tables = queue(poisson(6.0), 0.0, concurrency="unlimited", dependencies=["d"], redelivery={"max_deliveries": 1})
    tables["dependencies"] = {"d": {"latency": exponential(1.0), "concurrency": 16}}
    tables["faults"] = [short_of("connections", 0.5, 0.0, 1e6, "dependencies.d")]
    study = form("connections", tables, {"refused": terms[-1] / sum(terms)}, read_refusals, Effort(20, 2000, 0.25), warmup=20)
    agree(study, Effort(20, 2000, 0.25))


# -- the broker --


def test_a_broker_short_of_memory_blocks_its_publishers_while_it_lasts() -> None:
    """Ten events of 100 bytes are there at 5 s; 2,000 bytes are enough, a quarter of it from 4.5 s to 8.5 s is not."""
    fields: Tables = {
        "broker": {"memory": 2000, "memory_alarm": 1.0},
        "producers": {"p": {"topic": "t", "arrivals": constant(2.0)}},
    }
    few = short_of("memory", 0.25, 4.5, 4.0, "broker")
    run = played("queue", {"service": 1000.0}, few, duration=9.5, **fields)
    resources = run.parts.resources
    assert resources is not None
    assert list(zip(resources.blocked["start"].tolist(), resources.blocked["end"].tolist(), strict=True)) == [(5.0, 9.0)]
