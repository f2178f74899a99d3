"""Activation approximation of the piecewise scheme (Eq. 10-14, 17, 18).

Activations are cut at ``N`` trainable endpoints ``v``; each is replaced by the trainable ``beta``
of its piece, and by exactly zero below ``v_1``.  An activation equal to an endpoint belongs to the
upper piece: its code is the number of endpoints it reaches.

Readings of the paper: ``t_0 = 2 v_1 - t_1`` in Eq. 12; a minus sign in Eq. 14 (raising an endpoint
lowers the output); sums of Eq. 13 and 14 are plain, so ``beta`` and ``v`` want a learning rate of
their own.  Activations that are exactly 0 (a ReLU came before) lie in no piece of Eq. 11 and 14:
they would otherwise pull at ``v_1`` with all their number whenever ``t_0`` is negative.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from pa_nn import kernels

__all__ = [
    "STARTS",
    "PAActivation",
    "activation_bases",
    "activation_codes",
    "approximate_activations",
    "lloyd_max",
    "quantiles",
    "uniform",
]

MAX_PIECES = 255
MIN_ENDPOINT = 1e-3
UNIFORM_STEPS = 200


def activation_codes(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Code of every activation, ``#{j : x >= v_j}`` (Eq. 10); uint8, like ``x``."""
    return torch.bucketize(x.detach().float(), v.detach().float(), right=True).to(torch.uint8)


def activation_bases(codes: torch.Tensor, n: int) -> torch.Tensor:
    """Binary bases ``V_1..V_N`` of Eq. 18: bool ``(N, *codes.shape)``, ``V_j = (codes == j)``."""
    index = torch.arange(1, n + 1, device=codes.device).view(-1, *(1,) * codes.dim())
    return codes.unsqueeze(0) == index


def _piece_ends(v: torch.Tensor, lambda_delta: float | None) -> torch.Tensor:
    """``t_0..t_N`` of Eq. 12."""
    middle = (v[1:] + v[:-1]) / 2
    if lambda_delta is not None:
        last = v[-1:] + lambda_delta
    elif len(v) > 1:
        last = 2 * v[-1:] - middle[-1:]
    else:
        last = 2 * v
    inner = torch.cat([middle, last])
    return torch.cat([2 * v[:1] - inner[:1], inner])


class _ApproximateActivations(torch.autograd.Function):
    """Eq. 10 forward; Eq. 11 to 14 backward.

    Half pieces: the endpoints ``t_0 <= v_1 <= t_1 <= ... <= v_N <= t_N`` cut the line in 2N + 2
    intervals, one byte an element.  Interval ``h`` has code ``h // 2`` and lies in piece
    ``(h + 1) // 2`` of Eq. 11, so that byte is all the backward pass needs.
    """

    @staticmethod
    def forward(
        x: torch.Tensor,
        beta: torch.Tensor,
        v: torch.Tensor,
        lambda_a: float | None,
        lambda_delta: float | None,
        sign: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        v, beta = v.detach().float(), beta.detach().float()
        t = _piece_ends(v, lambda_delta)
        ends = torch.stack([t[:-1], v], dim=1).flatten()
        level = torch.cat([beta.new_zeros(1), beta])
        return kernels.look_up(x.detach(), torch.cat([ends, t[-1:]]), level.repeat_interleave(2))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        _, beta, v, lambda_a, lambda_delta, sign = inputs
        _, half = output
        ctx.mark_non_differentiable(half)
        ctx.save_for_backward(half, beta, v)
        ctx.lambda_a, ctx.lambda_delta, ctx.sign = lambda_a, lambda_delta, sign

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: Any) -> tuple[torch.Tensor | None, ...]:
        half, beta, v = ctx.saved_tensors
        step = torch.diff(beta.detach().float(), prepend=beta.new_zeros(1).float())
        t = _piece_ends(v.detach().float(), ctx.lambda_delta)
        if ctx.lambda_a is None:
            width = torch.diff(t)
            slope = torch.where(width > 0, step / width.clamp(min=1e-30), torch.zeros_like(step))
        else:
            slope = ctx.lambda_a * step
        zero = slope.new_zeros(1)
        slopes = torch.cat([zero, slope.repeat_interleave(2), zero])
        grad_x, sums = kernels.back_propagate(grad, half, slopes)  # Eq. 11
        n = len(v)
        grad_beta = sums[2:].view(n, 2).sum(1)  # Eq. 13
        grad_v = ctx.sign * slope.double() * sums[1:-1].view(n, 2).sum(1)  # Eq. 14
        return grad_x, grad_beta.to(beta.dtype), grad_v.to(v.dtype), None, None, None


