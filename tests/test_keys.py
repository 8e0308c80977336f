"""Keys follow their law, and partitions share them evenly."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from models.keys import Keys, UniformKeys, ZipfKeys, partition_of, partitions_of
from simulator.streams import Stream

KEYS = TypeAdapter(Keys)
LUCK = Stream(1, 0, "producers.shop/key").block(7, 0, 100_000)


def test_zipf_frequencies_follow_the_power_law():
    """Chi-square at the 99 % level, 50 keys."""
    keys = ZipfKeys(count=50, exponent=1.1)
    weights = np.arange(1, 51) ** -1.1
    observed = np.bincount(keys.numbers(LUCK), minlength=50)
    assert stats.chisquare(observed, LUCK.size * weights / weights.sum()).pvalue > 0.01


def test_uniform_keys_are_equally_likely():
    """Chi-square at the 99 % level, 64 keys."""
    observed = np.bincount(UniformKeys(count=64).numbers(LUCK), minlength=64)
    assert observed.size == 64
    assert stats.chisquare(observed).pvalue > 0.01


@pytest.mark.parametrize("keys", [UniformKeys(count=1000), ZipfKeys(count=1000, exponent=0.9)])
def test_one_draw_equals_the_draw_of_a_block(keys):
    assert [keys.number(float(u)) for u in LUCK[:500]] == keys.numbers(LUCK[:500]).tolist()


@pytest.mark.parametrize("count", [1, 3, 1000, 2**20, 2**31 - 1])
def test_the_highest_number_gives_the_last_key(count):
    top = 1 - 2.0**-53
    assert UniformKeys(count=count).number(0.0) == 0
    assert UniformKeys(count=count).number(top) == count - 1
    if count <= 1000:
        assert ZipfKeys(count=count, exponent=2).number(top) == count - 1


def test_an_exponent_of_zero_is_uniform():
    np.testing.assert_allclose(ZipfKeys(count=8, exponent=0).table(), np.arange(1, 9) / 8, rtol=1e-15)


def test_a_bigger_exponent_keeps_the_luck_and_moves_it_to_hotter_keys():
    mild, steep = (ZipfKeys(count=100, exponent=s).numbers(LUCK) for s in (0.8, 1.2))
    assert (steep <= mild).all()
    assert (steep < mild).any()


def test_the_table_cannot_be_changed_by_who_reads_it():
    with pytest.raises(ValueError, match="read-only"):
        ZipfKeys(count=3, exponent=1).table()[0] = 1


def test_partitions_share_the_keys_evenly():
    """Chi-square at the 99 % level, 12 partitions; key numbers in a row are the worst case of a weak hash."""
    partitions = partitions_of(np.arange(60_000), 12)
    assert stats.chisquare(np.bincount(partitions, minlength=12)).pvalue > 0.01


def test_one_key_hashes_as_in_a_block():
    keys = np.array([0, 1, 2, 999, 2**40])
    assert [partition_of(int(key), 7) for key in keys] == partitions_of(keys, 7).tolist()


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"dist": "uniform", "count": 0}, "count"),
        ({"dist": "uniform", "count": True}, "count"),
        ({"dist": "uniform", "count": 10, "exponent": 1}, "exponent"),
        ({"dist": "zipf", "count": 10}, "exponent"),
        ({"dist": "zipf", "count": 10, "exponent": -1}, "exponent"),
        ({"dist": "zipf", "count": 10, "exponent": float("inf")}, "exponent"),
    ],
)
def test_impossible_keys_are_refused(bad, field):
    with pytest.raises(ValidationError) as refusal:
        KEYS.validate_python(bad)
    assert [error["loc"][-1] for error in refusal.value.errors()] == [field]


def test_keys_are_read_by_the_name_of_their_law():
    assert KEYS.validate_python({"dist": "zipf", "count": 10, "exponent": 1}) == ZipfKeys(count=10, exponent=1.0)
