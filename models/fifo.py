"""The line of a FIFO queue of SQS: order within each message group, which blocks behind what is in flight.

Amazon SQS Developer Guide, "FIFO queue delivery logic": a receive takes as many messages as it may of one group before it
goes on to the next, and none of a group of which any message is hidden. A group is a key. A message without a key is a
group of its own, as nothing was asked of its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from models.lease import Copy
from models.message import NONE, Messages


class FifoLine:
    """`groups`: visible messages by place; `hidden`: how many of a group are hidden; `heads`: the groups that can be received
    from, by the place of their first message."""

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.groups: dict[int, list[tuple[int, Copy]]] = {}
        self.hidden: Counter[int] = Counter()
        self.heads: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        """As of any line."""
        return bool(self.heads)

    def __iter__(self) -> Iterator[Copy]:
        """As of any line."""
        return (copy for members in self.groups.values() for _, copy in members)

    def group_of(self, copy: Copy) -> int:
        """As of any line."""
        key = self.messages.key_of(copy.event)
        return NONE - 1 - copy.event if key == NONE else key

    def add(self, copy: Copy) -> None:
        """As of any line: behind the others of its group."""
        group = self.group_of(copy)
        members = self.groups.setdefault(group, [])
        heappush(members, (copy.place, copy))
        if len(members) == 1 and not self.hidden[group]:
            heappush(self.heads, (copy.place, group))

    def take(self, most: int) -> list[Copy]:
        """As of any line: of the group whose first message is the oldest, then of the next."""
        taken: list[Copy] = []
        while len(taken) < most and self.heads:
            _, group = heappop(self.heads)
            members = self.groups[group]
            while members and len(taken) < most:
                taken.append(heappop(members)[1])
                self.hidden[group] += 1
            if not members:
                del self.groups[group]
        return taken

    def put_back(self, copy: Copy) -> None:
        """As of any line: before what was sent later."""
        group = self.group_of(copy)
        heappush(self.groups.setdefault(group, []), (copy.place, copy))
        self._show(group)

    def drop(self, copy: Copy) -> None:
        """As of any line."""
        group = self.group_of(copy)
        if copy.hidden:
            self._show(group)
            return
        members = self.groups[group]
        members.remove((copy.place, copy))
        heapify(members)
        self.heads = [head for head in self.heads if head[1] != group]
        heapify(self.heads)
        self._open(group)

    def _show(self, group: int) -> None:
        """One less of its messages is hidden."""
        self.hidden[group] -= 1
        self._open(group)

    def _open(self, group: int) -> None:
        if not self.hidden[group]:
            del self.hidden[group]
            if members := self.groups.get(group):
                heappush(self.heads, (members[0][0], group))
            else:
                self.groups.pop(group, None)
