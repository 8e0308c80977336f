"""Random systems over the whole format: short runs of a few hundred events, with times that often fall together."""

from __future__ import annotations

from typing import Any

from brokers import ALWAYS, clusters, split, struck, terms
from hypothesis import strategies as st

Tables = dict[str, Any]

ticks = st.integers(1, 12).map(lambda n: n / 4)
"""Times on a grid, so that ties are common."""

shares = st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])
short = st.sampled_from([0.0, 0.125, 0.25, 0.5])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The strategy, or None: the field is left out."""
    return st.one_of(st.none(), strategy)


def table(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Tables]:
    """A table with the required fields, and some of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional or {})


def durations(scale: float = 1.0) -> st.SearchStrategy[Any]:
    """Random durations with means around `scale` seconds, half of them constants."""
    means = st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0]).map(lambda m: m * scale)
    spread = st.sampled_from([0.3, 1.0, 2.0])
    laws = st.one_of(
        table({"dist": st.just("uniform"), "low": st.just(0.0), "high": means}),
        table({"dist": st.just("exponential"), "mean": means}),
        table({"dist": st.just("lognormal"), "mean": means, "cv": spread}),
        table({"dist": st.just("gamma"), "mean": means, "cv": spread}),
        table({"dist": st.just("weibull"), "mean": means, "shape": st.sampled_from([0.7, 1.0, 2.0])}),
        table({"dist": st.just("pareto"), "mean": means, "alpha": st.just(2.5)}),
        means.map(lambda m: {"dist": "hyperexponential", "means": [m, 3 * m], "weights": [0.7, 0.3]}),
    )
    return st.booleans().flatmap(lambda constant: means if constant else laws)


def arrivals() -> st.SearchStrategy[Tables]:
    """Every process that needs no file."""
    rates = st.sampled_from([0.5, 1.0, 2.0, 4.0])
    window = {
        "start": ticks,
        "limit": st.integers(1, 60),
        "size": st.integers(1, 3),
        "stop": ticks.map(lambda t: t + 5),
    }
    return st.one_of(
        table({"process": st.just("poisson"), "rate": rates}, window),
        table({"process": st.just("constant"), "rate": rates}, window),
        table({"process": st.just("renewal"), "interarrival": durations()}, window),
        table(
            {
                "process": st.just("bursts"),
                "rates": st.just([0.5, 6.0]),
                "stays": st.just([4.0, {"dist": "exponential", "mean": 2.0}]),
            },
            window,
        ),
        table(
            {
                "process": st.just("profile"),
                "points": st.just([[0, 1.0], [5, 4.0], [10, 0.5]]),
                "period": st.sampled_from([10.0, 15.0]),
            },
            window,
        ),
        table(
            {
                "process": st.just("sine"),
                "base": rates,
                "amplitude": st.sampled_from([0.5, 1.0]),
                "period": st.just(8.0),
            },
            window,
        ),
        table({"process": st.just("closed"), "clients": st.integers(1, 4), "think": durations()}, window),
    )


def keys() -> st.SearchStrategy[Tables]:
    return st.one_of(
        table({"dist": st.just("uniform"), "count": st.integers(1, 20)}),
        table({"dist": st.just("zipf"), "count": st.integers(1, 20), "exponent": st.sampled_from([0.0, 0.9, 1.5])}),
    )


def producers(topics: list[str]) -> st.SearchStrategy[Tables]:
    return table(
        {"topic": st.sampled_from(topics), "arrivals": arrivals()},
        {"keys": keys(), "poison": st.sampled_from([0.1, 0.3])},
    )


