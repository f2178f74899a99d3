"""Which node parts by more than rounding explains: networks broken on purpose."""

from dataclasses import replace

import numpy as np
import pa_models
import pa_topologies
import pytest
import torch

from pa_artifact import Network
from pa_nn.export import export_network
from sim.ladder_layers import compare_integers

PIXELS = pa_models.pixels(6, seed=3)

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")


@pytest.fixture(scope="module", params=pa_topologies.TOPOLOGIES)
def made(request):
    """A hardware model and its integers."""
    model = pa_models.hardware(lambda: pa_topologies.build(request.param))
    return model, export_network(model, PIXELS)


def changed(network, name, **tensors):
    """The network with tensors of one node replaced by functions of themselves."""
    node = network.node(name)
    new = {key: change(node.tensors[key].copy()) for key, change in tensors.items()}
    broken = replace(node, tensors={**node.tensors, **new})
    return replace(network, nodes=tuple(broken if n is node else n for n in network.nodes))


def beyond(network, model):
    return [entry.node for entry in compare_integers(network, model, PIXELS) if entry.beyond]


def test_rounding_explains_a_whole_network(made):
    model, network = made
    entries = compare_integers(network, model, PIXELS, batch_size=4)
    assert [entry.node for entry in entries] == [node.name for node in network.nodes[1:]]
    assert not any(entry.beyond for entry in entries)
    for entry in entries:
        assert entry.elements == 6 * np.prod(network.node(entry.node).shape_out)
        assert (entry.drift is None) == (entry.kind == "rescale")
        if entry.kind in ("pa_conv", "conv8", "linear8", "rescale"):
            assert entry.own.relative <= entry.allowed.relative * (1 + 1e-9)


def moved(thresholds):
    thresholds[:, 1] += 40
    return np.sort(thresholds, axis=1)


def other_phi(phi):
    phi[1, 1] += 1
    return phi


def other_weight(weight):
    weight[0, 0, 0, 0] += -1 if weight[0, 0, 0, 0] > 0 else 1
    return weight


@pytest.mark.parametrize(
    ("node", "tensors"),
    [
        ("conv1", {"weight": other_weight}),
        ("conv1", {"zero": lambda zero: zero + 1}),
        ("stages.0.0.conv2", {"thresholds": moved}),
        ("stages.0.0.conv2", {"phi": other_phi}),
        ("stages.1.0.conv1", {"codes": lambda codes: codes[::-1].copy()}),
        ("stages.1.0.add.1", {"mult": lambda mult: mult + 200}),
        ("stages.1.0.add.0", {"bias": lambda bias: bias + 60000}),
        ("stages.1.0.add.0", {"shift": lambda shift: shift - 1}),
        ("logits.0", {"mult": lambda mult: mult + 100}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_broken_tensor_is_found_in_its_node_alone(node, tensors):
    model = pa_models.hardware(pa_models.residual)
    network = export_network(model, PIXELS)
    assert beyond(changed(network, node, **tensors), model) == [node]


def attributes_changed(network, name, **attributes):
    node = network.node(name)
    other = replace(node, attributes={**node.attributes, **attributes})
    return replace(network, nodes=tuple(other if n is node else n for n in network.nodes))


def test_padding_on_the_wrong_side_is_found():
    model = pa_models.hardware(lambda: pa_topologies.build("separable"))
    network = export_network(model, PIXELS)
    uneven = [node for node in network.of_kind("conv8") if len(set(node.attributes["pad"])) > 1]
    assert uneven
    for node in uneven:
        top, bottom, left, right = node.attributes["pad"]
        broken = attributes_changed(network, node.name, pad=(bottom, top, right, left))
        assert beyond(broken, model) == [node.name]


def test_maximum_pooling_of_other_windows_is_found():
    model = pa_models.hardware(lambda: pa_topologies.build("bottleneck"))
    network = export_network(model, PIXELS)
    [node] = network.of_kind("max_pool")
    top, bottom, left, right = node.attributes["pad"]
    broken = attributes_changed(network, node.name, pad=(top + 1, bottom - 1, left, right))
    assert beyond(broken, model) == [node.name]


def test_operands_of_a_concatenation_in_another_order_are_found():
    model = pa_models.hardware(lambda: pa_topologies.build("dense"))
    network = export_network(model, PIXELS)
    node = network.of_kind("concat")[0]
    into = [edge for edge in network.edges if edge[1] == node.name]
    others = [edge for edge in network.edges if edge[1] != node.name]
    broken = replace(network, edges=(*others, *reversed(into)))
    # Thresholds behind it are clipped to ranges that its channels now leave.
    assert beyond(broken, model)[0] == node.name


def test_a_wrong_number_format_is_found():
    model = pa_models.hardware(pa_models.residual)
    broken = attributes_changed(export_network(model, PIXELS), "stages.0.0.add", bits=6)
    assert beyond(broken, model) == ["stages.0.0.add"]


def test_saturated_sums_are_counted():
    model = pa_models.hardware(pa_models.residual)
    model.ranges /= 3
    entries = compare_integers(export_network(model, PIXELS), model, PIXELS)
    saturated = {entry.node for entry in entries if entry.saturated}
    assert {"bn1.out", "stages.0.0.add"} <= saturated
    assert not any(entry.beyond for entry in entries)


def test_what_relu6_cuts_off_is_not_saturated():
    """As calibrated one range is above 6, where the cut is the network's own; below it is not."""
    model = pa_models.hardware(lambda: pa_topologies.build("separable"))
    capped = [step.name for step in model.plan if step.cap is not None]
    for factor, saturates in ((1e3, False), (1e-2, True)):
        model.ranges.fill_(factor)
        entries = compare_integers(export_network(model, PIXELS), model, PIXELS)
        found = {entry.node: entry.saturated for entry in entries}
        assert capped
        assert all((found[name] > 0) == saturates for name in capped)


def test_drift_is_the_difference_from_the_float_network(made):
    model, network = made
    entry = compare_integers(network, model, PIXELS)[-1]
    with torch.no_grad():
        floats = model.model(pa_models.normalised(PIXELS)).double()
        integers = model(pa_models.normalised(PIXELS)).double()
    error = (integers - floats).norm() / floats.norm()
    assert entry.drift.relative == pytest.approx(float(error), rel=1e-4)


def test_networks_of_other_nodes_are_refused():
    model = pa_models.hardware(pa_models.residual)
    network = export_network(model, PIXELS)
    other = export_network(pa_models.hardware(pa_models.forms), PIXELS)
    message = r"Node 'conv1' is in the checkpoint's network alone"
    with pytest.raises(ValueError, match=message):
        compare_integers(other, model, PIXELS)
    fewer = replace(network, nodes=network.nodes[:-2])
    with pytest.raises(ValueError, match=r"Node 'logits\.0' is in the checkpoint's network alone"):
        compare_integers(fewer, model, PIXELS)
    node = replace(network.node("conv1"), shape_out=(4, 9, 9))
    nodes = tuple(node if n.name == "conv1" else n for n in network.nodes)
    message = r"Node 'conv1' has shape_out \(4, 9, 9\) in the \.pa file, \(4, 8, 8\) in"
    with pytest.raises(ValueError, match=message):
        compare_integers(Network(nodes=nodes, edges=network.edges), model, PIXELS)
