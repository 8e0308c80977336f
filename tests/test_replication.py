"""Replications: the same result for any number of workers, enough of them, and what is left when they are stopped."""

from __future__ import annotations

import math
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from toy_model import Coin, Queue

from simulator.replication import Interrupted, replicate, settled_warmup
from simulator.results import Result
from simulator.statistics import mean_interval

HERE = Path(__file__).parent


def content(result: Result) -> list[tuple[str, bytes, dict[tuple[str, str], bytes], str]]:
    """Everything that was measured, bit for bit: the repr of a float gives it back."""
    return [
        (repr(m.metrics), m.times.tobytes(), {key: s.tobytes() for key, s in m.series.items()}, repr(m.windows))
        for m in result.measurements
    ]


def test_the_result_is_the_same_to_the_last_bit_for_any_jobs():
    model = Queue(runs=5)
    alone, together = replicate(model), replicate(model, jobs=2)
    assert content(alone) == content(together)
    assert alone.replications == together.replications == (0, 1, 2, 3, 4)


def test_a_run_depends_on_its_number_and_the_seed_alone():
    first, more, other = replicate(Queue(runs=1)), replicate(Queue(runs=3)), replicate(Queue(runs=1), seed=8)
    means = more.runs_table.query("metric == 'lag_mean'")["value"]
    assert means.iloc[0] == first.value("queue", "lag_mean").mean
    assert means.nunique() == 3
    assert content(first) == content(more)[:1] != content(other)
    assert other.seed == 8


