"""Simpler versions of a fault, by which a schedule is shrunk: narrower, shorter, weaker."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.lab.chaos_draws import Arsenal
from experiments.lab.chaos_laws import law_of, plain
from experiments.lab.shrinking import Step
from models.faults import Fault

Paths = tuple[str, ...]


def steps_of(arsenal: Arsenal) -> Sequence[Step[Fault]]:
    """What can be tried to make a fault of that system smaller, in that order."""

    def narrower(fault: Fault) -> list[Fault]:
        """One member in place of all; half of a side of a partition."""
        if fault.between is not None:
            return _with_sides(fault, [_halves(side) for side in fault.between])
        (target,) = fault.targets
        members = (_with(fault, target=member) for member in arsenal.members(target))
        return [each for each in members if arsenal.allows(each)]

    def shorter(fault: Fault) -> list[Fault]:
        """Its first half, or its second."""
        assert fault.at is not None
        assert fault.for_ is not None
        half = arsenal.clock.rounded(fault.for_.mean / 2)
        if not arsenal.clock.step <= half < fault.for_.mean:
            return []
        later = arsenal.clock.rounded(fault.at + fault.for_.mean - half)
        return [_with(fault, **{"for": half}), _with(fault, **{"at": later, "for": half})]

    def weaker(fault: Fault) -> list[Fault]:
        """Half as far from doing nothing."""
        half = law_of(fault).weaker(fault)
        return [] if half is None else [half]

    return narrower, _smaller, shorter, weaker


def _smaller(fault: Fault) -> list[Fault]:
    """A partition without one of its members."""
    return [] if fault.between is None else _with_sides(fault, [_without_one(side) for side in fault.between])


def _with_sides(fault: Fault, sides: Sequence[Sequence[Paths]]) -> list[Fault]:
    """A partition with each of the other sides in place of its first, then of its second."""
    assert fault.between is not None
    (one, other), (ones, others) = fault.between, sides
    return [_with(fault, between=cut) for cut in [*((each, other) for each in ones), *((one, each) for each in others)]]


def _halves(side: Paths) -> list[Paths]:
    middle = len(side) // 2
    return [side[:middle], side[middle:]] if middle else []


def _without_one(side: Paths) -> list[Paths]:
    return [side[:place] + side[place + 1 :] for place in range(len(side)) if len(side) > 1]


def _with(fault: Fault, **changed: object) -> Fault:
    return Fault.model_validate({**plain(fault), **changed})
