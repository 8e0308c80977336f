"""What must hold of any run of any system: recomputed here from the trace, apart from the code that measures it."""

from __future__ import annotations

import math
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd

from models import System
from models.consumer import Consumer
from models.metrics import metrics_of
from models.topology import can_break, has_nodes, is_limited
from simulator import replicate
from simulator.results import Measurement, Result

Tables = dict[str, Any]
IDLE = ("idle", "spare")
PATIENCE = 10.0
"""Seconds of wall time within which a run ends; it takes a hundredth of one."""


class StuckError(AssertionError):
    """The clock of a run stands still, or it goes on for ever."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Ends what takes longer."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise StuckError(f"not over after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def with_idle_parts(tables: Tables) -> Tables:
    """The same system with a producer, topic, group and dependency of their own: first in order, and busy at every tick.
    Where the run drains they are soon done, for it goes on until nothing is left anywhere."""
    drains = tables["run"].get("drain", False)
    producer = {"topic": "idle", "arrivals": {"process": "constant", "rate": 4.0} | ({"limit": 1} if drains else {})}
    group = {"topic": "idle", "service": 0.25, "concurrency": 4, "dependencies": ["spare"]}
    group |= {"poll_interval": 0.25} if tables["broker"]["profile"] != "rabbitmq" else {}
    fault = {"name": "spare", "kind": "outage", "target": "dependencies.spare", "every": 0.5, "for": 0.25}
    fault |= {"kind": "slowdown", "factor": 1.0} if drains else {}
    return {
        **tables,
        "topics": {"idle": {}, **tables["topics"]},
        "producers": {"idle": producer, **tables["producers"]},
        "consumers": {"idle": group, **tables["consumers"]},
        "dependencies": {"spare": {"latency": 0.25}, **tables["dependencies"]},
        "faults": [fault, *tables["faults"]],
    }


def content(result: Result, without: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Everything measured, bit for bit, but for the parts named in `without` and what sums up the whole system."""
    found: dict[Any, Any] = {}
    for left in result.measurements:
        for each in left.metrics:
            found[each.component, each.metric] = repr(each)
        for key, values in left.series.items():
            found[key, "series"] = values.tobytes()
        for window in left.windows:
            found.setdefault((f"faults.{window.name}", "windows"), []).append(repr(window))
        books = left.tables["books"]
        for row in zip(books["component"], books["term"], books["value"], strict=True):
            found[row[0], "book of", row[1]] = row[2]
        assert left.events is not None
        table = pd.DataFrame(dict(left.events))
        for group, rows in table.groupby("group", sort=False):
            found[group, "events"] = {name: rows[name].to_numpy().tolist().__repr__() for name in rows}
    hidden = {f"{kind}.{name}" for kind in ("producers", "topics", "consumers", "dependencies", "faults") for name in without}
    hidden |= {"system"} if without else set()
    found = {key: value for key, value in found.items() if not (without and key[1] == "false_alarms_per_day")}  # of all faults
    return {k: v for k, v in found.items() if (k[0][0] if isinstance(k[0], tuple) else k[0]) not in hidden}


def differences(one: dict[Any, Any], other: dict[Any, Any]) -> list[Any]:
    return [key for key in {**one, **other} if one.get(key) != other.get(key)]


def run(tables: Tables, seed: int = 1) -> Result:
    """One replication, traced."""
    system = System.from_dict(tables)
    with within(PATIENCE):
        return replicate(system, runs=1, seed=seed, trace=True)


def check_run(tables: Tables, result: Result) -> None:
    """All claims about one run by itself."""
    left = result.measurements[0]
    assert left.events is not None
    events = pd.DataFrame(dict(left.events))
    events = events[events["state"] != "unpublished"]
    system = System.from_dict(tables).resolved()
    metrics = {(each.component, each.metric): each.value for each in left.metrics}
    books = Counter[tuple[str, str]]()
    for component, term, value in zip(*(left.tables["books"][c] for c in ("component", "term", "value")), strict=True):
        books[component, term] = value
    check_rows(events, system)
    check_books(events, books, system)
    check_ancestry(events, books, system)
    check_metrics(events, metrics, system)
    check_intervals(result)
    check_dependencies(metrics, system)
    check_series(events, left, metrics, system)
    check_alerts(left, system)
    check_guarantees(events, system)