@st.composite
def delays(draw: st.DrawFn, positive: bool = False) -> Tables:
    """The delay fields of `retry` and `redelivery`."""
    jitter = draw(maybe(st.sampled_from(["none", "full", "equal", "decorrelated", "proportional"])))
    base = draw(st.sampled_from([0.25, 0.5, 2.0]))
    found: Tables = draw(
        st.sampled_from(
            [
                {"delays": [base]},
                {"delays": [base, 1.0, 4.0]},
                {"backoff": "fixed", "base": base},
                {"backoff": "linear", "base": base},
                {"backoff": "exponential", "base": base, "factor": 3.0, "cap": 5.0},
                {"base": base, "jitter": "decorrelated_v2"},
                *([] if positive else [{"backoff": "none"}]),
            ]
        )
    )
    found = dict(found)
    if jitter is not None and "jitter" not in found and not (positive and jitter == "full"):
        found["jitter"] = jitter
        if jitter == "proportional":
            found["spread"] = draw(st.sampled_from([0.2, 0.8]))
    return found


@st.composite
def retries(draw: st.DrawFn) -> Tables:
    found = {"max_attempts": draw(st.integers(1, 4)), **draw(delays())}
    if draw(st.booleans()):
        found["max_elapsed"] = draw(ticks)
    if draw(st.booleans()):
        found["budget"] = draw(
            st.sampled_from(
                [
                    {"ratio": 0.5, "burst": 2.0},
                    {"tokens": 3.0, "cost": 1.0, "refund": 0.5, "timeout_cost": 2.0},
                    {"max_tokens": 4.0, "token_ratio": 0.5},
                ]
            )
        )
        found["scope"] = draw(st.sampled_from(["instance", "group"]))
    return found


@st.composite
def redeliveries(draw: st.DrawFn, delivery: str) -> Tables:
    places = [{"log": "seek", "queue": "requeue", "lease": "lease"}[delivery], "retry_topic"]
    endless = draw(st.sampled_from([False, False, False, True]))
    found: Tables = {"max_deliveries": 0 if endless else draw(st.integers(1, 4))}
    if endless or draw(st.booleans()):
        found |= draw(delays(positive=endless))
    if not endless and draw(st.booleans()):
        found["immediate"] = draw(st.integers(1, 2))
    if draw(st.booleans()):
        found["through"] = draw(st.sampled_from(places))
    return found


def breakers() -> st.SearchStrategy[Tables]:
    return st.one_of(
        st.builds(
            lambda rule, slow, rest: {**rule, **slow, **rest},
            st.sampled_from([{}, {"failure_rate": 0.3}, {"failures": 2}]),
            st.one_of(
                st.just({}), table({"slow_call": st.sampled_from([0.25, 1.0])}, {"slow_call_rate": st.sampled_from([0.5, 1.0])})
            ),
            table(
                {
                    "size": st.integers(2, 6),
                    "minimum_calls": st.integers(1, 4),
                    "open_for": st.sampled_from([0.0, 0.5, 2.0, 5.0]),
                    "half_open_calls": st.integers(2, 3),
                    "scope": st.sampled_from(["instance", "group"]),
                    "on_open": st.sampled_from(["fail", "pause"]),
                },
                {
                    "window": st.sampled_from(["count", "time"]),
                    "automatic": st.booleans(),
                    "open_factor": st.just(2.0),
                    "half_open_timeout": st.sampled_from([0.5, 3.0]),
                    "half_open_failures": st.integers(1, 2),
                    "counts_rejections": st.booleans(),
                },
            ),
        )
    )


def limits_of_tries() -> Tables:
    """What keeps an instance from trying too much, by field."""
    waits = st.sampled_from([0.0, 0.25, 1.0, 5.0])
    return {
        "rate_limit": table({"rate": st.sampled_from([0.5, 2.0, 4.0]), "burst": st.integers(1, 3), "max_wait": waits}),
        "bulkhead": table({"max_concurrent": st.integers(1, 3)}, {"max_wait": waits}),
        "throttle": table({}, {"k": st.sampled_from([0.5, 1.0, 2.0]), "window": st.sampled_from([0.5, 3.0, 120.0])}),
    }


