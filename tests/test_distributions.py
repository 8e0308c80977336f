"""Every law has the mean and the quantiles of its formula, and refuses what is impossible."""

import math
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, special, stats

from simulator.columns import read_column
from simulator.distributions import (
    KINDS,
    Constant,
    Dist,
    Distribution,
    Empirical,
    Gamma,
    Hyperexponential,
    Lognormal,
    Pareto,
    Weibull,
)
from simulator.spec import Spec
from simulator.streams import Stream

LAST = 1 - 2.0**-53
ANY: TypeAdapter[Distribution] = TypeAdapter(Dist)


class Holder(Spec):
    service: Dist = Constant(value=0)


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301


def lognormal_p99(mean: float, p99: float) -> Any:
    z = stats.norm.ppf(0.99)
    sigma = z - math.sqrt(z * z - 2 * math.log(p99 / mean))
    return stats.lognorm(sigma, scale=mean * math.exp(-sigma * sigma / 2))


# A law as it is written, and an independent statement of it.
LAWS: list[tuple[dict[str, Any], Any]] = [
    ({"dist": "uniform", "low": "1s", "high": "3s"}, stats.uniform(1, 2)),
    ({"dist": "uniform", "low": 0, "high": 0.5}, stats.uniform(0, 0.5)),
    ({"dist": "exponential", "mean": "9ms"}, stats.expon(scale=0.009)),
    ({"dist": "lognormal", "mean": 3, "cv": 0.5}, stats.lognorm(math.sqrt(math.log(1.25)), scale=3 / math.sqrt(1.25))),
    ({"dist": "lognormal", "mean": 20, "cv": 1.0}, stats.lognorm(math.sqrt(math.log(2)), scale=20 / math.sqrt(2))),
    ({"dist": "lognormal", "mean": "40ms", "p99": "250ms"}, lognormal_p99(0.04, 0.25)),
    ({"dist": "gamma", "mean": "15ms", "cv": 0.5}, stats.gamma(4, scale=0.015 / 4)),
    ({"dist": "gamma", "mean": 2.0, "cv": 2.0}, stats.gamma(0.25, scale=8)),
    ({"dist": "weibull", "mean": "30m", "shape": 0.7}, stats.weibull_min(0.7, scale=1800 / special.gamma(1 + 1 / 0.7))),
    ({"dist": "weibull", "mean": 1.0, "shape": 3}, stats.weibull_min(3, scale=1 / special.gamma(4 / 3))),
    ({"dist": "pareto", "mean": 1.0, "alpha": 2.5}, stats.pareto(2.5, scale=0.6)),
]
MIXTURES = [
    Hyperexponential(means=(1, 10), weights=(0.9, 0.1)),
    Hyperexponential(means=(0.001, 1, 10_000), weights=(90, 10, 1e-4)),
    Hyperexponential(means=(5,), weights=(3,)),
    Hyperexponential(means=(1, 1.001), weights=(1, 1)),
]
ALL = [ANY.validate_python(written) for written, _ in LAWS] + MIXTURES + [Constant(value=0.25), Constant(value=0)]


@pytest.fixture
def durations(tmp_path: Path) -> Path:
    path = tmp_path / "durations.csv"
    path.write_text("who,seconds\na,3\nb,1\nc,2.5\nd,0\n")
    return path


@pytest.mark.parametrize(("written", "law"), LAWS, ids=lambda law: law["dist"] if isinstance(law, dict) else "")
def test_quantiles_are_those_of_the_formula(written: dict[str, Any], law: Any) -> None:
    spec = ANY.validate_python(written)
    for u in (1e-6, 0.01, 0.3, 0.5, 0.9, 0.99, 0.999999):
        assert spec.ppf(u) == pytest.approx(law.ppf(u), rel=1e-11)
    assert spec.mean == pytest.approx(law.mean(), rel=1e-12)


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("u", [2.0**-53, 1e-9, 0.01, 0.5, 0.899, 0.9, 0.901, 0.99, 0.9999995, 1 - 1e-9, LAST])
def test_quantiles_of_a_hyperexponential_solve_its_distribution_function(mixture: Hyperexponential, u: float) -> None:
    t = mixture.ppf(u)
    parts = list(zip(mixture.weights, mixture.means, strict=True))
    below = -math.fsum(weight * math.expm1(-t / mean) for weight, mean in parts)
    above = math.fsum(weight * math.exp(-t / mean) for weight, mean in parts)
    assert below == pytest.approx(u, rel=1e-13)
    assert above == pytest.approx(1 - u, rel=1e-13)


