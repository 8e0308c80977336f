"""Planning: the value that is found is the right one, what is not sure does not count, and every refusal says why."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from experiments import charts, plan
from experiments.lab.cli import app
from experiments.lab.commands import plan as command
from experiments.lab.erlang import Station, station_of
from experiments.lab.output import refusal, write_plan
from experiments.lab.plan import Plan
from experiments.lab.search import MOST_TRIED, search
from experiments.lab.sizes import sizes_of
from models import System
from models.errors import BadScenario
from simulator.replication import Interrupted

Tables = dict[str, Any]
SIZE = "consumers.c.instances"
RATE = "producers.p.arrivals.rate"
MU = 10.0


def station(rate: float = 8.0, slos: Sequence[Tables] = (), duration: float = 60.0, **consumer: Any) -> System:
    """M/M/c with a service of 0.1 s."""
    service = {"dist": "exponential", "mean": 1 / MU}
    return System.from_dict(
        {
            "name": "station",
            "run": {"duration": duration, "warmup": duration / 10, "runs": 10, "seed": 5},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": float(rate)}}},
            "consumers": {"c": {"topic": "t", "prefetch": 1, "service": service, **consumer}},
            "slos": list(slos),
        }
    )


def slo(metric: str, **bound: Any) -> Tables:
    return {"component": "consumers.c", "metric": metric, **bound}


# -- the right answer --------------------------------------------------------------------------------------------------


def mean_wait(offered: float, servers: int) -> float:
    """Seconds that an event waits in M/M/c on average: Erlang's formula as it is written, infinite where it cannot keep up."""
    if offered >= servers:
        return math.inf
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**n / math.factorial(n) for n in range(servers)) + last) / (servers - offered) / MU


GRID = [
    (offered, servers)
    for offered, fewest in (
        (0.6, 1),
        (0.8, 1),
        (1.5, 2),
        (2.4, 3),
        (3.2, 4),
        (4.8, 6),
        (6.3, 8),
        (9.0, 11),
        (13.0, 16),
        (20.0, 24),
    )
    for servers in (fewest, fewest + 1)
]
"""Offered loads, and the number of servers that is to be found: the fewest that keep up well, or one more."""

FEW = GRID[1:6:4]


def finds_the_exact_number(offered: float, servers: int) -> None:
    enough, short = mean_wait(offered, servers), mean_wait(offered, servers - 1)
    bound = min(math.sqrt(enough * short), 2 * enough)
    assert enough < 0.75 * bound, "the bound is far from both"
    assert short > 1.3 * bound, "the bound is far from both"
    system = station(offered * MU, [slo("wait_mean", below=bound)], duration=max(40.0, 3000 / (offered * MU)))
    found = plan(system, {SIZE: (max(1, servers - 3), servers + 5)}, jobs=1)
    assert (found.value, found.exact, found.monotone) == (servers, servers, True)


@pytest.mark.parametrize(("offered", "servers"), FEW)
def test_the_number_of_servers_is_the_one_of_erlang(offered: float, servers: int) -> None:
    finds_the_exact_number(offered, servers)


@pytest.mark.long
@pytest.mark.parametrize(("offered", "servers"), GRID)
def test_the_number_of_servers_is_the_one_of_erlang_everywhere(offered: float, servers: int) -> None:
    finds_the_exact_number(offered, servers)


def test_how_much_traffic_can_be_taken_is_found_by_itself() -> None:
    found = plan(station(slos=[slo("wait_mean", below=0.05)], instances=2), {RATE: (4, 19)}, jobs=1, precision=0.1)
    assert found.largest
    assert found.sizes.step == 1
    assert found.exact == max(rate for rate in range(4, 20) if mean_wait(rate / MU, 2) < 0.05)
    assert abs(found.value - found.exact) <= 1
    assert "is too much" in found.answer
    assert found.answer.endswith(f"to within 1; by Erlang C {found.exact:g}")


def test_how_long_an_outage_can_be_survived_is_a_duration() -> None:
    # 8 /s wait for D seconds and are worked off at 40 /s less 8 /s
    away = {"name": "away", "target": "consumers.c", "kind": "pause", "at": 10, "for": 1, "normal": 8, "hold": 1}
    tables = station(instances=4, slos=[slo("lag_max", below=80)]).to_dict() | {"faults": [away]}
    found = plan(System.from_dict(tables), {"faults.away.for": ("2s", "40s")}, jobs=1, largest=True, precision=0.05)
    assert found.sizes.is_duration
    assert found.value == pytest.approx(80 / 8, abs=2)
    assert found.exact is None
    assert f"for {found.value:g} s: c lag_max" in found.answer


