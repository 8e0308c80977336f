"""Rate limiters: a bucket that is told the time, and a consumer that waits for its tokens."""

from __future__ import annotations

import math

import pytest
from played import Played, Tables, fault, together

from models.limiter import LimiterState
from models.limits import RateLimit

ONCE = {"redelivery": {"max_deliveries": 1}}


def limiter(rate: float, burst: int, max_wait: float) -> LimiterState:
    return LimiterState(RateLimit(rate=rate, burst=burst, max_wait=max_wait))


def limited(events: int, limit: Tables, *faults: Tables, **consumer: object) -> Played:
    """Events that all arrive at 1 s; as many workers as they take, unless the consumer has it otherwise."""
    group = {"topic": "t", "concurrency": "unlimited", "rate_limit": limit, **ONCE, **consumer}
    return Played(
        {
            "run": {"duration": 60.0},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": together(events)},
            "consumers": {"c": group},
            "faults": list(faults),
        }
    )


# -- the bucket --


def test_a_full_bucket_gives_its_burst_at_once_and_then_a_token_per_period() -> None:
    state = limiter(2.0, 3, 100.0)
    assert [state.reserve(10.0) for _ in range(6)] == pytest.approx([0.0, 0.0, 0.0, 0.5, 1.0, 1.5])


def test_tokens_come_with_time_and_no_more_than_the_burst() -> None:
    state = limiter(2.0, 2, 0.0)
    assert [state.reserve(0.0) for _ in range(3)] == [0.0, 0.0, math.inf]
    assert [state.reserve(0.5), state.reserve(0.5)] == [0.0, math.inf]
    assert [state.reserve(50.0) for _ in range(3)] == [0.0, 0.0, math.inf]


def test_a_wait_as_long_as_allowed_is_waited_and_a_longer_one_is_refused_and_takes_nothing() -> None:
    state = limiter(1.0, 1, 2.0)
    assert [state.reserve(0.0) for _ in range(5)] == [0.0, 1.0, 2.0, math.inf, math.inf]
    assert state.reserve(1.0) == 2.0


@pytest.mark.parametrize("rate", [3.0, 7.0, 1 / 3, 1e4 / 7])
def test_what_comes_exactly_as_fast_as_the_tokens_never_waits(rate: float) -> None:
    """D/D: for 100,000 arrivals rounding adds up to nothing."""
    state = limiter(rate, 1, 0.0)
    assert all(state.reserve(k / rate) == 0.0 for k in range(1, 100_000))


def test_what_comes_faster_waits_a_period_less_each_time() -> None:
    """D/D: the k-th of arrivals every 0.5 s waits k (1 - 0.5) s for one of the tokens, of which one comes each second."""
    state = limiter(1.0, 1, 1e9)
    assert [state.reserve(0.5 * k) for k in range(100)] == pytest.approx([0.5 * k for k in range(100)])


# -- at work --


def test_a_try_waits_for_its_token_and_the_service_begins_then() -> None:
    run = limited(4, {"rate": 2.0, "burst": 2, "max_wait": 5.0}, service=0.25)
    assert run.effects() == [(1.25, 0), (1.25, 1), (1.75, 2), (2.25, 3)]
    assert run.value("consumers.c", "short_circuited") == 0


def test_who_would_wait_too_long_is_refused_at_once_without_an_attempt() -> None:
    run = limited(4, {"rate": 2.0, "burst": 1, "max_wait": 0.5})
    assert run.effects() == [(1, 0), (1.5, 1)]
    assert run.trail("refusals") == run.trail("discards") == [(1, 2), (1, 3)]
    assert run.value("consumers.c", "short_circuited") == 2
    assert run.value("consumers.c", "error_rate") == 0


def test_a_refused_try_is_retried_and_every_try_takes_a_token() -> None:
    """Tokens at 1, 2 and 3 s. Event 0 has the first and fails; event 1, refused then, comes before it at 2 and 3 s."""
    retry = {"max_attempts": 3, "backoff": "fixed", "base": 1.0}
    run = limited(2, {"rate": 1.0, "burst": 1, "max_wait": 0.0}, retry=retry, transient_failure=1.0)
    assert run.trail("failures") == [(1, 0), (2, 1), (3, 1)]
    assert run.trail("refusals") == [(1, 1), (2, 0), (3, 0)]