def approximate_activations(
    x: torch.Tensor,
    beta: torch.Tensor,
    v: torch.Tensor,
    *,
    lambda_a: float | None = None,
    lambda_delta: float | None = None,
    eq14_sign: int = -1,
) -> torch.Tensor:
    """Piecewise-approximated activations ``A-bar`` (Eq. 10), differentiable by Eq. 11 to 14.

    Parameters
    ----------
    x : float32 or bfloat16 tensor of any shape
    beta, v : tensors (N,)
        Levels and ascending endpoints, ``v`` in the units of ``x``.
    lambda_a : float or None
        Slope factor of Eq. 11 and 14; None takes the inverse width ``1 / (t_i - t_(i-1))``, for
        which Eq. 14 equals a finite difference.
    lambda_delta : float or None
        ``t_N - v_N`` of Eq. 12; None mirrors the piece below, ``t_N = 2 v_N - t_(N-1)`` (and
        ``2 v_1`` for N = 1).
    eq14_sign : int
        -1, the true sign of Eq. 14, or +1 as printed in the paper.

    Returns a tensor of the shape and type of ``x``.
    """
    return _ApproximateActivations.apply(x, beta, v, lambda_a, lambda_delta, eq14_sign)[0]


def lloyd_max(values: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Levels and endpoints of least squared error for ``values``, with level 0 below ``v_1``.

    Parameters
    ----------
    values : tensor of any shape
        Samples; negative ones count as zero.
    n : int
        Number of non-zero levels.

    Returns ``beta`` and ``v``, float32 ``(N,)``; ``v_1 >= 1e-3``.  Where nothing is positive the
    answer is that for a rectified Gaussian.
    """
    positive = values.detach().flatten().double()
    positive = positive[positive > 0].sort().values
    if len(positive) == 0:
        return lloyd_max(_half_gaussian(positive.device), n)
    total = torch.cat([positive.new_zeros(1), positive.cumsum(0)])
    rank = (torch.arange(n, dtype=torch.float64) + 0.5) / n * (len(positive) - 1)
    level = positive[rank.long()]
    for _ in range(100):
        edge = (torch.cat([level.new_zeros(1), level[:-1]]) + level) / 2
        cut = torch.cat(
            [torch.searchsorted(positive, edge), torch.tensor([len(positive)], device=edge.device)]
        )
        count = torch.diff(cut)
        mean = (total[cut[1:]] - total[cut[:-1]]) / count.clamp(min=1)
        level, old = torch.where(count > 0, mean, level), level
        if torch.equal(level, old):
            break
    edge = (torch.cat([level.new_zeros(1), level[:-1]]) + level) / 2
    return level.float(), edge.float().clamp(min=MIN_ENDPOINT)


def _half_gaussian(device: torch.device) -> torch.Tensor:
    probability = (torch.arange(4096, dtype=torch.float64, device=device) + 0.5) / 4096
    return torch.special.ndtri((1 + probability) / 2)


@cache
def _gaussian_start(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`lloyd_max` of a rectified Gaussian, which each layer of a network starts from."""
    with torch.device("cpu"):
        return lloyd_max(torch.zeros(0), n)


def quantiles(values: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Levels and endpoints that fill N + 1 pieces of ``values`` above 0 evenly.

    The lowest piece has level 0, each other the mean of its samples.  As :func:`lloyd_max`
    otherwise.
    """
    positive = values.detach().flatten().double()
    positive = positive[positive > 0].sort().values
    if len(positive) == 0:
        return quantiles(_half_gaussian(positive.device), n)
    cut = torch.arange(n + 2, dtype=torch.float64) / (n + 1) * len(positive)
    start, stop = cut[1:-1].long(), cut[2:].long()
    total = torch.cat([positive.new_zeros(1), positive.cumsum(0)])
    mean = (total[stop] - total[start]) / (stop - start).clamp(min=1)
    edge = positive[start.clamp(max=len(positive) - 1)]
    return torch.where(stop > start, mean, edge).float(), edge.float().clamp(min=MIN_ENDPOINT)


def uniform(values: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Evenly spaced levels ``j * step``, each value at the nearest, of least squared error.

    The step is the best of 200, up to what reaches the largest of ``values``.  As
    :func:`lloyd_max` otherwise.
    """
    positive = values.detach().flatten().double()
    positive = positive[positive > 0]
    if len(positive) == 0:
        return uniform(_half_gaussian(positive.device), n)
    largest = float(positive.max()) / n
    steps = [largest * k / UNIFORM_STEPS for k in range(1, UNIFORM_STEPS + 1)]
    errors = [
        float((positive - (positive / step).round().clamp(max=n) * step).square().sum())
        for step in steps
    ]
    step = steps[errors.index(min(errors))]
    level = torch.arange(1, n + 1, dtype=torch.float64) * step
    return level.float(), (level - step / 2).float().clamp(min=MIN_ENDPOINT)


# How ``beta`` and ``v`` can start.
STARTS: dict[str, Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]] = {
    "lloyd_max": lloyd_max,
    "quantiles": quantiles,
    "uniform": uniform,
}


class PAActivation(nn.Module):
    """Piecewise approximation of activations with trainable levels and endpoints (Eq. 10, 17).

    Parameters
    ----------
    n : int
        Number of non-zero pieces, 1 to 255.
    lambda_a, lambda_delta, eq14_sign
        As in :func:`approximate_activations`.

    Members
    -------
    beta : parameter (N,), levels
    v : parameter (N,), endpoints, ascending and at least 1e-3

    Both start as the best levels for a rectified unit Gaussian; :meth:`initialise` fits them to
    data.  Call :meth:`project_` after each step of an optimiser.
    """

    def __init__(
        self,
        n: int,
        *,
        lambda_a: float | None = None,
        lambda_delta: float | None = None,
        eq14_sign: int = -1,
    ) -> None:
        if isinstance(n, bool) or not isinstance(n, int):
            raise TypeError(f"N must be an integer, not {n!r}")
        if not 1 <= n <= MAX_PIECES:
            raise ValueError(f"N must be from 1 to {MAX_PIECES}, not {n!r}")
        for name, value in (("lambda_a", lambda_a), ("lambda_delta", lambda_delta)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, or None, not {value!r}")
        if eq14_sign not in (-1, 1):
            raise ValueError(f"eq14_sign must be -1 or 1, not {eq14_sign!r}")
        super().__init__()
        self.n = n
        self.lambda_a = lambda_a
        self.lambda_delta = lambda_delta
        self.eq14_sign = eq14_sign
        beta, v = _gaussian_start(n)
        # New tensors, on the device that modules are being built on.
        self.beta = nn.Parameter(torch.zeros(n).copy_(beta))
        self.v = nn.Parameter(torch.zeros(n).copy_(v))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``A-bar`` of Eq. 10 for ``x`` of any shape."""
        return approximate_activations(
            x,
            self.beta,
            self.v,
            lambda_a=self.lambda_a,
            lambda_delta=self.lambda_delta,
            eq14_sign=self.eq14_sign,
        )

    @torch.no_grad()
    def initialise(self, values: torch.Tensor, start: str = "lloyd_max") -> None:
        """Set ``beta`` and ``v`` by a rule of :data:`STARTS` from the samples ``values``."""
        beta, v = STARTS[start](values, self.n)
        self.beta.copy_(beta)
        self.v.copy_(v)

    @torch.no_grad()
    def project_(self) -> None:
        """Sort ``v`` and keep ``v_1`` at 1e-3 or above, so that codes stay monotone and 0 is 0."""
        self.v.copy_(self.v.sort().values.clamp(min=MIN_ENDPOINT))

    def extra_repr(self) -> str:
        return f"n={self.n}"
