"""What the breakers of a group have done, as step functions of time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.gate import Gate
from models.group import Group
from models.presence import while_there
from models.record import CLOSED, HALF_OPEN, OPEN, Steps

STATES = {"closed": CLOSED, "open": OPEN, "half_open": HALF_OPEN}


def breaker_states(group: Group, life: Sequence[Steps]) -> list[Steps]:
    """The state of the group's breaker, or of each instance's, which is closed while autoscaling does not want the instance;
    `life` is that of the instances. [] where there is none."""
    if group.spec.breaker is None:
        return []
    if group.shared_gate is not None:
        return [_of_gate(group.shared_gate)]
    each = [_of_instance(group, index) for index in range(len(group.instances))]
    if group.spec.autoscale is None:
        return each
    return [while_there(steps, states, CLOSED) for steps, states in zip(each, life, strict=True)]


def trips_of(group: Group) -> np.ndarray:
    """When a breaker of the group has opened (s), sorted."""
    gates = [group.shared_gate] if group.shared_gate else [gate for _, gate in group.gates]
    return np.sort(
        np.array([time for gate in gates for time, entered in gate.state.transitions if entered == "open"], dtype=float)
    )


def _of_gate(gate: Gate) -> Steps:
    transitions = [(0.0, CLOSED), *((time, STATES[state]) for time, state in gate.state.transitions)]
    times, codes = zip(*transitions, strict=True)
    return np.asarray(times), np.asarray(codes, dtype=np.int8)


def _of_instance(group: Group, index: int) -> Steps:
    """The breakers of an instance's lives one after the other: each starts closed."""
    rows: list[tuple[float, int]] = [(0.0, CLOSED)]
    for instance, gate in group.gates:
        if instance.index == index:
            rows.append((gate.began, CLOSED))
            rows += [(time, STATES[state]) for time, state in gate.state.transitions if time <= gate.ended]
            if gate.ended < math.inf:
                rows.append((gate.ended, CLOSED))
    rows.sort(key=lambda row: row[0])
    times, codes = zip(*rows, strict=True)
    return np.asarray(times), np.asarray(codes, dtype=np.int8)
