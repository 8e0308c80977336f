"""Workload W as one would write it by hand in SimPy: a `Store` per partition, a process per consumer, `random`.

`python benchmarks/plain_simpy.py --seconds 1000` prints one line of JSON: messages, CPU seconds, memory.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Generator
from dataclasses import dataclass
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


@dataclass
class Message:
    """A message and what is recorded of it."""

    number: int
    partition: int
    produced: float
    attempts: int = 0
    completed: float | None = None


class Workload:
    """The system, and every message that went through it."""

    def __init__(self, seed: int) -> None:
        self.env = simpy.Environment()
        self.random = random.Random(seed)
        self.partitions = [simpy.Store(self.env) for _ in range(PARTITIONS)]
        self.messages: list[Message] = []
        self.dead_letters: list[Message] = []
        self.env.process(self.produce())
        for partition in self.partitions:
            self.env.process(self.consume(partition))

    def produce(self) -> Process:
        while True:
            yield self.env.timeout(self.random.expovariate(RATE))
            message = Message(len(self.messages), self.random.randrange(PARTITIONS), self.env.now)
            self.messages.append(message)
            yield self.partitions[message.partition].put(message)

    def consume(self, partition: simpy.Store) -> Process:
        while True:
            message = yield partition.get()
            if DOWN_FROM <= self.env.now < DOWN_UNTIL:
                yield self.env.timeout(DOWN_UNTIL - self.env.now)
            yield self.env.timeout(self.random.expovariate(1 / SERVICE))
            message.attempts += 1
            if self.random.random() >= FAILURE:
                message.completed = self.env.now
            elif message.attempts < MAX_DELIVERIES:
                self.env.process(self.redeliver(message))
            else:
                self.dead_letters.append(message)

    def redeliver(self, message: Message) -> Process:
        ceiling = BASE_DELAY * 2 ** (message.attempts - 1)
        yield self.env.timeout(self.random.uniform(0, ceiling))
        yield self.partitions[message.partition].put(message)


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
    measure.report(lambda: run(arguments.seconds, arguments.seed), count=lambda workload: len(workload.messages))
