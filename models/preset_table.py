"""The table of the presets: policies with the values that libraries ship, by the name under which a scenario uses them.

Documentation and the command `edasim presets` are made from these rows. Everywhere an attempt or a delivery counts the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """What `policy = "name"` stands for: `value`, a table as a scenario writes it, or a duration.

    `own`: the library's own settings, in its own way of counting. `source`: where they are documented, in which version.
    `note`: what is chosen here, and what of the library the format cannot say.
    """

    name: str
    policy: str
    value: Mapping[str, Any] | str
    own: str
    source: str
    note: str = ""


RESILIENCE4J = "Resilience4j 2"
POLLY = "Polly 8 documentation"
BOTOCORE = "botocore, botocore.retries.standard"
NEW_RETRIES = "AWS SDKs and Tools Reference Guide, Retry behavior, and the announcement of AWS_NEW_RETRIES_2026"
SPRING = "Spring for Apache Kafka 4 reference"
KAFKAJS = "KafkaJS 2.2: retry/defaults.js, RetryDetailed"
MASSTRANSIT = "MassTransit 8 documentation"
TEMPORAL = "Temporal documentation, Retry Policies"
SRE = "Site Reliability Engineering (2016), Handling Overload"

THROTTLED = (
    "Throttling errors, which the SDK waits for from 1 s and charges with 5, are no kind of error of their own here; nor is "
    "there the header x-amz-retry-after. "
)
NEW_BUDGET = {"tokens": 500.0, "cost": 14.0, "refund": 1.0, "timeout_cost": 14.0}
EXPONENTIAL = {"backoff": "exponential", "factor": 2.0}

PRESETS: tuple[Preset, ...] = (
    Preset(
        "resilience4j",
        "retry",
        {"max_attempts": 3, "backoff": "fixed", "base": "500ms"},
        "maxAttempts 3, the first included; waitDuration 500 ms",
        f"{RESILIENCE4J}, RetryConfig",
    ),
    Preset(
        "resilience4j-exponential",
        "retry",
        {"max_attempts": 3, "backoff": "exponential", "base": "500ms", "factor": 1.5, "jitter": "proportional", "spread": 0.5},
        "maxAttempts 3, the first included; initialInterval 500 ms, multiplier 1.5, randomizationFactor 0.5",
        f"{RESILIENCE4J}, RetryConfig and IntervalFunction",
    ),
    Preset(
        "kafkajs",
        "retry",
        {"max_attempts": 6, **EXPONENTIAL, "base": "300ms", "cap": "30s", "jitter": "proportional", "spread": 0.2},
        "retries 5, beyond the first; initialRetryTime 300 ms, multiplier 2, factor 0.2, maxRetryTime 30 s",
        KAFKAJS,
        "There each delay is spread around twice the delay before it, here each around its own power of 2: the means are the "
        "same, 9.3 s in all, and the variances are smaller. What comes after the last try is the preset of `redelivery`.",
    ),
    Preset(
        "masstransit",
        "retry",
        {"max_attempts": 1},
        "no UseMessageRetry: the first attempt is the only one",
        f"{MASSTRANSIT}, Exceptions",
    ),
    Preset(
        "masstransit-redelivery",
        "retry",
        {"max_attempts": 6, "backoff": "none"},
        "UseMessageRetry(r => r.Immediate(5)): 5 retries beyond the first attempt",
        f"{MASSTRANSIT}, Redelivery",
        "To be used with the preset of `redelivery` of this name: 6 attempts in each of 4 deliveries, 24 in all.",
    ),
    Preset(
        "polly",
        "retry",
        {"max_attempts": 4, "backoff": "fixed", "base": "2s"},
        "MaxRetryAttempts 3, beyond the first; Delay 2 s, BackoffType Constant, UseJitter false",
        f"{POLLY}, Retry",
    ),
    Preset(
        "polly-exponential",
        "retry",
        {"max_attempts": 4, **EXPONENTIAL, "base": "2s", "jitter": "decorrelated_v2"},
        "MaxRetryAttempts 3, beyond the first; Delay 2 s, BackoffType Exponential, UseJitter true",
        f"{POLLY}, Retry; RetryHelper.DecorrelatedJitterBackoffV2",
        "The delays have the means 1.7 s, 2.3 s and 4.2 s.",
    ),
    Preset(
        "aws-sdk-standard",
        "retry",
        {"max_attempts": 3, **EXPONENTIAL, "base": "1s", "cap": "20s", "jitter": "full"}
        | {"budget": {"tokens": 500.0, "cost": 5.0, "refund": 1.0, "timeout_cost": 10.0}},
        "max_attempts 3, the first included; U(0, 1) min(2^i s, 20 s); a quota of 500 for each client, 5 for a retry, 10 after "
        "a timeout",
        f"{BOTOCORE} (version 2.0 of the standard mode)",
        "A first try that succeeds brings back 1, a retry what it took.",
    ),
    Preset(
        "aws-sdk-2026",
        "retry",
        {"max_attempts": 3, **EXPONENTIAL, "base": "50ms", "cap": "20s", "jitter": "full", "budget": NEW_BUDGET},
        "max_attempts 3, the first included; U(0, 1) min(50 ms 2^i, 20 s); a quota of 500 for each client, 14 for a retry",
        f"{NEW_RETRIES}; {BOTOCORE} (version 2.1)",
        f"{THROTTLED}A timeout is charged like any transient error.",
    ),
    Preset(
        "aws-sdk-2026-dynamodb",
        "retry",
        {"max_attempts": 4, **EXPONENTIAL, "base": "25ms", "cap": "20s", "jitter": "full", "budget": NEW_BUDGET},
        "max_attempts 4, the first included; U(0, 1) min(25 ms 2^i, 20 s); the quota of the other services",
        f"{NEW_RETRIES}; {BOTOCORE} (version 2.1)",
        f"{THROTTLED}A timeout is charged like any transient error.",
    ),
    Preset(
        "grpc",
        "retry",
        {"max_attempts": 4, **EXPONENTIAL, "base": "100ms", "cap": "1s", "jitter": "proportional", "spread": 0.2}
        | {"budget": {"max_tokens": 10.0, "token_ratio": 0.1}},
        "maxAttempts 4, the first included, and never above 5; initialBackoff 0.1 s, backoffMultiplier 2, maxBackoff 1 s, each "
        "random(0.8, 1.2) of itself; maxTokens 10, tokenRatio 0.1",
        "gRFC A6 (gRPC Retry Design) as revised, its example of a service configuration",
        'gRPC has no retry policy by default. Clients before the revision draw U(0, 1): `jitter = "full"`. Its throttle is '
        "kept for each server, here for each instance or the group. Transparent retries and pushback do not exist here.",
    ),
    Preset(
        "finagle",
        "retry",
        {"max_attempts": 21, "backoff": "none", "budget": {"ratio": 0.2, "burst": 100.0, "minimum_per_second": 10.0}},
        "percentCanRetry 0.2, minRetriesPerSec 10, ttl 10 s; at most 20 % of the balance, 20 of a full reserve, for one "
        "request, beyond its first attempt",
        "Finagle documentation, Clients, and RetryBudget; Retry Budgets (Oliver 2016)",
        "There what requests bring expires after 10 s, here the bucket holds 100 at most; the rates in the long run are the "
        "same. Finagle requeues only what it knows was not processed.",
    ),
    Preset(
        "temporal",
        "retry",
        {"max_attempts": 1_000_000, **EXPONENTIAL, "base": "1s", "cap": "100s"},
        "maximumAttempts 0, unlimited; initialInterval 1 s, backoffCoefficient 2, maximumInterval 100 initialInterval",
        TEMPORAL,
        "A million attempts stand for no limit. A worker of Temporal is free between two attempts, which the preset of "
        "`redelivery` says better: `retry` holds its worker.",
    ),
    Preset(
        "google-sre",
        "retry",
        {"max_attempts": 3, **EXPONENTIAL, "base": "100ms", "jitter": "full", "budget": {"ratio": 0.1}},
        "at most three attempts for a request, and of a client's requests at most 10 % retries",
        SRE,
        "The book gives no delays but that they be randomised and exponential: these are chosen here.",
    ),
    Preset(
        "spring-kafka",
        "redelivery",
        {"through": "seek", "max_deliveries": 10},
        "FixedBackOff(0, 9): maxAttempts 9, retries beyond the first delivery",
        f"{SPRING}, Handling Exceptions (SeekUtils.DEFAULT_BACK_OFF)",
        "The partition waits. Afterwards the record is logged and skipped (discarded), unless there is `dead_letter`.",
    ),
    Preset(
        "spring-kafka-retry-topic",
        "redelivery",
        {"through": "retry_topic", "max_deliveries": 3, "backoff": "fixed", "base": "1s"},
        "attempts 3, the first included; backoff delay 1000 ms",
        f"{SPRING}, Non-Blocking Retries (@RetryableTopic)",
        "There a record may be late, here it comes exactly after its delay. The topic of dead letters is to be set: "
        "`dead_letter`.",
    ),
    Preset(
        "kafkajs",
        "redelivery",
        {"through": "seek", "max_deliveries": 0, "backoff": "fixed", "base": "9.6s"},
        "restartOnFailure: after the last retry the consumer disconnects and starts again, after the last retryTime",
        f"{KAFKAJS}; consumer/index.js",
        "For ever, as long as the error can be retried; 9.6 s is the mean of that time. The rebalance which each restart costs "
        "does not happen here, nor do errors that stop the consumer for good.",
    ),
    Preset(
        "nservicebus",
        "redelivery",
        {"max_deliveries": 24, "immediate": 5, "backoff": "linear", "base": "10s"},
        "Immediate 5 and Delayed NumberOfRetries 3, each beyond the first of its round; TimeIncrease 10 s",
        "NServiceBus 8 documentation, Configure immediate retries, Configure delayed retries",
        "(5 + 1) (3 + 1) runs of the handler and 60 s of waiting. The error queue is to be set: `dead_letter`.",
    ),
    Preset(
        "masstransit",
        "redelivery",
        {"max_deliveries": 1},
        "no redelivery: what fails goes to the queue _error",
        f"{MASSTRANSIT}, Exceptions",
        "That queue is to be set: `dead_letter`.",
    ),
    Preset(
        "masstransit-redelivery",
        "redelivery",
        {"max_deliveries": 4, "delays": ["5m", "15m", "30m"]},
        "UseDelayedRedelivery(r => r.Intervals(5 min, 15 min, 30 min)): 3 beyond the first delivery",
        f"{MASSTRANSIT}, Redelivery",
        "The queue _error is to be set: `dead_letter`.",
    ),
    Preset(
        "temporal",
        "redelivery",
        {"through": "retry_topic", "max_deliveries": 0, **EXPONENTIAL, "base": "1s", "cap": "100s"},
        "maximumAttempts 0, unlimited; initialInterval 1 s, backoffCoefficient 2, maximumInterval 100 initialInterval",
        TEMPORAL,
        "The worker is free meanwhile, and order is lost.",
    ),
    Preset(
        "sqs-redrive",
        "redelivery",
        {"through": "lease", "max_deliveries": 5},
        "maxReceiveCount 5: receives, the first included, and those cut short too",
        "AWS Lambda Developer Guide, Using Lambda with Amazon SQS: at least 5; Amazon SQS Developer Guide, Dead-letter queues",
        "SQS itself has no limit until there is a redrive policy. Its queue of dead letters is to be set: `dead_letter`.",
    ),
    Preset(
        "resilience4j",
        "breaker",
        {"window": "count", "size": 100, "failure_rate": 0.5, "slow_call": "60s", "slow_call_rate": 1.0}
        | {"minimum_calls": 100, "open_for": "60s", "half_open_calls": 10, "automatic": False},
        "slidingWindowSize 100 calls, failureRateThreshold 50, slowCallDurationThreshold 60 s, slowCallRateThreshold 100, "
        "minimumNumberOfCalls 100, waitDurationInOpenState 60 s, permittedNumberOfCallsInHalfOpenState 10",
        f"{RESILIENCE4J}, CircuitBreakerConfig",
    ),
    Preset(
        "polly",
        "breaker",
        {"window": "time", "size": 30, "failure_rate": 0.1, "minimum_calls": 100, "open_for": "5s", "half_open_calls": 1},
        "FailureRatio 0.1, SamplingDuration 30 s, MinimumThroughput 100, BreakDuration 5 s",
        f"{POLLY}, Circuit breaker",
        "There the window moves by tenths of its length, here by seconds.",
    ),
    Preset(
        "resilience4j",
        "bulkhead",
        {"max_concurrent": 25, "max_wait": 0},
        "maxConcurrentCalls 25, maxWaitDuration 0",
        f"{RESILIENCE4J}, BulkheadConfig",
        "The bulkhead of a semaphore, not that of a thread pool.",
    ),
    Preset(
        "polly",
        "bulkhead",
        {"max_concurrent": 1000, "max_wait": 0},
        "PermitLimit 1000, QueueLimit 0",
        f"{POLLY}, Rate limiter (concurrency limiter)",
    ),
    Preset(
        "resilience4j",
        "rate_limit",
        {"rate": 1e8, "burst": 50, "max_wait": "5s"},
        "limitForPeriod 50, limitRefreshPeriod 500 ns, timeoutDuration 5 s",
        f"{RESILIENCE4J}, RateLimiterConfig",
        'As good as no limit until a rate is set: `{ preset = "resilience4j", rate = 100 }`. There permits come at the start '
        "of each period, here one by one.",
    ),
    Preset(
        "resilience4j",
        "timeout",
        "1s",
        "timeoutDuration 1 s, cancelRunningFuture true",
        f"{RESILIENCE4J}, TimeLimiterConfig",
        "What is cancelled goes on at the dependency, as it does there.",
    ),
    Preset("polly", "timeout", "30s", "Timeout 30 s", f"{POLLY}, Timeout"),
    Preset(
        "google-sre",
        "throttle",
        {"k": 2.0, "window": "2m"},
        "max(0, (requests - K accepts) / (requests + 1)), K 2, of the last two minutes",
        SRE,
    ),
)
