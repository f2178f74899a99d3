# amaranth: UnusedElaboratable=no
"""What people read of an accelerator."""

import re
from xml.etree import ElementTree

import pytest
from network_bench import folding_of
from pa_networks import residual_network

from pa_hdl.network.generate import generate
from pa_hdl.network.report import markdown, picture


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    network = residual_network(channels=4)
    folder = tmp_path_factory.mktemp("cache")
    folding = folding_of(network, 2)
    first = generate(network, folding, name="net", cache=folder, workers=1, clock_mhz=50)
    again = generate(network, folding, name="net", cache=folder, workers=1, clock_mhz=50)
    assert first == again
    return first


def test_every_file_is_named_and_every_memory_is_there(made):
    assert sorted(made.verilog) == sorted(made.metadata["verilog"])
    assert sorted(made.memories) == sorted(made.metadata["files"])
    read = set(re.findall(r'\$readmemh\("([^"]+)"', "".join(made.verilog.values())))
    assert read == set(made.memories)
    modules = re.findall(r"^module (\w+)", "".join(made.verilog.values()), re.MULTILINE)
    assert len(set(modules)) == len(modules)
    assert all(module.startswith("net") for module in modules)


def test_totals_are_those_of_the_nodes(made):
    facts = made.metadata
    assert facts["cycles_per_image"] == max(node["cycles"] for node in facts["nodes"])
    assert facts["images_per_second"] == 50e6 / facts["cycles_per_image"]
    assert facts["fifo_bits"] == sum(fifo["bits"] for fifo in facts["fifos"])
    rows = [*facts["nodes"], *facts["fifos"]]
    assert facts["totals"]["luts"] == sum(row["luts"] for row in rows)
    slowest = next(n for n in facts["nodes"] if n["name"] == facts["bottleneck"]["node"])
    assert slowest["utilisation"] == 1


def test_the_table_has_a_row_for_each_node_and_marks_the_slowest(made):
    text = markdown(made.metadata)
    for node in made.metadata["nodes"]:
        assert len(re.findall(rf"^\| (\*\*)?{node['name']}(\*\*)? \|", text, re.MULTILINE)) == 1
    assert f"| **{made.metadata['bottleneck']['node']}** |" in text
    assert f"{made.metadata['images_per_second']:,.1f} images a second at 50 MHz" in text


def test_the_picture_has_every_node(made):
    text = picture(made.metadata)
    ElementTree.fromstring(text)
    for node in made.metadata["nodes"]:
        assert node["name"] in text
    assert picture(made.metadata) == text


def test_depths_may_be_given(made):
    network = residual_network(channels=4)
    folding = folding_of(network, 2)
    depths = {"sum_fifo_1": 99}
    other = generate(network, folding, name="net", workers=1, fifo_depths=depths)
    [fifo] = [fifo for fifo in other.metadata["fifos"] if fifo["name"] == "sum_fifo_1"]
    assert fifo["depth"] == 99
    with pytest.raises(ValueError, match=r"FIFO must be one of stem_fifo, .*, not 'sum_fifo'"):
        generate(network, folding, fifo_depths={"sum_fifo": 4})
    with pytest.raises(ValueError, match="sum_fifo_0: depth must be at least 2, not 1"):
        generate(network, folding, fifo_depths={"sum_fifo_0": 1})
