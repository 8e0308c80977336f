"""The folder that a fit leaves."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

from experiments.lab.fit.backlog import Lag
from experiments.lab.fit.comparing import Comparison
from experiments.lab.fit.outages import Incidents
from simulator.results import installed_version


def write_fit(found: Comparison | Incidents | Lag, source: str, out: Path, seed: int) -> None:
    """Write paste.toml, tables, charts and the files that the lines name to `out`, in place of an earlier output there.

    `source` says where the data came from. The same data give the same bytes. Raises OSError, and leaves what was there
    before, when something cannot be written.
    """
    from experiments.lab import charts
    from experiments.lab.charts.fits import fit_figures
    from experiments.lab.output import PACKAGES, fresh_folder

    versions = {name: metadata.version(name) for name in PACKAGES}
    manifest = {"scenario": None, "fit": source, "seed": seed, "version": installed_version(), "packages": versions}
    with fresh_folder(out) as folder:
        found.save(folder)
        (folder / "paste.toml").write_text(found.line + "\n", encoding="utf-8")
        (folder / "charts").mkdir()
        charts.save(fit_figures(found, source), folder / "charts")
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
