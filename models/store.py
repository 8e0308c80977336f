"""A deduplication or saga store."""

from __future__ import annotations

from simulator.distributions import Constant, Dist
from simulator.spec import Spec
from simulator.units import Duration


class Store(Spec):
    """`[stores.NAME]`: requests take `latency`; a crash loses what is not kept elsewhere yet.

    With a replica (`replication_lag` or `failover_time` above zero) that takes over `failover_time` after the crash, if the
    crashed node is not back by then: marks that were younger than `replication_lag` at the crash are lost (Redis Sentinel,
    asynchronous replication). Else the node comes back at the end of the fault, without those younger than `persistence`
    (Redis: `appendfsync everysec` is 1 s).
    """

    latency: Dist
    replication_lag: Duration = 0.0
    failover_time: Dist = Constant(value=0.0)
    persistence: Duration = 0.0

    @property
    def has_replica(self) -> bool:
        """Whether another node takes over after a crash."""
        return self.replication_lag > 0.0 or self.failover_time.mean > 0.0
