"""How long, how often and with which luck a scenario runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.scalars import Count, Flag, Text, Whole
from simulator.spec import Spec
from simulator.units import Duration, PositiveDuration


class Run(Spec):
    """`[run]`: times in seconds from 0, the warm-up included in `duration`.

    `runs = "auto"` adds replications until the interval of `precision_metric` (`"consumers.NAME:latency_p99"`)
    is narrower than `precision` times its mean. With `drain`, arrivals stop at `duration` and the run goes on
    until nothing is left or `drain_limit` has passed.
    """

    duration: PositiveDuration
    warmup: Duration | Literal["auto"] = 0.0
    runs: Count | Literal["auto"] = 10
    precision: float = Field(0.05, gt=0, lt=1, strict=True)
    precision_metric: Text | None = None
    seed: Whole = 1
    drain: Flag = False
    drain_limit: Duration = 3600.0