def check_alerts(left: Measurement, system: System) -> None:
    """An alert fires while its series is above its bound, and where it waits for nothing whenever that is."""
    rows = pd.DataFrame(dict(left.tables["alerts"]))
    for alert in system.alerts:
        firings = rows[rows["alert"] == alert.name]
        fired, cleared = firings["fired"].to_numpy(dtype=float), firings["cleared"].fillna(math.inf).to_numpy(dtype=float)
        assert (fired < cleared).all(), alert.name
        assert (fired[1:] > cleared[:-1]).all(), alert.name
        if (alert.component, alert.metric) not in left.series:
            continue
        series, within_firing = left.series[alert.component, alert.metric], np.zeros(len(left.times), dtype=bool)
        for start, end in zip(fired, cleared, strict=True):
            within_firing |= (left.times >= start) & (left.times < end)
        slack = 1e-9 if alert.metric == "lag_seconds" else 0.0  # an age is its bound at the instant at which it fires
        assert (series[within_firing] > alert.above - slack).all(), alert.name
        assert alert.for_ or not (series[~within_firing] > alert.above + slack).any(), alert.name


def check_rows(events: pd.DataFrame, system: System) -> None:
    """Each event by itself, in each group."""
    assert not events.duplicated(["group", "topic", "event"]).any()
    effect, started, produced = events["effect"], events["started"], events["produced"]
    assert ((events["effects"] > 0) == effect.notna()).all()
    assert ((events["state"] == "processed") == effect.notna()).all()
    assert (started.isna() | (started >= produced)).all()
    assert (effect.isna() | (effect >= started)).all()
    assert ((events["attempts"] == 0) | started.notna()).all()
    assert (started.isna() | (events["deliveries"] > 0)).all()
    per_attempt = {f"consumers.{name}": (1 + hedged(each)) * (1 + doubles(system)) for name, each in system.consumers.items()}
    calls = events["group"].map(per_attempt).astype(int)
    assert (events["effects"] <= events["attempts"] * calls).all(), "more effects than attempts"
    assert (produced <= system.horizon).all()


def hedged(consumer: Consumer) -> bool:
    """Whether an attempt may make a call twice."""
    return consumer.hedge_after is not None


def doubles(system: System) -> bool:
    """Whether calls may arrive twice."""
    return any(fault.kind == "duplicate" for fault in system.faults)


def check_books(events: pd.DataFrame, books: Counter[tuple[str, str]], system: System) -> None:
    """Both equations, from the rows of the trace."""
    for name, consumer in system.consumers.items():
        path = f"consumers.{name}"
        rows = events[events["group"] == path]
        states = Counter(rows["state"])
        for state in ("processed", "backlog", "in_flight", "dead_lettered", "discarded", "expired", "lost"):
            assert books[path, state] == states[state], (path, state)
        assert books[path, "arrived"] == len(rows) == sum(states.values())
        for topic in consumer.topics:
            numbers = rows.loc[rows["topic"] == topic, "event"]
            assert refuses(system, topic) or sorted(numbers) == list(range(len(numbers)))
        if consumer.dead_letter is None:
            assert not states["dead_lettered"]
    for topic in events["topic"].unique():
        rows = events[events["topic"] == topic]
        produced = rows.groupby("event")["produced"]
        assert (produced.nunique() == 1).all(), f"{topic}: groups see the same events"
        assert (rows.groupby("group").size() == produced.ngroups).all(), f"{topic}: groups see all events"


def check_ancestry(events: pd.DataFrame, books: Counter[tuple[str, str]], system: System) -> None:
    """Every event has an arrival or a parent; what a group publishes are children of what it has processed."""
    for topic in events["topic"].unique():
        rows = events[events["topic"] == topic]
        distinct = rows.drop_duplicates("event")
        own = sum(stored(books, f"producers.{name}") for name, p in system.producers.items() if p.topic == topic)
        assert (distinct["parent"] < 0).sum() == own, f"{topic}: arrivals"
        writers = [(n, p) for n, c in system.consumers.items() for p in c.publishes if p.topic == topic]
        moves = [c for c in system.consumers.values() if c.dead_letter and c.dead_letter.topic == topic]
        moves += [t for t in system.topics.values() if t.dead_letter == topic or refuses(system, topic)]
        if len(writers) == 1 and not moves and len(system.consumers[writers[0][0]].topics) == 1:
            name, publish = writers[0]
            parents = Counter(distinct.loc[distinct["parent"] >= 0, "parent"])
            assert set(parents.values()) <= {publish.count}, f"{topic}: copies"
            mine = events[events["group"] == f"consumers.{name}"].set_index("event")
            assert (mine.loc[list(parents), "state"] == "processed").all(), f"{topic}: parents"
            assert publish.probability < 1 or len(parents) <= (mine["state"] == "processed").sum()


