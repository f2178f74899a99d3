# amaranth: UnusedElaboratable=no
"""Depths of FIFOs."""

import numpy as np
import pytest
from network_bench import folding_of
from pa_networks import mixed_network, residual_network

from pa_hdl.network.graph import build_graph
from pa_hdl.network.postpone import FEWEST, need_of
from pa_hdl.network.sizing import fifo_depths, flow
from pa_hdl.nodes.fifo import Fifo

NETWORKS = {"residual": residual_network(channels=4, size=(9, 8)), "mixed": mixed_network()}


def paced(graph, frames):
    return np.arange(frames * graph.source.beats) * graph.cycles_per_image // graph.source.beats


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_schedule_behind_the_depths_fits_them(name):
    """Counted beat by beat: no FIFO ever holds more than its depth, and most are full once."""
    graph = build_graph(NETWORKS[name], folding_of(NETWORKS[name], 2))
    depths = fifo_depths(graph)
    steady = flow(graph, paced(graph, 4))
    for link in graph.links:
        written, read = steady.written[link.name], steady.read[link.name]
        assert (read >= written + Fifo.LATENCY).all()
        events = sorted([(t, 1) for t in written] + [(t + Fifo.RELEASE, 0) for t in read])
        held = np.cumsum([1 if put else -1 for _, put in events])
        if depths[link.name] < held.max():  # its beats wait in what stands before it
            assert graph.block(link.producer).kind in ("rescale", "add", "pa_conv", "conv8")
        else:
            assert depths[link.name] == max(FEWEST, held.max())


def test_beats_wait_where_there_is_room_already():
    """Behind a downsampling convolution: in its output queue, its converter and its line buffer."""
    network = residual_network(channels=4, size=(9, 8))
    folding = folding_of(network, 2) | {"down.rescale": {"lanes": 1}, "sum": {"lanes": 1}}
    folding["conv2.rescale"] = {"lanes": 1}
    graph = build_graph(network, folding)
    steady = flow(graph, paced(graph, 4))
    deep = graph.links_into("sum")[1].name
    soonest = need_of(steady.written[deep], steady.read[deep]).max()
    assert fifo_depths(graph)[deep] < soonest - 4


def test_every_frame_takes_as_long_as_the_slowest_block():
    graph = build_graph(NETWORKS["mixed"], folding_of(NETWORKS["mixed"]))
    ends = flow(graph, paced(graph, 5)).departed[graph.result.beats - 1 :: graph.result.beats]
    assert set(np.diff(ends[1:])) == {graph.cycles_per_image}


def test_the_long_side_of_a_fork_decides():
    """The shortcut holds what its fork gives until two windows of three rows have passed."""
    graph = build_graph(NETWORKS["residual"], folding_of(NETWORKS["residual"], 2))
    depths = fifo_depths(graph)
    deepest = max(depths, key=depths.__getitem__)
    assert graph.links_into("sum")[1].name == deepest
    others = [depth for name, depth in depths.items() if name != deepest]
    assert max(others) <= 4
