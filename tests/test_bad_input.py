"""A wrong scenario is refused with one message per fault: where, what was found, what is allowed, the nearest name."""

import copy
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from models.errors import BadScenario, shown
from models.loading import LARGEST_FILE
from models.scenario import Scenario

SMALL: dict[str, Any] = {
    "run": {"duration": "10m"},
    "broker": {"profile": "kafka"},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 10}}},
    "consumers": {
        "log": {"topic": "t", "service": "10ms", "dependencies": ["gateway"]},
        "queue": {"topic": "q", "service": "10ms"},
        "lease": {"topic": "l"},
    },
    "topics": {"q": {"delivery": "queue"}, "l": {"delivery": "lease"}},
    "dependencies": {"gateway": {"latency": "1ms"}},
}
SMALL["producers"]["l"] = {"topic": "l", "arrivals": {"process": "poisson", "rate": 1.0}}
SMALL["producers"]["q"] = {"topic": "q", "arrivals": {"process": "closed", "clients": 3, "think": "1s"}}

CRASH = {"name": "f", "target": "consumers.log", "kind": "crash"}
AT = {"at": "1m", "for": "1m"}
SLO = {"component": "consumers.log", "metric": "lag_max", "below": 9}


def cut(*sides):
    """A network partition between the sides."""
    between = {} if sides == (None,) else {"between": list(sides)}
    return [{"name": "f", "kind": "partition", "at": 1, "for": 1, **between}]


def calling(*names: str) -> dict[str, Any]:
    """A dependency that calls others."""
    return {"latency": 1, "dependencies": list(names)}


def fault(**fields: Any) -> list[dict[str, Any]]:
    """A list of one fault, at 1 min for 1 min unless `fields` have it otherwise."""
    timed = {"at", "every", "for", "time_to_failure", "time_to_repair", "trace"} & set(fields)
    return [{**CRASH, **({} if timed else AT), **fields}]


def alert(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "component": "consumers.log", "metric": "lag", "above": 1, **fields}


def scaled(**fields: Any) -> dict[str, Any]:
    """Autoscaling by lag."""
    usual = {"metric": "lag", "target": 9.0, "min": 1, "max": 6, "interval": "15s", "cooldown": "1m"}
    return {key: value for key, value in {**usual, **fields}.items() if value is not None}


def slo(**fields: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in {**SLO, **fields}.items() if value is not None}]


