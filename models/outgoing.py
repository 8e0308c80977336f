"""What a handler publishes to a topic on nodes: it waits until it knows of each event that it is stored, or will not be."""

from __future__ import annotations

from collections.abc import Callable

from models.client import Client
from models.cluster import Cluster
from models.producer import Terms
from models.stored import StoredTopic
from simulator.recorder import NAN
from simulator.simulation import Simulation

INFINITY = float("inf")
KEPT = 64


class Post:
    """An event on its way. `time`: when it is known to be stored (s); NaN: not known; infinite: given up."""

    __slots__ = ("listener", "time")

    def __init__(self) -> None:
        self.time = NAN
        self.listener: Callable[[], None] | None = None

    def tell(self, time: float) -> None:
        """More is known of it."""
        self.time = time
        if time == time and self.listener is not None:
            listener, self.listener = self.listener, None
            listener()


class Outgoing:
    """The client of one instance, or of the broker itself, for one topic."""

    def __init__(self, sim: Simulation, path: str, name: str, terms: Terms, topic: StoredTopic, place: int) -> None:
        self.topic = topic
        self.passage = topic.passage
        self.posts: dict[int, Post] = {}
        self._most = KEPT
        cluster: Cluster = topic.cluster
        self.client = Client(sim, path, f"{name} -> topics.{topic.name}", terms, topic, cluster, self, place)

    def post(self, event: int) -> Post:
        """Publishes an event of the topic, for the first time or again."""
        if len(self.posts) >= self._most:
            self._clear_out()
        post = self.posts[event] = Post()
        self.client.publish(event, self.topic.partition_of(event).number)
        return post

    def pending(self) -> set[int]:
        """Events that are not known to be stored, and not given up."""
        self._clear_out()
        return set(self.posts)

    def _clear_out(self) -> None:
        """Posts that are known to have arrived need no looking after."""
        now = self.client.sim.now
        self.posts = {event: post for event, post in self.posts.items() if not post.time <= now}
        self._most = 2 * len(self.posts) + KEPT

    def acknowledged(self, event: int, time: float) -> None:
        """As of any owner: the first acknowledgement counts."""
        known = self.passage.acknowledged
        if not known[event] <= self.client.sim.now:
            known[event] = time
        self._tell(event, time)

    def gave_up(self, event: int) -> None:
        """As of any owner."""
        self.passage.failed[event] = 1
        self._tell(event, INFINITY)

    def _tell(self, event: int, time: float) -> None:
        post = self.posts.get(event)
        if post is not None:
            if time <= self.client.sim.now or time == INFINITY:
                del self.posts[event]
            post.tell(time)

    def vanished(self, event: int) -> None:
        """As of any owner: what it does not know it cannot mend."""

    def crash(self) -> None:
        """The instance is gone with what it had not sent."""
        self.posts.clear()
        for event in self.client.crash():
            self.gave_up(event)
