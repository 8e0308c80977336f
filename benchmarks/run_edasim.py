"""Workload W, one replication in edasim with all its recording on.

`python benchmarks/run_edasim.py --set run.duration=1000` prints one line of JSON: messages, CPU seconds, memory.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import measure

from models import System
from simulator.replication import replicate

WORKLOAD = Path(__file__).with_name("workload_w.toml")


def assignment(text: str) -> tuple[str, Any]:
    """`PATH=VALUE` with VALUE as JSON."""
    path, _, value = text.partition("=")
    return path, json.loads(value)


def produced(result: Any) -> int:
    """Messages produced in the only replication."""
    summary = result.summary
    row = summary[(summary["component"] == "producers.source") & (summary["metric"] == "produced")]
    return int(row["mean"].iloc[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Workload W in edasim.")
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="PATH=VALUE")
    arguments = parser.parse_args()
    system = System.from_toml(WORKLOAD).with_(dict(arguments.set))
    measure.report(lambda: replicate(system, runs=1, jobs=1), count=produced)
