"""The folder of a sweep: what is finished stays in it, several processes may share it, another scenario starts it anew."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from experiments.lab.output import LOCK, PACKAGES, refusal
from experiments.lab.store import Store, content_of, whole_file
from models import System
from simulator.results import installed_version

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class SweepFolder:
    """`folder` while a sweep of `system` works in it. Whoever works holds a share of its lock; who changes it, all.

    Raises OSError where the folder cannot be had: it holds other files, or another sweep is running in it.
    """

    def __init__(self, folder: Path, system: System) -> None:
        self.folder = folder
        self.system = system
        self.store = Store(folder / "finished")
        self._content = content_of(system)
        self._lock = -1

    def __enter__(self) -> Self:
        if reason := refusal(self.folder):  # a folder with a lock is one of ours, however far somebody came with it
            raise OSError(reason)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._settle_in()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lock)

    def _settle_in(self) -> None:
        """Take a share of the lock, in a folder that belongs to this system."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # others work here; they may still be settling in themselves
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        else:
            self._tidy()
            if not self._is_ours():
                self._empty()
                self._write_manifest()
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        if not self._is_ours():
            raise BlockingIOError(f"{self.folder}: a sweep of another scenario is running here; give another folder")

    def _tidy(self) -> None:
        """Nobody else works here: take away what somebody who was killed had half written."""
        for path in [path for path in self.folder.rglob(".*") if path.name != LOCK]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        try:
            manifest = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(manifest, dict) and manifest.get("sweep", {}).get("content") == self._content

    def _empty(self) -> None:
        for path in self.folder.iterdir():
            if path.name == LOCK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def write(self, summary: pd.DataFrame, figures: Mapping[str, Figure], cells: Sequence[Mapping[str, Any]]) -> None:
        """Tables, charts and the manifest, each of them whole; `cells`: the values of each."""
        with whole_file(self.folder / "sweep.csv") as part:
            summary.to_csv(part, index=False, lineterminator="\n")
        with whole_file(self.folder / "sweep.parquet") as part:
            summary.to_parquet(part, index=False)
        self._write_charts(figures)
        self._write_manifest(cells)

    def _write_charts(self, figures: Mapping[str, Figure]) -> None:
        """The figures, and none of an earlier sweep."""
        from experiments.lab import charts

        place = self.folder / "charts"
        place.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".charts-") as scratch:
            new = {path.name for path in charts.save(figures, Path(scratch))}
            for name in new:
                os.replace(Path(scratch, name), place / name)
        for path in place.iterdir():
            if path.name not in new:
                path.unlink(missing_ok=True)

    def _write_manifest(self, cells: Sequence[Mapping[str, Any]] = ()) -> None:
        """What belongs here, and when the sweep is finished the values of its cells."""
        scenario = self.system.resolved().to_dict()
        manifest = {
            "scenario": scenario,
            "seed": self.system.seed,
            "version": installed_version(),
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in PACKAGES},
            "sweep": {"content": self._content, "cells": [dict(values) for values in cells]},
        }
        with whole_file(self.folder / "manifest.json") as part:
            part.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
