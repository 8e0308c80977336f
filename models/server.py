"""A dependency at work: finite capacity in front of a line, callers that may have gone, and faults on top."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappush

from models.call import Call
from models.chain import Chain, Errand, Stage
from models.dependency import Dependency
from models.message import Messages
from models.outcome import ERROR, OK, PENDING, REFUSED
from simulator.recorder import Ledger
from simulator.simulation import COMPLETION, Simulation, priority

ENDED_OK, ENDED_ERROR, ENDED_REJECTED = range(3)


class Server:
    """A dependency of one replication.

    Recorded: `calls` (begin; served: when service began; end: NaN while it goes on; outcome; wasted: its caller had gone
    when it ended; lined: it had to wait), and `busy_seconds`, the time in service of calls that have ended. A call that it
    makes others for (`chain`) is in service until these are answered.
    """

    def __init__(self, sim: Simulation, name: str, spec: Dependency, place: int) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.concurrency = float("inf") if spec.concurrency is None else spec.concurrency
        self.queue_limit = float("inf") if spec.queue_limit is None else spec.queue_limit
        self.place = place
        self.order = priority(COMPLETION, place)
        self.in_service: dict[Call, Errand | None] = {}
        self.line: deque[Call] = deque()
        self.down = 0
        self.silent = 0
        self.slow = self.cpu = 1.0
        self.connections = float("inf")
        self.error_rate = spec.error_rate
        self.chain: Chain | None = None
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

    def steps(self, name: str, messages: Messages) -> tuple[Stage, ...]:
        """As of any that is called."""
        return () if self.chain is None else self.chain.stages(name, messages)

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
        """The server has done its own work, in which errors are made; then it calls others, where it does."""
        failed = call.error_luck < self.error_rate
        if call.onward and not failed:
            assert self.chain is not None
            errand = self.in_service[call] = Errand(self.chain, call, self._leave)
            errand.begin()
        else:
            self._leave(call, failed)

    def _leave(self, call: Call, failed: bool) -> None:
        """All is done: the effect happens, whether or not anybody waits for it."""
        now = self.sim._now
        del self.in_service[call]
        self.busy_seconds += now - call.begun
        if self.line:
            self._serve(self.line.popleft())
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
        for call, errand in self.in_service.items():
            call.callbacks = []
            if errand is not None:
                errand.die()
            self.busy_seconds += self.sim.now - call.begun
        self.in_service.clear()
        self.line.clear()
        for call in calls:
            self._close(call, ENDED_ERROR)
        if self.chain is not None:
            self.chain.crash()
        self._hang_up(calls)

    def _hang_up(self, calls: list[Call]) -> None:
        self.sim.hold()
        for call in calls:
            call.end(REFUSED)
