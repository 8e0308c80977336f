"""Delays between tries: growth, cap, jitter, and the rounds of redelivery, against closed forms."""

import math
import random
import statistics

import pytest
from pydantic import ValidationError

from models.backoff import Delays
from models.retry import Redelivery, Retry

Z99 = 2.576
ALMOST_ONE = 1.0 - 2.0**-53
EXPONENTIAL = {"backoff": "exponential", "base": "100ms", "factor": 2, "cap": "2s"}
CEILINGS = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def delays(**fields: object) -> Delays:
    return Delays.model_validate(fields)


def seven_delays(policy: Delays, luck: random.Random) -> list[float]:
    made: list[float] = []
    for attempt in range(1, 8):
        made.append(policy.delay(attempt, luck.random(), made[-1] if made else 0.0))
    return made


def assert_mean(sample: list[float], exact: float) -> None:
    half_width = Z99 * statistics.stdev(sample) / math.sqrt(len(sample))
    assert abs(statistics.fmean(sample) - exact) < half_width


def assert_variance(sample: list[float], exact: float) -> None:
    """The interval of a variance comes from the fourth moment."""
    mean = statistics.fmean(sample)
    squares = [(x - mean) ** 2 for x in sample]
    assert_mean(squares, exact)


def test_the_defaults_are_exponential_from_100_ms_doubled_without_cap_or_jitter() -> None:
    assert [delays().delay(n, 0.7) for n in (1, 2, 3, 11)] == [0.1, 0.2, 0.4, 102.4]


def test_r03_without_jitter_the_delays_are_the_capped_powers() -> None:
    made = seven_delays(delays(**EXPONENTIAL), random.Random(1))
    assert made == CEILINGS
    assert sum(made) == pytest.approx(7.1)


def test_fixed_stays_linear_adds_and_none_does_not_wait() -> None:
    assert [delays(backoff="fixed", base=3).delay(n, 0.5) for n in (1, 2, 9)] == [3, 3, 3]
    assert [delays(backoff="linear", base=3, cap=10).delay(n, 0.5) for n in (1, 2, 3, 4)] == [3, 6, 9, 10]
    assert [delays(backoff="none", jitter=j).delay(2, 0.5, 1.0) for j in ("none", "full", "decorrelated")] == [0, 0, 0]


def test_a_list_repeats_its_last_delay_and_takes_jitter() -> None:
    listed = {"delays": ["1s", "5s"]}
    assert [delays(**listed).delay(n, 0.5) for n in (1, 2, 3, 100)] == [1, 5, 5, 5]
    assert [delays(**listed, jitter="full").delay(n, 0.5) for n in (1, 2, 3)] == [0.5, 2.5, 2.5]
    assert delays(**listed, jitter="decorrelated").delay(3, 0.5, 4.0) == 1 + 0.5 * (12 - 1)


@pytest.mark.parametrize("rule", [{"backoff": "exponential"}, {"base": 1}, {"factor": 2}, {"cap": 1}])
@pytest.mark.parametrize("spec", [Delays, Retry, Redelivery])
def test_a_list_contradicts_every_field_of_a_rule(spec: type[Delays], rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=f"`delays` lists the delays, which contradicts `{next(iter(rule))}`"):
        spec.model_validate({"delays": [1], **rule})


@pytest.mark.parametrize(
    "fields",
    [
        {"delays": []},
        {"factor": 0.5},
        {"factor": True},
        {"spread": 1.5},
        {"base": "-1s"},
        {"jitter": "some"},
        {"jitter": "decorrelated_v2", "delays": [1]},
        {"jitter": "decorrelated_v2", "backoff": "fixed"},
        {"jitter": "decorrelated_v2", "factor": 3},
        {"bas": 1},
    ],
)
def test_impossible_delays_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Delays.model_validate(fields)


