"""The table of the profiles: what broker products and their clients do where nobody sets anything, and who says so.

Documentation and the command `edasim profile` are made from these rows, and so are the profiles themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Absent(str):
    """A word for what a product does not have: in a resolved scenario the field stays None."""

    __slots__ = ()


NONE, UNLIMITED = Absent("none"), Absent("unlimited")


@dataclass(frozen=True)
class Row:
    """What `profiles` have in `field` (a dotted path), as a scenario writes it.

    `setting` is the product's name for it, empty where it has none, `source` where it is documented. `note` says what
    the value stands for where it is not the setting's own default.
    """

    profiles: tuple[str, ...]
    field: str
    value: Any
    setting: str
    source: str
    note: str = ""


KAFKA_4, KAFKA_3 = ("kafka-4",), ("kafka-3",)
KAFKA = KAFKA_4 + KAFKA_3
RABBITMQ_4, RABBITMQ_3 = ("rabbitmq-4",), ("rabbitmq-3.13",)
RABBITMQ = RABBITMQ_4 + RABBITMQ_3
SQS_STANDARD, SQS_FIFO = ("sqs-standard",), ("sqs-fifo",)
SQS = SQS_STANDARD + SQS_FIFO

ASSUMED = "assumption: no default is documented"
KAFKA_BROKER = "Kafka 4.0 and 3.9 documentation, Broker Configs"
KAFKA_PRODUCER = "Kafka 4.0 and 3.9 documentation, Producer Configs"
KAFKA_CONSUMER = "Kafka 4.0 and 3.9 documentation, Consumer Configs"
KAFKA_DESIGN = "Kafka 4.0 and 3.9 documentation, Design"
SPRING = "Spring for Apache Kafka 4 reference, Handling Exceptions"

QUORUM_4 = "RabbitMQ 4.2 documentation, Quorum Queues"
QUORUM_3 = "RabbitMQ 3.13 documentation, Quorum Queues"
PARTITIONS = "RabbitMQ 4.3 documentation, Clustering and Network Partitions"
CONFIRMS = "RabbitMQ 4.2 and 3.13 documentation, Consumer Acknowledgements and Publisher Confirms"
ALARMS = "RabbitMQ 4.2 and 3.13 documentation, Memory and Disk Alarms"

SQS_GUIDE = "Amazon SQS Developer Guide"
SQS_RECEIVE = "Amazon SQS API Reference, ReceiveMessage"
SQS_ATTRIBUTES = "Amazon SQS API Reference, SetQueueAttributes"
AWS_RETRIES = "AWS SDKs and Tools Reference Guide, Retry behavior (standard mode)"
JAVA_SDK = "AWS SDK for Java 2.x Developer Guide, Timeouts"
MANAGED = "a managed service: what becomes of its nodes is not seen"

ZOOKEEPER_NOTE = "ZooKeeper's session of 18 s, less the time since the last ping (one each third of it); with KRaft as in 4"
TO_THE_BACK_NOTE = (
    "without a delivery limit a rejected message goes to the back of the queue: settled and put at its tail, without a "
    'delay. With a limit it goes back to its place: write "requeue"'
)

TABLE: tuple[Row, ...] = (
    Row(KAFKA, "broker.delivery", "log", "", KAFKA_DESIGN),
    Row(
        KAFKA_4,
        "broker.detection_time",
        {"dist": "uniform", "low": "7s", "high": "9s"},
        "broker.session.timeout.ms",
        "Kafka 4.0 documentation, Broker Configs",
        "9 s, less the time since the last heartbeat (broker.heartbeat.interval.ms, 2 s)",
    ),
    Row(
        KAFKA_3,
        "broker.detection_time",
        {"dist": "uniform", "low": "12s", "high": "18s"},
        "zookeeper.session.timeout.ms",
        "Kafka 3.9 documentation, Broker Configs",
        ZOOKEEPER_NOTE,
    ),
    Row(KAFKA, "broker.election_time", "500ms", "", ASSUMED, "election, and the news of it reaching the brokers"),
    Row(KAFKA, "broker.flush_interval", "never", "log.flush.interval.ms", KAFKA_BROKER, "left to the operating system"),
    Row(KAFKA, "topics.retention", "7d", "log.retention.hours", KAFKA_BROKER),
    Row(KAFKA, "producers.acks", "all", "acks", KAFKA_PRODUCER, "since 3.0"),
    Row(KAFKA, "producers.request_timeout", "30s", "request.timeout.ms", KAFKA_PRODUCER),
    Row(KAFKA, "producers.delivery_timeout", "2m", "delivery.timeout.ms", KAFKA_PRODUCER),
    Row(KAFKA, "producers.retry.backoff", "exponential", "retry.backoff.ms", KAFKA_PRODUCER, "fixed at its base before 3.7"),
    Row(KAFKA, "producers.retry.base", "100ms", "retry.backoff.ms", KAFKA_PRODUCER),
    Row(KAFKA, "producers.retry.factor", 2.0, "", KAFKA_PRODUCER, "fixed in the client"),
    Row(KAFKA, "producers.retry.cap", "1s", "retry.backoff.max.ms", KAFKA_PRODUCER),
    Row(KAFKA, "producers.retry.jitter", "proportional", "", KAFKA_PRODUCER, "fixed in the client"),
    Row(KAFKA, "producers.retry.spread", 0.2, "", KAFKA_PRODUCER, "fixed in the client"),
    Row(KAFKA, "producers.buffer", 32_000, "buffer.memory", KAFKA_PRODUCER, "32 MiB of events of 1 KiB, rounded"),
    Row(KAFKA, "producers.overflow", "block", "max.block.ms", KAFKA_PRODUCER),
    Row(KAFKA, "producers.max_block", "1m", "max.block.ms", KAFKA_PRODUCER),
    Row(KAFKA, "producers.idempotent", True, "enable.idempotence", KAFKA_PRODUCER, 'with acks = "all" and max_in_flight to 5'),
    Row(KAFKA, "consumers.batch", 500, "max.poll.records", KAFKA_CONSUMER),
    Row(KAFKA, "consumers.poll_wait", "500ms", "fetch.max.wait.ms", KAFKA_CONSUMER),
    Row(KAFKA, "consumers.commit", "auto", "enable.auto.commit", KAFKA_CONSUMER),
    Row(KAFKA, "consumers.session_timeout", "45s", "session.timeout.ms", KAFKA_CONSUMER, "since 3.0"),
    Row(KAFKA, "consumers.heartbeat_interval", "3s", "heartbeat.interval.ms", KAFKA_CONSUMER),
    Row(KAFKA, "consumers.max_poll_interval", "5m", "max.poll.interval.ms", KAFKA_CONSUMER),
    Row(
        KAFKA,
        "consumers.rebalance",
        "eager",
        "partition.assignment.strategy",
        KAFKA_CONSUMER,
        "range, cooperative-sticky: eager until range is removed",
    ),
    Row(KAFKA, "consumers.redelivery.through", "seek", "DefaultErrorHandler", SPRING, "the broker has no redelivery"),
    Row(KAFKA, "consumers.redelivery.max_deliveries", 10, "FixedBackOff", SPRING, "9 retries without a delay"),
    Row(KAFKA, "consumers.dead_letter.safe", True, "DeadLetterPublishingRecoverer", SPRING, "published, then committed"),
    Row(RABBITMQ, "broker.delivery", "queue", "", CONFIRMS),
    Row(RABBITMQ, "broker.detection_time", "2s", "", PARTITIONS, '"a few seconds" until a new leader serves: half of them'),
    Row(RABBITMQ, "broker.election_time", "2s", "", PARTITIONS, "the other half"),
    Row(RABBITMQ, "broker.flush_interval", 0, "", CONFIRMS, "a quorum queue confirms what is on disk"),
    Row(RABBITMQ_4, "broker.memory_alarm", 0.6, "vm_memory_high_watermark.relative", "RabbitMQ 4.2 documentation, Memory"),
    Row(RABBITMQ_3, "broker.memory_alarm", 0.4, "vm_memory_high_watermark.relative", "RabbitMQ 3.13 documentation, Memory"),
    Row(RABBITMQ, "topics.retention", NONE, "", CONFIRMS, "a message stays until it is acknowledged"),
    Row(RABBITMQ, "topics.overflow", "drop_oldest", "x-overflow", "RabbitMQ 4.2 and 3.13 documentation, Queue Length Limit"),
    Row(RABBITMQ, "producers.acks", "none", "confirm.select", CONFIRMS, "confirms are off until the channel asks for them"),
    Row(RABBITMQ, "producers.request_timeout", "30s", "", ASSUMED, "for those who wait for confirms"),
    Row(RABBITMQ, "producers.delivery_timeout", NONE, "", CONFIRMS),
    Row(RABBITMQ, "producers.retry", NONE, "", CONFIRMS, "publishing again is the application's business"),
    Row(RABBITMQ, "producers.buffer", UNLIMITED, "", CONFIRMS),
    Row(RABBITMQ, "producers.overflow", "block", "connection.blocked", ALARMS, "an alarm holds publishers back"),
    Row(RABBITMQ, "producers.max_block", NONE, "", ALARMS),
    Row(RABBITMQ, "producers.idempotent", False, "", CONFIRMS, "the broker does not know a message again"),
    Row(RABBITMQ, "consumers.prefetch", UNLIMITED, "basic.qos", CONFIRMS, "quorum queues stop at 2,000"),
    Row(RABBITMQ, "consumers.heartbeat_timeout", "1m", "heartbeat", "RabbitMQ 4.2 and 3.13 documentation, Heartbeats"),
    Row(
        RABBITMQ,
        "consumers.consumer_timeout",
        "30m",
        "consumer_timeout",
        "RabbitMQ 4.2 and 3.13 documentation, Consumers",
        "4.3 documents it for quorum queues alone, and there once without a default",
    ),
    Row(RABBITMQ_4, "consumers.redelivery.through", "requeue", "basic.reject requeue", QUORUM_4),
    Row(RABBITMQ_3, "consumers.redelivery.through", "retry_topic", "basic.reject requeue", QUORUM_3, TO_THE_BACK_NOTE),
    Row(RABBITMQ_4, "consumers.redelivery.max_deliveries", 21, "x-delivery-limit", QUORUM_4, "a limit of 20 allows 21"),
    Row(RABBITMQ_3, "consumers.redelivery.max_deliveries", 0, "x-delivery-limit", QUORUM_3, "none set: for ever"),
    Row(RABBITMQ_4, "consumers.dead_letter.safe", False, "dead-letter-strategy", QUORUM_4, "at-most-once"),
    Row(RABBITMQ_3, "consumers.dead_letter.safe", False, "dead-letter-strategy", QUORUM_3, "at-most-once"),
    Row(SQS, "broker.delivery", "lease", "", f"{SQS_GUIDE}, Visibility timeout"),
    Row(SQS, "broker.detection_time", 0, "", SQS_GUIDE, MANAGED),
    Row(SQS, "broker.election_time", 0, "", SQS_GUIDE, MANAGED),
    Row(SQS, "broker.flush_interval", 0, "", SQS_GUIDE, MANAGED),
    Row(SQS, "topics.retention", "4d", "MessageRetentionPeriod", SQS_ATTRIBUTES),
    Row(SQS_STANDARD, "topics.fifo", False, "FifoQueue", f"{SQS_GUIDE}, Standard queues"),
    Row(SQS_FIFO, "topics.fifo", True, "FifoQueue", f"{SQS_GUIDE}, FIFO queues"),
    Row(SQS_STANDARD, "topics.deduplication", NONE, "", f"{SQS_GUIDE}, Standard queues"),
    Row(
        SQS_FIFO,
        "topics.deduplication",
        "5m",
        "MessageDeduplicationId",
        f"{SQS_GUIDE}, FIFO queue key terms",
        "the deduplication interval; it cannot be set",
    ),
    Row(SQS, "producers.acks", "all", "SendMessage", f"{SQS_GUIDE}, Queues", "an answer means stored on several servers"),
    Row(SQS, "producers.request_timeout", "10s", "apiCallAttemptTimeout", JAVA_SDK, "chosen: the SDKs differ"),
    Row(SQS, "producers.delivery_timeout", "30s", "apiCallTimeout", JAVA_SDK, "chosen: none by default"),
    Row(SQS, "producers.retry.backoff", "exponential", "retry_mode", AWS_RETRIES),
    Row(SQS, "producers.retry.base", "1s", "", AWS_RETRIES),
    Row(SQS, "producers.retry.factor", 2.0, "", AWS_RETRIES),
    Row(SQS, "producers.retry.cap", "20s", "", AWS_RETRIES),
    Row(SQS, "producers.retry.jitter", "full", "", AWS_RETRIES),
    Row(SQS, "producers.retry.max_attempts", 3, "max_attempts", AWS_RETRIES, "the first included"),
    Row(SQS, "producers.buffer", UNLIMITED, "", AWS_RETRIES, "the SDK keeps no buffer: each call stands by itself"),
    Row(SQS, "producers.overflow", "drop", "", AWS_RETRIES, "a call that fails is an error of its caller"),
    Row(SQS, "producers.max_block", 0, "", AWS_RETRIES),
    Row(SQS, "producers.idempotent", False, "", f"{SQS_GUIDE}, FIFO queues", "FIFO topics have deduplication instead"),
    Row(SQS, "consumers.batch", 10, "MaxNumberOfMessages", SQS_RECEIVE, "the most that it takes; its own default is 1"),
    Row(
        SQS, "consumers.poll_wait", "20s", "WaitTimeSeconds", SQS_RECEIVE, "long polling, as recommended; its own default is 0"
    ),
    Row(SQS, "consumers.visibility_timeout", "30s", "VisibilityTimeout", SQS_ATTRIBUTES),
    Row(SQS, "consumers.redelivery.through", "lease", "VisibilityTimeout", f"{SQS_GUIDE}, Visibility timeout"),
    Row(SQS, "consumers.redelivery.max_deliveries", 0, "maxReceiveCount", SQS_ATTRIBUTES, "no redrive policy: for ever"),
    Row(SQS, "consumers.dead_letter.safe", True, "RedrivePolicy", f"{SQS_GUIDE}, Dead-letter queues", "moved by the service"),
)
