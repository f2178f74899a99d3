"""PA layers compute Eq. 19 and take their float layer's arguments."""

import pytest
import torch
import torch.nn.functional as F

from pa_nn import kernels
from pa_nn.activations import activation_bases, activation_codes
from pa_nn.layers import PAConv2d, PALinear
from pa_nn.weights import weight_bases, weight_codes


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parallel_convolutions(layer, x):
    """Eq. 19: M x N convolutions of binary bases, each scaled by alpha_i * beta_j."""
    codes, alpha = weight_codes(layer.weight, layer.m)
    t = weight_bases(codes, layer.m).double()
    beta = layer.activation.beta.tolist()
    v = activation_bases(activation_codes(x, layer.activation.v), layer.n).double()
    return sum(
        alpha[i]
        * beta[j]
        * F.conv2d(v[j], t[i], None, layer.stride, layer.padding, layer.dilation, layer.groups)
        for i in range(layer.m)
        for j in range(layer.n)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (1, 3), "stride": (2, 1)},
        {"kernel_size": 3, "groups": 2, "dilation": 2},
    ],
)
@pytest.mark.parametrize(("m", "n"), [(2, 1), (4, 5)])
def test_convolution_is_that_of_equation_19(m, n, arguments):
    torch.manual_seed(0)
    layer = PAConv2d(4, 6, **arguments, bias=False, m=m, n=n)
    x = images(2, 4, 9, 8)
    got = layer(x).double()
    torch.testing.assert_close(got, parallel_convolutions(layer, x), rtol=1e-5, atol=1e-5)


def test_real_activations_pass_through():
    layer = PAConv2d(2, 3, 3, m=4, n=None)
    assert layer.activation is None
    x = images(1, 2, 5, 5)
    expected = F.conv2d(x, layer.approximated_weight(), layer.bias)
    assert torch.equal(layer(x), expected)


def test_linear_layer():
    layer = PALinear(6, 4, m=4, n=3)
    x = images(5, 6)
    expected = F.linear(layer.activation(x), layer.approximated_weight(), layer.bias)
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize(("kind", "shape"), [(PAConv2d, (4, 3, 7, 7)), (PALinear, (4, 3))])
def test_weights_levels_and_endpoints_all_learn(kind, shape):
    torch.manual_seed(0)
    layer = PAConv2d(3, 8, 3, m=4, n=3) if kind is PAConv2d else PALinear(3, 8, m=4, n=3)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1e-2)
    before = {name: value.detach().clone() for name, value in layer.named_parameters()}
    layer(images(*shape)).square().sum().backward()
    optimiser.step()
    for name in ("weight", "activation.beta", "activation.v"):
        assert not torch.equal(dict(layer.named_parameters())[name], before[name]), name


def test_training_step_is_the_same_without_kernels():
    results = []
    for plain in (False, True):
        torch.manual_seed(0)
        layer = PAConv2d(3, 5, 3, padding=1, m=4, n=5)
        x = images(4, 3, 9, 9).requires_grad_()
        if plain:
            with kernels.plain_torch():
                layer(x).square().sum().backward()
        else:
            layer(x).square().sum().backward()
        results.append([x.grad, *(p.grad for p in layer.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_pieces_show_in_the_representation():
    assert "m=4, n=5" in repr(PAConv2d(1, 1, 1, m=4, n=5))
    assert "m=2, n=None" in repr(PALinear(1, 1, m=2, n=None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"m": 3, "n": 5}, "M must be an even number .* not 3"),
        ({"m": 4, "n": 0}, "N must be from 1 to 255, not 0"),
        ({"m": 4, "n": 5, "lambda_w": -1.0}, "lambda_w must be positive .* not -1.0"),
        ({"m": 4, "n": 5, "lambda_a": 0.0}, "lambda_a must be positive .* not 0.0"),
    ],
)
@pytest.mark.parametrize("kind", [PAConv2d, PALinear])
def test_bad_pieces_are_refused(kind, options, message):
    arguments = (2, 2, 1) if kind is PAConv2d else (2, 2)
    with pytest.raises(ValueError, match=message):
        kind(*arguments, **options)
