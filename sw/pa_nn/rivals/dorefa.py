"""DoReFa-Net: weights through tanh, activations within a fixed range.

S. Zhou et al., "DoReFa-Net: Training Low Bitwidth Convolutional Neural Networks with Low Bitwidth
Gradients", arXiv:1606.06160.
"""

import torch

from pa_nn.rivals.layers import Approximated, InputRule, WeightRule
from pa_nn.rivals.steps import (
    round_straight_through,
    step_function,
    straight_through,
    uniform_steps,
)

__all__ = ["DoReFaInput", "DoReFaWeights", "best_range"]


class DoReFaWeights(WeightRule):
    """``2 quantize_k(tanh(W) / (2 max |tanh(W)|) + 1/2) - 1`` (section 2.3), within -1 to 1.

    One bit is ``sign(W) mean |W|`` (section 2.3).
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        if self.bits == 1:
            mean = weight.detach().abs().mean()
            return straight_through(weight, torch.where(weight.detach() >= 0, mean, -mean))
        squashed = weight.tanh()
        top = 2**self.bits - 1
        unit = squashed / (2 * squashed.abs().max()) + 0.5
        return 2 * (round_straight_through(top * unit) / top) - 1

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


def best_range(samples: torch.Tensor, top: int) -> torch.Tensor:
    """Range of least squared error for ``top + 1`` uniform levels from 0: of 64, the best."""
    positive = samples.detach().flatten().clamp(min=0)
    largest = positive.max()
    if largest == 0:
        return torch.ones_like(largest)
    ranges = largest * torch.arange(1, 65, device=positive.device) / 64
    errors = [
        ((positive / r).clamp(max=1).mul(top).round() / top * r - positive).square().mean()
        for r in ranges
    ]
    return ranges[torch.stack(errors).argmin()]


class DoReFaInput(InputRule):
    """``quantize_k(clip(x / range, 0, 1)) range`` (section 2.4).

    The paper leaves the bounded function in front to the user; its range is calibrated once, so
    that a network in full precision may have activations beyond 1.  It does not learn.
    """

    range: torch.Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("range", torch.ones(1))

    @torch.no_grad()
    def initialise(self, samples: torch.Tensor) -> None:
        self.range.copy_(best_range(samples, 2**self.bits - 1))

    def forward(self, x: torch.Tensor) -> Approximated:
        top = 2**self.bits - 1
        return Approximated(step_function(x, uniform_steps(self.range / top, top)))

    def extra_repr(self) -> str:
        return f"bits={self.bits}"
