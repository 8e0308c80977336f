"""edasim against plain SimPy on workload W, in turn, each in a process of its own.

`python benchmarks/throughput.py` compares messages per CPU-second and memory; `--linear` compares 7,200 s with 1,000 s, both
without the outage; `--backlog` compares a million messages that arrive early and wait with a million that hardly wait;
`--nodes` compares three nodes with three replicas, of which all in sync acknowledge and none fails, with the one node of W.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
LONG, SHORT = 7200, 1000
EARLY = ("--set", "producers.source.arrivals.rate=10000", "--set", 'producers.source.arrivals.stop="100s"')

UNDISTURBED = ("--set", "faults=[]")
"""Without the outage, of whose backlog a message costs less: it is an eighth of 1,000 s, and a fiftieth of two hours."""
NODES = {"broker.nodes": 3, "broker.replication_factor": 3, "broker.min_insync_replicas": 2, "producers.source.acks": '"all"'}


@dataclass(frozen=True)
class Cost:
    """What one run took: memory is the peak of its process, after the imports and at the end."""

    messages: int
    cpu_seconds: float
    import_rss_mb: float
    peak_rss_mb: float

    @property
    def rate(self) -> float:
        """Messages per CPU-second."""
        return self.messages / self.cpu_seconds

    @property
    def memory_mb(self) -> float:
        """Peak memory above that of the imports."""
        return self.peak_rss_mb - self.import_rss_mb


def cost_of(script: str, *arguments: str) -> Cost:
    """Run a script of this directory in a fresh process."""
    command = [sys.executable, str(HERE / script), *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Cost(**json.loads(output.splitlines()[-1]))


def against_plain(rounds: int) -> None:
    """Messages per CPU-second of both programs, and edasim's memory."""
    pairs = []
    for number in range(1, rounds + 1):
        plain, edasim = cost_of("plain_simpy.py"), cost_of("run_edasim.py")
        pairs.append((plain, edasim))
        print(
            f"round {number}: plain SimPy {plain.rate:9,.0f}/s   edasim {edasim.rate:9,.0f}/s   "
            f"ratio {edasim.rate / plain.rate:.2f}",
            flush=True,
        )
    print(
        f"median:  plain SimPy {median(plain.rate for plain, _ in pairs):9,.0f}/s   "
        f"edasim {median(edasim.rate for _, edasim in pairs):9,.0f}/s   "
        f"ratio {median(edasim.rate / plain.rate for plain, edasim in pairs):.2f}"
    )
    print(
        f"memory:  imports {max(edasim.import_rss_mb for _, edasim in pairs):.0f} MB, "
        f"peak above them {max(edasim.memory_mb for _, edasim in pairs):.0f} MB "
        f"(plain SimPy {max(plain.memory_mb for plain, _ in pairs):.0f} MB)"
    )


def against_itself(rounds: int, changed: tuple[str, ...], title: str, expected: str, both: tuple[str, ...] = ()) -> None:
    """CPU seconds and memory of edasim on a changed workload over those on W, by medians of interleaved rounds; `both` changes
    both."""
    base, other = [], []
    for number in range(1, rounds + 1):
        base.append(cost_of("run_edasim.py", *both))
        other.append(cost_of("run_edasim.py", *both, *changed))
        print(f"round {number}: W {base[-1].cpu_seconds:.1f} s   {title} {other[-1].cpu_seconds:.1f} s", flush=True)
    seconds, memory = (
        [median(getattr(cost, what) for cost in costs) for costs in (base, other)] for what in ("cpu_seconds", "memory_mb")
    )
    print(f"median:  {title} costs {seconds[1] / seconds[0]:.2f} times W (expected {expected})")
    print(f"memory:  peak above the imports {memory[1]:.0f} MB (W: {memory[0]:.0f} MB)")


def main() -> None:
    """Measure what the options ask for."""
    parser = argparse.ArgumentParser(description="Cost per message of edasim, as ratios.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--linear", action="store_true", help="only: two hours against 1,000 s")
    parser.add_argument("--backlog", action="store_true", help="only: a million waiting messages against few")
    parser.add_argument("--nodes", action="store_true", help="only: three nodes with acks = all against one")
    arguments = parser.parse_args()
    if arguments.linear:
        against_itself(arguments.rounds, ("--set", f"run.duration={LONG}"), "two hours", f"{LONG / SHORT:.2f}", UNDISTURBED)
    if arguments.backlog:
        against_itself(arguments.rounds, EARLY, "all waiting from the start", "1.00")
    if arguments.nodes:
        changes = tuple(part for path, value in NODES.items() for part in ("--set", f"{path}={value}"))
        against_itself(arguments.rounds, changes, "three nodes", "at most 1.15")
    if not (arguments.linear or arguments.backlog or arguments.nodes):
        against_plain(arguments.rounds)


if __name__ == "__main__":
    main()
