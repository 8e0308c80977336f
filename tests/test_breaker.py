"""The circuit breaker: every rule of Resilience4j as a claim, and its long-run behaviour against theory."""

import math
import random
import statistics
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from models.breaker import Breaker, BreakerState

Z99 = 2.576


def breaker(**fields: object) -> BreakerState:
    return BreakerState(Breaker.model_validate(fields))


def small(**fields: object) -> BreakerState:
    """Window of 4 calls, open for 10 s, 4 probes."""
    return breaker(**{"size": 4, "open_for": 10, "half_open_calls": 4} | fields)


def tell(state: BreakerState, outcomes: str, now: float) -> None:
    """F: a failure, S: a success, each a call allowed and finished at `now`."""
    for letter in outcomes:
        assert state.allows(now)
        state.record(letter == "F", now)


def openings(state: BreakerState) -> int:
    return sum(entered == "open" for _, entered in state.transitions)


def half_open(**fields: object) -> BreakerState:
    """A `small` breaker that opened at 0 and has given its first probe permission at 11."""
    state = small(**fields)
    answer(state, "FFFF", 0.0)
    assert state.allows(11.0)
    assert state.state == "half_open"
    return state


def answer(state: BreakerState, outcomes: str, now: float) -> None:
    """The results at `now` of calls allowed before."""
    for letter in outcomes:
        state.record(letter == "F", now)


# Closed


def test_it_opens_when_the_failure_rate_reaches_the_threshold() -> None:
    state = small()
    tell(state, "FSSF", 1.0)
    assert state.state == "open"
    assert state.open_until == 11.0
    assert state.transitions == [(1.0, "open")]
    assert not state.allows(1.0)


def test_it_stays_closed_below_the_threshold() -> None:
    state = small()
    tell(state, "FSSSFSSSF", 1.0)
    assert state.state == "closed"


@pytest.mark.parametrize(("rate", "size"), [(0.07, 100), (0.29, 100), (0.3, 10), (0.57, 100)])
def test_a_rate_equal_to_its_threshold_is_reached_whatever_the_rounding(rate: float, size: int) -> None:
    state = breaker(size=size, failure_rate=rate)
    fails = round(rate * size)
    tell(state, "S" * (size - fails) + "F" * (fails - 1), 1.0)
    assert state.state == "closed"
    tell(state, "F", 1.0)
    assert state.state == "open"


def test_rates_are_not_looked_at_below_the_minimum_of_calls() -> None:
    state = breaker(size=100, minimum_calls=20)
    tell(state, "F" * 19, 1.0)
    assert state.state == "closed"
    tell(state, "S", 1.0)
    assert state.state == "open", "a success may complete the minimum"


def test_the_minimum_is_clipped_to_a_count_window() -> None:
    state = breaker(size=5)
    tell(state, "FFFF", 1.0)
    assert state.state == "closed"
    tell(state, "F", 1.0)
    assert state.state == "open"


def test_the_count_window_forgets_what_is_older_than_its_size() -> None:
    state = breaker(size=4, failures=3)
    tell(state, "FFSSF", 1.0)
    assert state.state == "closed"
    tell(state, "FF", 1.0)
    assert state.state == "open"


def test_a_call_is_slow_strictly_above_its_limit_and_slow_calls_open_it() -> None:
    state = small(slow_call=1.0, slow_call_rate=0.5)
    for duration in (1.0, 1.0, 1.0, 1.0, 1.001):
        state.record(False, 1.0, duration)
    assert state.state == "closed"
    state.record(False, 1.0, 1.001)
    assert state.state == "open"


def test_a_call_can_be_slow_and_failed() -> None:
    state = small(slow_call=1.0, slow_call_rate=0.75, failure_rate=1.0)
    state.record(True, 1.0, 2.0)
    state.record(True, 1.0, 2.0)
    state.record(False, 1.0, 2.0)
    assert state.state == "closed"
    state.record(False, 1.0, 0.0)
    assert state.state == "open"


def test_no_call_is_slow_unless_a_limit_is_given() -> None:
    state = small()
    for _ in range(10):
        state.record(False, 1.0, 1e9)
    assert state.state == "closed"


def test_a_number_of_failures_opens_it_without_a_minimum_of_calls() -> None:
    state = breaker(size=10, failures=3)
    tell(state, "FSF", 1.0)
    assert state.state == "closed"
    tell(state, "F", 1.0)
    assert state.state == "open"


