"""How long to wait before a next try: the delay fields of `retry`, `redelivery` and the producers' `retry`."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from simulator.spec import Spec
from simulator.units import Duration, Fraction

Backoff = Literal["none", "fixed", "linear", "exponential"]
Jitter = Literal["none", "full", "equal", "decorrelated", "decorrelated_v2", "proportional"]

BACKOFF: Backoff = "exponential"
BASE = 0.1
FACTOR = 2.0
JITTER: Jitter = "none"
SPREAD = 0.2
STEPS_LIMIT = 60
"""Number of steps after which the exponential grows no further, so that no number of attempts overflows."""
LONGEST = 1e15
"""Cap, in seconds, of delays without one: beyond any run, and finite."""
DOUBLINGS_LIMIT = 1000
"""The same number for `decorrelated_v2`, whose delays are differences: the last before floats overflow."""


class Delays(Spec):
    """Delays between tries, in seconds: a list, or a rule that grows from `base`, with jitter around either.

    A field that is not given (None) has the default named in its schema. A list shorter than needed repeats its last
    delay. The rules are those of the AWS Architecture Blog (Brooker 2015) for full, equal and decorrelated jitter, of
    Kafka's `retry.backoff.ms` for proportional, and for decorrelated_v2 of Polly's `DecorrelatedJitterBackoffV2`, whose
    medians are near `base` times 1, 2, 4, ...
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
        own = self.delays is None and self.backoff in (None, BACKOFF) and self.factor in (None, FACTOR)
        if self.jitter == "decorrelated_v2" and not own:
            raise ValueError(f'`jitter = "decorrelated_v2"` needs `backoff = "{BACKOFF}"` with `factor = {FACTOR:g}`')
        return self

    def delay(self, attempt: int, luck: float, previous: float = 0.0) -> float:
        """Seconds to wait after the `attempt`-th failed attempt (1 = the first), never above `cap`.

        `luck` is one uniform number in [0, 1). `previous` is what `step` gave to be remembered of this message last time.
        """
        return self.step(attempt, luck, previous)[0]

    def step(self, attempt: int, luck: float, previous: float = 0.0) -> tuple[float, float]:
        """The same delay, and what the next one has to know of it (0: there is none yet), if its jitter is decorrelated."""
        if self.jitter == "decorrelated_v2":
            return self._smoothed(attempt, luck, previous)
        seconds = self._spread(attempt, luck, previous)
        return seconds, seconds

    def _spread(self, attempt: int, luck: float, previous: float) -> float:
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

    def _smoothed(self, attempt: int, luck: float, previous: float) -> tuple[float, float]:
        """The way from the point reached by the try before, `previous`, to that of this one, in units of 1.4 `base`."""
        steps = min(attempt - 1, DOUBLINGS_LIMIT)
        place = steps + luck
        reached = 2.0**place * math.tanh(math.sqrt(4.0 * place))
        way = reached - (previous if attempt <= DOUBLINGS_LIMIT else 0.0)
        return self._capped(way / 1.4 * (BASE if self.base is None else self.base)), reached

    def _capped(self, seconds: float) -> float:
        return min(LONGEST if self.cap is None else self.cap, seconds)
