"""What the system has to keep to."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from models.metrics import TIMES
from models.scalars import Number, Text
from simulator.spec import Spec
from simulator.units import Duration, Fraction


class Slo(Spec):
    """`[[slos]]`: `metric` of `component` stays `below` or `above` a bound, in the metric's unit (times: seconds).

    `rule = "mean"` judges the mean over runs by its interval, `"runs"` the share of runs that satisfy the bound.
    """

    component: Text
    metric: Text
    below: Number | Duration | None = None
    above: Number | Duration | None = None
    rule: Literal["mean", "runs"] = "mean"
    share: Fraction = 0.95

    @field_validator("below", "above", mode="before")
    @classmethod
    def _in_its_unit(cls, bound: object, info: ValidationInfo) -> object:
        metric = info.data.get("metric", "")
        if isinstance(bound, str) and metric and metric not in TIMES:
            raise ValueError(f"must be a number: {metric} is not a time")
        return bound
