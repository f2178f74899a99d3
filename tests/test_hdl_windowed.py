# amaranth: UnusedElaboratable=no
"""What nodes with a line buffer say of themselves to the network around them."""

import numpy as np
import pytest
from hdl_bench import baked
from nodes_bench import check_node, random_frame

from pa_hdl.engine import Engine
from pa_hdl.nodes.stream import StreamShape

SHAPE = dict(
    in_channels=4, out_channels=6, height=4, width=3, stride=(2, 1), m=2, n=3, simd=2, pe=3,
    act_bits=5, act_signed=True,
)  # fmt: skip


def test_an_engine_is_a_node_of_a_network():
    dut = Engine(*baked(**SHAPE))
    assert dut.shapes_in == (
        StreamShape(channels=4, height=4, width=3, lanes=2, bits=5, signed=True),
    )
    assert dut.shapes_out == (
        StreamShape(channels=6, height=2, width=3, lanes=3, bits=dut.config.acc_bits, signed=True),
    )
    assert dut.i.payload.shape() == dut.shapes_in[0].layout
    assert dut.o.payload.shape() == dut.shapes_out[0].layout


@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (1.0, 0.0), (0.3, 0.4)])
def test_an_engine_passes_frames_when_it_says(gap, stall):
    dut = Engine(*baked(**SHAPE))
    rng = np.random.default_rng(1)
    frames = [random_frame(dut.shapes_in[0], rng) for _ in range(3)]
    check_node(dut, [frames], gap=gap, stall=stall)


def test_surplus_lanes_have_no_place_in_a_network():
    dut = Engine(*baked(**(SHAPE | dict(simd=3))))
    with pytest.raises(ValueError, match="lanes of a stream must divide its 4 channels, not 3"):
        _ = dut.shapes_in