def test_an_ignored_outcome_is_not_recorded() -> None:
    state = small()
    tell(state, "FFF", 1.0)
    state.release(1.0)
    assert state.state == "closed"
    tell(state, "F", 1.0)
    assert state.state == "open"


def test_slow_calls_leave_the_window_with_age() -> None:
    state = small(slow_call=1.0, slow_call_rate=0.75)
    for duration in (2.0, 2.0, 0.5, 0.5, 0.5, 2.0, 2.0):
        state.record(False, 1.0, duration)
    assert state.state == "closed"
    state.record(False, 1.0, 2.0)
    assert state.state == "open"


# Time window


def test_a_time_window_drops_whole_seconds() -> None:
    state = breaker(window="time", size="3s", minimum_calls=2)
    state.record(True, 0.0)
    state.record(False, 3.0)
    assert state.state == "closed", "second 0 is no longer among 1, 2, 3"
    state = breaker(window="time", size="3s", minimum_calls=2)
    state.record(True, 0.0)
    state.record(False, 2.999)
    assert state.state == "open"


def test_the_minimum_of_a_time_window_is_not_clipped() -> None:
    state = breaker(window="time", size=5)
    tell(state, "F" * 99, 1.0)
    assert state.state == "closed"
    tell(state, "F", 1.0)
    assert state.state == "open"


def test_a_time_window_agrees_with_its_definition_over_gaps_of_any_length() -> None:
    luck, now = random.Random(1), 0.0
    calls: list[tuple[int, bool]] = []
    state = breaker(window="time", size=5, failures=6, open_for=0, half_open_calls=1)
    for _ in range(5000):
        now += luck.choice((0.01, 0.3, 0.9, 2.0, 7.0, 50.0))
        failed = luck.random() < 0.7
        calls = [(then, bad) for then, bad in calls if then > math.floor(now) - 5] + [(math.floor(now), failed)]
        state.record(failed, now)
        assert (state.state == "open") == (sum(bad for _, bad in calls) >= 6)
        if state.state == "open":
            now += 0.01
            assert state.allows(now)
            state.record(False, now)
            calls = []
    assert openings(state) > 20


# Open


def test_it_refuses_until_the_first_call_strictly_after_the_wait() -> None:
    state = small()
    tell(state, "FFFF", 5.0)
    assert not state.allows(15.0)
    assert state.state == "open"
    assert state.due == math.inf
    assert state.allows(15.5)
    assert state.transitions[-1] == (15.5, "half_open")


