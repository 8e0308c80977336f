"""What a campaign draws: faults that the components of a scenario can have, where, when and how severe.

Every component is as likely as any other, then every kind of fault that it can have, then where in it the fault strikes.
A fault is a function of (seed, number of the schedule, place in it), so that further schedules and faults move none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.lab.chaos_laws import CALM, LATEST, LAWS, TOGETHER, WHOLE, Law, plain
from models import System
from models.errors import BadScenario, Problem
from models.fault_checks import fault_problems, members_of
from models.faults import Fault
from models.footprint import check_memory
from models.later import unsupported

Schedule = tuple[Fault, ...]
"""The faults of one run."""

ATTEMPTS = 100
NETWORK = "network"
INSTANTS = 500
"""Times are rounded to a power of ten that is at most this part of the measured time: people are to read them."""


@dataclass(frozen=True)
class Place:
    """A component that can fail: the paths that stand for all of it, and those of its members, if there are several."""

    name: str
    wholes: tuple[str, ...]
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One law at one component: the path of the whole, "" where it strikes members alone, and the members."""

    law: Law
    whole: str
    members: tuple[str, ...]


class Arsenal:
    """All faults that a system can have. `choices`: by component and kind, those that the scenario's own checks let pass."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.clock = Clock.of(system)
        self.choices: dict[str, dict[str, list[Choice]]] = {}
        for place in _places(system):
            for law in LAWS:
                choice = self._choice(place, law)
                if choice is not None:
                    self.choices.setdefault(place.name, {}).setdefault(law.kind, []).append(choice)

    def _choice(self, place: Place, law: Law) -> Choice | None:
        if law.kind == "partition":
            return Choice(law, "", ()) if place.name == NETWORK and len(list(members_of(self.system))) > 1 else None
        whole = next((path for path in place.wholes if self.allows(self._probe(law, path))), "")
        members = place.members if place.members and self.allows(self._probe(law, place.members[0])) else ()
        return Choice(law, whole, members) if whole or members else None

    def _probe(self, law: Law, path: str) -> Fault:
        return Fault.model_validate({"name": "probe", "kind": law.kind, "target": path, "at": 0, "for": 1, **law.severity(0.5)})

    def allows(self, fault: Fault) -> bool:
        """Whether the system can have that fault."""
        return not any(unsupported(fault)) and not any(fault_problems(0, fault, self.system))

    def members(self, path: str) -> tuple[str, ...]:
        """The members of what a path stands for, () where it is one itself."""
        return next((place.members for place in _places(self.system) if path in place.wholes), ())

    def schedule(self, count: int, number: int) -> Schedule:
        """The faults of the schedule of that number. Raises BadScenario where the system can have none."""
        faults: Schedule = ()
        for place in range(count):
            tries = (self._drawn(place, np.random.default_rng((self.system.seed, number, place, n))) for n in range(ATTEMPTS))
            more = next((fault for fault in tries if fault is not None and self._takes((*faults, fault))), None)
            if more is None:
                raise BadScenario([Problem("faults", "none can be drawn", "the system must have something that can fail")])
            faults = (*faults, more)
        return faults

    def _takes(self, schedule: Schedule) -> bool:
        try:
            check_memory(with_faults(self.system, schedule))
        except BadScenario:
            return False
        return True

    def _drawn(self, place: int, rng: np.random.Generator) -> Fault | None:
        if not self.choices:
            return None
        which, kind, variant, all_of_it, member, length, start, severity = rng.random(8).tolist()
        kinds = _one(which, list(self.choices.values()))
        choice = _one(variant, kinds[_one(kind, list(kinds))])
        law = choice.law
        fields: dict[str, Any] = {"name": f"{law.kind}-{place + 1}", "kind": law.kind, **law.severity(severity)}
        if law.kind == "partition":
            fields["between"] = _split(self.system, rng)
        elif choice.whole and (not choice.members or all_of_it < WHOLE):
            fields["target"] = choice.whole
        else:
            fields["target"] = _one(member, choice.members)
        at, lasting = self.clock.window(law, length, start)
        fault = Fault.model_validate({**fields, "at": at, "for": lasting})
        return fault if self.allows(fault) else None


def with_faults(system: System, schedule: Schedule) -> System:
    """The system with the faults of a schedule in place of its own."""
    return system.with_({"faults": [plain(fault) for fault in schedule]})


@dataclass(frozen=True)
class Clock:
    """The measured time of a run (s), and to how many digits times in it are rounded."""

    warmup: float
    span: float
    digits: int

    @classmethod
    def of(cls, system: System) -> Clock:
        """That of a system whose warm-up is known."""
        assert system.warmup != "auto"
        span = system.duration - system.warmup
        return cls(system.warmup, span, -math.floor(math.log10(span / INSTANTS)))

    @property
    def step(self) -> float:
        """The shortest time that is told from none."""
        return float(10.0**-self.digits)

    def window(self, law: Law, length: float, start: float) -> tuple[float, float]:
        """Start and length (s) by two numbers in [0, 1): all of it lies where there is calm before and time behind it."""
        share = law.length(length, LATEST - CALM)
        lasting = max(self.rounded(share * self.span), self.step)
        return self.rounded(self.warmup + self.span * (CALM + start * (LATEST - CALM - share))), lasting

    def rounded(self, seconds: float) -> float:
        """A time that people can read."""
        return round(seconds, self.digits)


def _places(system: System) -> Iterator[Place]:
    """Every component that a path of a fault can name, and the network between them."""
    for name, producer in system.producers.items():
        yield _group(f"producers.{name}", producer.instances)
    nodes = _group("broker.nodes", system.broker.nodes)
    yield Place("broker", (*nodes.wholes, "broker"), nodes.members)
    for name, consumer in system.consumers.items():
        yield _group(f"consumers.{name}", consumer.most_instances)
    for kind in ("dependencies", "stores", "topics"):
        yield from (Place(f"{kind}.{name}", (f"{kind}.{name}",)) for name in getattr(system, kind))
    yield Place(NETWORK, (NETWORK,), tuple(_links(system)))


def _group(path: str, size: int) -> Place:
    members = tuple(f"{path}[{number}]" for number in range(size))
    return Place(path, (path, *members) if size == 1 else (path,), members if size > 1 else ())


def _links(system: System) -> Iterator[str]:
    """The ways that messages take, in both directions."""
    ends = [(f"producers.{name}", "broker") for name in system.producers]
    for name, consumer in system.consumers.items():
        ends.append((f"consumers.{name}", "broker"))
        ends += [(f"consumers.{name}", f"dependencies.{each}") for each in consumer.dependencies]
    for one, other in ends:
        yield from (f"{one} -> {other}", f"{other} -> {one}")


def _split(system: System, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Two sides of a network: each group together on one of them or spread over both, each node by itself."""
    groups: dict[str, list[str]] = {}
    for member in members_of(system):
        groups.setdefault(member.partition("[")[0], []).append(member)
    sides: tuple[list[str], list[str]] = ([], [])
    for path, members in groups.items():
        together, side = rng.random(2).tolist()
        if len(members) == 1 or (path != "broker.nodes" and together < TOGETHER):
            sides[side < 0.5].append(members[0] if path == "broker.nodes" else path)
            continue
        where = rng.random(len(members)) < 0.5
        for which in (0, 1):
            mine = [member for member, there in zip(members, where, strict=True) if there == which]
            sides[which].extend([path] if len(mine) == len(members) else mine)
    return sides


def _one(u: float, of: Sequence[Any]) -> Any:
    return of[int(u * len(of))]
