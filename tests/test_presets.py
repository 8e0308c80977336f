"""Presets: every name of the table stands for its values wherever the policy is accepted, and is documented with its source."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from experiments.lab.cli import app
from experiments.lab.presets import RENEW, page
from experiments.lab.profiles import value_text
from models import System
from models.breaker import Breaker
from models.consumer import Consumer
from models.dependency import Dependency
from models.errors import BadScenario
from models.limits import Bulkhead, RateLimit, Throttle
from models.loading import read
from models.preset_table import PRESETS, Preset
from models.presets import LIBRARIES, POLICIES, presets_of
from models.producer import Producer, PublishRetry
from models.retry import Redelivery, Retry
from models.scenario import Scenario
from simulator.spec import Spec
from simulator.units import parse_duration

PAGE = Path(__file__).parent.parent / "docs" / "presets.md"
SPECS: dict[str, type[Spec]] = {
    "retry": Retry,
    "redelivery": Redelivery,
    "breaker": Breaker,
    "bulkhead": Bulkhead,
    "rate_limit": RateLimit,
    "throttle": Throttle,
}
every_preset = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.policy}-{preset.name}")
every_retry = pytest.mark.parametrize("name", presets_of("retry"))


def edasim(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["presets", *arguments])
    return done.exit_code, done.stdout, done.stderr


def expected(preset: Preset) -> Any:
    if isinstance(preset.value, str):
        return parse_duration(preset.value)
    return SPECS[preset.policy].model_validate(dict(preset.value))


def scenario(**consumer: Any) -> Scenario:
    return Scenario.from_dict(
        {
            "run": {"duration": 60},
            "broker": {"profile": consumer.pop("profile", "kafka")},
            "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 1}}},
            "consumers": {"c": {"topic": "t", "service": "1ms", **consumer}},
        }
    )


@every_preset
def test_a_name_stands_for_its_values(preset: Preset) -> None:
    found = Consumer.model_validate({"topic": "t", preset.policy: preset.name})
    assert getattr(found, preset.policy) == expected(preset)


@every_preset
def test_a_name_in_a_table_stands_for_the_same(preset: Preset) -> None:
    if isinstance(preset.value, Mapping):
        found = Consumer.model_validate({"topic": "t", preset.policy: {"preset": preset.name}})
        assert getattr(found, preset.policy) == expected(preset)


@every_preset
def test_every_preset_says_how_its_library_counts_and_where_that_is_documented(preset: Preset) -> None:
    assert all(text and not text.endswith(".") for text in (preset.own, preset.source))
    assert preset.name in LIBRARIES


def test_there_is_one_preset_for_a_name_and_a_policy() -> None:
    pairs = [(preset.name, preset.policy) for preset in PRESETS]
    assert len(pairs) == len(set(pairs))
    assert {name for name, _ in pairs} == set(LIBRARIES)
    assert set(POLICIES) == {*SPECS, "timeout"}


@every_retry
def test_dependencies_and_producers_take_the_presets_of_retry(name: str) -> None:
    """A producer without their budget, which it does not have."""
    whole = Retry.model_validate(dict(presets_of("retry")[name].value))  # type: ignore[arg-type]
    assert Dependency.model_validate({"latency": 1, "retry": name}).retry == whole
    arrivals = {"process": "poisson", "rate": 1}
    found = Producer.model_validate({"topic": "t", "arrivals": arrivals, "retry": name}).retry
    assert isinstance(found, PublishRetry)
    fields = whole.model_dump(include=set(PublishRetry.model_fields))
    assert found == PublishRetry.model_validate({name: value for name, value in fields.items() if value is not None})


def test_a_dependency_takes_the_presets_of_timeout() -> None:
    assert Dependency.model_validate({"latency": 1, "timeout": "polly"}).timeout == 30.0


def test_a_given_field_wins_over_the_presets() -> None:
    found = scenario(retry={"preset": "resilience4j", "max_attempts": 5}).consumers["c"].retry
    assert found == Retry(max_attempts=5, backoff="fixed", base=0.5)


@pytest.mark.parametrize(
    ("policy", "given", "values"),
    [
        (
            "retry",
            {"preset": "kafkajs", "delays": [1]},
            {"max_attempts": 6, "delays": [1], "jitter": "proportional", "spread": 0.2},
        ),
        ("redelivery", {"preset": "masstransit-redelivery", "base": 1}, {"max_deliveries": 4, "base": 1}),
        ("breaker", {"preset": "resilience4j", "failures": 7}, {"size": 100, "failures": 7, "slow_call": 60.0}),
        ("breaker", {"preset": "polly", "window": "count"}, {"failure_rate": 0.1, "open_for": 5.0, "half_open_calls": 1}),
    ],
)
def test_what_contradicts_a_given_field_gives_way(policy: str, given: Any, values: Any) -> None:
    assert getattr(Consumer.model_validate({"topic": "t", policy: given}), policy) == SPECS[policy].model_validate(values)


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        ({"cost": 5}, {"tokens": 500, "cost": 5, "refund": 1, "timeout_cost": 14}),
        ({"ratio": 0.1}, {"ratio": 0.1}),
        ("none", None),
    ],
)
def test_a_table_inside_is_overridden_by_field_or_as_a_whole_if_it_is_of_another_form(given: Any, budget: Any) -> None:
    found = Consumer.model_validate({"topic": "t", "retry": {"preset": "aws-sdk-2026", "budget": given}}).retry
    assert found is not None
    assert found.budget == Retry.model_validate({"budget": budget}).budget
    assert found.base == 0.05


def test_a_resolved_scenario_holds_values_that_can_be_changed() -> None:
    system = scenario(retry="kafkajs", redelivery="nservicebus", profile="rabbitmq")
    data = system.resolved().to_dict()["consumers"]["c"]
    assert data["retry"]["max_attempts"] == 6
    assert (data["redelivery"]["immediate"], data["redelivery"]["through"]) == (5, "retry_topic")
    assert system.with_({"consumers.c.retry.max_attempts": 5}).consumers["c"].retry == Retry.model_validate(
        {**presets_of("retry")["kafkajs"].value, "max_attempts": 5}  # type: ignore[dict-item]
    )
    assert Scenario.from_dict(system.to_dict()) == system


def test_a_preset_and_a_field_of_it_can_be_set_together() -> None:
    system = scenario()
    for first in ("consumers.c.retry", "consumers.c.retry.preset"):
        changed = system.with_({first: "polly", "consumers.c.retry.max_attempts": 9})
        assert changed.consumers["c"].retry == Retry(max_attempts=9, backoff="fixed", base=2.0)
    assert system.with_({"consumers.c.retry": "polly"}).with_({"consumers.c.retry": "none"}) == system


def test_a_preset_is_not_given_to_what_there_is() -> None:
    with pytest.raises(BadScenario, match=r"consumers\.c\.retry\.preset: .*give the name to consumers\.c\.retry itself"):
        scenario(retry="kafkajs").with_({"consumers.c.retry.preset": "polly"})


def test_a_component_may_be_called_preset_or_like_a_policy() -> None:
    tables = scenario().to_dict()
    tables["consumers"] = dict.fromkeys(("preset", "retry"), tables["consumers"]["c"])
    changed = Scenario.from_dict(tables).with_({"consumers.preset.instances": 2, "consumers.retry.instances": 3})
    assert [consumer.instances for consumer in changed.consumers.values()] == [2, 3]


def test_the_manifest_of_a_run_holds_the_values(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(scenario().to_toml() + '[consumers.c.retry]\npreset = "aws-sdk-2026"\n', "utf-8")
    done = CliRunner().invoke(app, ["run", str(file), "--runs", "1", "--jobs", "1", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["scenario"]["consumers"]["c"]["retry"]["base"] == 0.05
    assert read(tmp_path / "out" / "manifest.json").data["consumers"]["c"]["retry"]["budget"]["cost"] == 14.0


def test_the_json_schema_admits_names_and_tables_with_them() -> None:
    parts = System.model_json_schema()["$defs"]
    for part, field in (("Consumer", policy) for policy in POLICIES):
        forms = parts[part]["properties"][field]["anyOf"]
        names = [form["enum"] for form in forms if "enum" in form]
        assert set(presets_of(field)) <= set(names[0]), field
        if field in SPECS:
            (table,) = [form for form in forms if form.get("required") == ["preset"]]
            assert set(table["properties"]) == {"preset", *SPECS[field].model_fields}
    assert {"retry", "timeout"} <= {
        field for field in parts["Dependency"]["properties"] if "polly" in str(parts["Dependency"]["properties"][field])
    }
    assert "polly" in str(parts["Producer"]["properties"]["retry"])


def test_a_spec_of_its_own_takes_values_alone() -> None:
    with pytest.raises(ValidationError):
        Retry.model_validate({"preset": "polly"})


# -- documentation and the command -------------------------------------------------------------------------------------


def test_the_page_of_the_documentation_is_the_table() -> None:
    assert page() == PAGE.read_text("utf-8"), f"renew it: {RENEW}"


def test_the_command_that_renews_the_page_prints_it() -> None:
    command, arrow, file = RENEW.partition(" > ")
    assert (arrow, PAGE.as_posix().endswith(file)) == (" > ", True)
    status, shown, _ = edasim(*shlex.split(command)[2:])
    assert (status, shown) == (0, page())


def test_a_line_of_the_page_can_be_put_into_a_scenario() -> None:
    """Its values are the preset's."""
    for preset in PRESETS:
        _, _, after = page().partition(f'\n### {preset.policy} = "{preset.name}"\n')
        (line,) = [line for line in after.partition("\n### ")[0].splitlines() if line.startswith("    ")]
        found = Consumer.model_validate({"topic": "t", **tomllib.loads(line)})
        assert getattr(found, preset.policy) == expected(preset)