def test_results_of_calls_admitted_earlier_change_nothing_while_open() -> None:
    state = small()
    tell(state, "FFFF", 5.0)
    answer(state, "SSSSSSSS", 6.0)
    state.release(6.0)
    assert state.transitions == [(5.0, "open")]
    assert state.allows(16.0)
    assert [state.allows(16.0) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("fields", [{"automatic": True}, {"on_open": "pause"}])
def test_automatic_it_is_half_open_when_the_wait_is_over(fields: dict[str, object]) -> None:
    state = small(**fields)
    tell(state, "FFFF", 5.0)
    assert state.due == 15.0
    assert not state.allows(15.0)  # what happens at the instant of a timer precedes it
    state.advance(15.0)
    assert state.allows(15.0)
    late = small(**fields)
    tell(late, "FFFF", 5.0)
    assert late.allows(99.0)
    assert late.transitions[-1] == (15.0, "half_open"), "the timer acts at its own instant"


def test_a_result_at_the_instant_of_a_timer_precedes_it() -> None:
    state = small(automatic=True, half_open_calls=1)
    tell(state, "FFFF", 5.0)
    state.record(False, 15.0)
    assert state.state == "open"
    state.advance(15.0)
    assert state.state == "half_open"


def test_repeated_openings_wait_longer_and_closing_resets_it() -> None:
    state = small(open_factor=3, half_open_calls=1)
    tell(state, "FFFF", 0.0)
    assert state.open_until == 10.0
    tell(state, "F", 11.0)
    assert state.open_until == 11.0 + 30.0
    tell(state, "F", 42.0)
    assert state.open_until == 42.0 + 90.0
    tell(state, "S", 133.0)
    assert state.state == "closed"
    tell(state, "FFFF", 133.0)
    assert state.open_until == 133.0 + 10.0
    assert openings(state) == 4


def test_no_number_of_openings_overflows() -> None:
    state = breaker(size=1, open_factor=1000, half_open_calls=1, open_for=1)
    tell(state, "F", 0.0)
    for _ in range(500):
        tell(state, "F", math.nextafter(state.open_until, math.inf))
    assert math.isfinite(state.open_until)


# Half open


def test_half_open_exactly_the_permitted_calls_pass() -> None:
    state = half_open()
    assert [state.allows(12.0) for _ in range(5)] == [True, True, True, False, False]


def test_half_open_is_decided_after_all_probes_by_default() -> None:
    state = half_open()
    answer(state, "FFF", 12.0)
    assert state.state == "half_open"
    answer(state, "S", 12.0)
    assert state.state == "open"
    state = half_open()
    answer(state, "FSSS", 12.0)
    assert state.state == "closed"


def test_half_open_is_decided_at_the_minimum_of_calls_where_that_is_less() -> None:
    state = half_open(minimum_calls=2)
    answer(state, "FS", 12.0)
    assert state.state == "open"
    state = half_open(minimum_calls=2)
    answer(state, "SS", 12.0)
    assert state.state == "closed"


def test_it_closes_with_an_empty_window() -> None:
    state = half_open()
    answer(state, "SSSS", 12.0)
    tell(state, "FFF", 13.0)
    assert state.state == "closed"
    tell(state, "F", 13.0)
    assert state.state == "open"


def test_slow_probes_open_it_again() -> None:
    state = half_open(slow_call=1.0, slow_call_rate=0.5)
    answer(state, "SS", 12.0)
    state.record(False, 12.0, 2.0)
    state.record(False, 12.0, 2.0)
    assert state.state == "open"


def test_the_nth_failure_of_a_probe_opens_it_at_once() -> None:
    state = half_open(half_open_failures=2)
    answer(state, "FS", 12.0)
    assert state.state == "half_open"
    answer(state, "F", 12.0)
    assert state.state == "open"


def test_half_open_a_number_of_failures_counts_probes_as_far_as_there_are_any() -> None:
    state = half_open(failures=4, half_open_calls=3)
    answer(state, "FF", 12.0)
    assert state.state == "half_open"
    answer(state, "F", 12.0)
    assert state.state == "open"
    state = half_open(failures=4, half_open_calls=3)
    answer(state, "FFS", 12.0)
    assert state.state == "closed"


def test_a_result_is_judged_by_the_state_in_which_it_arrives() -> None:
    """Of calls admitted while closed, half open: recorded as probes, as the state object at that time does."""
    state = half_open(half_open_calls=2)
    answer(state, "SS", 12.0)
    assert state.state == "closed"
    answer(state, "FFFF", 12.0)
    assert state.state == "open", "and late probes count in the window of the closed breaker"


def test_an_ignored_probe_returns_its_permission() -> None:
    state = half_open(half_open_calls=1)
    assert not state.allows(12.0)
    state.release(12.0)
    assert state.allows(12.0)
    assert not state.allows(12.0)


def test_free_permissions_never_exceed_the_permitted_number() -> None:
    state = half_open(half_open_calls=2)
    for _ in range(5):
        state.release(12.0)
    assert [state.allows(12.0) for _ in range(3)] == [True, True, False]


def test_hung_probes_hold_it_half_open_for_ever() -> None:
    state = half_open(half_open_calls=1)
    assert state.due == math.inf
    assert not state.allows(1e9)
    assert state.state == "half_open"


def test_after_its_timeout_half_open_becomes_open_again() -> None:
    state = half_open(half_open_timeout=5.0, open_factor=2)
    assert state.due == 16.0
    state.advance(16.0)
    assert not state.allows(16.0)
    assert state.transitions[-1] == (16.0, "open")
    assert state.open_until == 16.0 + 20.0
    told_late = half_open(half_open_timeout=5.0)
    told_late.record(False, 17.0)
    assert told_late.transitions[-1] == (16.0, "open"), "the timer acts at its own instant"


def test_timers_take_turns_while_nobody_asks() -> None:
    state = small(automatic=True, half_open_timeout=5.0)
    tell(state, "FFFF", 0.0)
    state.advance(40.0)
    assert [time for time, _ in state.transitions] == [0.0, 10.0, 15.0, 25.0, 30.0, 40.0]
    assert [new for _, new in state.transitions] == ["open", "half_open"] * 3


def test_refusals_are_recorded_only_where_they_count() -> None:
    state = half_open(half_open_calls=2)
    assert state.allows(12.0)
    assert not any(state.allows(12.0) for _ in range(9))
    answer(state, "SS", 12.0)
    assert state.state == "closed"
    state = half_open(half_open_calls=2, counts_rejections=True)
    assert state.allows(12.0)
    assert not state.allows(12.0)
    answer(state, "S", 12.0)
    assert state.state == "open", "one refusal and one success are a rate of one half"


# Specification


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"failure_rate": 0.5, "failures": 5}, "give one"),
        ({"size": 2.5}, "whole number of calls"),
        ({"size": 0}, "greater than 0"),
        ({"size": "30s"}, "count window"),
        ({"window": "time", "size": "1500ms"}, "whole number of seconds"),
        ({"size": 4, "failures": 5}, "never fit"),
        ({"half_open_calls": 3, "half_open_failures": 4}, "at most `half_open_calls`"),
        ({"failure_rate": 0.0}, "greater than 0"),
        ({"failure_rate": 50}, "less than or equal to 1"),
        ({"minimum_calls": 0}, "greater than or equal to 1"),
        ({"minimum_calls": True}, "valid integer"),
        ({"open_factor": 0.5}, "greater than or equal to 1"),
        ({"on_open": "stop"}, "'fail' or 'pause'"),
        ({"automatic": "yes"}, "valid boolean"),
    ],
)
def test_an_impossible_breaker_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Breaker.model_validate(fields)


