"""What an engine's configuration accepts and derives."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pa_hdl.config import DATAPATHS, EngineConfig, ceil_div, signed_bits, unsigned_bits
from pa_hdl.dot import DATAPATHS as HARDWARE

PLAIN = dict(in_channels=5, out_channels=6, height=7, width=8, m=4, n=5, simd=2, pe=4)


def test_counts_follow_from_the_shape():
    config = EngineConfig(**PLAIN, kernel=(3, 2), stride=(2, 1), pad=(1, 0, 0, 1))
    assert (config.in_folds, config.out_folds) == (3, 2)
    assert (config.out_height, config.out_width) == (3, 8)
    assert config.taps == 30
    assert config.folds_per_output == 18
    assert config.folds_per_pixel == 36
    assert config.folds_per_frame == 24 * 36
    assert (config.in_beats, config.out_beats) == (168, 48)


def test_widths_follow_from_the_ranges():
    config = EngineConfig(**PLAIN, kernel=(3, 3))
    assert (config.code_bits, config.weight_code_bits) == (3, 3)
    assert config.acc_range == (-45 * 127, 45 * 127)
    assert config.acc_bits == 14
    assert config.threshold_bits == 10  # -1..256
    assert EngineConfig(**PLAIN, act_signed=True).threshold_bits == 9  # -129..128
    assert config.weight_word_bits == 4 * 2 * 3
    assert config.threshold_word_bits == 2 * (5 * 10 + 1)
    assert config.coefficient_bits == 8
    assert EngineConfig(**PLAIN, base="thermometer").coefficient_bits == 9
    baked = EngineConfig(**PLAIN, loadable=False, acc_min=-4, acc_max=3)
    assert baked.acc_bits == 3


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-128, 127, 8), (-129, 0, 9)]
)
def test_signed_bits(low, high, bits):
    assert signed_bits(low, high) == bits


def test_small_numbers():
    assert [unsigned_bits(value) for value in (0, 1, 4, 255)] == [0, 1, 3, 8]
    assert [ceil_div(value, 4) for value in (1, 4, 5)] == [1, 1, 2]


def test_json_round_trip():
    config = EngineConfig(**PLAIN, pad=(1, 2, 0, 1), base="thermometer")
    text = json.dumps(config.as_json())
    assert EngineConfig(**json.loads(text)) == config


def test_every_datapath_has_hardware():
    assert set(DATAPATHS) == set(HARDWARE)


def test_a_node_decides_what_it_knows():
    node = SimpleNamespace(
        name="stage.conv",
        kind="pa_conv",
        shape_in=(2, 7, 8),
        shape_out=(3, 7, 8),
        attributes=dict(
            kernel=[3, 3], stride=[1, 1], pad=[1, 1, 1, 1], m=1, n=1, phi_bits=4, act_bits=9,
            act_signed=True,
        ),
        tensors=dict(
            codes=np.ones((3, 2, 3, 3), dtype=np.uint8),
            phi=np.array([[0, 0], [0, 7]], dtype=np.int32),
            thresholds=np.zeros((2, 1), dtype=np.int64),
            flip=np.zeros(2, dtype=bool),
        ),
    )  # fmt: skip
    config = EngineConfig.from_node(node, simd=2, pe=1, base="thermometer")
    assert not config.loadable
    assert config.acc_range == (0, 18 * 7)
    assert (config.act_bits, config.act_signed, config.base) == (9, True, "thermometer")
    assert EngineConfig.from_node(node, simd=2, pe=1, loadable=True).acc_range == (-126, 126)
    node.kind = "add"
    with pytest.raises(ValueError, match=r"layer 'stage.conv' must be a pa_conv, not 'add'"):
        EngineConfig.from_node(node, simd=2, pe=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(m=0), "m must be 1 to 255, not 0"),
        (dict(n=256), "n must be 1 to 255, not 256"),
        (dict(simd=0), "simd must be at least 1, not 0"),
        (dict(pe=-1), "pe must be at least 1, not -1"),
        (dict(in_channels=0), "in_channels must be at least 1, not 0"),
        (dict(phi_bits=1), "phi_bits must be 2 to 32, not 1"),
        (dict(act_bits=0), "act_bits must be 1 to 48, not 0"),
        (dict(act_bits=31), "act_bits of a loadable engine must leave .*: at most 30, not 31"),
        (dict(kernel=(10, 3)), "kernel height must be at most the padded image's 9, not 10"),
        (dict(kernel=(3, 11)), "kernel width must be at most the padded image's 10, not 11"),
        (dict(kernel=(0, 1)), "kernel must be at least 1, not 0"),
        (dict(stride=(0, 1)), "stride must be at least 1, not 0"),
        (dict(pad=(0, -1, 0, 0)), "pad must be at least 0, not -1"),
        (dict(base="gray"), "base must be one of onehot, thermometer, not 'gray'"),
        (dict(datapath="dsp"), "datapath must be one of popcount, .*, not 'dsp'"),
        (dict(target="virtex"), "target must be one of generic, xc7, ecp5, ice40, not 'virtex'"),
        (dict(mask_code=True), "mask_code must be False for a loadable engine, not True"),
        (dict(dilation=2), "dilation must be 1, not 2"),
        (dict(groups=4), "groups must be 1, not 4"),
        (dict(acc_min=-1, acc_max=1), "must be None for a loadable engine, not -1 and 1"),
        (dict(acc_min=1, acc_max=9, loadable=False), "acc_min must be -5715 to 0, not 1"),
        (dict(acc_min=0, acc_max=-1, loadable=False), "acc_max must be 0 to 5715, not -1"),
    ],
)
def test_wrong_values_are_quoted(wrong, message):
    with pytest.raises(ValueError, match=message):
        EngineConfig(**(PLAIN | wrong))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(m=2.0), "m must be an integer, not 2.0"),
        (dict(simd=True), "simd must be an integer, not True"),
        (dict(kernel=3), "kernel must be 2 integers, not 3"),
        (dict(pad=(1, 1)), r"pad must be 4 integers, not \(1, 1\)"),
        (dict(stride=(1, "1")), "stride must be an integer, not '1'"),
        (dict(act_signed=1), "act_signed must be True or False, not 1"),
        (dict(loadable=None), "loadable must be True or False, not None"),
        (dict(acc_min=-1, loadable=False), "acc_max must be an integer, not None"),
    ],
)
def test_wrong_types_are_quoted(wrong, message):
    with pytest.raises(TypeError, match=message):
        EngineConfig(**(PLAIN | wrong))
