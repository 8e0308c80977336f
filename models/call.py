"""One call of a dependency, from whoever makes it: a worker for its attempt, or a dependency for a call that it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from models.dependency import Dependency
from models.message import Messages
from models.outcome import PENDING
from simulator.recorder import NAN


class Work(Protocol):
    """What a group does with the events of a topic, as far as a server must know it."""

    def apply(self, event: int) -> int:
        """The effect happens now. Returns OK, or SUPPRESSED where another attempt had it first."""


class Step(Protocol):
    """A dependency that a dependency calls in its turn, for the events of one topic."""

    def ask(self, call: Call, answer: Callable[[], object]) -> Call:
        """Calls it for the event of `call`: `answer` is called when that ends, unless it is refused at once."""

    def wait_after(self, event: int, failed: int, memory: float) -> tuple[float, float]:
        """Seconds from the `failed`-th try in a row that failed to the next, and what the wait after that has to know, as
        `memory` says it of the one before."""


class Called(Protocol):
    """A dependency, as far as its callers must know it."""

    name: str
    spec: Dependency

    def call(self, call: Call) -> None:
        """A call arrives."""

    def steps(self, name: str, messages: Messages) -> tuple[Step, ...]:
        """What it calls in its turn when it is called for one of `messages`; `name`: of the luck of the way to here."""


class Call:
    """One call for an event: what it takes, whether success is the effect, and who waits for the answer.

    It stands in SimPy's schedule itself while it is in service: `callbacks` are told when that ends. `onward`: what its server
    calls in its turn before it is done. `remote`: the same call as it is at the server, where the network is between.
    `when_over`: what waits for the end of one that was abandoned.
    """

    __slots__ = (
        "answer", "begun", "callbacks", "error_luck", "event", "last", "latency", "onward", "outcome", "remote", "row",
        "when_over", "work",
    )  # fmt: skip
    _ok = True
    callbacks: list[Callable[[Call], None]]

    def __init__(
        self, work: Work, event: int, last: bool, latency: float, error_luck: float, answer: Callable[[], object] | None,
        onward: Sequence[Step],
    ) -> None:  # fmt: skip
        self.work = work
        self.event = event
        self.last = last
        self.latency = latency
        self.error_luck = error_luck
        self.answer = answer
        self.onward = onward
        self.outcome = PENDING
        self.begun = NAN
        self.row = -1
        self.remote: Call | None = None
        self.when_over: Callable[[], None] | None = None

    def end(self, outcome: int) -> None:
        """The caller learns the outcome, if it still waits."""
        if self.outcome == PENDING:
            self.outcome = outcome
            if self.answer is not None:
                self.answer()
        elif self.when_over is not None:
            when_over, self.when_over = self.when_over, None
            when_over()

    def abandon(self, outcome: int, when_over: Callable[[], None] | None = None) -> None:
        """The caller stops waiting; the call goes on where it is."""
        self.outcome = outcome
        self.answer = None
        self.when_over = when_over
        if self.remote is not None:
            self.remote.abandon(outcome, None if when_over is None else partial(self.end, outcome))
