"""Marks of handled events, and the contradictions of their specification."""

import pytest
from pydantic import ValidationError

from models.idempotency import Idempotency
from models.marks import Marks


def test_a_mark_holds_from_its_instant_until_just_before_ttl() -> None:
    marks = Marks(ttl=10.0)
    assert not marks.seen(7, 0.0)
    marks.mark(7, 2.0)
    assert marks.seen(7, 2.0)
    assert marks.seen(7, 11.999)
    assert not marks.seen(7, 12.0)
    assert not marks.seen(8, 3.0)


def test_a_mark_made_again_holds_anew() -> None:
    marks = Marks(ttl=10.0)
    marks.mark(7, 2.0)
    marks.mark(7, 8.0)
    assert marks.seen(7, 17.9)
    assert not marks.seen(7, 18.0)


def test_marks_hold_to_the_instant_whatever_is_marked_meanwhile() -> None:
    """Against the definition, with a mark every 0.7 s and looks at every age."""
    marks, ttl, made = Marks(ttl=10.0), 10.0, {}
    for event in range(200):
        now = event * 0.7
        marks.mark(event, now)
        made[event] = now
        assert [e for e in made if marks.seen(e, now)] == [e for e, then in made.items() if now < then + ttl]


def test_memory_is_bounded_by_the_marks_of_two_ttl() -> None:
    marks = Marks(ttl=1.0)
    peak = 0
    for event in range(50_000):
        marks.mark(event, event / 1000)
        peak = max(peak, len(marks))
    assert 1000 <= peak <= 2001


def test_a_mark_of_no_duration_never_holds() -> None:
    marks = Marks(ttl=0.0)
    marks.mark(1, 5.0)
    assert not marks.seen(1, 5.0)


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        ({}, "do_then_mark"),
        ({"atomic": False}, "do_then_mark"),
        ({"atomic": True}, "transaction"),
        ({"order": "transaction"}, "transaction"),
        ({"order": "transaction", "atomic": True}, "transaction"),
        ({"order": "claim", "atomic": False}, "claim"),
    ],
)
def test_atomic_is_short_for_transaction(given: dict[str, object], protocol: str) -> None:
    assert Idempotency.model_validate({"ttl": "24h", **given}).protocol == protocol


@pytest.mark.parametrize(("order", "atomic"), [("transaction", False), ("do_then_mark", True), ("claim", True)])
def test_atomic_and_order_may_not_contradict(order: str, atomic: bool) -> None:
    with pytest.raises(ValidationError, match="contradicts"):
        Idempotency.model_validate({"ttl": 1, "order": order, "atomic": atomic})


@pytest.mark.parametrize("fields", [{}, {"ttl": -1}, {"ttl": 1, "atomic": "yes"}, {"ttl": 1, "max_keys": 0}])
def test_impossible_idempotency_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Idempotency.model_validate(fields)


def test_latency_is_nothing_unless_given() -> None:
    assert Idempotency(ttl=1.0).latency is None
    spec = Idempotency.model_validate({"ttl": 1, "latency": "1ms"})
    assert spec.latency is not None
    assert spec.latency.mean == 0.001
    assert Idempotency.model_validate(spec.model_dump()) == spec
