"""A dependency at work: finite capacity in front of a line, callers that may have gone, and faults on top."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappush
from typing import Protocol

from models.dependency import Dependency
from models.outcome import ERROR, OK, PENDING, REFUSED
from simulator.recorder import NAN, Ledger
from simulator.simulation import COMPLETION, Simulation, priority

ENDED_OK, ENDED_ERROR, ENDED_REJECTED = range(3)


class Work(Protocol):
    """What a group does with the events of a topic, as far as a server must know it."""

    def apply(self, event: int) -> int:
        """The effect happens now. Returns OK, or SUPPRESSED where another attempt had it first."""


class Call:
    """One call for an event: what it takes, whether success is the effect, and who waits for the answer.

    It stands in SimPy's schedule itself while it is in service: `callbacks` are told when that ends. `remote`: the same call as
    it is at the server, where the network is between. `when_over`: what waits for the end of one that was abandoned.
    """

    __slots__ = (
        "answer", "begun", "callbacks", "error_luck", "event", "last", "latency", "outcome", "remote", "row",
        "when_over", "work",
    )  # fmt: skip
    _ok = True
    callbacks: list[Callable[[Call], None]]

    def __init__(
        self, work: Work, event: int, last: bool, latency: float, error_luck: float, answer: Callable[[], object] | None
    ) -> None:
        self.work = work
        self.event = event
        self.last = last
        self.latency = latency
        self.error_luck = error_luck
        self.answer = answer
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


class Server:
    """A dependency of one replication.

    Recorded: `calls` (begin; served: when service began; end: NaN while it goes on; outcome; wasted: its caller had gone
    when it ended; lined: it had to wait), and `busy_seconds`, the time in service of calls that have ended.
    """

    def __init__(self, sim: Simulation, name: str, spec: Dependency, place: int) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.concurrency = float("inf") if spec.concurrency is None else spec.concurrency
        self.queue_limit = float("inf") if spec.queue_limit is None else spec.queue_limit
        self.order = priority(COMPLETION, place)
        self.in_service: dict[Call, None] = {}
        self.line: deque[Call] = deque()
        self.down = 0
        self.silent = 0
        self.slow = self.cpu = 1.0
        self.connections = float("inf")
        self.error_rate = spec.error_rate
        self.unanswered: list[Call] = []
        self.tokens = float(spec.limit.burst) if spec.limit else 0.0
        self.tokens_at = 0.0
        self.calls = Ledger(begin="d", served="d", end="d", outcome="b", wasted="b", lined="b")
        self._served, self._ended = self.calls.columns["served"], self.calls.columns["end"]
        self._on_finish: list[Callable[[Call], None]] = [self._finish]
        self.busy_seconds = 0.0

    def call(self, call: Call) -> None:
        """A call arrives. If it is refused its outcome is set at once; else `answer` is called when it ends."""
        now = self.sim._now
        call.row = self.calls.open(now)
        if self.silent:
            self.unanswered.append(call)
        elif (
            self.down
            or self._throttled(now)
            or (len(self.in_service) >= self.concurrency and len(self.line) >= self.queue_limit)
            or len(self.in_service) + len(self.line) >= self.connections
        ):
            self._close(call, ENDED_REJECTED)
            call.outcome = REFUSED
        elif len(self.in_service) < self.concurrency:
            self._serve(call)
        else:
            self.line.append(call)
            self.calls.columns["lined"][call.row] = 1

    def _throttled(self, now: float) -> bool:
        limit = self.spec.limit
        if limit is None:
            return False
        self.tokens = min(float(limit.burst), self.tokens + (now - self.tokens_at) * limit.rate)
        self.tokens_at = now
        if self.tokens < 1.0:
            return True
        self.tokens -= 1.0
        return False

    def _serve(self, call: Call) -> None:
        now = self.sim._now
        seconds = call.latency * self.slow
        if self.cpu < 1.0:
            seconds *= self._crowding()
        if self.spec.load_factor:
            seconds *= 1.0 + self.spec.load_factor * len(self.in_service)
        self._served[call.row] = call.begun = now
        self.in_service[call] = None
        call.callbacks = self._on_finish
        heappush(self.sim._queue, (now + seconds, self.order, next(self.sim._eid), call))  # type: ignore[misc]

    def _crowding(self) -> float:
        """How many times as long a call takes that begins now, because what is left of the processors is shared."""
        processors = self.concurrency * self.cpu
        return max(1.0, (len(self.in_service) + 1) / processors) if processors < float("inf") else 1.0 / self.cpu

    def let_in(self, share: float) -> None:
        """Only so large a share of the calls that it can serve at once is connected."""
        self.connections = float("inf") if share >= 1.0 else int(share * self.concurrency + 1e-9)

    def _finish(self, call: Call) -> None:
        """The server has done its work: the effect happens, whether or not anybody waits for it."""
        now = self.sim._now
        del self.in_service[call]
        self.busy_seconds += now - call.begun
        if self.line:
            self._serve(self.line.popleft())
        failed = call.error_luck < self.error_rate
        outcome = ERROR if failed else call.work.apply(call.event) if call.last else OK
        self._close(call, ENDED_ERROR if failed else ENDED_OK)
        if self.silent:
            self.unanswered.append(call)
        else:
            call.end(outcome)

    def _close(self, call: Call, ended: int) -> None:
        self._ended[call.row] = self.sim._now
        if ended != ENDED_OK:
            self.calls.columns["outcome"][call.row] = ended
        if call.outcome != PENDING and ended != ENDED_REJECTED:
            self.calls.columns["wasted"][call.row] = 1

    def busy_until(self, now: float) -> float:
        """Seconds of service given so far, calls under way included."""
        return self.busy_seconds + sum(now - call.begun for call in self.in_service)

    def unreachable(self) -> None:
        """An outage begins: whoever waits loses the connection, but the server finishes what it has."""
        self.down += 1
        if self.down == 1:
            self._hang_up([*self.in_service, *self.line])

    def reachable(self) -> None:
        """An outage ends."""
        self.down -= 1

    def fall_silent(self) -> None:
        """An outage begins in which nothing is answered: callers wait until they time out, at the latest to its end."""
        self.silent += 1

    def speak(self) -> None:
        """A silent outage ends: what was sent into it, or should have been answered in it, is seen to be lost."""
        self.silent -= 1
        if not self.silent:
            lost, self.unanswered = self.unanswered, []
            for call in lost:
                if self._ended[call.row] != self._ended[call.row]:
                    self._close(call, ENDED_REJECTED)
            self._hang_up(lost)

    def crash(self) -> None:
        """The process is gone: its calls are lost, and no effect of theirs happens."""
        self.down += 1
        calls = [*self.in_service, *self.line]
        for call in self.in_service:
            call.callbacks = []
            self.busy_seconds += self.sim.now - call.begun
        self.in_service.clear()
        self.line.clear()
        for call in calls:
            self._close(call, ENDED_ERROR)
        self._hang_up(calls)

    def _hang_up(self, calls: list[Call]) -> None:
        self.sim.hold()
        for call in calls:
            call.end(REFUSED)
