"""Foldings: the file, the choice for a rate and for a budget, and everything that is refused."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pa_networks import mixed_network, residual_network

from pa_artifact import Network, Node, read
from pa_hdl.candidates import candidates
from pa_hdl.folding import Folding, fold_for_budget, fold_for_rate, network_digest
from pa_hdl.network.graph import build_graph

CLOCK = 100.0


@pytest.fixture(scope="module")
def resnet8():
    return read(Path(__file__).parents[1] / "sim" / "data" / "resnet8.pa")


def chosen(network, folding):
    """The candidate of each node that a folding names."""
    return {
        name: next(each for each in some if each.folding == folding.nodes[name])
        for name, some in candidates(network).items()
    }


def total(network, folding):
    return sum(each.area.weight for each in chosen(network, folding).values())


@pytest.mark.parametrize("fps", [1, 100, 1000, 2500, 10000, 14172])
def test_every_node_is_fast_enough(resnet8, fps):
    folding = fold_for_rate(resnet8, fps=fps, clock_mhz=CLOCK)
    assert max(each.cycles for each in chosen(resnet8, folding).values()) <= CLOCK * 1e6 / fps


def test_a_slower_network_is_smaller(resnet8):
    sizes = [
        total(resnet8, fold_for_rate(resnet8, fps=fps, clock_mhz=CLOCK))
        for fps in (10, 300, 1000, 3000, 10000)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize("fps", [1000, 50000, 90000])
@pytest.mark.parametrize("make", [residual_network, mixed_network])
def test_hardware_takes_the_cycles_that_were_counted_on(make, fps):
    network = make()
    folding = fold_for_rate(network, fps=fps, clock_mhz=CLOCK)
    cycles = {name: each.cycles for name, each in chosen(network, folding).items()}
    for block in build_graph(network, folding.nodes).blocks:
        if block.node is not None:
            assert block.cycles == cycles[block.node.name], block.name


def test_the_fastest_folding_is_reached_exactly(resnet8):
    fold_for_rate(resnet8, fps=CLOCK * 1e6 / 7056, clock_mhz=CLOCK)
    message = (
        "15000 images a second at 100 MHz leave 6666 cycles for an image, but 'conv1' takes 7056 "
        r"fully unfolded: the best rate is 14172\.3"
    )
    with pytest.raises(ValueError, match=message):
        fold_for_rate(resnet8, fps=15000, clock_mhz=CLOCK)


def test_a_budget_is_kept_and_used(resnet8):
    small, large = (fold_for_budget(resnet8, luts=luts) for luts in (15000, 60000))
    cycles = [
        max(each.cycles for each in chosen(resnet8, folding).values()) for folding in (small, large)
    ]
    assert cycles[0] > cycles[1]
    for folding, luts in ((small, 15000), (large, 60000)):
        assert sum(each.area.luts for each in chosen(resnet8, folding).values()) <= luts


def test_more_than_enough_is_the_fastest(resnet8):
    folding = fold_for_budget(resnet8, luts=10**7)
    assert max(each.cycles for each in chosen(resnet8, folding).values()) == 7056


def test_too_small_a_budget(resnet8):
    message = r"2000 LUTs do not hold the network, which takes \d+ fully folded"
    with pytest.raises(ValueError, match=message):
        fold_for_budget(resnet8, luts=2000)


@pytest.mark.parametrize("luts", [0, -5, 2.5, True])
def test_a_budget_is_a_positive_integer(resnet8, luts):
    with pytest.raises(ValueError, match=f"luts must be an integer of at least 1, not {luts}"):
        fold_for_budget(resnet8, luts=luts)


@pytest.mark.parametrize("name", ["fps", "clock_mhz"])
@pytest.mark.parametrize("value", [0, -1.5, float("inf"), float("nan")])
def test_rates_are_positive(resnet8, name, value):
    with pytest.raises(ValueError, match=f"{name} must be above 0, not {value}"):
        fold_for_rate(resnet8, **({"fps": 1.0, "clock_mhz": 1.0} | {name: value}))


def node(name, kind, shape_in, shape_out=None, tensors=None, **attributes):
    return Node(
        name=name,
        kind=kind,
        shape_in=shape_in,
        shape_out=shape_out or shape_in,
        attributes=attributes,
        tensors=tensors or {},
    )


def conv8(name, channels, results, groups=1):
    return node(
        name, "conv8", (channels, 8, 8), (results, 8, 8),
        {
            "weight": np.ones((results, channels // groups, 3, 3), np.int8),
            "zero": np.zeros(channels, np.int16),
        },
        kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1), groups=groups,
    )  # fmt: skip


def test_neighbours_agree_where_that_costs_nothing():
    """Eight lanes of a depthwise layer between two wide ones need no converter."""
    names = ["image", "depthwise", "scale", "sum"]
    nodes = (
        node("image", "input", (16, 8, 8), bits=8, signed=False),
        conv8("depthwise", 16, 16, 16),
        node("scale", "rescale", (16, 8, 8), None,
             {"mult": np.ones(16, np.int64), "bias": np.zeros(16, np.int64),
              "shift": np.array(0)}),
        node("sum", "add", (16, 8, 8), bits=8, signed=False),
    )  # fmt: skip
    network = Network(nodes=nodes, edges=tuple(pairwise(names)))
    folding = fold_for_rate(network, fps=CLOCK * 1e6 / (64 * 9 * 2), clock_mhz=CLOCK)
    assert folding.nodes["depthwise"] == {"lanes": 8}
    assert {folding.nodes[name]["lanes"] for name in names} <= {1, 8}


def test_a_file_is_read_back(resnet8, tmp_path):
    folding = fold_for_rate(resnet8, fps=500, clock_mhz=CLOCK)
    path = tmp_path / "folding.json"
    path.write_text(folding.text())
    assert Folding.read(path, resnet8) == folding
    raw = json.loads(folding.text())
    assert raw["schema"] == 1
    assert raw["network"] == network_digest(resnet8)
    assert list(raw["nodes"]) == [each.name for each in resnet8.nodes]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("schema"), "has the members schema, network and nodes, not .*nodes"),
        (lambda raw: raw.update(schema=2), "schema must be 1, not 2"),
        (lambda raw: raw.update(network="abc"), "network must be .* the one that is folded, not"),
        (lambda raw: raw.update(nodes=[]), r"nodes must be an object, not \[\]"),
        (lambda raw: raw["nodes"].pop("fc"), "folding of 'fc' is missing"),
        (lambda raw: raw["nodes"].update(x={}), "folding of 'x': the network has no such node"),
        (lambda raw: raw["nodes"].update(fc={"lanes": 1}), "'fc' must have simd and pe, not"),
        (lambda raw: raw["nodes"].update(pool=3), "'pool' must have lanes, not 3"),
        (lambda raw: raw["nodes"]["fc"].update(pe=3), "'fc': pe must divide 10, not 3"),
        (lambda raw: raw["nodes"]["fc"].update(pe=0), "'fc': pe must divide 10, not 0"),
        (lambda raw: raw["nodes"]["fc"].update(pe=True), "'fc': pe must divide 10, not True"),
        (lambda raw: raw["nodes"]["fc"].update(simd="4"), "'fc': simd must divide 64, not '4'"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(resnet8, tmp_path, change, message):
    raw = json.loads(fold_for_rate(resnet8, fps=500, clock_mhz=CLOCK).text())
    change(raw)
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=message) as caught:
        Folding.read(path, resnet8)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "\x00", "[" * 100_000])
def test_what_is_not_json_is_refused(resnet8, tmp_path, text):
    path = tmp_path / "folding.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a JSON file"):
        Folding.read(path, resnet8)


def test_a_missing_file(resnet8, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Folding.read(tmp_path / "none.json", resnet8)