@pytest.mark.parametrize("backoff", ["linear", "exponential"])
@pytest.mark.parametrize("jitter", ["none", "full", "equal", "decorrelated", "decorrelated_v2", "proportional"])
def test_no_number_of_attempts_overflows(backoff: str, jitter: str) -> None:
    smooth = jitter == "decorrelated_v2"
    rule = {} if smooth else {"backoff": backoff, "factor": 1000}
    policy, previous = delays(jitter=jitter, base=1e300, **rule), 0.0
    for attempt in (1, 2, 700, 1000, 1001, 1002, 10**9):
        seconds, previous = policy.step(attempt, ALMOST_ONE, previous)
        assert math.isfinite(seconds)
        assert seconds >= (1e15 if smooth and attempt > 1 else 0.0)


@pytest.mark.parametrize(
    ("jitter", "low", "high"), [("full", 0.0, 1.0), ("equal", 0.5, 1.0), ("proportional", 0.8, 1.2), ("none", 1.0, 1.0)]
)
def test_jitter_spreads_evenly_between_its_bounds(jitter: str, low: float, high: float) -> None:
    policy = delays(**EXPONENTIAL | {"cap": "1h"}, jitter=jitter)
    for luck in (0.0, 0.25, 0.5, ALMOST_ONE):
        assert policy.delay(3, luck) == pytest.approx(0.4 * (low + (high - low) * luck))


@pytest.mark.parametrize("jitter", ["full", "equal", "decorrelated", "decorrelated_v2", "proportional"])
def test_jitter_never_exceeds_the_cap(jitter: str) -> None:
    policy = delays(**EXPONENTIAL, jitter=jitter)
    assert all(policy.delay(n, luck, 2.0) <= 2.0 for n in range(1, 9) for luck in (0.0, 0.5, ALMOST_ONE))


def test_proportional_jitter_at_the_cap_has_kafkas_mean() -> None:
    """min(cap, U(0.8, 1.2) cap) has the mean 0.95 cap."""
    policy, luck = delays(base=1, cap=1, jitter="proportional"), random.Random(2)
    assert_mean([policy.delay(1, luck.random()) for _ in range(20_000)], 0.95)


@pytest.mark.parametrize(
    ("jitter", "mean", "variance"), [("full", 1 / 2, 1 / 12), ("equal", 3 / 4, 1 / 48)], ids=["R04", "R05"]
)
def test_jittered_delays_have_their_moments(jitter: str, mean: float, variance: float) -> None:
    policy, luck = delays(**EXPONENTIAL, jitter=jitter), random.Random(4)
    runs = [seven_delays(policy, luck) for _ in range(20_000)]
    for place in (0, 3, 6):
        sample = [run[place] for run in runs]
        assert_mean(sample, mean * CEILINGS[place])
        assert_variance(sample, variance * CEILINGS[place] ** 2)
    horizons = [sum(run) for run in runs]
    assert_mean(horizons, mean * sum(CEILINGS))
    assert_variance(horizons, variance * sum(v * v for v in CEILINGS))


@pytest.mark.parametrize(("jitter", "share"), [("none", 1.0), ("full", 0.5), ("equal", 0.75)], ids=["R03", "R04", "R05"])
def test_the_backoff_of_a_message_has_its_mean(jitter: str, share: float) -> None:
    """Delay i is waited for by the messages whose first i attempts failed: p^i of them, p = 0.4."""
    retry, luck = Retry.model_validate({**EXPONENTIAL, "jitter": jitter, "max_attempts": 8}), random.Random(5)
    waited = []
    for _ in range(40_000):
        failed, total = 0, 0.0
        while luck.random() < 0.4 and retry.permits(failed + 1, elapsed=total):
            failed += 1
            total += retry.delay(failed, luck.random())
        waited.append(total)
    assert_mean(waited, share * sum(v * 0.4**i for i, v in enumerate(CEILINGS, start=1)))


def test_decorrelated_jitter_grows_from_its_memory() -> None:
    """Without a cap its mean after n steps is base (2 1.5^n - 1)."""
    policy, luck = delays(base=0.1, jitter="decorrelated"), random.Random(6)
    runs = [seven_delays(policy, luck) for _ in range(20_000)]
    for n in (1, 2, 4, 7):
        assert_mean([run[n - 1] for run in runs], 0.1 * (2 * 1.5**n - 1))
    assert policy.delay(1, 0.0) == policy.delay(5, 0.0, previous=9.0) == pytest.approx(0.1)
    assert policy.delay(5, 0.5, previous=1.0) == pytest.approx((0.1 + 3.0) / 2)


