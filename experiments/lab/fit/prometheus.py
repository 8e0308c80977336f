"""Lag and arrivals as Prometheus answers a range query (its HTTP API: a matrix of series), or as a CSV has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.lab.fit.reading import BadDataError, Values, columns, instants, numbers, refused
from models.errors import one_of, shown

Meaning = Literal["rate", "count", "total"]
"""What arrivals are given as: events per second, events since the time before, or a counter such as a log's end offset."""

COLUMNS = ("time", "arrivals", "lag")


@dataclass(frozen=True, eq=False)
class Observed:
    """`times` (seconds, ascending), `lag` (events) at them, `arrivals` in the interval that ends there (0 at the first).

    All of shape (n,). `dropped`: times that only some of the series had.
    """

    times: Values
    arrivals: Values
    lag: Values
    dropped: int = 0


class _Series(BaseModel):
    model_config = ConfigDict(extra="ignore")
    metric: dict[str, str]
    values: list[tuple[float, float]]


class _Data(BaseModel):
    resultType: Literal["matrix"]  # noqa: N815 - Prometheus names it so
    result: list[_Series]


class _Answer(BaseModel):
    status: Literal["success"]
    data: _Data


def read_lag(path: Path, arrivals: Path | None = None, meaning: Meaning = "rate") -> Observed:
    """Reads a CSV or Parquet file of time, arrivals and lag, or a range query's JSON; BadDataError says what is wrong.

    Of JSON all series of a kind, as partitions are, are summed at the times that all of them have. Those with "lag" in
    their name are lag and the others arrivals; or all of `path` is lag, and all of the file `arrivals` arrivals.
    """
    if meaning not in get_args(Meaning):
        raise BadDataError(f"arrivals as {shown(meaning)}; {one_of(get_args(Meaning))}")
    if path.suffix.lower() != ".json":
        return _from_table(path, meaning)
    lags, others = _series(path), []
    if arrivals is not None:
        others = _series(arrivals)
    else:
        others = [each for each in lags if "lag" not in each.metric.get("__name__", "").lower()]
        lags = [each for each in lags if each not in others]
    if not (lags and others):
        missing = "arrivals" if lags else "lag"
        rule = "must hold series with lag in their name and others, or be given with a second file of arrivals"
        raise refused(path, "data.result", f"holds no series of {missing}", rule)
    return _joined(path, lags, others, meaning)


def per_interval(values: Values, times: Values, meaning: Meaning) -> Values:
    """Events in the interval that ends at each time, 0 at the first; `values` of shape (..., n).

    A rate is taken to hold for the interval before it; a counter that falls began again at 0.
    """
    if meaning == "rate":
        return values * np.diff(times, prepend=times[:1])
    if meaning == "count":
        counts = values.copy()
        counts[..., 0] = 0
        return counts
    steps = np.diff(values, prepend=values[..., :1])
    return np.where(steps < 0, values, steps)


def _from_table(path: Path, meaning: Meaning) -> Observed:
    moments, arriving, waiting = columns(path, COLUMNS)
    times = instants(path, "time", moments)
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if backwards.size:
        row = int(backwards[0]) + 2
        raise refused(path, "time", f"row {row} holds {shown(moments[row - 1])}", "must be later than the row before")
    arrivals = numbers(path, "arrivals", arriving, "must be a finite number from 0 on", 0.0)
    lag = numbers(path, "lag", waiting, "must be a finite number of events from 0 on", 0.0)
    return Observed(times, per_interval(arrivals, times, meaning), lag)


def _series(path: Path) -> list[_Series]:
    if not path.is_file():
        raise refused(path, "", "there is no such file")
    try:
        answer = _Answer.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise refused(path, where, first["msg"], _rule(first)) from None
    if not any(each.values for each in answer.data.result):
        raise refused(path, "data.result", "holds no values", "must hold a series with values")
    return [each for each in answer.data.result if each.values]


def _rule(problem: Any) -> str:
    """What to do about the mistakes that are easily made."""
    match problem["loc"]:
        case ("data", "resultType"):
            return f"found {shown(problem['input'])}; ask /api/v1/query_range, which answers with a matrix"
        case ("status",):
            return f"found {shown(problem['input'])}; the query itself failed"
    return "must be the answer of /api/v1/query_range"


def _joined(path: Path, lags: Sequence[_Series], others: Sequence[_Series], meaning: Meaning) -> Observed:
    tables = [{time: value for time, value in each.values if np.isfinite(value)} for each in (*lags, *others)]
    shared = sorted(set[float].intersection(*(set(table) for table in tables)))
    if len(shared) < 2:
        rule = "ask for lag and arrivals with the same start, end and step"
        raise refused(path, "data.result", f"its {len(tables)} series share {len(shared)} times", rule)
    times = np.array(shared)
    values = np.array([[table[time] for time in shared] for table in tables])
    negative = np.argwhere(values < 0)
    if negative.size:
        which, place = map(int, negative[0])
        found = f"{(*lags, *others)[which].metric} holds {values[which, place]:g} at {shared[place]:.15g}"
        raise refused(path, "data.result", found, "must be 0 or more")
    arrivals = per_interval(values[len(lags) :], times, meaning).sum(axis=0)
    dropped = len(set[float].union(*(set(table) for table in tables))) - len(shared)
    return Observed(times, arrivals, values[: len(lags)].sum(axis=0), dropped)
