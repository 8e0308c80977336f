"""Drawn faults in words."""

from __future__ import annotations

from experiments.lab.chaos_draws import Schedule
from experiments.lab.chaos_laws import NEUTRAL, law_of, strength_of
from models.faults import Fault
from simulator.units import format_duration, format_number, format_value


def in_words(schedule: Schedule) -> str:
    """The faults of a schedule: "crash of broker.nodes[0] at 2 min for 30 s; ..."."""
    return "; ".join(f"{what(fault)} {when(fault)}" for fault in schedule)


def what(fault: Fault) -> str:
    """What a fault does, and where: "slowdown x4.2 of dependencies.gateway"."""
    kind = " ".join(filter(None, ("silent" * fault.silent, "one-way" * fault.one_way, fault.kind.replace("_", " "))))
    if fault.between is not None:
        ones, others = (", ".join(side) for side in fault.between)
        return f"{kind} from {ones} to {others}" if fault.one_way else f"{kind} between {ones} and {others}"
    return " ".join(filter(None, (kind, severity(fault), "of", ", ".join(fault.targets))))


def severity(fault: Fault) -> str:
    """How severe it is, "" where its kind has no severity."""
    name = law_of(fault).strength
    if not name:
        return ""
    value = strength_of(fault, name)
    if name == "to":
        return f"of {fault.resource} to {format_value(value, 'share')}"
    return {"factor": f"x{format_number(value)}", "rate": format_value(value, "share"), "add": format_duration(value)}[name]


def when(fault: Fault) -> str:
    """When it begins and how long it lasts."""
    start, length = window(fault)
    return f"at {format_duration(start)} for {format_duration(length)}"


def window(fault: Fault) -> tuple[float, float]:
    """Start and length (s) of a fault that was drawn."""
    assert fault.at is not None
    assert fault.for_ is not None
    return fault.at, fault.for_.mean


def changes(schedule: Schedule, least: Schedule) -> list[str]:
    """What shrinking did to each fault of a schedule, in words."""
    left = {fault.name: fault for fault in least}
    return [_change(fault, left.get(fault.name)) for fault in schedule]


def _change(fault: Fault, least: Fault | None) -> str:
    if least is None:
        return f"dropped: {what(fault)} {when(fault)}"
    name = law_of(fault).strength
    (_, before), (_, after) = window(fault), window(least)
    notes = [
        "narrowed" if (fault.targets, fault.between) != (least.targets, least.between) else "",
        f"shortened from {format_duration(before)}" if after < before else "",
        f"weakened from {severity(fault)}" if name and _distance(least, name) < _distance(fault, name) else "",
    ]
    told = ", ".join(filter(None, notes))
    return f"left: {what(least)} {when(least)}" + (f" ({told})" if told else "")


def _distance(fault: Fault, name: str) -> float:
    return abs(strength_of(fault, name) - NEUTRAL[name])
