"""Durations, sizes and fractions as they are written and shown."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from simulator.spec import Spec
from simulator.units import (
    Duration,
    Fraction,
    PositiveDuration,
    Size,
    format_duration,
    format_number,
    format_rate,
    format_share,
    format_value,
    parse_duration,
    parse_size,
)


class Example(Spec):
    wait: Duration = 0.0
    period: PositiveDuration = 1.0
    size: Size = 0.0
    share: Fraction = 0.0


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (0.25, 0.25),
        (7, 7.0),
        (np.float64(1.5), 1.5),
        (np.int64(3), 3.0),
        ("250ms", 0.25),
        ("9ms", 0.009),
        ("1.1ms", 0.0011),
        ("7us", 7e-6),
        ("3ns", 3e-9),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("0s", 0.0),
        ("30m", 1800.0),
        ("30min", 1800.0),
        ("1h30m", 5400.0),
        ("2m 30s", 150.0),
        (" 2 m 30 s ", 150.0),
        ("1d", 86_400.0),
        ("2w", 1_209_600.0),
        ("1d2h3m4s5ms", 93_784.005),
    ],
)
def test_a_duration_is_read_to_the_float_that_its_seconds_would_be(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds
    assert Example(wait=written).wait == seconds
    assert type(parse_duration(written)) is float


@pytest.mark.parametrize(
    "written",
    [
        -1,
        -1e-9,
        math.nan,
        math.inf,
        True,
        False,
        None,
        [],
        10**400,
        1j,
        "",
        " ",
        "5",
        "ms",
        "-5s",
        "5 parsecs",
        "5S",
        "1,5s",
        "1.2.3s",
        "1e3s",
        "1m30",
        "30m1h",
        "1m1min",
        "inf",
        "nan s",
        "1s\0",
        "٣s",
        pytest.param("9" * 2_000_000 + "w", id="2 MB of digits"),
    ],
)
def test_what_is_no_duration_is_refused_and_told_what_is(written: object) -> None:
    with pytest.raises(ValueError, match=r'a duration such as 0.25, "250ms" or "1h30m"'):
        parse_duration(written)
    with pytest.raises(ValidationError, match="a duration such as"):
        Example(wait=written)


def test_a_positive_duration_refuses_zero() -> None:
    assert Example(period="1ms").period == 0.001
    with pytest.raises(ValidationError, match="greater than 0"):
        Example(period="0ms")


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (1024, 1024),
        (1.5, 1.5),
        ("10B", 10),
        ("64KiB", 65_536),
        ("64 KiB", 65_536),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1MB", 10**6),
        ("1.5MiB", 1_572_864),
        ("10GB", 10**10),
        ("2GiB", 2**31),
        ("1TB", 10**12),
        ("1PiB", 2**50),
    ],
)
def test_a_size_is_read_in_decimal_and_binary_units(written: object, size: float) -> None:
    assert parse_size(written) == size
    assert Example(size=written).size == size


@pytest.mark.parametrize("written", [-1, math.nan, math.inf, True, "", "64", "64K", "64kib", "-1MB", "1MB1kB", "9" * 101 + "B"])
def test_what_is_no_size_is_refused_and_told_what_is(written: object) -> None:
    with pytest.raises(ValueError, match='a size such as 1024, "64KiB" or "10GB"'):
        parse_size(written)


@pytest.mark.parametrize("share", [-0.01, 1.01, math.nan, True, "0.5", "50%", None])
def test_a_fraction_is_a_number_between_0_and_1(share: Any) -> None:
    assert [Example(share=edge).share for edge in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    with pytest.raises(ValidationError):
        Example(share=share)


def test_the_schema_of_a_duration_allows_numbers_and_texts_with_examples() -> None:
    fields = Example.model_json_schema()["properties"]
    for name in ("wait", "period", "size"):
        assert [form["type"] for form in fields[name]["anyOf"]] == ["number", "string"]
        assert len(fields[name]["examples"]) == 3
    assert fields["wait"]["anyOf"][0]["minimum"] == 0
    assert fields["period"]["anyOf"][0]["exclusiveMinimum"] == 0
    adapter: TypeAdapter[float] = TypeAdapter(Duration)
    for example in fields["wait"]["examples"]:
        adapter.validate_python(example)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (-0.0, "0 s"),
        (2.5e-9, "2.5 ns"),
        (12e-6, "12 us"),
        (0.0012, "1.2 ms"),
        (0.00099996, "1 ms"),
        (0.25, "250 ms"),
        (0.99951, "1 s"),
        (1.5, "1.5 s"),
        (45.26, "45.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (134, "2 min 14 s"),
        (3599.4, "59 min 59 s"),
        (3599.7, "1 h"),
        (5400, "1 h 30 min"),
        (86_399, "1 d"),
        (273_600, "3 d 4 h"),
        (1e9, "11,574 d 2 h"),
        (-134, "-2 min 14 s"),
        (math.inf, "inf s"),
        (math.nan, "nan s"),
    ],
)
def test_a_duration_is_shown_in_the_units_people_say(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.01234, "0.0123"),
        (12.34, "12.3"),
        (100, "100"),
        (999.7, "1,000"),
        (1234, "1,230"),
        (181_934.2, "182,000"),
        (-1234, "-1,230"),
        (1e-7, "1e-07"),
        (1e17, "1e+17"),
    ],
)
def test_a_number_is_shown_with_three_significant_digits(number: float, shown: str) -> None:
    assert format_number(number) == shown


def test_a_value_is_shown_by_its_unit() -> None:
    shown = [format_value(0.25, unit) for unit in ("s", "1", "count", "share", "1/s")]
    assert shown == ["250 ms", "0.25", "0.25", "25 %", "0.25 /s"]
    assert format_share(0.0031) == "0.31 %"
    assert format_share(0.12) == "12 %"
    assert format_rate(1000) == "1,000 /s"
    with pytest.raises(KeyError):
        format_value(1.0, "furlong")
