"""What a piece of work costs this process: CPU seconds, and peak memory before and after."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

Done = TypeVar("Done")

MAXRSS_PER_MB = 1024 if sys.platform.startswith("linux") else 1024**2


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mb() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MB


def report(work: Callable[[], Done], count: Callable[[Done], int]) -> None:
    """Do `work` once and print its cost as one line of JSON; messages are counted after the measurement."""
    base, start = peak_mb(), cpu_seconds()
    done = work()
    seconds, peak = cpu_seconds() - start, peak_mb()
    print(json.dumps({"messages": count(done), "cpu_seconds": seconds, "import_rss_mb": base, "peak_rss_mb": peak}))
