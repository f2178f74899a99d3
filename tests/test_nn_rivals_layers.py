"""What layers of all other schemes share, with rules made up for the test."""

import torch
import torch.nn.functional as F

from pa_nn.rivals.layers import Approximated, InputRule, RivalConv2d, RivalLinear, WeightRule
from pa_nn.scheme import Scheme

SCHEME = Scheme.parse("bwn")


class Doubled(WeightRule):
    def forward(self, weight):
        return 2 * weight


class Given(InputRule):
    """Approximates every input by the same."""

    def __init__(self, **members):
        super().__init__()
        self.members = members

    def forward(self, x):
        return Approximated(x + 1, **self.members)


def convolution(input_rule, **options):
    torch.manual_seed(0)
    rules = {"weight_rule": Doubled(), "input_rule": input_rule}
    return RivalConv2d(2, 3, 3, scheme=SCHEME, **rules, **options)


def test_real_activations():
    x = torch.rand(1, 2, 4, 4)
    layer = convolution(None, padding=1)
    assert torch.equal(layer(x), F.conv2d(x, 2 * layer.weight, layer.bias, padding=1))
    assert torch.equal(layer.approximated_weight(), 2 * layer.weight)


def test_an_offset_is_of_the_padding_too():
    x = torch.rand(1, 2, 4, 4)
    for bias in (True, False):
        layer = convolution(Given(offset=torch.tensor(-0.5)), padding=1, bias=bias)
        padded = F.pad(x + 1, (1, 1, 1, 1)) - 0.5
        expected = F.conv2d(padded, 2 * layer.weight, layer.bias)
        assert torch.allclose(layer(x), expected, atol=1e-6)


def test_a_magnitude_scales_each_output():
    x = torch.rand(2, 2, 5, 5)
    size = torch.rand(2, 1, 5, 5)
    layer = convolution(Given(magnitude=size), stride=2)
    product = F.conv2d(x + 1, 2 * layer.weight, None, stride=2)
    expected = product * F.avg_pool2d(size, 3, 2) + layer.bias.view(-1, 1, 1)
    assert torch.allclose(layer(x), expected, atol=1e-6)


def test_linear_layers():
    x = torch.rand(2, 4)
    size = torch.rand(2, 1)
    torch.manual_seed(0)
    for members in ({"offset": torch.tensor(-0.5)}, {"magnitude": size}, {}):
        layer = RivalLinear(4, 3, scheme=SCHEME, weight_rule=Doubled(), input_rule=Given(**members))
        shifted = x + 1 + members.get("offset", 0)
        expected = F.linear(shifted, 2 * layer.weight) * members.get("magnitude", 1) + layer.bias
        assert torch.allclose(layer(x), expected, atol=1e-6)
    assert "scheme=bwn" in repr(layer)
