"""When somebody is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.scalars import Number, Text
from simulator.spec import Spec
from simulator.units import Duration


class Alert(Spec):
    """`[[alerts]]`: fires once `metric` of `component` has been `above` its threshold for `for` seconds."""

    name: Text
    component: Text
    metric: Literal["lag", "lag_seconds", "error_rate", "dead_letters", "breaker_open"]
    above: Number | Duration
    for_: Duration = Field(0.0, validation_alias="for", serialization_alias="for")