# -- closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("servers", [1, 2, 5, 30])
@pytest.mark.parametrize("load", [0.3, 0.9])
def test_erlang_by_recursion_is_erlang_by_sums(servers: int, load: float) -> None:
    offered = load * servers
    queue = Station(offered * MU, 1 / MU, servers, servers)
    assert queue.metric("wait_mean") == pytest.approx(mean_wait(offered, servers), rel=1e-9)
    assert queue.metric("lag_mean") == pytest.approx(offered * MU * (mean_wait(offered, servers) + 1 / MU))
    assert queue.metric("utilization") == pytest.approx(load)


def test_quantiles_are_those_of_the_known_laws() -> None:
    alone = Station(5.0, 0.1, 1, 1)  # M/M/1: latency is exponential of rate 10 - 5, and half of the events wait
    assert alone.metric("latency_p99") == pytest.approx(math.log(100) / 5)
    assert alone.metric("wait_p95") == pytest.approx(math.log(0.5 / 0.05) / 5)
    assert alone.metric("wait_p50") == pytest.approx(0.0)
    equal = Station(10.0, 0.1, 2, 2)  # spare and service rates are the same
    near = Station(10.0 + 1e-5, 0.1, 2, 2)
    assert equal.metric("latency_p99") == pytest.approx(near.metric("latency_p99"), rel=1e-4)


def test_who_cannot_keep_up_waits_for_ever() -> None:
    queue = Station(20.0, 0.1, 2, 2)
    assert queue.metric("wait_mean") == queue.metric("latency_p99") == math.inf
    assert (queue.metric("utilization"), queue.metric("throughput"), queue.metric("lag_max")) == (1.0, 20.0, None)


@pytest.mark.parametrize(
    ("consumer", "servers"),
    [
        ({"instances": 3}, 3),
        ({"instances": 3, "concurrency": 2, "prefetch": 2}, 6),
        ({"instances": 3, "concurrency": 4, "prefetch": 2}, 6),
        ({"concurrency": 4, "prefetch": "unlimited"}, 4),
        ({"concurrency": 4, "prefetch": 2}, 2),
        ({"concurrency": "unlimited", "prefetch": 5}, 5),
        ({"instances": 2, "prefetch": 2}, None),
        ({"concurrency": "unlimited", "prefetch": "unlimited"}, None),
        ({"service": "10ms"}, None),
        ({"transient_failure": 0.1}, None),
        ({"timeout": "1s"}, None),
        ({"acknowledge": "before"}, None),
        ({"poison": 0.1}, None),
        ({"startup": "1s"}, None),
        ({"consumer_timeout": "1s"}, None),
    ],
)
def test_the_formula_holds_only_for_one_shared_line(consumer: Tables, servers: int | None) -> None:
    found = station_of(station(**consumer), "consumers.c")
    assert (found.servers if found else None) == servers


@pytest.mark.parametrize(
    "change",
    [
        {"producers.p.arrivals": {"process": "constant", "rate": 8.0}},
        {"producers.p.arrivals": {"process": "poisson", "rate": 8.0, "size": 2}},
        {"producers.p.arrivals": {"process": "poisson", "rate": 8.0, "stop": "10s"}},
        {"broker.profile": "kafka", "consumers.c.prefetch": None},
        {"faults": [{"name": "f", "target": "consumers.c", "kind": "pause", "at": 1, "for": 1}]},
        {
            "consumers.d": {"topic": "s", "publishes": [{"topic": "t"}]},
            "producers.q": {"topic": "s", "arrivals": {"rate": 1.0}},
        },
    ],
)
def test_the_formula_needs_poisson_arrivals_in_a_queue_without_faults(change: Tables) -> None:
    change = {
        path: {**v, "arrivals": {"process": "poisson", "rate": 1.0}} if path == "producers.q" else v
        for path, v in change.items()
    }
    assert station_of(station(), "consumers.c") is not None
    assert station_of(station().with_(change), "consumers.c") is None


# -- the search --------------------------------------------------------------------------------------------------------


class Scripted:
    """Trials whose verdicts are given: M met, V violated, U undecided; the objective that fails is the first."""

    def __init__(self, script: str) -> None:
        self.script, self.tried, self.ahead = script, set[int](), 0

    def at(self, values: Sequence[int]) -> list[Any]:
        self.tried |= set(values)
        return [self._trial(value) for value in values]

    @property
    def done(self) -> list[Any]:
        return self.at(sorted(self.tried))

    def _trial(self, value: int) -> Any:
        verdict = {"M": "met", "V": "violated", "U": "undecided"}[self.script[value]]
        return SimpleNamespace(
            value=value, verdict=verdict, met=verdict == "met", failing=frozenset() if verdict == "met" else {0}
        )