def dead_letters(topic: str) -> st.SearchStrategy[Tables]:
    return st.one_of(
        table({"topic": st.just(topic)}, {"safe": st.booleans()}),
        table(
            {"topic": st.just(topic), "redrive_after": st.sampled_from([0.0, 1.0, 4.0])},
            {
                "safe": st.booleans(),
                "redrive_rate": st.sampled_from([0.5, 4.0]),
                "redrive_times": st.integers(0, 3),
                "redrive_to": st.sampled_from(["group", "topic"]),
            },
        ),
    )


@st.composite
def idempotencies(draw: st.DrawFn) -> Tables:
    """In any order, in a store of its own or in the one that all share."""
    order = draw(st.sampled_from(["do_then_mark", "mark_then_do", "claim", "transaction"]))
    found = {"order": order} | ({"lease": draw(ticks)} if order == "claim" else {})
    optional = {
        "latency": durations(0.2),
        "max_keys": st.sampled_from([1, 5, 40]),
        "store": st.just("marks"),
        "on_outage": st.sampled_from(["process", "fail"]),
    }
    found |= draw(table({"ttl": st.sampled_from([0.5, 3.0, 1000.0])}, optional))
    return found if "store" in found else {key: value for key, value in found.items() if key != "on_outage"}


def stores() -> st.SearchStrategy[Tables]:
    return table(
        {"latency": durations(0.1)},
        {
            "replication_lag": st.sampled_from([0.5, 5.0]),
            "failover_time": durations(),
            "persistence": st.sampled_from([0.5, 5.0]),
        },
    )


def dependencies() -> st.SearchStrategy[Tables]:
    return table(
        {"latency": durations(0.5)},
        {
            "error_rate": shares,
            "concurrency": st.integers(1, 3),
            "queue_limit": st.integers(0, 3),
            "load_factor": st.sampled_from([0.5, 2.0]),
            "limit": table({"rate": st.sampled_from([0.5, 2.0]), "burst": st.integers(1, 3)}),
        },
    )


@st.composite
def chains(draw: st.DrawFn, tables: Tables) -> None:
    """Lets dependencies call later ones."""
    names = list(tables)
    for place, name in enumerate(names[:-1]):
        if draw(st.booleans()):
            called = st.lists(st.sampled_from(names[place + 1 :]), min_size=1, max_size=2)
            more = {"retry": retries(), "timeout": st.sampled_from([0.25, 0.5, 2.0])}
            tables[name] |= draw(table({"dependencies": called}, more))


def sizes() -> st.SearchStrategy[Any]:
    return st.sampled_from(
        [500, "1KiB", {"dist": "uniform", "low": 0, "high": "2KiB"}, {"dist": "gamma", "mean": 900, "cv": 1.0}]
    )


@st.composite
def limits(draw: st.DrawFn, topic: str, delivery: str) -> Tables:
    """What a topic removes by itself; dead letters go to a later topic, or to one that nobody writes to otherwise."""
    if draw(st.booleans()):
        return {}
    if delivery == "log":
        kept = {"retention": st.sampled_from([0.5, 2.0, 5.0]), "retention_size": st.sampled_from(["1KiB", "2KiB", 5000])}
        if topic == "letters":
            del kept["retention_size"]
        return draw(table({}, {**kept, "message_size": sizes()}))
    if delivery == "lease":
        return draw(table({}, {"retention": ticks}))
    found: Tables = draw(table({}, {"message_ttl": st.sampled_from([0.0, 0.25, 1.0, 4.0]), "retention": ticks}))
    later = [t for t in ("b", "c", "letters", "removed") if t > topic]
    if topic != "letters" and draw(st.booleans()):
        found["max_length"] = draw(st.integers(1, 5))
        found["overflow"] = draw(st.sampled_from(["drop_oldest", "reject", *(["reject_dead_letter"] if later else [])]))
    if found and later and (draw(st.booleans()) or found.get("overflow") == "reject_dead_letter"):
        found["dead_letter"] = draw(st.sampled_from(later))
    return found