def test_runs_and_progress_are_as_asked():
    seen = []
    result = replicate(Coin(), runs=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert result.runs == 4
    with pytest.raises(ValueError, match="at least 1"):
        replicate(Coin(), runs=0)


def test_the_mean_lag_of_the_toy_queue_is_theory_s():
    value = replicate(Queue(load=0.5, duration=1000.0, warmup=50.0), runs=20).runs_table
    lags = value.query("metric == 'lag_mean'")["value"]
    interval = mean_interval(lags, level=0.99)
    assert interval.ci_low <= 0.5 / (1 - 0.5) <= interval.ci_high


def test_auto_runs_stop_at_ten_where_that_is_precise_enough():
    assert replicate(Coin(mean=1000.0, runs="auto")).runs == 10


@pytest.mark.parametrize("precision", [0.05, 0.02, 0.0175])
def test_auto_runs_stop_at_the_stated_precision(precision):
    result = replicate(Coin(runs="auto", precision=precision))
    value = result.value("coin", "luck")
    assert 10 < result.runs < 200
    assert value.half_width <= precision * abs(value.mean)


def test_auto_runs_look_at_steps_that_at_most_double_and_give_up_at_200():
    totals = []
    result = replicate(Coin(mean=0.0, runs="auto"), progress=lambda done, total: totals.append(total))
    steps = list(dict.fromkeys(totals))
    assert steps[0] == 10
    assert all(a < b <= 2 * a for a, b in pairwise(steps))
    assert result.runs == steps[-1] == 200


def test_auto_runs_refuse_a_metric_that_there_is_not():
    with pytest.raises(ValueError, match="near it: coin:luck"):
        replicate(Coin(runs="auto", precision_metric="coin:lucky"))
    with pytest.raises(ValueError, match="component:metric"):
        replicate(Coin(runs="auto", precision_metric=None))
    with pytest.raises(ValueError, match="no value in the first 10 runs"):
        replicate(Coin(runs="auto", silent=tuple(range(10))))


def test_auto_warmup_cuts_the_initial_backlog_off():
    model = Queue(load=0.5, initial=60, duration=1000.0, warmup="auto")
    result = replicate(model, runs=2)
    # 60 jobs drain at 1 - 0.5 a second: empty after about 120 s.
    assert 60.0 < result.warmup < 240.0
    assert result.warmup == settled_warmup(model, seed=7)
    assert result.value("queue", "lag_mean").mean < 3.0


def test_auto_warmup_is_refused_where_nothing_settles():
    with pytest.raises(ValueError, match="the lag of queue has not settled in the first half"):
        replicate(Queue(load=2.0, warmup="auto"))
    with pytest.raises(ValueError, match="not stationary"):
        replicate(Queue(stationary=False, warmup="auto"))
    with pytest.raises(ValueError, match="needs a component with a lag"):
        replicate(Coin(warmup="auto"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_keeps_what_is_finished(jobs):
    def stop_at_three(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        replicate(Coin(), runs=8, jobs=jobs, progress=stop_at_three)
    kept = stopped.value.result
    assert kept is not None
    assert kept.runs == 3
    values = dict(zip(kept.replications, kept.runs_table.query("metric == 'luck'")["value"], strict=True))
    whole = replicate(Coin(), runs=8).runs_table.query("metric == 'luck'")["value"].to_list()
    assert values == {number: whole[number] for number in kept.replications}


def test_an_interrupt_inside_a_run_keeps_the_runs_before_it():
    with pytest.raises(Interrupted, match="after 2 runs") as stopped:
        replicate(Coin(stops_at=2), runs=5)
    assert stopped.value.result is not None
    assert stopped.value.result.replications == (0, 1)
    with pytest.raises(KeyboardInterrupt) as at_once:
        replicate(Coin(stops_at=0), runs=5)
    assert at_once.value.result is None


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process group")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_at_a_terminal_is_an_interrupt_and_leaves_no_worker(jobs):
    script = (
        "from toy_model import Queue\nfrom simulator.replication import Interrupted, replicate\n"
        "try:\n"
        "    say = lambda *_: print('run', flush=True)\n"
        f"    replicate(Queue(duration=2000.0), runs=10_000, jobs={jobs}, progress=say)\n"
        "except Interrupted as stop:\n    print('kept', stop.result.runs > 0)\n"
    )
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "run\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out.endswith("kept True\n"), err
    deadline = time.monotonic() + 10
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group_lives(process.pid)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bug_of_the_model_is_seen_as_it_is(jobs):
    with pytest.raises(ZeroDivisionError, match="a bug of the model"):
        replicate(Coin(fails_at=1), runs=3, jobs=jobs)


def test_metrics_that_some_runs_lack_count_the_others():
    result = replicate(Coin(silent=(1,), absent=(0, 2)), runs=6)
    assert result.value("coin", "luck").n == 3
    assert result.value("coin", "run").n == 6
    assert len(result.runs_table.query("metric == 'luck'")) == 4


def test_the_summary_has_a_row_per_metric_in_order():
    summary = replicate(Queue(), runs=3).summary
    assert list(summary.columns) == [
        *("component", "metric", "unit", "mean", "ci_low", "ci_high", "std", "n"),
        *("min", "median", "max", "skewed", "censored"),
    ]
    assert summary["metric"].to_list() == ["lag_mean", "empty"]
    assert (summary["ci_low"] < summary["mean"]).all()
    assert summary["skewed"].all()


def test_series_windows_tables_and_traces_are_tables_by_run():
    result = replicate(Queue(runs=2), trace=True)
    series = result.series
    assert list(series.columns) == ["run", "time", "component", "metric", "value"]
    assert len(series) == 2 * 600
    second = series.query("run == 1 and component == 'queue' and metric == 'lag'")["value"]
    assert np.array_equal(second, result.measurements[1].series["queue", "lag"])
    assert result.windows.iloc[1].to_list() == [1, "noon", "queue", 10.0, 20.0]
    assert list(result.table("books").columns) == ["run", "state", "events"]
    assert result.events is not None
    assert result.events.columns[0] == "run"
    assert result.events["run"].unique().tolist() == [0, 1]
    with pytest.raises(KeyError, match="there are: books"):
        result.table("boks")


def test_without_a_trace_there_are_no_events():
    assert replicate(Queue(runs=1)).events is None


def test_empty_tables_are_tables():
    result = replicate(Coin(runs=1))
    assert result.series.empty
    assert list(result.windows.columns) == ["run", "name", "target", "start", "end"]


def test_an_unknown_metric_is_answered_with_near_names():
    result = replicate(Queue(runs=1))
    with pytest.raises(KeyError, match="queue:lag_mean"):
        result.value("queue", "lag_maen")


def test_a_result_is_frozen_and_pickles():
    result = replicate(Queue(runs=2))
    summary = result.summary
    again = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert again.summary.equals(summary)
    assert content(again) == content(result)
    with pytest.raises(AttributeError):
        result.seed = 2  # type: ignore[misc]


def test_a_notebook_shows_the_summary_with_intervals_and_names_escaped():
    result = replace(replicate(Coin(runs=1)), name="<b>")
    html = result._repr_html_()
    assert "95 % interval" in html
    assert "&lt;b&gt;</b>: 1 run, seed 7" in html
    assert "– … –" in html
    assert not math.isnan(result.value("coin", "luck").mean)
