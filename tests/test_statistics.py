"""Intervals against their textbooks, and the rules by which a metric gets one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from simulator.results import Measure
from simulator.statistics import (
    Summary,
    kaplan_meier_median,
    mean_interval,
    mser5,
    poisson_interval,
    summarise,
    wilson,
)


def over_runs(values: list[float], kind: str = "value", exposure: float = 1.0, censored: tuple[int, ...] = ()) -> Summary:
    measures = [
        Measure("c", "m", "", value, kind=kind, exposure=exposure, censored=run in censored)  # type: ignore[arg-type]
        for run, value in enumerate(values)
    ]
    return summarise(measures)


@pytest.mark.parametrize(("n", "level"), [(2, 0.95), (5, 0.95), (10, 0.95), (10, 0.9)])
def test_the_t_interval_covers_the_mean_as_often_as_it_says(n, level):
    samples = np.random.default_rng(11).normal(3.0, 2.0, size=(4000, n))
    intervals = [mean_interval(sample, level) for sample in samples]
    hits = sum(interval.ci_low <= 3.0 <= interval.ci_high for interval in intervals)
    assert stats.binomtest(hits, len(samples), level).pvalue > 0.01


def test_the_t_interval_is_the_textbook_s():
    interval = mean_interval([4.0, 6.0, 8.0])
    assert (interval.mean, interval.n) == (6.0, 3)
    assert interval.half_width == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-6)


def test_one_value_has_no_bounds_and_equal_values_no_width():
    alone, equal, none = mean_interval([0.1]), mean_interval([0.1, 0.1, 0.1]), mean_interval([])
    assert alone.mean == 0.1
    assert math.isnan(alone.ci_low)
    assert math.isnan(alone.ci_high)
    assert (equal.ci_low, equal.mean, equal.ci_high) == (0.1, 0.1, 0.1)
    assert none.n == 0
    assert math.isnan(none.mean)


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (5, 1.6235, 11.6683), (10, 4.7954, 18.3904)]
)
def test_poisson_intervals_are_garwood_s(events, low, high):
    assert poisson_interval(events) == pytest.approx((low, high), abs=1e-4)
    assert poisson_interval(events, exposure=50.0) == pytest.approx((low / 50, high / 50), abs=1e-5)


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [(0, 10, 0.0, 0.27753), (15, 100, 0.09306, 0.23284), (81, 263, 0.2553, 0.3662), (10, 10, 0.72247, 1.0)],
)
def test_wilson_intervals_are_the_published_ones(events, trials, low, high):
    assert wilson(events, trials) == pytest.approx((low, high), abs=1e-4)


def test_kaplan_meier_by_hand():
    # At risk 5, 4, 2: the estimate is 4/5 at 1, 3/5 at 2, 3/10 at 4; one is still open at 3, one at 5.
    median, low, high = kaplan_meier_median([4.0, 1.0, 3.0, 2.0, 5.0], [0, 0, 1, 0, 1])
    assert median == 4.0
    assert low == 1.0
    assert math.isnan(high)


def test_kaplan_meier_gives_the_median_and_interval_of_the_leukaemia_trial():
    # Freireich 1963, 6-mercaptopurine: weeks to relapse; R's survfit with conf.type = "log-log" gives 23 [13, -].
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    still_well = [0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1]
    median, low, high = kaplan_meier_median(weeks, still_well)
    assert (median, low) == (23.0, 13.0)
    assert math.isnan(high)


def test_a_median_that_most_did_not_reach_is_missing():
    assert all(map(math.isnan, kaplan_meier_median([9.0, 9.0, 9.0], [1, 1, 1])))
    assert math.isnan(kaplan_meier_median([1.0, 9.0, 9.0], [0, 1, 1])[0])


def test_kaplan_meier_without_open_ends_is_the_ordinary_median():
    assert kaplan_meier_median(range(1, 100), [0] * 99)[0] == 50.0


def test_mser5_cuts_a_transient_off():
    times, rng = np.arange(600), np.random.default_rng(5)
    for scale in (10, 30):
        cuts = [mser5(10 * np.exp(-times / scale) + rng.normal(size=600)) for _ in range(30)]
        left_over = 10 * math.exp(-np.median(cuts) / scale)
        assert 0.1 < left_over < 2.5
        assert min(cuts) >= scale


def test_mser5_cuts_little_or_nothing_off_what_is_stationary():
    rng = np.random.default_rng(6)
    cuts = np.array([mser5(rng.normal(size=600)) for _ in range(100)])
    assert (cuts == 0).mean() > 0.5
    assert np.quantile(cuts, 0.95) <= 60
    assert mser5(np.full(600, 0.1)) == 0


def test_mser5_goes_past_the_middle_where_nothing_settles():
    assert mser5(np.arange(600.0)) > 300


@pytest.mark.parametrize("series", [np.zeros(49), np.append(np.zeros(99), np.nan)])
def test_mser5_refuses_what_it_cannot_judge(series):
    with pytest.raises(ValueError, match="50 finite points"):
        mser5(series)


def test_a_plain_value_gets_the_t_interval_and_its_spread():
    values = [float(v) for v in range(1, 13)]
    row = over_runs(values)
    interval = mean_interval(values)
    assert (row.mean, row.ci_low, row.ci_high) == (6.5, interval.ci_low, interval.ci_high)
    assert (row.min, row.median, row.max, row.n) == (1.0, 6.5, 12.0, 12)
    assert row.std == pytest.approx(math.sqrt(13))
    assert not row.skewed
    assert not row.censored


def test_few_or_lopsided_runs_are_marked_skewed():
    assert over_runs([1.0] * 9).skewed
    assert not over_runs([1.0] * 10).skewed
    assert over_runs([1.0] * 11 + [100.0]).skewed


def test_what_never_happened_is_bounded_by_the_exposure():
    count, rate = over_runs([0.0] * 10, "count"), over_runs([0.0] * 10, "rate", exposure=500.0)
    assert (count.mean, count.ci_low, rate.ci_low) == (0.0, 0.0, 0.0)
    assert count.ci_high == pytest.approx(0.36889, abs=1e-5)
    assert rate.ci_high == pytest.approx(3.6889 / 5000, abs=1e-7)


def test_few_events_get_the_exact_interval_and_twenty_the_t_interval():
    few, enough = [3.0, 7.0, 0.0, 9.0], [3.0, 7.0, 0.0, 10.0]
    row = over_runs(few, "count")
    assert (row.ci_low, row.ci_high) == poisson_interval(19, 4)
    assert row.mean == 4.75
    assert over_runs(enough, "count").ci_high == mean_interval(enough).ci_high
    rate = over_runs([3 / 7, 0.0], "rate", exposure=7.0)
    assert (rate.ci_low, rate.ci_high) == poisson_interval(3, 14)


def test_shares_near_zero_or_one_get_wilson_s_interval():
    rare, common = over_runs([0.01, 0.03], "share", exposure=100.0), over_runs([1.0, 1.0], "share", exposure=100.0)
    assert (rare.ci_low, rare.ci_high) == wilson(4, 200)
    assert (common.ci_low, common.ci_high) == wilson(200, 200)
    middle = over_runs([0.4, 0.6], "share", exposure=100.0)
    assert middle.ci_high == mean_interval([0.4, 0.6]).ci_high


def test_a_single_run_of_few_events_has_an_exact_interval():
    row = over_runs([2.0], "count")
    assert (row.ci_low, row.ci_high) == poisson_interval(2)
    assert math.isnan(row.std)


def test_times_are_averaged_only_where_all_were_reached():
    reached = over_runs([10.0, 20.0, 60.0], "survival")
    open_end = over_runs([10.0, 20.0, 60.0], "survival", censored=(2,))
    assert (reached.mean, reached.censored) == (30.0, False)
    assert (open_end.mean, open_end.censored) == (20.0, True)


def test_a_lower_bound_marks_the_row():
    row = over_runs([1.0, 2.0], censored=(0,))
    assert (row.mean, row.censored) == (1.5, True)


def test_missing_values_are_left_out_and_n_counts_the_others():
    row = over_runs([1.0, math.nan, 3.0])
    assert (row.mean, row.n) == (2.0, 2)
    # A count's exposure is the runs in which it was counted.
    assert over_runs([0.0, math.nan, 0.0], "count").ci_high == pytest.approx(3.6889 / 2, abs=1e-4)
    empty = over_runs([math.nan])
    assert empty.n == 0
    assert math.isnan(empty.mean)
