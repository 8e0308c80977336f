"""The network at work: who reaches whom now, how long it takes, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from models.ends import belongs, ends_of, meets
from models.network import Link, Network
from models.trouble import Trouble
from simulator.distributions import Constant, Distribution
from simulator.simulation import Simulation
from simulator.streams import Stream

NOTHING = Link()


class Barrier(Protocol):
    """What lets nothing pass. `refuses`: who tries is told so at once, and connections are reset when it begins."""

    @property
    def refuses(self) -> bool:
        """Whether it does not do so in silence."""

    def stops(self, sender: str, receiver: str) -> bool:
        """Whether what `sender` sends does not reach `receiver`."""


@dataclass(frozen=True)
class Cut:
    """A partition that is in force: nothing passes from the first set to the second, nor back unless `one_way`. An outage of
    the broker is one, which `refuses` unless it is silent."""

    between: tuple[tuple[str, ...], tuple[str, ...]]
    one_way: bool = False
    refuses: bool = False

    def stops(self, sender: str, receiver: str) -> bool:
        """Whether what `sender` sends does not reach `receiver`."""
        ones, others = self.between
        if belongs(sender, ones) and belongs(receiver, others):
            return True
        return not self.one_way and belongs(sender, others) and belongs(receiver, ones)


class Way:
    """One direction between two components: its latency (`mean`: s) and its share of losses, each drawn by what is sent.

    `troubles`: the faults in force on it, each with its luck; `varies`: whether there may be any. What is sent is judged when
    it is sent.
    """

    def __init__(self, sim: Simulation, name: str, latencies: Iterable[Distribution], loss: float) -> None:
        self.sim = sim
        self.name = name
        self.loss = loss
        self.laws = [law for law in latencies if law.mean > 0.0]
        self.mean = sum(law.mean for law in self.laws)
        self.base = sum(law.value for law in self.laws if isinstance(law, Constant))
        self.laws = [law for law in self.laws if not isinstance(law, Constant)]
        self.instant = not self.laws and self.base == 0.0
        self.varies = False
        self.troubles: list[tuple[Trouble, Stream]] = []
        self._latency = [sim.stream(f"{name}/latency" + (f"#{place}" if place else "")) for place in range(len(self.laws))]
        self._loss = sim.stream(f"{name}/loss")

    def put_on(self, trouble: Trouble) -> None:
        """A fault begins; one that is in force already has other luck the second time."""
        times = sum(each == trouble for each, _ in self.troubles)
        luck = f"{trouble.luck}/{self.name}" + (f"#{times}" if times else "")
        self.troubles.append((trouble, self.sim.stream(luck)))

    def take_off(self, trouble: Trouble) -> None:
        """It ends."""
        place = max(place for place, (each, _) in enumerate(self.troubles) if each == trouble)
        del self.troubles[place]

    def seconds(self, identity: int, n: int) -> float:
        """How long what belongs to `identity`, its n-th, is on the way."""
        total = self.base
        for law, stream in zip(self.laws, self._latency, strict=True):
            total += law.ppf(stream.uniform(identity, n))
        for trouble, luck in self.troubles:
            if trouble.add is not None:
                total += trouble.add.ppf(luck.uniform(identity, n))
        return total

    def usual_seconds(self) -> float:
        """How long it takes on average, as things are."""
        return self.mean + sum(trouble.add.mean for trouble, _ in self.troubles if trouble.add is not None)

    def loses(self, identity: int, n: int) -> bool:
        """Whether it never arrives."""
        if self.loss > 0.0 and self._loss.uniform(identity, n) < self.loss:
            return True
        return bool(self.troubles) and self._strikes("loss", identity, n)

    def doubles(self, identity: int, n: int) -> bool:
        """Whether it arrives twice."""
        return bool(self.troubles) and self._strikes("duplicate", identity, n)

    def _strikes(self, kind: str, identity: int, n: int) -> bool:
        return any(each.kind == kind and luck.uniform(identity, n) < each.rate for each, luck in self.troubles)


class Links:
    """Every link of one replication. `troubled`: what stands for those on which faults may delay, lose or double messages.

    `listeners` are told after barriers have changed, of which `falling` comes down now; `weather`: after faults on ways have.
    """

    def __init__(self, sim: Simulation, spec: Network, troubled: Iterable[str] = ()) -> None:
        self.sim = sim
        self.spec = spec
        self.troubled = tuple(troubled)
        self.cuts: list[Barrier] = []
        self.falling: Barrier | None = None
        self.listeners: list[Callable[[], None]] = []
        self.weather: list[Callable[[], None]] = []
        self._ends = [(ends_of(name), link) for name, link in spec.links.items()]
        self._ways: list[tuple[str, str, Way]] = []
        self._troubles: list[Trouble] = []

    @property
    def cost_nothing(self) -> bool:
        """Whether no link takes time or loses anything."""
        return all(link.latency.mean == 0.0 and link.loss == 0.0 for link in (self.spec, *self.spec.links.values()))

    def may_vary(self, sender: str, receiver: str) -> bool:
        """Whether a fault may delay, lose or double what goes that way."""
        return any(meets(target, sender, receiver) for target in self.troubled)

    # -- barriers -----------------------------------------------------------------------------------------------------

    def open(self, sender: str, receiver: str) -> bool:
        """Whether nothing stops what `sender` sends to `receiver`."""
        return not any(cut.stops(sender, receiver) for cut in self.cuts)

    def both(self, one: str, other: str) -> bool:
        """Whether they reach each other."""
        return not self.cuts or (self.open(one, other) and self.open(other, one))

    def refuse(self, sender: str, receiver: str) -> bool:
        """Whether who sends that way is told at once that nothing arrives: what refuses is all that stands between."""
        between = [cut for cut in self.cuts if cut.stops(sender, receiver) or cut.stops(receiver, sender)]
        return bool(between) and all(cut.refuses for cut in between)

    def reset(self, sender: str, receiver: str) -> bool:
        """Whether a connection is reset now."""
        falling = self.falling
        return falling is not None and falling.stops(sender, receiver) and self.refuse(sender, receiver)

    def cut(self, cut: Barrier) -> None:
        """Nothing passes any more."""
        self.cuts.append(cut)
        self.falling = cut
        self._tell(self.listeners)
        self.falling = None

    def heal(self, cut: Barrier) -> None:
        """That is over."""
        self.cuts.remove(cut)
        self._tell(self.listeners)

    # -- ways ---------------------------------------------------------------------------------------------------------

    def disturb(self, trouble: Trouble) -> None:
        """A fault on links begins."""
        if trouble.is_barrier:
            self.cut(trouble)
            return
        self._troubles.append(trouble)
        for way in self._struck(trouble):
            way.put_on(trouble)
        self._tell(self.weather)

    def calm(self, trouble: Trouble) -> None:
        """It is over."""
        if trouble.is_barrier:
            self.heal(trouble)
            return
        self._troubles.remove(trouble)
        for way in self._struck(trouble):
            way.take_off(trouble)
        self._tell(self.weather)

    def _struck(self, trouble: Trouble) -> list[Way]:
        return [way for sender, receiver, way in self._ways if way.varies and meets(trouble.target, sender, receiver)]

    def _tell(self, listeners: list[Callable[[], None]]) -> None:
        for listener in listeners:
            listener()

    def way(self, sender: str, receiver: str, *more: Distribution, stream: str = "") -> Way:
        """The direction from `sender` to `receiver`, with further latencies that a message meets on it; `stream`: of its luck,
        if it is not its own."""
        return self._way(sender, receiver, self._named(sender, receiver) or self.spec, more, stream)

    def detour(self, sender: str, receiver: str) -> Way | None:
        """What a link adds to a time that is given without it: only where it is named, or a fault may strike it."""
        link = self._named(sender, receiver)
        if link is None and not self.may_vary(sender, receiver):
            return None
        return self._way(sender, receiver, link or NOTHING, (), "")

    def _named(self, sender: str, receiver: str) -> Link | None:
        """The last of the links given by themselves that this is."""
        named = [link for (one, other), link in self._ends if belongs(sender, (one,)) and belongs(receiver, (other,))]
        return named[-1] if named else None

    def _way(self, sender: str, receiver: str, link: Link, more: tuple[Distribution, ...], stream: str) -> Way:
        way = Way(self.sim, stream or f"network/{sender} -> {receiver}", (link.latency, *more), link.loss)
        way.varies = self.may_vary(sender, receiver)
        self._ways.append((sender, receiver, way))
        for trouble in self._troubles:
            if way.varies and meets(trouble.target, sender, receiver):
                way.put_on(trouble)
        return way
