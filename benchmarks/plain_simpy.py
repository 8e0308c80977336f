"""Workload W as one would write it by hand in SimPy: a `Store` per partition, a process per consumer, `random`.

`python benchmarks/plain_simpy.py --seconds 1000` prints one line of JSON: messages, CPU seconds, memory.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Generator
from typing import Any

import measure
import simpy

RATE = 1000.0
PARTITIONS = 12
SERVICE = 0.009
FAILURE = 0.05
MAX_DELIVERIES = 5
BASE_DELAY = 0.1
DOWN_FROM, DOWN_UNTIL = 300.0, 330.0

Process = Generator[simpy.Event, Any, None]


class Workload:
    """The system and what it records: per message the times of production and completion, and the attempts."""

    def __init__(self, seed: int) -> None:
        self.env = simpy.Environment()
        self.random = random.Random(seed)
        self.partitions = [simpy.Store(self.env) for _ in range(PARTITIONS)]
        self.produced: list[float] = []
        self.completed: list[float | None] = []
        self.attempts: list[int] = []
        self.dead_letters: list[int] = []
        self.env.process(self.produce())
        for partition in self.partitions:
            self.env.process(self.consume(partition))

    def produce(self) -> Process:
        number = 0
        while True:
            yield self.env.timeout(self.random.expovariate(RATE))
            self.produced.append(self.env.now)
            self.completed.append(None)
            self.attempts.append(0)
            yield self.partitions[self.random.randrange(PARTITIONS)].put(number)
            number += 1

    def consume(self, partition: simpy.Store) -> Process:
        while True:
            message = yield partition.get()
            if DOWN_FROM <= self.env.now < DOWN_UNTIL:
                yield self.env.timeout(DOWN_UNTIL - self.env.now)
            yield self.env.timeout(self.random.expovariate(1 / SERVICE))
            self.attempts[message] += 1
            if self.random.random() >= FAILURE:
                self.completed[message] = self.env.now
            elif self.attempts[message] < MAX_DELIVERIES:
                self.env.process(self.redeliver(message, partition))
            else:
                self.dead_letters.append(message)

    def redeliver(self, message: int, partition: simpy.Store) -> Process:
        ceiling = BASE_DELAY * 2 ** (self.attempts[message] - 1)
        yield self.env.timeout(self.random.uniform(0, ceiling))
        yield partition.put(message)


def run(seconds: float, seed: int) -> Workload:
    """Simulate W for `seconds`."""
    workload = Workload(seed)
    workload.env.run(until=seconds)
    return workload


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Workload W in plain SimPy.")
    parser.add_argument("--seconds", type=float, default=1000.0, help="simulated seconds (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    measure.report(lambda: run(arguments.seconds, arguments.seed), count=lambda workload: len(workload.produced))
