"""Conservation, reproducibility and the policies' promises, over random systems from the whole format."""

from __future__ import annotations

from typing import Any

import pytest
from claims import Tables, check
from hypothesis import HealthCheck, assume, given, seed, settings
from scenarios import systems

from models.errors import BadScenario

SEARCH: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}


def hold(tables: Tables) -> None:
    try:
        check(tables)
    except BadScenario:
        assume(False)


@settings(max_examples=80, derandomize=True, **SEARCH)
@given(systems())
def test_what_must_hold_of_every_system_holds(tables: Tables) -> None:
    hold(tables)


@pytest.mark.long
@pytest.mark.parametrize("number", range(4))
def test_what_must_hold_of_every_system_holds_of_many(number: int) -> None:
    seed(number)(settings(max_examples=200, **SEARCH)(given(systems())(hold)))()