def point(place: float) -> float:
    """The point that decorrelated_v2 has reached at `place`, the tries before this one and a uniform part of it."""
    return 2.0**place * math.tanh(math.sqrt(4.0 * place))


def test_decorrelated_v2_has_the_means_of_pollys_formula() -> None:
    """Of f = 1: 0.87, 1.16, 2.08, 4.12, 8.24, 16.5, which are differences of the mean points; each draw is of one uniform."""
    policy, luck = delays(base=1, jitter="decorrelated_v2"), random.Random(8)
    points = [statistics.fmean(point(n + (k + 0.5) / 1000) for k in range(1000)) for n in range(6)]
    means = [(points[n] - (points[n - 1] if n else 0.0)) / 1.4 for n in range(6)]
    assert means == pytest.approx([0.87, 1.16, 2.08, 4.12, 8.24, 16.5], abs=0.05)
    runs = []
    for _ in range(20_000):
        made, known = [], 0.0
        for attempt in range(1, 7):
            seconds, known = policy.step(attempt, luck.random(), known)
            made.append(seconds)
        runs.append(made)
    for n, mean in enumerate(means):
        assert_mean([made[n] for made in runs], mean)


def test_decorrelated_v2_goes_to_the_same_point_whatever_was_drawn_before() -> None:
    """And a cap shortens waits without a trace in those after it."""
    free, capped = (delays(base="2s", jitter="decorrelated_v2", **cap) for cap in ({}, {"cap": "5s"}))
    for lucks in ((0.1, 0.9, 0.0, 0.5), (0.8, 0.0, 0.99, 0.5)):
        known, waits = 0.0, []
        for attempt, luck in enumerate(lucks, 1):
            seconds, other = free.step(attempt, luck, known)
            assert capped.step(attempt, luck, known) == (min(5.0, seconds), other)
            waits.append(seconds)
            known = other
        assert sum(waits) == pytest.approx(2 / 1.4 * point(3.5))


def test_retry_stops_after_its_attempts_or_its_time_whichever_is_first() -> None:
    retry = Retry(max_attempts=3, max_elapsed=10.0)
    assert retry.permits(failed=2, elapsed=10.0)
    assert not retry.permits(failed=3, elapsed=0.0)
    assert not retry.permits(failed=1, elapsed=10.1)
    assert Retry().max_attempts == 3


def test_redelivery_does_not_wait_unless_a_delay_is_given() -> None:
    assert not Redelivery(max_deliveries=5, immediate=2).delayed
    assert Redelivery(max_deliveries=5).wait(3, 0.5) == 0.0
    for given in ({"base": 1}, {"jitter": "full"}, {"delays": [1]}, {"backoff": "fixed"}):
        assert Redelivery.model_validate(given).delayed
    assert Redelivery.model_validate({"jitter": "none"}).wait(2, 0.5) == 0.2


def test_immediate_rounds_precede_each_delayed_one() -> None:
    """NServiceBus: 5 immediate and 3 delayed rounds of 10 s more each are 24 deliveries and 60 s."""
    redelivery = Redelivery.model_validate({"immediate": 5, "backoff": "linear", "base": "10s", "max_deliveries": 24})
    waits = [redelivery.wait(failed, 0.5) for failed in range(1, 24)]
    assert waits == ([0.0] * 5 + [10.0] + [0.0] * 5 + [20.0] + [0.0] * 5 + [30.0] + [0.0] * 5)
    assert sum(waits) == 60.0


@pytest.mark.parametrize("spec", [Retry(delays=(1.0, 2.0)), Redelivery(base=1.0), Retry(), Redelivery()])
def test_a_policy_survives_being_written_and_read(spec: Delays) -> None:
    assert type(spec).model_validate(spec.model_dump()) == spec
    assert type(spec).model_validate(spec.model_dump(exclude_none=True)) == spec
