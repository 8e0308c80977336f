"""A scenario with every default that depends on the profile, and every topic, written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from models.broker import Delivery
from models.consumer import Consumer
from models.outline import Outline
from models.producer import Producer
from models.profiles import AT_HOME, PROFILES, Profile
from models.retry import Redelivery
from models.topic import Topic
from models.topology import topics_named
from simulator.spec import Spec

S = TypeVar("S", bound=Outline)
T = TypeVar("T", bound=Spec)


def resolve(scenario: S) -> S:
    """The same scenario, of the same class; resolving it again changes nothing."""
    own = PROFILES[scenario.broker.profile]
    broker = filled(scenario.broker, {"delivery": own.delivery, **own.broker})
    assert broker.delivery is not None
    topics = {name: _topic(scenario.topics.get(name, Topic()), broker.delivery, own) for name in topics_named(scenario)}
    producers = {name: _producer(producer, own) for name, producer in scenario.producers.items()}
    consumers = {}
    for name, consumer in scenario.consumers.items():
        delivery = topics[consumer.topics[0]].delivery if consumer.topics else broker.delivery
        consumers[name] = _consumer(consumer, _profile(delivery, own))
    return scenario.model_copy(update={"broker": broker, "topics": topics, "producers": producers, "consumers": consumers})


def filled(spec: T, defaults: Mapping[str, Any]) -> T:
    """`spec` with `defaults`, as a scenario would write them, in place of what is None."""
    missing = {name: value for name, value in defaults.items() if getattr(spec, name) is None}
    if not missing:
        return spec
    given = {name: getattr(spec, name) for name in type(spec).model_fields}
    return type(spec).model_validate({**given, **missing})


def _profile(delivery: Delivery | None, own: Profile) -> Profile:
    return own if delivery in (None, own.delivery) else AT_HOME[delivery]


def _topic(topic: Topic, delivery: Delivery, own: Profile) -> Topic:
    defaults = _profile(topic.delivery or delivery, own).topics
    return filled(topic, {"delivery": delivery, **defaults, **({"deduplication": 300.0} if topic.fifo else {})})


def _producer(producer: Producer, own: Profile) -> Producer:
    acks = producer.acks or own.producers["acks"]
    # Kafka's client gives up idempotence by itself where the other settings contradict it.
    idempotent = own.delivery == "log" and acks == "all" and producer.max_in_flight <= 5
    return filled(producer, {**own.producers, "idempotent": idempotent})


def _consumer(consumer: Consumer, profile: Profile) -> Consumer:
    whole = filled(consumer, profile.consumers)
    redelivery = _redelivery(consumer.redelivery or Redelivery(), profile)
    dead_letter = consumer.dead_letter and filled(consumer.dead_letter, {"safe": profile.safe})
    return whole.model_copy(update={"redelivery": redelivery, "dead_letter": dead_letter})


def _redelivery(given: Redelivery, profile: Profile) -> Redelivery:
    defaults = {"immediate": 0, **profile.redelivery}
    if _waits(given):
        defaults["through"] = "lease" if profile.delivery == "lease" else "retry_topic"
    return filled(given, defaults)


def _waits(redelivery: Redelivery) -> bool:
    """Whether it was given with a delay, of any length above zero."""
    if redelivery.delays is not None:
        return any(redelivery.delays)
    return redelivery.delayed and redelivery.backoff != "none" and redelivery.base != 0.0
