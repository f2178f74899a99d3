"""8-bit weights against exact rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest

from pa_nn.eight_bit import InputFormat, quantise_weights_8bit


def test_8bit_weights_of_normalised_pixels():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 2, 3, 3)).astype(np.float32)
    weight[2] = 0
    mean, std = (0.286, 0.5), (0.353, 0.25)
    layer = quantise_weights_8bit(weight, [0.5, 0, 0.25, -1], InputFormat.of_pixels(mean, std))
    assert layer.zero.tolist() == [73, 128]
    assert layer.weight.dtype == np.int8
    assert np.abs(layer.weight.astype(int)).max(axis=(1, 2, 3)).tolist() == [127, 127, 0, 127]
    for o in range(4):
        folded = [
            [Fraction(float(w)) / (255 * Fraction(std[c])) for w in weight[o, c].ravel()]
            for c in range(2)
        ]
        exact = max(abs(w) for row in folded for w in row) / 127
        assert float(layer.values.slope[o]) == float(exact)
        if exact:
            expected = [round(w / exact) for row in folded for w in row]
            assert layer.weight[o].ravel().tolist() == expected
    pixels = rng.integers(0, 256, (2, 3, 3))
    acc = (layer.weight[0].astype(int) * (pixels - layer.zero[:, None, None])).sum()
    real = layer.values.slope[0] * int(acc) + layer.values.offset[0]
    dequantised = sum(
        layer.values.slope[0] * int(w) * (int(p) - 255 * Fraction(mean[c]))
        for c in range(2)
        for w, p in zip(layer.weight[0, c].ravel(), pixels[c].ravel(), strict=True)
    )
    assert real == dequantised + Fraction(1, 2)


def test_8bit_weights_of_groups_take_the_factors_of_their_channels():
    """Each group as a layer by itself."""
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((6, 2, 3, 1)).astype(np.float32)
    bias = rng.standard_normal(6).tolist()
    inputs = InputFormat.of_pixels((0.1, 0.2, 0.3, 0.4), (0.5, 0.25, 0.5, 0.7))
    whole = quantise_weights_8bit(weight, bias, inputs)
    assert len(whole.zero) == 4
    for group in range(2):
        rows, channels = slice(3 * group, 3 * group + 3), slice(2 * group, 2 * group + 2)
        own = InputFormat(inputs.factor[channels], inputs.zero[channels])
        alone = quantise_weights_8bit(weight[rows], bias[rows], own)
        assert np.array_equal(alone.weight, whole.weight[rows])
        assert np.array_equal(alone.zero, whole.zero[channels])
        assert alone.values.slope == whole.values.slope[rows]
        assert alone.values.offset == whole.values.offset[rows]


def test_8bit_weights_round_half_to_even():
    weight = np.array([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5]])
    inputs = InputFormat((Fraction(1),) * 6, (Fraction(0),) * 6)
    layer = quantise_weights_8bit(weight, [0.0], inputs)
    assert layer.weight.tolist() == [[127, 0, 2, 2, 0, -2]]


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5,), (0.0,), "std must be above 0, not 0.0"),
        ((0.5,), (-1.0,), "std must be above 0, not -1.0"),
        ((math.nan,), (1.0,), "mean must be finite, not nan"),
        ((200.0,), (1.0,), r"mean must be within ±128 \(of p / 255\), not 200.0"),
    ],
)
def test_impossible_normalisation(mean, std, message):
    with pytest.raises(ValueError, match=message):
        InputFormat.of_pixels(mean, std)


def test_8bit_weights_must_be_finite():
    with pytest.raises(ValueError, match="Weights must be finite, not inf"):
        quantise_weights_8bit(
            np.array([[math.inf]]), [0.0], InputFormat((Fraction(1),), (Fraction(0),))
        )
