"""The running parts of one replication."""

from __future__ import annotations

import math

from models.channel import Channel
from models.cluster import Cluster
from models.collecting import Window
from models.group import Group
from models.injection import Injection
from models.links import Links
from models.mark_store import MarkStore
from models.network import Network
from models.producing import Producing
from models.queue import Queue
from models.resources import Resources
from models.scenario import Scenario
from models.server import Server
from models.trouble import troubled
from simulator.simulation import Simulation


class Parts:
    """The running parts of one replication, by path: what a user's own process may look at and act on. `delays`: the queues
    that nobody reads, and that move what they hold to another topic in time. `stores`: groups' own ones too, as
    `consumers.NAME/idempotency`."""

    def __init__(self, sim: Simulation, scenario: Scenario) -> None:
        self.sim = sim
        self.scenario = scenario
        self.links = Links(sim, scenario.network or Network(), troubled(scenario.faults))
        self.cluster: Cluster | None = None
        self.resources: Resources | None = None
        self.channels: dict[str, Channel] = {}
        self.producers: dict[str, Producing] = {}
        self.servers: dict[str, Server] = {}
        self.stores: dict[str, MarkStore] = {}
        self.groups: dict[str, Group] = {}
        self.delays: list[Queue] = []
        self.injection: Injection
        self.window: Window
        self.end = math.inf
