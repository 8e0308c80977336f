"""What TCP does about loss: a segment that was lost is sent again, and so is late (RFC 6298, with Linux's times)."""

from __future__ import annotations

from collections.abc import Iterator

from models.links import Way

SENT_AGAIN = 0.2
"""When a segment is first sent again (s): Linux's `TCP_RTO_MIN`."""
LONGEST = 120.0
"""The longest wait between two times (s), each of which is twice the one before: Linux's `TCP_RTO_MAX`."""
MOST_TIMES = 15
"""How often it is sent again: Linux's `tcp_retries2`."""


def carried(way: Way, identity: int, n: int) -> Iterator[float]:
    """Waits (s), one after the other, until the n-th of what belongs to `identity` has come through. Each time is judged when
    it is sent; after the last one a new connection has it through."""
    again = SENT_AGAIN
    for times in range(MOST_TIMES):
        if not way.loses(identity, (n << 4) + times):
            break
        yield again
        again = min(2.0 * again, LONGEST)
    yield way.seconds(identity, n)
