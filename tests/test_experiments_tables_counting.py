"""Counting rules on a network small enough for the fingers."""

import pytest
import torch
from torch import nn

from experiments.tables_counting import Layer, Rule, count_network
from pa_nn import convert
from pa_nn.layers import PALayer
from pa_nn.resnet import resnet8


class Toy(nn.Module):
    """A stem, a convolution beside a projection, and a classifier: 4x4 images of 2 channels."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(3, 5, 1, stride=2, bias=False))
        self.fc = nn.Linear(20, 7)

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        return self.fc(torch.flatten(self.conv2(x) + self.downsample(x), 1))


@pytest.fixture
def network():
    with torch.device("meta"):
        return count_network(Toy(), channels=2, size=4)


def test_layers_of_the_network(network):
    assert network.layers == (
        Layer(path="conv1", weights=54, macs=54 * 16, inputs=32, outputs=48),
        Layer(path="conv2", weights=135, macs=135 * 4, inputs=48, outputs=20),
        Layer(path="downsample.0", weights=15, macs=15 * 4, inputs=48, outputs=20),
        Layer(path="fc", weights=140, macs=140, inputs=20, outputs=7),
    )
    assert network.parameters == 54 + 6 + 135 + 15 + 140 + 7
    assert network.memory_bits == 32 * 357
    assert network.macs == 864 + 540 + 60 + 140
    assert [layer.downsample for layer in network.layers] == [False, False, True, False]


def test_projections_binarised(network):
    counted = Rule(m=4, n=5, downsample=True).count(network)
    assert (counted.binary_weights, counted.real_parameters, counted.layers) == (150, 207, 2)
    assert counted.memory_bits == 32 * 207 + 4 * 150
    assert counted.code_bits == 3
    assert counted.code_memory_bits == 32 * 207 + 3 * 150
    assert counted.scale_bits == 32 * 2 * (20 + 5)
    assert counted.bitwise == 20 * 600
    assert counted.convolution_flops == 864 + 140 + 20 * 600 / 64
    assert (counted.products, counted.comparisons) == (20 * 40, 5 * 96)
    assert counted.flops == 864 + 140 + 20 * 600 / 64 + 800 + 480


def test_projections_real(network):
    counted = Rule(m=1, n=1, downsample=False).count(network)
    assert counted.memory_bits == 32 * (357 - 135) + 135
    assert counted.flops == 864 + 140 + 60 + 540 / 64 + 20 + 48


@pytest.mark.parametrize(("m", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (255, 8)])
def test_codes_tell_the_zero_piece_from_the_others(network, m, bits):
    assert Rule(m=m, n=1, downsample=True).count(network).code_bits == bits


def test_binary_layers_are_those_that_convert_replaces():
    model = resnet8()
    network = count_network(model, channels=1, size=28)
    rule = Rule(m=2, n=3, downsample=True)
    converted = {
        path: module
        for path, module in convert(model, 2, 3).named_modules()
        if isinstance(module, PALayer)
    }
    assert {layer.path for layer in rule.binary(network)} == set(converted)
    own = rule.count(network)
    assert own.binary_weights == sum(layer.weight.numel() for layer in converted.values())
    thresholds = sum(layer.activation.v.numel() for layer in converted.values())
    assert own.scale_bits == 32 * (thresholds + 2 * 3 * len(converted))


def test_hooks_do_not_stay():
    model = resnet8()
    count_network(model, channels=1, size=28)
    assert not any(module._forward_hooks for module in model.modules())
