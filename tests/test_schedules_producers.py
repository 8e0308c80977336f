"""Producers against schedules worked out by hand: clients that wait for what they sent, surges, and the end of a run."""

from __future__ import annotations

from typing import Any

import pytest
from played import Played, Tables, fault


def played(arrivals: Tables, consumers: Tables, *faults: Tables, **run: Any) -> Played:
    """Topic t is a queue; the run lasts 30 s."""
    return Played(
        {
            "run": {"duration": 30.0, **run},
            "broker": {"profile": "rabbitmq"},
            "producers": {"p": {"topic": "t", "arrivals": arrivals}},
            "consumers": {name: {"topic": "t", **consumer} for name, consumer in consumers.items()},
            "faults": list(faults),
        }
    )


def produced(run: Played) -> list[float]:
    return [round(time, 6) for time in run.journey().messages.produced]


CLIENT = {"process": "closed", "clients": 1, "think": 1.0}


def test_a_client_thinks_sends_and_waits_until_every_group_has_settled() -> None:
    run = played(CLIENT, {"c": {"service": 2.0}, "d": {"service": 8.0}})
    assert produced(run) == [1.0, 10.0, 19.0, 28.0]


def test_a_group_that_settles_an_event_again_does_not_settle_it_for_another() -> None:
    """`c` gives the event up at 2 s, and twice more after redrives; `d` has it only at 11 s."""
    letters = {"topic": "letters", "redrive_after": 1.0, "redrive_times": 2}
    giving_up = {"service": 1.0, "redelivery": {"max_deliveries": 1}, "dead_letter": letters, "transient_failure": 1.0}
    run = played(CLIENT, {"c": giving_up, "d": {"service": 10.0}})
    assert run.trail("moves")[:3] == [(2.0, 0), (4.0, 0), (6.0, 0)]
    assert produced(run) == [1.0, 12.0, 23.0]


def test_a_client_goes_on_after_an_event_that_was_given_up_at_once() -> None:
    """From the first failure at 2 s the breaker refuses every event at the instant of its arrival."""
    breaker = {"size": 1, "minimum_calls": 1, "open_for": 100.0}
    group = {"service": 1.0, "transient_failure": 1.0, "redelivery": {"max_deliveries": 1}, "breaker": breaker}
    run = played({**CLIENT, "limit": 5}, {"c": group})
    assert produced(run) == [1.0, 3.0, 4.0, 5.0, 6.0]
    assert run.states() == {"discarded": 5}


def test_a_client_whose_event_is_lost_goes_on() -> None:
    run = played(CLIENT, {"c": {"service": 2.0, "acknowledge": "before"}}, fault("crash", 2.0, 0.5))
    assert produced(run)[:3] == [1.0, 3.0, 6.0]
    assert run.trail("losses") == [(2.0, 0)]


def test_overlapping_surges_multiply_and_are_taken_back_exactly() -> None:
    """One event a second; twice as many from 10 s, six times from 11 to 12 s, three times until 13 s."""
    faults = [fault("surge", 10.0, 2.0, "producers.p", factor=2.0), fault("surge", 11.0, 2.0, "producers.p", factor=3.0)]
    times = produced(played({"process": "constant", "rate": 1.0}, {"c": {"service": 0.0}}, *faults))
    counts = [sum(start < time <= start + 1 for time in times) for start in range(8, 16)]
    assert counts == [1, 1, 2, 6, 3, 1, 1, 1]
    assert times[-1] == 30.0


@pytest.mark.parametrize("start", [28.0, 31.0])
def test_a_surge_does_not_bring_arrivals_back_after_their_end(start: float) -> None:
    """A slow group keeps the run going after its 30 s; the surge ends, or begins, in that time."""
    surge = fault("surge", start, 4.0, "producers.p", factor=2.0)
    run = played({"process": "constant", "rate": 1.0}, {"c": {"service": 2.0}}, surge, drain=True)
    assert max(produced(run)) == 30.0
    assert run.states() == {"processed": len(produced(run))}