LOG = {
    "batch": st.integers(1, 6),
    "service_per": st.sampled_from(["event", "batch"]),
    "poll_interval": st.sampled_from([0.25, 1.0]),
    "commit": st.sampled_from(["auto", "batch", "record", "before", "transaction"]),
    "commit_interval": st.sampled_from([0.0, 0.5, 2.0]),
    "reset": st.sampled_from(["earliest", "latest"]),
    "max_poll_interval": st.sampled_from([1.0, 3.0, 20.0]),
    "rebalance": st.sampled_from(["eager", "cooperative", "server"]),
    "rebalance_time": durations(),
    "static_membership": st.booleans(),
}
QUEUE = {
    "prefetch": st.one_of(
        st.integers(1, 5),
        st.sampled_from([0.25, 1.0]).map(lambda target: {"min": 1, "max": 4, "target": target}),
    ),
    "acknowledge": st.sampled_from(["after", "before"]),
    "single_active": st.booleans(),
    "heartbeat_timeout": ticks,
    "consumer_timeout": ticks,
}
LEASE = {
    "batch": st.integers(1, 6),
    "service_per": st.sampled_from(["event", "batch"]),
    "poll_wait": st.sampled_from([0.0, 0.5, 20.0]),
    "poll_interval": st.sampled_from([0.25, 1.0]),
    "visibility_timeout": ticks,
    "extend_lease": st.booleans(),
    "late_delete": st.sampled_from(["works", "fails"]),
    "acknowledge": st.sampled_from(["after", "before"]),
}
FIELDS = {"log": LOG, "queue": QUEUE, "lease": LEASE}
HOMES = {"kafka": "log", "rabbitmq": "queue", "sqs": "lease"}


@st.composite
def topic_tables(draw: st.DrawFn, delivery: str, home: str) -> Tables:
    """What is said of a topic of that model of delivery."""
    found: Tables = {} if delivery == home else {"delivery": delivery}
    if delivery == "log":
        found["partitions"] = draw(st.integers(1, 3))
    if delivery == "lease" and draw(st.booleans()):
        found |= {"fifo": True, "deduplication": draw(st.sampled_from([0.0, 1.0, 300.0]))}
    if delivery == "queue" and draw(st.booleans()):
        found["quorum"] = draw(st.booleans())
    return found


@st.composite
def consumers(draw: st.DrawFn, topics: list[str], delivery: str, letters: str, targets: list[str], known: list[str]) -> Tables:
    """A group on `topics`, which may dead-letter to `letters`, publish to `targets` and call the dependencies `known`."""
    optional: Tables = {
        "instances": st.integers(1, 3),
        "concurrency": st.sampled_from([1, 2, "unlimited"]),
        "transient_failure": shares,
        "poison": st.sampled_from([0.1, 0.5]),
        "permanent": st.sampled_from(["retry", "discard"]),
        "timeout": st.sampled_from([0.25, 0.5, 1.0, 3.0]),
        "memory": st.sampled_from(["2KiB", "8KiB"]),
        "startup": durations(),
        "shed_above": st.integers(0, 6),
        **limits_of_tries(),
        "retry": retries(),
        "redelivery": redeliveries(delivery),
        "breaker": breakers(),
        "idempotency": idempotencies(),
        **FIELDS[delivery],
    }
    if known:
        optional["dependencies"] = st.lists(st.sampled_from(known), min_size=1, max_size=2)
        optional["useful_for"] = st.sampled_from([0.5, 2.0])
    if targets:
        publish = table(
            {"topic": st.sampled_from(targets)},
            {"probability": st.sampled_from([0.4, 1.0]), "count": st.integers(1, 3)},
        )
        optional["publishes"] = st.lists(publish, min_size=1, max_size=2)
        optional["outbox"] = st.sampled_from([{"poll": 0.5}, {"poll": 1.25}])
    found = draw(table({"topic": st.just(topics[0] if len(topics) == 1 else topics), "service": durations(0.5)}, optional))
    if "dependencies" in found and draw(st.booleans()):
        found["hedge_after"] = draw(st.sampled_from([0.0, 0.125])) if "timeout" in found else draw(short)
    if found.get("service_per") == "batch":
        found.pop("shed_above", None)
    if "publishes" not in found:
        found.pop("outbox", None)
    if isinstance(found.get("prefetch"), dict) and "dependencies" not in found:
        found["prefetch"] = found["prefetch"]["max"]
    if draw(st.booleans()):
        found["dead_letter"] = draw(dead_letters(letters))
        if draw(st.booleans()):
            found["permanent"] = "dead_letter"
    if draw(st.sampled_from([False, False, True])):
        found["autoscale"] = draw(autoscales(found.get("instances", 1)))
    if delivery == "log":
        found["session_timeout"] = draw(st.sampled_from([1.0, 3.0, 6.0]))
        found["heartbeat_interval"] = found["session_timeout"] / draw(st.sampled_from([2.0, 1e6]))
    return found


