"""Who belongs to a log's consumer group: sessions, joining and leaving, as Kafka's group coordinator keeps them.

A member that dies is missed when its session ends, counted from its last heartbeat. A dynamic member that closes, or that has
not polled for `max_poll_interval`, says goodbye. A static one (`group.instance.id`) never does: it falls silent, its partitions
wait for it, and if it is back before its session ends it has them again at once. What follows when the members have changed is
the protocol's business: a subclass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from models.consumer import Consumer
from models.log import Cursor
from models.log_life import LogLife
from simulator.simulation import TIMER, Simulation
from simulator.streams import Stream


class Coordinator:
    """The broker's side of one group. `members` includes the dead until their sessions end; the value is the number of the
    joining. `rebalances`: when the group left a state in which every partition was where it belonged (s)."""

    def __init__(
        self, sim: Simulation, name: str, terms: Consumer, cursors: Sequence[Cursor], concurrency: float, place: int
    ) -> None:
        self.sim = sim
        self.terms = terms
        self.patience = terms.max_poll_interval or math.inf
        self.cursors = cursors
        self.concurrency = concurrency
        self.place = place
        self.members: dict[LogLife, int] = {}
        self.rebalances: list[float] = []
        self.on_change: Callable[[], None] = _nothing
        self.luck: Stream = sim.stream(f"{name}/rebalance")
        self._heartbeats: Stream = sim.stream(f"{name}/heartbeat")
        self._silences: dict[LogLife, int] = {}
        self._fallen = 0
        self._joined = 0
        self.is_there = True

    def found(self, lives: Sequence[LogLife]) -> None:
        """The group as it is at the start, with no rebalance."""
        for life in lives:
            self._admit(life)
        self.deal()

    def join(self, life: LogLife) -> None:
        """A new member, or one that was expelled and has noticed; or a static one, back in its session."""
        awaited = self._awaited(life)
        if awaited is None:
            self._admit(life)
            life.open = self.is_open()
            self.changed()
        else:
            self._welcome_back(awaited, life)

    def leave(self, life: LogLife) -> None:
        """A member closes or gives up polling: it says goodbye, or just falls silent if it is static."""
        if life not in self.members:
            return
        if not self.terms.static_membership:
            self.expel(life)
            return
        if life.alive:
            self._disown(life)
        self._fall_silent(life)
        self.on_change()

    def expel(self, life: LogLife) -> None:
        """It is no member any more: what it does from now on is refused. One that is not linked does not know it."""
        if self.members.pop(life, None) is None:
            return
        self._silences.pop(life, None)
        life.member = False
        life.open = life.open and not life.linked
        life.on_poll, life.asked = None, {}
        for cursor in life.owned:
            cursor.hand_to(None, self.sim.now)
        life.owned = []
        life.ready.clear()
        self.on_change()
        self.changed()

    def miss(self, life: LogLife) -> None:
        """As of any membership: heartbeats stop."""
        if not (life.alive and life.heard) or life.frozen:
            self._fall_silent(life)

    def _fall_silent(self, life: LogLife) -> None:
        """Heartbeats stop now, if they have not yet; unless they come back the session ends, counted from the last of them."""
        if life in self.members and life not in self._silences:
            phase = self._heartbeats.uniform(life.instance.index, life.number) * (self.terms.heartbeat_interval or 0.0)
            self._end_session_after((self.terms.session_timeout or math.inf) - phase, life)

    def _end_session_after(self, seconds: float, life: LogLife) -> None:
        self._fallen += 1
        silence = self._silences[life] = self._fallen

        def expire() -> None:
            if self._silences.get(life) == silence and self.is_there:
                self.expel(life)

        self.sim.call_at(self.sim.now + seconds, TIMER, expire, self.place)

    def broker_is(self, there: bool) -> None:
        """As of any membership: nobody is expelled without a coordinator; one that takes over gives everybody a new session."""
        if there and not self.is_there:
            for life in list(self._silences):
                self._end_session_after(self.terms.session_timeout or math.inf, life)
        self.is_there = there

    def resumed(self, life: LogLife) -> None:
        """As of any membership: perhaps it learns that it was expelled or that the group gathers, perhaps it has not polled for
        too long, perhaps it polls now."""
        if life.member:
            self._silences.pop(life, None)
        life.open = life.open and life.member and self.is_open()
        self._check_polls(life)
        life.answer()

    def watch_polls(self, life: LogLife, when: float) -> None:
        """One timer per life, on the worker that has not polled for longest."""
        if when == math.inf:
            return

        def look() -> None:
            if life.alive:
                self.watch_polls(life, self._check_polls(life))

        self.sim.call_at(when, TIMER, look, life.place)

    def _check_polls(self, life: LogLife) -> float:
        """A client that has not polled for `max_poll_interval` leaves the group by itself. Returns when to look again."""
        now, limit = self.sim.now, self.patience
        oldest = min((w.polled_at for w in life.workers if w.polled_at == w.polled_at), default=now)
        if oldest + limit > now:
            return oldest + limit
        if life.member and not life.frozen and life.linked:
            life.open = False
            self.leave(life)
        return now + limit

    def surrendered(self, life: LogLife | None = None) -> None:
        """A member that may take no more has finished what it had in hand."""

    def changed(self) -> None:
        """Members have come or gone, or both."""
        raise NotImplementedError

    def replaced(self, old: LogLife, new: LogLife) -> None:
        """A static member is back as `new`, with nothing in hand, and has what `old` had."""
        raise NotImplementedError

    def polled(self, life: LogLife) -> None:
        """A member polls that was to be seen at its next poll."""

    def is_open(self) -> bool:
        """Whether a member that comes back may work at once."""
        return True

    def in_order(self) -> list[LogLife]:
        """The members in the order in which partitions are dealt."""
        return sorted(self.members, key=lambda life: (life.instance.index, life.number))

    def deal(self) -> None:
        """Everybody has stopped and commits what is done; partition p goes to member p mod members."""
        members = self.in_order()
        for cursor in self.cursors:
            if cursor.owner is not None:
                cursor.commit(cursor.handled, self.sim.now, surely=True)
        for life in members:
            life.owned = []
            life.ready.clear()
        for cursor in self.cursors:
            owner = members[cursor.partition.number % len(members)] if members else None
            if owner is not None:
                owner.owned.append(cursor)
            cursor.hand_to(owner, self.sim.now)
        for life in members:
            life.share = self.share(life)
            life.open = not life.stopping
        self.sim.hold()
        for life in members:
            self.set_to_work(life, len(life.ready))
        self.on_change()

    def share(self, life: LogLife) -> int:
        """How many partitions one of its workers may poll, so that each has its part."""
        return max(1, -int(-len(life.owned) // self.concurrency))

    def set_to_work(self, life: LogLife, partitions: int) -> None:
        """So many partitions have become ready in its hands."""
        if life.gate is not None:
            life.gate.let_look()
        for _ in range(partitions):
            life.call_worker()

    def _admit(self, life: LogLife) -> None:
        self._joined += 1
        self.members[life] = self._joined
        life.member = True

    def _awaited(self, life: LogLife) -> LogLife | None:
        """The member that a static one is, or was before it came back."""
        if not self.terms.static_membership:
            return None
        return next((member for member in self.members if member.instance is life.instance), None)

    def _disown(self, life: LogLife) -> None:
        """A static member has stopped polling: its partitions stay with it, but what it has in hand is refused."""
        life.member = life.open = False
        for cursor in life.owned:
            cursor.hand_to(life, self.sim.now)
        life.ready.clear()

    def _welcome_back(self, old: LogLife, life: LogLife) -> None:
        """Kafka replaces the member id of a known `group.instance.id`: what the former process still does is refused."""
        owned, old.owned = old.owned, []
        life.asked, old.asked = old.asked, life.asked
        old.member = old.open = False
        old.on_poll = None
        old.ready.clear()
        del self.members[old]
        self._silences.pop(old, None)
        self._admit(life)
        life.owned, life.share, life.open = owned, old.share, self.is_open()
        for cursor in owned:
            cursor.hand_to(life, self.sim.now)
        self.sim.hold()
        self.set_to_work(life, len(life.ready))
        self.replaced(old, life)
        self.on_change()


def _nothing() -> None:
    """Nobody listens."""