def refuses(system: System, topic: str) -> bool:
    """Whether some events of a topic may not be stored."""
    spec = system.topics[topic]
    return has_nodes(system) or (spec.max_length is not None and spec.overflow != "drop_oldest")


def removes(system: System, topic: str) -> bool:
    """Whether a topic can remove a record that nobody has handled, or not take it."""
    spec = system.topics[topic]
    return spec.longest_stay <= system.horizon or spec.max_length is not None or spec.retention_size is not None


def stored(books: Counter[tuple[str, str]], producer: str) -> int:
    """Events of a producer that were stored."""
    return sum(books[producer, term] for term in ("published", "phantom", "unconfirmed"))


def check_metrics(events: pd.DataFrame, metrics: dict[tuple[str, str], float], system: System) -> None:
    """Counts over the cohort, and shares that are shares."""
    warmup, duration = system.run.warmup, system.run.duration
    cohort = events[(events["produced"] >= warmup) & (events["produced"] <= duration)]
    for name in system.consumers:
        path = f"consumers.{name}"
        rows = cohort[cohort["group"] == path]
        for state in ("processed", "backlog", "in_flight", "dead_lettered", "discarded", "expired", "lost"):
            assert metrics[path, state] == (rows["state"] == state).sum(), (path, state)
        assert metrics[path, "effects"] == rows["effects"].sum()
        assert metrics[path, "delivered"] == rows["deliveries"].sum()
        assert metrics[path, "duplicate_effects"] == rows["effects"].sum() - (rows["effects"] > 0).sum()
        work = metrics.get((path, "utilization"), 0.0) + metrics.get((path, "held"), 0.0)
        assert not work > 1 + 1e-9, (path, "utilization + held", work)
    for (component, metric), value in metrics.items():
        assert not value < 0, (component, metric, value)
        assert not math.isinf(value), (component, metric)
        is_part = metrics_of(component).get(metric) == "share" and metric not in ("duplicate_rate", "phantom_rate")
        assert not (is_part and value > 1 + 1e-9), (component, metric, value)


def check_intervals(result: Result) -> None:
    """What is said of all runs can be said, and what is said to be likely is around what was found."""
    known = result.summary.dropna(subset=["mean", "ci_low", "ci_high"])
    slack = 1e-9 * known["mean"].abs()
    around = (known["ci_low"] <= known["mean"] + slack) & (known["mean"] <= known["ci_high"] + slack)
    assert around.all(), known.loc[~around, ["component", "metric", "mean", "ci_low", "ci_high"]]


def check_dependencies(metrics: dict[tuple[str, str], float], system: System) -> None:
    for name, dependency in system.dependencies.items():
        path = f"dependencies.{name}"
        assert metrics[path, "errors"] + metrics[path, "rejected"] <= metrics[path, "calls"]
        assert metrics[path, "wasted"] <= metrics[path, "calls"]
        if dependency.concurrency is not None:
            assert metrics[path, "busy_mean"] <= dependency.concurrency + 1e-9
        if dependency.queue_limit is not None:
            assert metrics[path, "queue_max"] <= dependency.queue_limit


def check_series(events: pd.DataFrame, left: Measurement, metrics: dict[tuple[str, str], float], system: System) -> None:
    """Series have the right ends, and rates add up to what happened."""
    step, duration = left.times[1], system.run.duration
    for key, values in left.series.items():
        assert len(values) == len(left.times)
        assert not (values < 0).any(), key
    for name in system.consumers:
        path = f"consumers.{name}"
        rows = events[events["group"] == path]
        arrived, done = (rows["available"] <= duration).sum(), (rows["effect"] <= duration).sum()
        early, first = (rows["available"] <= 0).sum(), (rows["effect"] <= 0).sum()
        assert math.isclose(left.series[path, "arrivals"].sum() * step, arrived - early, abs_tol=1e-6)
        assert math.isclose(left.series[path, "throughput"].sum() * step, done - first, abs_tol=1e-6)
        lag = left.series[path, "lag"]
        assert (lag == np.round(lag)).all()
        assert (left.series[path, "lag_seconds"][lag == 0] == 0).all(), f"{path}: the oldest of none"
        assert (lag >= left.series[path, "lag_waiting"]).all(), f"{path}: more wait than there are"
        if not system.run.drain:
            live = rows["state"].isin(["backlog", "in_flight"]) & (rows["available"] <= duration)
            assert lag[-1] <= live.sum(), (path, "lag at the end")
            if never_gives_up(system.consumers[name], system) and not can_break(system):  # what the broker loses is finished
                assert lag[-1] == live.sum(), (path, "lag at the end")


