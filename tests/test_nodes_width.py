# amaranth: UnusedElaboratable=no
"""All pairs of widths: data, the cycle of each transfer, and the rate."""

import numpy as np
import pytest
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.width import WidthConverter

PAIRS = [(a, b) for a in (1, 2, 3, 4, 6, 12) for b in (1, 2, 3, 4, 6, 12) if a != b]


@pytest.mark.parametrize(("lanes_in", "lanes_out"), PAIRS)
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.8, 0.0), (0.4, 0.5)])
def test_matches_model(lanes_in, lanes_out, gap, stall):
    shape = stream_shape(12, 2, 2, lanes_in, bits=3)
    rng = np.random.default_rng(lanes_in * 16 + lanes_out)
    frames = [random_frame(shape, rng) for _ in range(4)]
    dut = WidthConverter(shape_in=shape, lanes=lanes_out)
    check_node(dut, [frames], gap=gap, stall=stall, seed=lanes_out)


@pytest.mark.parametrize(("lanes_in", "lanes_out"), PAIRS)
def test_a_frame_takes_the_beats_of_the_narrower_side(lanes_in, lanes_out):
    shape = stream_shape(12, 4, 4, lanes_in)
    dut = WidthConverter(shape_in=shape, lanes=lanes_out)
    beats = dut.shapes_out[0].beats
    [departed] = dut.passage(np.zeros(20 * shape.beats, np.int64)).departed
    assert departed[19 * beats] - departed[18 * beats] == max(beats, shape.beats)


@pytest.mark.parametrize("lanes", [(2, 3), (3, 2), (1, 4), (4, 1)])
def test_reset_starts_afresh(lanes):
    shape = stream_shape(12, 2, 2, lanes[0])
    rng = np.random.default_rng(1)
    dut = WidthConverter(shape_in=shape, lanes=lanes[1])
    check_reset(dut, [[random_frame(shape, rng) for _ in range(2)]])


def test_lanes_divide_the_channels():
    with pytest.raises(ValueError, match="lanes of a stream must divide its 12 channels, not 5"):
        WidthConverter(shape_in=stream_shape(12, 2, 2, 3), lanes=5)


def test_lanes_differ():
    with pytest.raises(ValueError, match="must differ from those of its input, not 3"):
        WidthConverter(shape_in=stream_shape(12, 2, 2, 3), lanes=3)


def test_name():
    assert WidthConverter(shape_in=stream_shape(12, 2, 2, 3), lanes=2).module_name == "width_3_to_2"
