"""Bi-Real Net: signs with a real-valued shortcut around each convolution.

Z. Liu et al., "Bi-Real Net: Enhancing the Performance of 1-bit CNNs With Improved Representational
Capability and Advanced Training Algorithm", ECCV 2018.
"""

from typing import Any

import torch
from torch import nn

from pa_nn.resnet import BasicBlock
from pa_nn.rivals.binary import NormalisedInput
from pa_nn.rivals.layers import Approximated

__all__ = ["BiRealBlock", "BiRealInput"]


class _ApproxSign(torch.autograd.Function):
    """Sign, whose derivative is taken to be that of a piecewise parabola: ``max(2 - 2|x|, 0)``."""

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.copysign(x.new_ones(()), x + 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return x.abs().neg_().add_(1).clamp_(min=0).mul_(grad).mul_(2)


class BiRealInput(NormalisedInput):
    """Signs of normalised activations (section 3)."""

    def forward(self, x: torch.Tensor) -> Approximated:
        return Approximated(_ApproxSign.apply(self.normalise(x)))


class BiRealBlock(nn.Module):
    """A basic block with a shortcut around each of its convolutions (section 3).

    ``y = relu(bn(conv(x)) + shortcut(x))``, then ``relu(bn(conv(y)) + y)``.  It is made of the
    modules of ``block``, under the same names.
    """

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu1 = block.conv1, block.bn1, block.relu1
        self.conv2, self.bn2, self.relu2 = block.conv2, block.bn2, block.relu2
        self.downsample = block.downsample
        self.train(block.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)) + shortcut)
        return self.relu2(self.bn2(self.conv2(y)) + y)
