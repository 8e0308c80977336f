"""Arrivals come at the times their law says, and a changed rate moves times and never numbers."""

import json
import math
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, stats

from models import arrival_times
from models.arrival_times import ArrivalClock
from models.arrivals import Arrivals
from simulator.distributions import residual
from simulator.streams import Stream

ARRIVALS = TypeAdapter(Arrivals)
Z99 = stats.norm.ppf(0.995)
EXPONENTIAL = {"dist": "exponential", "mean": 1}
LOGNORMAL = {"dist": "lognormal", "mean": "40ms", "cv": 2}
PROFILE = {"process": "profile", "points": [[1, 0], [3, 40], [5, 10], [8, 10]], "period": 10}
SINE = {"process": "sine", "base": 20, "amplitude": 1, "period": 7}
BURSTS = {"process": "bursts", "rates": [90, 30], "stays": [EXPONENTIAL, EXPONENTIAL]}
POISSON = {"process": "poisson", "rate": 100}
EVERY_RATE = [
    POISSON,
    {"process": "constant", "rate": 50},
    {"process": "renewal", "interarrival": LOGNORMAL},
    BURSTS,
    {"process": "bursts", "rates": [0, 80], "stays": ["300ms", {"dist": "uniform", "low": 0, "high": 1}]},
    PROFILE,
    SINE,
]
BY_PROCESS = {"ids": lambda table: table["process"]}


def spec(table, **context):
    return ARRIVALS.validate_python(table, context=context)


def clock(table, replication=0):
    return ArrivalClock(spec(table), lambda name: Stream(1, replication, name), "producers.shop")


def times_until(clock, end):
    """All arrivals up to `end`, and that many taken."""
    times = []
    while block := clock.next_block():
        times += block
        if block[-1] > end:
            break
    return [time for time in times if time <= end]


def counts(table, end, replications):
    return np.array([len(times_until(clock(table, r), end)) for r in range(replications)])


def holds_mean(values, mean, sd):
    return abs(values.mean() - mean) < Z99 * sd / math.sqrt(len(values))


def theory(case):
    cases = json.loads((Path(__file__).parent / "data" / "theory_cases.json").read_text())
    found = next(entry for entry in cases if entry["id"] == case)
    return {name: entry["value"] for name, entry in found["expected"].items()}


def test_poisson_counts_have_mean_and_variance_of_a_poisson_law():
    """300 replications of 20 s at 100/s, 99 % intervals."""
    observed = counts(POISSON, 20, 300)
    low, high = stats.chi2.ppf([0.005, 0.995], 299) / 299
    assert holds_mean(observed, 2000, math.sqrt(2000))
    assert low < observed.var(ddof=1) / 2000 < high


def test_poisson_gaps_are_exponential():
    """Kolmogorov-Smirnov at the 99 % level."""
    gaps = np.diff(times_until(clock(POISSON), 100))
    assert stats.kstest(gaps, "expon", args=(0, 0.01)).pvalue > 0.01


def test_constant_arrivals_begin_after_one_period():
    assert times_until(clock({"process": "constant", "rate": 4, "start": 1}), 2) == [1.25, 1.5, 1.75, 2.0]


def test_renewal_gaps_follow_their_distribution():
    """Kolmogorov-Smirnov at the 99 % level, the first gap included."""
    gaps = np.diff(times_until(clock({"process": "renewal", "interarrival": LOGNORMAL, "start": 3}), 400), prepend=3)
    sigma = math.sqrt(math.log(5))
    assert stats.kstest(gaps, stats.lognorm(sigma, scale=0.04 / math.exp(sigma**2 / 2)).cdf).pvalue > 0.01


def test_renewal_with_a_constant_gap_is_constant():
    renewal = times_until(clock({"process": "renewal", "interarrival": "250ms"}), 50)
    assert renewal == times_until(clock({"process": "constant", "rate": 4}), 50)


def test_bursts_have_the_counts_of_a_markov_modulated_poisson_process():
    """Case Q14b, 1000 replications: 99 % intervals for mean and variance, the latter within 12 %."""
    expected = theory("Q14b")
    observed = counts(BURSTS, 10, 1000)
    low, high = stats.chi2.ppf([0.005, 0.995], 999) / 999
    assert holds_mean(observed, expected["mean_count_10s"], math.sqrt(expected["var_count_10s"]))
    assert low < observed.var(ddof=1) / expected["var_count_10s"] < high


