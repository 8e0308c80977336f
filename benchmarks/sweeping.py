"""What a sweep adds to the replications that it runs: the speed-up of two processes, and the cost of a cell.

python benchmarks/sweeping.py [--rounds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from experiments import sweep
from models import System
from simulator import replicate

RATE = "producers.web.arrivals.rate"


def system(duration: float) -> System:
    """100 events a second through four instances."""
    return System.from_dict(
        {
            "run": {"duration": duration, "runs": 1},
            "producers": {"web": {"topic": "jobs", "arrivals": {"process": "poisson", "rate": 100.0}}},
            "topics": {"jobs": {"partitions": 4}},
            "consumers": {
                "work": {
                    "topic": "jobs",
                    "instances": 4,
                    "service": {"dist": "exponential", "mean": "20ms"},
                    "retry": {"max_attempts": 3},
                    "transient_failure": 0.01,
                }
            },
        }
    )


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """What `work` takes on the wall clock, or another."""
    began = clock()
    work()
    return clock() - began


def speed_up(cells: int = 12) -> tuple[float, float]:
    """Wall seconds of a cell, and how much faster two processes are than one, for cells of about a second."""
    long = system(400.0)
    values = {RATE: [100.0 + number for number in range(cells)]}
    sweep(system(1.0), {RATE: [100.0, 101.0]}, jobs=2)  # the processes are there
    one = seconds(lambda: sweep(long, values, jobs=1))
    return one / cells, one / seconds(lambda: sweep(long, values, jobs=2))


def overhead(cells: int = 200) -> float:
    """CPU milliseconds that a cell costs beyond its replication: kept in a folder, in the tables and in the charts."""
    short = system(1.0)
    rates = [100.0 + number / 10 for number in range(cells)]
    alone = seconds(lambda: [replicate(short.with_({RATE: rate})) for rate in rates], time.process_time)
    with tempfile.TemporaryDirectory() as folder:
        whole = seconds(lambda: sweep(short, {RATE: rates}, jobs=1, out=Path(folder, "out")), time.process_time)
    return 1000 * (whole - alone) / cells


def main() -> None:
    """Print the medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    faster = [speed_up() for _ in range(rounds)]
    print(f"speed-up of two processes: {median(ratio for _, ratio in faster):.2f} (cells of {faster[0][0]:.1f} s)")
    print(f"overhead of a cell: {median(overhead() for _ in range(rounds)):.1f} ms")


if __name__ == "__main__":
    main()
