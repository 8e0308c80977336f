"""Trying again: `retry` inside one delivery, which holds its worker, and `redelivery` by the broker."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from models.backoff import Delays
from models.scalars import TABLE
from simulator.spec import Spec
from simulator.units import Duration, Fraction

Through = Literal["requeue", "retry_topic", "lease", "seek"]


class RatioBudget(Spec):
    """A bucket that starts full at `burst`, gains `ratio` per first try and `minimum_per_second`; a retry takes 1.

    A retry needs 1 token or more, as in Brooker, "Fixing retries with token buckets" (2022); Finagle's RetryBudget.
    """

    ratio: Fraction
    burst: float = Field(10.0, ge=1.0, strict=True)
    minimum_per_second: float = Field(0.0, ge=0.0, strict=True)


class TokenBudget(Spec):
    """A bucket of `tokens`: a retry takes `cost`, `timeout_cost` after a timeout. A success on a retry gives that back,
    one at the first try gives `refund` (the AWS SDKs' standard retry mode).
    """

    tokens: float = Field(gt=0.0, strict=True)
    cost: float = Field(gt=0.0, strict=True)
    refund: float = Field(ge=0.0, strict=True)
    timeout_cost: float = Field(gt=0.0, strict=True)


class ThrottleBudget(Spec):
    """A count that starts at `max_tokens`, loses 1 per failed try and gains `token_ratio` per success; retries are made
    only while it is above half of `max_tokens` (gRPC's `retryThrottling`, gRFC A6).
    """

    max_tokens: float = Field(gt=0.0, le=1e6, strict=True)
    token_ratio: float = Field(gt=0.0, strict=True)


Budget = RatioBudget | TokenBudget | ThrottleBudget


def _pays(budget: Budget | None) -> Budget | None:
    if isinstance(budget, TokenBudget) and budget.tokens < min(budget.cost, budget.timeout_cost):
        raise ValueError(f"`tokens` ({budget.tokens:g}) never pay for a retry: `cost` is {budget.cost:g}")
    return budget


class Retry(Delays):
    """Attempts within one delivery: `max_attempts` with the first, none begun later than `max_elapsed` after it.

    `budget`: tokens that retries take, as soon as they are decided on, or need; `scope`: shared by the workers of one
    instance's life, or by the group for the whole run.
    """

    max_attempts: int = Field(3, ge=1, strict=True)
    max_elapsed: Duration | None = None
    budget: Annotated[Budget | None, TABLE, AfterValidator(_pays)] = None
    scope: Literal["instance", "group"] = "instance"

    def permits(self, failed: int, elapsed: float) -> bool:
        """Whether another attempt may follow `failed` ones.

        `elapsed` is the seconds from the start of the first attempt to the start of that other one, its delay included.
        """
        return failed < self.max_attempts and (self.max_elapsed is None or elapsed <= self.max_elapsed)


class Redelivery(Delays):
    """Deliveries by the broker: at most `max_deliveries` with the first (0: for ever), with a delay where one is given.

    A field that is not given (None) is the profile's, the delay fields as one: where one of them is given the rest have
    the defaults of `Delays`, where none is, there is no delay of its own.
    """

    max_deliveries: int | None = Field(None, ge=0, strict=True)
    immediate: int | None = Field(None, ge=0, strict=True, json_schema_extra={"default": 0})
    through: Through | None = None

    @property
    def delayed(self) -> bool:
        """Whether any delay field is given."""
        return any(getattr(self, name) is not None for name in Delays.model_fields)

    def is_immediate(self, failed: int) -> bool:
        """Whether the next delivery after the `failed`-th failed one is one of those at once."""
        rounds = self.immediate or 0
        return (failed - 1) % (rounds + 1) < rounds

    def wait(self, failed: int, luck: float, previous: float = 0.0) -> float:
        """Seconds to wait after the `failed`-th failed delivery (1 = the first); `luck` and `previous` as for `delay`."""
        return self.wait_step(failed, luck, previous)[0]

    def wait_step(self, failed: int, luck: float, previous: float = 0.0) -> tuple[float, float]:
        """The same wait, and what the next one has to know of it.

        `immediate` deliveries without delay precede each delayed one, which are counted by themselves: 5 immediate and
        3 delayed rounds are the 24 deliveries of NServiceBus. What is remembered is of the last wait that was not an
        immediate one.
        """
        delayed, place = divmod(failed - 1, (self.immediate or 0) + 1)
        if not self.delayed or place < (self.immediate or 0):
            return 0.0, previous
        return self.step(delayed + 1, luck, previous)