def searched(script: str, largest: bool | None = None) -> tuple[Any, Scripted]:
    trials = Scripted(script)
    return search(trials, range(len(script)), largest), trials  # type: ignore[arg-type]


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_border_is_found_in_few_steps(bad: int, good: int) -> None:
    if bad + good == 0:
        return
    script = "V" * bad + "M" * good
    found, trials = searched(script, False)
    assert (found.value, found.largest, found.monotone) == (bad if good else None, False, True)
    assert len(trials.tried) <= 2 + math.ceil(math.log2(len(script))) + 3
    found, _ = searched(script[::-1], True)
    assert (found.value, found.largest, found.monotone) == (good - 1 if good else None, True, True)


@given(st.text("MVU", min_size=1, max_size=MOST_TRIED))
def test_what_is_found_meets_the_objectives_and_nothing_tried_before_it_does(script: str) -> None:
    found, trials = searched(script, False)
    before = [value for value in trials.tried if found.value is None or value < found.value]
    assert found.value is None or script[found.value] == "M"
    assert "M" not in {script[value] for value in before}
    if not found.monotone:
        assert trials.tried == set(range(len(script)))
        assert found.value == script.index("M")


@pytest.mark.parametrize(
    ("script", "value", "largest"),
    [("MMMVV", 2, True), ("VVMMM", 2, False), ("MMMMM", 0, False), ("MUUVV", 0, True), ("VUUMM", 3, False), ("U", None, False)],
)
def test_which_end_is_meant_is_found_out(script: str, value: int | None, largest: bool) -> None:
    found, _ = searched(script)
    assert (found.value, found.largest, found.monotone) == (value, largest, True)


def test_a_wish_is_stronger_than_what_was_found_out() -> None:
    assert searched("MMMVV", False)[0].value == 0
    assert searched("MMMMM", True)[0].value == 4


@pytest.mark.parametrize("script", ["VVVMMMVVVVVV", "VVMMMMVMMMMM", "VVMVVMMMMMMM", "VVVMUVVVVUUU"])
def test_verdicts_that_turn_back_make_it_try_everything(script: str) -> None:
    found, trials = searched(script, False)
    assert (found.value, found.monotone) == (script.index("M"), False)
    assert len(trials.tried) == len(script)


def test_of_a_long_row_that_turns_back_a_grid_is_tried() -> None:
    script = "V" * 90 + "M" * 400 + "V" * 510
    found, trials = searched(script, False)
    assert (found.value, found.monotone) == (90, False)
    assert len(trials.tried) < 2 * MOST_TRIED


def test_ends_that_fail_for_different_reasons_leave_a_middle_to_be_found() -> None:
    slos = [slo("utilization", below=0.62), slo("utilization", above=0.5)]  # 15/s: 0.75 of 2, 0.5 of 3, with a bound between
    found = plan(station(16.8, slos), {SIZE: (1, 9)}, runs=4, jobs=1)
    assert (found.value, found.monotone) == (3, False)
    assert [trial.value for trial in found.trials] == list(range(1, 10))
    assert "fail again, so the whole range was tried" in found.answer


# -- what is not sure --------------------------------------------------------------------------------------------------


def test_what_is_undecided_gets_more_runs_and_then_does_not_count() -> None:
    system = station(8, [slo("throughput", above=8.0)], duration=2)  # exactly what arrives
    found = plan(system, {SIZE: (3, 4)}, seed=1, jobs=1)
    assert found.value is None
    assert [(trial.verdict, trial.result.runs) for trial in found.trials] == [("undecided", 200)] * 2
    assert "undecided after 200 runs whether above 8 /s" in found.answer


def test_runs_are_doubled_and_none_is_run_twice() -> None:
    told: list[tuple[int, int]] = []
    system = station(8, [slo("wait_mean", below=0.03)], duration=30)
    found = plan(system, {SIZE: (1, 4)}, runs=3, jobs=1, progress=lambda done, total: told.append((done, total)))
    runs = {trial.result.runs for trial in found.trials}
    assert runs <= {3, 6, 12, 24, 48, 96, 192, 200}
    assert len(runs) > 1
    assert [done for done, _ in told if done] == sorted(done for done, _ in told)
    assert told[-1] == (sum(trial.result.runs for trial in found.trials),) * 2


def test_all_values_have_the_same_luck() -> None:
    found = plan(station(8, [slo("wait_mean", below=0.05)], duration=20), {SIZE: (2, 5)}, runs=2, seed=11, jobs=1)
    assert found.seed == 11
    produced = [[run.metrics[0].value for run in result.measurements[:2]] for result in found.results.values()]
    assert produced == produced[:1] * len(produced)


