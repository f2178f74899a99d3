"""Ternary weights (TWN).

F. Li, B. Zhang, B. Liu, "Ternary Weight Networks", arXiv:1605.04711.
"""

import torch

from pa_nn.rivals.layers import WeightRule
from pa_nn.rivals.steps import straight_through

__all__ = ["TernaryWeights"]


class TernaryWeights(WeightRule):
    """``alpha`` times the sign of the weights beyond ``Delta``, and 0 within.

    For each layer ``Delta = 0.7 mean |W|``, and ``alpha`` is the mean size of the weights beyond
    (section 2).  The gradient passes straight through.
    """

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            size = weight.abs()
            beyond = size > 0.7 * size.mean()
            alpha = (size * beyond).sum() / beyond.sum().clamp(min=1)
            approximation = alpha * weight.sign() * beyond
        return straight_through(weight, approximation)
