"""A scenario reads as it is written, fills in what the profile says, and can be given back."""

import copy
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest

from models.arrivals import PoissonArrivals
from models.broker import Broker
from models.consumer import Consumer, Publish
from models.dead_letters import DeadLetter
from models.errors import BadScenario
from models.faults import Fault, Target, parse_target
from models.loading import built_ins
from models.producer import Producer
from models.retry import Redelivery
from models.run import Run
from models.scenario import Scenario
from simulator.distributions import Constant

ORDERS = Path(__file__).parent / "data" / "orders.toml"


def small(**fields) -> Scenario:
    arrivals = PoissonArrivals(rate=10.0)
    given = {
        "run": Run(duration="10m"),
        "producers": {"p": Producer(topic="t", arrivals=arrivals)},
        "consumers": {"c": Consumer(topic="t", service="10ms")},
    }
    return Scenario(**{**given, **fields})


@pytest.fixture(scope="module")
def orders() -> Scenario:
    return Scenario.from_toml(ORDERS)


def test_the_packaged_scenario_is_the_one_in_the_documentation(orders):
    assert "orders" in built_ins()
    assert Scenario.load("orders") == orders


def test_values_are_read_in_seconds(orders):
    assert orders.run.duration == 2400.0
    assert orders.consumers["payment"].timeout == 0.5
    assert orders.faults[0].for_ == Constant(value=180.0)
    assert orders.slos[0].below == 240.0


def test_the_same_scenario_can_be_written_in_python():
    written = small(
        name="python",
        faults=(Fault(name="f", target="consumers.c", kind="crash", at="1m", for_="10s"),),
    )
    read = Scenario.from_dict(
        tomllib.loads(
            """
            name = "python"
            run = { duration = "10m" }
            producers.p = { topic = "t", arrivals = { process = "poisson", rate = 10 } }
            consumers.c = { topic = "t", service = 0.01 }
            faults = [{ name = "f", target = "consumers.c", kind = "crash", at = 60, for = "10s" }]
            """
        )
    )
    assert written == read


@pytest.mark.parametrize("resolved", [False, True])
def test_a_scenario_survives_toml_and_tables_and_pickling(orders, resolved):
    scenario = orders.resolved() if resolved else orders
    assert Scenario.from_dict(tomllib.loads(scenario.to_toml())) == scenario
    assert Scenario.from_dict(scenario.to_dict()) == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario  # noqa: S301
    assert copy.deepcopy(scenario) == scenario


def test_odd_names_and_texts_survive_toml():
    scenario = small(
        description='quotes " and \\ and \x7f, two\nlines, ünïcödé \U0001f600',
        consumers={"größe.v2": Consumer(topic="t")},
    )
    assert Scenario.from_dict(tomllib.loads(scenario.to_toml())) == scenario


def test_resolving_twice_changes_nothing(orders):
    assert orders.resolved().resolved() == orders.resolved()


def test_kafka_fills_in_what_kafka_does(orders):
    whole = orders.resolved()
    shipping, checkout = whole.consumers["shipping"], whole.producers["checkout"]
    assert (whole.broker.delivery, whole.broker.flush_interval) == ("log", "never")
    assert (shipping.commit, shipping.batch, shipping.session_timeout) == ("auto", 500, 45.0)
    assert shipping.redelivery == Redelivery(through="seek", max_deliveries=10, immediate=0)
    assert (checkout.request_timeout, checkout.buffer, checkout.idempotent) == (30.0, 32_000, True)
    assert whole.topics["orders"].retention == 7 * 86_400
    assert whole.consumers["payment"].dead_letter.safe is True


def test_what_is_given_stays(orders):
    payment = orders.resolved().consumers["payment"]
    assert payment.redelivery.max_deliveries == 4
    assert orders.resolved().consumers["inventory"].commit == "batch"
    assert orders.resolved().producers["checkout"].retry.jitter == "full"


