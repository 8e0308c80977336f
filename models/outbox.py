"""An outbox: events are safe in it as soon as they come into being, and a relay publishes them later, at least once."""

from __future__ import annotations

import math

from models.client import Client
from models.producer import Terms
from models.stored import StoredTopic
from simulator.simulation import TIMER, Simulation


class Outbox:
    """The outbox of one instance, or of a group, for one topic. `rows`: events that are not known to be published, with their
    partitions.

    Its relay looks at multiples of `poll` (s) and publishes what it has not sent, in order; it marks what is acknowledged. A
    crash between the two publishes again (Richardson, "Transactional outbox").
    """

    def __init__(
        self, sim: Simulation, path: str, name: str, terms: Terms, topic: StoredTopic, poll: float, place: int
    ) -> None:
        self.sim = sim
        self.poll = poll
        self.place = place
        self.passage = topic.passage
        self.client = Client(sim, path, name, terms, topic, topic.cluster, self, place)
        self.rows: dict[int, int] = {}
        self.stands = False
        self._sent: set[int] = set()
        self._armed = False
        self._looked = -math.inf

    def publish(self, event: int, number: int) -> None:
        """An event is stored, to go to that partition; one that was there before goes there again."""
        self.rows[event] = number
        self._sent.discard(event)
        self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            next_look = math.ceil(self.sim.now / self.poll) * self.poll
            if next_look <= self._looked:
                next_look += self.poll
            self.sim.call_at(next_look, TIMER, self._look, self.place)

    def _look(self) -> None:
        self._armed, self._looked = False, self.sim.now
        if not self.stands:
            self.sim.hold()
            for event in sorted(self.rows.keys() - self._sent):
                self._sent.add(event)
                self.client.publish(event, self.rows[event])

    def acknowledged(self, event: int, time: float) -> None:
        """As of any owner: an event is marked when this is known."""
        if not self.passage.acknowledged[event] <= self.sim.now:
            self.passage.acknowledged[event] = time
        if time <= self.sim.now:
            self._mark(event)
        elif time == time:
            self.sim.call_at(time, TIMER, lambda: self._mark(event), self.place)

    def _mark(self, event: int) -> None:
        if event in self._sent and self.passage.acknowledged[event] <= self.sim.now:
            self.rows.pop(event, None)
            self._sent.discard(event)

    def gave_up(self, event: int) -> None:
        """As of any owner: it never does."""
        self._sent.discard(event)
        if not self.stands:
            self._arm()

    def vanished(self, event: int) -> None:
        """As of any owner: what it does not know it cannot mend."""

    def crash(self) -> None:
        """The relay is gone, and does not know what it had sent."""
        self.stands = True
        self.client.crash()
        self._sent.clear()

    def stand_still(self) -> None:
        """Nobody looks."""
        self.stands = True

    def go_on(self) -> None:
        """Somebody looks again, at the next multiple."""
        self.stands = False
        if self.rows.keys() - self._sent:
            self._arm()
