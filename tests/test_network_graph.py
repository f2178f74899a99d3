# amaranth: UnusedElaboratable=no
"""From nodes to blocks and links."""

from dataclasses import replace

import pytest
from network_bench import folding_of
from pa_networks import mixed_network, residual_network

from pa_artifact import ArtifactError, Network
from pa_hdl.network.graph import SOURCE, build_graph


def test_a_result_with_several_readers_is_forked():
    network = residual_network()
    graph = build_graph(network, folding_of(network))
    fork = graph.block("stem_add_fork")
    assert [link.consumer for link in graph.links_from(fork.name)] == ["conv1", "down"]
    assert [link.output for link in graph.links_from(fork.name)] == [0, 1]
    assert [link.producer for link in graph.links_into("sum")] == ["conv2_rescale", "down_rescale"]


def test_blocks_stand_behind_what_they_take():
    network = mixed_network()
    graph = build_graph(network, folding_of(network, 2))
    known = {SOURCE}
    for block in graph.blocks:
        assert {link.producer for link in graph.links_into(block.name)} <= known
        known.add(block.name)
    assert graph.links_into(None)[0].producer == "logits"
    assert graph.result.channels == 3


def test_lanes_and_formats_of_neighbours_may_differ():
    network = residual_network(channels=4)
    folding = folding_of(network, 2) | {"stem.rescale": {"lanes": 4}}
    graph = build_graph(network, folding)
    [link] = graph.links_into("stem_rescale")
    assert link.converter is not None
    assert (link.given.lanes, link.wanted.lanes, link.stored.lanes) == (2, 4, 4)
    [conv2] = graph.links_into("conv2")
    assert (conv2.wanted.bits, conv2.wanted.signed) == (16, True)
    assert conv2.stored.bits == min(conv2.given.bits, 16)


def test_the_slowest_block_gives_the_rate():
    network = residual_network(channels=4, size=(5, 4))
    graph = build_graph(network, folding_of(network))
    assert graph.bottleneck.name == "stem"
    assert graph.cycles_per_image == 5 * 4 * 4 * 2 * 9


def test_lanes_that_do_not_divide_are_refused():
    network = residual_network(channels=4)
    folding = folding_of(network) | {"stem.add": {"lanes": 3}}
    with pytest.raises(ValueError, match=r"stem\.add: lanes must divide its 4 channels, not 3"):
        build_graph(network, folding)


def test_one_result_only():
    network = residual_network()
    nodes = [node for node in network.nodes if node.name not in ("sum", "pool")]
    ends = {"conv2.rescale", "down.rescale"}
    kept = {node.name for node in nodes}
    edges = tuple(e for e in network.edges if set(e) <= kept and e[1] not in ("fc", "logits"))
    nodes = [n for n in nodes if not n.name.startswith(("fc", "logits"))]
    cut = Network(nodes=tuple(nodes), edges=edges)
    with pytest.raises(ArtifactError, match="must have one of its outputs, not ") as error:
        build_graph(cut, folding_of(cut))
    assert all(name in str(error.value) for name in ends)


def test_names_of_nodes_may_clash_as_identifiers():
    network = residual_network()
    first, *others = network.nodes
    twin = replace(others[0], name="stem_rescale")
    edges = tuple(
        ("stem_rescale" if a == "stem" else a, "stem_rescale" if b == "stem" else b)
        for a, b in network.edges
    )
    renamed = Network(nodes=(first, twin, *others[1:]), edges=edges)
    graph = build_graph(renamed, folding_of(renamed))
    assert len({block.name for block in graph.blocks}) == len(graph.blocks)
