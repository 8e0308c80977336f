"""What faults do to what is sent on links while they are in force: it takes longer, gets lost, or arrives twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models.ends import meets
from models.faults import LINK_KINDS, Fault, Kind
from simulator.distributions import Distribution


@dataclass(frozen=True)
class Trouble:
    """A fault of kind `delay` (each message takes `add` longer, s), `loss` or `duplicate` (a share `rate` of the messages), on
    the links that `target` stands for. `luck`: the stream by which its draws are named."""

    kind: Kind
    target: str
    luck: str
    add: Distribution | None = None
    rate: float = 0.0

    @property
    def refuses(self) -> bool:
        """As of any barrier: nothing is answered."""
        return False

    @property
    def is_barrier(self) -> bool:
        """Whether nothing passes at all, which is the same as a partition."""
        return self.kind == "loss" and self.rate >= 1.0

    def stops(self, sender: str, receiver: str) -> bool:
        """As of any barrier."""
        return meets(self.target, sender, receiver)


def troubled(faults: Iterable[Fault]) -> list[str]:
    """What stands for the links on which some fault may delay, lose or double messages."""
    return [target for fault in faults if fault.kind in LINK_KINDS for target in fault.targets]
