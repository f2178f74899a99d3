"""Step functions: their values, and the gradients taken for theirs."""

import pytest
import torch

from pa_nn import kernels
from pa_nn.rivals.steps import (
    round_straight_through,
    step_function,
    straight_through,
    uniform_steps,
)

ENDS = torch.tensor([-1.0, 1.0, 2.0])
LEVELS = torch.tensor([5.0, 5.0, 7.0, -3.0])
SLOPES = torch.tensor([0.0, 2.0, 0.5, 0.0])


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def backend(request):
    if request.param == "compiled":
        yield
    else:
        with kernels.plain_torch():
            yield


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_levels_and_slopes_by_hand(dtype):
    x = torch.tensor([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0], dtype=dtype, requires_grad=True)
    levels = LEVELS.clone().requires_grad_()
    y = step_function(x, (ENDS, levels, SLOPES))
    assert y.dtype == dtype
    assert y.tolist() == [5, 5, 5, 5, 7, -3, -3]
    y.backward(torch.tensor([1.0, 2, 4, 8, 16, 32, 64], dtype=dtype))
    # An element that is exactly 0 belongs to the lowest interval.
    assert x.grad.tolist() == [0, 4, 0, 16, 8, 0, 0]
    assert levels.grad.tolist() == [1 + 4, 2 + 8, 16, 32 + 64]


def test_the_gradient_of_a_scale():
    x = torch.tensor([[-2.0, 0.5], [1.5, 3.0]], requires_grad=True)
    scale = torch.ones(1, requires_grad=True)
    y = step_function(x, (ENDS, LEVELS, SLOPES), scale)
    y.backward(torch.tensor([[1.0, 2.0], [4.0, 8.0]]))
    assert scale.grad.tolist() == [2 * 2 * 0.5 + 4 * 0.5 * 1.5]


def test_any_memory_layout():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 5, generator=generator)
    grad = torch.randn(2, 3, 4, 5, generator=generator)
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        for view in (x.contiguous(memory_format=layout), x.repeat(1, 1, 1, 2)[..., :5]):
            leaf = view.detach().requires_grad_()
            scale = torch.ones((), requires_grad=True)
            y = step_function(leaf, (ENDS, LEVELS, SLOPES), scale)
            y.backward(grad.contiguous(memory_format=layout))
            results.append((y.detach(), leaf.grad, scale.grad))
    for y, grad_x, grad_scale in results[1:]:
        assert torch.equal(y, results[0][0])
        assert torch.equal(grad_x, results[0][1])
        assert torch.allclose(grad_scale, results[0][2], rtol=1e-5)


def test_uniform_steps_by_hand():
    step = torch.tensor([0.5], requires_grad=True)
    ends, levels, slopes = uniform_steps(step, 3)
    assert ends.tolist() == [0, 0.25, 0.75, 1.25, 1.5]
    assert levels.tolist() == [0, 0, 0.5, 1, 1.5, 1.5]
    assert slopes.tolist() == [0, 1, 1, 1, 1, 0]
    levels.sum().backward()
    assert step.grad.tolist() == [0 + 0 + 1 + 2 + 3 + 3]
    assert not ends.requires_grad


def test_straight_through():
    weight = torch.tensor([1.0, -2.0], requires_grad=True)
    approximation = torch.tensor([3.0, 4.0])
    y = straight_through(weight, approximation, torch.tensor([0.5, 0.0]))
    assert torch.equal(y, approximation)
    y.backward(torch.tensor([8.0, 8.0]))
    assert weight.grad.tolist() == [4, 0]


def test_rounding_straight_through():
    x = torch.tensor([0.5, 1.5, -0.6], requires_grad=True)
    y = round_straight_through(x)
    assert y.tolist() == [0, 2, -1]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
