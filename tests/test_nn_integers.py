"""Every rounding of the export against exact rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pa_nn import golden
from pa_nn.integers import (
    Affine,
    batch_norm,
    fold_thresholds,
    phi_table,
    rescale,
)

LEVELS = st.floats(-4, 4, width=32)
GAMMAS = st.one_of(
    st.floats(-2, 2, width=32),
    st.sampled_from([0.0, -0.0, 1e-30, -1e-30, 2.0**-149, -(2.0**-149), 1e-6, -1e-6]),
)


@given(st.lists(LEVELS, min_size=1, max_size=8), st.lists(LEVELS, min_size=1, max_size=7))
def test_phi_is_the_nearest_integer_of_an_exact_scale(alpha, beta):
    phi, scale = phi_table(alpha, beta, 8)
    assert not phi[0].any()
    assert not phi[:, 0].any()
    products = [[Fraction(a) * Fraction(b) for b in beta] for a in alpha]
    largest = max(abs(p) for row in products for p in row)
    if largest == 0:
        assert scale == 0.0
        assert not phi.any()
        return
    exact = largest / 127
    assert scale == float(exact)
    assert np.abs(phi).max() == 127
    for i, row in enumerate(products):
        for j, product in enumerate(row):
            assert abs(int(phi[i + 1, j + 1]) - product / exact) <= Fraction(1, 2)


def test_phi_rounds_half_to_even():
    phi, scale = phi_table([127.0, 0.5, 1.5, -0.5, 2.5], [1.0], 8)
    assert scale == 1.0
    assert phi[1:, 1].tolist() == [127, 0, 2, 0, 2]


@pytest.mark.parametrize("bits", [1, 32, 8.0, True])
def test_phi_bits_out_of_range(bits):
    with pytest.raises(ValueError, match=r"phi_bits must be from 2 to 31, not "):
        phi_table([1.0], [1.0], bits)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_levels_must_be_finite(bad):
    with pytest.raises(ValueError, match=f"alpha must be finite, not {bad}"):
        phi_table([1.0, bad], [1.0], 8)


@given(
    endpoints=st.lists(st.floats(2**-10, 4, width=32), min_size=1, max_size=6).map(sorted),
    gamma=GAMMAS,
    shift=st.floats(-3, 3, width=32),
    mean=st.floats(-30, 30, width=32),
    variance=st.floats(0, 100, width=32),
    bias=st.floats(-5, 5, width=32),
    scale=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-300])),
    low=st.integers(-2000, 0),
    span=st.integers(0, 4000),
)
@settings(max_examples=200, deadline=None)
def test_folding_is_exact_on_every_integer_near_a_threshold(
    endpoints, gamma, shift, mean, variance, bias, scale, low, span
):
    """Batch normalisation of any gamma: negative, zero, tiny."""
    high, eps = low + span, 1e-5
    values = Affine.of(scale, [bias]).then(batch_norm([gamma], [shift], [mean], [variance], eps))
    thresholds, flip = fold_thresholds(endpoints, values, np.array([[low, high]]))
    sigma = Fraction(math.sqrt(variance + eps))
    near = {low, high}
    for t in thresholds[0].tolist():
        near |= {x for x in range(t - 3, t + 4) if low <= x <= high}
    for acc in sorted(near):
        real = Fraction(scale) * acc + Fraction(bias) - Fraction(mean)
        real = Fraction(gamma) * real / sigma + Fraction(shift)
        expected = sum(real >= Fraction(v) for v in endpoints)
        code = golden.activation_codes(torch.full((1, 1, 1), acc), thresholds, flip)
        assert int(code) == expected
    order = -1 if flip[0] else 1
    assert (np.diff(thresholds[0]) * order >= 0).all()
    lowest, highest = (low - 1, high) if flip[0] else (low, high + 1)
    assert lowest <= thresholds.min()
    assert thresholds.max() <= highest


@pytest.mark.parametrize("gamma", [1.0, -1.0, 0.0, 1e-6])
def test_endpoints_above_the_cap_are_out_of_reach(gamma):
    """Codes of ``min(real, 6)``, on every integer."""
    values = Affine.of(0.25, [0.5]).then(batch_norm([gamma], [6.5], [0.0], [1.0], 0.0))
    endpoints = [1.0, 6.0, 6.25, 7.0]
    thresholds, flip = fold_thresholds(endpoints, values, np.array([[-60, 60]]), cap=6.0)
    for acc in range(-60, 61):
        real = min(values.slope[0] * acc + values.offset[0], Fraction(6))
        expected = sum(real >= Fraction(v) for v in endpoints)
        code = golden.activation_codes(torch.full((1, 1, 1), acc), thresholds, flip)
        assert int(code) == expected


def test_folding_needs_ascending_endpoints():
    values = Affine.of(1.0, [0.0])
    with pytest.raises(ValueError, match=r"must ascend, not \[2.0, 1.0\]"):
        fold_thresholds([2.0, 1.0], values, np.array([[0, 9]]))
    with pytest.raises(ValueError, match="must be finite, not nan"):
        fold_thresholds([math.nan], values, np.array([[0, 9]]))


def test_variance_must_be_positive():
    with pytest.raises(ValueError, match=r"must be above 0, not -1\.0"):
        batch_norm([1.0], [0.0], [0.0], [-1.0], 0.0)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=4),
    st.floats(1e-4, 100),
    st.integers(10, 20),
)
@settings(deadline=None)
def test_rescale_takes_the_largest_shift_that_fits(slopes, unit, mult_bits):
    values = Affine.of(slopes, [0.75] * len(slopes))
    limit = 2 ** (mult_bits - 1) - 1

    def mults(shift):
        return [round(Fraction(m) / Fraction(unit) * 2**shift) for m in slopes]

    def fits(shift):
        return max(map(abs, mults(shift))) <= limit

    if not fits(0):
        with pytest.raises(ValueError, match=f"does not fit ±{limit}, the limit of {mult_bits}"):
            rescale(values, unit, mult_bits)
        return
    mult, bias, shift = rescale(values, unit, mult_bits)
    assert mult.tolist() == mults(shift)
    assert bias.tolist() == [round(Fraction(3, 4) / Fraction(unit) * 2**shift)] * len(slopes)
    if any(mults(31)):
        assert shift == 31 or not fits(shift + 1)
    else:
        assert shift == 0


@pytest.mark.parametrize("unit", [0.0, -1.0, math.nan, math.inf])
def test_rescale_needs_a_positive_unit(unit):
    with pytest.raises(ValueError, match=f"Scale must be positive and finite, not {unit}"):
        rescale(Affine.of(1.0, [0.0]), unit, 16)


def test_rescale_refuses_a_bias_that_no_accumulator_holds():
    with pytest.raises(ValueError, match="does not fit 62 bits"):
        rescale(Affine.of(1e-9, [1e18]), 1.0, 16)
