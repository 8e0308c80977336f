"""The parts of a group that reads a topic which removes records by itself: others get none of them, and have no cost."""

from __future__ import annotations

import math

from models.channel import Channel
from models.journey import Journey
from models.limited_queue import LimitedQueue, Limits
from models.log import Cursor, Partition
from models.queue import Queue
from models.retention import RetainedCursor, RetainedPartition
from simulator.simulation import Simulation


def cursor_on(sim: Simulation, partition: Partition, journey: Journey, topic: int, place: int, reset: str) -> Cursor:
    """Where a group stands on a partition of a topic."""
    if isinstance(partition, RetainedPartition):
        return RetainedCursor(sim, partition, journey, topic, place, reset == "latest")
    return Cursor(sim, partition, journey, topic, False, place)


def queue_on(channel: Channel, journey: Journey, topic: int, single_active: bool, place: int) -> Queue:
    """A group's queue on a topic."""
    limits = Limits.of(channel.spec)
    if limits is None:
        queue = Queue(journey, topic, single_active)
    else:
        queue = LimitedQueue(channel.sim, journey, topic, single_active, limits, channel.bury, place)
    channel.queues.append(queue)
    return queue


def delay_on(channel: Channel, place: int) -> Queue | None:
    """The queue of a topic that nobody reads and that moves what it removes elsewhere: the usual way to delay messages.

    Returned if all it holds is moved in time.
    """
    if channel.delivery != "queue" or channel.queues or channel.spec.dead_letter is None:
        return None
    queue = queue_on(channel, Journey(channel.messages, False, False), 0, False, place)
    return queue if channel.spec.longest_stay < math.inf else None
