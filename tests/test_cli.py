"""The command line: exit status, messages without tracebacks, and files only where a run was finished."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from made_results import outage_result
from typer.testing import CliRunner

import simulator.replication
from experiments.lab import charts, cli, console, output
from experiments.lab.cli import app
from experiments.lab.commands import options
from simulator.replication import Interrupted
from simulator.results import Result

TINY = """
name = "tiny"
[run]
duration = "20s"
warmup = "2s"
runs = 2
seed = 3
[producers.web]
topic = "orders"
arrivals = { process = "poisson", rate = 20 }
[dependencies.bank]
latency = "5ms"
[consumers.pay]
topic = "orders"
service = { dist = "exponential", mean = "10ms" }
dependencies = ["bank"]
publishes = [{ topic = "paid" }]
redelivery = { through = "retry_topic", max_deliveries = 2 }
dead_letter = { topic = "orders.dlq" }
[consumers.mail]
topic = "paid"
instances = 2
[[faults]]
name = "bank away"
target = "dependencies.bank"
kind = "outage"
at = "5s"
for = "2s"
[[faults]]
name = "too late"
target = "consumers.mail"
kind = "crash"
at = "1m"
for = "2s"
[[slos]]
component = "consumers.pay"
metric = "lag_max"
below = 1
"""

TABLES = ("summary.json", "summary.csv", "books.csv", "slos.csv", "runs.parquet", "series.parquet", "manifest.json")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a small scenario in an otherwise empty working folder; charts are not drawn."""
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charts, "figures", lambda result: {})
    return "tiny.toml"


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def instead_of_running(monkeypatch: pytest.MonkeyPatch, outcome: Callable[[], Result]) -> None:
    monkeypatch.setattr(simulator.replication, "replicate", lambda *_, **__: outcome())


def stopped_with(result: Result | None) -> Callable[[], Result]:
    def stop() -> Result:
        raise Interrupted([result])

    return stop


def left(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_run_prints_tables_and_leaves_its_files(tiny: str) -> None:
    status, shown, _ = edasim("run", tiny, "--jobs", "1")
    assert status == 0
    for text in ("consumers.pay", "95 % interval", "(balanced)", "violated   consumers.pay lag_max below 1"):
        assert text in shown
    assert set(left("edasim-out/tiny")) == {*TABLES, "charts"}
    assert json.loads(Path("edasim-out/tiny/summary.json").read_text())["runs"] == 2


def test_a_manifest_repeats_the_run_to_the_last_bit(tiny: str) -> None:
    edasim("run", tiny, "--jobs=1", "--seed=11", "--runs=3", "--set", "consumers.pay.concurrency=2", "--out=a")
    status, _, _ = edasim("run", "a/manifest.json", "--jobs", "1", "--out", "b")
    assert status == 0
    for name in TABLES:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    manifest = json.loads(Path("a/manifest.json").read_text())
    assert (manifest["seed"], manifest["runs"], manifest["scenario"]["consumers"]["pay"]["concurrency"]) == (11, 3, 2)


def test_a_trace_is_kept_when_asked_for(tiny: str) -> None:
    edasim("run", tiny, "--jobs", "1", "--runs", "1", "--trace")
    assert "events.parquet" in left("edasim-out/tiny")


def test_a_violated_objective_fails_the_command_only_when_asked(tiny: str) -> None:
    assert edasim("run", tiny, "--jobs", "1")[0] == 0
    assert edasim("run", tiny, "--jobs", "1", "--fail-on-slo")[0] == 1
    assert edasim("run", tiny, "--jobs", "1", "--fail-on-slo", "--set", "slos[0].below=1e6")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.toml"], "missing.toml"),
        (["run", "tiny.toml", "--set", "consumers.pay.instances=0"], "consumers.pay.instances"),
        (["run", "tiny.toml", "--set", "consumers.pay.instanzes=2"], 'did you mean "instances"'),
        (["run", "tiny.toml", "--set", "consumers.pay"], "must be PATH=VALUE"),
        (["run", "tiny.toml", "--runs", "many"], "run.runs"),
        (["run", "tiny.toml", "--runs", "auto"], "precision_metric"),
        (["run", "tiny.toml", "--jobs", "0"], "--jobs 0: must be a number of processes"),
        (["run", "tiny.toml", "--jobs", "-2"], "--jobs -2: must be a number of processes"),
        (["run", "tiny.toml", "--runs", "-1"], "tiny.toml: run.runs: found -1"),
        (["run", "tiny.toml", "--seed", "-1"], "tiny.toml: run.seed: found -1"),
        (["run", "tiny.toml", "--set", "a" + ".a" * 5000 + "=1"], "must have at most 100 names"),
        (["run", "tiny.toml", "--set", "x" * 5000], "xxx...: must be PATH=VALUE"),
        (["run", "tiny.toml", "--set=run.warmup=auto", "--set=producers.web.arrivals.limit=1"], "tiny.toml: run.warmup"),
        (["run", "two\nlines.toml"], "two?lines.toml: no such file"),
        (["run", "tiny.toml", "--out", "n" * 300], "cannot be a folder"),
        (["run", "tiny.toml", "--out", "new/" + "n" * 300], "cannot be a folder"),
        (["run", "tiny.toml", "--out", "tiny.toml"], "is a file"),
        (["run", "tiny.toml", "--out", "."], "holds other files"),
        (["check", "tiny.toml", "--set", "slos[3].below=1"], "slos"),
        (["run", "tiny.toml", "--no-such-option"], "No such option"),
    ],
)
def test_bad_input_is_status_2_and_nothing_is_written(tiny: str, arguments: list[str], message: str) -> None:
    status, _, complaint = edasim(*arguments)
    assert status == 2
    assert message in complaint
    assert "Traceback" not in complaint
    assert left() == [tiny]


