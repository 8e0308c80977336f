"""Memory and disks of the broker: queues that grow block who publishes, logs that fill refuse, and room is made again."""

from __future__ import annotations

from typing import Any

import pytest

from models import System
from models.errors import BadScenario
from simulator import replicate
from simulator.results import Result

KIB = 1024


def queue_of_a_slow_consumer(**broker: Any) -> Result:
    """Ten messages of 1 KiB a second for 10 s; a consumer that takes one of them in 500 ms."""
    system = System(
        run={"duration": 60, "runs": 1},
        broker={"profile": "rabbitmq", **broker},
        producers={"p": {"topic": "t", "acks": "all", "arrivals": {"process": "constant", "rate": 10, "stop": "10s"}}},
        consumers={"c": {"topic": "t", "service": "500ms", "prefetch": 1}},
    )
    return replicate(system, runs=1, seed=1, trace=True)


def test_above_the_memory_alarm_publishers_are_blocked_and_consumers_go_on() -> None:
    result = queue_of_a_slow_consumer(memory=50 * KIB, memory_alarm=0.6)
    # After 4 s the queue holds 40 less the 8 that are done, the message of this instant included: above 30. Each second
    # two are done: it is at 30 a second later, and nothing is above the mark; then it takes what has waited.
    blocked = result.value("producers.p", "blocked_time").mean
    published = result.events["published"].to_numpy()
    assert not ((published > 4.05) & (published < 5.0)).any()
    assert blocked > 5
    assert result.value("producers.p", "published").mean == 100
    assert result.value("consumers.c", "processed").mean == 100


def test_with_room_enough_nobody_is_blocked() -> None:
    assert queue_of_a_slow_consumer(memory=1000 * KIB, memory_alarm=0.6).value("producers.p", "blocked_time").mean == 0


@pytest.mark.parametrize(("retention", "stored"), [("1h", 50), ("20s", 100)])
def test_a_log_whose_disk_is_full_takes_more_only_after_retention_has_made_room(retention: str, stored: int) -> None:
    system = System(
        run={"duration": 60, "runs": 1},
        broker={"disk": 50 * KIB},
        topics={"t": {"retention": retention}},
        producers={"p": {"topic": "t", "arrivals": {"process": "constant", "rate": 10, "stop": "10s"}}},
        consumers={"c": {"topic": "t"}},
    )
    result = replicate(system, runs=1, seed=1)
    # Full at 5 s with the 50th message; those of the first second go at 20 s, and so on.
    assert result.value("topics.t", "stored").mean == stored
    assert result.value("producers.p", "waiting").mean == 100 - result.value("producers.p", "published").mean
    assert result.value("producers.p", "publish_retries").mean > 0


def test_memory_is_refused_where_all_topics_are_logs() -> None:
    with pytest.raises(BadScenario, match=r"broker\.memory.*only with delivery queue or lease"):
        System(
            run={"duration": 60},
            broker={"memory": "1GB"},
            producers={"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 1}}},
        )