@st.composite
def autoscales(draw: st.DrawFn, instances: int) -> Tables:
    """Either form, of a group that begins with so many instances."""
    if draw(st.booleans()):
        times = sorted(draw(st.sets(ticks, min_size=1, max_size=5)))
        return {"schedule": [[time, draw(st.integers(0, 4))] for time in times]}
    needed = {"target": st.sampled_from([1.0, 3.0, 10.0]), "min": st.integers(0, 1), "max": st.integers(instances, 4)}
    times = {"interval": st.sampled_from([0.25, 0.7, 1.0]), "cooldown": st.sampled_from([0.0, 1.0, 3.0])}
    return draw(table({**needed, **times}, {"startup": durations(0.5)}))


def places(group: Tables) -> int:
    """How many instances a group may ever have."""
    terms, instances = group.get("autoscale", {}), group.get("instances", 1)
    return max([instances, terms.get("max", 1), *(number for _, number in terms.get("schedule", []))])


def windows() -> st.SearchStrategy[Tables]:
    """When a fault strikes."""
    lasting = durations(2.0)
    return st.one_of(
        table(
            {
                "at": st.sampled_from([0.0, 1.0, 2.5, 3.0, 5.0, 7.25, 12.0]),
                "for": st.one_of(st.just(0.0), ticks, lasting),
            }
        ),
        table({"every": st.sampled_from([2.0, 5.0]), "for": st.one_of(ticks, lasting)}),
        table(
            {
                "time_to_failure": st.sampled_from(
                    [{"dist": "weibull", "mean": 4.0, "shape": 0.7}, {"dist": "exponential", "mean": 3.0}, 5.0]
                ),
                "time_to_repair": st.sampled_from([{"dist": "lognormal", "mean": 2.0, "cv": 1.0}, 1.0]),
            },
            {"from_new": st.booleans()},
        ),
    )


