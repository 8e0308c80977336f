"""The circuit breaker against its rules as Resilience4j's documentation states them, kept as lists of calls."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import pytest

from models.breaker import Breaker, BreakerState

Call = tuple[int, bool, bool]
"""Second of the clock in which it ended, whether it failed, whether it was slow."""


@dataclass
class Rules:
    """What the documentation says, as plainly as possible. It is asked in the order of time."""

    spec: Breaker
    state: str = "closed"
    calls: list[Call] = field(default_factory=list)
    attempt: int = 1
    opened: float = 0.0
    permissions: int = 0

    def asks(self, now: float) -> bool:
        """Open until the first call strictly after the wait; half open, so many permissions, none of which comes back."""
        wait = self.spec.open_for * self.spec.open_factor ** (self.attempt - 1)
        if self.state == "open" and now > self.opened + wait:
            self.state, self.calls, self.permissions = "half_open", [], self.spec.half_open_calls
        if self.state == "half_open" and self.permissions:
            self.permissions -= 1
            return True
        return self.state == "closed"

    def ignores(self) -> None:
        """A permission that is given back can be taken again."""
        if self.state == "half_open":
            self.permissions = min(self.permissions + 1, self.spec.half_open_calls)

    def hears(self, failed: bool, seconds: float, now: float) -> None:
        """Recorded first, then judged; open, it changes nothing."""
        assert self.spec.slow_call is not None
        self.calls.append((math.floor(now), failed, seconds > self.spec.slow_call))
        bad = self._bad(now)
        if self.state == "closed" and bad:
            self._open(now, 1)
        elif self.state == "half_open" and bad is not None:
            if bad:
                self._open(now, self.attempt + 1)
            else:
                self.state, self.calls = "closed", []

    def _open(self, now: float, attempt: int) -> None:
        self.state, self.opened, self.attempt, self.calls = "open", now, attempt, []

    def _bad(self, now: float) -> bool | None:
        """None while there are too few calls for a rate."""
        spec = self.spec
        if self.state == "half_open":
            window, minimum = self.calls, min(spec.minimum_calls, spec.half_open_calls)
        elif spec.window == "count":
            window, minimum = self.calls[-spec.places :], min(spec.minimum_calls, spec.places)
        else:
            window = [call for call in self.calls if call[0] > math.floor(now) - spec.places]
            minimum = spec.minimum_calls
        if len(window) < minimum:
            return None
        failed, slow = (sum(call[kind] for call in window) for kind in (1, 2))
        assert spec.failure_rate is not None
        return failed >= spec.failure_rate * len(window) or slow >= spec.slow_call_rate * len(window)


def agrees(spec: Breaker, seed: int, bad: float) -> set[str]:
    """Plays calls that overlap, some of them ignored, to the breaker and to its rules. Rates are multiples of 1/8, so that no
    rounding decides. The states that were seen."""
    luck = random.Random(seed)
    state, rules = BreakerState(spec), Rules(spec)
    now, under_way, seen = 0.0, 0, set()
    for _ in range(4000):
        now += luck.choice((0.0, 0.125, 0.125, 0.25, 1.0, 4.0))
        if luck.random() < 0.5:
            allowed = state.allows(now)
            assert allowed == rules.asks(now)
            under_way += allowed
        elif under_way:
            under_way -= 1
            if luck.random() < 0.1:
                state.release(now)
                rules.ignores()
            else:
                failed, seconds = luck.random() < bad, luck.choice((0.5, 1.0, 1.0, 1.5))
                state.record(failed, now, seconds)
                rules.hears(failed, seconds, now)
        assert state.state == rules.state
        seen.add(rules.state)
    return seen


@pytest.mark.parametrize("bad", [0.125, 0.375, 0.75])
@pytest.mark.parametrize(
    "fields",
    [
        {"size": 8, "half_open_calls": 3},
        {"size": 8, "minimum_calls": 3, "half_open_calls": 5, "failure_rate": 0.75},
        {"size": 6, "minimum_calls": 6, "failure_rate": 1.0, "slow_call_rate": 0.5},
        {"window": "time", "size": 3, "minimum_calls": 4, "half_open_calls": 2},
        {"window": "time", "size": 5, "minimum_calls": 8, "slow_call_rate": 0.375, "open_factor": 2.0},
        {"size": 1, "half_open_calls": 1, "open_for": 0.0, "open_factor": 3.0},
    ],
)
def test_over_any_calls_that_overlap_it_is_in_the_state_that_its_rules_say(fields: dict[str, object], bad: float) -> None:
    rule = {"open_for": 2.0, "failure_rate": 0.5, "slow_call": 1.0, "slow_call_rate": 0.875, "half_open_calls": 4} | fields
    spec = Breaker.model_validate(rule)
    seen: set[str] = set()
    for seed in range(3):
        seen |= agrees(spec, seed, bad)
    assert "closed" in seen
    if bad > 0.5:
        assert seen == {"closed", "open", "half_open"}


def test_a_probe_that_has_ended_leaves_no_permission_behind() -> None:
    spec = Breaker(size=1, open_for=1.0, half_open_calls=3)
    state = BreakerState(spec)
    state.record(True, 0.0)
    assert [state.allows(2.0) for _ in range(2)] == [True, True]
    state.record(False, 3.0)
    state.record(True, 3.0)
    assert [state.allows(4.0) for _ in range(2)] == [True, False]


def test_decided_before_all_probes_have_ended_the_rest_are_judged_as_any_call() -> None:
    """Three permitted and one needed: the first success closes it, and the failures of the others are its first calls."""
    state = BreakerState(Breaker(size=2, minimum_calls=1, failure_rate=1.0, open_for=1.0, half_open_calls=3))
    state.record(True, 0.0)
    assert [state.allows(2.0) for _ in range(4)] == [True, True, True, False]
    state.record(False, 3.0)
    assert state.state == "closed"
    state.record(True, 3.0)
    assert state.state == "open"


def test_without_calls_nothing_is_looked_at() -> None:
    """Two failures and a success that is forgotten in time: the rate is above its threshold, and nobody asks."""
    state = BreakerState(Breaker(window="time", size=3, failure_rate=0.75, minimum_calls=2))
    state.record(False, 0.0)
    state.record(True, 1.0)
    state.record(True, 1.0)
    assert state.allows(3.0)
    assert state.state == "closed"
    state.record(False, 3.0)
    assert state.state == "closed", "two of the three calls that are left"
    state.record(True, 3.0)
    assert state.state == "open"
