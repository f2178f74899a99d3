"""Learned step sizes by hand."""

import math

import pytest
import torch

from pa_nn import kernels
from pa_nn.rivals.lsq import LSQInput, LSQWeights


def weights(bits, step):
    rule = LSQWeights(bits)
    with torch.no_grad():
        rule.step.fill_(step)
    return rule


def inputs(bits, step):
    rule = LSQInput(bits)
    with torch.no_grad():
        rule.step.fill_(step)
    return rule


def test_weights_take_signed_levels():
    weight = torch.tensor([-5.0, -1.0, -0.3, 0.2, 0.3, 0.7, 5.0])
    expected = [-1, -1, -0.5, 0, 0.5, 0.5, 0.5]
    assert weights(2, 0.5)(weight).tolist() == expected
    assert weights(3, 0.5)(weight).tolist() == [-2, -1, -0.5, 0, 0.5, 0.5, 1.5]


def test_gradients_of_weights_and_their_step():
    rule = weights(2, 0.5)
    weight = torch.tensor([-5.0, -0.375, 0.125, 5.0], requires_grad=True)
    rule(weight).backward(torch.tensor([1.0, 2.0, 4.0, 8.0]))
    assert weight.grad.tolist() == [0, 2, 4, 0]
    # Eq. 3: -Q_N below, round(v / s) - v / s within, Q_P above; times 1 / sqrt(4 Q_P).
    expected = 1 * -2 + 2 * (-1 + 0.75) + 4 * (0 - 0.25) + 8 * 1
    assert rule.step.grad.tolist() == [expected / math.sqrt(4 * 1)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("plain", [False, True])
def test_activations_take_unsigned_levels(dtype, plain):
    rule = inputs(2, 0.5)
    x = torch.tensor([[-1.0, 0.0, 0.125, 0.25], [0.625, 1.0, 1.375, 4.0]], dtype=dtype)
    x.requires_grad_()
    grad = torch.tensor([[1.0, 2.0, 4.0, 8.0], [16.0, 32.0, 64.0, 128.0]], dtype=dtype)
    if plain:
        with kernels.plain_torch():
            values, offset, magnitude = rule(x)
            values.backward(grad)
    else:
        values, offset, magnitude = rule(x)
        values.backward(grad)
    assert (offset, magnitude) == (None, None)
    assert values.dtype == dtype
    assert values.tolist() == [[0, 0, 0, 0.5], [0.5, 1, 1.5, 1.5]]
    # Within 0 to 3 s, both exclusive.
    assert x.grad.tolist() == [[0, 0, 4, 8], [16, 32, 64, 0]]
    within = 4 * (0 - 0.25) + 8 * (1 - 0.5) + 16 * (1 - 1.25) + 32 * (2 - 2) + 64 * (3 - 2.75)
    # Four features an image, Q_P = 3.
    expected = (within + 128 * 3) / math.sqrt(4 * 3)
    assert rule.step.grad.tolist() == pytest.approx([expected], rel=1e-6)


def test_steps_start_from_the_mean_size():
    rule = LSQWeights(3)
    rule.initialise(torch.tensor([-3.0, 1.0]))
    assert rule.step.tolist() == pytest.approx([2 * 2 / math.sqrt(3)])
    rule = LSQInput(2)
    rule.initialise(torch.tensor([[0.0], [1.0]]))
    assert rule.step.tolist() == pytest.approx([2 * 0.5 / math.sqrt(3)])


@pytest.mark.parametrize("rule", [LSQWeights(2), LSQInput(2)])
def test_steps_stay_positive(rule):
    rule.initialise(torch.zeros(4))
    assert rule.step.item() > 0
    with torch.no_grad():
        rule.step.fill_(-1)
    rule.project_()
    assert rule.step.item() > 0


def test_eight_bits():
    rule = inputs(8, 1.0)
    x = torch.tensor([[-1.0, 0.4, 17.5, 254.6, 300.0]], requires_grad=True)
    values, _, _ = rule(x)
    assert values.tolist() == [[0, 0, 18, 255, 255]]
    values.sum().backward()
    assert x.grad.tolist() == [[0, 1, 1, 1, 0]]
