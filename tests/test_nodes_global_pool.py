# amaranth: UnusedElaboratable=no
"""Sums over images: every fold of channels, images back to back, and cycles."""

import numpy as np
import pytest
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.global_pool import GlobalPool


@pytest.mark.parametrize("lanes", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 1)])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.8, 0.4)])
def test_matches_model(lanes, size, gap, stall):
    rng = np.random.default_rng(lanes)
    shape = stream_shape(6, *size, lanes, signed=lanes != 2)
    dut = GlobalPool(shape=shape)
    frames = [random_frame(shape, rng) for _ in range(6)]
    frames[1][:] = shape.range[0]
    frames[2][:] = shape.range[1]
    check_node(dut, [frames], gap=gap, stall=stall, seed=lanes)


@pytest.mark.parametrize("lanes", [1, 6])
def test_reset_starts_afresh(lanes):
    rng = np.random.default_rng(1)
    shape = stream_shape(6, 2, 3, lanes)
    check_reset(GlobalPool(shape=shape), [[random_frame(shape, rng) for _ in range(2)]])


def test_sums_have_the_bits_they_need():
    result = GlobalPool(shape=stream_shape(6, 7, 7, 1, 9, False)).shapes_out[0]
    assert (result.bits, result.signed, result.beats) == ((511 * 49).bit_length(), False, 6)


def test_shape_is_a_stream_shape():
    with pytest.raises(TypeError, match="shape of a pool must be a StreamShape, not 3"):
        GlobalPool(shape=3)
