"""What autoscaling recommends, for how long that counts, and what it sees: the lag, as it is measured afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from played import Played, Tables, fault
from rich.console import Console

from experiments.lab import erlang, tree
from models import System
from models.autoscale import Autoscale
from models.autoscaling import Autoscaler, Recommendations
from models.errors import BadScenario
from models.footprint import footprint
from models.measures import _measure_lags

TERMS: Tables = {"metric": "lag", "target": 10.0, "min": 1, "max": 5, "interval": 15.0, "cooldown": 60.0}


@pytest.mark.parametrize(
    ("lag", "current", "wanted"),
    [
        (0, 1, 1),  # no fewer than `min`
        (10, 1, 1),
        (12, 1, 2),
        (31, 1, 4),
        (31, 5, 4),
        (51, 1, 5),  # no more than `max`
        (11, 1, 1),  # a tenth above the target for each
        (22, 2, 2),
        (23, 2, 3),
        (36, 4, 4),  # and below
        (35, 4, 4),
        (27, 4, 3),
        (28, 3, 3),
    ],
)
def test_a_target_of_lag_for_each_instance_with_a_tolerance_of_a_tenth(lag: int, current: int, wanted: int) -> None:
    assert Autoscale(**TERMS).recommend(lag, current) == wanted


def test_from_none_as_many_come_as_are_needed() -> None:
    terms = Autoscale(**TERMS | {"min": 0})
    assert [terms.recommend(lag, 0) for lag in (0, 1, 10, 11, 1000)] == [0, 1, 1, 2, 5]
    assert terms.recommend(0, 3) == 0


def decided(lags: list[int], **changes: Any) -> list[int]:
    """What is decided at each look, 15 s apart, by a group of one instance."""
    recommendations, current, found = Recommendations(Autoscale(**TERMS | changes), 1), 1, []
    for look, lag in enumerate(lags, 1):
        current = recommendations.decide(lag, current, 15.0 * look)
        found.append(current)
    return found


def test_up_at_once_and_down_to_the_highest_recommendation_of_the_cooldown() -> None:
    """A recommendation as old as the cooldown counts no more: that of 4 at 15 s is over at 75 s, that of 3 at 30 s at 90 s."""
    assert decided([40, 26, 15, 4, 4, 4, 4, 4]) == [4, 4, 4, 4, 3, 2, 1, 1]


def test_a_single_peak_within_the_cooldown_keeps_everybody() -> None:
    assert decided([40, 4, 4, 40, 4, 4, 4, 4]) == [4] * 7 + [1]


def test_without_a_cooldown_every_recommendation_is_followed() -> None:
    assert decided([40, 4, 40, 15, 4], cooldown=0.0) == [4, 1, 4, 2, 1]


def test_what_there_was_at_the_start_counts_as_recommended_then() -> None:
    recommendations = Recommendations(Autoscale(**TERMS), 4)
    assert [recommendations.decide(0, 4, time) for time in (15.0, 30.0, 45.0, 60.0)] == [4, 4, 4, 1]


# -- what it sees --

BUSY: Tables = {
    "run": {"duration": 40.0},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 12.0}, "poison": 0.05}},
    "consumers": {
        "c": {
            "topic": "t",
            "service": {"dist": "exponential", "mean": 0.25},
            "transient_failure": 0.2,
            "redelivery": {"max_deliveries": 3, "base": 0.5, "through": "retry_topic"},
            "dead_letter": {"topic": "letters", "redrive_after": 2.0, "redrive_times": 2},
            "autoscale": {**TERMS, "target": 4.0, "interval": 0.7, "cooldown": 3.0, "startup": 0.5},
        }
    },
    "faults": [fault("crash", 12.1, 3.0), fault("surge", 20.0, 5.0, "producers.p", factor=2.0)],
}


@pytest.mark.parametrize("profile", ["kafka", "rabbitmq", "sqs"])
def test_the_lag_that_it_sees_is_the_lag_that_is_measured(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, int]] = []
    levels = []
    look = Autoscaler.lag

    def note(scaler: Autoscaler) -> int:
        seen.append((scaler.sim.now, look(scaler)))
        return seen[-1][1]

    def keep(*given: Any) -> Any:
        levels.append(_measure_lags(*given))
        return levels[-1]

    monkeypatch.setattr(Autoscaler, "lag", note)
    monkeypatch.setattr("models.measures._measure_lags", keep)
    topics = {"t": {"partitions": 4} if profile == "kafka" else {}}
    run = Played({**BUSY, "broker": {"profile": profile}, "topics": topics})
    times, lags = zip(*seen, strict=True)
    assert lags == tuple(levels[0].level.at(np.array(times)))
    assert len(set(lags)) > 10
    assert run.value("consumers.c", "redriven") > 0


def test_a_trail_of_how_many_there_are_and_how_many_of_them_work() -> None:
    group = {"topic": "t", "startup": 2.0, "autoscale": {"schedule": [[4.0, 3], [10.0, 1]]}}
    run = Played({"run": {"duration": 12.0}, "producers": BUSY["producers"], "consumers": {"c": group}})
    left = run.result.measurements[0]
    at = dict(zip(left.times.round(2).tolist(), range(len(left.times)), strict=True))
    wanted, working = (left.series["consumers.c", name] for name in ("instances", "instances_running"))
    assert [wanted[at[time]] for time in (0.0, 3.98, 4.0, 9.98, 10.0)] == [1, 1, 3, 3, 1]
    assert [working[at[time]] for time in (0.0, 4.0, 5.98, 6.0, 9.98, 10.0)] == [1, 1, 1, 3, 3, 1]


# -- elsewhere --


def system(**group: Any) -> System:
    service = {"dist": "exponential", "mean": 0.05}
    return System.from_dict(
        {
            "run": {"duration": 60.0},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 12.0}}},
            "consumers": {"c": {"topic": "t", "prefetch": 1, "service": service, **group}},
        }
    )


def test_memory_is_that_of_the_most_instances_that_there_may_be() -> None:
    few, many = footprint(system(instances=4)), footprint(system(autoscale={**TERMS, "max": 4}))
    assert many["consumers.c.autoscale"] == few["consumers.c.instances"]
    timed = footprint(system(autoscale={"schedule": [[10.0, 4], [20.0, 2]]}))
    assert timed["consumers.c.autoscale"] == few["consumers.c.instances"]


def test_there_is_no_closed_form_for_a_group_that_scales() -> None:
    assert erlang.station_of(system(instances=2), "consumers.c") is not None
    assert erlang.station_of(system(instances=2, autoscale=TERMS), "consumers.c") is None


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ({"instances": 2, "autoscale": TERMS}, "consumers.c (2 instances, 1 to 5 by lag)"),
        ({"autoscale": {"schedule": [[0, 3], [30, 1]]}}, "consumers.c (3 instances, 1 from 30 s)"),
    ],
)
def test_check_says_how_many_instances_there_may_be(group: Tables, text: str) -> None:
    console = Console(width=120)
    with console.capture() as said:
        console.print(tree.topology(system(**group)))
    assert text in said.get()


def test_faults_may_name_every_instance_that_there_may_ever_be() -> None:
    def tables(member: int) -> Tables:
        struck = fault("crash", 10.0, 5.0, f"consumers.c[{member}]")
        return {**system(autoscale=TERMS).to_dict(), "faults": [struck]}

    System.from_dict(tables(4))
    with pytest.raises(BadScenario, match=r"found instance 5 of 5; must be below 5"):
        System.from_dict(tables(5))


@pytest.mark.parametrize("terms", [TERMS, {"schedule": [[0.0, 2], [90.0, 4]]}])
def test_it_is_the_same_after_a_file(terms: Tables) -> None:
    written = system(instances=2, autoscale=terms)
    assert System.from_dict(written.to_dict()) == written
    assert written.with_({"run.seed": 1}) == written


def test_an_alert_on_breakers_counts_those_that_are_wanted() -> None:
    """All events fail: both breakers are open when the alert looks, of nine that there may be."""
    breaker = {"size": 1, "minimum_calls": 1, "open_for": 600.0, "on_open": "pause"}
    group = {"instances": 2, "transient_failure": 1.0, "breaker": breaker, "autoscale": {"schedule": [[300, 9]]}}
    alert = {"name": "open", "component": "consumers.c", "metric": "breaker_open", "above": 0.9}
    run = Played({**system(**group).to_dict(), "alerts": [alert]})
    assert len(run.result.measurements[0].tables["alerts"]["alert"]) == 1
