"""Widths and bounds of convolutions of integer weights, and the layers that are refused."""

import itertools

import numpy as np
import pytest

from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.parameters import unpack

PLAIN = dict(in_channels=4, out_channels=6, height=4, width=3, simd=2, pe=3)
POINT = dict(kernel=(1, 1), pad=(0, 0, 0, 0))


def test_the_bound_is_exact_for_each_output_channel():
    config = MultiplyConfig(
        in_channels=2, out_channels=2, height=1, width=1, simd=1, pe=1, groups=2, zero=(2, 0),
        act_ranges=((0, 3), (1, 7)), **POINT,
    )  # fmt: skip
    assert config.code_ranges().tolist() == [[-2, 1], [0, 7]]
    assert (config.code_range, config.code_bits, config.code_signed) == ((-2, 7), 4, True)
    assert config.exact_acc_range(np.array([[[[-3]]], [[[2]]]], np.int8)) == (-3, 14)
    assert config.acc_range == (-7 * 128, 7 * 128)


def test_the_bound_of_any_weights_holds_for_all():
    config = MultiplyConfig(**PLAIN, zero=(200, 0, 0, 0))
    assert config.code_range == (-200, 255)
    assert config.acc_range == (-36 * 255 * 128, 36 * 255 * 128)
    lowest, highest = config.exact_acc_range(np.full(config.weight_shape, -128))
    assert (lowest, highest) == (-128 * 9 * (55 + 3 * 255), 128 * 9 * 200)


@pytest.mark.parametrize("weight_bits", [2, 8])
@pytest.mark.parametrize("ranges", [((0, 3),), ((2, 3),), ((-4, 3),), ((-4, -1),)])
def test_products_of_all_operands_are_within_their_range(weight_bits, ranges):
    config = MultiplyConfig(
        in_channels=1, out_channels=1, height=1, width=1, simd=1, pe=1, act_bits=3,
        act_signed=ranges[0][0] < 0, act_ranges=ranges, weight_bits=weight_bits, **POINT,
    )  # fmt: skip
    low, high = config.code_range
    limit = 1 << (weight_bits - 1)
    products = [w * x for w in range(-limit, limit) for x in range(low, high + 1)]
    assert config.product_range == (min(products), max(products))


def test_channels_without_values_still_have_a_bit():
    config = MultiplyConfig(**PLAIN, act_ranges=((0, 0),) * 4)
    assert (config.code_range, config.code_bits) == ((0, 1), 1)


@pytest.mark.parametrize(
    "layer",
    [
        dict(groups=1),
        dict(groups=2, simd=1),
        dict(groups=4, out_channels=4, pe=2),
        dict(groups=1, kernel=(1, 2)),
    ],
)
def test_weight_words_follow_the_order_of_folds(layer):
    config = MultiplyConfig(**(PLAIN | layer))
    weight = np.random.default_rng(1).integers(-128, 128, config.weight_shape)
    words = config.weight_words(weight)
    assert len(words) == config.folds_per_pixel
    members, inside = config.out_channels // config.groups, config.in_channels // config.groups
    for index, word in enumerate(words):
        ky, kx, fold = config.position(index)
        lanes = iter(unpack(word, 8, config.pe * config.products, signed=True))
        for pe, simd in itertools.product(range(config.pe), range(config.products)):
            o = index // config.folds_per_output * config.pe + pe
            c = o if config.lanewise else fold * config.simd + simd
            assert c // inside == o // members
            assert next(lanes) == weight[o, c % inside, ky, kx]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(simd=3), ValueError, "simd must divide 4 channels, not 3"),
        (dict(pe=4), ValueError, "pe must divide 6 channels, not 4"),
        (dict(weight_bits=17), ValueError, "weight_bits must be 1 to 16, not 17"),
        (dict(zero=(1, 2)), ValueError, "zero must be given for 4 channels, not 2"),
        (dict(zero=(1, 2, 3, 0.5)), TypeError, "zero must be an integer, not 0.5"),
        (dict(act_ranges=((0, 1),)), ValueError, "act_ranges must be given for 4 channels, not 1"),
        (dict(act_ranges=((0, 256),) * 4), ValueError, "highest of act_ranges .* not 256"),
        (dict(act_ranges=((-1, 2),) * 4), ValueError, "lowest of act_ranges .* not -1"),
        (dict(acc_min=1, acc_max=2), ValueError, "acc_min must be -1175040 to 0, not 1"),
        (dict(acc_min=0), TypeError, "acc_max must be an integer, not None"),
        (dict(act_bits=48, zero=(1 << 48,) * 4, weight_bits=16), ValueError, "must stay below"),
    ],
)
def test_wrong_configurations_are_quoted(change, error, message):
    with pytest.raises(error, match=message):
        MultiplyConfig(**(PLAIN | change))
