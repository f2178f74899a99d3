"""Weight approximation of the piecewise scheme (Eq. 6-9, 15, 16, Table 1).

A weight tensor is cut into ``M + 1`` pieces at ``M`` endpoints ``u``; every weight is replaced by
the mean ``alpha`` of its piece, and by exactly zero in the middle piece.  A weight equal to an
endpoint belongs to the upper piece, so the pieces partition the line.

Everything here is in the units of the weights themselves.
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from pa_nn import kernels

__all__ = [
    "approximate_weights",
    "check_multiples",
    "check_pieces",
    "endpoint_multiples",
    "endpoints",
    "flat_float64",
    "gaussian_multiples",
    "piece_to_code",
    "weight_bases",
    "weight_codes",
]

_TABLE_1 = (-1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5)
MAX_PIECES = 255


def check_pieces(m: int) -> int:
    """Return ``m`` if Eq. 6 can be trained with it.

    Raises
    ------
    TypeError
        ``m`` is not an integer.
    ValueError
        ``m`` is not even, or not in 2..254.
    """
    if isinstance(m, bool) or not isinstance(m, int):
        raise TypeError(f"M must be an integer, not {m!r}")
    if not 2 <= m < MAX_PIECES or m % 2:
        raise ValueError(f"M must be an even number from 2 to 254 in training, not {m!r}")
    return m


@cache
def endpoint_multiples(m: int) -> tuple[float, ...]:
    """Endpoints ``u_1..u_M`` as ascending multiples of ``std(W)``, relative to ``mean(W)``.

    Table 1 as printed for M = 8.  For any other M the endpoints of least squared error on a
    Gaussian, the Lloyd-Max thresholds of ``M + 1`` levels, rounded to three digits: +-0.382 and
    +-1.244 for M = 4.  Raises as :func:`check_pieces` does.
    """
    return _TABLE_1 if check_pieces(m) == 8 else gaussian_multiples(m)


@cache
def gaussian_multiples(m: int) -> tuple[float, ...]:
    """Lloyd-Max thresholds of a unit Gaussian with ``M + 1`` levels, rounded to three digits."""
    check_pieces(m)
    upper = tuple(round(float(t), 3) for t in _gaussian_lloyd_max(m // 2))
    return (*(-t for t in reversed(upper)), *upper)


def check_multiples(m: int, multiples: Sequence[float] | None) -> tuple[float, ...]:
    """Endpoints as multiples of ``std(W)``: those given, or :func:`endpoint_multiples`.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_pieces`; or ``multiples`` are not M finite ascending numbers.
    """
    default = endpoint_multiples(m)
    if multiples is None:
        return default
    values = tuple(float(c) for c in multiples)
    ascending = all(low < high for low, high in pairwise(values))
    if len(values) != m or not ascending or not all(map(math.isfinite, values)):
        raise ValueError(f"Endpoints must be {m} finite ascending numbers, not {list(values)}")
    return values


def _gaussian_lloyd_max(half: int) -> np.ndarray:
    """Positive Lloyd-Max thresholds of a unit Gaussian with ``2 * half + 1`` levels.

    Newton's method on ``t_k = (y_k + y_(k+1)) / 2``, ``y`` the centroids and ``y_0 = 0``, starting
    from the asymptotic density of levels (a Gaussian of three times the variance).
    """
    quantile = np.vectorize(_normal_quantile)
    t = math.sqrt(3) * quantile(0.5 + (np.arange(half) + 0.5) / (2 * half + 1))
    for _ in range(100):
        pdf = np.append(np.exp(-t * t / 2) / math.sqrt(2 * math.pi), 0.0)
        tail = np.append([math.erfc(x / math.sqrt(2)) / 2 for x in t], 0.0)
        mass = tail[:-1] - tail[1:]
        centroid = (pdf[:-1] - pdf[1:]) / mass
        residual = t - (np.append(0.0, centroid[:-1]) + centroid) / 2
        lower = pdf[:-1] * (centroid - t) / mass
        upper = pdf[1:-1] * (t[1:] - centroid[:-1]) / mass[:-1]
        jacobian = np.diag(1 - (lower + np.append(0.0, upper)) / 2)
        jacobian -= np.diag(upper, 1) / 2 + np.diag(lower[:-1], -1) / 2
        step = np.linalg.solve(jacobian, residual)
        # Half steps at most: the order of the thresholds must survive.
        gaps = np.diff(np.append(0.0, t))
        limit = np.max(np.abs(np.diff(np.append(0.0, step))) / gaps)
        t = t - step / max(1.0, 2 * limit)
        if np.max(np.abs(step)) < 1e-12:
            break
    return t


def _normal_quantile(p: float) -> float:
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        if math.erfc(-middle / math.sqrt(2)) / 2 < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def flat_float64(weight: torch.Tensor) -> torch.Tensor:
    """Weights on the CPU in one dimension.

    Raises :class:`TypeError` or :class:`ValueError` where they are empty, not floating point, or
    not finite.
    """
    if not weight.is_floating_point():
        raise TypeError(f"Weights must be floating point, not {weight.dtype}")
    if weight.numel() == 0:
        raise ValueError(f"Weights must not be empty, not of shape {tuple(weight.shape)}")
    flat = weight.detach().to("cpu", torch.float64).flatten()
    if not torch.isfinite(flat).all():
        bad = flat[~torch.isfinite(flat)][0].item()
        raise ValueError(f"Weights must be finite, not {bad}")
    return flat


def endpoints(
    weight: torch.Tensor, m: int, multiples: Sequence[float] | None = None
) -> list[float]:
    """Endpoints ``u_i = mean(W) + c_i * std(W)`` of Eq. 6, ascending, in the units of ``weight``.

    ``multiples`` are the ``c_i``, by default those of :func:`endpoint_multiples`.  Mean and
    population standard deviation are correctly rounded sums (:func:`math.fsum`) divided in float64,
    so every platform finds the same ones.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_multiples`; or ``weight`` is empty, not floating point, or not finite.
    """
    multiples = check_multiples(m, multiples)
    values = flat_float64(weight)
    mean = math.fsum(values.tolist()) / len(values)
    std = math.sqrt(math.fsum(torch.square(values - mean).tolist()) / len(values))
    return [mean + c * std for c in multiples]


def piece_to_code(m: int) -> list[int]:
    """Code of each piece from the lowest up: 1..M/2, then 0 (the zero piece), then M/2+1..M."""
    return [*range(1, m // 2 + 1), 0, *range(m // 2 + 1, m + 1)]


def weight_codes(
    weight: torch.Tensor, m: int, multiples: Sequence[float] | None = None
) -> tuple[torch.Tensor, list[float]]:
    """Code of every weight, and ``alpha_1..alpha_M`` (Eq. 6, 7, 16).

    Returns
    -------
    codes : uint8 tensor of ``weight``'s shape, on the CPU
        0 for the zero piece, 1..M/2 for the negative pieces from the lowest, M/2+1..M above zero.
    alpha : list of M floats
        Float64 means by :func:`math.fsum`; 0.0 for an empty piece.

    Raises as :func:`endpoints` does.
    """
    u = endpoints(weight, m, multiples)
    flat = flat_float64(weight)
    piece = torch.bucketize(flat, torch.tensor(u, dtype=torch.float64), right=True)
    codes = torch.tensor(piece_to_code(m), dtype=torch.uint8)[piece]
    alpha = []
    for code in range(1, m + 1):
        members = flat[codes == code].tolist()
        alpha.append(math.fsum(members) / len(members) if members else 0.0)
    return codes.view(weight.shape), alpha


def weight_bases(codes: torch.Tensor, m: int) -> torch.Tensor:
    """Binary bases ``T_1..T_M`` of Eq. 16: bool ``(M, *codes.shape)``, ``T_i = (codes == i)``."""
    index = torch.arange(1, m + 1, device=codes.device).view(-1, *(1,) * codes.dim())
    return codes.unsqueeze(0) == index


class _ApproximateWeights(torch.autograd.Function):
    """Eq. 6 and 7 forward, Eq. 8 and 9 backward.

    The endpoints ``u_1 <= s_1 <= u_2 <= ... <= u_M`` cut the line in 2M intervals; interval ``h``
    lies in piece ``(h + 1) // 2`` of Eq. 6 and in piece ``h // 2`` of Eq. 8.
    """

    @staticmethod
    def forward(
        weight: torch.Tensor, m: int, lambda_w: float | None, multiples: tuple[float, ...]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # Plain float64 sums: within an ulp of weight_codes' and much faster at every step.
        mean, std = kernels.mean_and_std(weight)
        if not math.isfinite(mean + std):
            nothing = torch.zeros_like(weight, dtype=torch.int16)
            return torch.full_like(weight, math.nan), nothing, weight.new_zeros(1)
        u = [mean + c * std for c in multiples]
        s = [(low + high) / 2 for low, high in pairwise(u)]  # Eq. 9
        ends = [end for pair in zip(u, s, strict=False) for end in pair] + u[-1:]
        intervals, sums = kernels.split(weight, ends)
        counts = torch.bincount(intervals.flatten(), minlength=2 * m).tolist()
        sums, counts = [0.0, *sums, 0.0], [0, *counts, 0]
        total = [sums[2 * k] + sums[2 * k + 1] for k in range(m + 1)]
        count = [counts[2 * k] + counts[2 * k + 1] for k in range(m + 1)]
        level = [t / c if c else 0.0 for t, c in zip(total, count, strict=True)]  # Eq. 7
        level[m // 2] = 0.0
        slope = _slopes(level, count, u, lambda_w)
        index = intervals.int()
        levels = weight.new_tensor([level[(h + 1) // 2] for h in range(2 * m)])
        return levels[index], intervals, weight.new_tensor([slope[h // 2] for h in range(2 * m)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        _, intervals, slopes = output
        ctx.mark_non_differentiable(intervals, slopes)
        ctx.save_for_backward(intervals, slopes)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None, None, None]:
        intervals, slopes = ctx.saved_tensors
        return grad * slopes[intervals.int()], None, None, None  # Eq. 8


def _slopes(
    level: list[float], count: list[int], u: list[float], lambda_w: float | None
) -> list[float]:
    """The M slopes of Eq. 8, from the lowest weights up."""
    # An empty piece has no mean; standing at its middle it adds no step that no weight takes.
    edge = [u[0], *u, u[-1]]
    middle = [(low + high) / 2 for low, high in pairwise(edge)]
    filled = [a if c else b for a, c, b in zip(level, count, middle, strict=True)]
    filled[len(u) // 2] = 0.0
    rise = [high - low for low, high in pairwise(filled)]
    if lambda_w is not None:
        return [lambda_w * r for r in rise]
    # Width of s_(i-1)..s_i; the outermost two, which have no end, are mirrored about u.
    s = middle[1:-1]
    ends = [2 * u[0] - s[0], *s, 2 * u[-1] - s[-1]]
    width = [high - low for low, high in pairwise(ends)]
    return [r / w if w > 0 else 0.0 for r, w in zip(rise, width, strict=True)]


def approximate_weights(
    weight: torch.Tensor,
    m: int,
    *,
    lambda_w: float | None = None,
    multiples: Sequence[float] | None = None,
) -> torch.Tensor:
    """Piecewise-approximated weights ``W-bar`` (Eq. 6, 7), differentiable by Eq. 8.

    Parameters
    ----------
    weight : tensor of any shape
        Approximated as a whole, as the paper does.
    m : int
        Number of non-zero pieces, even.
    lambda_w : float or None
        Slope factor of Eq. 8; None takes the inverse width of each piece ``s_(i-1)..s_i``, which
        makes the slopes independent of the scale of the weights.
    multiples : M ascending floats, optional
        Endpoints in standard deviations, by default those of :func:`endpoint_multiples`.

    Returns a tensor like ``weight``.  Raises as :func:`check_multiples` does.
    """
    chosen = check_multiples(m, multiples)
    if not torch.is_grad_enabled() or not weight.requires_grad:
        return _ApproximateWeights.forward(weight, m, lambda_w, chosen)[0]
    return _ApproximateWeights.apply(weight, m, lambda_w, chosen)[0]
