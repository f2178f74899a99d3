"""Weight levels trained by gradient: every weight takes the level nearest to it.

Beyond the paper, whose levels are the means of fixed pieces (Eq. 7).  Here the ``M`` levels
``alpha`` are parameters, ascending, half of them at most 0 and half at least 0, beside the level 0
that PA always has; the endpoints ``u`` are the middles between neighbouring levels.  Forward and
backward are Eq. 6 and 8 with these ``u``, and

    dC/dalpha_i = sum of dC/dW-bar over piece i,

which is exact (as Eq. 13 is for ``beta``), scaled by ``1 / sqrt(count * M / 2)`` as Esser et al.,
"Learned step size quantization" (ICLR 2020), section 2.2, so that weights and levels can share
one learning rate.

Levels belong to *groups*: one for the whole layer, or one for each output channel.  Hardware pays
nothing for the first, where phi (Eq. 19) holds them; the second needs weights inside the logic.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch

from pa_nn.weights import piece_to_code

__all__ = [
    "approximate_by_levels",
    "fit_even_levels",
    "fit_levels",
    "level_codes",
    "project_levels",
]

FIT_STEPS = 50
EVEN_STEPS = 200


def _grouped(weight: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """``weight`` in float64, a row for each group of levels."""
    return weight.detach().double().reshape(len(alpha), -1)


def _with_zero(alpha: torch.Tensor) -> torch.Tensor:
    """All levels ``(G, M + 1)`` from the lowest up, in float64, the level 0 in the middle."""
    half = alpha.shape[1] // 2
    wide = alpha.detach().double()
    return torch.cat([wide[:, :half], wide.new_zeros(len(wide), 1), wide[:, half:]], dim=1)


def _middles(levels: torch.Tensor) -> torch.Tensor:
    """Between neighbours; exact for levels that are float32."""
    return (levels[:, 1:] + levels[:, :-1]) / 2


def _search(ends: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """How many of its group's ends each element reaches; an element on an end reaches it."""
    if len(ends) == 1:
        return torch.bucketize(rows, ends[0], right=True)
    return torch.searchsorted(ends, rows, right=True)


