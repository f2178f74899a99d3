"""LUTs of arithmetic: what single parts took when they were synthesised."""

import pytest

from pa_hdl.luts import (
    and_popcount_luts,
    digit_multiplier_luts,
    multiplier_luts,
    pair_luts,
    popcount_luts,
)

PAIRS = {1: 1, 2: 2, 3: 2, 4: 5, 8: 11, 9: 15, 12: 20, 16: 28, 24: 45, 27: 53, 32: 64, 64: 133}


@pytest.mark.parametrize("bits", PAIRS)
def test_counting_pairs(bits):
    assert and_popcount_luts(bits) == pytest.approx(PAIRS[bits], abs=1)


@pytest.mark.parametrize(("bits", "luts"), [(1, 0), (2, 2), (5, 3), (6, 3), (7, 4), (12, 9)])
def test_counting_bits(bits, luts):
    assert popcount_luts(bits) == pytest.approx(luts, abs=1)


@pytest.mark.parametrize(
    ("bits", "signed", "luts"),
    [(4, False, 54), (8, False, 110), (10, False, 139), (12, False, 164), (8, True, 134),
     (9, True, 151)],
)  # fmt: skip
def test_multipliers(bits, signed, luts):
    assert multiplier_luts(8, bits, signed=signed) == pytest.approx(luts, rel=0.03)


def test_digit_multiplier():
    """Scalers of 16 by 16 bits took 293 each, and of 13 bits by constants 104."""
    assert digit_multiplier_luts(16, 16, 26, 28) == pytest.approx(293, rel=0.1)
    assert digit_multiplier_luts(13, 16, 26, 28, constant=True) == pytest.approx(104, rel=0.1)
    assert digit_multiplier_luts(16, 16, 26, 12) < digit_multiplier_luts(16, 16, 26, 28)


@pytest.mark.parametrize("bits", PAIRS)
def test_counts_are_groups_and_adders(bits):
    assert sum(pair_luts(bits)) == and_popcount_luts(bits)
    assert (pair_luts(bits)[1] == 0) == (bits <= 9)