def test_where_nothing_is_enough_the_nearest_is_told() -> None:
    found = plan(station(50, [slo("wait_mean", below="50ms"), slo("throughput", above=1)]), {SIZE: (1, 4)}, runs=3, jobs=1)
    assert (found.value, found.met, found.exact, found.best.value) == (None, False, None, 4)
    assert found.answer.startswith(
        "no value of instances from 1 to 4 meets the objectives; nearest is 4 instances: c wait_mean"
    )


# -- what is refused ---------------------------------------------------------------------------------------------------

WITH_SLO = station(slos=[slo("wait_mean", below=1)])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({}, "size: found 0 paths"),
        ({SIZE: (1, 2), RATE: (1, 2)}, "size: found 2 paths"),
        ({SIZE: (5, 2)}, f"{SIZE}: found (5, 2); must be a range from a lower to a higher number"),
        ({SIZE: (0, 2)}, f"{SIZE}: found 0"),
        ({SIZE: (1.5, 2)}, f"{SIZE}: found 1.5; must be a whole number"),
        ({SIZE: ("few", "many")}, "must be a range"),
        ({SIZE: (True, 2)}, "must be a range"),
        ({SIZE: (1, math.nan)}, "must be a range"),
        ({"consumers.c.instanzes": (1, 2)}, 'did you mean "instances"'),
        ({"consumers.c.topic": (1, 2)}, "consumers.c.topic: found 1"),
        ({"consumers.x.instances": (1, 2)}, "consumers.x.instances: unknown path"),
        ({"run.seed": (1, 2)}, "run.seed: is the same for every value"),
    ],
)
def test_what_is_no_range_is_refused_by_name(size: Tables, message: str) -> None:
    with pytest.raises(BadScenario) as refused:
        plan(WITH_SLO, size)
    assert message in str(refused.value)


def test_without_objectives_there_is_nothing_to_plan_for() -> None:
    with pytest.raises(BadScenario, match=r"slos: there are none; needed to say which consumers\.c\.instances is enough"):
        plan(station(), {SIZE: (1, 2)})


@pytest.mark.parametrize(
    ("path", "ends", "values", "step"),
    [
        (SIZE, (2, 5), [2, 3, 4, 5], 1),
        (SIZE, (3, 3), [3], 0),
        (RATE, (1, 4), [1, 2, 3, 4], 1),
        (RATE, (1.5, 3), [1.5, 2, 2.5, 3], 0.5),
        ("consumers.c.service", ("30ms", "130ms"), [0.03, 0.04, 0.06, 0.08, 0.1, 0.12, 0.13], 0.02),
        ("consumers.c.service", (0, 0.1), [0, 0.02, 0.04, 0.06, 0.08, 0.1], 0.02),
    ],
)
def test_values_between_the_ends_are_whole_or_round(path: str, ends: Any, values: list[float], step: float) -> None:
    precision = {1: 0.4, 0.02: 0.25}.get(step, 0.4)
    found = sizes_of(station(), path, ends, precision)
    assert list(found.values) == values
    assert found.step == step


def test_a_fine_row_is_as_fine_as_it_says() -> None:
    found = sizes_of(station(), RATE, (100, 2000), 0.01)
    assert (found.step, found.values[:3], found.values[-1]) == (10, (100, 110, 120), 2000)


# -- tables, files, the command ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> Plan:
    slos = [slo("wait_mean", below="30ms"), slo("lag_max", below=1e4)]
    return plan(station(8, slos, duration=30), {SIZE: (1, 6)}, runs=4, jobs=1)


def test_the_table_has_a_row_for_each_value_and_objective(found: Plan) -> None:
    table = found.tried
    assert len(table) == 2 * len(found.trials)
    assert set(table["value"]) == set(found.results)
    waits = table[table["metric"] == "wait_mean"].set_index("value")
    assert (waits.loc[found.value, "mean"] < 0.03) & (waits.loc[found.value, "ci_high"] < 0.03)
    assert waits.loc[2, "expected"] == pytest.approx(mean_wait(0.8, 2))
    assert table.loc[table["metric"] == "lag_max", "expected"].isna().all()
    assert found.answer.split(":")[0] in found._repr_html_()