def test_the_defaults_are_those_of_resilience4j() -> None:
    state = breaker()
    tell(state, "S" * 49 + "F" * 50, 0.0)
    assert state.state == "closed"
    tell(state, "F", 0.0)
    assert state.open_until == 60.0
    assert state.allows(60.5)
    assert sum(state.allows(60.5) for _ in range(20)) == 9
    assert Breaker(window="time").places == 60


@pytest.mark.parametrize("spec", [Breaker(), Breaker(failures=5), Breaker(window="time", on_open="pause")])
def test_a_breaker_survives_being_written_and_read(spec: Breaker) -> None:
    assert Breaker.model_validate(spec.model_dump()) == spec


# Theory


def calls_to_trip(spec: Breaker, p: float, luck: random.Random) -> int:
    state, calls = BreakerState(spec), 0
    while state.state == "closed":
        state.record(luck.random() < p, 0.0)
        calls += 1
    return calls


def assert_mean(sample: Sequence[float], exact: float) -> None:
    half_width = Z99 * statistics.stdev(sample) / math.sqrt(len(sample))
    assert abs(statistics.fmean(sample) - exact) < half_width


def test_c01_five_failures_in_a_row() -> None:
    """(1 - p^k) / ((1 - p) p^k) calls to trip; half-width about 8 %."""
    luck, spec = random.Random(1), Breaker(size=5, failures=5)
    p, k = 0.3, 5
    assert_mean([calls_to_trip(spec, p, luck) for _ in range(1000)], (1 - p**k) / ((1 - p) * p**k))


def test_c02_five_failures_among_ten_calls() -> None:
    """Markov chain on the 2^10 windows; half-width about 2.5 %."""
    luck, spec = random.Random(2), Breaker(size=10, failures=5, minimum_calls=1)
    calls = [calls_to_trip(spec, 0.3, luck) for _ in range(10_000)]
    assert_mean(calls, 34.60267783480667)
    for within, exact in ((25, 0.49801415449613473), (50, 0.7885890980246064)):
        assert_mean([float(n <= within) for n in calls], exact)


def test_c06_duty_cycle() -> None:
    """Renewal-reward: a cycle's refusals, less the exact share of its calls, have the mean 0; so has its time open."""
    luck = random.Random(6)
    state = breaker(size=10, failures=5, open_for=5, half_open_calls=3, half_open_failures=1, automatic=True)
    refusals: list[float] = []
    lengths: list[float] = []
    open_times: list[float] = []
    now = 0.0
    for _ in range(600):
        began, calls, refused, earlier = now, 0, 0, openings(state)
        closed = False
        while not closed:
            now += luck.expovariate(10.0)
            calls += 1
            before = state.state
            if state.allows(now):
                state.record(luck.random() < 0.5, now)
                closed = before == "half_open" and state.state == "closed"
            else:
                refused += 1
        refusals.append(refused - 0.940224590708322 * calls)
        lengths.append(now - began)
        open_times.append(5.0 * (openings(state) - earlier) - 0.9402245907083219 * (now - began))
    assert_mean(refusals, 0.0)
    assert_mean(lengths, 42.543026841986595)
    assert_mean(open_times, 0.0)
