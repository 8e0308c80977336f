"""Who polls a group's leased queues. Nobody is told of a consumer that dies, freezes or stops: what it has comes back when
its leases end (Amazon SQS has no connections and no heartbeats)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from models.lease import LeaseQueue
from models.lease_life import LeaseLife, Poller


class Pollers:
    """`waiting`: workers in a long poll, in the order in which they began to wait. A call is no promise: whoever comes to
    receive may find nothing, and one who is called and cannot come passes it on."""

    def __init__(self, queues: Sequence[LeaseQueue]) -> None:
        self.queues = queues
        self.members: list[LeaseLife] = []
        self.rebalances: list[float] = []
        self.waiting: deque[Poller] = deque()
        self.on_change: Callable[[], None] = _nothing

    def found(self, lives: Sequence[LeaseLife]) -> None:
        """The instances at the start."""
        for life in lives:
            self.join(life)

    def join(self, life: LeaseLife) -> None:
        """An instance begins to poll."""
        life.member = life.open = True
        self.members.append(life)
        if life.gate is not None:
            life.gate.let_look()
        self.pass_on()
        self.on_change()

    def leave(self, life: LeaseLife) -> None:
        """An instance polls no more."""
        self.waiting = deque(worker for worker in self.waiting if worker.life is not life)
        if life.member:
            life.member = life.open = False
            self.members.remove(life)
        self.pass_on()
        self.on_change()

    def miss(self, life: LeaseLife) -> None:
        """As of any membership: what it was called for is another's."""
        if not life.alive:
            self.leave(life)
        elif life.frozen or not life.linked:
            self.pass_on()

    def broker_is(self, there: bool) -> None:
        """As of any membership: nothing; leases run on."""

    def resumed(self, life: LeaseLife) -> None:
        """As of any membership; one that could not begin to poll begins."""
        if life.member:
            self.pass_on()
        elif not life.stopping:
            self.join(life)

    def surrendered(self, life: LeaseLife) -> None:
        """Nothing: nobody is asked to stop."""

    def pass_on(self) -> None:
        """Calls somebody, if anything can be received."""
        if any(queue.can_be_received() for queue in self.queues):
            self.call()

    def call(self) -> None:
        """Something can be received: of those in a long poll the one that has waited longest does, else a new worker where
        their number is unlimited, of the instances in turn."""
        for worker in self.waiting:
            life = worker.life
            if life.open and life.linked and not life.frozen:
                self.waiting.remove(worker)
                worker.bell.ring()
                return
            if life.open and life.heard and not life.frozen and not worker.is_deaf:
                worker.miss_answer()
        for life in self.members:
            if life.spawn is not None and life.open and life.linked and not life.frozen and not life.looking:
                self.members.remove(life)
                self.members.append(life)
                life.looking = True
                life.workers.append(life.spawn(life))  # type: ignore[arg-type]
                return


def _nothing() -> None:
    """Nobody listens."""
