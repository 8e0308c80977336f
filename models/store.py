"""A deduplication or saga store."""

from __future__ import annotations

from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Duration


class Store(Spec):
    """`[stores.NAME]`: a crash loses marks younger than `replication_lag` (fail-over) or `persistence` (restart)."""

    latency: Dist
    replication_lag: Duration = 0.0
    failover_time: Dist = Constant(value=0.0)
    persistence: Duration = 0.0