@st.composite
def faults(draw: st.DrawFn, name: str, tables: Tables) -> Tables:
    """A fault of any kind, on any part of `tables` that can have it."""
    groups = [f"consumers.{each}" for each in tables["consumers"]]
    members = [f"consumers.{n}[{i}]" for n, spec in tables["consumers"].items() for i in range(places(spec))]
    servers = [f"dependencies.{each}" for each in tables["dependencies"]]
    keepers = [f"stores.{each}" for each in tables["stores"]]
    sources = [f"producers.{each}" for each in tables["producers"]]
    open_sources = [s for s in sources if tables["producers"][s[10:]]["arrivals"]["process"] != "closed"]
    kinds = {
        "crash": groups + members + servers + keepers,
        "stop": groups + members,
        "pause": groups + members,
        "outage": servers + keepers,
        "slowdown": groups + members + servers + keepers,
        "errors": groups + members + servers + keepers,
        "poison": groups + sources,
        "surge": open_sources,
        "exhaustion": groups + members + servers,
    }
    kind = draw(st.sampled_from([kind for kind, targets in kinds.items() if targets]))
    targets = draw(st.lists(st.sampled_from(kinds[kind]), min_size=1, max_size=2, unique=True))
    found = {"name": name, "kind": kind, "target": targets if len(targets) > 1 else targets[0], **draw(windows())}
    if kind in ("slowdown", "surge"):
        found["factor"] = draw(st.sampled_from([0.5, 2.0, 5.0] if kind == "slowdown" else [0.0, 0.5, 3.0]))
    if kind in ("errors", "poison"):
        found["rate"] = draw(st.sampled_from([0.3, 1.0]))
    if kind == "exhaustion":
        found |= {"resource": draw(st.sampled_from(scarce(tables, targets))), "to": draw(st.sampled_from([0.1, 0.5]))}
    if draw(st.booleans()):
        found |= {"hold": draw(ticks), "normal": draw(st.integers(0, 3))}
    if kind == "outage":
        found["silent"] = draw(st.booleans())
    if draw(st.booleans()):
        found["together"] = draw(st.booleans())
        found["probability"] = draw(st.sampled_from([0.3, 1.0]))
        found["crews"] = draw(st.sampled_from([1, "unlimited"]))
        if "time_to_failure" not in found:
            found["stagger"] = draw(st.sampled_from([0.0, 0.5]))
    return found


def scarce(tables: Tables, targets: list[str]) -> list[str]:
    """What all of these consumers and dependencies can be short of: what they have only so much of."""
    limits = {"consumers": {"memory": "memory"}, "dependencies": {"concurrency": "connections"}}
    found = {"cpu", "memory", "connections"}
    for target in targets:
        section, _, name = target.partition("[")[0].partition(".")
        found &= {"cpu", *(what for field, what in limits[section].items() if field in tables[section][name])}
    return sorted(found)


@st.composite
def cuts(draw: st.DrawFn, name: str, tables: Tables) -> Tables:
    """A network partition that cuts instances of consumers, or all of a group, from the broker, dependencies, or both; or
    dependencies from each other."""
    groups = [f"consumers.{name}" for name in tables["consumers"]]
    members = [f"consumers.{n}[{i}]" for n, spec in tables["consumers"].items() for i in range(places(spec))]
    others = ["broker", "stores.marks", *(f"dependencies.{each}" for each in tables["dependencies"])]
    sides = [
        draw(st.lists(st.sampled_from(parts), min_size=1, max_size=2, unique=True)) for parts in (groups + members, others)
    ]
    if len(tables["dependencies"]) > 1 and draw(st.sampled_from([False, False, True])):
        sides = [[f"dependencies.{each}"] for each in list(tables["dependencies"])[:2]]
    between = sides if draw(st.booleans()) else sides[::-1]
    return {"name": name, "kind": "partition", "between": between, "one_way": draw(st.booleans()), **draw(windows())}


def stored_marks(tables: Tables) -> list[tuple[str, str]]:
    """Who keeps marks in the store that is shared, each with the store."""
    groups = tables["consumers"].items()
    return [(f"consumers.{n}", "stores.marks") for n, spec in groups if "store" in spec.get("idempotency", {})]