@pytest.mark.parametrize("spec", ALL, ids=repr)
def test_the_mean_is_the_integral_of_the_quantiles(spec: Distribution) -> None:
    edges = [0, 1e-3, 0.1, 1, 3, 8, 14, 20, 36.7]
    total = sum(
        integrate.quad(lambda y: spec.ppf(-math.expm1(-y)) * math.exp(-y), low, high, limit=200)[0]
        for low, high in pairwise(edges)
    )
    assert total == pytest.approx(spec.mean, rel=1e-6)


@pytest.mark.parametrize("spec", [*ALL[: len(LAWS)], MIXTURES[0]], ids=repr)
def test_draws_have_the_mean_within_the_99_percent_interval(spec: Distribution) -> None:
    draws = spec.ppf_array(Stream(seed=7, replication=0, name=repr(spec)).block(1, 0, 100_000))
    half_width = 2.576 * draws.std() / math.sqrt(draws.size)
    assert half_width < 0.03 * spec.mean
    assert abs(draws.mean() - spec.mean) < half_width


@pytest.mark.parametrize("spec", ALL, ids=repr)
def test_one_draw_and_a_block_of_draws_agree(spec: Distribution) -> None:
    u = np.concatenate([[0.0, 2.0**-53, LAST], np.random.default_rng(3).random(997)]).reshape(10, 100)
    block = spec.ppf_array(u)
    single = [spec.ppf(float(x)) for x in u.ravel()]
    assert block.shape == u.shape
    assert block.dtype == np.float64
    assert {type(x) for x in single} == {float}
    np.testing.assert_allclose(block.ravel(), single, rtol=1e-12, atol=0)


EXTREME = [
    Lognormal(mean=1, cv=100),
    Lognormal(mean=1, cv=1e-9),
    Lognormal(mean=1, p99=14.96),
    Gamma(mean=1, cv=100),
    Gamma(mean=1, cv=1e-9),
    Weibull(mean=1, shape=0.01),
    Weibull(mean=1, shape=1e6),
    Pareto(mean=1, alpha=1 + 1e-12),
    Pareto(mean=1, alpha=1e300),
    Hyperexponential(means=(1e-6, 1e6), weights=(0.5, 0.5)),
]


@pytest.mark.parametrize("spec", ALL + EXTREME, ids=repr)
def test_quantiles_are_finite_and_never_fall_over_the_whole_range_of_u(spec: Distribution) -> None:
    u = np.array([0, 2.0**-53, 1e-9, 0.1, 0.5, 0.9, 1 - 1e-9, LAST])
    quantiles = spec.ppf_array(u)
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles) >= 0).all()
    assert math.copysign(1, spec.ppf(0.0)) == 1
    assert math.isfinite(spec.ppf(LAST))


@pytest.mark.parametrize("ratio", [1.000001, 1.1, 4.5, 6.25, 14.9, 14.96])
def test_a_lognormal_by_p99_hits_it_with_the_smaller_sigma(ratio: float) -> None:
    spec = Lognormal(mean=0.04, p99=0.04 * ratio)
    assert spec.ppf(0.99) == pytest.approx(0.04 * ratio, rel=1e-12)
    assert spec.sigma < 2.3264
    assert spec.mean == 0.04


