"""DoReFa-Net by hand."""

import math

import pytest
import torch

from pa_nn.rivals.dorefa import DoReFaInput, DoReFaWeights, best_range


def test_one_bit_is_the_sign_times_the_mean_size():
    weight = torch.tensor([[1.0, -2.0], [0.0, 5.0]], requires_grad=True)
    approximated = DoReFaWeights(1)(weight)
    assert approximated.tolist() == [[2, -2], [2, 2]]
    approximated.backward(torch.full((2, 2), 3.0))
    assert weight.grad.tolist() == [[3, 3], [3, 3]]


def test_two_bits_are_four_levels_of_the_squashed_weights():
    # tanh / max |tanh| of these: -1, -0.5, 0.25, 0.8, 1.
    top = 0.9
    squashed = torch.tensor([-1.0, -0.5, 0.25, 0.8, 1.0], dtype=torch.float64) * top
    weight = squashed.atanh().requires_grad_()
    approximated = DoReFaWeights(2)(weight)
    # 3 (y / 2 + 1/2) is 0, 0.75, 1.875, 2.7, 3; the levels are -1, -1/3, 1/3, 1.
    expected = torch.tensor([-3, -1, 1, 3, 3], dtype=torch.float64) / 3
    assert torch.allclose(approximated, expected, rtol=0, atol=1e-15)
    approximated.backward(torch.tensor([0.0, 1.0, 0, 0, 0], dtype=torch.float64))
    # d/dw tanh(w) / max |tanh| = (1 - tanh^2) / max; the maximum itself moves too.
    assert weight.grad[1].item() == pytest.approx((1 - 0.45**2) / top)


def test_activations():
    rule = DoReFaInput(2)
    rule.range.fill_(1.5)
    x = torch.tensor([[-1.0, 0.2, 0.3, 0.8, 1.4, 9.0]], requires_grad=True)
    values, offset, magnitude = rule(x)
    assert values.tolist() == [[0, 0, 0.5, 1, 1.5, 1.5]]
    assert (offset, magnitude) == (None, None)
    values.backward(torch.full((1, 6), 2.0))
    assert x.grad.tolist() == [[0, 2, 2, 2, 2, 0]]


def test_range_is_that_of_least_squared_error():
    # Values at 0, 1, 2, 3 have no error with a range of 3, and the largest is 3.
    assert best_range(torch.tensor([0.0, 1.0, 2.0, 3.0, -7.0]), 3).item() == 3
    # One far outlier of many is worth less than finer levels for the rest.
    values = torch.cat([torch.linspace(0, 1, 4096), torch.tensor([8.0])])
    assert best_range(values, 3).item() < 8
    assert best_range(torch.zeros(4), 3).item() == 1


def test_range_starts_from_calibration_and_does_not_learn():
    rule = DoReFaInput(2)
    rule.initialise(torch.tensor([[0.0], [1.0], [2.0], [3.0]]))
    assert rule.range.item() == 3
    assert list(rule.parameters()) == []
    assert "range" in rule.state_dict()


def test_levels_are_within_one():
    weight = torch.randn(100, generator=torch.Generator().manual_seed(0))
    levels = DoReFaWeights(3)(weight).unique()
    assert len(levels) == 8
    assert math.isclose(levels.abs().max().item(), 1, rel_tol=1e-6)
