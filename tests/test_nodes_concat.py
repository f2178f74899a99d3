# amaranth: UnusedElaboratable=no
"""Images of different depth side by side."""

import numpy as np
import pytest
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.concat import Concat


@pytest.mark.parametrize("channels", [(2, 2), (2, 6), (4, 2, 8), (6,)])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.8, 0.4)])
def test_matches_model(channels, gap, stall):
    rng = np.random.default_rng(len(channels))
    shapes = [stream_shape(count, 3, 2, 2) for count in channels]
    frames = [[random_frame(shape, rng) for _ in range(4)] for shape in shapes]
    check_node(Concat(shapes=shapes, bits=6, signed=True), frames, gap=gap, stall=stall)


def test_narrower_operands_are_extended():
    rng = np.random.default_rng(1)
    shapes = [stream_shape(2, 3, 3, 1, 3, True), stream_shape(1, 3, 3, 1, 4, False)]
    frames = [[random_frame(shape, rng) for _ in range(2)] for shape in shapes]
    check_node(Concat(shapes=shapes, bits=5, signed=True), frames)


def test_reset_starts_afresh():
    rng = np.random.default_rng(1)
    shapes = [stream_shape(2, 3, 2, 2), stream_shape(4, 3, 2, 2)]
    frames = [[random_frame(shape, rng) for _ in range(2)] for shape in shapes]
    check_reset(Concat(shapes=shapes, bits=6, signed=True), frames)


def test_operands_agree():
    shapes = [stream_shape(4, 3, 2, 2), stream_shape(4, 3, 3, 2)]
    with pytest.raises(ValueError, match="width of all operands of a concatenation must be 2, no"):
        Concat(shapes=shapes, bits=6, signed=True)


def test_operands_fit():
    shapes = [stream_shape(4, 3, 2, 2), stream_shape(4, 3, 2, 2, 6, False)]
    message = "operands of a concatenation must fit -32 to 31, not 0 to 63"
    with pytest.raises(ValueError, match=message):
        Concat(shapes=shapes, bits=6, signed=True)


def test_there_is_an_operand():
    with pytest.raises(ValueError, match="at least 1 operands of a concatenation, not 0"):
        Concat(shapes=[], bits=4, signed=True)
