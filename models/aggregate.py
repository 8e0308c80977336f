"""An event-sourced service, and the views built from its events."""

from __future__ import annotations

from models.scalars import Count, Factor, Name
from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import PositiveDuration


class Projection(Spec):
    """A view that follows the events, `service` seconds each."""

    name: Name
    service: Dist = Constant(value=0.0)


class Aggregate(Spec):
    """`[aggregates.NAME]`: rebuilt by replay at `replay_rate` events per second, from the last snapshot on.

    `snapshot_interval` is a number of events, or a duration.
    """

    topic: Name
    instances: Count = 1
    snapshot_interval: Count | PositiveDuration | None = None
    snapshot_load: Dist = Constant(value=0.0)
    replay_rate: Factor
    projections: tuple[Projection, ...] = ()
