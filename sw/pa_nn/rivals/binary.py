"""Binary weights (BWN) and XNOR-Net.

M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi, "XNOR-Net: ImageNet Classification Using Binary
Convolutional Neural Networks", ECCV 2016.
"""

from typing import Any

import torch
from torch import nn

from pa_nn.rivals.layers import Approximated, InputRule, WeightRule
from pa_nn.rivals.steps import straight_through

__all__ = ["BinaryWeights", "NormalisedInput", "XNORInput", "XNORWeights", "binary_weights"]


def binary_weights(weight: torch.Tensor) -> torch.Tensor:
    """``alpha sign(W)``, ``alpha`` the mean of ``|W|`` over each output channel; sign(0) is 1."""
    with torch.no_grad():
        alpha = weight.abs().flatten(1).mean(1).view(-1, *(1,) * (weight.dim() - 1))
        return torch.where(weight >= 0, alpha, -alpha)


class BinaryWeights(WeightRule):
    """``W ~ alpha sign(W)`` with one ``alpha`` for each output channel (section 3.1).

    The derivative is taken to be 1 where ``|W| <= 1``, and 0 beyond.
    """

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        inside = (weight.detach().abs() <= 1).to(weight.dtype)
        return straight_through(weight, binary_weights(weight), inside)


class XNORWeights(WeightRule):
    """``W ~ alpha sign(W)`` with the derivative of XNOR-Net, ``1 + n alpha`` where ``|W| <= 1``.

    Section 3.1 has ``1 / n + alpha``, ``n`` the number of weights of a channel, and ``1 / n``
    beyond; the authors' program multiplies it by ``n``, as here.
    """

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        approximation = binary_weights(weight)
        inside = weight.detach().abs() <= 1
        slope = 1 + weight[0].numel() * approximation.abs() * inside
        return straight_through(weight, approximation, slope)


class NormalisedInput(InputRule):
    """Batch normalisation in front of a sign, as in the blocks of XNOR-Net (section 3.2).

    The activations of a network in full precision come from a ReLU; the sign of such activations
    would hold no information.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    @torch.no_grad()
    def initialise(self, samples: torch.Tensor) -> None:
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert var is not None
        mean.copy_(samples.mean(0))
        var.copy_(samples.var(0, unbiased=False))

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """Batch normalisation of ``(batch, C, H, W)`` or ``(batch, C)``."""
        if x.dim() == 2:
            return self.norm(x[:, :, None, None])[:, :, 0, 0]
        return self.norm(x)


class _Sign(torch.autograd.Function):
    """Sign, whose derivative is taken to be 1 where ``|x| < 1``."""

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        # x + 0 turns -0 into 0: sign(0) is 1.
        return torch.copysign(x.new_ones(()), x + 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, -1.0, 1.0)


class XNORInput(NormalisedInput):
    """Signs of normalised activations, and their mean size over channels (section 3.2)."""

    def forward(self, x: torch.Tensor) -> Approximated:
        normalised = self.normalise(x)
        magnitude = normalised.detach().abs().mean(1, keepdim=True)
        return Approximated(_Sign.apply(normalised), None, magnitude)
