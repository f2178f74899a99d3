"""BWN and XNOR-Net by hand."""

import torch
from torch import nn

from pa_nn.rivals.binary import BinaryWeights, XNORInput, XNORWeights
from pa_nn.rivals.conversion import convert_rival
from pa_nn.scheme import Scheme

# Mean size 2 in the first output channel, 0.5 in the second.
WEIGHT = torch.tensor([[1.0, -2.0, 0.0, 5.0], [-0.25, 0.75, 0.5, -0.5]])


def test_weights_are_signs_times_the_mean_size_of_their_channel():
    weight = WEIGHT.view(2, 1, 2, 2)
    expected = torch.tensor([[2.0, -2.0, 2.0, 2.0], [-0.5, 0.5, 0.5, -0.5]])
    assert torch.equal(BinaryWeights()(weight), expected.view(2, 1, 2, 2))


def test_alpha_and_sign_have_the_least_squared_error():
    approximated = BinaryWeights()(WEIGHT)[1]
    best = (WEIGHT[1] - approximated).square().sum()
    for bits in range(16):
        signs = torch.tensor([1.0 if bits >> k & 1 else -1.0 for k in range(4)])
        alpha = (signs * WEIGHT[1]).mean()
        assert (WEIGHT[1] - alpha * signs).square().sum() >= best


def test_gradient_of_weights():
    weight = WEIGHT.clone().requires_grad_()
    BinaryWeights()(weight).backward(torch.full((2, 4), 3.0))
    assert weight.grad.tolist() == [[3, 0, 3, 0], [3, 3, 3, 3]]


def test_gradient_of_weights_in_xnor_net():
    weight = WEIGHT.clone().requires_grad_()
    approximated = XNORWeights()(weight)
    assert torch.equal(approximated, BinaryWeights()(WEIGHT))
    approximated.backward(torch.ones(2, 4))
    # 1 + 4 alpha with alpha of 2 and 0.5; beyond |W| = 1 there is 1 alone.
    assert weight.grad.tolist() == [[9, 1, 9, 1], [3, 3, 3, 3]]


def rule(mean, std):
    """An XNOR input whose batch normalisation is known."""
    rule = XNORInput(len(mean)).eval()
    rule.norm.eps = 0.0
    rule.norm.running_mean.copy_(torch.tensor(mean))
    rule.norm.running_var.copy_(torch.tensor(std) ** 2)
    return rule


def test_input_is_normalised_before_its_sign():
    x = torch.tensor([[1.0, 3.0], [2.0, 0.0]], requires_grad=True)
    values, offset, magnitude = rule([1.0, 2.0], [1.0, 4.0])(x)
    assert values.tolist() == [[1, 1], [1, -1]]
    assert offset is None
    # Means over channels of (0, 0.25) and (1, 0.5).
    assert magnitude.tolist() == [[0.125], [0.75]]
    assert not magnitude.requires_grad


def test_gradient_of_the_sign_is_1_below_a_size_of_1():
    x = torch.tensor([[-2.0], [-0.5], [0.0], [0.5], [2.0]], requires_grad=True)
    values, _, _ = rule([0.0], [1.0])(x)
    values.backward(torch.full((5, 1), 3.0))
    assert x.grad.tolist() == [[0], [3], [3], [3], [0]]


def test_normalisation_starts_from_calibration():
    made = XNORInput(2)
    made.initialise(torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
    assert made.norm.running_mean.tolist() == [2, 2]
    assert made.norm.running_var.tolist() == [1, 4]


def xnor(layer):
    made = convert_rival(nn.Sequential(layer), Scheme.parse("xnor"), keep=())[0].eval()
    made.input_rule.norm.eps = 0.0
    return made


def test_convolution_is_signs_times_alpha_times_k():
    layer = nn.Conv2d(2, 1, 2, bias=True)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[1.0, -2], [3, -2]], [[2.0, 2], [-1, -3]]]]))
        layer.bias.fill_(10)
    x = torch.tensor([[[[1.0, -1], [3, -1]], [[-1.0, 3], [1, 1]]]])
    # Signs agree in 5 of 8 places: 5 - 3 = 2. alpha = 16 / 8; K = mean size of x = 12 / 8.
    assert xnor(layer)(x).tolist() == [[[[2 * 2 * 1.5 + 10]]]]


def test_k_is_a_mean_over_the_window_with_zeros_around():
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    x = torch.full((1, 1, 2, 2), 9.0)
    # Four pixels of nine are inside each window: four signs, and K = 4 * 9 / 9.
    assert xnor(layer)(x).tolist() == [[[[16, 16], [16, 16]]]]


def test_k_with_other_padding():
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate", bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    assert xnor(layer)(torch.full((1, 1, 2, 2), 9.0)).tolist() == [[[[81, 81], [81, 81]]]]


def test_linear_layer():
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(WEIGHT)
        layer.bias.copy_(torch.tensor([1.0, -1.0]))
    x = torch.tensor([[1.0, -2.0, 2.0, 3.0]])
    # K = 8 / 4; the signs agree in 4 and 1 of 4 places: 4 and 1 - 3.
    assert xnor(layer)(x).tolist() == [[4 * 2 * 2 + 1, -2 * 0.5 * 2 - 1]]
