"""Closed forms of the M/M/c queue (Erlang C), and when a group of a scenario is exactly one.

A. K. Erlang 1917; the recursion is that of R. B. Cooper, Introduction to Queueing Theory, 1981. Times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models import System
from models.arrivals import PoissonArrivals
from models.consumer import AT_ONCE, Consumer
from models.slos import Slo
from simulator.distributions import Exponential

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}

RARE = 50.0
"""Mean services after which one is not over with a probability of e^-50."""


@dataclass(frozen=True)
class Station:
    """`rate` events/s arrive at `servers` that take `service` seconds on average.

    `workers`: more than servers where a prefetch keeps some of them idle; infinite where unlimited.
    """

    rate: float
    service: float
    servers: int
    workers: float

    @property
    def stable(self) -> bool:
        """Whether it can keep up."""
        return self.rate * self.service < self.servers

    @property
    def delayed(self) -> float:
        """Erlang C: the share of events that wait; 1 where it cannot keep up."""
        offered = self.rate * self.service
        if not self.stable:
            return 1.0
        blocked = 1.0
        for servers in range(1, self.servers + 1):
            blocked = offered * blocked / (servers + offered * blocked)
        return self.servers * blocked / (self.servers - offered * (1 - blocked))

    @property
    def spare(self) -> float:
        """Events/s that it could take in addition."""
        return self.servers / self.service - self.rate

    def metric(self, name: str) -> float | None:
        """The stationary value of a metric of the group, infinite where it cannot keep up; None where no form is known."""
        stem, _, ending = name.rpartition("_")
        if name == "utilization" and self.workers < math.inf:
            return min(self.rate * self.service, self.servers) / self.workers
        if name == "throughput":
            return min(self.rate, self.servers / self.service)
        if name not in ("wait_mean", "latency_mean", "lag_mean") and not (stem in ("wait", "latency") and ending in QUANTILES):
            return None
        if not self.stable:
            return math.inf
        wait = self.delayed / self.spare
        if ending == "mean":
            return {"wait": wait, "latency": wait + self.service, "lag": self.rate * (wait + self.service)}[stem]
        tail = 1 - QUANTILES[ending]
        return self._wait_beyond(tail) if stem == "wait" else self._latency_beyond(tail)

    def _wait_beyond(self, tail: float) -> float:
        return max(0.0, math.log(self.delayed / tail) / self.spare)

    def _latency_beyond(self, tail: float) -> float:
        from scipy.optimize import brentq

        end = self._wait_beyond(tail / 2) - self.service * math.log(tail / 2)
        return float(brentq(lambda time: self._longer(time) - tail, 0.0, end, xtol=1e-12 * end))

    def _longer(self, time: float) -> float:
        """P(latency > time): a service alone, or after an exponential wait of rate `spare`."""
        speed, spare = 1 / self.service, self.spare
        alone = math.exp(-speed * time)
        if math.isclose(speed, spare, rel_tol=1e-9):
            both = (1 + speed * time) * alone
        else:
            both = (spare * alone - speed * math.exp(-spare * time)) / (spare - speed)
        return (1 - self.delayed) * alone + self.delayed * both


def station_of(system: System, component: str) -> Station | None:
    """The M/M/c queue that a group (`consumers.payment`) is, None where it is not exactly one.

    It is one where it reads one queue; all events come from Poisson producers at constant rates, one at a time; service is
    exponential and all there is to an attempt; nothing fails; and no event waits at one instance while another is idle: a
    single instance, or a prefetch of at most the concurrency.
    """
    kind, _, name = component.partition(".")
    if kind != "consumers" or name not in system.consumers or system.faults or system.processes:
        return None
    resolved = system.resolved()
    group = resolved.consumers[name]
    rate = _poisson_rate(resolved, group)
    topic = resolved.topics[group.topics[0]]
    removes = topic.longest_stay < math.inf or topic.max_length is not None
    if rate is None or topic.delivery != "queue" or removes or group.autoscale is not None or not _is_plain(group):
        return None
    assert isinstance(group.service, Exponential)
    prefetch = math.inf if group.prefetch is None else group.prefetch
    concurrency = math.inf if group.concurrency == "unlimited" else group.concurrency
    assert isinstance(prefetch, int | float)
    servers = group.instances * min(prefetch, concurrency)
    if (group.instances > 1 and prefetch > concurrency) or math.isinf(servers):
        return None
    return Station(rate, group.service.mean, int(servers), group.instances * concurrency)


def _poisson_rate(system: System, group: Consumer) -> float | None:
    """Events/s of the group's topic; None unless they are one Poisson process."""
    if len(group.topics) != 1:
        return None
    topic = group.topics[0]
    published = any(publish.topic == topic for each in system.consumers.values() for publish in each.publishes)
    buried = any(each.dead_letter and each.dead_letter.topic == topic for each in system.consumers.values())
    buried |= any(each.dead_letter == topic for each in system.topics.values())
    writers = [producer for producer in system.producers.values() if producer.topic == topic]
    if published or buried or not writers:
        return None
    rate = 0.0
    for writer in writers:
        arrivals = writer.arrivals
        if not isinstance(arrivals, PoissonArrivals) or not arrivals.stationary or arrivals.size > 1 or writer.poison:
            return None
        rate += arrivals.rate
    return rate


def _is_plain(group: Consumer) -> bool:
    """Whether an attempt is an exponential service that always succeeds, and nothing else."""
    if not isinstance(group.service, Exponential) or group.service_per != "event":
        return False
    in_time = group.consumer_timeout is None or group.consumer_timeout >= RARE * group.service.mean
    works = not (group.transient_failure or group.poison or group.timeout is not None)
    alone = not (group.dependencies or group.idempotency or group.breaker or group.single_active or group.poll_interval)
    alone &= not group.limits_tries and group.shed_above is None
    return in_time and works and alone and group.acknowledge == "after" and group.startup == AT_ONCE


def expected(system: System, slo: Slo) -> float | None:
    """The exact stationary value of the metric of an objective, None where no closed form holds."""
    station = station_of(system, slo.component)
    return None if station is None else station.metric(slo.metric)


def meets(system: System) -> bool | None:
    """Whether the exact values meet every objective, None where one of them has no closed form."""
    verdicts = []
    for slo in system.slos:
        value = expected(system, slo)
        if value is None or slo.rule == "runs":
            return None
        verdicts.append(value < slo.below if slo.below is not None else slo.above is not None and value > slo.above)
    return all(verdicts)
