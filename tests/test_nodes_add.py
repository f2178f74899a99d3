# amaranth: UnusedElaboratable=no
"""Sums of one and more operands: values at the borders of every format, and cycles."""

import itertools

import numpy as np
import pytest
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.add import Add


def every_pair(first, second):
    """A frame of each operand, so that every pair of their values meets."""
    pairs = list(
        itertools.product(range(first.range[0], first.range[1] + 1),
                          range(second.range[0], second.range[1] + 1))
    )  # fmt: skip
    return np.array(pairs, np.int64).T.reshape(2, 1, len(pairs), 1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 6])
@pytest.mark.parametrize("formats", [((3, True), (4, True)), ((3, False), (4, True)),
                                     ((2, False), (3, False))])  # fmt: skip
def test_every_pair_of_values(formats, bits, signed):
    sizes = [1 << width for width, _ in formats]
    shapes = [stream_shape(1, sizes[0] * sizes[1], 1, 1, *each) for each in formats]
    frames = every_pair(*shapes)
    check_node(Add(shapes=shapes, bits=bits, signed=signed), [[f] for f in frames], gap=0.0)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [2, 5, 9])
def test_one_operand_saturates(bits, signed):
    shape = stream_shape(1, 64, 1, 1, bits=6, signed=True)
    frame = np.arange(-32, 32).reshape(1, 64, 1)
    check_node(Add(shapes=[shape], bits=bits, signed=signed), [[frame]])


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.8, 0.4)])
def test_matches_model(count, gap, stall):
    rng = np.random.default_rng(count)
    shapes = [stream_shape(4, 3, 2, 2, bits=5 + k, signed=k != 1) for k in range(count)]
    dut = Add(shapes=shapes, bits=6, signed=count % 2 == 0)
    frames = [[random_frame(shape, rng) for _ in range(5)] for shape in shapes]
    check_node(dut, frames, gap=gap, stall=stall, seed=count)


def test_reset_starts_afresh():
    rng = np.random.default_rng(1)
    shapes = [stream_shape(4, 3, 2, 2)] * 2
    frames = [[random_frame(shape, rng) for _ in range(2)] for shape in shapes]
    check_reset(Add(shapes=shapes, bits=6, signed=True), frames)


def test_there_is_an_operand():
    with pytest.raises(ValueError, match="There must be at least 1 operands of a sum, not 0"):
        Add(shapes=[], bits=4, signed=True)


def test_operands_agree():
    shapes = [stream_shape(4, 3, 2, 2), stream_shape(4, 3, 2, 4)]
    with pytest.raises(ValueError, match="lanes of all operands of a sum must be 2, not 4"):
        Add(shapes=shapes, bits=4, signed=True)


def test_format_is_checked():
    with pytest.raises(ValueError, match="bits of a stream must be at least 1, not 0"):
        Add(shapes=[stream_shape(4, 3, 2, 2)], bits=0, signed=True)
