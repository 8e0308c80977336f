"""How long to wait before a next try: the delay fields of `retry`, `redelivery` and the producers' `retry`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from simulator.spec import Spec
from simulator.units import Duration, Fraction

Backoff = Literal["none", "fixed", "linear", "exponential"]
Jitter = Literal["none", "full", "equal", "decorrelated", "proportional"]

BACKOFF: Backoff = "exponential"
BASE = 0.1
FACTOR = 2.0
JITTER: Jitter = "none"
SPREAD = 0.2
STEPS_LIMIT = 60
"""Number of steps after which the exponential grows no further, so that no number of attempts overflows."""
LONGEST = 1e15
"""Cap, in seconds, of delays without one: beyond any run, and finite."""


class Delays(Spec):
    """Delays between tries, in seconds: a list, or a rule that grows from `base`, with jitter around either.

    A field that is not given (None) has the default named in its schema. A list shorter than needed repeats its last
    delay. The rules are those of the AWS Architecture Blog (Brooker 2015) for full, equal and decorrelated jitter, and
    of Kafka's `retry.backoff.ms` for proportional.
    """

    delays: tuple[Duration, ...] | None = Field(None, min_length=1)
    backoff: Backoff | None = Field(None, json_schema_extra={"default": BACKOFF})
    base: Duration | None = Field(None, json_schema_extra={"default": BASE})
    factor: float | None = Field(None, ge=1.0, le=1000.0, strict=True, json_schema_extra={"default": FACTOR})
    cap: Duration | None = None
    jitter: Jitter | None = Field(None, json_schema_extra={"default": JITTER})
    spread: Fraction | None = Field(None, json_schema_extra={"default": SPREAD})

    @model_validator(mode="after")
    def _list_or_rule(self) -> Self:
        rule = [name for name in ("backoff", "base", "factor", "cap") if getattr(self, name) is not None]
        if self.delays is not None and rule:
            raise ValueError(f"`delays` lists the delays, which contradicts {', '.join(f'`{name}`' for name in rule)}")
        return self

    def delay(self, attempt: int, luck: float, previous: float = 0.0) -> float:
        """Seconds to wait after the `attempt`-th failed attempt (1 = the first), never above `cap`.

        `luck` is one uniform number in [0, 1). `previous` is the delay that this message got last time (0: none yet),
        which only decorrelated jitter looks at.
        """
        jitter = self.jitter or JITTER
        spacing = self.spacing(attempt)
        if jitter == "none":
            return spacing
        if jitter == "full":
            return spacing * luck
        if jitter == "equal":
            return spacing * 0.5 * (1.0 + luck)
        if jitter == "decorrelated":
            return self._decorrelated(luck, previous)
        spread = SPREAD if self.spread is None else self.spread
        return self._capped(spacing * (1.0 - spread + 2.0 * spread * luck))

    def spacing(self, attempt: int) -> float:
        """Seconds to wait after the `attempt`-th failed attempt, before jitter."""
        if self.delays is not None:
            return self.delays[min(attempt, len(self.delays)) - 1]
        backoff = self.backoff or BACKOFF
        if backoff == "none":
            return 0.0
        base = BASE if self.base is None else self.base
        if backoff == "linear":
            base *= attempt
        elif backoff == "exponential":
            base *= (FACTOR if self.factor is None else self.factor) ** min(attempt - 1, STEPS_LIMIT)
        return self._capped(base)

    def _decorrelated(self, luck: float, previous: float) -> float:
        """U(base, 3 times the delay before), the first with `base` before it; growth comes from the memory alone."""
        if self.delays is not None:
            base = self.delays[0]
        elif self.backoff == "none":
            return 0.0
        else:
            base = BASE if self.base is None else self.base
        return self._capped(base + luck * (3.0 * (previous or base) - base))

    def _capped(self, seconds: float) -> float:
        return min(LONGEST if self.cap is None else self.cap, seconds)
