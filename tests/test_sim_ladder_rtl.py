"""Hardware that differs from its integers, and the node that is to blame."""

from dataclasses import replace

import pa_models
import pytest
import torch

from pa_nn import golden
from pa_nn.export import export_network
from sim.ladder_rtl import Simulation, compare_rtl, locate, part
from sim.simulators import SIMULATORS

PIXELS = pa_models.pixels(2, seed=3)


@pytest.fixture(scope="module")
def network():
    return export_network(pa_models.hardware(), PIXELS)


def hardware(broken):
    """Accelerators that compute with the tensors of another network."""

    def simulate(network, images):
        nodes = tuple(broken.node(node.name) for node in network.nodes)
        name = network.nodes[-1].name
        right = golden.run(network, images, fast=True)[name]
        found = golden.run(replace(network, nodes=nodes), images, fast=True)[name]
        mismatches = int((right != found).sum())
        return right.numel(), mismatches, (f"mismatches: {mismatches}",) * (mismatches > 0)

    return simulate


def halved(network, name):
    node = network.node(name)
    key = next(key for key in ("mult", "phi", "weight") if key in node.tensors)
    other = replace(node, tensors={**node.tensors, key: node.tensors[key] // 2})
    return replace(network, nodes=tuple(other if n is node else n for n in network.nodes))


def test_right_hardware_has_no_node_to_blame(network):
    found = compare_rtl(network, PIXELS, hardware(network))
    assert found.as_json() == {
        "images": 2,
        "logits_compared": 6,
        "mismatches": 0,
        "problems": [],
        "node": None,
    }


def test_any_broken_node_is_found(network):
    names = [node.name for node in network.nodes if node.tensors and node.kind != "add"]
    assert len(names) >= 10
    for name in names:
        found = compare_rtl(network, PIXELS, hardware(halved(network, name)))
        assert (found.node, found.mismatches > 0) == (name, True)
        assert found.problems


def test_hardware_that_hangs_is_wrong(network):
    def simulate(smaller, images):
        hangs = any(node.name == "stages.1.0.conv1" for node in smaller.nodes)
        return (0, 0, ("hang",)) if hangs else (1, 0, ())

    assert compare_rtl(network, PIXELS, simulate).node == "stages.1.0.conv1"


def test_every_accelerator_is_simulated_once(network):
    seen = []

    def differs(smaller):
        seen.append(smaller.nodes[-1].name)
        return smaller.nodes[-1].name in ("fc", "pool", "logits.0")

    assert locate(network, differs) == "pool"
    assert seen == ["logits.0", "fc", "pool", "stages.1.0.add"]


def test_a_part_computes_what_the_whole_does(network):
    values = golden.run(network, PIXELS, fast=True)
    for node in network.nodes[1:]:
        smaller = part(network, node.name)
        assert smaller.nodes[-1] is node
        assert torch.equal(golden.run(smaller, PIXELS, fast=True)[node.name], values[node.name])
    assert len(part(network, "stages.1.0.downsample.0").nodes) < len(network.nodes) - 5


def test_a_part_runs_in_a_simulator(network, tmp_path, monkeypatch):
    simulator = SIMULATORS["icarus"]
    if not simulator.available():
        pytest.skip(simulator.missing)
    monkeypatch.chdir(tmp_path)
    simulate = Simulation(name="part", simulator=simulator.name, fps=10_000)
    found = compare_rtl(part(network, "conv1"), PIXELS, simulate)
    assert (found.logits_compared, found.mismatches, found.problems) == (2 * 4 * 8 * 8, 0, ())
