"""ABC-Net: sums of binary bases for weights and activations.

X. Lin, C. Zhao, W. Pan, "Towards Accurate Binary Convolutional Neural Network", NIPS 2017.
"""

import torch
from torch import nn

from pa_nn import kernels
from pa_nn.activations import lloyd_max
from pa_nn.rivals.layers import Approximated, InputRule, WeightRule
from pa_nn.rivals.steps import Steps, step_function, straight_through

__all__ = ["ABCInput", "ABCWeights", "shifts", "weight_bases"]

MIN_THRESHOLD = 1e-3


def shifts(m: int) -> list[float]:
    """``u_i = -1 + (i - 1) 2 / (M - 1)`` in standard deviations (section 3.1.1); 0 for M = 1."""
    return [0.0] if m == 1 else [-1 + 2 * i / (m - 1) for i in range(m)]


def _signs(m: int) -> torch.Tensor:
    """Values of ``B_1..B_M`` in each of the M + 1 intervals of weights: ``(M, M + 1)``.

    ``B_i = sign(W - mean + u_i std)`` is 1 from ``mean - u_i std`` upwards: ``B_M`` from the first
    threshold, ``B_1`` from the last.
    """
    interval = torch.arange(m + 1)
    first = torch.arange(m, 0, -1)
    return torch.where(interval >= first.unsqueeze(1), 1.0, -1.0).double()


def weight_bases(weight: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Bases and ``alpha``, for which ``sum_i alpha_i B_i`` is closest to ``W``.

    Returns
    -------
    intervals : int16, like ``weight``
        How many of the M thresholds a weight reaches; ``B_i = 1`` where that is above ``M - i``.
    alpha : float64 ``(M,)``
        Linear regression (section 3.1.1), the shortest solution where bases are equal.
    std : float
        Population standard deviation of the weights.
    """
    mean, std = kernels.mean_and_std(weight)
    intervals, sums = kernels.split(weight, [mean - u * std for u in reversed(shifts(m))])
    counts = torch.bincount(intervals.flatten(), minlength=m + 1).double().cpu()
    bases = _signs(m)
    gram = (bases * counts) @ bases.T
    target = bases @ torch.tensor(sums, dtype=torch.float64)
    return intervals, torch.linalg.pinv(gram, hermitian=True) @ target, std


class ABCWeights(WeightRule):
    """``W ~ sum_i alpha_i B_i`` of each layer (section 3.1.1).

    The derivative is taken to be ``sum_i alpha_i / std(W)``: the printed one, with the sign taken
    of weights in standard deviations, as its shifts are.  It does not depend on the scale of ``W``.
    """

    def __init__(self, m: int) -> None:
        super().__init__()
        self.m = m

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            intervals, alpha, std = weight_bases(weight, self.m)
            levels = (alpha @ _signs(self.m)).to(weight.device, weight.dtype)
            approximation = levels[intervals.int()]
        slope = float(alpha.sum()) / std if std > 0 else 0.0
        return straight_through(weight, approximation, slope)

    def extra_repr(self) -> str:
        return f"m={self.m}"


class ABCInput(InputRule):
    """``R ~ sum_n beta_n A_n`` with trainable ``beta`` and ``v`` (section 3.2).

    ``A_n`` is 1 where ``clip(R + v_n, 0, 1) >= 0.5`` and -1 elsewhere; its derivative is taken to
    be 1 where ``0 <= R + v_n <= 1``.  Activations that are exactly 0 count as below that window, as
    in :mod:`pa_nn.activations`, and padding is padding of ``R``: its bases are -1.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n
        self.beta = nn.Parameter(torch.empty(n))
        self.v = nn.Parameter(torch.empty(n))
        self.initialise(torch.zeros(0))

    @torch.no_grad()
    def initialise(self, samples: torch.Tensor) -> None:
        """Thresholds and steps of least squared error for ``samples``."""
        levels, thresholds = lloyd_max(samples, self.n)
        self.beta.copy_(torch.diff(levels, prepend=levels.new_zeros(1)) / 2)
        self.v.copy_(0.5 - thresholds)

    @torch.no_grad()
    def project_(self) -> None:
        """Keep thresholds ``0.5 - v`` at 1e-3 or above, so that 0 is at the lowest level."""
        self.v.clamp_(max=0.5 - MIN_THRESHOLD)

    def _steps(self) -> Steps:
        """Steps of ``sum_n beta_n (A_n + 1)``: 0 at the bottom, ``2 sum_n beta_n`` at the top."""
        beta, v = self.beta.float(), self.v.float()
        low, high = -v.detach(), 1 - v.detach()
        ends = torch.cat([low, 0.5 - v.detach(), high]).sort().values
        # One interval below all ends, and one from each of them.
        start = torch.cat([ends[:1] - 1, ends]).unsqueeze(1)
        reached = (start >= 0.5 - v.detach()).float()
        inside = ((start >= low) & (start < high)).float()
        # Sums instead of matrix products, which autocast would round to bfloat16.
        slopes = inside * beta.detach()
        # Zero forward; backward it gives v_n the gradients within its window, times beta_n.
        moved = slopes * (v - v.detach())
        return ends, (2 * reached * beta + moved).sum(1), slopes.sum(1)

    def forward(self, x: torch.Tensor) -> Approximated:
        return Approximated(step_function(x, self._steps()), offset=-self.beta.sum())

    def extra_repr(self) -> str:
        return f"n={self.n}"
