"""Piecewise-approximated convolution and linear layers (Eq. 19)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pa_nn.activations import PAActivation
from pa_nn.levels import approximate_by_levels, fit_levels, level_codes, project_levels
from pa_nn.weights import (
    approximate_weights,
    check_multiples,
    endpoint_multiples,
    flat_float64,
    weight_codes,
)

__all__ = ["LEVELS", "PAConv2d", "PALayer", "PALinear"]

LEVELS = ("means", "trained", "channel")


class PALayer(nn.Module):
    """What :class:`PAConv2d` and :class:`PALinear` share: M, N and both approximations.

    Members
    -------
    m : number of non-zero weight pieces, even
    n : number of non-zero activation pieces, or None for activations in full precision
    activation : :class:`~pa_nn.activations.PAActivation` of the layer's input, or None
    lambda_w : slope factor of Eq. 8, or None for the inverse width of a piece
    multiples : endpoints of the weights in standard deviations, M
    levels : "means" of the pieces (Eq. 7), or levels "trained" by gradient, or those by "channel"
    alpha : parameter ``(1, M)`` or ``(O, M)``, the trained levels, or None
    """

    weight: torch.Tensor
    activation: PAActivation | None
    alpha: nn.Parameter | None

    def _initialise(
        self,
        m: int,
        n: int | None,
        lambda_w: float | None,
        lambda_a: float | None,
        lambda_delta: float | None,
        eq14_sign: int,
        levels: str,
        multiples: Sequence[float] | None,
    ) -> None:
        if lambda_w is not None and not 0 < lambda_w < math.inf:
            raise ValueError(f"lambda_w must be positive and finite, or None, not {lambda_w!r}")
        if levels not in LEVELS:
            raise ValueError(f"levels must be one of {', '.join(LEVELS)}, not {levels!r}")
        if levels != "means" and multiples is not None:
            raise ValueError(f"Endpoints are the middles of levels where these are {levels!r}")
        self.multiples = check_multiples(m, multiples)
        self.m = m
        self.n = n
        self.lambda_w = lambda_w
        self.levels = levels
        self.activation = (
            None
            if n is None
            else PAActivation(n, lambda_a=lambda_a, lambda_delta=lambda_delta, eq14_sign=eq14_sign)
        )
        self.alpha = None
        self.reset_levels()

    @property
    def has_default_multiples(self) -> bool:
        """Whether ``multiples`` are those of :func:`~pa_nn.weights.endpoint_multiples`."""
        return self.multiples == endpoint_multiples(self.m)

    def reset_levels(self) -> None:
        """Make trained levels anew, of least squared error for the weights as they are."""
        if self.levels == "means":
            return
        groups = len(self.weight) if self.levels == "channel" else 1
        if self.weight.is_meta:
            alpha = self.weight.new_empty(groups, self.m)
        else:
            alpha = fit_levels(self.weight, self.m, groups)
        self.alpha = nn.Parameter(alpha)

    @torch.no_grad()
    def project_(self) -> None:
        """Keep trained levels in order; call after each step of an optimiser."""
        if self.alpha is not None:
            project_levels(self.alpha)

    def approximated_weight(self) -> torch.Tensor:
        """``W-bar`` of Eq. 6, like ``weight``."""
        if self.alpha is not None:
            return approximate_by_levels(self.weight, self.alpha, lambda_w=self.lambda_w)
        return approximate_weights(
            self.weight, self.m, lambda_w=self.lambda_w, multiples=self.multiples
        )

    def weight_codes(self) -> tuple[torch.Tensor, list[float]]:
        """Code of every weight, and the levels ``alpha_1..alpha_M`` that phi is made of.

        Raises :class:`ValueError` for weights or levels that are not finite, and where each channel
        has levels of its own: hardware has one table phi for a layer.
        """
        if self.alpha is None:
            return weight_codes(self.weight, self.m, self.multiples)
        if len(self.alpha) > 1:
            raise ValueError(
                f"{len(self.alpha)} channels have weight levels of their own, and phi holds those "
                "of a whole layer (levels 'means' or 'trained')"
            )
        flat_float64(self.weight)
        return level_codes(self.weight, self.alpha).cpu(), self.alpha[0].double().tolist()

    def approximated_input(self, x: torch.Tensor) -> torch.Tensor:
        """``A-bar`` of Eq. 10, or ``x`` itself where activations stay in full precision."""
        return x if self.activation is None else self.activation(x)

    def _pieces(self) -> str:
        levels = "" if self.levels == "means" else f", levels={self.levels!r}"
        return f"m={self.m}, n={self.n}{levels}"


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
    levels : str
        ``"means"`` of the pieces, as the paper; ``"trained"``, one set of parameters for the layer;
        ``"channel"``, one for each output channel (:mod:`pa_nn.levels`).
    multiples : M ascending floats, optional
        With ``"means"``: endpoints in standard deviations.

    Raises
    ------
    TypeError, ValueError
        ``m`` odd or out of range, ``n`` out of range, a factor not positive, unknown levels,
        ``multiples`` that do not ascend.
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
        levels: str = "means",
        multiples: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        nn.Conv2d.__init__(self, *args, **kwargs)
        self._initialise(m, n, lambda_w, lambda_a, lambda_delta, eq14_sign, levels, multiples)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``Conv(W-bar, A-bar) + bias``, shapes as :class:`torch.nn.Conv2d`."""
        return self._conv_forward(self.approximated_input(x), self.approximated_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{nn.Conv2d.extra_repr(self)}, {self._pieces()}"


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
        levels: str = "means",
        multiples: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        nn.Linear.__init__(self, *args, **kwargs)
        self._initialise(m, n, lambda_w, lambda_a, lambda_delta, eq14_sign, levels, multiples)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``A-bar @ W-bar.T + bias``, shapes as :class:`torch.nn.Linear`."""
        return F.linear(self.approximated_input(x), self.approximated_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{nn.Linear.extra_repr(self)}, {self._pieces()}"
