"""Levels trained by gradient: nearest levels, Eq. 8 with their middles, exact sums for levels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pa_nn.levels import approximate_by_levels, fit_levels, level_codes, project_levels

SEEDED = settings(deadline=None, derandomize=True, max_examples=60)
FINITE = st.floats(-8, 8, width=32)
HAND = torch.tensor([[-2.0, -1.0, 1.0, 3.0]])


def random_weights(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * 0.1 + 0.01


@st.composite
def layers(draw):
    m = draw(st.sampled_from([2, 4, 8]))
    groups = draw(st.sampled_from([1, 2, 3]))
    count = draw(st.integers(1, 8))
    weight = torch.tensor(draw(st.lists(FINITE, min_size=groups * count, max_size=groups * count)))
    alpha = torch.tensor(draw(st.lists(FINITE, min_size=groups * m, max_size=groups * m)))
    alpha = alpha.view(groups, m)
    project_levels(alpha)
    return weight.view(groups, count), alpha


def table(alpha):
    return torch.cat([alpha.new_zeros(len(alpha), 1), alpha], dim=1)


@SEEDED
@given(layers())
def test_every_weight_takes_a_nearest_level(layer):
    weight, alpha = layer
    out = approximate_by_levels(weight, alpha)
    distance = (weight.double().unsqueeze(2) - table(alpha).double().unsqueeze(1)).abs()
    assert torch.equal((weight.double() - out.double()).abs(), distance.amin(2))


@SEEDED
@given(layers())
def test_training_and_export_agree_exactly(layer):
    weight, alpha = layer
    codes = level_codes(weight, alpha).long()
    assert torch.equal(approximate_by_levels(weight, alpha), table(alpha).gather(1, codes))


def test_a_weight_between_two_levels_takes_the_upper_one():
    weight = torch.tensor([-9.0, -1.5, -1.51, -0.5, 0.0, 0.5, 0.49, 2.0, 9.0])
    assert level_codes(weight, HAND).tolist() == [1, 2, 1, 0, 0, 3, 0, 4, 4]
    expected = [-2.0, -1.0, -2.0, 0.0, 0.0, 1.0, 0.0, 3.0, 3.0]
    assert approximate_by_levels(weight, HAND).tolist() == expected


def gradients(weight, alpha, grad, lambda_w=None):
    weight, alpha = weight.clone().requires_grad_(), alpha.clone().requires_grad_()
    approximate_by_levels(weight, alpha, lambda_w=lambda_w).backward(grad)
    return weight.grad, alpha.grad


def test_levels_take_the_sums_of_their_pieces():
    weight = torch.tensor([-1.9, -0.9, 0.1, 1.1, 0.8, 5.0])
    grad = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    _, grad_alpha = gradients(weight, HAND, grad)
    scale = math.sqrt(6 * 2)
    torch.testing.assert_close(grad_alpha * scale, torch.tensor([[1.0, 2.0, 24.0, 32.0]]))


def test_slopes_of_equation_8():
    # u = -1.5, -0.5, 0.5, 2 and s = -1, 0, 1.25; rises 1, 1, 1, 2; widths 1, 1, 1.25, 1.5.
    weight = torch.tensor([-7.0, -1.01, -1.0, -0.01, 0.0, 1.24, 1.25, 7.0])
    ones = torch.ones_like(weight)
    by_width, _ = gradients(weight, HAND, ones)
    constant, _ = gradients(weight, HAND, ones, lambda_w=10.0)
    expected = torch.tensor([1, 1, 1, 1, 1 / 1.25, 1 / 1.25, 2 / 1.5, 2 / 1.5])
    torch.testing.assert_close(by_width, expected)
    torch.testing.assert_close(constant, 10 * torch.tensor([1.0, 1, 1, 1, 1, 1, 2, 2]))


def test_even_levels_have_the_slope_of_a_straight_through_estimator():
    alpha = torch.tensor([[-2.0, -1.0, 1.0, 2.0]]) / 16
    slopes, _ = gradients(random_weights(100), alpha, torch.ones(100))
    assert torch.equal(slopes, torch.ones(100))


def test_levels_that_fall_together_have_no_slope_between_them():
    weight = torch.tensor([-1.0, 0.0, 1.0])
    slopes, _ = gradients(weight, torch.zeros(1, 4), torch.ones(3))
    assert torch.equal(slopes, torch.zeros(3))


@pytest.mark.parametrize("groups", [1, 4])
def test_groups_are_layers_of_their_own(groups):
    weight = random_weights(4, 3, 3, 3)
    alpha = fit_levels(weight, 4, groups)
    grad = random_weights(4, 3, 3, 3, seed=1)
    whole = approximate_by_levels(weight, alpha), *gradients(weight, alpha, grad)
    for g, part in enumerate(weight.view(groups, -1)):
        own = alpha[g : g + 1]
        part_grad = grad.view(groups, -1)[g]
        expected = approximate_by_levels(part, own), *gradients(part, own, part_grad)
        assert torch.equal(whole[0].view(groups, -1)[g], expected[0])
        assert torch.equal(whole[1].view(groups, -1)[g], expected[1])
        assert torch.equal(whole[2][g], expected[2][0])


def squared_error(weight, alpha):
    return float((weight - approximate_by_levels(weight, alpha)).double().square().sum())


def test_fitted_levels_are_a_fixed_point():
    weight = random_weights(5000)
    alpha = fit_levels(weight, 4)
    codes = level_codes(weight, alpha)
    means = [float(weight[codes == i].double().mean()) for i in range(1, 5)]
    torch.testing.assert_close(alpha[0].double(), torch.tensor(means).double(), atol=1e-3, rtol=0)
    for i in range(4):
        for step in (-0.02, 0.02):
            moved = alpha.clone()
            moved[0, i] += step
            assert squared_error(weight, moved) > squared_error(weight, alpha)


def test_fitted_levels_of_a_gaussian():
    weight = torch.special.ndtri((torch.arange(20001, dtype=torch.float64) + 0.5) / 20001)
    # Max, "Quantizing for minimum distortion" (1960), table 1, five levels.
    expected = torch.tensor([[-1.724, -0.7646, 0.7646, 1.724]])
    torch.testing.assert_close(fit_levels(weight, 4), expected, atol=2e-3, rtol=0)


def test_fewer_weights_than_levels_are_exact():
    weight = torch.tensor([-3.0, 0.0, 0.5])
    alpha = fit_levels(weight, 8)
    assert torch.equal(approximate_by_levels(weight, alpha), weight)
    assert (alpha[0, :4] <= 0).all()
    assert (alpha[0, 4:] >= 0).all()


def test_one_sided_and_zero_weights():
    assert fit_levels(torch.tensor([1.0, 2.0]), 4).tolist() == [[0.0, 0.0, 1.0, 2.0]]
    assert fit_levels(torch.zeros(3), 2).tolist() == [[0.0, 0.0]]


def test_projection_sorts_and_keeps_signs():
    alpha = torch.tensor([[0.5, -1.0, -0.2, 2.0], [3.0, 1.0, 2.0, -1.0]])
    project_levels(alpha)
    assert alpha.tolist() == [[-1.0, pytest.approx(-0.2), 0.5, 2.0], [-1.0, 0.0, 2.0, 3.0]]


def test_weights_that_are_not_finite_show_in_training():
    weight = torch.tensor([1.0, math.nan])
    assert approximate_by_levels(weight, HAND).isnan().tolist() == [False, True]
