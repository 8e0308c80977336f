"""Links between the parts."""

from __future__ import annotations

from models.scalars import Text
from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Fraction


class Link(Spec):
    """One direction of one connection: one-way `latency`, and the share `loss` of what is sent that never arrives."""

    latency: Dist = Constant(value=0.0)
    loss: Fraction = 0.0


class Network(Link):
    """`[network]`: every link's latency and loss; `links` (`"A -> B"`) overrides single ones."""

    links: dict[Text, Link] = {}