@pytest.mark.parametrize("window", [0.1, 2])
def test_bursts_start_in_their_stationary_law_whatever_the_stays(window):
    """The mean count from the beginning on is that of any such window: 99 % interval, 500 replications.

    The wrong state would show in the short window, a whole first stay (a mean of 10) in the long one.
    """
    table = {"process": "bursts", "rates": [40, 0], "stays": [{"dist": "uniform", "low": 0, "high": 2}, "3s"]}
    observed = counts(table, window, 500)
    assert spec(table).mean_rate == 10
    assert holds_mean(observed, 10 * window, observed.std(ddof=1))


@pytest.mark.parametrize(
    ("stay", "cdf"),
    [
        (EXPONENTIAL, lambda x: -np.expm1(-x)),
        ("2s", lambda x: np.minimum(x / 2, 1)),
        ({"dist": "uniform", "low": 1, "high": 3}, lambda x: np.where(x < 1, x / 2, 1 - (3 - x) ** 2 / 8)),
        ({"dist": "pareto", "mean": 3, "alpha": 1.5}, lambda x: x / 3 if x < 1 else 1 - 2 / 3 / math.sqrt(x)),
    ],
    ids=["exponential", "constant", "uniform", "pareto"],
)
def test_a_residual_stay_has_the_integrated_tail_as_its_law(stay, cdf):
    law = spec({"process": "bursts", "rates": [1, 2], "stays": [stay, 1]}).stays[0]
    for luck in (0.0, 0.1, 0.5, 0.9, 0.99):
        assert cdf(residual(law, luck)) == pytest.approx(luck, abs=1e-4)


def test_short_stays_and_rare_arrivals_take_little_memory():
    """A block is as long as the stays drawn so far allow: 4096 arrivals would need 10^7 of them here."""
    rare = clock({"process": "bursts", "rates": [0, 1], "stays": ["1ms", "1ms"]})
    assert 1 <= len(rare.next_block()) < 100


def test_sine_counts_are_those_of_the_integrated_rate():
    """Case Q29, 30 replications: 99 % intervals for mean and standard deviation."""
    expected = theory("Q29")
    observed = counts({"process": "sine", "base": 50, "amplitude": 0.8, "period": "1h", "stop": 900}, 900, 30)
    low, high = np.sqrt(stats.chi2.ppf([0.005, 0.995], 29) / 29)
    assert holds_mean(observed, expected["mean_count"], expected["sd_count"])
    assert low < observed.std(ddof=1) / expected["sd_count"] < high


def profile_rate(t):
    return np.interp(t % 10, [-2, 1, 3, 5, 8, 11], [10, 0, 40, 10, 10, 0])


def sine_rate(t):
    return 20 * (1 + np.sin(2 * np.pi * t / 7))


@pytest.mark.parametrize(("table", "rate"), [(PROFILE, profile_rate), (SINE, sine_rate)], ids=["profile", "sine"])
@pytest.mark.parametrize("start", [0, 4.5, 23])
def test_cumulated_rates_are_the_integral_of_the_rate(table, rate, start):
    cumulated = arrival_times._cumulated_rate(spec(table | {"start": start}), lambda name: Stream(1, 0, name), "p")
    kinks = [t for t in range(60) if t % 10 in (1, 3, 5, 8) and t > start]
    area = sum(integrate.quad(rate, a, b, epsabs=1e-12)[0] for a, b in pairwise([start, *kinks, 60]))
    assert cumulated.level(start) == 0
    assert cumulated.level(60) == pytest.approx(area, rel=1e-11)


