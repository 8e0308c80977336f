"""Random brokers and the producers that publish to them: nodes, replicas, acknowledgements, and what can fail there."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Tables = dict[str, Any]

lags = st.sampled_from([0.0, 0.125, 0.5, {"dist": "exponential", "mean": 0.25}])
spans = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.5, 5.0])
patience = st.sampled_from([0.25, 0.5, 1.0, 2.0, 5.0])


@st.composite
def clusters(draw: st.DrawFn) -> Tables:
    """The nodes of a broker and how they keep records."""
    nodes = draw(st.integers(1, 5))
    factor = draw(st.integers(1, nodes))
    found: Tables = {
        "nodes": nodes,
        "replication_factor": factor,
        "min_insync_replicas": draw(st.integers(1, factor)),
        "replication_lag": draw(lags),
        "detection_time": draw(st.sampled_from([0.0, 0.5, {"dist": "uniform", "low": 0.5, "high": 1.5}])),
        "election_time": draw(st.sampled_from([0.0, 0.25, {"dist": "exponential", "mean": 0.25}])),
        "unclean_election": draw(st.booleans()),
        "flush_interval": draw(st.sampled_from([0, 1.0, "never"])),
    }
    optional = {"replication_interval": st.sampled_from([0.5, 1.5]), "publish_latency": lags, "acknowledge_latency": lags}
    found |= draw(st.fixed_dictionaries({}, optional=optional))
    return found


@st.composite
def terms(draw: st.DrawFn) -> Tables:
    """How a producer publishes."""
    acks = draw(st.sampled_from(["none", "leader", "all", "all"]))
    retry = st.sampled_from(
        [
            {"backoff": "fixed", "base": 0.5},
            {"backoff": "exponential", "base": 0.25, "cap": 1.0, "jitter": "full"},
            {"backoff": "none", "max_attempts": 2},
            {"delays": [0.25, 1.0], "max_elapsed": 3.0},
        ]
    )
    optional: Tables = {
        "instances": st.integers(1, 3),
        "request_timeout": patience,
        "delivery_timeout": patience,
        "retry": retry,
        "buffer": st.integers(1, 5),
        "overflow": st.sampled_from(["block", "drop"]),
        "max_block": patience,
        "linger": st.sampled_from([0.25, 1.0]),
        "batch": st.integers(1, 4),
        "max_in_flight": st.sampled_from([1, 5]),
        "outbox": st.sampled_from([{"poll": 0.5}, {"poll": 1.25}]),
    }
    idempotent = acks == "all" and draw(st.booleans())
    return {"acks": acks, "idempotent": idempotent, **draw(st.fixed_dictionaries({}, optional=optional))}


@st.composite
def struck(draw: st.DrawFn, name: str, tables: Tables, kinds: tuple[str, ...]) -> Tables:
    """A fault of one of these kinds, of nodes or of instances of producers."""
    nodes = [f"broker.nodes[{number}]" for number in range(tables["broker"]["nodes"])]
    instances = [f"producers.{n}[{i}]" for n, spec in tables["producers"].items() for i in range(spec.get("instances", 1))]
    targets = {
        "power_loss": [*nodes, "broker"],
        "slowdown": nodes,
        "outage": [*nodes, "broker", "broker.nodes"],
        **{kind: [*nodes, *instances, "broker.nodes"] for kind in ("crash", "stop", "pause")},
    }
    kind = draw(st.sampled_from(kinds))
    found: Tables = {"name": name, "kind": kind, "target": draw(st.sampled_from(targets[kind])), **draw(windows())}
    if kind == "slowdown":
        found["factor"] = draw(st.sampled_from([3.0, 100.0]))
    if kind == "outage":
        found["silent"] = draw(st.booleans())
    return found


def windows() -> st.SearchStrategy[Tables]:
    """When something happens: at ties, one after the other, or at random."""
    once = {"at": st.sampled_from([0.5, 1.0, 2.0, 2.5, 3.25, 5.0, 8.0]), "for": spans}
    renewal = {
        "time_to_failure": st.sampled_from([3.0, {"dist": "exponential", "mean": 4.0}]),
        "time_to_repair": st.sampled_from([1.0, {"dist": "exponential", "mean": 1.5}]),
    }
    again = {"every": st.sampled_from([2.5, 4.0]), "for": spans}
    return st.one_of(*(st.fixed_dictionaries(each) for each in (once, once, again, renewal)))


@st.composite
def split(draw: st.DrawFn, name: str, tables: Tables) -> Tables:
    """A network partition between nodes and producers."""
    parts = [f"broker.nodes[{number}]" for number in range(tables["broker"]["nodes"])]
    parts += [f"producers.{each}" for each in tables["producers"]]
    every = st.lists(st.sampled_from([0, 1, 1, 2]), min_size=len(parts), max_size=len(parts))
    sides = draw(every.filter(lambda drawn: {1, 2} <= set(drawn)))
    between = [[part for part, side in zip(parts, sides, strict=True) if side == which] for which in (1, 2)]
    return {"name": name, "kind": "partition", "between": between, "one_way": draw(st.booleans()), **draw(windows())}


ALWAYS = ("crash", "stop", "pause", "slowdown", "outage")


@st.composite
def safe_systems(draw: st.DrawFn) -> Tables:
    """Three replicas of which two have to be in sync, clean elections, everybody waits for all: whatever processes and links
    do, nothing is lost that was acknowledged. Of machines only one loses its power."""
    tables: Tables = {
        "run": {"duration": draw(st.sampled_from([12.0, 25.0]))},
        "broker": {
            **draw(clusters()), "nodes": 3, "replication_factor": 3, "min_insync_replicas": 2, "unclean_election": False,
        },
        "topics": {"t": {"partitions": draw(st.integers(1, 3))}},
        "producers": {
            f"p{i}": {"topic": "t", "arrivals": {"process": "poisson", "rate": 6.0}, **draw(terms()), "acks": "all"}
            for i in range(draw(st.integers(1, 2)))
        },
        "consumers": {"c": {"topic": "t", "service": draw(st.sampled_from([0.0, 0.25])), "instances": draw(st.integers(1, 2))}},
    }  # fmt: skip
    if draw(st.booleans()):
        tables["broker"]["profile"] = "rabbitmq"
        tables["producers"] = {name: {**spec, "idempotent": False} for name, spec in tables["producers"].items()}
        del tables["topics"]["t"]["partitions"]
    if draw(st.sampled_from([False, False, True])):
        tables["network"] = {"links": {"producers.p0 -> broker": {"loss": 0.2}, "broker -> producers.p0": {"loss": 0.2}}}
    if draw(st.sampled_from([False, False, False, True])):
        one = {"name": "dark", "kind": "power_loss", "target": f"broker.nodes[{draw(st.integers(0, 2))}]", **draw(windows())}
        return {**tables, "faults": [one]}
    faults = [draw(struck(f"f{i}", tables, ALWAYS)) for i in range(draw(st.integers(1, 4)))]
    faults += [draw(split(f"cut{i}", tables)) for i in range(draw(st.integers(0, 2)))]
    return {**tables, "faults": faults}
