"""Every metric of every case is compared with the simulator, or it is said why it cannot be."""

from __future__ import annotations

import pytest
import theory_brokers
import theory_calls
import theory_delivery
import theory_failures
import theory_limits
import theory_outages
import theory_queues
import theory_retries
from theory import CASES, Study, agree, exact_values

STUDIES: list[Study] = [
    *theory_queues.STUDIES,
    *theory_failures.STUDIES,
    *theory_outages.STUDIES,
    *theory_retries.STUDIES,
    *theory_delivery.STUDIES,
    *theory_limits.STUDIES,
    *theory_brokers.STUDIES,
    *theory_calls.STUDIES,
]

MISSING: dict[str, tuple[str, tuple[str, ...]]] = {
    "U05": ("paths are not built", ()),
    "D06": (
        "followers copy in order, and one run in a thousand loses nothing",
        ("mean_lost_exp", "sd_lost_exp", "p_no_loss_periodic"),
    ),
    "D08b": (
        "all of two or three nodes are lost too seldom; what goes with them is compared event by event",
        ("p_loss_at_quorum", "p_loss_all"),
    ),
    "D10": ("one look in 22,000 finds nothing", ("p_empty_poll",)),
    "S01": ("aggregates are not built", ()),
    "S03": ("sagas are not built", ()),
}
"""By case: what the simulator lacks, and for which metrics (all by default)."""


def missing(case: str) -> set[str]:
    """The metrics of a case that cannot be had."""
    return set(MISSING[case][1] or exact_values(case)) if case in MISSING else set()


@pytest.mark.parametrize("case", CASES)
def test_every_metric_has_a_study_or_a_reason(case: str) -> None:
    studied = {metric for study in STUDIES if study.case == case for metric in study.exact}
    assert studied | missing(case) == set(exact_values(case))
    assert not studied & missing(case)


@pytest.mark.parametrize("case", CASES)
def test_what_is_compared_in_full_is_what_is_compared(case: str) -> None:
    studies = [study for study in STUDIES if study.case == case]
    full = {metric for study in studies if study.full for metric in study.exact}
    assert full == {metric for study in studies for metric in study.exact}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_simulation_agrees_with_theory(study: Study) -> None:
    agree(study, study.quick)


@pytest.mark.long
@pytest.mark.parametrize("study", [study for study in STUDIES if study.full], ids=lambda study: study.name)
def test_simulation_agrees_with_theory_in_full(study: Study) -> None:
    assert study.full
    agree(study, study.full, full=True)


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.skip(reason=why)) for case, (why, _) in MISSING.items()])
def test_a_case_that_cannot_be_expressed_yet(case: str) -> None:
    """Stands for the cases that cannot be expressed."""