def test_rabbitmq_fills_in_what_rabbitmq_does():
    letters = DeadLetter(topic="dlq")
    scenario = small(broker=Broker(profile="rabbitmq"), consumers={"c": Consumer(topic="t", dead_letter=letters)}).resolved()
    group, producer = scenario.consumers["c"], scenario.producers["p"]
    assert (group.prefetch, group.batch, group.commit, group.consumer_timeout) == (None, None, None, 1800.0)
    assert group.redelivery == Redelivery(through="requeue", max_deliveries=21, immediate=0)
    assert group.dead_letter.safe is False
    assert (producer.acks, producer.retry, producer.idempotent) == ("none", None, False)
    assert scenario.topics["t"].retention is None
    assert scenario.resolved() == scenario
    assert Scenario.from_dict(scenario.to_dict()) == scenario


def test_sqs_fills_in_what_sqs_does():
    scenario = small(broker=Broker(profile="sqs"), topics={"t": {"fifo": True}}).resolved()
    group, topic = scenario.consumers["c"], scenario.topics["t"]
    assert (group.batch, group.poll_wait, group.visibility_timeout) == (10, 20.0, 30.0)
    assert group.redelivery == Redelivery(through="lease", max_deliveries=0, immediate=0)
    assert (topic.delivery, topic.retention, topic.deduplication) == ("lease", 4 * 86_400, 300.0)
    assert small(broker=Broker(profile="sqs")).resolved().topics["t"].deduplication is None
    assert scenario.resolved() == scenario


def test_a_queue_on_kafka_takes_its_defaults_from_rabbitmq():
    scenario = small(topics={"t": {"delivery": "queue"}}).resolved()
    assert scenario.consumers["c"].consumer_timeout == 1800.0
    assert scenario.consumers["c"].redelivery.through == "requeue"
    assert scenario.producers["p"].acks == "all"


@pytest.mark.parametrize(
    ("given", "through"),
    [
        ({"max_deliveries": 3}, "seek"),
        ({"backoff": "none"}, "seek"),
        ({"delays": [0, 0]}, "seek"),
        ({"delays": [0, 5]}, "retry_topic"),
        ({"base": "1s"}, "retry_topic"),
        ({"jitter": "full"}, "retry_topic"),
        ({"base": "1s", "through": "seek"}, "seek"),
    ],
)
def test_a_redelivery_with_a_delay_goes_through_a_retry_topic(given, through):
    scenario = small(consumers={"c": Consumer(topic="t", redelivery=given)}).resolved()
    assert scenario.consumers["c"].redelivery.through == through


def test_every_topic_that_is_named_exists():
    group = Consumer(topic=("t", "u"), publishes=[Publish(topic="v")], dead_letter=DeadLetter(topic="a.dlq"))
    producers = {name: {"topic": name, "arrivals": {"process": "poisson", "rate": 1}} for name in "tu"}
    scenario = small(topics={"z": {}}, producers=producers, consumers={"c": group})
    assert list(scenario.resolved().topics) == ["z", "t", "u", "v", "a.dlq"]


def test_unlimited_and_none_are_spelt_out():
    group = {"topic": "t", "retry": "none", "prefetch": "unlimited", "concurrency": "unlimited"}
    scenario = small(consumers={"c": group}, dependencies={"d": {"latency": 0, "concurrency": "unlimited"}})
    assert scenario.consumers["c"].retry is None
    assert scenario.consumers["c"].prefetch is None
    assert scenario.consumers["c"].concurrency == "unlimited"
    assert scenario.dependencies["d"].concurrency is None


def test_paths_change_single_values(orders):
    changed = orders.with_(
        {
            "consumers.payment.instances": np.int64(8),
            "consumers.payment.breaker.on_open": "fail",
            "consumers.shipping.retry.max_attempts": 2,
            "consumers.inventory.service": "3ms",
            "topics.orders.payment.dlq.partitions": 3,
            'topics."payments".partitions': 6,
            "faults[0].at": "5m",
            "faults.1.hold": 10,
            "faults.gateway outage.for": "1m",
        }
    )
    assert changed.consumers["payment"].instances == 8
    assert changed.consumers["payment"].breaker.on_open == "fail"
    assert changed.consumers["payment"].breaker.size == 50
    assert changed.consumers["shipping"].retry.max_attempts == 2
    assert changed.consumers["inventory"].service == Constant(value=0.003)
    assert changed.topics["orders.payment.dlq"].partitions == 3
    assert changed.topics["payments"].partitions == 6
    assert (changed.faults[0].at, changed.faults[0].for_, changed.faults[1].hold) == (300.0, Constant(value=60.0), 10.0)
    assert orders.with_({}) == orders


