"""The books: every event of every group in exactly one state at the end, and as many as were stored.

The two sides come from different sources. What is still live is found by walking the broker's and the workers' structures;
the rest was written by the mechanism that caused it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from models.channel import Channel
from models.group import Group
from models.journey import Journey
from models.producing import Producing
from models.record import BACKLOG, DEAD_LETTERED, DISCARDED, EXPIRED, IN_FLIGHT, LOST, PROCESSED, STATES
from models.server import Server
from models.verdicts import count_verdicts, verdicts_of
from simulator.recorder import view

UNKNOWN = -1
"""The state of an event that was never stored."""


class AccountingError(RuntimeError):
    """An event is in no state, or a sum does not add up: a bug of the simulator, never of the scenario."""


def balanced(
    producers: Mapping[str, Producing],
    groups: Mapping[str, Group],
    channels: Mapping[str, Channel],
    states: Mapping[str, list[np.ndarray]],
    end: float,
) -> dict[str, list[Any]]:
    """The books as a table of component, term, value; `states` as `final_states` has them. Raises AccountingError."""
    rows: list[tuple[str, str, int]] = []
    for name, producer in producers.items():
        messages = producer.messages
        verdicts = count_verdicts(verdicts_of(messages, end)[messages.roots(producer.root)])
        rows += [(name, term, count) for term, count in check_producer(name, producer.events, verdicts)]
    for name, group in groups.items():
        rows += [(name, term, count) for term, count in check_group(group, channels, states[name])]
    components, terms, counts = zip(*rows, strict=True) if rows else ((), (), ())
    return {"component": list(components), "term": list(terms), "value": list(counts)}


def final_states(group: Group, servers: Iterable[Server]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of each event of each topic of a group at the end: its state, int8, the first of `STATES` that holds (UNKNOWN: none
    does, as of one that was never stored); and whether a copy is live, that can still be delivered or is in hand."""
    states, lives = [], []
    running = list(_running(servers))
    for topic, handling in enumerate(group.handlings):
        journey = handling.journey
        events = len(journey.messages)
        state = np.full(events, UNKNOWN, dtype=np.int8)
        state[journey.losses["event"]] = LOST
        state[journey.expiries["event"]] = EXPIRED
        state[journey.fades["event"]] = EXPIRED
        state[journey.discards["event"]] = DISCARDED
        state[_numbers(event for event, copies in group.settlement.resting[journey].items() if copies > 0)] = DEAD_LETTERED
        state[_numbers(event for work, event in running if work is handling)] = IN_FLIGHT
        state[_numbers(event for life in group.lives for event in life.holds(topic))] = IN_FLIGHT
        state[_numbers(group.subscription.leased(topic))] = IN_FLIGHT
        state[_numbers(_deliverable(group, topic, journey))] = BACKLOG
        live = (state == BACKLOG) | (state == IN_FLIGHT)
        live[_numbers(event for life in group.lives for event in life.uncommitted(topic))] = True
        lives.append(live)
        effect = view(journey.effect, events)
        state[effect == effect] = PROCESSED
        state[(state == BACKLOG) & np.isnan(journey.messages.stored())] = UNKNOWN
        states.append(state)
    return states, lives


def _numbers(events: Iterable[int]) -> np.ndarray:
    return np.fromiter(events, dtype=np.int64)


def _running(servers: Iterable[Server]) -> Iterator[tuple[object, int]]:
    """Calls that a server has not finished, whoever still waits for them."""
    for server in servers:
        for call in (*server.in_service, *server.line):
            yield call.work, call.event


def _deliverable(group: Group, topic: int, journey: Journey) -> Iterator[int]:
    """Events of which a copy can still be delivered: at the broker, in a retry topic, in a delay."""
    yield from group.subscription.deliverable(topic)
    yield from group.settlement.sources[journey].uncommitted()
    for _, _, again in group.settlement.delayed.waiting:
        if again.journey is journey:
            yield again.event


def check_group(group: Group, channels: Mapping[str, Channel], states: list[np.ndarray]) -> list[tuple[str, int]]:
    """The equation of a group, in distinct events: (term, number) of each. Raises AccountingError where it does not hold."""
    for handling, state in zip(group.handlings, states, strict=True):
        messages = handling.journey.messages
        stateless = (state == UNKNOWN) & ~np.isnan(messages.stored())
        if stateless.any():
            raise AccountingError(
                f"{group.name}: event {int(np.argmax(stateless))} of topic {messages.topic} is in no state at the end of the "
                "run. This is a bug of the simulator: please report it with the manifest."
            )
    known = [state[state != UNKNOWN] for state in states]
    counts = sum((np.bincount(state, minlength=len(STATES)) for state in known), np.zeros(len(STATES), dtype=np.int64))
    arrived = sum(_stored(channels[handling.journey.messages.topic]) for handling in group.handlings)
    if arrived != counts.sum():
        raise AccountingError(
            f"{group.name}: {arrived} events were stored, but {counts.sum()} have a state. This is a bug of the simulator."
        )
    return [("arrived", arrived), *((state, int(count)) for state, count in zip(STATES, counts, strict=True))]


def _stored(channel: Channel) -> int:
    """Distinct events of which a copy was ever appended, from the broker's side."""
    if channel.messages.passage is not None:
        return int(np.count_nonzero(~np.isnan(channel.messages.stored())))
    if channel.delivery == "log":
        there = np.zeros(len(channel.messages), dtype=bool)
        for partition in channel.partitions:
            there[view(partition.records)] = True
        return int(np.count_nonzero(there))
    return channel.queues[0].places - channel.queues[0].again if channel.queues else len(channel.messages)


def check_producer(name: str, produced: int, verdicts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The equation of a producer: (term, number) of each. Raises AccountingError where it does not hold."""
    if produced != sum(verdicts.values()):
        raise AccountingError(
            f"{name}: produced {produced} events, {sum(verdicts.values())} have a verdict. This is a bug of the simulator."
        )
    return [("produced", produced), *verdicts.items()]