def level_codes(weight: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Code of every weight: 0 for the level 0, 1..M for ``alpha_1..alpha_M``.

    Parameters
    ----------
    weight : tensor whose first dimension is cut evenly into G groups
    alpha : ``(G, M)``, as :func:`project_levels` leaves them

    Returns uint8 like ``weight``; a weight in the middle of two levels takes the upper one.
    """
    rows = _grouped(weight, alpha)
    piece = _search(_middles(_with_zero(alpha)).contiguous(), rows)
    codes = torch.tensor(piece_to_code(alpha.shape[1]), dtype=torch.uint8, device=weight.device)
    return codes[piece].view(weight.shape)


@torch.no_grad()
def project_levels(alpha: torch.Tensor) -> None:
    """Sort each group's levels in place, and keep half of them at or below 0, half above."""
    half = alpha.shape[1] // 2
    alpha.copy_(alpha.sort(dim=1).values)
    alpha[:, :half].clamp_(max=0)
    alpha[:, half:].clamp_(min=0)


@torch.no_grad()
def fit_levels(weight: torch.Tensor, m: int, groups: int = 1) -> torch.Tensor:
    """Levels of least squared error for each group of weights, the level 0 fixed (Lloyd-Max).

    Starts from evenly filled pieces of the negative and of the positive weights, and stops at a
    fixed point or after 50 rounds.  A side without weights has all its levels at 0.

    Returns float32 ``(groups, M)``, ascending.
    """
    rows = weight.detach().double().reshape(groups, -1).sort(dim=1).values
    half, device = m // 2, rows.device
    quantile = (torch.arange(half, dtype=torch.float64, device=device) + 0.5) / half
    negative, positive = (rows < 0).sum(1, keepdim=True), (rows > 0).sum(1, keepdim=True)
    last = rows.shape[1] - 1
    below = (quantile * negative).long().clamp(max=last)
    above = (rows.shape[1] - positive + (quantile * positive).long()).clamp(max=last)
    levels = torch.cat(
        [
            torch.where(negative > 0, rows.gather(1, below), 0.0),
            rows.new_zeros(groups, 1),
            torch.where(positive > 0, rows.gather(1, above), 0.0),
        ],
        dim=1,
    )
    total = torch.cat([rows.new_zeros(groups, 1), rows.cumsum(1)], dim=1)
    edge = torch.tensor([[-math.inf]], dtype=torch.float64, device=device).expand(groups, 1)
    for _ in range(FIT_STEPS):
        ends = torch.cat([edge, _middles(levels), -edge], dim=1)
        cut = torch.searchsorted(rows, ends.contiguous())
        count = cut.diff(dim=1)
        mean = total.gather(1, cut).diff(dim=1) / count.clamp(min=1)
        moved = torch.where(count > 0, mean, levels)
        moved[:, half] = 0
        if torch.equal(moved, levels):
            break
        levels = moved
    alpha = torch.cat([levels[:, :half], levels[:, half + 1 :]], dim=1).float()
    project_levels(alpha)
    return alpha


@torch.no_grad()
def fit_even_levels(weight: torch.Tensor, integers: Sequence[int], groups: int = 1) -> torch.Tensor:
    """Multiples of one step for each group of weights, of least squared error.

    Parameters
    ----------
    weight : tensor whose first dimension is cut evenly into groups
    integers : M ascending multiples, half of them below 0, without 0
    groups : int

    The step is the best of 200, up to where the lowest multiple reaches the largest magnitude.
    Returns float32 ``(groups, M)``.
    """
    rows = weight.detach().double().reshape(groups, -1)
    multiples = torch.tensor(integers, dtype=torch.float64, device=rows.device)
    low, high = float(multiples[0]), float(multiples[-1])
    largest = rows.abs().amax(1, keepdim=True) / -low
    best, chosen = torch.full_like(largest, math.inf), largest
    for k in range(1, EVEN_STEPS + 1):
        step = largest * (k / EVEN_STEPS)
        rounded = (rows / step.clamp(min=1e-300)).round().clamp(low, high) * step
        error = (rows - rounded).square().sum(1, keepdim=True)
        chosen = torch.where(error < best, step, chosen)
        best = torch.minimum(error, best)
    return (chosen * multiples).float()


def _slopes(levels: torch.Tensor, lambda_w: float | None) -> torch.Tensor:
    """The M slopes of Eq. 8 for each group, from the lowest weights up."""
    rise = levels.diff(dim=1)
    if lambda_w is not None:
        return lambda_w * rise
    u = _middles(levels)
    s = _middles(u)  # Eq. 9
    first, last = u[:, :1], u[:, -1:]
    width = torch.cat([2 * first - s[:, :1], s, 2 * last - s[:, -1:]], dim=1).diff(dim=1)
    return torch.where(width > 0, rise / width.clamp(min=1e-300), 0.0)


class _ApproximateByLevels(torch.autograd.Function):
    """Nearest levels forward; Eq. 8, and sums over pieces for the levels, backward."""

    @staticmethod
    def forward(
        weight: torch.Tensor, alpha: torch.Tensor, lambda_w: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        levels = _with_zero(alpha)
        rows = _grouped(weight, alpha)
        u = _middles(levels)
        ends = torch.stack([u[:, :-1], _middles(u)], dim=2).flatten(1)
        interval = _search(torch.cat([ends, u[:, -1:]], dim=1).contiguous(), rows)
        out = levels.gather(1, (interval + 1) // 2).to(weight.dtype)
        out = torch.where(rows.isnan(), rows.to(out.dtype), out)
        return out.view(weight.shape), interval

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        _, alpha, ctx.lambda_w = inputs
        _, interval = output
        ctx.mark_non_differentiable(interval)
        ctx.save_for_backward(interval, alpha)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: Any) -> tuple[torch.Tensor, torch.Tensor, None]:
        interval, alpha = ctx.saved_tensors
        groups, m = alpha.shape
        rows = grad.reshape(groups, -1)
        slopes = _slopes(_with_zero(alpha), ctx.lambda_w).to(grad.dtype)
        grad_weight = rows * slopes.gather(1, interval // 2)  # Eq. 8
        sums = alpha.new_zeros(groups, m + 1, dtype=torch.float64)
        sums.scatter_add_(1, (interval + 1) // 2, rows.double())
        half = m // 2
        grad_alpha = torch.cat([sums[:, :half], sums[:, half + 1 :]], dim=1)
        grad_alpha /= math.sqrt(rows.shape[1] * half)
        return grad_weight.view(grad.shape), grad_alpha.to(alpha.dtype), None


def approximate_by_levels(
    weight: torch.Tensor, alpha: torch.Tensor, *, lambda_w: float | None = None
) -> torch.Tensor:
    """``weight`` with every element at its nearest level, differentiable in both.

    Parameters
    ----------
    weight : tensor whose first dimension is cut evenly into G groups
    alpha : parameter ``(G, M)``
    lambda_w : float or None
        Slope factor of Eq. 8; None takes the inverse width of each piece, which is 1 between
        evenly spaced levels.

    Returns a tensor like ``weight``, whose elements are exactly 0 or levels.  NaN stays NaN.
    """
    return _ApproximateByLevels.apply(weight, alpha, lambda_w)[0]
