"""One system with other values at some paths: every combination replicated, kept as it finishes, in one tidy table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from experiments.lab import charts
from experiments.lab.cells import Cell, Sweep, Value, is_number, text_of
from experiments.lab.sweep_folder import SweepFolder
from models import System
from models.errors import BadScenario, Problem
from simulator.replication import Progress, replicate_all
from simulator.results import Result
from simulator.units import parse_duration


def sweep(
    system: System,
    vary: Mapping[str, Sequence[Value]],
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    jobs: int = -1,
    out: str | Path | None = None,
    *,
    zipped: bool = False,
    sample: int | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Replicate `system` with every combination of the values in `vary`: {"consumers.payment.instances": [4, 8]}.

    All cells share the seed, so that they differ by their values and not by luck. `zipped`: the first values together,
    then the second, ... instead of all combinations. `sample`: that many combinations of a Latin hypercube over ranges,
    each given as (low, high); whole numbers where both ends are. `out`: a folder in which every replication is kept as it
    finishes, found again by the next call, and in which tables and charts are written at the end.

    Raises BadScenario where a combination is not valid, Interrupted (a KeyboardInterrupt) when the user stops it, and
    OSError where `out` cannot be written, or belongs to something else.
    """
    combinations = combinations_of(vary, zipped, sample, system.seed if seed is None else seed)
    if seed is not None and "run.seed" in vary:
        raise _wrong("run.seed", "varied, and given as seed", "must be one or the other")
    systems = [system_of(system, values) for values in combinations]
    if out is None:
        return _finished(system, combinations, replicate_all(systems, runs, seed, jobs, False, progress, series=False), systems)
    with SweepFolder(Path(out), _as_used(system, runs, seed)) as folder:
        results = replicate_all(systems, runs, seed, jobs, False, progress, folder.store, series=False)
        found = _finished(system, combinations, results, systems)
        folder.write(found.summary, charts.sweep_figures(found), combinations)
    return found


def finish_cells(
    system: System,
    vary: Mapping[str, Sequence[Value]],
    cells: slice,
    out: str | Path,
    runs: int | Literal["auto"] | None = None,
    seed: int | None = None,
    jobs: int = -1,
    *,
    zipped: bool = False,
    sample: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Replicate some `cells` of a sweep, counted from 0, and keep them in the folder `out`, which many machines may share.

    `sweep` with the same arguments then finds what they have finished. Returns how many cells there were.
    """
    combinations = combinations_of(vary, zipped, sample, system.seed if seed is None else seed)
    if cells.stop > len(combinations):
        raise _wrong("cells", f"found {cells.start + 1}..{cells.stop}", f"must be within 1..{len(combinations)}")
    chosen = combinations[cells]
    systems = [system_of(system, values) for values in chosen]
    with SweepFolder(Path(out), _as_used(system, runs, seed)) as folder:
        replicate_all(systems, runs, seed, jobs, False, progress, folder.store, series=False)
    return len(systems)


def _as_used(system: System, runs: int | Literal["auto"] | None, seed: int | None) -> System:
    """The system with the runs and the seed that a sweep was called with, as its manifest has them."""
    used = {"runs": system.runs if runs is None else runs, "seed": system.seed if seed is None else seed}
    return system.model_copy(update={"run": system.run.model_copy(update=used)})


def _finished(
    system: System, combinations: Sequence[Mapping[str, Value]], results: Sequence[Result], systems: Sequence[System]
) -> Sweep:
    cells = tuple(Cell(*parts) for parts in zip(combinations, systems, results, strict=True))
    return Sweep(system.name, tuple(combinations[0]), cells)


def system_of(system: System, values: Mapping[str, Value]) -> System:
    """The system with the values of one cell; what is wrong with them is told with the values."""
    try:
        return system.with_(values)
    except BadScenario as bad:
        shown = ", ".join(f"{path} = {text_of(value)}" for path, value in values.items())
        raise bad.within(f"vary {shown}") from None


def combinations_of(vary: Mapping[str, Sequence[Value]], zipped: bool, sample: int | None, seed: int) -> list[dict[str, Value]]:
    """The values of each cell by path, in order. Raises BadScenario where they do not go together."""
    if not vary or not all(vary.values()):
        raise _wrong("vary", "nothing to vary", "must name at least one path with one value")
    if sample is not None and zipped:
        raise _wrong("sample", "found with zipped values", "must be one or the other")
    if sample is not None:
        return _hypercube(vary, sample, seed)
    if zipped and len({len(values) for values in vary.values()}) > 1:
        lengths = ", ".join(f"{path}: {len(values)}" for path, values in vary.items())
        raise _wrong("vary", f"values that go together in different numbers ({lengths})", "must be equally many")
    rows: Iterable[tuple[Value, ...]] = zip(*vary.values(), strict=True) if zipped else itertools.product(*vary.values())
    return [dict(zip(vary, row, strict=True)) for row in rows]


def _hypercube(ranges: Mapping[str, Sequence[Value]], sample: int, seed: int) -> list[dict[str, Value]]:
    """`sample` points that divide each range evenly (McKay, Beckman, Conover 1979)."""
    from scipy.stats import qmc

    if sample < 1:
        raise _wrong("sample", f"found {sample}", "must be at least 1")
    bounds = {path: _range(path, values) for path, values in ranges.items()}
    points = qmc.LatinHypercube(len(ranges), rng=seed).random(sample)
    return [{path: _within(*bounds[path], u) for path, u in zip(ranges, point.tolist(), strict=True)} for point in points]


def _range(path: str, values: Sequence[Value]) -> tuple[float, float]:
    try:
        low, high = (value if is_number(value) else parse_duration(value) for value in values)
    except ValueError:
        low, high = 1.0, 0.0
    if not low < high:
        raise _wrong(path, f"found {', '.join(map(text_of, values))}", "must be a range of numbers or durations")
    return low, high


def _within(low: float, high: float, u: float) -> float:
    if isinstance(low, int) and isinstance(high, int):
        return low + int(u * (high - low + 1))
    return low + u * (high - low)


def _wrong(path: str, found: str, allowed: str) -> BadScenario:
    return BadScenario([Problem(path, found, allowed)])
