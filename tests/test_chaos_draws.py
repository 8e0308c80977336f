"""What a campaign draws: every kind that the components can have, within the bounds that are told, moved by nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from scipy.stats import binomtest

from experiments.lab.chaos_draws import NETWORK, Arsenal
from experiments.lab.chaos_laws import CALM, LATEST, LAWS, LOG_SD, NEUTRAL, WHOLE, Law, law_of, strength_of
from experiments.lab.easing import steps_of
from experiments.lab.fault_words import what
from models import System
from models.errors import BadScenario
from models.fault_checks import fault_problems
from models.faults import KINDS, Fault, Kind

TABLES: dict[str, Any] = {
    "run": {"duration": 220, "warmup": 20, "seed": 5},
    "broker": {"nodes": 3, "replication_factor": 3},
    "producers": {
        "web": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 5}, "instances": 2},
        "desk": {"topic": "orders", "arrivals": {"process": "closed", "clients": 2, "think": 1}},
    },
    "dependencies": {"gateway": {"latency": "20ms"}},
    "consumers": {"pay": {"topic": "orders", "instances": 3, "service": "10ms", "dependencies": ["gateway"]}},
}
SYSTEM = System.from_dict(TABLES)
ARSENAL = Arsenal(SYSTEM)


def drawn(count: int, arsenal: Arsenal = ARSENAL) -> list[Fault]:
    return [fault for number in range(1, count + 1) for fault in arsenal.schedule(2, number)]


@pytest.fixture(scope="module")
def many() -> list[Fault]:
    return drawn(200)


def test_every_kind_of_the_format_has_a_law() -> None:
    assert {law.kind for law in LAWS} == set(get_args(Kind))


@pytest.mark.parametrize(
    ("section", "component"),
    [("consumers", "consumers.pay"), ("dependencies", "dependencies.gateway"), ("producers", "producers.web")],
)
def test_a_component_has_every_kind_that_the_format_gives_it(section: str, component: str) -> None:
    assert set(KINDS[section]) <= ARSENAL.choices[component].keys()


def test_nodes_and_the_network_have_theirs() -> None:
    assert {"crash", "stop", "pause", "power_loss", "slowdown"} <= ARSENAL.choices["broker"].keys()
    assert "partition" in ARSENAL.choices[NETWORK]


def test_what_the_scenario_would_refuse_is_not_drawn(many: list[Fault]) -> None:
    assert "surge" not in ARSENAL.choices["producers.desk"]
    assert not [fault for fault in many if any(fault_problems(0, fault, SYSTEM))]


def test_all_that_can_be_drawn_is(many: list[Fault]) -> None:
    seen = {(fault.kind, fault.silent, fault.one_way) for fault in many}
    choices = [choice for kinds in ARSENAL.choices.values() for found in kinds.values() for choice in found]
    laws = {
        (law.kind, law.fixed.get("silent", False), law.fixed.get("one_way", False)) for law in (each.law for each in choices)
    }
    assert seen == laws
    assert {"consumers.pay", "consumers.pay[0]", "consumers.pay[2]", "broker.nodes[1]"} <= {str(fault.target) for fault in many}


def test_every_component_is_as_likely_as_any_other(many: list[Fault]) -> None:
    counts = Counter(NETWORK if fault.between or "->" in what(fault) else fault.targets[0].partition("[")[0] for fault in many)
    counts["broker"] = counts.pop("broker.nodes") + counts.pop("broker", 0)
    assert len(counts) == len(ARSENAL.choices)
    for component, number in counts.items():
        assert binomtest(number, len(many), 1 / len(counts)).pvalue > 0.01 / len(counts), component


def test_all_members_fail_at_once_as_often_as_is_told(many: list[Fault]) -> None:
    crashes = [fault.target for fault in many if fault.kind in ("crash", "stop", "pause") and "pay" in str(fault.target)]
    assert binomtest(crashes.count("consumers.pay"), len(crashes), WHOLE).pvalue > 0.01


def test_windows_leave_time_before_and_behind_them(many: list[Fault]) -> None:
    step = ARSENAL.clock.step
    for fault in many:
        assert fault.at is not None
        assert fault.for_ is not None
        assert fault.at >= 20 + CALM * 200 - step
        assert fault.at + fault.for_.mean <= 20 + LATEST * 200 + 2 * step
        assert fault.for_.mean >= step


@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{law.kind} {law.strength}")
def test_severities_lie_between_weak_and_strong_and_lengths_have_their_median(law: Law) -> None:
    if law.strength:
        ends = [law.severity(u)[law.strength] for u in (0.0, 0.5, 1.0)]
        middle = math.sqrt(law.weak * law.strong) if law.by_log else (law.weak + law.strong) / 2
        assert ends == pytest.approx([law.weak, middle, law.strong], rel=0.005)
    assert law.length(0.5, 1e9) == pytest.approx(law.median)
    assert law.length(0.5 / 0.97725, law.median * math.exp(2 * LOG_SD)) == pytest.approx(law.median, rel=1e-4)
    assert law.length(0.0, 0.6) == 0.0
    assert law.length(1 - 1e-12, 0.6) <= 0.6


def test_a_fault_does_not_depend_on_how_many_there_are() -> None:
    assert ARSENAL.schedule(4, 7)[:2] == ARSENAL.schedule(2, 7)
    assert Arsenal(System.from_dict(TABLES)).schedule(3, 2) == ARSENAL.schedule(3, 2)
    assert Arsenal(SYSTEM.with_({"run.seed": 6})).schedule(3, 2) != ARSENAL.schedule(3, 2)


def test_names_differ() -> None:
    schedule = ARSENAL.schedule(6, 1)
    assert len({fault.name for fault in schedule}) == 6


def test_a_partition_has_two_sides_of_any_shape(many: list[Fault]) -> None:
    cuts = [fault.between for fault in many if fault.between]
    assert all(one and other for one, other in cuts)
    named = {path for cut in cuts for side in cut for path in side}
    assert {"consumers.pay", "consumers.pay[1]", "producers.web", "broker.nodes", "broker.nodes[2]"} <= named


def test_a_system_in_which_nothing_can_fail_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Arsenal, "allows", lambda self, fault: False)
    with pytest.raises(BadScenario, match="faults: none can be drawn"):
        Arsenal(SYSTEM).schedule(1, 1)


# -- smaller faults ----------------------------------------------------------------------------------------------------


def smaller(fault: Fault) -> Iterator[Fault]:
    for step in steps_of(ARSENAL):
        yield from step(fault)


def test_a_smaller_fault_is_one_that_the_system_can_have_and_is_smaller(many: list[Fault]) -> None:
    for fault in many:
        for each in smaller(fault):
            assert ARSENAL.allows(each), what(each)
            assert each.name == fault.name
            assert size(each) < size(fault), (what(fault), what(each))


def size(fault: Fault) -> float:
    """Members times seconds times distance from doing nothing."""
    assert fault.for_ is not None
    if fault.between is not None:
        members: float = len(fault.between[0]) + len(fault.between[1])
    else:
        members = len(ARSENAL.members(str(fault.target))) or 1
    name = law_of(fault).strength
    return members * fault.for_.mean * (abs(strength_of(fault, name) - NEUTRAL[name]) if name else 1.0)


def test_the_steps_of_a_fault() -> None:
    given = {"name": "x", "kind": "slowdown", "target": "consumers.pay", "at": 100, "for": 20, "factor": 5}
    slow = Fault.model_validate(given)
    assert [what(each) for each in smaller(slow)][:3] == [f"slowdown x5 of consumers.pay[{number}]" for number in range(3)]
    windows = [(each.at, each.for_.mean) for each in smaller(slow) if each.for_ and each.for_.mean < 20]
    assert windows == [(100, 10), (110, 10)]
    assert [each.factor for each in smaller(slow)][-1] == 3


def test_shrinking_ends() -> None:
    for fault in drawn(40):
        steps = 0
        least = fault
        while more := next(smaller(least), None):
            least, steps = more, steps + 1
            assert steps < 40, what(fault)
