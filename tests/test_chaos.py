"""Chaos campaigns: what is planted is found and nothing else, what is written repeats, and every refusal says why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments import chaos
from experiments.lab import chaos as lab
from experiments.lab.campaign import Campaign, in_violation, outcome_of, recovery
from experiments.lab.chaos_draws import Arsenal, Schedule, with_faults
from experiments.lab.easing import steps_of
from experiments.lab.fault_words import changes, in_words
from experiments.lab.hypotheses import Hypothesis, hypotheses_of
from experiments.lab.output import write_campaign
from experiments.lab.trials import Effort
from models import System
from models.errors import BadScenario
from models.faults import Fault
from models.slos import Slo
from simulator.replication import replicate
from simulator.results import Measure, Measurement

Tables = dict[str, Any]
LAG = "consumers.pay:lag_seconds_max<20s"
LOSS = "system:loss_rate<0.000001"


def desk(**further: Any) -> Tables:
    """Four workers that wait for a gateway as long as it takes; what stops them for D seconds makes a lag of D seconds."""
    return {
        "name": "desk",
        "run": {"duration": 100, "warmup": 10, "seed": 5, "runs": 3},
        "broker": {"profile": "rabbitmq"},
        "producers": {"web": {"topic": "orders", "arrivals": {"process": "constant", "rate": 5}}},
        "dependencies": {"gateway": {"latency": "20ms"}},
        "consumers": {
            "pay": {
                "topic": "orders", "instances": 4, "prefetch": 1, "service": "10ms", "dependencies": ["gateway"],
                "retry": {"max_attempts": 100_000, "backoff": "fixed", "base": "200ms"},
            }
        },
        **further,
    }  # fmt: skip


def shop(acks: str) -> System:
    """A partition that node 0 leads of three nodes, whose copies take a while."""
    return System.from_dict(
        {
            "name": "shop",
            "run": {"duration": 60, "warmup": 5, "seed": 2, "drain": True},
            "broker": {
                "nodes": 3, "replication_factor": 3, "min_insync_replicas": 2, "replication_lag": "500ms", "detection_time": 1,
            },
            "producers": {"web": {"topic": "orders", "arrivals": {"process": "constant", "rate": 10}, "acks": acks}},
            "consumers": {"pay": {"topic": "orders", "instances": 2, "service": "5ms", "dead_letter": {"topic": "dead"}}},
        }
    )  # fmt: skip


def fault(name: str, kind: str, target: str, at: float, lasting: float, **further: Any) -> Fault:
    return Fault.model_validate({"name": name, "kind": kind, "target": target, "at": at, "for": lasting, **further})


def ground_of(system: System, *hypotheses: str) -> lab.Ground:
    return lab.Ground.of(system, hypotheses, Effort(1, system.seed, 1))


def smallest(ground: lab.Ground, schedule: Schedule) -> Schedule:
    (outcome,) = ground.outcomes([schedule])
    assert outcome.violated
    (found,) = ground.shrunk([outcome], Arsenal(ground.system))
    assert found.whole
    return found.parts


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return chaos(System.from_dict(desk()), faults=2, runs=8, hypothesis=[LAG, "consumers.pay:availability>0.5"], jobs=1)


@pytest.fixture(scope="module")
def folder(campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("chaos") / "out"
    write_campaign(campaign, out)
    return out


# -- what is planted is found ------------------------------------------------------------------------------------------


def test_an_outage_that_is_long_enough_is_all_that_is_left_of_five_faults() -> None:
    planted = fault("long", "outage", "dependencies.gateway", 30, 30)
    others = (
        fault("one", "crash", "consumers.pay[1]", 25, 8),
        fault("slow", "slowdown", "dependencies.gateway", 62, 5, factor=3),
        fault("more", "surge", "producers.web", 20, 6, factor=1.5),
        fault("short", "outage", "dependencies.gateway", 15, 4),
    )
    ground = ground_of(System.from_dict(desk()), LAG)
    assert smallest(ground, (*others[:2], planted, *others[2:])) == (planted,)  # half of it is 15 s, which is borne
    kept = smallest(ground, (others[0], fault("longer", "outage", "dependencies.gateway", 30, 50)))
    assert in_words(kept) == "outage of dependencies.gateway at 30 s for 25 s"
    assert not any(found.violated for found in ground.outcomes([others]))


def test_a_crash_of_the_leader_is_all_that_is_left_of_a_loss() -> None:
    planted = fault("leader", "crash", "broker.nodes[0]", 20, 20)
    others = (
        fault("follower", "crash", "broker.nodes[2]", 10, 4),
        fault("reader", "crash", "consumers.pay", 12, 5),
        fault("more", "surge", "producers.web", 15, 20, factor=2),
    )
    ground = ground_of(shop("leader"), LOSS)
    (kept,) = smallest(ground, (*others, planted))
    assert (kept.name, kept.target, kept.at) == ("leader", "broker.nodes[0]", 20)
    assert not any(found.violated for found in ground_of(shop("all"), LOSS).outcomes([(*others, planted)]))


def test_two_faults_that_only_together_break_the_system_are_both_left() -> None:
    one, two = (fault(f"{n}", "outage", "dependencies.gateway", 20 + 15 * n, 15) for n in (0, 1))
    ground = ground_of(System.from_dict(desk()), LAG)
    kept = smallest(ground, (fault("x", "crash", "consumers.pay[0]", 30, 5), one, two))
    assert {each.name for each in kept} == {"0", "1"}


def test_what_is_left_violates_and_no_further_step_does(campaign: Campaign) -> None:
    ground = ground_of(System.from_dict(desk()), LAG, "consumers.pay:availability>0.5")
    steps = steps_of(Arsenal(ground.system))
    assert campaign.violating
    for ranked in campaign.ranked[:5]:
        broken = set(ranked.outcome.violated)
        if not broken:
            assert ranked.shrunk is None
            continue
        least = ranked.least
        fewer = [least[:place] + least[place + 1 :] for place in range(len(least))]
        easier = [
            (*least[:place], each, *least[place + 1 :])
            for place, kept in enumerate(least)
            for step in steps
            for each in step(kept)
        ]
        first, *others = ground.outcomes([least, *fewer, *easier])
        assert broken & set(first.violated)
        assert not [found for found in others if broken & set(found.violated)]


def test_a_campaign_finds_that_only_a_leader_that_is_missed_loses() -> None:
    found = chaos(shop("leader"), faults=2, runs=16, hypothesis=LOSS, jobs=1, worst=3)
    assert found.finding.startswith(f"{len(found.violating)} of 16 schedules of 2 random faults each violate")
    assert len(found.violating) > 2
    for ranked in found.violating[:3]:
        (kept,) = ranked.least
        assert "broker.nodes[0]" in (*kept.targets, *(kept.between or ((), ()))[0], *(kept.between or ((), ()))[1])
        assert kept.for_ is not None
        assert 1 < kept.for_.mean < 2.5, "it is missed after 1 s, and half of what is left is not enough"


def test_a_system_that_bears_everything_has_no_violation() -> None:
    found = chaos(shop("all"), faults=2, runs=10, hypothesis=LOSS, jobs=1)
    assert found.violating == ()
    assert found.finding == "None of 10 schedules of 2 random faults each violates system loss_rate below 0.0001 %"
    assert not any(each.shrunk for each in found.ranked)
    assert list(found.files) == [f"worst/{rank}" for rank in range(1, 6)]


# -- damage ------------------------------------------------------------------------------------------------------------


def left(slo_violation: float, loss: float, *recoveries: tuple[float, bool]) -> Measurement:
    system = [Measure("system", "slo_violation", "share", slo_violation), Measure("system", "loss_rate", "share", loss)]
    times = [
        Measure(f"faults.{n}", "recovery_time", "s", value, "survival", censored=late)
        for n, (value, late) in enumerate(recoveries)
    ]
    return Measurement((*system, *times), pd.Series(dtype=float).to_numpy(), {})


HYPOTHESIS = Hypothesis(Slo(component="system", metric="loss_rate", below=0.1))


def test_damage_adds_the_shares_of_time_in_violation_of_events_lost_and_of_time_to_recover() -> None:
    system = System.from_dict(desk())  # 90 s are measured
    found = outcome_of((), system, [HYPOTHESIS], left(0.2, 0.05, (9.0, False), (4.5, False), (math.nan, False)))
    assert (found.violated, found.in_violation, found.loss, found.recovery) == ((), 18.0, 0.05, 9.0)
    assert found.damage == pytest.approx(0.2 + 0.05 + 0.1)
    assert (in_violation(found), recovery(found)) == ("18 s", "9 s")


def test_what_has_not_recovered_is_worst_and_what_has_no_value_is_nothing() -> None:
    system = System.from_dict(desk())
    never = outcome_of((), system, [HYPOTHESIS], left(math.nan, 0.2, (1.0, True), (80.0, False)))
    assert never.damage == 0.2 + 1.0
    assert never.violated == (0,)
    assert (in_violation(never), recovery(never)) == ("–", "not by the end")
    nothing = outcome_of((), system, [HYPOTHESIS], left(math.nan, math.nan))
    assert (nothing.damage, nothing.violated, nothing.told) == (0.0, (), ("no value",))


def test_schedules_that_violate_come_first_then_those_that_damage_most(campaign: Campaign) -> None:
    table = campaign.ranking
    assert list(table["rank"]) == list(range(1, 9))
    assert sorted(table["schedule"]) == list(range(1, 9))
    assert list(table["violated"]) == sorted(table["violated"], reverse=True)
    for _, part in table.groupby("violated"):
        assert list(part["damage"]) == sorted(part["damage"], reverse=True)


# -- the same again ----------------------------------------------------------------------------------------------------


def test_every_file_repeats_its_schedule_to_the_last_bit(campaign: Campaign, folder: Path) -> None:
    assert {str(path.relative_to(folder).with_suffix("")) for path in folder.glob("worst/*.toml")} == set(campaign.files)
    for name, schedule in campaign.files.items():
        read = System.from_toml(folder / f"{name}.toml")
        assert read == campaign.scenario(name)
        assert read.faults == schedule
        assert (read.runs, read.seed, read.name) == (1, 5, f"desk-{name.replace('/', '-')}")
        result = replicate(read)
        again = outcome_of(schedule, read, campaign.hypotheses, result.measurements[0])
        if not name.endswith("shrunk"):
            first = campaign.ranked[int(name.rpartition("/")[2]) - 1].outcome
            assert repr(again) == repr(first)
        else:
            assert again.violated


def test_a_file_says_what_it_is_and_what_was_dropped(campaign: Campaign, folder: Path) -> None:
    lines = (folder / "worst/1-shrunk.toml").read_text().splitlines()
    first = campaign.ranked[0]
    assert lines[0] == f"# Schedule {first.number} of 8 of a chaos campaign on desk: rank 1."
    told = [f"# {line}" for line in changes(first.outcome.schedule, first.least)]
    assert lines[3 : 3 + len(told)] == told


def test_files_that_a_scenario_names_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "times.csv").write_text("seconds\n" + "".join(f"{0.01 * n}\n" for n in range(1, 5)))
    tables = desk()
    tables["consumers"]["pay"]["service"] = {"dist": "empirical", "file": "times.csv", "column": "seconds"}
    monkeypatch.chdir(tmp_path)
    found = chaos(System.from_dict(tables), faults=1, runs=1, hypothesis=LAG, jobs=1, worst=1, out="out")
    monkeypatch.chdir(tmp_path.parent)
    read = System.from_toml(tmp_path / "out/worst/1.toml")
    assert read.to_dict() == found.scenario("worst/1").to_dict()
    assert repr(outcome_of(read.faults, read, found.hypotheses, replicate(read).measurements[0])) == repr(
        found.ranked[0].outcome
    )


def test_the_same_campaign_gives_the_same_bytes_on_any_number_of_processes(tmp_path: Path) -> None:
    one, two = (tmp_path / f"{jobs}" for jobs in (1, 2))
    for jobs, out in enumerate((one, two), 1):
        chaos(System.from_dict(desk()), 2, 4, seed=5, hypothesis=LAG, worst=2, jobs=jobs, out=out)
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert [name for name in names if (one / name).read_bytes() != (two / name).read_bytes()] == []


def test_every_schedule_meets_the_same_luck_as_no_fault_at_all(campaign: Campaign) -> None:
    late = fault("late", "crash", "consumers.pay", 500, 1)
    calm, with_late = (replicate(with_faults(campaign.system, each), runs=1) for each in ((), (late,)))
    before = list(calm.measurements[0].metrics)
    assert [m for m in with_late.measurements[0].metrics if m.component != "faults.late"] == before


# -- hypotheses --------------------------------------------------------------------------------------------------------


SLOS = [
    {"component": "consumers.pay", "metric": "latency_p99", "below": "2s"},
    {"component": "faults.away", "metric": "recovery_time", "below": "2s"},
]
AWAY = {"name": "away", "target": "dependencies.gateway", "kind": "outage", "at": 30, "for": 60}


def test_the_objectives_are_the_hypothesis_and_the_own_faults_are_left_out() -> None:
    system = System.from_dict(desk(slos=SLOS, faults=[AWAY]))
    ground = ground_of(system)
    assert [each.text for each in ground.hypotheses] == ["consumers.pay latency_p99 below 2 s"]
    assert ground.system.faults == ()
    assert ground.steady().violated == ()


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("consumers.pay:latency_p99<2", {"metric": "latency_p99", "below": 2.0}),
        ("consumers.pay:latency_p99 < 500ms", {"metric": "latency_p99", "below": 0.5}),
        (" consumers.pay:throughput>3.5", {"metric": "throughput", "above": 3.5}),
        ("lag_max<99", {"metric": "lag_max", "below": 99.0}),
    ],
)
def test_a_hypothesis_is_a_bound(text: str, slo: Tables) -> None:
    (found,) = hypotheses_of(System.from_dict(desk()), [text])
    assert found.slo == Slo(component="consumers.pay", rule="runs", share=1.0, **slo)
    assert hypotheses_of(System.from_dict(desk()), [found.option]) == (found,)


@pytest.mark.parametrize(
    ("hypothesis", "message"),
    [
        ([], "slos: there are none; needed to say what must not break"),
        (["latency=2"], 'hypothesis "latency=2": not a hypothesis; must be [COMPONENT:]METRIC<VALUE'),
        (["consumers.pay:latency_p99=2"], "not a hypothesis"),
        (["latency_p99<2"], "2 components have latency_p99; must be"),
        (["latensy_p99<2"], 'did you mean "latency_p99"'),
        (["consumers.pay:latency_p99<soon"], 'hypothesis "consumers.pay:latency_p99<soon": found'),
        (["consumers.pay:availability<1s"], "availability is not a time"),
        (["consumers.pai:latency_p99<2"], 'did you mean "consumers.pay"'),
        (["consumers.pay:latency_p98<2"], 'did you mean "latency_p99"'),
        (["faults.away:recovery_time<2"], "must not be about a fault"),
        (["consumers.pay:latency_p99<0.001"], "latency_p99 below 1 ms: is violated without any fault (found 30 ms)"),
        (["consumers.pay:lag_committed_max<1"], "has no value without any fault"),
    ],
)
def test_a_hypothesis_that_is_none_is_refused(hypothesis: list[str], message: str) -> None:
    with pytest.raises(BadScenario) as refused:
        chaos(System.from_dict(desk(faults=[AWAY])), 1, 1, hypothesis=hypothesis, jobs=1)
    assert message in str(refused.value)


def test_objectives_that_do_not_hold_without_faults_are_left_out_while_others_do() -> None:
    too_much = {"component": "consumers.pay", "metric": "latency_p50", "below": "1ms"}
    found = chaos(System.from_dict(desk(slos=[too_much, SLOS[0]])), 1, 1, jobs=1)
    assert [each.text for each in found.hypotheses] == ["consumers.pay latency_p99 below 2 s"]
    assert [text.partition(" (")[0] for text in found.left_out] == ["consumers.pay latency_p50 below 1 ms"]
    assert found.system.slos == tuple(each.slo for each in found.hypotheses)
    with pytest.raises(BadScenario, match="latency_p50 below 1 ms: is violated without any fault"):
        chaos(System.from_dict(desk(slos=[too_much])), 1, 1, jobs=1)


def test_only_objectives_about_faults_are_none() -> None:
    with pytest.raises(BadScenario, match="slos: there are none that hold without faults"):
        chaos(System.from_dict(desk(slos=SLOS[1:], faults=[AWAY])), 1, 1, jobs=1)


@pytest.mark.parametrize(
    ("name", "value"), [("faults", 0), ("faults", 101), ("runs", 0), ("runs", "auto"), ("worst", -1), ("seed", -1)]
)
def test_a_number_that_cannot_be_is_refused(name: str, value: object) -> None:
    asked: Tables = {"faults": 1, "runs": 1, "hypothesis": LAG, "jobs": 1, name: value}
    with pytest.raises(BadScenario, match=f"{name}: found {value}; must be a whole number (of at least|from 1 to)"):
        chaos(System.from_dict(desk()), **asked)


def test_a_warm_up_that_is_to_be_found_is_found_once_and_written() -> None:
    tables = desk()
    tables["run"] |= {"warmup": "auto", "runs": "auto", "precision_metric": "consumers.pay:latency_p99"}
    found = chaos(System.from_dict(tables), 1, 1, hypothesis=LAG, jobs=1, worst=1)
    assert isinstance(found.scenario("worst/1").warmup, float)
