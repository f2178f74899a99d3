"""LSQ: uniform levels with learned step sizes.

S. K. Esser et al., "Learned Step Size Quantization", ICLR 2020.
"""

import math

import torch
from torch import nn

from pa_nn.rivals.layers import Approximated, InputRule, WeightRule
from pa_nn.rivals.steps import round_straight_through, step_function, uniform_steps

__all__ = ["LSQInput", "LSQWeights"]

MIN_STEP = 1e-6


def _start(values: torch.Tensor, top: int) -> torch.Tensor:
    """``2 <|v|> / sqrt(Q_P)`` (section 2.1)."""
    return (2 * values.detach().abs().mean() / math.sqrt(top)).clamp(min=MIN_STEP)


def _slow(step: torch.Tensor, elements: int, top: int) -> torch.Tensor:
    """``step``, whose gradient is scaled by ``1 / sqrt(elements Q_P)`` (section 2.2)."""
    factor = 1 / math.sqrt(elements * top)
    return step.detach() + factor * (step - step.detach())


class LSQWeights(WeightRule):
    """Weights at the nearest of ``-2^(b-1) s, ..., (2^(b-1) - 1) s`` (section 2).

    The step ``s``, a parameter of one element, is learned for each layer.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.step = nn.Parameter(torch.ones(1))

    @torch.no_grad()
    def initialise(self, weight: torch.Tensor) -> None:
        self.step.copy_(_start(weight, 2 ** (self.bits - 1) - 1))

    @torch.no_grad()
    def project_(self) -> None:
        """Keep the step positive."""
        self.step.clamp_(min=MIN_STEP)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        bottom, top = -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        step = _slow(self.step, weight.numel(), top)
        return round_straight_through((weight / step).clamp(bottom, top)) * step

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


class LSQInput(InputRule):
    """Activations at the nearest of ``0, s, ..., (2^b - 1) s``, as unsigned data in LSQ.

    The step ``s``, a parameter of one element, is learned for each layer.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.step = nn.Parameter(torch.full((1,), 1 / (2**bits - 1)))

    @torch.no_grad()
    def initialise(self, samples: torch.Tensor) -> None:
        self.step.copy_(_start(samples, 2**self.bits - 1))

    @torch.no_grad()
    def project_(self) -> None:
        """Keep the step positive."""
        self.step.clamp_(min=MIN_STEP)

    def forward(self, x: torch.Tensor) -> Approximated:
        top = 2**self.bits - 1
        step = _slow(self.step, x[0].numel(), top)
        # x / step is what is rounded, so a step also acts as a scale of x.
        return Approximated(step_function(x, uniform_steps(step, top), scale=step.detach() / step))

    def extra_repr(self) -> str:
        return f"bits={self.bits}"