# where to put what; the path of the one problem; what its message says
WRONG: list[tuple[str, Any, str, list[str]]] = [
    # types and units
    ("run/duration", "abc", "run.duration", ['found "abc"', "a duration such as", '"1h30m"']),
    ("run/duration", "10 parsecs", "run.duration", ["10 parsecs", "a duration such as"]),
    ("run/duration", True, "run.duration", ["found true", "a duration such as"]),
    ("run/duration", float("nan"), "run.duration", ["nan", "finite"]),
    ("run/duration", 10**400, "run.duration", ["1329 bits", "a duration such as"]),
    ("run/warmup", "never", "run.warmup", ['"never"', '"auto"', "a duration such as"]),
    ("run/seed", 1.5, "run.seed", ["found 1.5", "a whole number"]),
    ("run/drain", "yes", "run.drain", ['found "yes"', "true or false"]),
    ("run", 5, "run", ["found 5", "a table"]),
    ("run", None, "run", ["found null", "a table"]),
    ("consumers", [], "consumers", ["found []", "a table"]),
    ("consumers/log/instances", "4", "consumers.log.instances", ['found "4"', "a whole number"]),
    ("consumers/log/instances", True, "consumers.log.instances", ["found true", "a whole number"]),
    ("consumers/log/concurrency", "many", "consumers.log.concurrency", ["a whole number", '"unlimited"']),
    ("consumers/log/topic", 5, "consumers.log.topic", ["found 5", "a text", "a list"]),
    ("consumers/log/topic", ["t", 1], "consumers.log.topic[1]", ["found 1", "a text"]),
    ("consumers/log/dependencies", "gateway", "consumers.log.dependencies", ['found "gateway"', "a list"]),
    ("consumers/log/service", [1], "consumers.log.service", ["found [1]", "a duration such as"]),
    ("consumers/log/retry", "gentle", "consumers.log.retry", ['"gentle"', "must be a table, or one of", '"aws-sdk-2026"']),
    ("consumers/log/retry", "pollly", "consumers.log.retry", ['did you mean "polly"?']),
    ("consumers/log/retry", {"preset": "kafkjs"}, "consumers.log.retry.preset", ["must be one of", 'did you mean "kafkajs"?']),
    ("consumers/log/retry", {"preset": 3}, "consumers.log.retry.preset", ["found 3", "must be one of"]),
    ("consumers/log/retry", {"preset": "grpc", "tries": 3}, "consumers.log.retry.tries", ["unknown field", '"max_attempts"']),
    ("consumers/log/retry", {"preset": "grpc", "base": "x"}, "consumers.log.retry.base", ['"x"', "a duration"]),
    ("consumers/log/retry", "nservicebus", "consumers.log.retry", ["which is a preset of redelivery: retry must be"]),
    ("consumers/log/breaker", "kafkajs", "consumers.log.breaker", ["a preset of retry and redelivery: breaker must be"]),
    ("consumers/log/redelivery", "none", "consumers.log.redelivery", ['found "none"', '"spring-kafka"']),
    ("consumers/queue/redelivery", "spring-kafka", "consumers.queue.redelivery.through", ['"seek"', "only with log"]),
    ("consumers/log/timeout", "resilence4j", "consumers.log.timeout", ["a duration such as", 'did you mean "resilience4j"?']),
    ("consumers/log/timeout", "grpc", "consumers.log.timeout", ["a preset of retry: timeout must be a duration"]),
    ("consumers/log/timeout", {"preset": "polly"}, "consumers.log.timeout", ["must be a duration"]),
    ("consumers/log/dead_letter", "polly", "consumers.log.dead_letter", ['found "polly"', "must be a table"]),
    ("producers/p/retry", "nservicebus", "producers.p.retry", ["which is a preset of redelivery: retry must be"]),
    ("dependencies/gateway/timeout", "kafkajs", "dependencies.gateway.timeout", ["which is a preset of retry and redelivery"]),
    ("consumers/log/breaker", 3, "consumers.log.breaker", ["found 3", "a table"]),
    ("producers/p/arrivals", 5, "producers.p.arrivals", ["found 5", "a table"]),
    ("faults", CRASH, "faults", ["a list"]),
    ("topics/t/message_size", "1KiBB", "topics.t.message_size", ["1KiBB", "64KiB"]),
    ("description", "\ud800", "description", ["must be Unicode"]),
    (
        "producers/p/arrivals",
        {"process": "profile", "points": [[5, 1, 2]], "period": 9},
        "producers.p.arrivals.points[0]",
        ["at most 2 entries"],
    ),
    (
        "producers/p/arrivals",
        {"process": "bursts", "rates": [1], "stays": [1, 1]},
        "producers.p.arrivals.rates[1]",
        ["missing"],
    ),
    # names
    ("faults", fault(name=""), "faults[0].name", ["must not be empty"]),
    ("consumers/log/instnces", 4, "consumers.log.instnces", ["unknown field (found 4)", 'did you mean "instances"?']),
    ("consmers", {}, "consmers", ["unknown field", 'did you mean "consumers"?']),
    ("xyzzy", "x" * 99, "xyzzy", ["unknown field", '"run"', '"costs"', "..."]),
    ("self", 1, "self", ["unknown field (found 1)"]),
    ("consumers/retry", {"topic": "t", "instnces": 3}, "consumers.retry.instnces", ['did you mean "instances"?']),
    ("consumers/log/retry", {"max_atempts": 3}, "consumers.log.retry.max_atempts", ['did you mean "max_attempts"?']),
    ("broker/profile", "kafkaa", "broker.profile", ['"rabbitmq"', 'did you mean "kafka"?']),
    ("producers/p/acks", "al", "producers.p.acks", ['"none", "leader", "all"', 'did you mean "all"?']),
    ("topics/two words", {}, 'topics."two words"', ["a name of letters"]),
    ("producers/p/arrivals/process", "poison", "producers.p.arrivals.process", ['did you mean "poisson"?']),
    ("producers/p/arrivals/rat", 3, "producers.p.arrivals.rat", ['did you mean "rate"?']),
    ("consumers/log/service", {"dist": "gama", "mean": 1}, "consumers.log.service.dist", ['did you mean "gamma"?']),
    ("faults", fault(kind="crsh"), "faults[0].kind", ['"stop"', 'did you mean "crash"?']),
    # what is missing
    ("run", {}, "run.duration", ["required, but missing"]),
    ("producers/p/arrivals", {"rate": 3}, "producers.p.arrivals.process", ["missing", '"poisson"', '"closed"']),
    ("producers/p/arrivals", {"process": "poisson"}, "producers.p.arrivals.rate", ["missing"]),
    ("producers", {}, "producers", ["missing", "at least one of [producers.NAME], [sagas.NAME]"]),
    ("consumers/log/idempotency", {}, "consumers.log.idempotency.ttl", ["missing"]),
    ("consumers/log/dead_letter", {"safe": True}, "consumers.log.dead_letter.topic", ["missing"]),
    ("faults", fault(target=[]), "faults[0].target", ["missing"]),
    ("run/runs", "auto", "run.precision_metric", ["missing", 'runs = "auto"']),
    # ranges
    ("run/duration", 0, "run.duration", ["found 0", "above 0"]),
    ("run/runs", 0, "run.runs", ["found 0", "at least 1", '"auto"']),
    ("run/seed", -1, "run.seed", ["found -1", "at least 0"]),
    ("run/warmup", "10m", "run.warmup", ["found 600 s", "below run.duration (600 s)"]),
    ("consumers/log/poison", 1.5, "consumers.log.poison", ["found 1.5", "at most 1"]),
    ("consumers/log/service", -1, "consumers.log.service", ["found -1", "not negative"]),
    ("producers/p/arrivals/rate", -3, "producers.p.arrivals.rate", ["found -3", "above 0"]),
    ("consumers/log/retry", {"max_attempts": 0}, "consumers.log.retry.max_attempts", ["found 0", "at least 1"]),
    ("consumers/log/breaker", {"failure_rate": 2}, "consumers.log.breaker.failure_rate", ["found 2", "at most 1"]),
    ("broker/replication_factor", 5, "broker.replication_factor", ["5 replicas on 1 nodes", "at most 1"]),
    ("broker", {"min_insync_replicas": 2}, "broker.min_insync_replicas", ["2 in-sync replicas of 1", "at most"]),
    ("faults", fault(kind="slowdown", factor=0), "faults[0].factor", ["above 0"]),
    ("faults", fault(target="consumers.log[7]"), "faults[0].target", ["instance 7 of 1", "below 1"]),
    ("consumers/log/instances", 10**15, "consumers.log.instances", ["at most 100000"]),
    ("producers/p/instances", 10**15, "producers.p.instances", ["at most 100000"]),
    ("broker/nodes", 1001, "broker.nodes", ["found 1001", "at most 1000"]),
    ("consumers/log/autoscale", scaled(max=10**15), "consumers.log.autoscale.max", ["at most 100000"]),
    ("consumers/log/autoscale", {"schedule": [[0, 10**15]]}, "consumers.log.autoscale.schedule[0][1]", ["at most 100000"]),
    ("faults", fault(every="1us", **{"for": 1}), "faults[0].every", ["1e-06 s", "at least 0.006 s"]),
    ("faults", fault(time_to_failure=0, time_to_repair=1), "faults[0].time_to_failure", ["mean of 0 s", "at least"]),
    # references
    ("consumers/log/dependencies", ["gatway"], "consumers.log.dependencies[0]", ['did you mean "gateway"?']),
    ("consumers/log/topic", "tt", "consumers.log.topic", ["nobody writes to", '"t"']),
    ("consumers/log/topic", [], "consumers.log.topic", ["found []", "a topic"]),
    ("consumers/log/topic", ["t", "t"], "consumers.log.topic", ['found "t" 2 times']),
    ("faults", fault(target="consumers.lag"), "faults[0].target", ["not declared", 'did you mean "consumers.log"?']),
    ("faults", fault(target="consumer.log"), "faults[0].target", ['"consumers.NAME"', 'did you mean "consumers"?']),
    ("slos", slo(component="consumers.lgo"), "slos[0].component", ['did you mean "consumers.log"?']),
    ("slos", slo(metric="lag_mix"), "slos[0].metric", ['found "lag_mix"', 'did you mean "lag_max"?']),
    ("run/precision_metric", "consumers.log:lagg", "run.precision_metric", ['found "lagg"']),
    ("run/precision_metric", "latency_p99", "run.precision_metric", ['"latency_p99"', '"COMPONENT:METRIC"']),
    # contradictions
    ("consumers/queue/commit", "batch", "consumers.queue.commit", ['delivery = "queue"', "only with log"]),
    ("consumers/queue/rebalance", "server", "consumers.queue.rebalance", ['delivery = "queue"', "only with log"]),
    ("consumers/queue/static_membership", True, "consumers.queue.static_membership", ["found true", "only with log"]),
    ("consumers/log/rebalance", "sticky", "consumers.log.rebalance", ['"eager", "cooperative", "server"']),
    ("consumers/queue/session_timeout", 9, "consumers.queue.session_timeout", ["only with log"]),
    ("consumers/queue/batch", 9, "consumers.queue.batch", ["only with log or lease"]),
    ("consumers/log/extend_lease", True, "consumers.log.extend_lease", ['delivery = "log"', "only with lease"]),
    ("consumers/queue/late_delete", "works", "consumers.queue.late_delete", ["only with lease"]),
    ("consumers/lease", {"topic": "l", "batch": 11}, "consumers.lease.batch", ["found 11", "at most 10 in a lease"]),
    ("topics/q", {"delivery": "queue", "fifo": True}, "topics.q.fifo", ["found true", '"queue"', "only with lease"]),
    ("topics/t", {"deduplication": "5m"}, "topics.t.deduplication", ["found 300", '"log"', "only with lease"]),
    ("consumers/log/prefetch", 5, "consumers.log.prefetch", ['delivery = "log"', "only with queue"]),
    ("consumers/log/single_active", True, "consumers.log.single_active", ["only with queue"]),
    ("consumers/log/acknowledge", "before", "consumers.log.acknowledge", ["only with queue or lease"]),
    ("consumers/log/consumer_timeout", 60, "consumers.log.consumer_timeout", ["only with queue"]),
    ("consumers/log/redelivery", {"through": "requeue"}, "consumers.log.redelivery.through", ["only with queue"]),
    ("consumers/queue/redelivery", {"through": "seek"}, "consumers.queue.redelivery.through", ["only with log"]),
    ("consumers/log/heartbeat_interval", "45s", "consumers.log.heartbeat_interval", ["below session_timeout (45 s)"]),
    ("consumers/log/topic", ["t", "q"], "consumers.log.topic", ["different delivery models"]),
    ("consumers/log/permanent", "dead_letter", "consumers.log.permanent", ["only with dead_letter"]),
    ("consumers/log/dead_letter", {"topic": "t"}, "consumers.log.dead_letter.topic", ["reads itself"]),
    (
        "consumers/log/dead_letter",
        {"topic": "d", "redrive_times": 3},
        "consumers.log.dead_letter.redrive_times",
        ["only with redrive_after"],
    ),
    (
        "consumers/log/retry",
        {"delays": [1, 2], "backoff": "fixed"},
        "consumers.log.retry",
        ["contradicts `backoff`"],
    ),
    ("consumers/log/breaker", {"failures": 3, "failure_rate": 0.5}, "consumers.log.breaker", ["give one"]),
    ("consumers/log/service", {"dist": "lognormal", "mean": 1}, "consumers.log.service", ["exactly one of cv and p99"]),
    (
        "producers/p",
        {**SMALL["producers"]["p"], "idempotent": True, "acks": "leader"},
        "producers.p.idempotent",
        ["acks"],
    ),
    (
        "producers/p",
        {**SMALL["producers"]["p"], "idempotent": True, "max_in_flight": 9},
        "producers.p.max_in_flight",
        ["5"],
    ),
    ("producers/p/retry", {"backoff": "none"}, "producers.p.retry", ["a delay, or max_attempts"]),
    (
        "producers/p/arrivals",
        {"process": "poisson", "rate": 1, "start": 9, "stop": 5},
        "producers.p.arrivals",
        ["later"],
    ),
    ("faults", fault(every=9), "faults[0]", ["found every", "at + for"]),
    ("faults", fault(at=9), "faults[0]", ["found at", "exactly one of"]),
    ("faults", fault(at=9, time_to_failure=9, time_to_repair=9), "faults[0]", ["exactly one of"]),
    ("faults", [CRASH], "faults[0]", ["found no time"]),
    ("faults", fault(from_new=True), "faults[0].from_new", ["only with time_to_failure"]),
    ("faults", fault(kind="surge", factor=2), "faults[0].kind", ['"surge" of consumers.log', '"crash", "stop"']),
    ("faults", fault(kind="errors"), "faults[0].rate", ["missing", 'kind = "errors"']),
    ("faults", fault(factor=2), "faults[0].factor", ["only with kind slowdown or surge"]),
    ("faults", fault(silent=True), "faults[0].silent", ["only with kind outage"]),
    ("faults", fault(kind="poison", rate=0.1, target="consumers.log[0]"), "faults[0].target", ['"consumers.log"']),
    ("faults", fault(kind="surge", factor=2, target="producers.q"), "faults[0].target", ["closed"]),
    ("faults", [*fault(), *fault()], "faults[1].name", ['found "f" again']),
    ("consumers/log/retry", {"scope": "group"}, "consumers.log.retry.scope", ['found "group"', "only with budget"]),
    ("faults", fault(target=["consumers.log"] * 2), "faults[0].target", ['found "consumers.log" 2 times', "once"]),
    ("slos", slo(share=0.5), "slos[0].share", ["found 0.5", 'only with rule = "runs"']),
    ("slos", slo(above=1), "slos[0]", ["both below and above", "exactly one"]),
    ("slos", slo(below=None), "slos[0]", ["neither below nor above"]),
    ("slos", slo(below="1m"), "slos[0].below", ["lag_max is not a time"]),
    ("topics/t/message_ttl", "1s", "topics.t.message_ttl", ['delivery = "log"', "only with queue"]),
    ("topics/t/max_length", 5, "topics.t.max_length", ["found 5", 'delivery = "log"', "only with queue"]),
    ("topics/t/overflow", "reject", "topics.t.overflow", ['delivery = "log"', "only with queue"]),
    ("topics/t/dead_letter", "d", "topics.t.dead_letter", ['delivery = "log"', "only with queue"]),
    ("topics/q/retention_size", "1MB", "topics.q.retention_size", ['delivery = "queue"', "only with log"]),
    ("topics/t/retention_size", 0, "topics.t.retention_size", ["found 0", "above 0"]),
    ("topics/q/overflow", "reject", "topics.q.overflow", ['found "reject"', "only with max_length"]),
    ("topics/q/overflow", "drop", "topics.q.overflow", ['found "drop"', '"drop_oldest"']),
    ("topics/q/dead_letter", "d", "topics.q.dead_letter", ['found "d"', "only with message_ttl, max_length or retention"]),
    (
        "topics/q",
        {"delivery": "queue", "max_length": 5, "overflow": "reject_dead_letter"},
        "topics.q.dead_letter",
        ['required by overflow = "reject_dead_letter", but missing'],
    ),
    (
        "topics/q",
        {"delivery": "queue", "message_ttl": 1, "dead_letter": "q"},
        "topics.q.dead_letter",
        ['found "q", the topic itself', "another topic"],
    ),
    (
        "topics/t/message_size",
        {"dist": "lognormal", "mean": "1KiBB", "cv": 1},
        "topics.t.message_size",
        ["64KiB"],
    ),
    # what would never end
    ("consumers/log/publishes", [{"topic": "t"}], "consumers.log.publishes[0]", ["without end (t)", "below 1"]),
    (
        "consumers/log/publishes",
        [{"topic": "t", "probability": 0.5, "count": 2}],
        "consumers.log.publishes[0]",
        ["without end"],
    ),
    (
        "consumers/queue",
        {"topic": "q", "redelivery": {"max_deliveries": 0}},
        "consumers.queue.redelivery",
        ["for ever"],
    ),
    (
        "consumers/queue",
        {"topic": "q", "service": 1e-12, "redelivery": {"max_deliveries": 10**9, "delays": [1e-12]}},
        "consumers.queue.redelivery",
        ["for ever"],
    ),
    (
        "consumers/queue",
        {"topic": "q", "service": {"dist": "weibull", "mean": 1, "shape": 0.01}, "redelivery": {"max_deliveries": 0}},
        "consumers.queue.redelivery",
        ["for ever"],
    ),
    (
        "consumers/queue",
        {"topic": "q", "redelivery": {"max_deliveries": 0, "immediate": 10**9, "delays": [1]}},
        "consumers.queue.redelivery",
        ["for ever"],
    ),
    (
        "consumers/queue",
        {"topic": "q", "retry": {"max_attempts": 10**9, "backoff": "none"}},
        "consumers.queue.retry",
        ["tried for ever", "fewer max_attempts"],
    ),
    ("consumers/log/poll_interval", "1ns", "consumers.log.poll_interval", ["1e-09 s", "at least 6e-07 s in this run"]),
    ("consumers/log/max_poll_interval", "1ns", "consumers.log.max_poll_interval", ["1e-09 s", "at least 6e-07 s"]),
    ("consumers/lease", {"topic": "l", "visibility_timeout": "1ns"}, "consumers.lease.visibility_timeout", ["1e-09 s"]),
    ("consumers/lease", {"topic": "l", "poll_wait": "1ns"}, "consumers.lease.poll_wait", ["1e-09 s", "at least 6e-07 s"]),
    (
        "consumers/lease",
        {"topic": "l", "redelivery": {"immediate": 10**9}},
        "consumers.lease.redelivery",
        ["come back for ever at one instant"],
    ),
    ("consumers/queue/consumer_timeout", "1ns", "consumers.queue.consumer_timeout", ["1e-09 s", "at least 6e-07 s"]),
    # dependencies that call others, and hedges
    ("dependencies/gateway/dependencies", ["gatway"], "dependencies.gateway.dependencies[0]", ['did you mean "gateway"?']),
    ("dependencies/gateway/dependencies", ["gateway"], "dependencies.gateway.dependencies", ["gateway -> gateway"]),
    (
        "dependencies",
        {"gateway": calling("bank"), "bank": calling("ledger"), "ledger": calling("bank")},
        "dependencies.bank.dependencies",
        ["bank -> ledger -> bank", "no dependency may call itself"],
    ),
    (
        "dependencies",
        {"gateway": calling(*["bank"] * 10), "bank": calling(*["ledger"] * 10), "ledger": calling()},
        "dependencies.gateway.dependencies",
        ["111 calls", "at most 100"],
    ),
    ("dependencies/gateway/timeout", 1, "dependencies.gateway.timeout", ["only with dependencies"]),
    ("dependencies/gateway/retry", {"base": 1}, "dependencies.gateway.retry", ["only with dependencies"]),
    (
        "dependencies",
        {"gateway": {**calling("bank"), "retry": {"scope": "group"}}, "bank": calling()},
        "dependencies.gateway.retry.scope",
        ["only with budget"],
    ),
    (
        "dependencies",
        {"gateway": {**calling("bank"), "retry": {"backoff": "none", "max_attempts": 10**9}}, "bank": calling()},
        "dependencies.gateway.retry",
        ["for ever at one instant"],
    ),
    ("consumers/queue/hedge_after", "1s", "consumers.queue.hedge_after", ["only with dependencies"]),
    (
        "consumers/log",
        {"topic": "t", "dependencies": ["gateway"], "timeout": 1, "hedge_after": 1},
        "consumers.log.hedge_after",
        ["1 s", "below timeout (1 s)"],
    ),
    ("slos", slo(metric="goodput", below=None, above=1), "slos[0].metric", ["goodput", "useful_for"]),
    # autoscaling
    ("consumers/log/autoscale", {}, "consumers.log.autoscale", ["neither a metric nor a schedule"]),
    ("consumers/log/autoscale", scaled(cooldown=None), "consumers.log.autoscale.cooldown", ["required", "or a schedule"]),
    ("consumers/log/autoscale", scaled(cooldwn=1), "consumers.log.autoscale.cooldwn", ['did you mean "cooldown"?']),
    ("consumers/log/autoscale", scaled(metric="lags"), "consumers.log.autoscale.metric", ['found "lags"', '"lag"']),
    ("consumers/log/autoscale", scaled(target=0.0), "consumers.log.autoscale.target", ["above 0"]),
    ("consumers/log/autoscale", scaled(min=7), "consumers.log.autoscale.min", ["found 7", "at most max (6)"]),
    ("consumers/log/autoscale", scaled(min=2), "consumers.log.instances", ["found 1", "from autoscale.min (2)", "max (6)"]),
    ("consumers/log/autoscale", scaled(interval="1ns"), "consumers.log.autoscale.interval", ["at least 6e-07 s"]),
    ("consumers/log/autoscale", {"schedule": [[0, 1]], "max": 4}, "consumers.log.autoscale.max", ["only without schedule"]),
    ("consumers/log/autoscale", {"schedule": []}, "consumers.log.autoscale.schedule", ["found []"]),
    ("consumers/log/autoscale", {"schedule": [[5, 1], [5, 2]]}, "consumers.log.autoscale.schedule[1]", ["5 s after 5 s"]),
    ("consumers/log/autoscale", {"schedule": [[0, 0], [9, 0]]}, "consumers.log.autoscale.schedule", ["no instance"]),
    ("consumers/log/autoscale", {"schedule": [[0, 1], [9, -1]]}, "consumers.log.autoscale.schedule[1][1]", ["-1"]),
    # what is not built
    ("broker/publish_latency", "1mms", "broker.publish_latency", ["1mms"]),
    ("consumers/log/poll_wait", "2s", "consumers.log.poll_wait", ["2 s is not supported yet in a log", "must be 0.5 s"]),
    (
        "consumers/queue/prefetch",
        {"min": 1, "max": 9, "target": 1},
        "consumers.queue.prefetch",
        ["a table needs the latency of dependencies", 'a whole number or "unlimited"'],
    ),
    (
        "consumers/queue/prefetch",
        {"min": 5, "max": 3, "target": 1},
        "consumers.queue.prefetch",
        ["`min` (5) is above `max` (3)"],
    ),
    ("consumers/log/prefetch", {"min": 1, "max": 3, "target": 1}, "consumers.log.prefetch", ["only with queue"]),
    ("consumers/queue/prefetch", {"min": 1, "max": 3}, "consumers.queue.prefetch.target", ["required"]),
    ("consumers/log/bulkhead", {"max_wait": 1}, "consumers.log.bulkhead.max_concurrent", ["required"]),
    ("consumers/log/rate_limit", {"rate": 0.0, "burst": 1, "max_wait": 1}, "consumers.log.rate_limit.rate", ["above 0"]),
    ("consumers/log/throttle", {"window": "1y"}, "consumers.log.throttle.window", ['"1y"']),
    ("consumers/log/throttle", {"window": 1e7}, "consumers.log.throttle.window", ["at most 1000000"]),
    ("consumers/log/shed_above", -1, "consumers.log.shed_above", ["at least 0"]),
    (
        "consumers/log",
        {"topic": "t", "service_per": "batch", "shed_above": 9},
        "consumers.log.shed_above",
        ['only with service_per = "event"'],
    ),
    (
        "consumers/queue",
        {"topic": "q", "service": "10ms", "throttle": {}, "redelivery": {"max_deliveries": 0}},
        "consumers.queue.redelivery",
        ["come back for ever at one instant"],
    ),
    ("consumers/log/retry", {"budget": {"ratio": 0.1, "burst": 0.5}}, "consumers.log.retry.budget.burst", ["at least 1"]),
    (
        "consumers/log/retry",
        {"budget": {"tokens": 1.0, "cost": 5.0, "refund": 1.0, "timeout_cost": 5.0}},
        "consumers.log.retry.budget",
        ["`tokens` (1) never pay for a retry"],
    ),
    ("consumers/log/breaker", {"slow_call_rate": 0.5}, "consumers.log.breaker", ["only with `slow_call`"]),
    (
        "consumers/log/idempotency",
        {"ttl": 1, "on_outage": "process"},
        "consumers.log.idempotency.on_outage",
        ['found "process"', "only with store"],
    ),
    ("consumers/log/retry", {"budget": {"ratio": 1.5}}, "consumers.log.retry.budget.ratio", ["1.5"]),
    ("consumers/log/retry", {"budget": {"ratio": [1], "burst": 5.0}}, "consumers.log.retry.budget.ratio", ["found [1]"]),
    (
        "consumers/log/idempotency",
        {"ttl": 1, "order": "claim"},
        "consumers.log.idempotency.lease",
        ["required, but missing", 'order = "claim"'],
    ),
    ("consumers/log/idempotency", {"ttl": 1, "lease": 5}, "consumers.log.idempotency.lease", ["5 s", 'order = "claim"']),
    (
        "consumers/log/idempotency",
        {"ttl": 1, "order": "claim", "lease": 1e-9},
        "consumers.log.idempotency.lease",
        ["1e-09 s", "at least 6e-07 s"],
    ),
    ("consumers/log/idempotency", {"ttl": 1, "store": "s"}, "consumers.log.idempotency.store", ['"s"', "not declared"]),
    ("network", {"loss": 1.1}, "network.loss", ["1.1"]),
    (
        "network",
        {"links": {"consumers.logg -> broker": {}}},
        'network.links."consumers.logg -> broker"',
        ['found "consumers.logg"', 'did you mean "consumers.log"'],
    ),
    (
        "network",
        {"links": {"producers.q -> dependencies.gateway": {}}},
        'network.links."producers.q -> dependencies.gateway"',
        ["nothing goes from producers.q to dependencies.gateway"],
    ),
    (
        "network",
        {"links": {"consumers.queue -> dependencies.gateway": {}}},
        'network.links."consumers.queue -> dependencies.gateway"',
        ["nothing goes"],
    ),
    ("network", {"links": {"broker": {}}}, "network.links.broker", ['found "broker"', 'must be "A -> B"']),
    (
        "sagas",
        {"s": {"style": "orchestration", "arrivals": SMALL["producers"]["p"]["arrivals"], "steps": []}},
        "sagas",
        [],
    ),
    ("alerts", [alert(component="consumers.lag")], "alerts[0].component", ['did you mean "consumers.log"?']),
    ("alerts", [alert(component="producers.p")], "alerts[0].component", ['found "producers.p"', "must be one of"]),
    ("alerts", [alert(metric="lags")], "alerts[0].metric", ['did you mean "lag"?']),
    ("alerts", [alert(metric="breaker_open", above=0)], "alerts[0].metric", ["only with consumers.log.breaker"]),
    ("alerts", [alert(metric="dead_letters")], "alerts[0].metric", ["only with consumers.log.dead_letter"]),
    ("alerts", [alert(above="1m")], "alerts[0].above", ['found "1m"', "must be a number: lag is not a time"]),
    ("alerts", [alert(above=-1)], "alerts[0].above", ["found -1", "must be at least 0"]),
    ("alerts", [alert(metric="error_rate", above=1.0)], "alerts[0].above", ["must be below 1"]),
    ("alerts", [alert(name="")], "alerts[0].name", ["must not be empty"]),
    ("alerts", [alert(), alert(metric="lag_seconds")], "alerts[1].name", ['found "a" again']),
    ("slos", [{"component": "alerts.b", "metric": "firings", "below": 1}], "slos[0].component", ['found "alerts.b"']),
    ("stores", {"s": {}}, "stores.s.latency", ["missing"]),
    ("faults", fault(target="stores.s"), "faults[0].target", ["not declared"]),
    ("costs", {"storage_gb_month": 1.0}, "costs.storage_gb_month", ["not supported yet"]),
    ("faults", fault(target="broker.nodes[3]"), "faults[0].target", ["node 3 of 1", "below 1"]),
    ("faults", fault(target="broker.node"), "faults[0].target", ['did you mean "broker.nodes"?']),
    ("faults", fault(target="broker", kind="surge", factor=2), "faults[0].kind", ["surge", '"power_loss"']),
    ("faults", fault(target="producers.p[1]"), "faults[0].target", ["instance 1 of 1", "below 1"]),
    ("faults", cut(["broker"]), "faults[0].between[1]", ["required"]),
    ("faults", cut(["broker"], ["producer.p"]), "faults[0].between[1][0]", ['did you mean "producers.p"?']),
    ("faults", cut(["broker"], ["broker.nodes[0]"]), "faults[0].between", ["broker.nodes[0] on both sides"]),
    ("faults", cut(None), "faults[0].between", ["required"]),
    ("faults", fault(one_way=True), "faults[0].one_way", ["found true", "only with kind partition"]),
    ("faults", cut([], ["broker"]), "faults[0].between[0]", ["found []", "at least one"]),
    (
        "faults",
        [{**cut(["broker"], ["producers.p"])[0], "target": "broker"}],
        "faults[0].target",
        ["a partition has no target"],
    ),
    ("topics/t", {"quorum": False}, "topics.t.quorum", ['delivery = "log"', "only with queue"]),
    ("consumers/log/outbox", {"poll": 1}, "consumers.log.outbox", ["only with publishes"]),
    ("producers/p/retry", {"backoff": "fixed", "base": 1e-9}, "producers.p.retry", ["must have a delay"]),
    ("producers/p/retry", {"backoff": "none", "max_attempts": 10**7}, "producers.p.retry", ["max_attempts"]),
    ("faults", fault(target="producers.p -> broker"), "faults[0].kind", ['"crash" of producers.p -> broker', '"delay"']),
    ("faults", fault(target="network"), "faults[0].kind", ['"crash" of network', '"loss"']),
    ("faults", fault(kind="loss", target="network"), "faults[0].rate", ["missing", 'kind = "loss"']),
    ("faults", fault(kind="delay", rate=0.1, add=1), "faults[0].rate", ["errors or poison or loss or duplicate"]),
    ("faults", fault(add=1), "faults[0].add", ["only with kind delay"]),
    ("faults", fault(kind="delay", add=1, target="netwrk"), "faults[0].target", ['did you mean "network"?']),
    (
        "faults",
        fault(kind="delay", add=1, target="producer.p -> broker"),
        "faults[0].target",
        ['did you mean "producers.p"?'],
    ),
    ("faults", fault(kind="delay", add=1, target="producers.p[2]"), "faults[0].target", ['found "producers.p[2]"']),
    (
        "faults",
        fault(kind="loss", rate=0.1, target="producers.p -> dependencies.gateway"),
        "faults[0].target",
        ["nothing goes from producers.p to dependencies.gateway"],
    ),
    ("faults", fault(kind="delay", add=1, target="broker -> broker"), "faults[0].target", ["nothing goes from broker"]),
    ("faults", fault(kind="duplicate", rate=1, target="consumers.queue"), "faults[0].kind", ["done twice"]),
    ("faults", fault(kind="duplicate", rate=1, target="broker -> producers.p"), "faults[0].kind", ["done twice"]),
    ("faults", fault(kind="duplicate", rate=1, target="consumers.log -> broker"), "faults[0].kind", ["done twice"]),
    ("faults", fault(crews=0), "faults[0].crews", ["found 0", "1"]),
    (
        "faults",
        fault(time_to_failure=60, time_to_repair=5, stagger=3),
        "faults[0].stagger",
        ["found 3 s", "at, every or trace"],
    ),
    # files that it names
    ("faults", fault(trace="nowhere.csv"), "faults[0].trace", ['found "nowhere.csv"', "no file"]),
    (
        "consumers/log/service",
        {"dist": "empirical", "file": "nowhere.csv", "column": "x"},
        "consumers.log.service.file",
        ["no file"],
    ),
    ("faults", fault(trace="a\0b.csv"), "faults[0].trace", ["no file", "a?b.csv"]),
]


