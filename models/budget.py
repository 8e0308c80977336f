"""A retry budget at work: a bucket of tokens that says whether another try may be made."""

from __future__ import annotations

from models.retry import Budget, RatioBudget, ThrottleBudget, TokenBudget

ENOUGH = 1 - 1e-9
"""Of a price, so that a sum of tenths is not short of it by rounding."""


class BudgetState:
    """The bucket of one client (an instance, or a group), full at first. It is told the time (s) and waits for nothing.

    `RatioBudget`: each first try brings `ratio`, each second `minimum_per_second`, and a retry takes 1 if there is so much
    (Brooker 2022; Finagle's RetryBudget). `TokenBudget`: a retry takes its cost, a success on a retry gives that back,
    one at the first try brings `refund` (the AWS SDKs' standard mode). `ThrottleBudget`: failed tries take 1, successes
    bring `token_ratio`, and a retry takes nothing but needs more than half (gRPC).
    """

    def __init__(self, spec: Budget) -> None:
        self.spec = spec
        self.most = _size(spec)
        self.tokens = self.most
        self._seen = 0.0

    def begins(self, now: float) -> None:
        """A first try is made."""
        spec = self.spec
        if isinstance(spec, RatioBudget):
            self._add(spec.ratio + spec.minimum_per_second * (now - self._seen))
            self._seen = now

    def failed(self) -> None:
        """A try failed, whether another may follow or not."""
        if isinstance(self.spec, ThrottleBudget):
            self.tokens = max(0.0, self.tokens - 1.0)

    def takes(self, timed_out: bool, now: float) -> float:
        """What a retry after a failure, or after a try that `timed_out`, takes now: 0 where it may not be made; 1 of a budget
        that only has to allow it."""
        spec = self.spec
        if isinstance(spec, ThrottleBudget):
            return 1.0 if self.tokens * ENOUGH > self.most / 2.0 else 0.0
        if isinstance(spec, RatioBudget):
            price = 1.0
            self._add(spec.minimum_per_second * (now - self._seen))
            self._seen = now
        else:
            price = spec.timeout_cost if timed_out else spec.cost
        if self.tokens < price * ENOUGH:
            return 0.0
        self.tokens = max(0.0, self.tokens - price)
        return price

    def succeeded(self, taken: float) -> None:
        """A try succeeded; its retry had `taken` that much, 0 where it was the first."""
        if isinstance(self.spec, TokenBudget):
            self._add(taken or self.spec.refund)
        elif isinstance(self.spec, ThrottleBudget):
            self._add(self.spec.token_ratio)

    def _add(self, tokens: float) -> None:
        self.tokens = min(self.most, self.tokens + tokens)


def _size(spec: Budget) -> float:
    if isinstance(spec, RatioBudget):
        return spec.burst
    return spec.tokens if isinstance(spec, TokenBudget) else spec.max_tokens
