"""The counts that follow from a shape, and the shapes that are refused."""

import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.geometry import ConvGeometry, WindowConfig, ceil_div, check_integers
from pa_hdl.nodes.pool import PoolConfig

PLAIN = dict(in_channels=6, out_channels=12, height=7, width=8, simd=2, pe=3)


def test_a_dense_geometry_reads_all_channels():
    shape = ConvGeometry(**PLAIN, kernel=(3, 2), stride=(2, 1), pad=(1, 0, 0, 1))
    assert (shape.in_folds, shape.out_folds) == (3, 4)
    assert (shape.fold_groups, shape.folds_per_tap, shape.out_folds_per_group) == (1, 3, 4)
    assert (shape.out_height, shape.out_width) == (3, 8)
    assert (shape.taps, shape.folds_per_output, shape.folds_per_pixel) == (36, 18, 72)
    assert shape.folds_per_frame == 24 * 72
    assert (shape.in_beats, shape.out_beats) == (168, 96)
    assert not shape.lanewise


def test_lanes_of_a_dense_geometry_may_be_more_than_channels():
    shape = ConvGeometry(**(PLAIN | dict(simd=4, pe=5)))
    assert (shape.in_folds, shape.out_folds) == (2, 3)


def test_a_grouped_geometry_reads_the_channels_of_a_group():
    shape = ConvGeometry(**(PLAIN | dict(groups=3, pe=2)))
    assert (shape.in_folds, shape.out_folds) == (3, 6)
    assert (shape.fold_groups, shape.folds_per_tap, shape.out_folds_per_group) == (3, 1, 2)
    assert (shape.taps, shape.folds_per_pixel) == (18, 54)


def test_folds_of_a_group_follow_each_other():
    shape = ConvGeometry(
        in_channels=8, out_channels=12, height=3, width=3, simd=2, pe=3, groups=2, kernel=(1, 2)
    )
    assert (shape.folds_per_tap, shape.out_folds_per_group, shape.taps) == (2, 2, 8)
    positions = [shape.position(index) for index in range(shape.folds_per_pixel)]
    first = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    second = [(ky, kx, fold + 2) for ky, kx, fold in first]
    assert positions == [*first, *first, *second, *second]


def test_a_lanewise_geometry_reads_one_fold():
    shape = ConvGeometry(
        in_channels=6, out_channels=6, height=4, width=4, simd=3, pe=3, groups=6, kernel=(2, 1)
    )
    assert shape.lanewise
    assert (shape.in_folds, shape.out_folds, shape.fold_groups) == (2, 2, 2)
    assert (shape.taps, shape.folds_per_output, shape.folds_per_pixel) == (2, 2, 4)
    positions = [shape.position(index) for index in range(4)]
    assert positions == [(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)]


def test_one_channel_is_dense():
    shape = ConvGeometry(in_channels=1, out_channels=1, height=3, width=3, simd=1, pe=1, groups=1)
    assert not shape.lanewise
    assert shape.folds_per_pixel == 9


def test_geometry_leaves_number_formats_out():
    options = dict(PLAIN, m=2, n=3)
    narrow, wide = EngineConfig(**options, act_bits=4), EngineConfig(**options, act_bits=9)
    assert narrow.geometry == wide.geometry == ConvGeometry(**PLAIN)
    assert narrow.geometry.geometry == narrow.geometry
    assert narrow.geometry != EngineConfig(**(options | dict(simd=1))).geometry


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 8, 48])
def test_range_of_the_input(bits, signed):
    config = PoolConfig(
        in_channels=1, out_channels=1, groups=1, height=3, width=3, simd=1, pe=1,
        act_bits=bits, act_signed=signed, operation="max",
    )  # fmt: skip
    low, high = config.act_range
    assert high - low == (1 << bits) - 1
    assert (low < 0) == signed


def test_a_window_configuration_leaves_its_widths_to_others():
    config = WindowConfig(**PLAIN)
    assert config.acc_signed
    for name in ("code_bits", "acc_bits"):
        with pytest.raises(NotImplementedError):
            getattr(config, name)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(height=0), "height must be at least 1, not 0"),
        (dict(groups=0), "groups must be at least 1, not 0"),
        (dict(kernel=(10, 1)), "kernel height must be at most the padded image's 9, not 10"),
        (dict(groups=4), "groups must divide 6 input and 12 output channels, not 4"),
        (dict(groups=2), "simd must divide 3 channels, not 2"),
        (dict(groups=2, simd=3, pe=4), "pe must divide 6 channels, not 4"),
        (dict(groups=6, simd=1, pe=3), "pe must divide 2 channels, not 3"),
        (
            dict(groups=6, out_channels=6),
            "simd and pe must be equal where each channel is by itself, not 2 and 3",
        ),
        (dict(groups=6, out_channels=6, simd=4, pe=4), "simd must divide 6 channels, not 4"),
    ],
)
def test_wrong_values_are_quoted(wrong, message):
    with pytest.raises(ValueError, match=message):
        ConvGeometry(**(PLAIN | wrong))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(groups=1.0), r"groups must be an integer, not 1\.0"),
        (dict(pe=False), "pe must be an integer, not False"),
        (dict(kernel=[3]), r"kernel must be 2 integers, not \[3\]"),
    ],
)
def test_wrong_types_are_quoted(wrong, message):
    with pytest.raises(TypeError, match=message):
        ConvGeometry(**(PLAIN | wrong))


def test_wrong_formats_are_quoted():
    with pytest.raises(ValueError, match="act_bits must be 1 to 48, not 49"):
        WindowConfig(**PLAIN, act_bits=49)
    with pytest.raises(TypeError, match="act_signed must be True or False, not 1"):
        WindowConfig(**PLAIN, act_signed=1)


def test_small_helpers():
    assert [ceil_div(value, 4) for value in (1, 4, 5)] == [1, 1, 2]
    assert check_integers("pad", [1, 2], 2, 0) == (1, 2)