def refusal(written: object, **context: object) -> str:
    with pytest.raises(ValidationError) as caught:
        ANY.validate_python(written, context=context)
    return "\n".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors())


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"dist": "lognormal", "mean": 1, "p99": 1}, "p99 / mean must lie within (1, 14.97); it is 1"),
        ({"dist": "lognormal", "mean": "1s", "p99": "15s"}, "p99 / mean must lie within (1, 14.97); it is 15"),
        ({"dist": "lognormal", "mean": 1}, "exactly one of cv and p99"),
        ({"dist": "lognormal", "mean": 1, "cv": 1, "p99": 2}, "exactly one of cv and p99"),
        ({"dist": "lognormal", "mean": 1, "cv": 0}, "cv: Input should be greater than 0"),
        ({"dist": "lognormal", "mean": 1, "cv": 101}, "cv: Input should be less than or equal to 100"),
        ({"dist": "uniform", "low": 2, "high": "1s"}, "low must be below high; they are 2 s and 1 s"),
        ({"dist": "uniform", "low": 1, "high": 1}, "low must be below high"),
        ({"dist": "uniform", "low": -1, "high": 1}, "low: Value error, must be a duration such as"),
        ({"dist": "exponential", "mean": 0}, "mean: Input should be greater than 0"),
        ({"dist": "exponential"}, "mean: Field required"),
        ({"dist": "exponential", "mean": 1, "rate": 1}, "rate: Extra inputs are not permitted"),
        ({"dist": "gamma", "mean": "1 parsec", "cv": 1}, "mean: Value error, must be a duration such as"),
        ({"dist": "gamma", "mean": 1, "cv": True}, "cv: Input should be a valid number"),
        ({"dist": "weibull", "mean": 1, "shape": 0}, "shape: Input should be greater than or equal to 0.01"),
        ({"dist": "pareto", "mean": 1, "alpha": 1}, "alpha: Input should be greater than 1"),
        ({"dist": "hyperexponential", "means": [1], "weights": [1, 2]}, "1 means and 2 weights"),
        ({"dist": "hyperexponential", "means": [], "weights": []}, "at least 1 item"),
        ({"dist": "hyperexponential", "means": [1, 0], "weights": [1, 1]}, "means.1: Input should be greater than 0"),
        ({"dist": "hyperexponential", "means": [1, 2], "weights": [1, 0]}, "weights.1: Input should be greater"),
        ({"dist": "constant", "value": -1}, "value: Value error, must be a duration such as"),
        ("250 parsec", 'must be a duration such as 0.25, "250ms" or "1h30m"'),
        (None, "or a table with dist, one of constant, uniform"),
        ({"mean": 1}, "or a table with dist, one of constant, uniform"),
    ],
)
def test_impossible_parameters_are_refused(written: object, message: str) -> None:
    assert message in refusal(written)


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    message = refusal({"dist": "lognorm", "mean": 1})
    assert "lognorm" in message
    assert len(KINDS) == 9
    assert all(repr(kind) in message for kind in KINDS)


@pytest.mark.parametrize("bare", [0, 0.25, "250ms", "1h30m"])
def test_a_bare_duration_is_a_constant_and_is_written_back_as_a_number(bare: object) -> None:
    holder = Holder(service=bare)
    assert isinstance(holder.service, Constant)
    assert holder == Holder.model_validate({"service": {"dist": "constant", "value": bare}})
    assert holder.model_dump() == {"service": holder.service.value}
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


@pytest.mark.parametrize("spec", ALL, ids=repr)
def test_a_law_is_a_value_that_survives_dumping_and_pickling(spec: Distribution) -> None:
    spec.ppf(0.5)  # what a draw remembers is no part of the value
    holder = Holder(service=spec)
    for again in (
        Holder.model_validate(holder.model_dump()),
        Holder.model_validate_json(holder.model_dump_json(exclude_none=True)),
        through_pickle(holder),
    ):
        assert again == holder
        assert hash(again) == hash(holder)
        assert again.service.ppf(0.3) == spec.ppf(0.3)
    assert spec != Constant(value=77)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec, "dist", "other")  # noqa: B010 (a read-only property to the type checker)


def test_weights_are_scaled_to_one_and_stay_so() -> None:
    spec = Hyperexponential(means=(1, 2, 3), weights=(1, 2, 4))
    assert spec.weights == (1 / 7, 2 / 7, 4 / 7)
    assert spec.mean == pytest.approx(17 / 7, rel=1e-15)
    for seed in range(200):
        raw = tuple(np.random.default_rng(seed).random(5) + 1e-3)
        once = Hyperexponential(means=(1, 2, 3, 4, 5), weights=raw)
        assert Hyperexponential(means=once.means, weights=once.weights) == once


def test_the_schema_allows_a_bare_duration_or_a_table() -> None:
    bare, table = ANY.json_schema()["anyOf"]
    assert bare["examples"] == [0.25, "250ms", "1h30m"]
    assert set(table["discriminator"]["mapping"]) == set(KINDS)


