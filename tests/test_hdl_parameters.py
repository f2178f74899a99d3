"""The integers of a layer and their packing."""

from dataclasses import replace

import numpy as np
import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import (
    LayerParameters,
    coefficients,
    pack,
    pack_rows,
    phi_index,
    threshold_words,
    unpack,
    weight_words,
)

CONFIG = EngineConfig(
    in_channels=3, out_channels=3, height=4, width=4, m=2, n=3, simd=2, pe=2, kernel=(2, 1),
    pad=(0, 0, 0, 0),
)  # fmt: skip


def test_pack_and_unpack_are_inverse():
    values = [-4, 3, 0, -1]
    word = pack(values, 3)
    assert word == 0b111_000_011_100
    assert unpack(word, 3, 4, signed=True) == values
    assert unpack(word, 3, 4) == [4, 3, 0, 7]


@pytest.mark.parametrize("seed", range(5))
def test_seeded_parameters_suit_their_configuration(seed):
    parameters = LayerParameters.seeded(CONFIG, seed)
    parameters.check(CONFIG)
    again = LayerParameters.seeded(CONFIG, seed)
    assert (parameters.codes == again.codes).all()
    assert np.abs(parameters.phi).max() == CONFIG.phi_limit


def test_differences_of_the_rounded_table_give_the_same_sum():
    phi = LayerParameters.seeded(CONFIG, 1).phi
    onehot, steps = coefficients(phi, "onehot"), coefficients(phi, "thermometer")
    for j in range(1, CONFIG.n + 1):
        assert (steps[:, :j].sum(axis=1) == onehot[:, j - 1]).all()
    assert onehot.ravel()[phi_index(CONFIG, 2, 1)] == phi[2, 1]


def test_weight_words_follow_the_order_of_folds():
    parameters = LayerParameters.seeded(CONFIG, 2)
    words = weight_words(CONFIG, parameters)
    assert len(words) == CONFIG.folds_per_pixel
    address = 0
    for out_fold in range(2):
        for ky in range(2):
            for in_fold in range(2):
                lanes = unpack(words[address], 2, 4)
                for index, code in enumerate(lanes):
                    o, c = out_fold * 2 + index // 2, in_fold * 2 + index % 2
                    inside = o < 3 and c < 3
                    assert code == (parameters.codes[o, c, ky, 0] if inside else 0)
                address += 1


def test_threshold_words_hold_thresholds_and_flip():
    parameters = replace(
        LayerParameters.seeded(CONFIG, 3),
        thresholds=np.array([[1, 2, 3], [30, 20, -1], [0, 5, 256]]),
        flip=np.array([False, True, False]),
    )
    parameters.check(CONFIG)
    first, second = threshold_words(CONFIG, parameters)
    lane_bits = 3 * 10 + 1
    lanes = unpack(first, lane_bits, 2) + unpack(second, lane_bits, 2)
    assert unpack(lanes[0], 10, 3, signed=True) == [1, 2, 3]
    assert unpack(lanes[1], 10, 3, signed=True) == [30, 20, -1]
    assert unpack(lanes[2], 10, 3, signed=True) == [0, 5, 256]
    assert [lane >> 30 for lane in lanes] == [0, 1, 0, 0]
    assert lanes[3] == 0


def test_acc_range_is_reached_and_includes_masked_taps():
    parameters = LayerParameters(
        codes=np.array([[[[1]], [[2]]], [[[0]], [[1]]]]),
        phi=np.array([[0, 0, 0], [0, 3, 5], [0, -2, -7]]),
        thresholds=np.zeros((2, 2), dtype=int),
        flip=np.zeros(2, dtype=bool),
    )
    assert parameters.acc_range() == (-7, 5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(codes=np.zeros((3, 3, 1, 1), int)), r"codes must have shape \(3, 3, 2, 1\), not"),
        (dict(codes=np.full((3, 3, 2, 1), 3)), "codes must be 0 to 2, not 3"),
        (dict(phi=np.full((3, 4), -128)), "phi must be -127 to 127, not -128"),
        (
            dict(phi=np.ones((3, 4), int)),
            "mask_code must be set where column 0 of phi is not 0 but 1",
        ),
        (dict(thresholds=np.full((3, 3), 257)), "thresholds must be 0 to 256, not 257"),
        (dict(thresholds=np.array([[5, 4, 6]] * 3)), "thresholds must ascend"),
        (
            dict(thresholds=np.array([[5, 6, 7]] * 3), flip=np.ones(3, bool)),
            "thresholds must ascend, and descend where flip is set",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_refused(wrong, message):
    fitting = LayerParameters.seeded(CONFIG, 4)
    fitting = replace(fitting, flip=np.zeros(3, bool), thresholds=np.array([[1, 2, 3]] * 3))
    fitting.check(CONFIG)
    with pytest.raises(ValueError, match=message):
        replace(fitting, **wrong).check(CONFIG)


def test_an_accumulator_bound_that_is_too_small_is_refused():
    parameters = LayerParameters.seeded(CONFIG, 5)
    options = CONFIG.as_json() | dict(loadable=False, acc_min=-1, acc_max=1)
    with pytest.raises(ValueError, match=r"acc_min and acc_max must include .* not \(-1, 1\)"):
        parameters.check(EngineConfig(**options))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (dict(phi=np.zeros((3, 4))), TypeError, "phi must hold integers, not float64"),
        (dict(flip=np.zeros((3, 1), bool)), ValueError, r"flip must have 1 dimensions, not shape"),
        (dict(flip=np.zeros(2, bool)), ValueError, "flip must be given for 3 channels, not 2"),
        (dict(phi=np.zeros((3, 5), int)), ValueError, "thresholds must number 4 a channel, not 3"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        replace(LayerParameters.seeded(CONFIG, 6), **wrong)


@pytest.mark.parametrize("width", [1, 3, 8, 9, 33, 64])
def test_rows_are_packed_like_single_words(width):
    rng = np.random.default_rng(width)
    rows = rng.integers(-(1 << (width - 1)), 1 << (width - 1), (5, 7))
    assert pack_rows(rows, width) == [pack(row, width) for row in rows.tolist()]
    codes = rng.integers(0, 1 << min(width, 62), (5, 7))
    assert pack_rows(codes, width) == [pack(row, width) for row in codes.tolist()]
