"""How many instances a group has, where that changes by itself: by its lag, or by a timetable."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from models.scalars import MOST_MEMBERS, Factor, Members, Whole
from simulator.distributions import Dist
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration

TOLERANCE = 0.1
"""Kubernetes, `--horizontal-pod-autoscaler-tolerance`: so far from its target a metric changes nothing."""


class Autoscale(Spec):
    """`autoscale`: one of two forms. Either way the first instances are those that are wanted, and the last ones leave.

    By lag, as a Kubernetes Horizontal Pod Autoscaler does with what KEDA's Kafka scaler tells it (`lagThreshold` is `target`,
    `pollingInterval` is `interval`, `minReplicaCount` and `maxReplicaCount` are `min` and `max`). Every `interval` (s, first
    after one), the lag of the group is looked at, as the metric `lag` defines it, and ceil(lag / `target`) instances are
    recommended, no fewer than `min` and no more than `max`; as many as there are, where the lag is within a tenth of `target`
    for each of them. A recommendation of more is followed at once (HPA's default limits on how many may be added per 15 s are
    not modelled). Otherwise the group shrinks to the highest recommendation of the last `cooldown` seconds, the one of this
    look included and one that is just as old excluded (HPA: `stabilizationWindowSeconds` of `scaleDown`, for which the number
    at the start counts as recommended at 0); KEDA's `cooldownPeriod` says the same of the step to none. Instances count
    whether they run or not: a crashed one, or one that starts, is a replica all the same. KEDA's cap at the number of
    partitions is `max`: instances beyond it get nothing to read.

    By a timetable (KEDA's cron scaler): from each of the times of `schedule` (s) on the group has so many instances. An entry
    at 0 takes the place of the group's `instances`, which is what it has before the first.

    `startup`: from being wanted to joining the group, of an instance that comes by lag; None: the group's own, which is also
    what every other start takes.
    """

    metric: Literal["lag"] | None = None
    target: Factor | None = None
    min: Whole | None = None
    max: Members | None = None
    interval: PositiveDuration | None = None
    cooldown: Duration | None = None
    startup: Dist | None = None
    schedule: tuple[tuple[Duration, Annotated[Whole, Field(le=MOST_MEMBERS)]], ...] | None = None

    def first(self, instances: int) -> int:
        """The number at time 0 of a group of so many `instances`."""
        return self.schedule[0][1] if self.schedule and self.schedule[0][0] == 0.0 else instances

    def most(self, instances: int) -> int:
        """The highest number that a group of so many `instances` at first may ever have."""
        return max(self.first(instances), self.max or 0, *(number for _, number in self.schedule or ()))

    def recommend(self, lag: int, current: int) -> int:
        """The number of instances for a `lag` (events), where there are `current` ones."""
        assert self.target is not None
        assert self.min is not None
        assert self.max is not None
        wanted = math.ceil(lag / self.target)
        if current and 1.0 - TOLERANCE <= lag / (self.target * current) <= 1.0 + TOLERANCE:
            wanted = current
        return min(max(wanted, self.min), self.max)
