"""Piecewise-approximated convolution and linear layers (Eq. 19)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pa_nn.activations import PAActivation
from pa_nn.weights import approximate_weights, check_pieces

__all__ = ["PAConv2d", "PALayer", "PALinear"]


class PALayer(nn.Module):
    """What :class:`PAConv2d` and :class:`PALinear` share: M, N and both approximations.

    Members
    -------
    m : number of non-zero weight pieces, even
    n : number of non-zero activation pieces, or None for activations in full precision
    activation : :class:`~pa_nn.activations.PAActivation` of the layer's input, or None
    lambda_w : slope factor of Eq. 8, or None for the inverse width of a piece
    """

    weight: torch.Tensor
    activation: PAActivation | None

    def _initialise(
        self,
        m: int,
        n: int | None,
        lambda_w: float | None,
        lambda_a: float | None,
        lambda_delta: float | None,
        eq14_sign: int,
    ) -> None:
        if lambda_w is not None and not 0 < lambda_w < math.inf:
            raise ValueError(f"lambda_w must be positive and finite, or None, not {lambda_w!r}")
        self.m = check_pieces(m)
        self.n = n
        self.lambda_w = lambda_w
        self.activation = (
            None
            if n is None
            else PAActivation(n, lambda_a=lambda_a, lambda_delta=lambda_delta, eq14_sign=eq14_sign)
        )

    def approximated_weight(self) -> torch.Tensor:
        """``W-bar`` of Eq. 6, like ``weight``."""
        return approximate_weights(self.weight, self.m, lambda_w=self.lambda_w)

    def approximated_input(self, x: torch.Tensor) -> torch.Tensor:
        """``A-bar`` of Eq. 10, or ``x`` itself where activations stay in full precision."""
        return x if self.activation is None else self.activation(x)


class PAConv2d(PALayer, nn.Conv2d):
    """Convolution of approximated activations by approximated weights (Eq. 19).

    Takes :class:`torch.nn.Conv2d`'s arguments, and M and N.  Input ``(batch, C, H, W)`` real
    activations, output the real-valued sums.  Padding is zero, which PA represents exactly.

    Parameters
    ----------
    m : int
        Non-zero weight pieces, even.
    n : int or None
        Non-zero activation pieces; None keeps activations in full precision.
    lambda_w, lambda_a, lambda_delta, eq14_sign
        Backward passes, see :func:`~pa_nn.weights.approximate_weights` and
        :func:`~pa_nn.activations.approximate_activations`.

    Raises
    ------
    TypeError, ValueError
        ``m`` odd or out of range, ``n`` out of range, a factor not positive.
    """

    def __init__(
        self,
        *args: Any,
        m: int,
        n: int | None,
        lambda_w: float | None = None,
        lambda_a: float | None = None,
        lambda_delta: float | None = None,
        eq14_sign: int = -1,
        **kwargs: Any,
    ) -> None:
        nn.Conv2d.__init__(self, *args, **kwargs)
        self._initialise(m, n, lambda_w, lambda_a, lambda_delta, eq14_sign)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``Conv(W-bar, A-bar) + bias``, shapes as :class:`torch.nn.Conv2d`."""
        return self._conv_forward(self.approximated_input(x), self.approximated_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{nn.Conv2d.extra_repr(self)}, m={self.m}, n={self.n}"


class PALinear(PALayer, nn.Linear):
    """Linear layer of approximated activations by approximated weights (Eq. 19).

    Takes :class:`torch.nn.Linear`'s arguments, and M and N as :class:`PAConv2d` does.
    """

    def __init__(
        self,
        *args: Any,
        m: int,
        n: int | None,
        lambda_w: float | None = None,
        lambda_a: float | None = None,
        lambda_delta: float | None = None,
        eq14_sign: int = -1,
        **kwargs: Any,
    ) -> None:
        nn.Linear.__init__(self, *args, **kwargs)
        self._initialise(m, n, lambda_w, lambda_a, lambda_delta, eq14_sign)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``A-bar @ W-bar.T + bias``, shapes as :class:`torch.nn.Linear`."""
        return F.linear(self.approximated_input(x), self.approximated_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{nn.Linear.extra_repr(self)}, m={self.m}, n={self.n}"
