"""Uniform quantisation as even levels of the piecewise scheme."""

import pytest
import torch
from pa_models import batches, normalised, pixels, unsettle

from pa_nn.layers import PAConv2d, PALayer
from pa_nn.levels import approximate_by_levels
from pa_nn.models import ResNet
from pa_nn.uniform import quantise_uniformly, uniform_levels

LAYER = "stages.0.0.conv2"


def network():
    torch.manual_seed(0)
    return unsettle(ResNet(in_channels=2, classes=3, widths=(4, 6), blocks=(1, 1)))


def weights(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize(
    ("bits", "integers"),
    [(2, [-2, -1, 1, 1]), (3, [-4, -3, -2, -1, 1, 2, 3, 3])],
)
@pytest.mark.parametrize("groups", [1, 4])
def test_levels_are_multiples_of_one_step(bits, integers, groups):
    alpha = uniform_levels(weights(4, 9, 3, 3), bits, groups)
    step = alpha[:, len(integers) // 2 - 1 : len(integers) // 2].neg()
    torch.testing.assert_close(alpha / step, torch.tensor(integers).float().expand(groups, -1))


def test_eight_bits_are_symmetric():
    alpha = uniform_levels(weights(500), 8)[0]
    assert len(alpha) == 254
    assert torch.equal(alpha, -alpha.flip(0))
    assert float(alpha[-1]) == pytest.approx(127 * float(alpha[127]))


def rounded(weight, step, bits):
    return (weight / step).round().clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) * step


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_layers_compute_a_uniform_quantiser_of_least_error(bits):
    weight = weights(2000)
    alpha = uniform_levels(weight, bits)
    step = -float(alpha[0, (1 << (bits - 1)) - 1])
    out = approximate_by_levels(weight, alpha)
    torch.testing.assert_close(out, rounded(weight, step, bits))
    error = float((weight - out).square().sum())
    for factor in (0.9, 0.97, 1.03, 1.1):
        assert float((weight - rounded(weight, step * factor, bits)).square().sum()) > error


@pytest.mark.parametrize("channel", [False, True])
def test_a_network_quantised_uniformly(channel):
    model = quantise_uniformly(network(), 3, 2, calibration=batches(), channel=channel)
    layer = model.get_submodule(LAYER)
    assert isinstance(layer, PAConv2d)
    assert (layer.m, layer.n, layer.levels) == (8, 3, "channel" if channel else "trained")
    beta = layer.activation.beta.detach()
    torch.testing.assert_close(beta, float(beta[0]) * torch.tensor([1.0, 2.0, 3.0]))
    values = len(layer.approximated_weight()[0].unique())
    assert values <= 8
    assert torch.isfinite(model(normalised(pixels()))).all()


def test_real_activations():
    model = quantise_uniformly(network(), 8, None, calibration=batches())
    layers = [layer for layer in model.modules() if isinstance(layer, PALayer)]
    assert {(layer.m, layer.activation) for layer in layers} == {(254, None)}
    images = normalised(pixels())
    torch.testing.assert_close(model(images), network()(images), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ((1, 3), "Weight bits must be from 2 to 8, not 1"),
        ((9, 3), "Weight bits must be from 2 to 8, not 9"),
        ((3, 0), "Activation bits must be from 1 to 7, not 0"),
        ((3, 8), "Activation bits must be from 1 to 7, not 8"),
    ],
)
def test_bad_bits_are_refused(bits, message):
    with pytest.raises(ValueError, match=message):
        quantise_uniformly(network(), *bits, calibration=batches())
