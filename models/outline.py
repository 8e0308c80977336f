"""The parts of a scenario, each valid by itself: what `Scenario` reads, checks and gives back."""

from __future__ import annotations

from pydantic import Field

from models.aggregate import Aggregate
from models.alerts import Alert
from models.broker import Broker
from models.consumer import Consumer
from models.costs import Costs
from models.dependency import Dependency
from models.faults import Fault
from models.later import later
from models.network import Network
from models.paths import AvailabilityPath
from models.producer import Producer
from models.run import Run
from models.saga import Saga
from models.scalars import Name, Text
from models.slos import Slo
from models.store import Store
from models.topic import Topic
from simulator.spec import Spec


class Outline(Spec):
    """The top level of the format: tables by name, and lists in order."""

    name: Name = "scenario"
    description: Text = ""
    run: Run
    broker: Broker = Broker()
    topics: dict[Name, Topic] = {}
    producers: dict[Name, Producer] = {}
    consumers: dict[Name, Consumer] = {}
    dependencies: dict[Name, Dependency] = {}
    stores: dict[Name, Store] = {}
    network: Network | None = None
    faults: tuple[Fault, ...] = ()
    alerts: tuple[Alert, ...] = ()
    slos: tuple[Slo, ...] = ()
    sagas: dict[Name, Saga] = Field({}, json_schema_extra=later())
    aggregates: dict[Name, Aggregate] = Field({}, json_schema_extra=later())
    paths: dict[Name, AvailabilityPath] = Field({}, json_schema_extra=later())
    costs: Costs | None = None
