"""LUTs of arithmetic: what single parts took when they were synthesised."""

import pytest

from pa_hdl.luts import (
    and_popcount_luts,
    digit_multiplier_luts,
    multiplier_luts,
    popcount_luts,
    popcount_pe_luts,
)

PAIRS = {1: 1, 2: 2, 3: 2, 4: 5, 8: 11, 9: 15, 12: 20, 16: 28, 24: 45, 27: 53, 32: 64, 64: 133}
TABLE = ((-8, -61, -99), (1, 10, 16))


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


def pe(simd, table=TABLE):
    return popcount_pe_luts(2, 3, 8, "onehot", simd, 14, table)


def test_a_processing_element_grows_with_its_lanes():
    sizes = [pe(simd) for simd in (1, 2, 4, 8, 16, 32, 64)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 64 * sizes[0], "wide ones share their adders"


def test_coefficients_decide():
    zero = ((0, 0, 0), (0, 0, 0))
    powers = ((1, 2, 4), (8, 16, 32))
    assert pe(8, zero) < pe(8, powers) < pe(8)
