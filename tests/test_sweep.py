"""A sweep: which cells there are, one tidy table, and work that is never done twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from simpy import Event
from typer.testing import CliRunner

from experiments import charts, sweep
from experiments.lab.cli import app
from experiments.lab.store import Store, content_of
from experiments.lab.sweep import combinations_of, finish_cells
from experiments.lab.sweep_folder import SweepFolder
from models import System
from models.errors import BadScenario
from models.parts import Parts
from models.system import OwnProcess
from simulator.replication import replicate, replicate_all
from simulator.simulation import Simulation

SMALL = """
name = "small"
[run]
duration = "20s"
warmup = "2s"
runs = 3
seed = 3
[producers.web]
topic = "jobs"
arrivals = { process = "poisson", rate = 20 }
[topics.jobs]
partitions = 4
[consumers.work]
topic = "jobs"
instances = 2
service = { dist = "exponential", mean = "40ms" }
"""

INSTANCES = "consumers.work.instances"
RETRY = "consumers.work.retry"


@pytest.fixture
def system(tmp_path: Path) -> System:
    (tmp_path / "small.toml").write_text(SMALL)
    return System.from_toml(tmp_path / "small.toml")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def finished(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("finished/*/*.npz")}


def test_every_combination_is_a_cell() -> None:
    cells = combinations_of({"a": [1, 2], "b": ["x", "y", "z"]}, False, None, 1)
    assert cells == [{"a": a, "b": b} for a in (1, 2) for b in "xyz"]


def test_zipped_values_go_together() -> None:
    assert combinations_of({"a": [1, 2], "b": [3, 4]}, True, None, 1) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    with pytest.raises(BadScenario, match=r"a: 2, b: 1.*equally many"):
        combinations_of({"a": [1, 2], "b": [3]}, True, None, 1)


def test_a_latin_hypercube_divides_each_range_evenly() -> None:
    cells = combinations_of({"a": [0.0, 10.0], "b": [1, 5], "c": ["10s", "1m"]}, False, 10, seed=4)
    assert sorted(int(cell["a"]) for cell in cells) == list(range(10))
    assert sorted(cell["b"] for cell in cells) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert sorted(int((cell["c"] - 10) / 5) for cell in cells) == list(range(10))
    assert cells == combinations_of({"a": [0.0, 10.0], "b": [1, 5], "c": ["10s", "1m"]}, False, 10, seed=4)


@pytest.mark.parametrize("values", [[3], [5, 1], ["fast", "slow"], [1, 2, 3]])
def test_a_sample_needs_ranges(values: list[object]) -> None:
    with pytest.raises(BadScenario, match="range of numbers"):
        combinations_of({"a": values}, False, 4, 1)


def test_a_bad_value_is_told_with_its_path(system: System) -> None:
    with pytest.raises(BadScenario, match=r"vary consumers.work.instances = -1: consumers.work.instances"):
        sweep(system, {INSTANCES: [2, -1]}, runs=1, jobs=1)


def test_a_cell_is_what_a_run_of_its_own_gives(system: System) -> None:
    found = sweep(system, {INSTANCES: [2, 3]}, jobs=1)
    alone = replicate(system.with_({INSTANCES: 3}))
    assert found.cells[1].result.summary.equals(alone.summary)
    assert found.cells[1].result.measurements[0].metrics == alone.measurements[0].metrics


def test_the_table_is_tidy(system: System) -> None:
    policies = [{"max_attempts": 1}, {"max_attempts": 3, "backoff": "fixed"}]
    table = sweep(system, {INSTANCES: [2, 3], RETRY: policies}, runs=2, jobs=1).summary
    assert list(table.columns[:6]) == [INSTANCES, RETRY, "component", "metric", "unit", "mean"]
    assert set(table[RETRY]) == {"{ max_attempts = 1 }", '{ max_attempts = 3, backoff = "fixed" }'}
    assert table[INSTANCES].dtype.kind == "i"
    assert not table.duplicated([INSTANCES, RETRY, "component", "metric"]).any()


def test_what_was_finished_is_not_run_again(system: System, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep(system, {INSTANCES: [2, 3]}, jobs=1, out=out)
    before, first = finished(out), contents(out)
    sweep(system, {INSTANCES: [2, 3]}, jobs=1, out=out)
    assert finished(out) == before
    assert contents(out) == first
    sweep(system, {INSTANCES: [2, 3, 4]}, runs=4, jobs=1, out=out)
    assert len(finished(out)) == 12
    assert before.items() <= finished(out).items()


def test_a_changed_scenario_starts_anew(system: System, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep(system, {INSTANCES: [2, 3]}, runs=1, jobs=1, out=out)
    before = finished(out)
    sweep(system.with_({"producers.web.arrivals.rate": 21}), {INSTANCES: [2, 3]}, runs=1, jobs=1, out=out)
    assert len(finished(out)) == 2
    assert not before.keys() & finished(out).keys()


def test_a_changed_file_that_the_scenario_names_is_another_content(tmp_path: Path) -> None:
    times = tmp_path / "times.csv"
    times.write_text("t\n1\n2\n3\n")
    (tmp_path / "s.toml").write_text(
        SMALL.replace('{ process = "poisson", rate = 20 }', '{ process = "trace", file = "times.csv", column = "t" }')
    )
    before = content_of(System.from_toml(tmp_path / "s.toml"))
    assert content_of(System.from_toml(tmp_path / "s.toml")) == before
    times.write_text("t\n1\n2\n4\n")
    assert content_of(System.from_toml(tmp_path / "s.toml")) != before


def test_a_changed_trace_of_a_fault_is_another_content(tmp_path: Path) -> None:
    trace = tmp_path / "down.csv"
    trace.write_text("start,duration\n5,1\n")
    fault = '[[faults]]\nname = "down"\ntarget = "consumers.work"\nkind = "crash"\ntrace = "down.csv"\n'
    (tmp_path / "s.toml").write_text(SMALL + fault)
    before = content_of(System.from_toml(tmp_path / "s.toml"))
    trace.write_text("start,duration\n5,2\n")
    assert content_of(System.from_toml(tmp_path / "s.toml")) != before


def test_what_is_kept_is_what_was_measured(system: System, tmp_path: Path) -> None:
    store = Store(tmp_path, series=True)
    whole = replicate(system, runs=1).measurements[0]
    store.put(system, 3, 0, whole)
    kept = store.get(system, 3, 0)
    assert kept is not None
    assert repr(kept.metrics) == repr(whole.metrics)
    assert kept.series.keys() == whole.series.keys()
    assert all((kept.series[key] == whole.series[key]).all() for key in whole.series)
    assert kept.windows == whole.windows
    assert store.get(system, 4, 0) is None


def test_a_damaged_file_is_run_again(system: System, tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = replicate_all([system], runs=2, kept=store, series=False)
    path = next(tmp_path.rglob("1.npz"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    again = replicate_all([system], runs=2, kept=store, series=False)
    assert repr(again[0].measurements) == repr(first[0].measurements)
    assert path.read_bytes() == whole


def test_pilots_are_kept_too(system: System, tmp_path: Path) -> None:
    store = Store(tmp_path)
    longer = system.with_({"run.warmup": "auto", "run.duration": "120s"})
    first = replicate_all([longer], runs=1, kept=store, series=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert len(before) == 6
    assert replicate_all([longer], runs=1, kept=store, series=False)[0].warmup == first[0].warmup
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == before


def test_the_manifest_says_what_was_used_and_old_charts_go(system: System, tmp_path: Path) -> None:
    with_slos = system.with_({"slos": [{"component": "consumers.work", "metric": "wait_mean", "below": 9.0}]})
    sweep(with_slos, {INSTANCES: [2, 3]}, runs=2, seed=9, jobs=1, out=tmp_path / "out")
    (tmp_path / "out" / "charts" / "old.png").write_bytes(b"old")
    sweep(with_slos, {INSTANCES: [2, 3]}, runs=2, seed=9, jobs=1, out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["scenario"]["run"]["runs"], manifest["scenario"]["run"]["seed"], manifest["seed"]) == (2, 9, 9)
    charts_left = sorted(path.name for path in (tmp_path / "out" / "charts").iterdir())
    assert charts_left == ["consumers.work.wait_mean.png", "consumers.work.wait_mean.svg"]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".charts")]


def test_some_cells_can_be_finished_elsewhere(system: System, tmp_path: Path) -> None:
    vary = {INSTANCES: [2, 3, 4]}
    assert finish_cells(system, vary, slice(0, 2), tmp_path / "a", jobs=1) == 2
    assert finish_cells(system, vary, slice(2, 3), tmp_path / "a", jobs=1) == 1
    before = finished(tmp_path / "a")
    sweep(system, vary, jobs=1, out=tmp_path / "a")
    assert finished(tmp_path / "a") == before
    sweep(system, vary, jobs=1, out=tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_folder_with_other_files_is_refused(system: System, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OSError, match="other files"):
        sweep(system, {INSTANCES: [2]}, runs=1, jobs=1, out=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


WORK = """
import sys
from pathlib import Path
from experiments import sweep
from models import System
folder, out, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
system = System.from_toml(Path(folder) / "small.toml")
sweep(system, {"consumers.work.instances": [2, 3, 4], "producers.web.arrivals.rate": [10, 20]}, jobs=jobs, out=out)
"""


def worker(folder: Path, out: Path, jobs: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORK, str(folder), str(out), str(jobs)])


@pytest.mark.long
def test_a_sweep_that_is_killed_at_any_moment_ends_with_the_same_bytes(system: System, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    assert worker(tmp_path, whole, 2).wait() == 0
    usual = time.monotonic() - began
    moments = random.Random(5)
    for _ in range(8):
        process = worker(tmp_path, killed, 2)
        time.sleep(moments.uniform(0.1, 1.0) * usual)
        process.kill()
        process.wait()
        before = finished(killed)
        assert all(path.stat().st_size for path in before)
    assert worker(tmp_path, killed, 2).wait() == 0
    assert before.items() <= finished(killed).items()
    assert contents(killed) == contents(whole)


@pytest.mark.long
def test_processes_that_start_together_share_a_folder(system: System, tmp_path: Path) -> None:
    assert worker(tmp_path, tmp_path / "whole").wait() == 0
    at_once = [worker(tmp_path, tmp_path / "shared") for _ in range(3)]
    assert [process.wait() for process in at_once] == [0, 0, 0]
    assert contents(tmp_path / "shared") == contents(tmp_path / "whole")


def test_a_folder_that_was_left_before_its_manifest_is_taken_up(system: System, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".edasim-lock").touch()
    (out / ".manifest.json.17").write_text("{")
    sweep(system, {INSTANCES: [2]}, runs=1, jobs=1, out=out)
    assert len(finished(out)) == 1


def test_another_scenario_does_not_take_a_folder_in_which_a_sweep_is_running(system: System, tmp_path: Path) -> None:
    with (
        SweepFolder(tmp_path / "out", system),
        pytest.raises(BlockingIOError, match="another scenario is running"),
        SweepFolder(tmp_path / "out", system.with_({"producers.web.arrivals.rate": 21})),
    ):
        pass


def test_the_command_writes_tables_and_charts(system: System, tmp_path: Path) -> None:
    arguments = ["sweep", str(tmp_path / "small.toml"), "--vary", f"{INSTANCES}=2,3", "--runs", "2", "--jobs", "1"]
    answer = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert answer.exit_code == 0, answer.output
    assert "2 cells, 4 runs" in answer.output
    assert (tmp_path / "out" / "charts" / "consumers.work.lag_max.png").stat().st_size > 0
    table = pd.read_csv(tmp_path / "out" / "sweep.csv")
    assert len(table) == len(pd.read_parquet(tmp_path / "out" / "sweep.parquet"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["sweep"]["cells"] == [{INSTANCES: 2}, {INSTANCES: 3}]
    assert System.from_toml(tmp_path / "out" / "manifest.json").name == "small"


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (["--vary", f"{INSTANCES}"], "must be PATH=V1,V2"),
        (["--vary", f"{INSTANCES}=4,8", "--sample", "3"], "must be PATH=LOW..HIGH"),
        (["--vary", "consumers.wrok.instances=4"], "work"),
        (["--vary", f"{INSTANCES}=2,3", "--cells", "3..1"], "must be FIRST..LAST"),
        (["--vary", f"{INSTANCES}=2,3", "--cells", "2..3"], "must be within 1..2"),
        (["--vary", f"{INSTANCES}=2", "--vary", f"{INSTANCES}=3"], "is there twice"),
        (["--vary", f"{INSTANCES}=2", "--jobs", "0"], "--jobs 0"),
        (["--vary", f"{INSTANCES}=2,3", "--vary", "producers.web.arrivals.rate=1", "--zip"], "equally many"),
        (["--vary", f"{INSTANCES}=2", "--cluster", "nonsense://"], "no Dask scheduler"),
    ],
)
def test_bad_options_end_with_status_2(system: System, tmp_path: Path, further: list[str], said: str) -> None:
    arguments = ["sweep", str(tmp_path / "small.toml"), *further, "--out", str(tmp_path / "out")]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 2
    assert said in answer.output
    assert not (tmp_path / "out").exists()


def test_a_chart_says_where_a_metric_is_lowest_and_highest(system: System) -> None:
    found = sweep(system, {INSTANCES: [1, 2, 4]}, runs=4, jobs=1)
    ax = charts.over_values(found, "consumers.work", "wait_mean")
    assert isinstance(ax, Axes)
    title = ax.get_title(loc="left").replace("\n", " ")
    assert title.startswith("work, wait mean: from")
    assert "(instances = 4)" in title.split(" to ")[0]
    assert ax.get_ylabel() in ("wait mean (ms)", "wait mean (s)")
    with pytest.raises(KeyError, match="wait_mean"):
        charts.over_values(found, "consumers.work", "wait_maen")


def test_one_run_has_no_interval_in_its_chart(system: System) -> None:
    ax = charts.over_values(sweep(system, {INSTANCES: [1, 2]}, runs=1, jobs=1), "consumers.work", "wait_mean")
    (points,) = ax.containers
    (bars,) = points.lines[2]
    assert all(low[1] == high[1] for low, high in bars.get_segments())
    assert "in one run" in ax.get_title(loc="left").replace("\n", " ")


def made(instance: int) -> OwnProcess:
    """A process that stops an instance, with its number in a closure."""

    def stop(sim: Simulation, parts: Parts) -> Generator[Event, object, None]:
        yield sim.timeout(float(instance))

    return stop


def test_processes_that_differ_in_what_they_hold_are_other_contents(system: System) -> None:
    contents = {content_of(System(processes=own, **system.to_dict())) for own in ([made(1)], [made(2)], [])}
    assert len(contents) == 3


def test_two_numbers_that_are_varied_make_a_map(system: System) -> None:
    bounded = system.with_({"slos": [{"component": "consumers.work", "metric": "wait_mean", "below": 1.0}]})
    rate = "producers.web.arrivals.rate"
    plane = sweep(bounded, {INSTANCES: [1, 2], rate: [10.0, 20.0, 30.0]}, runs=2, jobs=1)
    figures = charts.sweep_figures(plane)
    assert set(figures) == {"consumers.work.wait_mean", "consumers.work.wait_mean-map"}
    line = sweep(bounded, {INSTANCES: [1, 2], rate: [10.0, 20.0]}, runs=2, jobs=1, zipped=True)
    assert set(charts.sweep_figures(line)) == {"consumers.work.wait_mean"}
