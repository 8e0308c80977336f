"""What a run has recorded, gathered from its parts as plain data to be measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from models.breaker_record import breaker_states, trips_of
from models.channel import Channel
from models.client import Client
from models.faults import Fault
from models.group import Group
from models.injection import Injection
from models.journey import BROKER
from models.level import Level
from models.mark_store import MarkStore
from models.periods import merged_spans
from models.presence import while_wanted
from models.producing import Producing
from models.publisher import Publisher
from models.record import (
    DependencyRecord,
    FaultRecord,
    GroupRecord,
    ProducerRecord,
    Steps,
    SystemRecord,
    TopicRecord,
)
from models.replica import ReplicaSet
from models.resources import Resources
from models.retention import RetainedPartition
from models.run import Run
from models.scenario import Scenario
from models.server import Server
from models.stored import StoredTopic
from models.topology import affected
from models.verdicts import verdicts_of
from simulator.recorder import Trail, view
from simulator.simulation import WAIT_END, Simulation


class Window:
    """What parts had added up when the measured window began and ended: `span` gives the difference."""

    def __init__(
        self,
        sim: Simulation,
        groups: Mapping[str, Group],
        servers: Mapping[str, Server],
        stores: Mapping[str, MarkStore],
        run: Run,
    ) -> None:
        self.sim = sim
        self.groups = groups
        self.servers = servers
        self.stores = stores
        self.edges: list[dict[str, np.ndarray]] = []
        assert not isinstance(run.warmup, str)
        for time in (run.warmup, run.duration):
            sim.call_at(time, WAIT_END, self._note)

    def _note(self) -> None:
        now = self.sim.now
        edge = {
            name: np.array([*group.work_so_far(), group.rules.polls, group.rules.polled]) for name, group in self.groups.items()
        }
        edge |= {name: np.array([server.busy_until(now)]) for name, server in self.servers.items()}
        edge |= {name: np.array([store.operations]) for name, store in self.stores.items()}
        self.edges.append(edge)

    def span(self, name: str) -> list[float]:
        """What was added within the window: of a group busy and held worker-seconds, seconds of lives, polls and records;
        of a server its seconds of service, of a store the requests that it has carried out."""
        start, end = self.edges
        spent: list[float] = (end[name] - start[name]).tolist()
        return spent


class Running(Protocol):
    """A replication that is over."""

    scenario: Scenario
    channels: dict[str, Channel]
    servers: dict[str, Server]
    groups: dict[str, Group]
    injection: Injection
    resources: Resources | None
    window: Window
    end: float

    @property
    def producers(self) -> Mapping[str, Producing]:
        """By path."""


Fates = dict[str, tuple[list[np.ndarray], list[np.ndarray]]]
"""By group: final state of each event, and whether a copy of it is live, by topic."""


def collect(parts: Running, fates: Fates, trace: bool) -> SystemRecord:
    """The record of a replication."""
    scenario = parts.scenario
    assert not isinstance(scenario.run.warmup, str)
    return SystemRecord(
        duration=scenario.run.duration,
        warmup=scenario.run.warmup,
        end=parts.end,
        producers=[_producer(producer, parts) for producer in parts.producers.values()],
        topics={name: _topic(channel) for name, channel in parts.channels.items()},
        groups=[_group(group, parts, fates[name], trace) for name, group in parts.groups.items()],
        dependencies=[_dependency(server, parts.window) for server in parts.servers.values()],
        faults=[_fault(fault, parts) for fault in scenario.faults],
        slos=scenario.slos,
        alerts=scenario.alerts,
        trace=trace,
    )


def _producer(producer: Producing, parts: Running) -> ProducerRecord:
    messages, publisher = producer.messages, producer.publisher
    mine = messages.roots(producer.root)
    clients = [instance.way.client for instance in publisher.instances] if publisher is not None else []
    return ProducerRecord(
        name=producer.name,
        topic=producer.channel.name,
        produced=view(messages.produced)[mine],
        stored=messages.stored()[mine],
        acknowledged=messages.acknowledged()[mine],
        verdicts=verdicts_of(messages, parts.end)[mine],
        sends=_sends(producer.channel)[mine],
        retries=np.sort(np.concatenate([client.courier.retries["time"] for client in clients])) if clients else np.empty(0),
        blocked=sorted(span for client in clients for span in _blocked(client, parts)),
        instances=max(1, len(clients)),
        given_up=None if publisher is None else _given_up(publisher, len(messages))[mine],
    )


def _blocked(client: Client, parts: Running) -> list[tuple[float, float]]:
    """When a client had no room for an event, or the broker let nobody publish."""
    spans = _spans(client.buffer.blocked)
    if parts.resources is not None:
        spans += _spans(parts.resources.blocked)
    starts, ends = merged_spans(spans)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _given_up(publisher: Publisher, events: int) -> np.ndarray:
    times = np.full(events, np.nan)
    times[publisher.given_up["event"]] = publisher.given_up["time"]
    return times


def _topic(channel: Channel) -> TopicRecord:
    record = TopicRecord(name=channel.name, messages=channel.messages, again=channel.again["event"], sends=_sends(channel))
    losses = [each.losses["event"][each.losses["cause"] == BROKER] for each in channel.journeys]
    if losses:
        record.lost = np.unique(np.concatenate(losses))
    stays = [partition.stays() for partition in channel.partitions if isinstance(partition, RetainedPartition)]
    if stays:
        came, went = np.concatenate(stays, axis=1)
        record.largest = Level(np.sort(came), np.sort(went)).peak(0.0, np.inf)
    if isinstance(channel, StoredTopic):
        record.rejected = np.fromiter(channel.rejected, dtype=np.int64)
        record.without_leader = [_spans(replicas.service.without_leader) for replicas in channel.replicas]
        record.in_sync = [_in_sync(replicas) for replicas in channel.replicas]
    return record


def _sends(channel: Channel) -> np.ndarray:
    """How often each event was sent; once, but for what is published again, where that takes no time and is always heard."""
    events = len(channel.messages)
    if isinstance(channel, StoredTopic):
        return view(channel.passage.sends, events)
    again = channel.resent["event"]
    return 1 + np.bincount(again, minlength=events) if len(again) else np.ones(events, dtype=np.uint8)


def _spans(trail: Trail) -> list[tuple[float, float]]:
    return list(zip(trail["start"].tolist(), trail["end"].tolist(), strict=True))


def _in_sync(replicas: ReplicaSet) -> Steps:
    times, sizes = replicas.service.sizes["time"], replicas.service.sizes["size"]
    return np.append(0.0, times), np.append(len(replicas.nodes), sizes)


def _group(group: Group, parts: Running, fate: tuple[list[np.ndarray], list[np.ndarray]], trace: bool) -> GroupRecord:
    journeys = [handling.journey for handling in group.handlings]
    busy, held, seconds, polls, polled = parts.window.span(group.name)
    life = [(instance.states["time"], instance.states["state"]) for instance in group.instances]
    return GroupRecord(
        name=group.name,
        topics=[journey.messages.topic for journey in journeys],
        journeys=journeys,
        states=fate[0],
        live=fate[1],
        partitions=group.subscription.partitions(),
        commits=group.subscription.commits(),
        life=life,
        unserved=list(zip(*(group.unserved[column].tolist() for column in ("partition", "start", "end")), strict=True)),
        breakers=breaker_states(group, life),
        trips=trips_of(group),
        rebalances=np.asarray(group.membership.rebalances, dtype=np.float64),
        kills=_kills(group),
        busy=busy,
        held=held,
        worker_time=seconds * group.rules.concurrency,
        batch_sizes=(int(polls), int(polled)),
        empty_polls=_within(group.rules.empty_polls, parts.scenario.run),
        has_breaker=group.spec.breaker is not None,
        has_dependencies=bool(group.spec.dependencies),
        publishes=bool(group.spec.publishes),
        useful_for=group.spec.useful_for,
        settled=[_settled(group, topic) for topic in range(len(journeys))] if trace else None,
        autoscales=group.spec.autoscale is not None,
        shares_breaker=group.shared_gate is not None,
    )


def _within(trail: Trail, run: Run) -> int:
    """How many of the empty polls fall in the measured window."""
    count = 0
    for first, period, polls in zip(*(trail[column].tolist() for column in ("time", "period", "count")), strict=True):
        if polls == 1:
            count += run.warmup <= first <= run.duration
        else:
            before = max(0, math.ceil((run.warmup - first) / period))
            count += max(0, min(polls, math.floor((run.duration - first) / period) + 1) - before)
    return int(count)


def _settled(group: Group, topic: int) -> np.ndarray:
    """When each event was committed (its last copy), acknowledged or deleted; NaN where it was not."""
    settled = np.full(len(group.handlings[topic].journey.messages), np.nan)
    events, times = group.subscription.settled(topic)
    settled[events] = times
    return settled


def _dependency(server: Server, window: Window) -> DependencyRecord:
    calls = server.calls
    begin, served, end = calls["begin"], calls["served"], calls["end"]
    entered = ~np.isnan(served)
    waits = calls["lined"].astype(bool)
    return DependencyRecord(
        name=f"dependencies.{server.name}",
        concurrency=server.concurrency,
        begin=begin,
        end=end,
        outcome=calls["outcome"],
        wasted=calls["wasted"].astype(bool),
        busy_seconds=window.span(server.name)[0],
        queue=_number_within(begin[waits], np.where(entered, served, end)[waits]),
        busy=_number_within(served[entered], end[entered]),
    )


def _number_within(starts: np.ndarray, ends: np.ndarray) -> Steps:
    """How many of the stays [start, end) are going on, as steps; an end of NaN is none yet."""
    ends = ends[~np.isnan(ends)]
    times = np.concatenate([starts, ends])
    order = np.argsort(times, kind="stable")
    changes = np.concatenate([np.ones(len(starts), dtype=np.int64), -np.ones(len(ends), dtype=np.int64)])
    return times[order], np.cumsum(changes[order])


def _kills(group: Group) -> np.ndarray | None:
    memories = [instance.memory for instance in group.instances if instance.memory is not None]
    return np.sort([time for memory in memories for time in memory.kills]) if memories else None


def _fault(fault: Fault, parts: Running) -> FaultRecord:
    windows = [
        (target, start, min(end, parts.end)) for target, start, end in parts.injection.windows[fault.name] if start < parts.end
    ]
    scaled = [each for group in parts.groups.values() if group.spec.autoscale is not None for each in group.instances]
    return FaultRecord(
        name=f"faults.{fault.name}",
        targets=list(fault.targets),
        windows=while_wanted(windows, scaled, parts.end),
        affected=affected(fault, parts.scenario),
        hold=fault.hold,
        normal=fault.normal,
    )