def changed(where: str, value: Any) -> dict[str, Any]:
    """The small valid scenario with `value` put at the path `where`."""
    data = copy.deepcopy(SMALL)
    *tables, last = where.split("/")
    table = data
    for name in tables:
        table = table.setdefault(name, {})
    table[last] = value
    return data


def problems(data: Any) -> tuple:
    with pytest.raises(BadScenario) as caught:
        Scenario.from_dict(data, source="wrong.toml")
    return caught.value.problems


def test_the_scenario_that_the_table_changes_is_right():
    Scenario.from_dict(SMALL)


@pytest.mark.parametrize(
    ("where", "value", "path", "fragments"), [pytest.param(*row, id=f"{row[2]}-{n}") for n, row in enumerate(WRONG)]
)
def test_a_wrong_scenario_is_refused_with_its_one_fault(where, value, path, fragments):
    (problem,) = problems(changed(where, value))
    message = str(problem)
    assert problem.path == path
    assert message.startswith(f"wrong.toml: {path}: ")
    assert [fragment for fragment in fragments if fragment not in message] == []
    assert "\n" not in message
    assert len(message) < 1500


def test_all_faults_are_told_at_once():
    data = changed("consumers/log/instances", "4")
    data["run"]["duration"] = "abc"
    data["producers"]["p"]["topc"] = "t"
    assert {problem.path for problem in problems(data)} == {
        "consumers.log.instances",
        "run.duration",
        "producers.p.topc",
    }