def test_the_wait_holds_its_worker_and_counts_as_held() -> None:
    """One worker: at work from 1 to 1.5 s, it holds the second event from then to 3 s, and the third from 3.5 to 5 s."""
    run = limited(3, {"rate": 0.5, "burst": 1, "max_wait": 9.0}, service=0.5, concurrency=1)
    assert run.effects() == [(1.5, 0), (3.5, 1), (5.5, 2)]
    assert run.value("consumers.c", "held") == pytest.approx(3.0 / 60.0)
    assert run.value("consumers.c", "utilization") == pytest.approx(1.5 / 60.0)


def test_the_timeout_begins_after_the_wait() -> None:
    run = limited(2, {"rate": 0.5, "burst": 1, "max_wait": 9.0}, service=0.5, timeout=0.5)
    assert run.effects() == [(1.5, 0), (3.5, 1)]


def test_a_breaker_counts_a_refusal_as_a_failure_and_a_wait_as_part_of_the_call() -> None:
    """RequestNotPermitted is thrown inside the breaker: two refusals open it, and the fourth event finds it open."""
    breaker = {"failures": 2, "size": 10, "minimum_calls": 10, "open_for": 100.0}
    run = limited(4, {"rate": 0.1, "burst": 1, "max_wait": 0.0}, breaker=breaker, concurrency=1)
    assert run.trail("refusals") == [(1, 1), (1, 2), (1, 3)]
    assert run.value("consumers.c", "breaker_trips") == 1
    slow = {"slow_call": 1.5, "slow_call_rate": 0.5, "size": 2, "minimum_calls": 2, "open_for": 100.0}
    run = limited(4, {"rate": 0.5, "burst": 1, "max_wait": 9.0}, breaker=slow, concurrency=1)
    assert run.effects() == [(1, 0), (3, 1)]
    assert run.trail("refusals") == [(3, 2), (3, 3)]


def test_each_instance_has_a_bucket_and_a_restarted_one_a_full_one() -> None:
    both = limited(4, {"rate": 0.01, "burst": 1, "max_wait": 0.0}, instances=2)
    assert both.effects() == [(1, 0), (1, 1)]
    crash = fault("crash", 1.5, 0.25)
    run = limited(1, {"rate": 0.01, "burst": 1, "max_wait": 90.0}, crash, service=1.0, redelivery={})
    assert run.effects() == [(2.75, 0)]


def test_a_crash_ends_the_wait_and_a_freeze_prolongs_it() -> None:
    """The second event waits from 1 to 3 s for its token. A crash at 2 s returns it, and the new life has a token at once; a
    process that is frozen from 2 to 4 s goes on at 4 s, one that is frozen from 1.5 to 2 s at 3 s."""
    limit = {"rate": 0.5, "burst": 1, "max_wait": 9.0}
    assert limited(2, limit, fault("crash", 2.0, 0.5), redelivery={}).effects() == [(1, 0), (2.5, 1)]
    assert limited(2, limit, fault("pause", 2.0, 2.0)).effects() == [(1, 0), (4, 1)]
    assert limited(2, limit, fault("pause", 1.5, 0.5)).effects() == [(1, 0), (3, 1)]


def test_an_instance_that_stops_gives_back_what_waits() -> None:
    """It is gone at 2 s, not at 11 s, when the token would come; the next has a token of its own."""
    run = limited(2, {"rate": 0.1, "burst": 1, "max_wait": 90.0}, fault("stop", 2.0, 1.0), redelivery={})
    assert run.effects() == [(1, 0), (3, 1)]


def test_an_instance_that_has_acknowledged_what_waits_finishes_it_first() -> None:
    limit = {"rate": 0.1, "burst": 1, "max_wait": 90.0}
    run = limited(2, limit, fault("stop", 2.0, 1.0), acknowledge="before")
    assert run.effects() == [(1, 0), (11, 1)]
    assert run.states() == {"processed": 2}


@pytest.mark.parametrize("profile", ["kafka", "rabbitmq", "sqs"])
def test_all_models_of_delivery_have_it(profile: str) -> None:
    tables: Tables = {
        "run": {"duration": 60.0},
        "broker": {"profile": profile},
        "producers": {"p": together(4)},
        "consumers": {"c": {"topic": "t", "rate_limit": {"rate": 2.0, "burst": 2, "max_wait": 5.0}}},
    }
    assert Played(tables).effects() == [(1, 0), (1, 1), (1.5, 2), (2, 3)]
