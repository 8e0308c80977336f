"""A worker that reads a log whose records go."""

from __future__ import annotations

from models.log_worker import LogWorker
from models.retention import RetainedCursor
from models.simple_log_worker import SimpleLogWorker


class RetainedLogWorker(LogWorker):
    """A `LogWorker` that may find, as it polls, that a position is gone. What earlier polls returned is committed first."""

    def poll(self) -> bool:
        """As of any such worker, after resetting what is gone."""
        life, now = self.life, self.sim._now
        if life.open and life.ready:
            if life.commit_due <= now:
                life.commit_by_itself(now)
            for cursor in [each for each in life.ready if isinstance(each, RetainedCursor) and each.is_gone(now)]:
                cursor.reset(now)
                life.idle_since = now  # what it commits by itself from now on is the new position
                if cursor.position >= cursor.log.end(now):
                    life.ready.remove(cursor)
                    cursor.rest()
        return super().poll()


class SimpleRetainedLogWorker(RetainedLogWorker, SimpleLogWorker):
    """The same, told as by a `SimpleLogWorker`."""