def test_what_is_not_built_is_told_with_what_contradicts():
    data = changed("costs", {"storage_gb_month": 1.0})
    data["broker"]["replication_factor"] = 3
    assert [problem.path for problem in problems(data)] == ["costs.storage_gb_month", "broker.replication_factor"]


def test_of_a_union_of_tables_the_nearest_is_explained():
    (problem,) = problems(changed("consumers/log/retry", {"budget": {"ratio": 0.1, "brst": 1}}))
    assert problem.path == "consumers.log.retry.budget.brst"
    assert problem.suggestion == "burst"


def test_publishing_in_a_circle_is_allowed_where_it_dies_out():
    Scenario.from_dict(changed("consumers/log/publishes", [{"topic": "t", "probability": 0.5}]))
    data = changed("consumers/log/publishes", [{"topic": "q", "probability": 0.5}])
    data["consumers"]["queue"]["publishes"] = [{"topic": "t", "count": 2}]
    (problem,) = problems(data)
    assert "q -> t" in problem.found


def test_coming_back_for_ever_is_allowed_where_it_takes_time():
    data = changed("consumers/queue", {"topic": "q", "service": 0, "redelivery": {"max_deliveries": 0}})
    for spacing in ({"delays": [0, 5]}, {"base": 5, "jitter": "full"}, {"delays": [5], "immediate": 2}):
        data["consumers"]["queue"]["redelivery"] = {"max_deliveries": 0, **spacing}
        Scenario.from_dict(data)


