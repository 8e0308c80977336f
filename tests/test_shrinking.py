"""Shrinking: what is left has the property, nothing more can be left out or made simpler, and the effort is bounded."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from experiments.lab.shrinking import Shrinking, Shrunk

Parts = tuple[int, ...]
Property = Callable[[Parts], bool]


def halves(part: int) -> list[int]:
    return [part // 2] if part > 1 else []


def lessened(part: int) -> list[int]:
    return [part - 1] if part > 1 else []


def shrunk(parts: Parts, holds: Property, most: int = 10_000) -> tuple[Shrunk[int], list[Parts]]:
    """What is left, and every candidate that was asked for."""
    search, asked = Shrinking(parts, (halves, lessened), most), []
    while search.asked:
        asked += search.asked
        search.tell([holds(candidate) for candidate in search.asked])
    return search.result, asked


def further(parts: Parts) -> list[Parts]:
    """Everything that is one step smaller."""
    fewer = [parts[:place] + parts[place + 1 :] for place in range(len(parts)) if len(parts) > 1]
    return fewer + [
        (*parts[:place], each, *parts[place + 1 :])
        for place, part in enumerate(parts)
        for each in [*halves(part), *lessened(part)]
    ]


def test_the_culprits_alone_are_left_as_small_as_they_can_be() -> None:
    found, _ = shrunk(tuple(range(1, 21)), lambda parts: sum(part >= 11 for part in parts) >= 2)
    assert found.parts == (11, 11)
    assert found.whole


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=9),
    st.integers(0, 60),
    st.integers(2, 5),
    st.integers(0, 4),
)
def test_no_single_step_keeps_the_property_of_what_is_left(listed: list[int], least: int, modulus: int, rest: int) -> None:
    def holds(parts: Parts) -> bool:  # which is neither monotone in the parts nor in their sizes
        return sum(parts) >= least and (sum(parts) % modulus == rest % modulus or len(parts) % 2 == 0)

    parts = tuple(listed)
    if not holds(parts):
        return
    found, asked = shrunk(parts, holds)
    assert holds(found.parts)
    assert not [smaller for smaller in further(found.parts) if holds(smaller)]
    assert len(set(asked)) == len(asked) == found.tried
    assert parts not in asked
    assert () not in asked
    assert shrunk(parts, holds) == (found, asked)


@given(st.integers(0, 40))
def test_a_search_that_is_cut_short_keeps_what_it_has_and_says_so(most: int) -> None:
    found, asked = shrunk((64, 7, 50, 3), lambda parts: 50 in parts or sum(parts) > 70, most)
    assert len(asked) <= most
    assert found.parts == (64, 7, 50, 3) or 50 in found.parts or sum(found.parts) > 70
    assert found.whole == (shrunk((64, 7, 50, 3), lambda parts: 50 in parts or sum(parts) > 70)[0].tried <= most)


def test_one_part_that_is_as_simple_as_can_be_asks_nothing() -> None:
    assert shrunk((1,), lambda _: True) == (Shrunk((1,), True, 0), [])
