"""Which member gets which partition when some are kept: balanced, and moving as few as that allows.

What Kafka's `CooperativeStickyAssignor` and the uniform assignor of KIP-848 promise.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from heapq import heapify, heapreplace
from typing import TypeVar

Member = TypeVar("Member", bound=Hashable)


def sticky(members: Sequence[Member], kept: Mapping[Member, Sequence[int]], partitions: int) -> list[Member]:
    """The member of each of the partitions 0 .. partitions - 1; `kept`: what each has, of those that have something.

    The numbers of partitions of two members differ by one at most, and the larger ones go to those that have most. Of what
    is too much a member gives up the highest; what is free goes, lowest first, to the member with fewest, of equals the first.
    """
    few, more = divmod(partitions, len(members))
    target: dict[int, Member] = {}
    loads = dict.fromkeys(members, 0)
    for rank, member in enumerate(sorted(filter(kept.get, members), key=lambda member: -len(kept[member]))):
        stays = sorted(kept[member])[: few + (rank < more)]
        target.update(dict.fromkeys(stays, member))
        loads[member] = len(stays)
    heap = [(load, place) for place, load in enumerate(loads.values())]
    heapify(heap)
    for partition in range(partitions):
        if partition not in target:
            load, place = heap[0]
            target[partition] = members[place]
            heapreplace(heap, (load + 1, place))
    return [target[partition] for partition in range(partitions)]
