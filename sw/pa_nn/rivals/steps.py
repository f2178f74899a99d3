"""Step functions of activations, and straight-through gradients of weights."""

from typing import Any

import torch

from pa_nn import kernels

__all__ = ["Steps", "round_straight_through", "step_function", "straight_through", "uniform_steps"]

Steps = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def straight_through(
    weight: torch.Tensor, approximation: torch.Tensor, slope: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """``approximation`` forward; its derivative by ``weight`` is taken to be ``slope``."""
    return approximation.detach() + slope * (weight - weight.detach())


def round_straight_through(x: torch.Tensor) -> torch.Tensor:
    """``x`` rounded, ties to even; its derivative is taken to be 1."""
    return x + (x.round() - x).detach()


class _StepFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        x: torch.Tensor,
        levels: torch.Tensor,
        ends: torch.Tensor,
        slopes: torch.Tensor,
        scale: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return kernels.look_up(x.detach(), ends.detach(), levels.detach().float())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        x, levels, _, slopes, scale = inputs
        _, intervals = output
        ctx.mark_non_differentiable(intervals)
        ctx.levels_type = levels.dtype
        if scale is None:
            ctx.save_for_backward(intervals, slopes.detach())
        else:
            ctx.save_for_backward(intervals, slopes.detach(), x, scale)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: Any) -> tuple[torch.Tensor | None, ...]:
        intervals, slopes, *rest = ctx.saved_tensors
        grad_x, sums = kernels.back_propagate(grad, intervals, slopes)
        grad_scale = None
        if rest:
            x, scale = rest
            grad_scale = kernels.inner(grad_x, x).to(scale.dtype).view_as(scale)
        return grad_x, sums.to(ctx.levels_type), None, None, grad_scale


def step_function(x: torch.Tensor, steps: Steps, scale: torch.Tensor | None = None) -> torch.Tensor:
    """Replace each activation by the level of its interval; straight through backward.

    Parameters
    ----------
    x : float32 or bfloat16 tensor of any shape
    steps : three tensors
        Ascending ends ``(H - 1,)``, levels ``(H,)`` and slopes ``(H,)``.  An element equal to an
        end belongs to the interval above, one exactly 0 to the lowest, which must have its level.
    scale : tensor of one element 1, optional
        A factor of ``x``, for what learns its scale: its gradient is that of ``f(scale x)``.

    Returns a tensor like ``x``.  Its derivative by ``x`` is taken to be the slope of the interval,
    by each level it is exact.
    """
    ends, levels, slopes = steps
    return _StepFunction.apply(x, levels, ends, slopes, scale)[0]


def uniform_steps(step: torch.Tensor, top: int) -> Steps:
    """Levels ``0, step, ..., top * step``, each value at its nearest one, ties upwards.

    The slope is 1 between 0 and the top level, both exclusive, and 0 beyond (LSQ, section 2).
    """
    # Below 0, a half step above each level but the last, and what lies above the last.
    index = torch.tensor([0, *range(top + 1), top], dtype=step.dtype, device=step.device)
    inner = torch.arange(top, dtype=step.dtype, device=step.device) + 0.5
    ends = torch.cat([inner.new_zeros(1), inner, inner.new_full((1,), top)]) * step.detach()
    slopes = torch.ones_like(index)
    slopes[[0, -1]] = 0
    return ends, index * step, slopes
