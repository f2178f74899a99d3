"""ABC-Net by hand."""

import math

import pytest
import torch
from torch import nn

from pa_nn.activations import lloyd_max
from pa_nn.rivals.abc_net import ABCInput, ABCWeights, shifts, weight_bases
from pa_nn.rivals.conversion import convert_rival
from pa_nn.scheme import Scheme


def test_shifts_are_spread_over_one_standard_deviation():
    assert shifts(1) == [0]
    assert shifts(2) == [-1, 1]
    assert shifts(5) == [-1, -0.5, 0, 0.5, 1]


def test_one_base_is_the_sign_around_the_mean():
    weight = torch.tensor([1.0, 2.0, 3.0, 6.0])  # mean 3
    intervals, alpha, std = weight_bases(weight, 1)
    assert intervals.tolist() == [0, 0, 1, 1]
    assert std == math.sqrt((4 + 1 + 0 + 9) / 4)
    # B = (-1, -1, 1, 1): alpha = (3 + 6 - 1 - 2) / 4.
    assert alpha.tolist() == pytest.approx([1.5], rel=1e-14)
    assert ABCWeights(1)(weight).tolist() == [-1.5, -1.5, 1.5, 1.5]


def test_two_bases_are_a_linear_regression():
    weight = torch.tensor([-3.0, -1.0, 1.0, 3.0])  # mean 0, standard deviation sqrt(5)
    intervals, alpha, std = weight_bases(weight, 2)
    assert intervals.tolist() == [0, 1, 1, 2]
    assert std == math.sqrt(5)
    # B_1 = sign(W - std) = (-1, -1, -1, 1), B_2 = sign(W + std) = (-1, 1, 1, 1):
    # [[4, 0], [0, 4]] alpha = (6, 6).
    assert alpha.tolist() == pytest.approx([1.5, 1.5], rel=1e-14)
    assert ABCWeights(2)(weight).tolist() == [-3, 0, 0, 3]


def literal(weight, m):
    """The regression as it is printed, with all bases written out."""
    flat = weight.double().flatten()
    std = flat.std(unbiased=False)
    bases = torch.stack(
        [torch.where(flat - flat.mean() + u * std >= 0, 1.0, -1.0) for u in shifts(m)]
    )
    alpha = torch.linalg.lstsq(bases.double().T, flat.unsqueeze(1)).solution.squeeze(1)
    return (alpha @ bases.double()).view(weight.shape), alpha


@pytest.mark.parametrize("m", [1, 3, 5, 7])
def test_weights_are_the_regression_as_printed(m):
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(m)) * 0.1 + 0.02
    expected, alpha = literal(weight, m)
    assert torch.allclose(weight_bases(weight, m)[1], alpha, rtol=1e-9)
    weight.requires_grad_()
    approximated = ABCWeights(m)(weight)
    assert torch.allclose(approximated.double(), expected, rtol=1e-6)
    assert len(approximated.unique()) == m + 1
    approximated.backward(torch.full_like(weight, 2.0))
    slope = float(alpha.sum() / weight.detach().double().std(unbiased=False))
    assert torch.allclose(weight.grad, torch.full_like(weight, 2 * slope))


def test_bases_that_are_equal():
    weight = torch.tensor([-1.0, 1.0])  # three shifts, two values: all bases agree
    assert ABCWeights(3)(weight).tolist() == pytest.approx([-1, 1], rel=1e-6)
    assert ABCWeights(3)(torch.ones(4)).tolist() == pytest.approx([1.0] * 4, rel=1e-6)


def rule(beta, v):
    made = ABCInput(len(v))
    with torch.no_grad():
        made.beta.copy_(torch.tensor(beta))
        made.v.copy_(torch.tensor(v))
    return made


def printed(x, beta, v):
    """``sum_n beta_n A_n``, and its gradients for a gradient of ones, as they are printed."""
    total = torch.zeros_like(x)
    grad_x = torch.zeros_like(x)
    grad_beta, grad_v = [], []
    for b, shift in zip(beta, v, strict=True):
        sign = torch.where((x + shift).clamp(0, 1) >= 0.5, 1.0, -1.0)
        inside = ((x + shift >= 0) & (x + shift <= 1) & (x != 0)).float()
        total += b * sign
        grad_x += b * inside
        grad_beta.append(float(sign.sum()))
        grad_v.append(float(b * inside.sum()))
    return total, grad_x, grad_beta, grad_v


def test_activations_by_hand():
    made = rule([0.5, 0.25], [0.25, -1.0])  # thresholds 0.25 and 1.5
    x = torch.tensor([[-1.0, 0.0, 0.125, 0.25], [0.8, 1.25, 1.5, 3.0]], requires_grad=True)
    values, offset, magnitude = made(x)
    assert magnitude is None
    total = values + offset
    assert total.tolist() == [[-0.75, -0.75, -0.75, 0.25], [0.25, 0.25, 0.75, 0.75]]
    total.sum().backward()
    # Windows -0.25 to 0.75 and 1 to 2.
    assert x.grad.tolist() == [[0, 0, 0.5, 0.5], [0, 0.25, 0.25, 0]]
    assert made.beta.grad.tolist() == [5 - 3, 2 - 6]
    assert made.v.grad.tolist() == [2 * 0.5, 2 * 0.25]


def test_activations_are_as_printed_where_windows_overlap():
    beta, v = [0.5, 0.25, 1.0], [0.3, 0.1, -0.45]
    made = rule(beta, v)
    x = torch.rand(64, generator=torch.Generator().manual_seed(0)) * 2.5
    x.requires_grad_()
    values, offset, _ = made(x)
    (values + offset).sum().backward()
    total, grad_x, grad_beta, grad_v = printed(x.detach(), beta, v)
    assert torch.allclose(values + offset, total)
    assert torch.allclose(x.grad, grad_x)
    assert made.beta.grad.tolist() == pytest.approx(grad_beta)
    assert made.v.grad.tolist() == pytest.approx(grad_v)


def test_activations_start_as_lloyd_max():
    samples = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    made = ABCInput(3)
    made.initialise(samples)
    levels, thresholds = lloyd_max(samples, 3)
    assert torch.equal(0.5 - made.v, 0.5 - (0.5 - thresholds))
    values, offset, _ = made(levels.unsqueeze(0))
    assert torch.allclose(values[0], levels)
    assert torch.allclose(offset, -levels[-1] / 2)


def test_thresholds_stay_positive():
    made = rule([1.0, 1.0], [3.0, -2.0])
    made.project_()
    assert made.v.tolist() == pytest.approx([0.499, -2.0])


def test_padding_is_of_the_activations():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    made = convert_rival(nn.Sequential(layer), Scheme.parse("abc:3,2"), keep=())[0]
    x = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 3
    values, offset, _ = made.input_rule(nn.functional.pad(x, (1, 1, 1, 1)))
    expected = nn.functional.conv2d(values + offset, made.approximated_weight(), layer.bias)
    assert torch.allclose(made(x), expected, atol=1e-6)
