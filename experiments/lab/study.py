"""What the studies in `experiments/` share: what they are asked for, and what they answer.

A study is a module of `experiments/` whose docstring begins with its question, with a function `study(setup) -> Answer`.
`edasim experiment NAME` runs it, as does `python -m experiments.NAME`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.lab.output import fresh_folder
from models import System
from simulator.replication import Progress
from simulator.results import installed_version

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Setup:
    """What a study is asked for. `quick`: a version of at most 20 s, too short for more than a look; `runs`: replications
    of each system, in place of the study's own number; `changes`: other values at paths of its scenarios."""

    quick: bool = False
    runs: int | None = None
    seed: int = 1
    jobs: int = -1
    changes: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None

    def number(self, whole: int, quick: int) -> int:
        """Replications of each system: as asked for, else `whole`, or `quick` in the quick version."""
        return self.runs or (quick if self.quick else whole)

    def system(self, data: Mapping[str, Any]) -> System:
        """The system of a study, from nested tables, with what was changed."""
        return System.from_dict(data).with_(self.changes)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a study found: sentences that are computed, with their intervals, a table, and figures by name."""

    finding: str
    table: pd.DataFrame
    figures: Mapping[str, Figure]

    def write(self, name: str, setup: Setup, out: Path) -> None:
        """Write table, finding, charts and what it takes to repeat them to the folder `out`, whole or not at all."""
        from experiments.lab import charts

        with fresh_folder(out) as folder:
            self.table.to_csv(folder / "table.csv", index=False, lineterminator="\n")
            self.table.to_parquet(folder / "table.parquet", index=False)
            (folder / "finding.txt").write_text(self.finding + "\n", encoding="utf-8")
            (folder / "charts").mkdir()
            charts.save(self.figures, folder / "charts")
            asked = {"quick": setup.quick, "runs": setup.runs, "seed": setup.seed, "changes": dict(setup.changes)}
            manifest = {"experiment": name, **asked, "version": installed_version()}
            (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def studies() -> dict[str, str]:
    """The question of each study by its name."""
    files = sorted(resources.files("experiments").iterdir(), key=lambda file: file.name)
    scripts = [file for file in files if file.name.endswith(".py") and not file.name.startswith("_")]
    return {file.name.removesuffix(".py"): _question(file.read_text("utf-8")) for file in scripts}


def _question(source: str) -> str:
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def answer(name: str, setup: Setup) -> Answer:
    """Run the study of that name."""
    found: Answer = import_module(f"experiments.{name}").study(setup)
    return found
