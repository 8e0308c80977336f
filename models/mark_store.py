"""A store of marks at work: it answers, refuses, is silent or slow, and a crash loses the marks that are too young."""

from __future__ import annotations

from models.links import Links
from models.marks import Marks
from models.store import Store
from simulator.simulation import FAILURE, Simulation

INFINITY = float("inf")


class MarkStore:
    """A store of one replication, whose marks groups keep in `registers`; a group's own store never fails (`spec` None).

    `down`: faults that make it refuse; `silent`: those that make it say nothing. `crashes`, `cuts`, `silences`: how many have
    begun, by which a request under way sees that it was struck. `operations`: requests that were carried out.
    """

    def __init__(self, sim: Simulation, name: str, spec: Store | None, place: int) -> None:
        self.sim = sim
        self.name = name
        self.spec = spec
        self.place = place
        self.registers: list[Marks] = []
        self.down = self.silent = 0
        self.crashes = self.cuts = self.silences = 0
        self.slow = 1.0
        self.error_rate = 0.0
        self.operations = 0
        self._crashed: list[float] = []
        self._replaced = 0
        self._failover = sim.stream(f"{name}/failover")

    # -- what faults do -----------------------------------------------------------------------------------------------

    def unreachable(self) -> None:
        """An outage begins: whoever waits loses the connection, though what arrived is carried out."""
        self.down += 1
        self.cuts += 1

    def reachable(self) -> None:
        """An outage ends."""
        self.down -= 1

    def fall_silent(self) -> None:
        """An outage begins in which nothing is answered, and nothing that is sent arrives."""
        self.silent += 1
        self.silences += 1

    def speak(self) -> None:
        """A silent outage ends."""
        self.silent -= 1

    def crash(self) -> None:
        """The node that serves is gone; the replica notices and takes over, if there is one."""
        assert self.spec is not None
        self.down += 1
        self.crashes += 1
        now = self.sim.now
        self._crashed.append(now)
        if self.spec.has_replica:
            seconds = self.spec.failover_time.ppf(self._failover.uniform(self.crashes))
            self.sim.call_at(now + seconds, FAILURE, lambda: self._fail_over(now), self.place)

    def _fail_over(self, crashed: float) -> None:
        assert self.spec is not None
        if crashed in self._crashed:
            self._replaced += 1
            self._serve_again(crashed, self.spec.replication_lag)

    def restart(self) -> None:
        """A crash is over: the node serves again, or is the replica of the one that does meanwhile."""
        assert self.spec is not None
        if self._replaced:
            self._replaced -= 1
        else:
            self._serve_again(self._crashed[0], self.spec.persistence)

    def _serve_again(self, crashed: float, unsafe: float) -> None:
        """Without what was younger than `unsafe` seconds when it crashed."""
        self._crashed.remove(crashed)
        self.down -= 1
        for marks in self.registers if unsafe > 0.0 else ():
            marks.lose_since(crashed - unsafe)


class Road:
    """The way of one instance to a store and back, where the network can be slow, lose something or be cut."""

    def __init__(self, links: Links, path: str, store: str) -> None:
        group = path.partition("[")[0]
        self.links = links
        self.path = path
        self.store = store
        self.to = links.way(path, store, stream=f"network/{group} -> {store}")
        self.back = links.way(store, path, stream=f"network/{store} -> {group}")

    def there(self, identity: int, n: int) -> float:
        """Seconds until the n-th request for an event arrives; infinite: it never does."""
        lost = not self.links.open(self.path, self.store) or self.to.loses(identity, n)
        return INFINITY if lost else self.to.seconds(identity, n)

    def home(self, identity: int, n: int) -> float:
        """Seconds until its answer is back; infinite: it is lost."""
        lost = not self.links.open(self.store, self.path) or self.back.loses(identity, n)
        return INFINITY if lost else self.back.seconds(identity, n)