@st.composite
def troubles(draw: st.DrawFn, name: str, tables: Tables) -> Tables:
    """A fault on links: those of a component, one by itself, or all."""
    groups, sources = (
        [f"consumers.{each}" for each in tables["consumers"]],
        [f"producers.{each}" for each in tables["producers"]],
    )
    calls = [(f"consumers.{n}", f"dependencies.{d}") for n, s in tables["consumers"].items() for d in s.get("dependencies", ())]
    links = [f"{one} -> broker" for one in groups + sources] + [f"{one} -> {other}" for one, other in calls]
    answers = [" -> ".join(reversed(link.split(" -> "))) for link in links]
    nodes = [f"broker.nodes[{number}]" for number in range(tables["broker"].get("nodes", 1))]
    copies = [f"{nodes[0]} -> {nodes[1]}", f"{nodes[1]} -> {nodes[0]}"] if len(nodes) > 1 else []
    callers = [each for each in groups if tables["consumers"][each[10:]].keys() & {"dependencies", "publishes"}]
    called = sorted({other for _, other in calls})
    doubled = [*sources, *called, *callers, *(f"{one} -> broker" for one in sources), *(f"{a} -> {b}" for a, b in calls)]
    kind = draw(st.sampled_from(["delay", "loss", "duplicate"]))
    marks = stored_marks(tables)
    kept = [" -> ".join(ends) for pair in marks for ends in (pair, pair[::-1])] + [store for _, store in marks[:1]]
    targets = [
        "network",
        "broker",
        *nodes,
        *(doubled if kind == "duplicate" else groups + sources + called + links + answers + copies + kept),
    ]
    found = {"name": name, "kind": kind, "target": draw(st.sampled_from(targets)), **draw(windows())}
    return found | ({"add": draw(durations(0.5))} if kind == "delay" else {"rate": draw(st.sampled_from([0.2, 0.7, 1.0]))})


@st.composite
def networks(draw: st.DrawFn, tables: Tables) -> Tables:
    """Latencies and losses of some of the links of consumers and dependencies."""
    ends = [(f"consumers.{name}", other) for name in tables["consumers"] for other in ("broker",)]
    ends += [(f"consumers.{n}", f"dependencies.{d}") for n, s in tables["consumers"].items() for d in s.get("dependencies", ())]
    callers = tables["dependencies"].items()
    ends += [(f"dependencies.{one}", f"dependencies.{d}") for one, s in callers for d in s.get("dependencies", ())]
    ends += stored_marks(tables)
    link = table({}, {"latency": durations(0.2), "loss": st.sampled_from([0.1, 0.5])})
    names = [f"{one} -> {other}" for pair in ends for one, other in (pair, pair[::-1])]
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    everywhere = draw(table({}, {"latency": durations(0.1), "loss": st.just(0.1)}))
    return {"links": {name: draw(link) for name in chosen}, **everywhere}


@st.composite
def failing_brokers(draw: st.DrawFn, tables: Tables) -> None:
    """Gives a system nodes that keep its records, producers that may not know, and what can happen to both."""
    tables["broker"] |= draw(clusters())
    size, rate = st.sampled_from(["4KiB", "20KiB"]), st.sampled_from([1.0, 4.0])
    tables["broker"] |= draw(table({}, {"max_publish_rate": rate, "memory": size, "disk": size}))
    for resource in sorted({"memory", "disk"} & tables["broker"].keys()):
        left = {"resource": resource, "to": draw(st.sampled_from([0.0, 0.3]))}
        tables["faults"].append({"name": resource, "kind": "exhaustion", "target": "broker", **left, **draw(windows())})
    for producer in tables["producers"].values():
        producer.update(draw(terms()) if draw(st.booleans()) else {})
    tables["faults"] += [draw(struck(f"node{i}", tables, (*ALWAYS, "power_loss"))) for i in range(draw(st.integers(0, 3)))]
    tables["faults"] += [draw(split(f"split{i}", tables)) for i in range(draw(st.integers(0, 1)))]
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(tables["producers"])))
        links = tables.setdefault("network", {}).setdefault("links", {})
        links |= {f"producers.{name} -> broker": {"loss": 0.2}, f"broker -> producers.{name}": {"loss": 0.2}}


def in_step(part: Any) -> Any:
    """The same tables with constants on the grid for every random time, so that nearly everything happens at a tie."""
    if isinstance(part, list):
        return [in_step(each) for each in part]
    if not isinstance(part, dict):
        return part
    if "dist" in part and "count" not in part:
        return 0.5
    if part.get("process") in ("poisson", "renewal"):
        part = {**part, "process": "constant", "rate": part.get("rate", 2.0)}
        part.pop("interarrival", None)
    return {name: in_step(each) for name, each in part.items()}


