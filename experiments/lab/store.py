"""A folder that keeps finished replications, so that work which was killed goes on where it stopped.

Each is a file of its own, named by the content of what was run: scenario, files that it names, seed, number and versions.
Whatever changes one of them is run anew. Files are moved into place whole, and equal work gives equal bytes: any number of
processes, on shared storage too, may write to one folder.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from models import System
from simulator.model import Model
from simulator.results import Measure, Measurement, Window, installed_version

DECIDING = ("simpy", "numpy", "scipy", "pydantic")
"""Packages that a number may depend on."""


class Store:
    """Replications by model, seed and number in `folder`, with or without their `series`; a `Kept` of `replicate_all`."""

    def __init__(self, folder: Path, series: bool = False) -> None:
        self.folder = folder
        self.series = series
        self._keys: dict[tuple[int, int], tuple[Model, str]] = {}

    def get(self, model: Model, seed: int, number: int) -> Measurement | None:
        """What was kept of that replication; None where nothing is, or nothing that can be read."""
        try:
            return _read(self._path(model, seed, number))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def put(self, model: Model, seed: int, number: int, measurement: Measurement) -> None:
        """Keep a finished replication."""
        path = self._path(model, seed, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            _write(part, measurement)

    def forget(self) -> None:
        """Take away what this store has kept or sought, and the folder if nobody else uses it."""
        for _, key in self._keys.values():
            shutil.rmtree(self.folder / key, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _path(self, model: Model, seed: int, number: int) -> Path:
        known = self._keys.get((id(model), seed))
        if known is None:  # the model is held, so that its id stays its own
            known = self._keys[id(model), seed] = model, content_of(model, seed=seed, series=self.series)
        return self.folder / known[1] / f"{number}.npz"


@contextmanager
def unfinished(out: Path, series: bool) -> Iterator[Store]:
    """A store beside the folder `out`, for work that is written there when it is finished. What was done stays only if the
    user interrupts it."""
    out = out.resolve()
    missing = [parent for parent in out.parents if not parent.exists()]
    store = Store(out.with_name(f".{out.name}-unfinished"), series)
    try:
        yield store
    except KeyboardInterrupt:
        raise
    except BaseException:
        store.forget()
        for parent in missing:
            with suppress(OSError):  # nobody made it, or it holds what others put there
                parent.rmdir()
        raise
    else:
        store.forget()


def content_of(model: Model, **further: Any) -> str:
    """A name, 32 hexadecimal digits, that changes with anything that could change a replication of `model`."""
    assert isinstance(model, System)
    scenario = model.resolved().to_dict()
    run = {key: value for key, value in scenario["run"].items() if key in ("duration", "warmup", "drain", "drain_limit")}
    used = {
        **scenario,
        "run": run,
        "files": {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in sorted(set(_files(scenario)))},
        "processes": [_code_of(own) for own in model.processes],
        "versions": _versions(),
        **further,
    }
    return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()[:32]


@functools.cache
def _versions() -> dict[str, str]:
    return {"edasim": installed_version(), **{name: metadata.version(name) for name in DECIDING}}


def _code_of(own: Any) -> list[Any]:
    """The text of a function, and the plain values that it has with it. Raises ValueError where these are not plain."""
    if isinstance(own, functools.partial):
        return [_code_of(own.func), _known(own, [own.args, own.keywords])]
    if not inspect.isfunction(own):
        return [inspect.getsource(type(own)), _known(own, vars(own))]
    enclosed = [cell.cell_contents for cell in own.__closure__ or ()]
    return [inspect.getsource(own), _known(own, [enclosed, own.__defaults__, own.__kwdefaults__])]


def _known(own: Any, values: Any) -> str:
    try:
        return json.dumps(values, sort_keys=True)
    except TypeError:
        raise ValueError(
            f"replications of a system with the process {own} cannot be kept: it holds values that are not plain"
        ) from None


def _files(table: Any) -> Iterator[str]:
    inner = table.items() if isinstance(table, Mapping) else enumerate(table) if isinstance(table, list) else ()
    for key, value in inner:
        if key == "file" or (key == "trace" and isinstance(value, str)):
            yield value
        else:
            yield from _files(value)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends well and vanishes when it does not."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _write(path: Path, left: Measurement) -> None:
    """Numbers as arrays, names as JSON; no clock time, so that equal measurements are equal files."""
    assert left.events is None
    texts = {
        "metrics": [[m.component, m.metric, m.unit, m.kind, m.censored] for m in left.metrics],
        "series": list(left.series),
        "windows": [asdict(window) for window in left.windows],
        "tables": {name: {key: list(column) for key, column in table.items()} for name, table in left.tables.items()},
    }
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            texts=np.frombuffer(json.dumps(texts, default=_plain).encode(), dtype=np.uint8),
            numbers=np.array([(m.value, m.exposure) for m in left.metrics], dtype=float).reshape(-1, 2),
            times=left.times,
            series=np.array(list(left.series.values()), dtype=float),
        )


def _read(path: Path) -> Measurement:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
        texts = json.loads(kept["texts"].tobytes())
        metrics = tuple(
            Measure(component, metric, unit, value, kind, exposure, censored)
            for (component, metric, unit, kind, censored), (value, exposure) in zip(
                texts["metrics"], kept["numbers"].tolist(), strict=True
            )
        )
        series = {
            (component, metric): values for (component, metric), values in zip(texts["series"], kept["series"], strict=True)
        }
        windows = tuple(Window(**window) for window in texts["windows"])
        return Measurement(metrics, kept["times"], series, windows, texts["tables"])


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value.tolist()