def test_the_folder_holds_the_plan_whole_and_is_known_as_output(found: Plan, tmp_path: Path) -> None:
    write_plan(found, tmp_path / "out")
    told = json.loads((tmp_path / "out/plan.json").read_text())
    assert (told["path"], told["value"], told["met"]) == (SIZE, found.value, True)
    assert [(each["value"], each["met"]) for each in told["tried"]] == [(each.value, each.met) for each in found.trials]
    for each in told["tried"]:
        assert [one["metric"] for one in each["slos"]] == ["wait_mean", "lag_max"]
        assert {"verdict", "mean", "ci_low", "ci_high", "bound_text", "expected"} <= each["slos"][0].keys()
    assert len(pd.read_csv(tmp_path / "out/plan.csv")) == len(found.tried)
    assert {path.suffix for path in (tmp_path / "out/charts").iterdir()} == {".png", ".svg"}
    assert refusal(tmp_path / "out") is None
    again = System.from_toml(tmp_path / "out/manifest.json")
    assert (again.run.runs, again.run.seed, again.slos) == (4, 5, found.system.slos)


def test_a_folder_is_left_as_it_was_when_it_cannot_be_written(
    found: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(charts, "plan_figures", full)
    with pytest.raises(OSError, match="No space"):
        write_plan(found, tmp_path / "new/out")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small scenario in the folder that commands run in; nothing is drawn."""
    monkeypatch.chdir(tmp_path)
    Path("desk.toml").write_text(station(8, [slo("wait_mean", below=0.05)], duration=20).with_({"name": "desk"}).to_toml())
    Path("aimless.toml").write_text(station().to_toml())
    monkeypatch.setattr(charts, "plan_figures", lambda _: {})
    return "desk.toml"


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["plan", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command_prints_what_was_tried_and_the_answer(desk: str) -> None:
    status, shown, _ = edasim(desk, "--size", f"{SIZE}=1..4", "--runs", "4", "--jobs", "1")
    assert status == 0
    assert "2 instances: c wait_mean" in shown
    assert "1 is not enough: c wait_mean" in " ".join(shown.split())
    told = json.loads(Path("edasim-out/desk/plan.json").read_text())
    assert (told["value"], told["exact"]) == (2, 2)
    status, *_ = edasim(desk, "--size", f"{SIZE}=2..3", "--runs", "4", "--jobs", "1", "--set", "slos=[]", "--out", "other")
    assert (status, Path("other").exists()) == (2, False)


def test_the_command_finds_the_largest_when_asked(desk: str) -> None:
    status, *_ = edasim(desk, "--size", f"{SIZE}=2..3", "--largest", "--runs=2", "--jobs=1", "--out=a")
    assert (status, json.loads(Path("a/plan.json").read_text())["value"]) == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["desk.toml", "--size", SIZE], "must be PATH=LOW..HIGH, such as consumers.payment.instances=2..24"),
        (["desk.toml", "--size", f"{SIZE}=2"], "must be PATH=LOW..HIGH"),
        (["desk.toml", "--size", f"{SIZE}=2.."], "must be PATH=LOW..HIGH"),
        (["desk.toml", "--size", "=2..3"], "must be PATH=LOW..HIGH"),
        (["desk.toml", "--size", f"{SIZE}=3..2"], "must be a range from a lower to a higher number or duration"),
        (["desk.toml", "--size", f"{SIZE}=0..2"], f"desk.toml: {SIZE}: found 0"),
        (["desk.toml", "--size", f"{SIZE}=a..b"], f"desk.toml: {SIZE}: found"),
        (["desk.toml", "--size", "consumers.c.instanzes=2..3"], 'did you mean "instances"'),
        (["aimless.toml", "--size", f"{SIZE}=2..3"], "aimless.toml: slos: there are none"),
        (["desk.toml"], "Missing option"),
    ],
)
def test_bad_input_is_status_2_and_nothing_is_written(desk: str, arguments: list[str], message: str) -> None:
    status, _, complaint = edasim(*arguments)
    assert status == 2
    assert message in complaint
    assert "Traceback" not in complaint
    assert sorted(path.name for path in Path().iterdir()) == ["aimless.toml", "desk.toml"]


def test_an_interrupt_is_status_130_and_leaves_nothing(desk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> Plan:
        raise Interrupted([None])

    monkeypatch.setattr(command, "_planned", stop)
    status, _, said = edasim(desk, "--size", f"{SIZE}=2..3")
    assert status == 130
    assert "Interrupted" in said
    assert not Path("edasim-out").exists()


def test_an_interrupt_while_charts_are_drawn_keeps_the_answer(desk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(charts, "plan_figures", stop)
    status, _, said = edasim(desk, "--size", f"{SIZE}=2..3", "--runs=2", "--jobs=1", "--out=out")
    assert status == 130
    assert "no charts" in said
    assert json.loads(Path("out/plan.json").read_text())["value"] == 2
