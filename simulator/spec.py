"""What every specification has in common: a frozen, validated value that knows nothing of a run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Base of everything a user writes: frozen, unknown fields refused, equal when its fields are equal, picklable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)
