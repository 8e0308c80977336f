"""A workflow of steps that are undone when a later one fails."""

from __future__ import annotations

from typing import Literal

from models.arrivals import Arrivals
from models.scalars import Count, Flag, Name
from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Fraction, PositiveDuration


class Step(Spec):
    """One step: it fails with probability `failure` per attempt; after the `pivot` nothing is undone."""

    name: Name
    service: Dist = Constant(value=0.0)
    failure: Fraction = 0.0
    max_attempts: Count = 1
    compensation: Dist | None = None
    compensation_failure: Fraction = 0.0
    timeout: PositiveDuration | None = None
    pivot: Flag = False
    dependencies: tuple[Name, ...] = ()


class Coordinator(Spec):
    """Who remembers how far a saga has come; `latency` per step recorded."""

    persistent: Flag = True
    latency: Dist = Constant(value=0.0)


class Saga(Spec):
    """`[sagas.NAME]`."""

    style: Literal["orchestration", "choreography"]
    arrivals: Arrivals
    steps: tuple[Step, ...]
    coordinator: Coordinator = Coordinator()
    timeout: PositiveDuration | None = None