@pytest.mark.parametrize(
    "table",
    [
        PROFILE,
        PROFILE | {"start": 6.5},
        {"process": "profile", "points": [[0, 5], [10, 30]], "period": 10},
        {"process": "profile", "points": [[2, 7]], "period": 10},
        SINE,
        SINE | {"start": 3, "amplitude": 0.999},
        SINE | {"amplitude": 0.8},
        SINE | {"amplitude": 0},
        BURSTS,
    ],
    ids=lambda table: table["process"],
)
def test_cumulated_rates_invert(table):
    cumulated = arrival_times._cumulated_rate(spec(table), lambda name: Stream(1, 0, name), "p")
    levels = np.sort(np.concatenate([np.linspace(1e-9, 1000, 30_001), np.arange(1, 8) * 140.0]))
    times = cumulated.times(levels)
    assert times.size > 100
    reached = [cumulated.level(time) for time in times.tolist()]
    np.testing.assert_allclose(reached, levels[: times.size], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("table", EVERY_RATE, **BY_PROCESS)
def test_the_mean_rate_is_met_in_the_long_run(table):
    """Within 5 % over 700 s, which is more than four standard deviations of the burstiest."""
    assert len(times_until(clock(table), 700)) == pytest.approx(700 * spec(table).mean_rate, rel=0.05)
    assert spec(table | {"size": 3}).mean_rate == 3 * spec(table).mean_rate


@pytest.mark.parametrize("table", EVERY_RATE, **BY_PROCESS)
def test_times_do_not_depend_on_where_blocks_are_cut(table, monkeypatch):
    whole = times_until(clock(table), 120)
    monkeypatch.setattr(arrival_times, "BLOCK", 37)
    assert times_until(clock(table), 120) == whole
    assert whole == sorted(whole)


@pytest.mark.parametrize("table", EVERY_RATE, **BY_PROCESS)
def test_a_factor_of_one_moves_nothing(table):
    disturbed = clock(table)
    first = disturbed.next_block()
    taken = len(first) // 3
    disturbed.set_factor(first[taken], 1, taken)
    assert first[:taken] + times_until(disturbed, 200) == times_until(clock(table), 200)


def surged(table, factor, begin, end, until):
    """Arrivals up to `until` with the rate times `factor` between begin and end, as a producer would take them."""
    source, times = clock(table), []
    for now, change in ((begin, factor), (end, 1.0), (until, None)):
        while (block := source.next_block()) and block[-1] <= now:
            times += block
        times += [time for time in block if time <= now]
        if change is not None:
            source.set_factor(now, change, len(times))
    return times


@pytest.mark.parametrize("table", EVERY_RATE, **BY_PROCESS)
def test_a_surge_moves_times_and_never_numbers(table):
    """The k-th arrival keeps its level: it comes when the doubled part of the cumulated rate has made up for it."""
    calm, surge = times_until(clock(table), 150), surged(table, 2.0, 20, 50, 60)
    before = sum(time < 20 for time in calm)
    assert surge[:before] == calm[:before]
    cumulated = arrival_times._cumulated_rate(spec(table), lambda name: Stream(1, 0, name), "producers.shop")
    levels = np.array([cumulated.level(time) for time in calm])
    at_begin, at_end = cumulated.level(20), cumulated.level(50)

    def disturbed(time):
        return cumulated.level(time) + max(0.0, min(cumulated.level(time), at_end) - at_begin)

    reached = [disturbed(time) for time in surge]
    np.testing.assert_allclose(reached, levels[: len(reached)], rtol=1e-9)
    assert len(surge) == np.searchsorted(levels, disturbed(60), side="right")


def test_a_surge_doubles_the_rate_inside_its_window_only():
    """99 % intervals of Poisson counts."""
    times = np.array(surged(POISSON, 2.0, 20, 50, 60))
    inside, after = ((times > 20) & (times <= 50)).sum(), (times > 50).sum()
    assert abs(inside - 6000) < Z99 * math.sqrt(6000)
    assert abs(after - 1000) < Z99 * math.sqrt(1000)


@pytest.mark.parametrize("table", EVERY_RATE, **BY_PROCESS)
def test_a_factor_of_zero_stops_arrivals_until_it_changes(table):
    source = clock(table)
    taken = len(times_until(source, 5))
    source.set_factor(5, 0, taken)
    assert source.next_block() == []
    source.set_factor(8, 0.5, taken)
    calm = times_until(clock(table), 60)
    resumed = times_until(source, 40)
    assert resumed[0] >= 8
    assert len(resumed) > 20
    assert resumed == sorted(resumed)
    if table["process"] in ("poisson", "constant", "renewal"):
        waited = (np.array(calm[taken : taken + len(resumed)]) - 5) * 2 + 8
        np.testing.assert_allclose(resumed, waited, rtol=1e-12)


def test_arrivals_that_are_due_keep_their_times_if_the_rate_changes_before_they_are_taken():
    source = clock({"process": "constant", "rate": 1})
    source.next_block()
    source.set_factor(5.5, 2, taken=3)
    source.set_factor(6.5, 0, taken=3)
    source.set_factor(10, 1, taken=3)
    assert source.next_block()[:5] == [4, 5, 5.75, 6.25, 10.5]


@pytest.mark.parametrize("table", [POISSON, SINE, PROFILE, BURSTS], **BY_PROCESS)
def test_no_arrival_comes_before_the_change_that_moved_it(table):
    """Changes at the very times of arrivals, just before they are taken, where rounding could send them back."""
    source = clock(table)
    for taken in range(120):
        now = source.next_block()[0]
        source.set_factor(now, 0.1 + taken % 7, taken)
        assert source.next_block()[0] == pytest.approx(now, rel=1e-12)
        source.set_factor(now, 0.2 + taken % 7, taken)
        assert source.next_block()[0] >= now
        source.set_factor(now, 0.1 + taken % 7, taken + 1)


@pytest.mark.parametrize("table", [SINE, PROFILE], **BY_PROCESS)
def test_crowded_arrivals_stay_in_order(table):
    """Gaps of an ulp or so, which the rounding of the inverse could turn round."""
    crowded = {"base": 1e15} if table is SINE else {"points": [[0, 1e15], [7, 3e15]]}
    times = clock(table | crowded | {"start": 5}).next_block()
    assert times[0] >= 5
    assert times == sorted(times)


@pytest.mark.parametrize("process", [POISSON, SINE, PROFILE, BURSTS], **BY_PROCESS)
def test_start_stop_and_limit_cut_the_arrivals(process):
    times = times_until(clock(process | {"start": 10, "stop": 30}), 1e9)
    assert times[0] > 10
    assert 29 < times[-1] <= 30
    limited = clock(process | {"start": 10, "stop": 30, "limit": 50})
    assert limited.next_block() == times[:50]
    assert limited.next_block() == []


def test_a_limit_counts_arrivals_over_blocks():
    source = clock(POISSON | {"limit": 10_000, "size": 3})
    assert len(times_until(source, 1e9)) == 10_000


def test_stop_includes_its_instant():
    assert len(times_until(clock({"process": "constant", "rate": 10, "stop": 7}), 1e9)) == 70


def test_a_stopped_producer_may_go_on_earlier_in_a_surge():
    source = clock({"process": "constant", "rate": 1, "stop": 10})
    taken = len(source.next_block())
    assert source.next_block() == []
    source.set_factor(8, 4, taken - 2)
    assert source.next_block() == [8.25, 8.5, 8.75, 9, 9.25, 9.5, 9.75, 10]


def write_trace(folder, *times):
    (folder / "times.csv").write_text("at,other\n" + "".join(f"{time},x\n" for time in times))
    return {"process": "trace", "file": "times.csv", "column": "at"}


def trace_clock(table, base):
    return ArrivalClock(spec(table, base=base), lambda name: Stream(1, 0, name), "producers.shop")


def test_a_trace_gives_the_times_of_its_file(tmp_path):
    table = write_trace(tmp_path, 0, 0.5, 0.5, 2)
    assert trace_clock(table, tmp_path).next_block() == [0, 0.5, 0.5, 2]
    assert trace_clock(table | {"start": 10, "unit": "ms"}, tmp_path).next_block() == [10, 10.0005, 10.0005, 10.002]
    assert trace_clock(table | {"stop": 1}, tmp_path).next_block() == [0, 0.5, 0.5]
    assert trace_clock(table | {"limit": 2}, tmp_path).next_block() == [0, 0.5]


def test_a_long_trace_is_given_whole_and_to_the_bit(tmp_path):
    times = np.cumsum(np.random.default_rng(1).exponential(size=10_000)).tolist()
    source = trace_clock(write_trace(tmp_path, *map(repr, times)), tmp_path)
    assert times_until(source, 1e9) == times


def test_a_surge_compresses_the_gaps_of_a_trace(tmp_path):
    source = trace_clock(write_trace(tmp_path, 1, 2, 4, 8), tmp_path)
    source.next_block()
    source.set_factor(2, 2, taken=2)
    assert source.next_block() == [3, 5]


def test_a_trace_may_be_a_parquet_file(tmp_path):
    import pandas as pd

    pd.DataFrame({"at": [1.5, 2.5]}).to_parquet(tmp_path / "times.parquet")
    table = {"process": "trace", "file": "times.parquet", "column": "at"}
    assert trace_clock(table, tmp_path).next_block() == [1.5, 2.5]


def test_a_trace_travels_with_pickles_and_dumps_and_compares_by_its_times(tmp_path):
    table = write_trace(tmp_path, 1, 2)
    trace = spec(table, base=tmp_path)
    assert spec(trace.model_dump()) == trace
    assert trace.mean_rate == 1
    write_trace(tmp_path, 1, 3)
    assert spec(table, base=tmp_path) != trace
    (tmp_path / "times.csv").unlink()
    copy = pickle.loads(pickle.dumps(trace))  # noqa: S301
    assert copy == trace
    assert copy.times.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("at\n1\n0.5\n", "at", "ascending; row 2"),
        ("at\n-1\n0.5\n", "at", "from 0 on"),
        ("at\n1\nsoon\n", "at", "row 2"),
        ("at\n1\nnan\n", "at", "row 2"),
        ("at\n", "at", "empty"),
        ("at\n1\n", "time", "no column 'time'"),
    ],
)
def test_a_bad_trace_is_refused(tmp_path, content, column, message):
    (tmp_path / "times.csv").write_text(content)
    with pytest.raises(ValidationError, match=message):
        spec({"process": "trace", "file": "times.csv", "column": column}, base=tmp_path)