def never_gives_up(consumer: Consumer, system: System) -> bool:
    """Whether nothing but its effect finishes an event: then no attempt goes on for a finished one without it."""
    assert consumer.redelivery is not None
    first = consumer.commit == "before" or consumer.acknowledge == "before"
    first |= any(removes(system, topic) for topic in consumer.topics)
    first |= consumer.shed_above is not None
    first |= consumer.idempotency is not None and consumer.idempotency.protocol == "mark_then_do"
    return consumer.redelivery.max_deliveries == 0 and consumer.permanent == "retry" and not first


def check_guarantees(events: pd.DataFrame, system: System) -> None:
    """What the consumers' policies promise."""
    derived = {publish.topic for consumer in system.consumers.values() for publish in consumer.publishes}
    again = {consumer.dead_letter.topic for consumer in system.consumers.values() if consumer.dead_letter}
    again |= {topic.dead_letter for topic in system.topics.values() if topic.dead_letter}
    for consumer in system.consumers.values():
        if consumer.dead_letter and consumer.dead_letter.redrive_to == "topic":
            again |= set(consumer.topics)
    for name, consumer in system.consumers.items():
        rows = events[events["group"] == f"consumers.{name}"]
        first = consumer.commit == "before" or consumer.acknowledge == "before"
        removing = any(removes(system, topic) for topic in consumer.topics)
        marks = consumer.idempotency
        first_marked = marks is not None and marks.protocol == "mark_then_do"
        if not first and not first_marked and not (removing and consumer.reset == "latest") and not can_break(system):
            assert not (rows["state"] == "lost").any(), f"{name}: lost although at least once"
        buried = consumer.dead_letter and removes(system, consumer.dead_letter.topic)
        assert removing or buried or not (rows["state"] == "expired").any(), f"{name}: expired without a limit"
        lasting = marks is not None and marks.ttl >= 1000.0 and marks.max_keys is None and marks.store is None
        atomic = marks is not None and marks.protocol == "transaction"
        if lasting and (atomic or (first_marked and consumer.retry is None)):
            assert (rows["effects"] <= 1).all(), f"{name}: doubled in spite of marks"
        redelivery, letters = consumer.redelivery, consumer.dead_letter
        assert redelivery is not None
        if never_gives_up(consumer, system) and redelivery.through == "lease":
            for topic in consumer.topics:
                if system.topics[topic].fifo and not has_nodes(system):
                    check_order(rows[rows["topic"] == topic], name)
        if never_gives_up(consumer, system):
            assert not rows["state"].isin(["dead_lettered", "discarded"]).any(), f"{name}: given up"
        once = redelivery.max_deliveries == 1 and consumer.retry is None and not hedged(consumer)
        once &= letters is None or letters.redrive_after is None
        if first and once and not (derived | again) & set(consumer.topics) and not doubles(system):
            assert (rows["effects"] <= 1).all(), f"{name}: doubled although at most once"


def check_order(rows: pd.DataFrame, name: str) -> None:
    """The first effects of the events of a key come in their order, and none before an earlier event has had one."""
    for key, members in rows[rows["key"] >= 0].sort_values("event").groupby("key"):
        effects = members["effect"].fillna(math.inf).to_numpy()
        assert (effects[1:] >= effects[:-1]).all(), f"{name}: key {key} out of order"


def check(tables: Tables) -> None:
    """Every claim about a system: of one run, of a second one, and of one beside idle parts, unless these take of what there
    is only so much of, or decide when the run ends."""
    result = run(tables)
    check_run(tables, result)
    assert not differences(content(result), content(run(tables))), "same seed, other bytes"
    everybody = {f"faults.{fault['name']}" for fault in tables["faults"] if "broker" in str(fault) or "network" in str(fault)}
    if is_limited(System.from_dict(tables)) or (everybody and tables["run"].get("drain")):
        return
    beside = content(run(with_idle_parts(tables)), IDLE)
    moved = differences(content(result, IDLE), beside)
    moved = [key for key in moved if key[0] not in everybody and key[0][0] != "broker"]
    assert not moved, f"idle parts moved {moved[:5]}"
