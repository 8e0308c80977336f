"""When the instances of a group that autoscales were wanted, and when they were there to be paid for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.instance import Instance
from models.level import seconds_in, step_at
from models.periods import Periods, clipped, covers, merged
from models.record import AWAY, LEAVING, RUNNING, Steps

FaultWindow = tuple[str, float, float]
"""Target, start and end (s) of a fault."""


def unwanted_seconds(life: Sequence[Steps], window: tuple[float, float]) -> float:
    """Instance-seconds in which autoscaling did not want the instance: it is neither available nor unavailable."""
    return sum(seconds_in(steps, state, *window) for steps in life for state in (LEAVING, AWAY))


def paid_seconds(life: Sequence[Steps], window: tuple[float, float]) -> float:
    """Instance-seconds in which there was an instance, up or down, or one that was still finishing what it had in hand."""
    return len(life) * (window[1] - window[0]) - sum(seconds_in(steps, AWAY, *window) for steps in life)


def number_wanted(life: Sequence[Steps], times: np.ndarray) -> np.ndarray:
    """How many instances autoscaling wants at `times`: the same shape."""
    wanted: np.ndarray = np.sum([step_at(steps, times) < LEAVING for steps in life], axis=0)
    return wanted


def number_running(life: Sequence[Steps], times: np.ndarray) -> np.ndarray:
    """How many of the wanted instances are at work at `times`: the same shape."""
    running: np.ndarray = np.sum([step_at(steps, times) == RUNNING for steps in life], axis=0)
    return running


def while_there(steps: Steps, life: Steps, otherwise: int) -> Steps:
    """A step function as long as autoscaling wants the instance, and else a value."""
    times = np.unique(np.concatenate([steps[0], life[0]]))
    return times, np.where(step_at(life, times) < LEAVING, step_at(steps, times), otherwise)


def while_wanted(windows: Sequence[FaultWindow], instances: Sequence[Instance], end: float) -> list[FaultWindow]:
    """What of the windows of faults fell on somebody: those of `instances` are cut to the time in which these were wanted."""
    wanted = {each.name: _wanted((each.states["time"], each.states["state"]), end) for each in instances}
    found: list[FaultWindow] = []
    for target, first, last in windows:
        if target not in wanted or (first == last and covers(wanted[target], np.array(first))):
            found.append((target, first, last))
        else:
            found += [
                (target, *span) for span in zip(*(part.tolist() for part in clipped(wanted[target], first, last)), strict=True)
            ]
    return found


def _wanted(steps: Steps, end: float) -> Periods:
    times, states = steps
    until = np.append(times[1:], end)
    return merged(times[states < LEAVING], until[states < LEAVING])