def test_none_takes_a_field_an_entry_and_a_component_out(orders):
    changed = orders.with_({"consumers.payment.breaker": None, "faults[0]": None, "consumers.loyalty": None})
    assert changed.consumers["payment"].breaker is None
    assert [fault.name for fault in changed.faults] == ["payment instance crashes"]
    assert "loyalty" not in changed.consumers


def test_a_component_can_be_added_by_its_path(orders):
    assert orders.with_({"consumers.audit": {"topic": "orders"}}).consumers["audit"].topic == "orders"


@pytest.mark.parametrize(
    ("path", "fragments"),
    [
        ("consumers.paymnt.instances", ["unknown path", 'did you mean "payment"?']),
        ("consumers.payment.instnces", ["unknown field", 'did you mean "instances"?']),
        ("consmers.payment.instances", ["unknown field", 'did you mean "consumers"?']),
        ("faults[7].at", ["unknown path", "gateway outage"]),
        ("faults.gateway outages.at", ["unknown path", 'did you mean "gateway outage"?']),
        ("run.duration.seconds", ["unknown path", "run.duration is no table"]),
        ("slos[9].below", ["unknown path"]),
        ("faults.².at", ["unknown path"]),
        ("faults." + "9" * 5000, ["unknown path"]),
        ("a" + ".a" * 5000, ["not a path", "at most 100 names"]),
        ("topics.invoices.partitions", ["unknown path", "payments"]),
        ("", ["not a path"]),
        ("consumers..payment", ["not a path"]),
        ("a" * 50 + "]", ["not a path"]),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(orders, path, fragments):
    with pytest.raises(BadScenario) as caught:
        orders.with_({path: 4})
    assert all(fragment in str(caught.value) for fragment in fragments)


def test_files_are_sought_beside_the_scenario(tmp_path):
    (tmp_path / "windows.csv").write_text("start,duration\n300,20\n60,10\n")
    (tmp_path / "traced.toml").write_text(
        """
        run = { duration = "10m" }
        producers.p = { topic = "t", arrivals = { process = "poisson", rate = 10 } }
        consumers.c = { topic = "t" }
        faults = [{ name = "f", target = "consumers.c", kind = "pause", trace = "windows.csv" }]
        """
    )
    scenario = Scenario.from_toml(tmp_path / "traced.toml")
    assert scenario.name == "traced"
    assert scenario.faults[0].windows == ((60.0, 10.0), (300.0, 20.0))
    assert Scenario.from_dict(scenario.to_dict()) == scenario  # the path is absolute by now
    assert pickle.loads(pickle.dumps(scenario)).faults[0].windows == scenario.faults[0].windows  # noqa: S301


def test_a_manifest_gives_its_scenario_back(orders, tmp_path):
    import json

    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"scenario": orders.resolved().to_dict(), "seed": 7, "version": "0"}))
    assert Scenario.from_toml(manifest) == orders.resolved()


def test_a_subclass_stays_itself():
    class Special(Scenario):
        pass

    special = Special.load("orders")
    assert type(special.with_({"run.runs": 2})) is type(special.resolved()) is Special


def test_targets_name_a_group_or_a_member():
    assert parse_target("consumers.payment") == Target("consumers", "payment")
    assert parse_target("consumers.a.b[12]") == Target("consumers", "a.b", 12)


def test_the_json_schema_knows_every_field():
    schema = Scenario.model_json_schema()
    assert list(schema["properties"]) == list(Scenario.model_fields)
    assert "for" in schema["$defs"]["Fault"]["properties"]
    assert schema["required"] == ["run"]


def test_values_of_one_scenario_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        small().run.seed = 2
