"""What each layer that tries again makes of what it is given: their product is what reaches the dependency, to the call."""

from __future__ import annotations

from typing import Any

import pytest
from scipy import stats

from models import System
from simulator import replicate
from simulator.results import Result

Tables = dict[str, Any]
LAYERS = ("sends_per_event", "deliveries_per_send", "attempts_per_delivery", "calls_per_attempt")
GROUP, RUNS = "consumers.c", 20


def system(group: Tables, *, profile: str = "rabbitmq", **more: Any) -> System:
    """Events that take no time, and a group `c` that calls `d`."""
    producer = {"topic": "t", "arrivals": {"process": "constant", "rate": 20.0, "limit": 100}}
    tables: Tables = {
        "run": {"duration": 10.0, "drain": True},
        "broker": {"profile": profile},
        "producers": {"p": {**producer, **more.pop("producer", {})}},
        "consumers": {"c": {"topic": "t", "concurrency": "unlimited", "dependencies": ["d"], **group}},
        "dependencies": {"d": {"latency": "1ms"}, **more.pop("dependencies", {})},
    }
    return System.from_dict({**tables, **more})


def layers_of(result: Result, run: int = 0) -> dict[str, float]:
    return {m.metric: m.value for m in result.measurements[run].metrics if m.component == GROUP}


def tries(number: int) -> Tables:
    return {"max_attempts": number, "backoff": "none"}


def deliveries(number: int) -> Tables:
    return {"redelivery": {"max_deliveries": number, "delays": ["10ms"]}}


def unheard(times: int) -> Tables:
    """Requests arrive and are never answered: every event is sent, and stored, so many times."""
    retry = {"max_attempts": times, "backoff": "fixed", "base": "10ms"}
    producer = {"acks": "leader", "request_timeout": "0.1s", "retry": retry, "idempotent": False}
    return {"producer": producer, "network": {"links": {"broker -> producers.p": {"loss": 1.0}}}}


@pytest.mark.parametrize("profile", ["kafka", "rabbitmq", "sqs"])
def test_the_product_of_the_layers_is_what_reaches_the_dependency(profile: str) -> None:
    """Some of everything: requests that bring no delivery and answers that get lost, deliveries and attempts that fail, a
    second dependency, and hedges."""
    links = {"producers.p -> broker": {"loss": 0.3}, "broker -> producers.p": {"loss": 0.3}}
    group = {"dependencies": ["d", "e"], "hedge_after": "1ms", "retry": tries(3), **deliveries(4), "transient_failure": 0.2}
    more = {
        "producer": {"acks": "leader", "idempotent": False, "request_timeout": "0.2s", "retry": {"base": "10ms"}},
        "dependencies": {"e": {"latency": {"dist": "exponential", "mean": "2ms"}, "error_rate": 0.4}},
    }
    result = replicate(system(group, profile=profile, network={"links": links}, **more), runs=1)
    found = layers_of(result)
    product = 1.0
    for layer in LAYERS:
        assert found[layer] < 0.9 if layer == "deliveries_per_send" else found[layer] > 1.1, layer
        product *= found[layer]
    assert product == pytest.approx(found["total_amplification"], rel=1e-12)
    calls = sum(result.value(f"dependencies.{name}", "calls").mean for name in "de")
    assert round(found["total_amplification"] * 100) == calls
    assert result.value("producers.p", "sends_per_event").mean == found["sends_per_event"]
    retries = result.value("producers.p", "publish_retries").mean
    assert found["sends_per_event"] == pytest.approx(1 + retries / 100, abs=0.05)


def test_without_retries_every_layer_is_one() -> None:
    found = layers_of(replicate(system({}), runs=1))
    assert [found[layer] for layer in (*LAYERS, "total_amplification")] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("tried", [1, 2, 3])
def test_when_all_fail_three_layers_make_the_cube_of_the_tries(tried: int) -> None:
    """The upper bound k^d: k sends, of k deliveries, of k attempts."""
    group = {"retry": tries(tried), **deliveries(tried)}
    down = {"d": {"latency": "1ms", "error_rate": 1.0}}
    found = layers_of(replicate(system(group, dependencies=down, **unheard(tried)), runs=1))
    assert [found[layer] for layer in LAYERS] == [tried, tried, tried, 1]
    assert found["total_amplification"] == tried**3