def test_a_missing_trace_is_refused_by_its_name(tmp_path):
    with pytest.raises(ValidationError, match=r"no file 'none\.csv'"):
        spec({"process": "trace", "file": "none.csv", "column": "at"}, base=tmp_path)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"process": "poison", "rate": 1}, "'poisson', 'constant', 'renewal'"),
        ({"rate": 1}, "process"),
        ({"process": "poisson"}, "required"),
        ({"process": "poisson", "rate": 0}, "greater than 0"),
        ({"process": "poisson", "rate": True}, "valid number"),
        ({"process": "poisson", "rate": float("nan")}, "finite"),
        ({"process": "poisson", "rate": 1, "peak": 2}, "Extra inputs"),
        ({"process": "constant", "rate": -1}, "greater than 0"),
        ({"process": "poisson", "rate": 1, "start": "1m", "stop": "1m"}, r"stop \(60 s\) must be later than start"),
        ({"process": "poisson", "rate": 1, "limit": 0}, "greater than or equal to 1"),
        ({"process": "poisson", "rate": 1, "size": 1.5}, "valid integer"),
        ({"process": "renewal", "interarrival": 0}, "mean above 0 s"),
        (BURSTS | {"rates": [0, 0]}, "must not both be 0"),
        (BURSTS | {"rates": [1, 2, 3]}, "at most 2"),
        (BURSTS | {"rates": [1, -2]}, "greater than or equal to 0"),
        (BURSTS | {"stays": [0, 1]}, "means above 0 s"),
        (PROFILE | {"points": []}, "at least 1"),
        (PROFILE | {"points": [[0, 1], [0, 2]]}, "increasing times: 0 s follows 0 s"),
        (PROFILE | {"points": [[0, 1], ["2h", 2], ["1h", 3]], "period": "1d"}, "3600 s follows 7200 s"),
        (PROFILE | {"period": 7}, r"period \(7 s\) must not be before the last point \(8 s\)"),
        (PROFILE | {"points": [[0, 0], [1, 0]]}, "rate 0"),
        (PROFILE | {"points": [[0, 1, 2]]}, "at most 2"),
        (SINE | {"amplitude": 1.1}, "less than or equal to 1"),
        (SINE | {"base": 0}, "greater than 0"),
        (SINE | {"period": 0}, "greater than 0"),
        ({"process": "closed", "clients": 0, "think": 1}, "greater than or equal to 1"),
        ({"process": "closed", "clients": 10}, "required"),
    ],
)
def test_impossible_arrivals_are_refused(bad, message):
    with pytest.raises(ValidationError, match=message):
        spec(bad)


@pytest.mark.parametrize("table", [*EVERY_RATE, {"process": "closed", "clients": 5, "think": "1s"}], **BY_PROCESS)
def test_specifications_survive_a_dump(table):
    read = spec(table)
    assert spec(json.loads(read.model_dump_json())) == read


def test_only_a_constant_law_from_the_beginning_to_the_end_is_stationary():
    stationary = [table["process"] for table in EVERY_RATE if spec(table).stationary]
    assert stationary == ["poisson", "constant", "renewal", "bursts", "bursts"]
    for cut in ({"start": 1}, {"stop": 5}, {"limit": 9}):
        assert not spec(POISSON | cut).stationary
    assert spec({"process": "closed", "clients": 5, "think": 1}).stationary
