"""The study of presets: its quick version says what its own table says, and what is known of budgets under overload."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.lab.study import Setup
from experiments.presets_compared import FEW, POLICIES, study
from models.presets import presets_of

BUDGETS = {"aws-sdk-standard", "aws-sdk-2026", "aws-sdk-2026-dynamodb", "grpc", "google-sre"}


def means(table: pd.DataFrame, metric: str, trouble: str) -> pd.Series:
    rows = table[(table["metric"] == metric) & (table["trouble"] == trouble)]
    return rows.set_index("preset")["mean"]


def test_every_preset_of_retry_is_compared() -> None:
    assert {name for name, policy in POLICIES.items() if "retry" in policy} == set(presets_of("retry"))
    assert all(name in presets_of(policy) for name, policies in POLICIES.items() for policy in policies)


@pytest.mark.long
def test_budgets_let_trouble_pass_and_patient_retries_hold_it() -> None:
    found = study(Setup(quick=True))
    assert set(found.figures) == {"outage", "overload"}
    assert found.table.loc[~found.table["censored"], ["mean", "n"]].notna().all(axis=None)
    recovery = found.table[(found.table["metric"] == "recovery") & (found.table["trouble"] == "overload")]
    stuck = set(recovery.loc[recovery["censored"], "preset"])
    assert stuck >= {
        "resilience4j",
        "polly",
        "polly-exponential",
        "kafkajs",
        "temporal",
        "nservicebus",
        "spring-kafka-retry-topic",
    }
    assert not stuck & {*BUDGETS, "masstransit"}
    (said,) = (line for line in found.finding.splitlines() if line.startswith("Overload"))
    assert f"and {len(stuck) - 4} more; of the others" in said
    given = means(found.table, "given_up", "overload").drop(list(stuck))
    assert f"of the others {given.idxmin()} gives up the fewest events" in said
    calls = means(found.table, "amplification", "overload")
    assert f"Most calls are made with {calls.idxmax()}" in said
    assert calls.idxmax() == "nservicebus"
    assert {name for name in calls.index if calls[name] <= FEW} == {*BUDGETS, "masstransit"}
    given = means(found.table, "given_up", "outage")
    assert given["temporal"] == 0.0
    recovery = found.table[(found.table["metric"] == "recovery") & (found.table["trouble"] == "outage")]
    held = set(recovery.loc[recovery["censored"], "preset"])
    assert {"polly", "kafkajs", "temporal"} <= held, "who is patient turns an outage into an overload"
    assert not held & {*BUDGETS, "masstransit", "resilience4j", "finagle"}