@st.composite
def alerts(draw: st.DrawFn, name: str, tables: Tables) -> Tables:
    """An alert on a group, on any metric that it has."""
    group = draw(st.sampled_from(sorted(tables["consumers"])))
    spec = tables["consumers"][group]
    bounds = {"lag": [0, 2.5, 8], "lag_seconds": [0.0, 0.5, 4.0], "error_rate": [0.0, 0.5]}
    bounds |= {"dead_letters": [0, 2]} if "dead_letter" in spec else {}
    bounds |= {"breaker_open": [0.0, 0.5]} if "breaker" in spec else {}
    metric = draw(st.sampled_from(sorted(bounds)))
    above, lasting = draw(st.sampled_from(bounds[metric])), draw(st.sampled_from([0.0, 0.0, 0.25, 2.0]))
    return {"name": name, "component": f"consumers.{group}", "metric": metric, "above": above, "for": lasting}


@st.composite
def systems(draw: st.DrawFn) -> Tables:
    """A whole scenario: up to three producers, chains over three topics, dead letters that are read, four faults."""
    delivery = {topic: draw(st.sampled_from(list(FIELDS))) for topic in ("a", "b", "c", "letters", "removed")}
    profile = draw(st.sampled_from(list(HOMES)))
    tables: Tables = {
        "run": {
            "duration": draw(st.sampled_from([10.0, 20.0, 30.0])),
            "warmup": draw(st.sampled_from([0.0, 0.0, 2.0])),
        },
        "broker": {"profile": profile},
        "topics": {
            topic: {**draw(topic_tables(how, HOMES[profile])), **draw(limits(topic, how))} for topic, how in delivery.items()
        },
        "producers": {f"p{i}": draw(producers(["a", "b"])) for i in range(draw(st.integers(1, 3)))},
        "dependencies": {f"d{i}": draw(dependencies()) for i in range(draw(st.integers(0, 3)))},
        "stores": {"marks": draw(stores())},
        "consumers": {},
    }
    draw(chains(tables["dependencies"]))
    if draw(st.booleans()) and draw(st.booleans()):
        tables["run"] |= {"drain": True, "drain_limit": 30.0}
    written = sorted({producer["topic"] for producer in tables["producers"].values()})
    for topic in sorted(tables["topics"]):
        if topic in written and (moved := tables["topics"][topic].get("dead_letter")):
            written.append(moved)
    written = sorted(set(written))
    known = list(tables["dependencies"])
    for i in range(draw(st.integers(1, 3))):
        first = draw(st.sampled_from(written))
        alike = [t for t in written if delivery[t] == delivery[first] and t != first]
        read = [first, *(draw(st.lists(st.sampled_from(alike), max_size=1)) if alike else [])]
        later = [t for t in ("b", "c") if t > max(read)] if "letters" not in read else []
        letters = "buried" if "letters" in read else "letters"
        group = draw(consumers(read, delivery[first], letters, later, known))
        tables["consumers"][f"g{i}"] = group
        written += [publish["topic"] for publish in group.get("publishes", [])]
        written += ["letters"] if group.get("dead_letter", {}).get("topic") == "letters" else []
        written = sorted(set(written))
    tables["faults"] = [draw(faults(f"f{i}", tables)) for i in range(draw(st.integers(0, 4)))]
    if draw(st.sampled_from([False, False, True])):
        tables["faults"] += [draw(cuts(f"cut{i}", tables)) for i in range(draw(st.integers(1, 2)))]
    if draw(st.sampled_from([False, False, True])):
        tables["network"] = draw(networks(tables))
        tables["broker"]["deliver_latency"] = draw(durations(0.2))
    if draw(st.booleans()):
        draw(failing_brokers(tables))
    if draw(st.booleans()):
        tables["faults"] += [draw(troubles(f"trouble{i}", tables)) for i in range(draw(st.integers(1, 3)))]
    tables["alerts"] = [draw(alerts(f"a{i}", tables)) for i in range(draw(st.integers(0, 3)))]
    return in_step(tables) if draw(st.booleans()) else tables