def test_every_problem_has_a_line_of_its_own(tiny: str) -> None:
    _, _, complaint = edasim("check", tiny, "--set", "consumers.pay.instances=0", "--set", "run.seed='x'")
    assert len(complaint.splitlines()) == 2


def test_an_interrupt_keeps_what_was_finished(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_running(monkeypatch, stopped_with(outage_result(runs=2)))
    status, _, said = edasim("run", tiny)
    assert status == 130
    assert "what was finished (2 runs) is in edasim-out/tiny" in said
    assert json.loads(Path("edasim-out/tiny/manifest.json").read_text())["runs"] == 2


def test_an_interrupt_before_any_run_is_finished_leaves_nothing(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_running(monkeypatch, stopped_with(None))
    status, _, said = edasim("run", tiny)
    assert (status, left()) == (130, [tiny])
    assert "nothing was written" in said


def test_an_interrupt_while_charts_are_drawn_keeps_the_tables(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(result: Result) -> None:
        raise KeyboardInterrupt

    instead_of_running(monkeypatch, lambda: outage_result(runs=1))
    monkeypatch.setattr(charts, "figures", stop)
    status, shown, said = edasim("run", tiny, "--out", "out")
    assert status == 130
    assert "what was finished (1 run, no charts) is in out" in said
    assert "charts:" not in shown
    assert set(left("out")) == set(TABLES)
    assert left() == ["out", tiny]


def test_an_interrupt_while_tables_are_written_leaves_nothing(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(result: Result) -> None:
        raise KeyboardInterrupt

    instead_of_running(monkeypatch, lambda: outage_result(runs=1))
    monkeypatch.setattr(output, "summary_of", stop)
    status, _, said = edasim("run", tiny)
    assert (status, said) == (130, "Interrupted\n")
    assert left() == [tiny]


def test_an_interrupt_before_the_command_has_begun_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    early = typer.Typer()

    @early.command()
    def begin() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", early)
    monkeypatch.setattr(sys, "argv", ["edasim"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_asked_to_end_leaves_nothing_half_done(tiny: str, end: signal.Signals) -> None:
    script = "from experiments.lab.cli import main; print('ready', flush=True); main()"
    command = [sys.executable, "-c", script, "run", tiny, "--jobs=2"]
    command += ["--runs=1000", "--set=run.duration=5m", "--set=faults=[]", "--out=new/out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(2)
        process.send_signal(end)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert left() in ([tiny], ["new", tiny])
    assert left() == [tiny] or set(left("new/out")) >= set(TABLES)


def test_no_more_processes_are_started_than_are_of_use() -> None:
    assert options.processes(99, 1) == options.processes(-1, 1) == options.processes(1, "auto") == 1
    assert options.processes(10**9, 10**9) == options.processes(-1, "auto") >= 1


def test_output_that_nobody_takes_is_told_in_one_line(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(console, "show", full)
    instead_of_running(monkeypatch, lambda: outage_result(runs=1))
    status, _, said = edasim("run", tiny)
    assert (status, said) == (2, "edasim: [Errno 28] No space left on device\n")


def test_check_shows_who_talks_to_whom_and_what_never_happens(tiny: str) -> None:
    status, shown, _ = edasim("check", tiny)
    assert status == 0
    lines = [line.strip("│├└─ ") for line in shown.splitlines()]
    path = ["producers.web", "topics.orders", "consumers.pay (1 instance)", "calls dependencies.bank", "topics.paid"]
    assert [line for line in lines if line in path] == path
    assert "bank away: outage of dependencies.bank, from 5 s for 2 s" in shown
    assert "too late: crash of consumers.mail, from 1 min for 2 s; begins after the end of the run (20 s)" in shown
    assert left() == [tiny]


def test_check_says_what_a_cut_lies_between(tiny: str) -> None:
    both = (
        '[{ name = "split", kind = "partition", between = [["broker"], ["consumers.pay", "producers.web"]], at = 5, for = 2 }]'
    )
    status, shown, _ = edasim("check", tiny, "--set", f"faults={both}")
    assert status == 0
    assert "split: partition between broker and consumers.pay, producers.web, from 5 s for 2 s" in shown
    status, shown, _ = edasim("check", tiny, "--set", f"faults={both}", "--set", "faults[0].one_way=true")
    assert "split: partition that lets nothing pass from broker to consumers.pay, producers.web, from 5 s" in shown


def test_check_names_the_timeout_without_which_a_lost_call_hangs(tiny: str) -> None:
    hangs = "calls may get lost, and one then hangs for 15 min 25 s: set consumers.pay.timeout"
    loss = '[{ name = "lossy", kind = "loss", rate = 0.1, target = "dependencies.bank", at = 5, for = 2 }]'
    scaled = 'consumers.pay.autoscale={ metric = "lag", target = 9, min = 1, max = 3, interval = 5, cooldown = 9 }'
    of_the_third = f"faults={loss.replace('dependencies.bank', 'consumers.pay[2] -> dependencies.bank')}"
    for changes in (["network.loss=0.1"], [f"faults={loss}"], [scaled, of_the_third]):
        check = ["check", tiny, *(word for change in changes for word in ("--set", change))]
        status, shown, _ = edasim(*check)
        assert status == 0
        assert hangs in " ".join(shown.replace("│", " ").split())
        _, shown, _ = edasim(*check, "--set", "consumers.pay.timeout=1")
        assert "hangs" not in shown


def test_schema_is_a_json_schema_of_a_scenario() -> None:
    status, shown, _ = edasim("schema")
    assert status == 0
    assert {"run", "producers", "consumers", "faults"} <= json.loads(shown)["properties"].keys()


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-c", "from experiments.lab.cli import main; main()", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_help_does_not_wait_for_heavy_libraries() -> None:
    heavy = "{'pandas', 'matplotlib', 'scipy', 'simpy', 'pydantic'}"
    code = f"import sys, experiments.lab.cli; assert not {heavy} & set(sys.modules), sys.modules.keys() & {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_automatic_runs_are_told_with_the_precision_that_they_gave(tiny: str) -> None:
    asked = ["--runs", "auto", "--set", 'run.precision_metric="consumers.pay:processed"', "--set", "run.precision=0.3"]
    status, _, said = edasim("run", tiny, *asked, "--jobs", "1", "--out", "out")
    assert status == 0
    assert "runs give consumers.pay:processed to within" in said
    assert "(asked for 30 %)" in said