def test_without_a_name_the_presets_are_listed_with_their_policies() -> None:
    status, shown, _ = edasim()
    assert status == 0
    words = " ".join(shown.split())
    assert all(name in words for name in LIBRARIES)
    assert "kafkajs retry, redelivery" in words


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_goes_by_a_name_is_printed_in_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, shown, _ = edasim(name)
    assert status == 0
    assert max(len(line) for line in shown.splitlines()) <= 80
    words = " ".join(shown.split())
    for preset in (preset for preset in PRESETS if preset.name == name):
        assert all(text in words for text in (preset.own, preset.source, preset.note))
        for field, value in preset.value.items() if isinstance(preset.value, Mapping) else ():
            assert f"{field} {value_text(value)}" in words


@pytest.mark.parametrize(("name", "hint"), [("reslience4j", "did you mean resilience4j?"), ("zzz", '"aws-sdk-2026"')])
def test_a_wrong_name_is_refused_with_the_nearest(name: str, hint: str) -> None:
    status, shown, said = edasim(name)
    assert (status, shown) == (2, "")
    assert f"{name}: no such preset; " in said
    assert hint in said


def test_a_page_of_one_preset_is_refused() -> None:
    status, _, said = edasim("polly", "--markdown")
    assert (status, said) == (2, "polly: --markdown prints all presets, without a name\n")
