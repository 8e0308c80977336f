"""Alerts fire and clear when their condition says so, to the instant, and are judged by what they tell of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_records import NAN, made_group, made_journey, made_system
from played import Tables, fault

from experiments.lab.console import QuietConsole, show
from experiments.lab.output import write_run
from models import System
from models.alerts import Alert
from models.errors import BadScenario
from models.measures import measure
from models.record import CLOSED, HALF_OPEN, OPEN, FaultRecord, SystemRecord
from simulator import replicate
from simulator.results import Measurement, Result
from simulator.statistics import mean_interval, poisson_interval

PAYMENT = "consumers.payment"


def alert(metric: str, above: float, lasting: float = 0.0, component: str = "consumers.c", name: str = "a") -> Tables:
    return {"name": name, "component": component, "metric": metric, "above": above, "for": lasting}


def paused(*alerts: Tables, faults: tuple[Tables, ...] = (fault("pause", 10.0, 10.0),), **run: object) -> Result:
    """One event a second from 1 s on, half a second of work each, and a consumer that stands still from 10 to 20 s."""
    tables = {
        "run": {"duration": 40.0, "runs": 1, **run},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 1.0}}},
        "consumers": {name: {"topic": "t", "service": 0.5} for name in ("c", "d")},
        "faults": list(faults),
        "alerts": list(alerts),
    }
    return replicate(System.from_dict(tables))


def firings(result: Result) -> list[tuple[float, float]]:
    rows = result.alerts
    return list(zip(rows["fired"].round(6).tolist(), rows["cleared"].round(6).tolist(), strict=True))


def of_record(alert: Alert, *journeys: object, **given: object) -> list[tuple[float, float]]:
    """When an alert fired and cleared in a record of 200 s made by hand."""
    group = made_group(*journeys, **given)  # type: ignore[arg-type]
    table = measure(made_system(group, duration=200.0, alerts=[alert])).tables["alerts"]
    return list(zip(table["fired"], table["cleared"], strict=True))


def values(measured: Measurement, component: str) -> dict[str, float]:
    return {each.metric: each.value for each in measured.metrics if each.component == component}


def test_lag_fires_at_the_arrival_that_raises_it_and_clears_at_the_effect_that_lowers_it() -> None:
    # Events 10, 11, ... wait: the fourth arrives at 13 s. From 20 s one goes every half second and one comes every second.
    assert firings(paused(alert("lag", 3))) == [(13.0, 27.5)]
    assert firings(paused(alert("lag", 3.9))) == [(13.0, 27.5)]


def test_an_alert_fires_once_its_condition_has_held_for_its_time_and_clears_at_once() -> None:
    assert firings(paused(alert("lag", 3, 2.0))) == [(15.0, 27.5)]
    assert firings(paused(alert("lag", 3, 14.25))) == [(27.25, 27.5)]


def test_a_condition_that_ends_when_its_time_is_up_never_fires() -> None:
    assert firings(paused(alert("lag", 3, 14.5))) == []
    # Without trouble there is one event in lag for the first half of every second.
    assert firings(paused(alert("lag", 0, 0.5), faults=())) == []
    short = firings(paused(alert("lag", 0, 0.25), faults=()))
    assert short == [(n + 0.25, n + 0.5) for n in range(1, 40)]


def test_age_fires_when_the_oldest_event_has_become_so_old() -> None:
    # Event 10 is 5 s old at 15 s; event 20 is, from 25 s to its effect at 25.5 s; event 21 only at its effect.
    assert firings(paused(alert("lag_seconds", 5.0))) == [(15.0, 25.5)]
    assert firings(paused(alert("lag_seconds", 5.0, 10.25))) == [(25.25, 25.5)]


def test_what_still_fires_at_the_end_has_not_cleared() -> None:
    ((fired, cleared),) = firings(paused(alert("lag", 3), faults=(fault("pause", 10.0, 100.0),)))
    assert fired == 13.0
    assert math.isnan(cleared)


def test_an_alert_fires_in_the_warm_up_but_is_counted_after_it() -> None:
    result = paused(alert("lag", 3), warmup=20.0)
    assert firings(result) == [(13.0, 27.5)]
    assert result.value("alerts.a", "firings").mean == 0
    assert result.value("alerts.a", "firing_fraction").mean == pytest.approx(7.5 / 20)


def test_the_error_rate_looks_back_over_a_minute_of_attempts_that_ended() -> None:
    journey = made_journey(
        [1, 2, 3, 4], [20, 30, NAN, NAN], columns={"attempts": [2, 1, 1, 0]},
        failures=[(0, 10.0), (2, 75.0)], retries=[(0, 11.0)],
    )  # fmt: skip
    watched = Alert(name="a", component=PAYMENT, metric="error_rate", above=0.4)
    # 1 of 1 at 10 s, 1 of 2 at 20 s, 1 of 3 at 30 s; 1 of 3 at 75 s, 1 of 2 once 20 s is past, and none from 135 s on.
    assert of_record(watched, journey) == [(10.0, 30.0), (80.0, 135.0)]
    half = Alert(name="a", component=PAYMENT, metric="error_rate", above=0.5)
    assert of_record(half, journey) == [(10.0, 20.0), (90.0, 135.0)]


def test_an_error_rate_that_equals_its_bound_is_not_above_it() -> None:
    ended = [float(n) for n in range(1, 8)]
    journey = made_journey([0.0] * 10, [*ended, NAN, NAN, NAN], failures=[(7, 8.0), (8, 9.0), (9, 10.0)])
    assert of_record(Alert(name="a", component=PAYMENT, metric="error_rate", above=0.3), journey)[0][0] == 61.0
    assert of_record(Alert(name="a", component=PAYMENT, metric="error_rate", above=0.29), journey)[0][0] == 10.0


def test_dead_letters_count_while_they_rest() -> None:
    journey = made_journey(
        [1, 2, 3], [NAN, NAN, NAN], moves=[(0, 10.0), (1, 20.0), (2, 40.0)], redrives=[(0, 30.0)], fades=[(1, 50.0)]
    )
    watched = Alert(name="a", component=PAYMENT, metric="dead_letters", above=1)
    assert of_record(watched, journey) == [(20.0, 30.0), (40.0, 50.0)]
    ((fired, cleared),) = of_record(Alert(name="a", component=PAYMENT, metric="dead_letters", above=0), journey)
    assert fired == 10.0
    assert math.isnan(cleared)


def test_breakers_count_by_the_share_that_is_open() -> None:
    one = (np.array([0.0, 10.0, 30.0, 35.0]), np.array([CLOSED, OPEN, HALF_OPEN, OPEN]))
    other = (np.array([0.0, 20.0, 40.0]), np.array([CLOSED, OPEN, CLOSED]))
    any_open = Alert(name="a", component=PAYMENT, metric="breaker_open", above=0)
    all_open = Alert(name="a", component=PAYMENT, metric="breaker_open", above=0.5)
    journey = made_journey([1], [2])
    assert of_record(all_open, journey, breakers=[one, other], has_breaker=True) == [(20.0, 30.0), (35.0, 40.0)]
    ((fired, cleared),) = of_record(any_open, journey, breakers=[one, other], has_breaker=True)
    assert fired == 10.0
    assert math.isnan(cleared)


def test_detection_is_the_first_firing_of_an_alert_on_an_affected_group_between_start_and_recovery() -> None:
    faults = (
        fault("pause", 10.0, 10.0),
        fault("pause", 12.0, 12.0),
        fault("pause", 14.0, 10.0),
        fault("pause", 5.0, 1.0, "consumers.d"),
    )
    late, soon = alert("lag", 8, name="late"), alert("lag", 3, name="soon")
    result = paused(late, soon, faults=faults)
    names = [each["name"] for each in faults]
    assert [result.value(f"faults.{name}", "time_to_detect").mean for name in names[:2]] == [3.0, 1.0]
    # `soon` fires already when the third begins, so `late` tells of it, at 18 s; the fourth is of a group without alerts.
    assert result.value(f"faults.{names[2]}", "time_to_detect").mean == 4.0
    assert [result.value(f"faults.{name}", "detected_share").mean for name in names] == [1.0, 1.0, 1.0, 0.0]
    assert result.value(f"faults.{names[3]}", "time_to_detect").n == 0


def test_a_fault_that_nothing_tells_of_has_no_time_to_detect() -> None:
    result = paused(alert("lag", 1000))
    assert result.value("faults.pause of consumers.c at 10.0", "time_to_detect").n == 0
    assert result.value("faults.pause of consumers.c at 10.0", "detected_share").mean == 0.0


def test_without_alerts_nothing_is_said_of_detection() -> None:
    assert not {"time_to_detect", "detected_share"} & set(paused().summary["metric"])


def dented(faults: list[FaultRecord]) -> SystemRecord:
    """Lag of one for a second at 20, 70, 100 and 150 s."""
    starts = [20.0, 70.0, 100.0, 150.0]
    watched = Alert(name="a", component=PAYMENT, metric="lag", above=0)
    group = made_group(made_journey(starts, [start + 1 for start in starts]))
    return made_system(group, duration=180.0, warmup=30.0, faults=faults, alerts=[watched])


def outage(*windows: tuple[float, float], normal: float | None = None) -> FaultRecord:
    found = [(PAYMENT, start, end) for start, end in windows]
    return FaultRecord(name="faults.f", targets=[PAYMENT], windows=found, affected=[PAYMENT], hold=1.0, normal=normal)


def test_false_alarms_are_the_firings_outside_of_every_disturbance_by_the_days_of_that_time() -> None:
    quiet = values(measure(dented([])), "alerts.a")
    assert quiet["firings"] == 3
    assert quiet["firing_fraction"] == pytest.approx(3 / 150)
    assert quiet["false_alarms_per_day"] == pytest.approx(3 * 86_400 / 150)
    # From 69.5 s to recovery at 71 s, and from 95 to 102 s.
    struck = values(measure(dented([outage((69.5, 70.5), (95.0, 102.0), normal=0.0)])), "alerts.a")
    assert struck["firings"] == 3
    assert struck["false_alarms_per_day"] == pytest.approx(1 * 86_400 / (150 - 1.5 - 7.0))


def test_disturbances_of_different_faults_are_taken_together() -> None:
    both = [outage((60.0, 99.0), normal=0.0), outage((90.0, 120.0), normal=0.0)]
    assert values(measure(dented(both)), "alerts.a")["false_alarms_per_day"] == pytest.approx(86_400 / (150 - 60))
    whole = values(measure(dented([outage((10.0, 180.0))])), "alerts.a")
    assert math.isnan(whole["false_alarms_per_day"])


def crossings(above: float, runs: int) -> Result:
    """An M/M/1 queue at load 1/2, watched for more than `above` in the system."""
    tables = {
        "run": {"duration": 2000.0, "warmup": 20.0, "runs": runs, "seed": 11},
        "broker": {"profile": "rabbitmq"},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 2.0}}},
        "consumers": {"c": {"topic": "t", "service": {"dist": "exponential", "mean": 0.25}}},
        "alerts": [alert("lag", above)],
    }
    return replicate(System.from_dict(tables), jobs=1)


def test_false_alarms_of_a_queue_are_its_up_crossings() -> None:
    # An arrival that finds n raises the lag beyond n: rate * P(N = n), and N is geometric with the load.
    result, load, n = crossings(2, 12), 0.5, 2
    found = result.runs_table
    expected = {"false_alarms_per_day": 2.0 * (1 - load) * load**n * 86_400, "firing_fraction": load ** (n + 1)}
    for metric, value in expected.items():
        interval = mean_interval(found[found["metric"] == metric]["value"], 0.99)
        assert interval.ci_low <= value <= interval.ci_high, metric


def test_alarms_that_never_come_have_the_exact_bound() -> None:
    result = crossings(500, 2)
    days = 2 * 1980.0 / 86_400
    rate = result.value("alerts.a", "false_alarms_per_day")
    assert (rate.ci_low, rate.ci_high) == pytest.approx(poisson_interval(0, days))


def test_alerts_are_the_same_on_any_number_of_workers(tmp_path) -> None:
    system = System.from_dict(
        {
            "run": {"duration": 60.0, "runs": 3},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 2.0}}},
            "consumers": {"c": {"topic": "t", "service": {"dist": "exponential", "mean": 0.4}}},
            "alerts": [alert("lag", 2, 0.5), alert("lag_seconds", 1.0, name="b")],
        }
    )
    for jobs in (1, 2):
        write_run(replicate(system, jobs=jobs), system.resolved().to_dict(), tmp_path / str(jobs), drawn=False)
    one, two = ((tmp_path / jobs / "alerts.csv").read_bytes() for jobs in "12")
    assert one == two
    assert one.startswith(b"run,alert,component,metric,fired,cleared\n0,a,consumers.c,lag,")


def test_alerts_go_through_toml_and_paths() -> None:
    tables = {
        "run": {"duration": 60.0},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 2.0}}},
        "consumers": {"c": {"topic": "t", "service": 0.1}},
        "alerts": [alert("lag_seconds", "1m", "30s")],  # type: ignore[arg-type]
        "slos": [{"component": "alerts.a", "metric": "false_alarms_per_day", "below": 1.0}],
    }
    system = System.from_dict(tables)
    assert (system.alerts[0].above, system.alerts[0].for_) == (60.0, 30.0)
    assert System.from_dict(system.to_dict()) == system
    assert system.with_({"alerts[0].for": "2m"}).alerts[0].for_ == 120.0
    with pytest.raises(BadScenario, match=r"alerts\[0\]\.above"):
        system.with_({"alerts[0].above": -1})


def test_the_console_shows_how_often_alerts_fired_and_how_soon_they_told(capsys) -> None:
    result = paused(alert("lag", 3, name="lagging"))
    screen = QuietConsole(markup=False, emoji=False, highlight=False, width=100)
    show(screen, result, [], "out")
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("lagging")]
    assert row[:6] == ["lagging", "1", "36.2", "%", "0", "/d"]
    (row,) = [line.split() for line in lines if line.startswith("pause of")]
    assert row[-2:] == ["3", "s"]
