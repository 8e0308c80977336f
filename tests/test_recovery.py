"""Recovery is from the end of a fault to the time at which lag is what it was before."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_records import NAN, made_group, made_journey, made_system

from models.measures import measure
from models.record import FaultRecord, GroupRecord

OUTAGE = ("gateway", 100.0, 160.0)


def fault(*windows: tuple[str, float, float], name: str = "outage", **given) -> FaultRecord:
    usual = {"targets": ["gateway"], "affected": ["consumers.payment"], "hold": 30.0, "normal": None}
    return FaultRecord(name=f"faults.{name}", windows=list(windows), **(usual | given))


def busy(*spells: tuple[float, float, int], name: str = "consumers.payment") -> GroupRecord:
    """A group with one event in lag for the first half of every second and, in each spell, as many more as it says."""
    stays = [(float(second), second + 0.5) for second in range(400)]
    stays += [(start, end) for start, end, more in spells for _ in range(more)]
    produced, effect = zip(*sorted(stays), strict=True)
    return made_group(made_journey(produced, [each if each < 400 else NAN for each in effect]), name=name)


def recovery(record, name: str = "outage") -> dict[str, object]:
    return {each.metric: each for each in measure(record).metrics if each.component == f"faults.{name}"}


def values(record, name: str = "outage") -> dict[str, float]:
    return {metric: each.value for metric, each in recovery(record, name).items()}


def test_recovery_is_when_lag_is_back_at_its_normal_level() -> None:
    found = recovery(made_system(busy((100, 200, 50)), duration=400, faults=[fault(OUTAGE)]))
    assert {metric: each.value for metric, each in found.items()} == {
        "occurrences": 1,
        "downtime": 60,
        "peak_lag": 51,
        "recovery_time": 40,
        "recovered_share": 1,
    }
    assert (found["recovery_time"].kind, found["recovery_time"].censored) == ("survival", False)
    assert (found["recovered_share"].kind, found["recovered_share"].exposure) == ("share", 1)


def test_lag_that_never_rose_has_recovered_as_the_fault_ends() -> None:
    found = values(made_system(busy(), duration=400, faults=[fault(OUTAGE)]))
    assert (found["recovery_time"], found["peak_lag"]) == (0, 1)


def test_lag_that_comes_back_within_the_hold_has_not_recovered() -> None:
    group = busy((100, 200, 50), (220, 230, 5))
    assert values(made_system(group, duration=400, faults=[fault(OUTAGE)]))["recovery_time"] == 70
    assert values(made_system(group, duration=400, faults=[fault(OUTAGE, hold=20.0)]))["recovery_time"] == 40


def test_lag_above_a_measured_normal_for_a_twentieth_of_the_hold_does_not_undo_recovery() -> None:
    group = busy((100, 200, 50), (220, 221.4, 5))
    assert values(made_system(group, duration=400, faults=[fault(OUTAGE)]))["recovery_time"] == 40
    given = values(made_system(group, duration=400, faults=[fault(OUTAGE, normal=1.0)]))
    assert given["recovery_time"] == pytest.approx(61.4)


def test_a_given_normal_replaces_the_measured_one() -> None:
    group = busy((100, 200, 50), (100, 180, 50))
    record = made_system(group, duration=400, faults=[fault(OUTAGE, normal=60.0)])
    assert values(record)["recovery_time"] == 20


def test_a_fault_without_recovery_is_censored_with_the_time_to_the_end() -> None:
    found = recovery(made_system(busy((100, 999, 50)), duration=400, faults=[fault(OUTAGE)]))
    assert (found["recovery_time"].value, found["recovery_time"].censored) == (240, True)
    assert found["recovered_share"].value == 0
    endless = fault(("gateway", 100.0, 400.0), hold=0.0)
    assert recovery(made_system(busy(), duration=400, faults=[endless]))["recovery_time"].censored


def test_a_hold_that_the_run_does_not_see_to_its_end_is_no_recovery() -> None:
    record = made_system(busy((100, 200, 50)), duration=229, faults=[fault(OUTAGE)])
    assert recovery(record)["recovery_time"].censored
    record = made_system(busy((100, 200, 50)), duration=229, end=400.0, faults=[fault(OUTAGE)])
    assert recovery(record)["recovery_time"].value == 40


def test_lag_that_falls_soon_after_the_fault_recovers_when_it_has() -> None:
    assert values(made_system(busy((100, 161, 50)), duration=400, faults=[fault(OUTAGE)]))["recovery_time"] == 1


def test_every_affected_group_has_to_recover() -> None:
    groups = busy((100, 200, 50)), busy((150, 260, 20), name="consumers.shipping")
    both = fault(OUTAGE, affected=["consumers.payment", "consumers.shipping"])
    found = values(made_system(*groups, duration=400, faults=[both]))
    assert (found["recovery_time"], found["peak_lag"]) == (100, 51)
    one = fault(OUTAGE, affected=["consumers.shipping"])
    assert values(made_system(*groups, duration=400, faults=[one]))["peak_lag"] == 21


def test_a_window_that_starts_before_recovery_belongs_to_the_same_disturbance() -> None:
    windows = ("a", 100.0, 120.0), ("b", 110.0, 160.0), ("a", 190.0, 210.0)
    found = recovery(made_system(busy((100, 250, 50)), duration=400, faults=[fault(*windows)]))
    assert (found["recovery_time"].value, found["recovered_share"].exposure) == (40, 1)
    assert (found["occurrences"].value, found["downtime"].value) == (3, 20 + 50 + 20)


def test_disturbances_apart_are_averaged_and_the_highest_peak_kept() -> None:
    windows = ("a", 100.0, 120.0), ("a", 200.0, 220.0)
    found = recovery(made_system(busy((100, 130, 50), (200, 250, 9)), duration=400, faults=[fault(*windows)]))
    assert (found["recovery_time"].value, found["peak_lag"].value) == (20, 51)
    assert (found["recovered_share"].value, found["recovered_share"].exposure) == (1, 2)
    found = recovery(made_system(busy((100, 130, 50), (200, 999, 9)), duration=400, faults=[fault(*windows)]))
    assert (found["recovery_time"].value, found["recovery_time"].censored) == ((10 + 180) / 2, True)
    assert found["recovered_share"].value == 0.5
    found = recovery(made_system(busy((100, 999, 9)), duration=400, faults=[fault(*windows)]))
    assert (found["recovery_time"].value, found["recovered_share"].exposure) == (180, 1)


def test_normal_is_measured_where_no_fault_is_active() -> None:
    # Lag is 9 higher while the other fault is active: with that time counted, 10 would be normal.
    other = fault(("x", 10.0, 30.0), name="other")
    group = busy((10, 30, 9), (100, 200, 9))
    assert values(made_system(group, duration=400, faults=[other, fault(OUTAGE)]))["recovery_time"] == 40


def test_without_a_calm_minute_before_the_fault_the_first_one_after_warm_up_is_normal() -> None:
    early = fault(("x", 58.0, 90.0))
    assert values(made_system(busy((58, 120, 9)), duration=400, faults=[early]))["recovery_time"] == 30
    # From 20 to 80 s lag is 9 higher for more than a twentieth of the time: that is then taken as normal.
    assert values(made_system(busy((58, 120, 9)), duration=400, warmup=20.0, faults=[early]))["recovery_time"] == 0


def test_overlapping_windows_of_one_target_are_down_once_and_the_warm_up_is_left_out() -> None:
    windows = ("a", 90.0, 110.0), ("a", 105.0, 120.0), ("b", 105.0, 107.0), ("a", 20.0, 40.0)
    record = made_system(busy(), duration=400, warmup=100.0, faults=[fault(*windows)])
    found = values(record)
    assert (found["occurrences"], found["downtime"]) == (3, 20 + 2)


def test_a_fault_that_did_not_happen_or_touches_no_group_has_no_recovery() -> None:
    for never in (fault(), fault(("x", 500.0, 510.0)), fault(OUTAGE, affected=[])):
        found = recovery(made_system(busy(), duration=400, end=600.0, faults=[never]))
        assert math.isnan(found["recovery_time"].value)
        assert math.isnan(found["peak_lag"].value)
        assert found["recovered_share"].exposure == 0
        assert not found["recovery_time"].censored


def test_fast_noise_around_its_normal_level_recovers() -> None:
    # Lag is above its 95th percentile several times in every hold of 30 s, before the fault as after it.
    rng = np.random.default_rng(1)
    produced = np.sort(rng.uniform(0, 600, 12_000))
    effect = produced + rng.exponential(0.5, len(produced))
    held = (produced > 200) & (produced < 230)
    effect[held] = 230 + (produced[held] - 200) * 0.5
    group = made_group(made_journey(produced, effect))
    found = recovery(made_system(group, duration=600, faults=[fault(("gateway", 200.0, 230.0))]))
    assert found["recovery_time"].censored is False
    assert 13 < found["recovery_time"].value < 30
