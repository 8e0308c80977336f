"""A worker: takes an event in hand, handles it under its group's policies, and settles it. Told as a story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from models.handling import Handling
from models.instance import Life
from models.marking import Marking
from models.outcome import ERROR, OK, PENDING, SUPPRESSED
from models.outgoing import Post
from models.rules import Rules
from models.waiting import INFINITY, Story, Wait


class Worker(Marking):
    """One worker of a life."""

    def __init__(self, life: Life, rules: Rules) -> None:
        super().__init__(life, rules)
        self.handle: Callable[[Handling, int], Story] = self.attempt if rules.plain else self.deliver
        if rules.idempotency is not None:
            self.handle = self.deliver_once
        self.unless_shed = self.handle
        if rules.shed_above < INFINITY:
            self.handle = self.deliver_or_shed

    def deliver_or_shed(self, handling: Handling, event: int) -> Story:
        """A delivery, unless too much is waiting behind it."""
        if self.line_behind() <= self.rules.shed_above:
            return (yield from self.unless_shed(handling, event))
        handling.journey.discard(event, self.sim._now)
        return SUPPRESSED

    def line_behind(self) -> int:
        """How many events wait for this instance, but for those that its workers have begun."""
        raise NotImplementedError

    def deliver(self, handling: Handling, event: int) -> Story:
        """One delivery: tries, publishes."""
        outcome = yield from self.tries(handling, event)
        if outcome == OK:
            if self.rules.publishes_last:
                if self.instance.outgoing:
                    outcome = yield from self._publish(handling, event)
                else:
                    handling.publish(event, self.sim._now)
        elif outcome == SUPPRESSED:
            handling.suppress(event, self.sim._now)
        return outcome

    def _publish(self, handling: Handling, event: int) -> Story:
        """Publishes and waits for the answers, holding the event: an error where one is given up."""
        sim = self.sim
        self.held_since = sim._now
        posts = handling.post(event, sim._now, self.instance.outgoing)
        while not any(post.time == INFINITY for post in posts):
            if any(post.time != post.time for post in posts):
                self._hear_of(posts)
                yield from self.listen()
            elif (due := max((post.time for post in posts), default=0.0)) > sim._now:
                yield from self.sleep(due - sim._now)
            else:
                handling.journey.published[event] = 1
                self.put_down()
                return OK
        self.put_down()
        return ERROR

    def _hear_of(self, posts: Sequence[Post]) -> None:
        """The bell rings once, with the first that more is known of."""
        unknown = [post for post in posts if post.time != post.time]

        def ring() -> None:
            for post in unknown:
                post.listener = None
            self.bell.ring_at_once()

        for post in unknown:
            post.listener = ring

    def wait_until_heard(self) -> Wait:
        """What must be told to the broker waits, with the event in hand."""
        self.held_since = self.sim._now
        while not self.life.heard:
            self.life.unheard.append(self.bell)
            yield from self.listen()
        self.put_down()

    def holds(self, topic: int) -> Iterator[int]:
        """Events of a topic that it has taken and not settled."""
        raise NotImplementedError

    def uncommitted(self, topic: int) -> Iterator[int]:
        """Events of a topic whose publishes wait for a commit: none, but in a log."""
        return iter(())

    def leave(self, now: float) -> None:
        """The life ends while the worker is wherever it is: what it calls goes on without it."""
        if self.busy_since == self.busy_since:
            self.rules.busy += now - self.busy_since
        if self.held_since == self.held_since:
            self.rules.held += now - self.held_since
        if self.call is not None and self.call.outcome == PENDING:
            self.call.abandon(ERROR)
        if self.probing and self.life.gate is not None and self.rules.shared_gate:
            self.life.gate.state.release(now)
            self.life.gate.changed()
        self.deadline = INFINITY
