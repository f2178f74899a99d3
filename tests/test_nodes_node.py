# amaranth: UnusedElaboratable=no
"""Ports of nodes."""

import pytest
from nodes_bench import stream_shape

from pa_hdl.nodes.node import StreamNode

SHAPE = stream_shape(4, 3, 3, 2)


def test_single_ports_have_no_number():
    node = StreamNode(shapes_in=[SHAPE], shapes_out=[SHAPE, SHAPE])
    assert set(node.signature.members) == {"i", "o_0", "o_1"}
    assert node.inputs == (node.i,)
    assert node.outputs == (node.o_0, node.o_1)


def test_a_node_has_ports():
    with pytest.raises(ValueError, match="There must be at least 1 inputs of a node, not 0"):
        StreamNode(shapes_in=[], shapes_out=[SHAPE])