def test_an_empirical_law_steps_through_the_sorted_values(durations: Path) -> None:
    spec = Empirical(file=str(durations), column="seconds")
    expected = {0.0: 0, 0.1: 0, 0.25: 0, 0.26: 1, 0.5: 1, 0.51: 2.5, 0.75: 2.5, 0.76: 3, LAST: 3}
    assert [spec.ppf(u) for u in expected] == list(expected.values())
    assert spec.ppf_array(np.array(list(expected))).tolist() == list(expected.values())
    assert spec.mean == 1.625
    assert type(spec.ppf(0.3)) is float


def test_an_empirical_file_is_relative_to_the_base_and_remembered_whole(
    durations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = {"dist": "empirical", "file": "durations.csv", "column": "seconds"}
    spec = ANY.validate_python(written, context={"base": tmp_path})
    assert ANY.validate_python(ANY.dump_python(spec)) == spec
    monkeypatch.chdir(tmp_path)
    assert ANY.validate_python(written) == spec
    assert hash(ANY.validate_python(written)) == hash(spec)
    travelled = through_pickle(spec)
    durations.write_text("who,seconds\na,9\n")
    assert travelled == spec
    assert travelled.ppf(LAST) == 3
    assert ANY.validate_python(written) != spec


def test_parquet_and_csv_give_the_same_law(durations: Path, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "durations.parquet"
    parquet.write_table(pyarrow.table({"seconds": [3, 1, 2.5, 0], "who": list("abcd")}), path)
    u = np.linspace(0, 0.999, 50)
    from_csv, from_parquet = (Empirical(file=str(file), column="seconds") for file in (durations, path))
    assert from_csv.ppf_array(u).tolist() == from_parquet.ppf_array(u).tolist()
    assert from_csv.mean == from_parquet.mean
    with pytest.raises(ValueError, match=r"'durations.parquet' has no column 'x'; it has seconds, who"):
        read_column(path, "x")
    with pytest.raises(ValueError, match="finite numbers; its row 1 has 'a'"):
        read_column(path, "who")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.csv", None, "there is no file 'd.csv' in"),
        ("d.txt", b"s\n1\n", "'d.txt' must be a .csv or .parquet file"),
        ("d.csv", b"t,u\n1,2\n", "'d.csv' has no column 's'; it has t, u"),
        ("d.csv", b"", "'d.csv' has no column 's'; it has none"),
        ("d.csv", b"s\n", "column 's' of 'd.csv' is empty"),
        ("d.csv", b"s\n1\nslow\n", "'d.csv' must hold finite numbers; its row 2 has 'slow'"),
        ("d.csv", b"s,t\n1,2\n,3\n", "its row 2 has ''"),
        ("d.csv", b"t,s\n1,2\n1\n", "its row 2 has None"),
        ("d.csv", b"s\nnan\n", "its row 1 has 'nan'"),
        ("d.csv", b"s\n1\n-1\n", "column 's' must hold durations: none negative, and not all 0"),
        ("d.csv", b"s\n0\n0\n", "none negative, and not all 0"),
        ("d.csv", b"\xff\xfe\x00", "'d.csv' cannot be read as CSV"),
        ("d.csv", b's\n"' + b"9" * 200_000 + b'"\n', "'d.csv' cannot be read as CSV"),
        ("d.parquet", b"PAR1 not at all PAR1", "'d.parquet' cannot be read as Parquet"),
    ],
)
def test_a_bad_empirical_file_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert message in refusal({"dist": "empirical", "file": name, "column": "s"}, base=tmp_path)


@pytest.mark.parametrize("name", ["", ".", "a\0b.csv", "x" * 5000 + ".csv"])
def test_a_name_that_cannot_be_a_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "there is no file" in refusal({"dist": "empirical", "file": name, "column": "s"}, base=tmp_path)


def test_empirical_laws_are_equal_by_what_they_hold_before_and_after_a_draw(tmp_path: Path) -> None:
    file, other = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text("s\n1\n2\n")
    other.write_text("s\n1\n3\n")
    one, same = (ANY.validate_python({"dist": "empirical", "file": str(file), "column": "s"}) for _ in range(2))
    assert one == same
    assert (one.ppf(0.9), same.ppf(0.9)) == (2.0, 2.0)
    assert one == same
    assert hash(one) == hash(same)
    assert one != ANY.validate_python({"dist": "empirical", "file": str(other), "column": "s"})
