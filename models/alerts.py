"""When somebody is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from models.scalars import Number, Text
from simulator.spec import Spec
from simulator.units import Duration

UNITS = {"lag": "count", "lag_seconds": "s", "error_rate": "share", "dead_letters": "count", "breaker_open": "share"}
"""Of the metrics that can be watched."""


class Alert(Spec):
    """`[[alerts]]`: fires once `metric` of the consumer group `component` has been above `above` for `for` seconds on end.

    A rule of Prometheus ("Alerting rules": pending while the condition holds, firing once it has held for `for`, gone as soon
    as it does not), evaluated at every instant instead of every evaluation interval. The metrics:

    - `lag`, `lag_seconds`: events available to the group and not finished, and the age (s) of the oldest of them.
    - `dead_letters`: copies that rest in the group's dead-letter topic.
    - `breaker_open`: share of the group's breakers that are open; `above = 0` is any.
    - `error_rate`: share of failed attempts among those that ended in the last 60 s, as
      `rate(failures[1m]) / rate(ends[1m])` has it: an attempt ends with its failure or its effect, and one that
      has timed out and has its effect all the same counts as both. Where none has ended there is no value, and the condition
      does not hold.
    """

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    component: Text
    metric: Literal["lag", "lag_seconds", "error_rate", "dead_letters", "breaker_open"]
    above: Number | Duration
    for_: Duration = Field(0.0, validation_alias="for", serialization_alias="for")

    @field_validator("above", mode="before")
    @classmethod
    def _in_its_unit(cls, bound: object, info: ValidationInfo) -> object:
        metric = info.data.get("metric", "lag_seconds")
        if isinstance(bound, str) and UNITS[metric] != "s":
            raise ValueError(f"must be a number: {metric} is not a time")
        return bound

    @field_validator("above")
    @classmethod
    def _within_reach(cls, bound: float, info: ValidationInfo) -> float:
        metric = info.data.get("metric", "lag_seconds")
        if bound < 0:
            raise ValueError("must be at least 0")
        if UNITS[metric] == "share" and bound >= 1:
            raise ValueError(f"must be below 1: {metric} is a share, and never above 1")
        return bound
