"""The network at work: who reaches whom now, how long it takes, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from models.network import Link, Network
from simulator.distributions import Constant, Distribution
from simulator.simulation import Simulation


@dataclass(frozen=True)
class Cut:
    """A partition that is in force: nothing passes from the first set to the second, nor back unless `one_way`."""

    between: tuple[tuple[str, ...], tuple[str, ...]]
    one_way: bool = False

    def stops(self, sender: str, receiver: str) -> bool:
        """Whether what `sender` sends does not reach `receiver`."""
        ones, others = self.between
        if belongs(sender, ones) and belongs(receiver, others):
            return True
        return not self.one_way and belongs(sender, others) and belongs(receiver, ones)


def belongs(member: str, paths: Iterable[str]) -> bool:
    """Whether a path of a member, such as `consumers.payment[2]`, is one of `paths` or in a component that is.

    `broker` and `broker.nodes` both stand for all nodes.
    """
    whole = member.partition("[")[0]
    return any(path in (member, whole) or (path == "broker" and whole == "broker.nodes") for path in paths)


class Way:
    """One direction between two components: its latency (`mean`: s) and its share of losses, each drawn by what is sent."""

    def __init__(self, sim: Simulation, name: str, latencies: Iterable[Distribution], loss: float) -> None:
        self.loss = loss
        self.laws = [law for law in latencies if law.mean > 0.0]
        self.mean = sum(law.mean for law in self.laws)
        self.base = sum(law.value for law in self.laws if isinstance(law, Constant))
        self.laws = [law for law in self.laws if not isinstance(law, Constant)]
        self.instant = not self.laws and self.base == 0.0
        self._latency = [sim.stream(f"{name}/latency" + (f"#{place}" if place else "")) for place in range(len(self.laws))]
        self._loss = sim.stream(f"{name}/loss")

    def seconds(self, identity: int, n: int) -> float:
        """How long what belongs to `identity`, its n-th, is on the way."""
        total = self.base
        for law, stream in zip(self.laws, self._latency, strict=True):
            total += law.ppf(stream.uniform(identity, n))
        return total

    def loses(self, identity: int, n: int) -> bool:
        """Whether it never arrives."""
        return self.loss > 0.0 and self._loss.uniform(identity, n) < self.loss


class Links:
    """Every link of one replication. `listeners` are told after the cuts have changed."""

    def __init__(self, sim: Simulation, spec: Network) -> None:
        self.sim = sim
        self.spec = spec
        self.cuts: list[Cut] = []
        self.listeners: list[Callable[[], None]] = []
        self._ends: list[tuple[tuple[str, str], Link]] = []
        for name, link in spec.links.items():
            sender, _, receiver = name.partition("->")
            self._ends.append(((sender.strip(), receiver.strip()), link))

    @property
    def cost_nothing(self) -> bool:
        """Whether no link takes time or loses anything."""
        return all(link.latency.mean == 0.0 and link.loss == 0.0 for link in (self.spec, *self.spec.links.values()))

    def open(self, sender: str, receiver: str) -> bool:
        """Whether no cut stops what `sender` sends to `receiver`."""
        return not any(cut.stops(sender, receiver) for cut in self.cuts)

    def both(self, one: str, other: str) -> bool:
        """Whether they reach each other."""
        return not self.cuts or (self.open(one, other) and self.open(other, one))

    def cut(self, cut: Cut) -> None:
        """A partition begins."""
        self.cuts.append(cut)
        self._tell()

    def heal(self, cut: Cut) -> None:
        """A partition is over."""
        self.cuts.remove(cut)
        self._tell()

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()

    def way(self, sender: str, receiver: str, *more: Distribution, stream: str = "") -> Way:
        """The direction from `sender` to `receiver`, with further latencies that a message meets on it; `stream`: of its luck,
        if it is not its own."""
        link: Link = self.spec
        for (one, other), special in self._ends:
            if belongs(sender, (one,)) and belongs(receiver, (other,)):
                link = special
        return Way(self.sim, stream or f"network/{sender} -> {receiver}", (link.latency, *more), link.loss)
