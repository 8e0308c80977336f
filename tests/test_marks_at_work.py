"""Marks by chance: shares and counts against theory, within 99 % intervals at fixed seeds."""

from __future__ import annotations

from typing import Any

import pytest
from played import Tables
from scipy.stats import binom, poisson

from models import System
from models.marks import LimitedMarks, Marks
from simulator import replicate
from simulator.simulation import Simulation


def counts(tables: Tables, *metrics: str) -> list[float]:
    """Metrics of the group in one run."""
    result = replicate(System.from_dict(tables), runs=1, seed=1)
    return [result.value("consumers.c", metric).mean for metric in metrics]


def scenario(rate: float, duration: float, **consumer: Any) -> Tables:
    return {
        "run": {"duration": duration, "drain": True},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": rate}}},
        "consumers": {"c": {"topic": "t", "commit": "record", **consumer}},
    }


def test_a_store_keeps_as_many_keys_as_are_marked_within_its_ttl() -> None:
    """Rate times TTL, where the elder are forgotten as soon as there is need of their room."""
    marks = LimitedMarks(5.0, 1000, Simulation(1).stream("x").uniform)
    for event in range(10_000):
        marks.mark(event, event / 100)
    assert marks.evicted == 0
    assert sum(marks.seen(event, 99.99) for event in range(10_000)) == 500


def test_a_limit_of_keys_is_early_expiry_at_random() -> None:
    """The share of keys that outlives m more marks is (1 - 1 / limit)^m."""
    limit, later = 50, 40
    luck = Simulation(1).stream("evicted").uniform
    marks, kept, trials = LimitedMarks(1e9, limit, luck), 0, 1000
    now = 0
    for _ in range(trials):
        for event in range(now, now + 2 * later):
            marks.mark(event, float(event))
        kept += marks.seen(now + later - 1, float(now))
        now += 2 * later
    share = (1 - 1 / limit) ** later
    low, high = binom.ppf([0.005, 0.995], trials, share)
    assert low <= kept <= high
    assert len(marks._keys) == limit


def test_a_limited_store_knows_which_keys_it_has() -> None:
    """Against a plain store without a limit: what it holds, that one holds too, and never more than the limit."""
    limited, plain = LimitedMarks(7.0, 5, Simulation(1).stream("x").uniform), Marks(7.0)
    for step in range(3000):
        now, key = step * 0.4, (step * 7) % 23
        if step % 5 == 0:
            limited.claim(key, step, now, 2.0)
            limited.release(key, step if step % 10 else -1)
        else:
            limited.mark(key, now)
            plain.mark(key, now)
        if step % 500 == 499:
            limited.lose_since(now - 1.0)
            plain.lose_since(now - 1.0)
        held = {key for key in range(23) if limited.seen(key, now)}
        assert held <= {key for key in range(23) if plain.seen(key, now)}
        assert held | set(limited.claims) <= set(limited._keys)
        assert len(limited._keys) <= 5


@pytest.mark.parametrize("lost", [0.3, 0.05])
def test_every_first_answer_that_is_lost_costs_a_mark_its_event_and_a_claim_nothing(lost: float) -> None:
    """A mark whose answer is lost is there: whoever asks again finds it. The owner of a claim recognises it."""
    for order, costs in (({"order": "mark_then_do"}, True), ({"order": "claim", "lease": 60.0}, False)):
        tables = scenario(5.0, 200.0, concurrency="unlimited", idempotency={"ttl": 1e6, "store": "s", **order})
        tables["topics"] = {"t": {"partitions": 50}}
        tables["consumers"]["c"]["redelivery"] = {"max_deliveries": 0, "delays": [1.0]}
        tables["stores"] = {"s": {"latency": "1ms"}}
        tables["network"] = {"links": {"stores.s -> consumers.c": {"loss": lost}}}
        processed, gone = counts(tables, "processed", "lost")
        low, high = binom.ppf([0.005, 0.995], processed + gone, lost) if costs else (0, 0)
        assert low <= gone <= high


def test_crashes_between_effect_and_mark_double_their_rate_times_the_window() -> None:
    """W nu of the events, for crashes at rate nu and marks that take W; the instance starts again with its partition."""
    window, mean = 0.05, 20.0
    tables = scenario(3.0, 4000.0, service=0.1, static_membership=True, idempotency={"ttl": 1e6, "latency": window})
    tables["faults"] = [
        {
            "name": "crashes",
            "kind": "crash",
            "target": "consumers.c",
            "time_to_failure": {"dist": "exponential", "mean": mean},
            "time_to_repair": 0.5,
        }
    ]
    processed, doubled = counts(tables, "processed", "duplicate_effects")
    low, high = poisson.ppf([0.005, 0.995], processed * window / mean)
    assert low <= doubled <= high


@pytest.mark.parametrize("ttl", [2.0, 4.0, 6.0])
def test_a_second_delivery_is_missed_when_its_gap_is_longer_than_the_ttl(ttl: float) -> None:
    """P(gap > TTL): another group's dead letters come back to the topic U(1, 7 s) after they came first."""
    late = {"through": "retry_topic", "max_deliveries": 2, "backoff": "fixed", "base": 6.0, "jitter": "full"}
    tables = scenario(10.0, 150.0, idempotency={"ttl": ttl})
    dead = {"topic": "d", "redrive_after": 1.0, "redrive_to": "topic"}
    tables["consumers"]["other"] = {"topic": "t", "transient_failure": 1.0, "redelivery": late, "dead_letter": dead}
    doubled, suppressed = counts(tables, "duplicate_effects", "suppressed")
    low, high = binom.ppf([0.005, 0.995], doubled + suppressed, (7.0 - ttl) / 6.0)
    assert low <= doubled <= high


@pytest.mark.parametrize("seconds", [2.0, 4.0, 6.0])
def test_a_second_delivery_passes_the_check_when_it_comes_before_the_first_has_made_its_mark(seconds: float) -> None:
    """P(gap < c), where c is what the handler takes from look-up to mark: the same gaps, U(1, 7 s), and any number at once."""
    late = {"through": "retry_topic", "max_deliveries": 2, "backoff": "fixed", "base": 6.0, "jitter": "full"}
    handler = {"concurrency": "unlimited", "service": seconds, "idempotency": {"ttl": 1e6}}
    tables = {**scenario(10.0, 150.0, **handler), "broker": {"profile": "rabbitmq"}}
    dead = {"topic": "d", "redrive_after": 1.0, "redrive_to": "topic"}
    tables["consumers"]["c"].pop("commit")
    tables["consumers"]["other"] = {"topic": "t", "transient_failure": 1.0, "redelivery": late, "dead_letter": dead}
    doubled, suppressed = counts(tables, "duplicate_effects", "suppressed")
    assert doubled + suppressed > 1000
    low, high = binom.ppf([0.005, 0.995], doubled + suppressed, (seconds - 1.0) / 6.0)
    assert low <= doubled <= high
