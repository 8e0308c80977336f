"""Profiles: every value of the table reaches the resolved scenario, and is printed and documented with its source."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from experiments.lab.cli import app
from experiments.lab.profiles import RENEW, page, value_text
from models import System
from models.broker import Broker, ProfileName
from models.editing import put
from models.errors import BadScenario
from models.outline import Outline
from models.profile_table import TABLE, Absent, Row
from models.profiles import NEWEST, PROFILES, profile_of
from models.resolving import resolve
from models.scenario import Scenario
from simulator import replicate
from simulator.distributions import Constant, Uniform

PAGE = Path(__file__).parent.parent / "docs" / "profiles.md"
NAMES = {"topics": "t", "producers": "p", "consumers": "c"}
DAY = 86_400.0
EXPONENTIAL = {"backoff": "exponential", "factor": 2.0}

CONTRACT: dict[str, dict[str, Any]] = {
    "kafka": {
        "broker": {"delivery": "log", "detection_time": Uniform(low=7, high=9), "election_time": Constant(value=0.5)}
        | {"flush_interval": "never", "memory_alarm": None},
        "topics": {"delivery": "log", "retention": 7 * DAY, "overflow": None, "deduplication": None, "fifo": False},
        "producers": {"acks": "all", "request_timeout": 30.0, "delivery_timeout": 120.0, "buffer": 32_000, "overflow": "block"}
        | {"max_block": 60.0, "idempotent": True, "linger": 0.0},
        "retry": {**EXPONENTIAL, "base": 0.1, "cap": 1.0, "jitter": "proportional", "spread": 0.2, "max_attempts": None},
        "consumers": {"prefetch": None, "batch": 500, "poll_wait": 0.5, "visibility_timeout": None, "commit": "auto"}
        | {"session_timeout": 45.0, "heartbeat_interval": 3.0, "max_poll_interval": 300.0, "rebalance": "eager"}
        | {"heartbeat_timeout": None, "consumer_timeout": None},
        "redelivery": {"through": "seek", "max_deliveries": 10, "delayed": False},
        "dead_letter": {"safe": True},
    },
    "rabbitmq": {
        "broker": {"delivery": "queue", "detection_time": Constant(value=2.0), "election_time": Constant(value=2.0)}
        | {"flush_interval": 0.0, "memory_alarm": 0.6},
        "topics": {"delivery": "queue", "retention": None, "overflow": "drop_oldest", "deduplication": None, "quorum": True},
        "producers": {"acks": "none", "request_timeout": 30.0, "delivery_timeout": None, "retry": None, "buffer": None}
        | {"overflow": "block", "max_block": None, "idempotent": False},
        "consumers": {"prefetch": None, "batch": None, "poll_wait": None, "visibility_timeout": None, "commit": None}
        | {"session_timeout": None, "heartbeat_interval": None, "max_poll_interval": None, "rebalance": None}
        | {"heartbeat_timeout": 60.0, "consumer_timeout": 1800.0},
        "redelivery": {"through": "requeue", "max_deliveries": 21, "delayed": False},
        "dead_letter": {"safe": False},
    },
    "sqs": {
        "broker": {"delivery": "lease", "detection_time": Constant(value=0.0), "election_time": Constant(value=0.0)}
        | {"flush_interval": 0.0, "memory_alarm": None},
        "topics": {"delivery": "lease", "retention": 4 * DAY, "overflow": None, "deduplication": None, "fifo": False},
        "producers": {"acks": "all", "request_timeout": 10.0, "delivery_timeout": 30.0, "buffer": None, "overflow": "drop"}
        | {"max_block": 0.0, "idempotent": False},
        "retry": {**EXPONENTIAL, "base": 1.0, "cap": 20.0, "jitter": "full", "spread": None, "max_attempts": 3},
        "consumers": {"prefetch": None, "batch": 10, "poll_wait": 20.0, "visibility_timeout": 30.0, "commit": None}
        | {"session_timeout": None, "heartbeat_interval": None, "max_poll_interval": None, "rebalance": None}
        | {"heartbeat_timeout": None, "consumer_timeout": None},
        "redelivery": {"through": "lease", "max_deliveries": 0, "delayed": False},
        "dead_letter": {"safe": True},
    },
}
"""The profile defaults of the scenario format, in seconds."""


def resolved(changes: dict[str, Any]) -> Outline:
    """A producer, a topic and a group, with `changes` at paths; what is not built yet is resolved all the same."""
    data: dict[str, Any] = {
        "run": {"duration": "1m"},
        "topics": {"t": {}},
        "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 1}}},
        "consumers": {"c": {"topic": "t", "service": "1ms", "dead_letter": {"topic": "letters"}}},
    }
    for path, value in changes.items():
        put(data, path, value, ["t"])
    return resolve(Outline.model_validate(data))


def path_of(field: str) -> str:
    kind, _, rest = field.partition(".")
    return f"{kind}.{NAMES[kind]}.{rest}" if kind in NAMES else field


def at(outline: Outline, path: str) -> Any:
    value: Any = outline
    for step in path.split("."):
        value = value[step] if isinstance(value, dict) else getattr(value, step)
    return value


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["profile", *arguments])
    return done.exit_code, done.stdout, done.stderr


CELLS = [pytest.param(name, row, id=f"{name}-{row.field}") for row in TABLE for name in row.profiles]


@pytest.mark.parametrize(("name", "row"), CELLS)
def test_every_value_of_the_table_reaches_the_resolved_scenario(name: str, row: Row) -> None:
    path = path_of(row.field)
    found = at(resolved({"broker.profile": name}), path)
    if isinstance(row.value, Absent):
        assert found is None
    else:
        assert found is not None
        assert found == at(resolved({"broker.profile": name, path: row.value}), path)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_newest_version_has_the_defaults_of_the_format(name: str) -> None:
    outline = resolved({"broker.profile": name})
    producer, consumer = outline.producers["p"], outline.consumers["c"]
    parts: dict[str, Any] = {"broker": outline.broker, "topics": outline.topics["t"], "producers": producer}
    parts |= {"retry": producer.retry, "consumers": consumer}
    parts |= {"redelivery": consumer.redelivery, "dead_letter": consumer.dead_letter}
    for part, expected in CONTRACT[name].items():
        assert {field: getattr(parts[part], field) for field in expected} == expected


def test_a_profile_has_one_value_for_a_field() -> None:
    cells = [(name, row.field) for row in TABLE for name in row.profiles]
    assert len(cells) == len(set(cells))
    assert {name for name, _ in cells} == set(PROFILES)


def test_every_value_has_a_source() -> None:
    assert [row.field for row in TABLE if not row.source] == []


def test_the_format_knows_the_profiles_by_name_and_their_newest_by_product() -> None:
    assert set(get_args(ProfileName)) == {*NEWEST, *PROFILES}
    assert [profile_of(name).name for name in NEWEST] == ["kafka-4", "rabbitmq-4", "sqs-standard"]


def differing(name: str, other: str) -> set[str]:
    values = [{row.field: value_text(row.value) for row in PROFILES[each].rows} for each in (name, other)]
    return {field for field in {*values[0], *values[1]} if values[0].get(field) != values[1].get(field)}


def test_versions_differ_in_what_their_products_changed() -> None:
    redelivery = {"consumers.redelivery.through", "consumers.redelivery.max_deliveries"}
    assert differing("kafka-4", "kafka-3") == {"broker.detection_time"}
    assert differing("rabbitmq-4", "rabbitmq-3.13") == {"broker.memory_alarm", *redelivery}
    assert differing("sqs-standard", "sqs-fifo") == {"topics.fifo", "topics.deduplication"}


def test_kafka_3_notices_a_crash_when_the_session_in_zookeeper_ends() -> None:
    assert resolved({"broker.profile": "kafka-3"}).broker.detection_time == Uniform(low=12, high=18)


def test_rabbitmq_3_redelivers_for_ever_at_the_back_of_the_queue() -> None:
    redelivery = resolved({"broker.profile": "rabbitmq-3.13"}).consumers["c"].redelivery
    assert redelivery is not None
    assert (redelivery.through, redelivery.max_deliveries) == ("retry_topic", 0)


@pytest.mark.parametrize(("profile", "processed"), [("rabbitmq-3.13", 9), ("rabbitmq-4", 0)])
def test_what_fails_for_ever_lets_others_pass_only_at_the_back_of_the_queue(profile: str, processed: int) -> None:
    arrivals = {"process": "constant", "rate": 1}
    system = System.from_dict(
        {
            "run": {"duration": "20s"},
            "broker": {"profile": profile},
            "producers": {
                "bad": {"topic": "t", "poison": 1.0, "arrivals": {**arrivals, "limit": 1}},
                "good": {"topic": "t", "arrivals": {**arrivals, "start": "1s", "limit": 9}},
            },
            "consumers": {"c": {"topic": "t", "service": "200ms", "prefetch": 1, "redelivery": {"max_deliveries": 0}}},
        }
    )
    result = replicate(system, runs=1, seed=1, jobs=1)
    assert result.value("consumers.c", "processed").mean == processed


@pytest.mark.parametrize(("profile", "fifo", "window"), [("sqs", True, 300.0), ("sqs-fifo", False, None)])
def test_a_topic_of_the_other_kind_takes_the_defaults_of_that_kind(profile: str, fifo: bool, window: float | None) -> None:
    topic = resolved({"broker.profile": profile, "topics.t.fifo": fifo}).topics["t"]
    assert (topic.fifo, topic.deduplication, topic.retention) == (fifo, window, 4 * DAY)


@pytest.mark.parametrize("profile", ["kafka-3", "rabbitmq-3.13", "sqs-fifo"])
@pytest.mark.parametrize(("delivery", "home"), [("log", "kafka-4"), ("queue", "rabbitmq-4"), ("lease", "sqs-standard")])
def test_a_topic_that_departs_from_its_broker_takes_the_defaults_of_the_newest(profile: str, delivery: str, home: str) -> None:
    outline = resolved({"broker.profile": profile, "topics.t.delivery": delivery})
    own = PROFILES[profile].delivery == delivery
    expected = resolved({"broker.profile": profile if own else home})
    assert outline.topics["t"] == expected.topics["t"]
    assert outline.consumers["c"] == expected.consumers["c"]
    assert outline.producers["p"] == resolved({"broker.profile": profile}).producers["p"]


@pytest.mark.parametrize("name", get_args(ProfileName))
def test_resolving_twice_changes_nothing(name: str) -> None:
    outline = resolved({"broker.profile": name})
    assert resolve(outline) == outline
    assert outline.broker.profile == name


@pytest.mark.parametrize(
    ("name", "close"), [("kafka-2", "kafka-4"), ("rabbitmq-3.12", "rabbitmq-3.13"), ("sqs-fif", "sqs-fifo"), ("kafak", "kafka")]
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(name: str, close: str) -> None:
    with pytest.raises(BadScenario, match=f'broker.profile: found "{name}".*did you mean "{close}"'):
        Scenario.from_dict({"run": {"duration": 1}, "broker": {"profile": name}})
    status, shown, said = edasim(name)
    assert (status, shown) == (2, "")
    assert said == f"{name}: no such profile; did you mean {close}?\n"


def test_a_name_like_none_is_refused_with_all_of_them() -> None:
    status, _, said = edasim("zzz")
    assert status == 2
    assert all(f'"{name}"' in said for name in [*NEWEST, *PROFILES])


def test_without_a_name_the_profiles_are_listed_with_what_they_stand_for() -> None:
    status, shown, _ = edasim()
    assert status == 0
    assert all(profile.about in " ".join(shown.split()).replace("  ", " ") for profile in PROFILES.values())
    assert "rabbitmq-4     rabbitmq " in shown


@pytest.mark.parametrize("name", get_args(ProfileName))
def test_a_profile_is_printed_whole_in_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, shown, _ = edasim(name)
    assert status == 0
    assert max(len(line) for line in shown.splitlines()) <= 80
    for row in profile_of(name).rows:
        field = row.field.partition(".")[2]
        (line,) = [line for line in printed_below(shown, row.field) if line.split()[:1] == [field]]
        assert row.setting in line
        if not isinstance(row.value, dict):
            assert line.split()[1] == value_text(row.value)
        assert row.source in " ".join(shown.split())


def printed_below(shown: str, field: str) -> list[str]:
    """The lines of the table of the field's component."""
    parts = (part.splitlines() for part in shown.split("\n\n"))
    return next(lines for lines in parts if lines[0].strip() == field.partition(".")[0])


def test_the_page_of_the_documentation_is_the_table() -> None:
    assert page() == PAGE.read_text("utf-8"), f"renew it: {RENEW}"


def test_the_command_that_renews_the_page_prints_it() -> None:
    command, arrow, file = RENEW.partition(" > ")
    assert (arrow, PAGE.as_posix().endswith(file)) == (" > ", True)
    status, shown, _ = edasim(*shlex.split(command)[2:])
    assert (status, shown) == (0, page())


def test_a_page_of_one_profile_is_refused() -> None:
    status, _, said = edasim("kafka", "--markdown")
    assert (status, said) == (2, "kafka: --markdown prints all profiles, without a name\n")


def test_the_defaults_of_the_broker_are_kafkas() -> None:
    assert Broker().profile == "kafka"