def test_a_topic_of_dead_letters_may_be_limited_in_time_and_not_yet_in_length():
    data = changed("topics/d", {"delivery": "queue", "message_ttl": 5, "max_length": 5})
    data["consumers"]["queue"]["dead_letter"] = {"topic": "d"}
    (problem,) = problems(data)
    assert problem.path == "topics.d.max_length"
    assert "not supported yet for a topic of dead letters (of consumers.queue)" in problem.found
    del data["topics"]["d"]["max_length"]
    Scenario.from_dict(data)


def test_dead_letter_topics_in_a_circle_are_refused_and_a_chain_is_not():
    data = changed("topics/q", {"delivery": "queue", "message_ttl": 1, "dead_letter": "e"})
    data["topics"]["e"] = {"delivery": "queue", "max_length": 9, "dead_letter": "f"}
    Scenario.from_dict(data)
    data["topics"]["f"] = {"delivery": "queue", "retention": 5, "dead_letter": "q"}
    first, *others = problems(data)
    assert first.path == "topics.q.dead_letter"
    assert "leads back here (q -> e -> f -> q)" in first.found
    assert [problem.path for problem in others] == ["topics.e.dead_letter", "topics.f.dead_letter"]


def test_a_round_through_a_delay_is_allowed_where_it_dies_out():
    data = changed("topics/wait", {"delivery": "queue", "message_ttl": 5, "dead_letter": "q"})
    data["consumers"]["queue"]["publishes"] = [{"topic": "wait", "probability": 0.5}]
    Scenario.from_dict(data)
    data["consumers"]["queue"]["publishes"] = [{"topic": "wait"}]
    (problem,) = problems(data)
    assert "without end (q -> wait)" in problem.found


