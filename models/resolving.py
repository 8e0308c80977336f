"""A scenario with every default that depends on the profile, and every topic, written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from models.broker import Delivery
from models.consumer import Consumer
from models.outline import Outline
from models.producer import Producer, Terms
from models.profiles import Profile, at_home, profile_of
from models.retry import Redelivery
from models.topic import Topic
from models.topology import topics_named
from simulator.spec import Spec

S = TypeVar("S", bound=Outline)
T = TypeVar("T", bound=Spec)


def resolve(scenario: S) -> S:
    """The same scenario, of the same class; resolving it again changes nothing."""
    own = profile_of(scenario.broker.profile)
    broker = filled(scenario.broker, own.defaults["broker"])
    assert broker.delivery is not None
    topics = {name: _topic(scenario.topics.get(name, Topic()), broker.delivery, own) for name in topics_named(scenario)}
    producers = {name: _producer(producer, own) for name, producer in scenario.producers.items()}
    consumers = {}
    for name, consumer in scenario.consumers.items():
        read = topics[consumer.topics[0]] if consumer.topics else Topic()
        consumers[name] = _consumer(consumer, at_home(own, read.delivery or broker.delivery, read.fifo))
    return scenario.model_copy(update={"broker": broker, "topics": topics, "producers": producers, "consumers": consumers})


def filled(spec: T, defaults: Mapping[str, Any]) -> T:
    """`spec` with `defaults`, as a scenario would write them, in place of what is None."""
    missing = {name: value for name, value in defaults.items() if getattr(spec, name) is None}
    if not missing:
        return spec
    given = {name: getattr(spec, name) for name in type(spec).model_fields}
    return type(spec).model_validate({**given, **missing})


def _topic(topic: Topic, delivery: Delivery, own: Profile) -> Topic:
    delivery = topic.delivery or delivery
    home = at_home(own, delivery, topic.fifo)
    return filled(topic, {"fifo": False, **home.defaults["topics"], "delivery": delivery})


def _producer(producer: Producer, own: Profile) -> Producer:
    defaults = own.defaults["producers"]
    acks = producer.acks or defaults["acks"]
    # Kafka's client gives up idempotence by itself where the other settings contradict it.
    idempotent = defaults["idempotent"] and acks == "all" and producer.max_in_flight <= 5
    return filled(producer, {**defaults, "idempotent": idempotent})


def handler_terms(scenario: Outline) -> Terms:
    """How handlers publish: as the profile's client does where nothing is said."""
    defaults = profile_of(scenario.broker.profile).defaults["producers"]
    return filled(Terms(), defaults)


def _consumer(consumer: Consumer, profile: Profile) -> Consumer:
    defaults = profile.defaults["consumers"]
    nested = {"redelivery", "dead_letter"}
    whole = filled(consumer, {name: value for name, value in defaults.items() if name not in nested})
    redelivery = _redelivery(consumer.redelivery or Redelivery(), profile)
    dead_letter = consumer.dead_letter and filled(consumer.dead_letter, defaults["dead_letter"])
    return whole.model_copy(update={"redelivery": redelivery, "dead_letter": dead_letter})


def _redelivery(given: Redelivery, profile: Profile) -> Redelivery:
    defaults = {"immediate": 0, **profile.defaults["consumers"]["redelivery"]}
    if _waits(given):
        defaults["through"] = "lease" if profile.delivery == "lease" else "retry_topic"
    return filled(given, defaults)


def _waits(redelivery: Redelivery) -> bool:
    """Whether it was given with a delay, of any length above zero."""
    if redelivery.delays is not None:
        return any(redelivery.delays)
    return redelivery.delayed and redelivery.backoff != "none" and redelivery.base != 0.0
