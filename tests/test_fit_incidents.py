"""Incidents of the past become a renewal process that a scenario accepts, the time that was seen in part included."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments import fit
from experiments.lab.fit.laws import LAWS
from experiments.lab.fit.sample import Sample
from models import System
from simulator.distributions import Constant, Distribution, Exponential, Lognormal, Weibull, residual

GATEWAY: dict[str, Any] = {"target": "dependencies.gateway", "kind": "outage"}
SYSTEM = {
    "name": "s",
    "run": {"duration": "1d"},
    "producers": {"p": {"topic": "t", "arrivals": {"process": "poisson", "rate": 1}}},
    "consumers": {"payment": {"topic": "t", "service": "10ms", "dependencies": ["gateway"]}},
    "dependencies": {"gateway": {"latency": "1ms"}},
}
LIFE = Weibull(mean=3600, shape=0.7)
REPAIR = Lognormal(mean=300, cv=0.8)


def history(life: Distribution, repair: Distribution, until: float, seed: int) -> tuple[list[float], list[float]]:
    """Starts and ends of the incidents of a stationary renewal process over [0, until] that ended before it."""
    rng = np.random.default_rng(seed)
    starts, ends, now = [], [], residual(life, float(rng.random()))
    while True:
        down = repair.ppf(float(rng.random()))
        if now + down > until:
            return starts, ends
        starts.append(now)
        ends.append(now + down)
        now += down + life.ppf(float(rng.random()))


def test_the_true_laws_are_found_in_a_long_history() -> None:
    starts, ends = history(LIFE, REPAIR, 2e6, 1)
    found = fit.incidents(starts, ends, since=0, until=2e6, **GATEWAY)
    assert found.to_failure.best.dist == "weibull"
    assert found.to_repair.best.dist == "lognormal"
    weibull, lognormal = (next(law for law in LAWS if law.dist == dist) for dist in ("weibull", "lognormal"))
    for part, law, true in ((found.to_failure, weibull, (3600, 0.7)), (found.to_repair, lognormal, (300, 0.8))):
        bounds = part.sample.bounds(law, part.sample.likeliest(law), 0.99)
        assert all(low <= value <= high for value, (low, high) in zip(true, bounds, strict=True))
    assert found.availability == pytest.approx(3600 / 3900, abs=0.02)


def test_the_exponential_mean_is_time_up_over_failures() -> None:
    found = fit.incidents([10, 50, 100], [20, 60, 110], since=0, until=200, **GATEWAY)
    assert found.to_failure.best.spec == Exponential(mean=(10 + 30 + 40 + 90) / 3)
    assert found.availability == pytest.approx((170 / 3) / (170 / 3 + 10))


def test_the_exact_interval_of_the_exponential_holds_for_few_failures() -> None:
    missed = 0
    for seed in range(300):
        gaps = np.random.default_rng(seed).exponential(100, 4)
        sample = Sample(gaps[1:3], rest=gaps[:1], cut=gaps[3:] * 0)
        ((low, high),) = sample.bounds(LAWS[0], sample.likeliest(LAWS[0]), 0.95)
        missed += not low <= 100 <= high
    assert stats.binom.ppf(0.005, 300, 0.05) <= missed <= stats.binom.ppf(0.995, 300, 0.05)


def test_time_seen_in_part_takes_the_bias_out() -> None:
    """Short histories see short times whole and long ones in part: without --from and --to the rate comes out too high.

    Rates are averaged, as the mean time of a history with few failures is a ratio, and biased upwards by itself.
    """
    weibull = next(law for law in LAWS if law.dist == "weibull")
    known, unknown = [], []
    for seed in range(150):
        starts, ends = map(np.array, history(Weibull(mean=3600, shape=1.5), Constant(value=1), 12 * 3600, seed))
        whole = starts[1:] - ends[:-1]
        in_part = Sample(whole, rest=starts[:1], cut=np.array([12 * 3600 - ends[-1]]))
        known.append(3600 / in_part.likeliest(weibull)[0])
        unknown.append(3600 / Sample(whole).likeliest(weibull)[0])
    half = stats.norm.ppf(0.995) * np.std(known) / math.sqrt(len(known))
    assert abs(np.mean(known) - 1) < half + 0.01  # 1 % for the bias that maximum likelihood has with so few
    higher = np.subtract(unknown, known)
    assert np.mean(higher) > stats.norm.ppf(0.995) * np.std(higher) / math.sqrt(len(known))


@pytest.mark.parametrize("target", ["dependencies.gateway", "consumers.payment", "consumers.payment[0]"])
def test_the_table_to_paste_is_valid_in_a_scenario(target: str, tmp_path: Path) -> None:
    starts, ends = history(LIFE, REPAIR, 2e5, 2)
    found = fit.incidents(starts, ends, target=target, kind="outage" if "gateway" in target else "crash")
    found.save(tmp_path)
    for lines in (found.line, found.replay_line):
        system = System.from_dict({**SYSTEM, **tomllib.loads(lines)}, tmp_path)
        assert system.faults[0].targets == (target,)
    assert System.from_dict({**SYSTEM, **tomllib.loads(found.line)}).faults[0].together == (target == "consumers.payment")
    replayed = System.from_dict({**SYSTEM, **tomllib.loads(found.replay_line)}, tmp_path).faults[0].windows
    assert [duration for _, duration in replayed] == pytest.approx(
        [end - start for start, end in zip(starts, ends, strict=True)]
    )
    assert replayed[0][0] == 0


def test_the_pasted_fault_has_the_mean_times_of_the_fit() -> None:
    found = fit.incidents(*history(LIFE, REPAIR, 2e5, 2), **GATEWAY)
    fault = System.from_dict({**SYSTEM, **tomllib.loads(found.line)}).faults[0]
    assert fault.time_to_failure is not None
    assert fault.time_to_repair is not None
    assert fault.time_to_failure.mean == pytest.approx(found.to_failure.best.spec.mean, rel=1e-3)
    assert fault.time_to_repair.mean == pytest.approx(found.to_repair.best.spec.mean, rel=1e-3)


def test_incidents_that_overlap_or_touch_are_one() -> None:
    found = fit.incidents([50, 0, 5, 100, 110], [60, 10, 30, 110, 120], **GATEWAY)
    assert found.merged == 2
    assert found.windows.tolist() == [[0, 30], [50, 10], [100, 20]]
    assert found.to_failure.sample.whole.tolist() == [20, 40]


def test_few_incidents_give_the_exponential_law_alone() -> None:
    found = fit.incidents([10, 50, 100], [20, 61, 112], **GATEWAY)
    assert [each.dist for each in found.to_repair.fits] == ["exponential"]
    assert "3 values cannot tell its shape" in dict(found.to_repair.left_out)["weibull"]


@pytest.mark.parametrize(
    ("starts", "ends", "more", "said"),
    [
        ([0, 20], [10, 30], {}, "found 2 incidents"),
        ([], [], {}, "found 0 incidents"),
        ([0, 20, 40], [10, 20, 50], {}, "row 2 goes from 20 to 20 s; end must be later than start"),
        ([0, 20, math.nan], [10, 30, 50], {}, "row 3 goes from nan"),
        ([0, 20, 40], [10, 30, 50], {"since": 5}, "row 1 starts at 0 s, before the observation from 5 s on"),
        ([0, 20, 40], [10, 30, 50], {"until": 45}, "row 3 ends at 50 s, after the observation until 45 s"),
        ([0, 20, 40], [10, 30, 50], {"target": "brokers.x"}, "target: found .brokers.x.; must be one of .consumers.NAME."),
        ([0, 20, 40], [10, 30, 50], {"kind": "slowdown"}, "kind: found .slowdown. of dependencies.gateway"),
    ],
)
def test_incidents_that_cannot_be_are_refused(starts: list[float], ends: list[float], more: dict[str, Any], said: str) -> None:
    with pytest.raises(fit.BadDataError, match=said):
        fit.incidents(starts, ends, **{**GATEWAY, **more})