def test_closed_clients_need_a_pause_where_what_they_send_may_be_gone_at_once():
    data = changed("producers/q/arrivals/think", 0)
    data["topics"]["q"]["max_length"] = 5
    (problem,) = problems(data)
    assert problem.path == "producers.q.arrivals.think"


def test_closed_clients_without_any_pause_are_refused():
    data = changed("producers/q/arrivals/think", 0)
    Scenario.from_dict(data)
    data["consumers"]["queue"]["service"] = 0
    for think in (0, 1e-300, {"dist": "weibull", "mean": 1, "shape": 0.01}):
        data["producers"]["q"]["arrivals"]["think"] = think
        (problem,) = problems(data)
        assert problem.path == "producers.q.arrivals.think"


def test_a_spec_written_in_python_is_checked_too():
    with pytest.raises(BadScenario, match=r"^run\.duration: required, but missing$"):
        Scenario(run={})
    with pytest.raises(BadScenario, match="keys must be texts"):
        Scenario.from_dict({1: 2})


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("two\nlines", 'wrong.toml: topics."two?lines": found "two?lines"; must be a name'),
        ("\x1b[2J", 'wrong.toml: topics."?[2J": found "?[2J"; must be a name'),
        ("x" * 10**5, f"wrong.toml: topics.{'x' * 493}...: found"),
    ],
)
def test_no_name_breaks_a_message(name, start):
    (problem,) = problems(changed(f"topics/{name}", {}))
    assert str(problem).startswith(start)


