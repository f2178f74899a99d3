"""Integer nodes on float tensors give the golden model's integers, and the float gradients."""

import numpy as np
import pytest
import torch
from pa_models import pa_conv
from pa_networks import mixed_network, residual_network, single_conv

from pa_artifact import value_ranges
from pa_nn import golden
from pa_nn.exact import compile_node, exact_conv, straight_through

CPU = torch.device("cpu")


@pytest.mark.parametrize("build", [residual_network, mixed_network])
@pytest.mark.parametrize("seed", range(4))
def test_every_kind_of_node_equals_the_golden_model(build, seed):
    network = build(seed=seed)
    shape = network.nodes[0].shape_out
    images = np.random.default_rng(seed).integers(0, 256, (3, *shape))
    expected = golden.run(network, images)
    ranges = value_ranges(network)
    for node in network.nodes[1:]:
        run = compile_node(node, ranges[node.name], CPU)
        operands = [expected[operand.name].double() for operand in network.inputs_of(node.name)]
        assert torch.equal(run(operands).long(), expected[node.name]), node.name


@pytest.mark.parametrize(
    "options",
    [
        {"pad": (0, 2, 1, 0), "stride": (2, 1)},
        {"kernel": (2, 3), "m": 1, "n": 1},
        {"phi_bits": 24, "act_bits": 20, "act_signed": True},
    ],
)
def test_shapes_and_sums_beyond_float32(options):
    network = single_conv(seed=1, **options)
    node = network.node("conv")
    low, high = node.tensors["range"][0]
    acts = np.random.default_rng(0).integers(low, high + 1, (2, *node.shape_in))
    run = compile_node(node, value_ranges(network)["conv"], CPU)
    result = run([torch.from_numpy(acts).double()])
    assert torch.equal(result.long(), golden.run(network, acts)["conv"])
    assert result.dtype == (torch.float64 if "phi_bits" in options else torch.float32)


def test_an_input_computes_nothing():
    node = single_conv().nodes[0]
    with pytest.raises(ValueError, match="input: a input computes nothing"):
        compile_node(node, np.zeros((1, 2)), CPU)


def test_straight_through():
    fake = torch.randn(3, requires_grad=True)
    exact = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    result = straight_through(fake, exact)
    assert torch.equal(result.detach(), exact.float())
    (result * torch.tensor([1.0, 2.0, 4.0])).sum().backward()
    assert fake.grad.tolist() == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (1, 3), "padding": (0, 1), "bias": False},
        {"kernel_size": 2, "padding": "same"},
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding=.same.")
def test_gradients_of_an_exact_convolution_are_the_layers(options):
    torch.manual_seed(0)
    layer = pa_conv(3, 4, **options)
    x = torch.rand(2, 3, 6, 6)
    gradients = []
    for exact in (False, True):
        layer.zero_grad()
        leaf = x.clone().requires_grad_()
        expected = layer(leaf)
        marker = torch.randn(expected.shape, dtype=torch.float64)
        result = exact_conv(layer, leaf, marker) if exact else expected
        if exact:
            assert torch.equal(result.detach(), marker.float())
        weights = torch.linspace(-1, 1, result.numel()).view_as(result)
        (result * weights).sum().backward()
        gradients.append([leaf.grad, *(p.grad.clone() for p in layer.parameters())])
    for left, right in zip(*gradients, strict=True):
        assert torch.allclose(left, right, atol=1e-5)
