# amaranth: UnusedElaboratable=no
"""Blocks to text, once for each content."""

import pickle
from dataclasses import replace

import pytest
from network_bench import folding_of
from pa_networks import residual_network

from pa_hdl.network import convert as module
from pa_hdl.network.convert import convert, convert_all
from pa_hdl.network.graph import build_graph


@pytest.fixture
def blocks():
    network = residual_network(channels=4)
    graph = build_graph(network, folding_of(network, 2))
    return [graph.block(name) for name in ("conv2_rescale", "sum")]


def test_text_of_a_block_stands_by_itself(blocks):
    made = convert(blocks[0], "net_rescale")
    assert made.verilog.count("module net_rescale(") == 1
    assert made.sync == ("clk", "rst")
    assert all(name.startswith("net_rescale_") for name in made.memories)
    assert made.contents_bits > 0
    assert made.buffer_bits == 0


def test_processes_and_cache_change_nothing(blocks, tmp_path, monkeypatch):
    jobs = [(block, f"net_{block.name}") for block in blocks]
    plain = convert_all(jobs, workers=1)
    assert convert_all(jobs, workers=2, cache_folder=tmp_path) == plain
    assert len(list(tmp_path.iterdir())) == len(jobs)
    monkeypatch.setattr(module, "convert", None)  # nothing is left to convert
    assert convert_all(jobs, workers=1, cache_folder=tmp_path) == plain


def test_whatever_a_text_depends_on_changes_its_place(blocks, tmp_path):
    block = blocks[0]
    shift = block.node.tensors["shift"]
    node = replace(block.node, tensors={**block.node.tensors, "shift": shift + 1})
    others = [
        (block, "other"),
        (replace(block, node=node), "net"),
        (replace(block, ranges=(block.ranges[0] * 2,)), "net"),
        (blocks[1], "net"),
    ]
    places = {module._place(tmp_path, *job) for job in [(block, "net"), *others]}
    assert len(places) == 1 + len(others)


def test_a_damaged_cache_is_written_again(blocks, tmp_path):
    job = (blocks[1], "net")
    place = module._place(tmp_path, *job)
    place.write_text("{")
    [made] = convert_all([job], workers=1, cache_folder=tmp_path)
    assert made == convert(*job)
    assert convert_all([job], workers=1, cache_folder=tmp_path) == [made]


def test_blocks_travel_without_their_signals(blocks):
    assert blocks[0].component is not None
    again = pickle.loads(pickle.dumps(blocks[0]))
    assert "component" not in again.__dict__
    assert again.outputs == blocks[0].outputs