@pytest.mark.parametrize(("p", "attempts", "delivered"), [(0.3, 3, 2), (0.7, 4, 3), (0.9, 3, 5)])
def test_each_layer_tries_as_often_as_a_truncated_geometric_law_says(p: float, attempts: int, delivered: int) -> None:
    """(1 - p^k) / (1 - p) within 99 % intervals; a delivery fails with p^k, where k is that of the layer within."""
    group = {"retry": tries(attempts), **deliveries(delivered)}
    result = replicate(system(group, dependencies={"d": {"latency": "1ms", "error_rate": p}}), runs=RUNS, seed=5)
    inner, outer = p, p**attempts
    expected = {
        "attempts_per_delivery": (1 - inner**attempts) / (1 - inner),
        "deliveries_per_send": (1 - outer**delivered) / (1 - outer),
        "total_amplification": (1 - inner ** (attempts * delivered)) / (1 - inner),
    }
    for layer, value in expected.items():
        sample = [layers_of(result, run)[layer] for run in range(RUNS)]
        low, high = stats.t.interval(0.99, RUNS - 1, result.value(GROUP, layer).mean, stats.sem(sample))
        assert low <= value <= high, layer
        assert max(sample) <= attempts * delivered


def test_sends_follow_the_same_law() -> None:
    """Every send is lost with probability 0.6 on the way there; at most four."""
    producer = {"acks": "leader", "request_timeout": "50ms", "retry": {**tries(4), "backoff": "fixed", "base": "10ms"}}
    network = {"links": {"producers.p -> broker": {"loss": 0.6}}}
    result = replicate(system({}, producer=producer, network=network), runs=RUNS, seed=2)
    sample = [layers_of(result, run)["sends_per_event"] for run in range(RUNS)]
    low, high = stats.t.interval(0.99, RUNS - 1, sum(sample) / RUNS, stats.sem(sample))
    assert low <= (1 - 0.6**4) / (1 - 0.6) <= high


def test_what_a_handler_publishes_again_is_sent_again() -> None:
    """The group `first` publishes each event, and dies before it acknowledges some of them."""
    consumers = {
        "first": {"topic": "t", "service": "40ms", "publishes": [{"topic": "u"}], "idempotency": {"ttl": 0, "latency": "20ms"}},
        "c": {"topic": "u", "dependencies": ["d"], "concurrency": "unlimited"},
    }
    crash = {"name": "f", "kind": "crash", "target": "consumers.first", "every": "0.5s", "for": "0.1s"}
    result = replicate(system({}, consumers=consumers, faults=[crash], run={"duration": 30.0, "drain": True}), runs=1)
    found = layers_of(result)
    assert found["sends_per_event"] == result.value("topics.u", "stored").mean / 100 > 1
    assert found["total_amplification"] == pytest.approx(found["sends_per_event"], rel=1e-12)


# -- goodput -----------------------------------------------------------------------------------------------------------


def test_goodput_counts_first_effects_that_come_in_time() -> None:
    """Effects 40, 80, ... ms after four events that come at once: two of four within 0.1 s."""
    arrivals = {"process": "constant", "rate": 1.0, "size": 4}
    group = {"service": "40ms", "dependencies": [], "concurrency": 1, "useful_for": "0.1s"}
    changes = {"producer": {"arrivals": arrivals}, "run": {"duration": 10.5}}
    result = replicate(system(group, **changes), runs=1)
    assert result.value(GROUP, "goodput").mean == pytest.approx(20 / 10.5)
    assert result.value(GROUP, "throughput").mean == pytest.approx(40 / 10.5)
    series = result.measurements[0].series[GROUP, "goodput"]
    assert series.sum() * 10.5 / 600 == pytest.approx(20)


def test_goodput_is_there_only_where_it_has_a_meaning() -> None:
    result = replicate(system({}), runs=1)
    assert "goodput" not in layers_of(result)
    assert (GROUP, "goodput") not in result.measurements[0].series
