"""Presets: policies by the names of the libraries that ship them. Their values are in one table."""

from __future__ import annotations

from models.preset_table import PRESETS, Preset

LIBRARIES: dict[str, str] = {
    "resilience4j": "Resilience4j 2, defaults",
    "resilience4j-exponential": "Resilience4j 2, IntervalFunction.ofExponentialRandomBackoff()",
    "spring-kafka": "Spring for Apache Kafka 4, DefaultErrorHandler",
    "spring-kafka-retry-topic": "Spring for Apache Kafka 4, @RetryableTopic",
    "kafkajs": "KafkaJS 2.2, consumers and producers",
    "nservicebus": "NServiceBus 8, recoverability: immediate and delayed retries",
    "masstransit": "MassTransit 8, as it comes: nothing is tried again",
    "masstransit-redelivery": "MassTransit 8, message retry inside delayed redelivery as its documentation sets them up",
    "polly": "Polly 8, defaults",
    "polly-exponential": "Polly 8, exponential with jitter (decorrelated, version 2)",
    "aws-sdk-standard": "AWS SDKs in standard mode, before November 2026",
    "aws-sdk-2026": "AWS SDKs in standard mode, from November 2026 (AWS_NEW_RETRIES_2026 before)",
    "aws-sdk-2026-dynamodb": "the same for DynamoDB and DynamoDB Streams",
    "grpc": "gRPC, the service configuration of gRFC A6, with retry throttling",
    "finagle": "Finagle (from 6.31), requeues within the default RetryBudget",
    "temporal": "Temporal, activities by default",
    "google-sre": "Google's SRE book: retry budgets and client-side throttling",
    "sqs-redrive": "Amazon SQS, a redrive policy for AWS Lambda",
}
"""By name, what has presets of one or more policies."""

POLICIES: tuple[str, ...] = tuple(dict.fromkeys(preset.policy for preset in PRESETS))
"""The policies that have presets, in order."""


def presets_of(policy: str) -> dict[str, Preset]:
    """The presets of one policy by name."""
    return {preset.name: preset for preset in PRESETS if preset.policy == policy}


def preset_named(name: str) -> list[Preset]:
    """What goes by that name, a preset for each policy; [] where there is none."""
    return [preset for preset in PRESETS if preset.name == name]