def test_no_value_makes_a_message_long():
    assert len(shown("x" * 10**6)) < 70
    assert len(shown([[["x" * 1000] * 1000] * 1000] * 1000)) < 70
    assert shown("tab\there") == '"tab?here"'


def test_thousands_of_faults_end_soon():
    begin = time.process_time()
    found = problems({**SMALL, **{f"field{n}": n for n in range(100_000)}})
    assert len(found) == 200
    assert time.process_time() - begin < 3


def test_the_exception_survives_pickling():
    with pytest.raises(BadScenario) as caught:
        Scenario.from_dict({}, source="empty.toml")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


NESTED = LARGEST_FILE - 100

FILES: list[tuple[str, bytes, list[str]]] = [
    ("empty.toml", b"", ["the file is empty", "[run]"]),
    ("comment.toml", b"# nothing\n", ["the file is empty"]),
    ("binary.toml", b"\x89PNG\r\n\x1a\n\0\xff", ["not a text in UTF-8 (byte 0)"]),
    ("zeros.toml", b"\0" * 100, ["not TOML"]),
    ("utf16.toml", "run = 1".encode("utf-16"), ["not a text in UTF-8"]),
    ("syntax.toml", b"[run]\nduration = \n", ["not TOML", "line 2, column 12"]),
    ("twice.toml", b"[run]\n[run]\n", ["not TOML", "line 2"]),
    ("digits.toml", b"run = " + b"9" * 5000, ["not TOML"]),
    ("nested.toml", b"a = " + b"[" * NESTED, ["nested too deeply"]),
    ("tables.toml", b"a = " + b"{a=" * (NESTED // 3), ["nested too deeply"]),
    ("dotted.toml", b"a." * (NESTED // 2) + b"a = 1", ["nested too deeply"]),
    ("header.toml", b"[" + b"a." * (NESTED // 2) + b"a]", ["nested too deeply"]),
    ("large.toml", b"[" * 10_000_000, ["too large", "8 MiB"]),
    ("nested.json", b"[" * NESTED, ["nested too deeply"]),
    ("syntax.json", b"{", ["not JSON", "line 1"]),
    ("list.json", b"[1]", ["not a manifest", '"scenario"']),
    ("plain.json", json.dumps(SMALL).encode(), ["not a manifest"]),
    (
        "surrogate.json",
        b'{"scenario": {"consumers": {"a": {"breaker": {"size": "\\ud800"}}}}}',
        ["lone surrogate U+D800"],
    ),
    ("digits.json", b'{"scenario": ' + b"9" * 5000 + b"}", ["not JSON"]),
]


@pytest.mark.parametrize(("name", "content", "fragments"), [pytest.param(*row, id=row[0]) for row in FILES])
def test_a_file_that_is_no_scenario_is_refused(tmp_path, name, content, fragments):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadScenario) as caught:
        Scenario.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert [fragment for fragment in fragments if fragment not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "fragments"),
    [
        (
            "nowhere.toml",
            [
                "no such file",
                "built in: autoscale-lag, broker-failover, idempotency-window, orders, poison-pill, retry-storm, split-brain, "
                "thundering-herd, visibility-timeout",
            ],
        ),
        ("ordrs", ["no such file", 'did you mean "orders"?']),
        ("a/b/c.toml", ["no such file"]),
        (".", ["a directory"]),
        ("with\0zero.toml", ["cannot be read"]),
        ("n" * 5000, ["cannot be read"]),
    ],
)
def test_a_path_without_a_file_is_refused(name, fragments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadScenario) as caught:
        Scenario.load(name)
    assert [fragment for fragment in fragments if fragment not in str(caught.value)] == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        (b"begin,duration\n1,2\n", ["no column 'start'"]),
        (b"start,duration\n1,x\n", ["row 1", "'x'"]),
        (b"start,duration\n-1,5\n", ["from 0 on"]),
        (b"start,duration\n", ["is empty"]),
        (b"\xff\xfe\0", ["cannot be read as CSV"]),
    ],
)
def test_a_wrong_trace_of_faults_is_refused(tmp_path, content, fragments):
    (tmp_path / "trace.csv").write_bytes(content)
    with pytest.raises(BadScenario) as caught:
        Scenario.from_dict(changed("faults", fault(trace="trace.csv")), base=tmp_path)
    (problem,) = caught.value.problems
    assert problem.path == "faults[0]"
    assert all(fragment in str(problem) for fragment in fragments)
