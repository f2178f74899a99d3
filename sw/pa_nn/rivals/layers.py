"""Layers whose weights and activations are approximated by a scheme other than PA."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from pa_nn.scheme import Scheme

__all__ = ["Approximated", "InputRule", "RivalConv2d", "RivalLayer", "RivalLinear", "WeightRule"]


class Approximated(NamedTuple):
    """Approximated activations, ``(values + offset) * magnitude``.

    Members
    -------
    values : tensor, like the activations
    offset : tensor of one element or None
        What every activation has in addition, padding included.
    magnitude : tensor or None
        Mean size of the activations over channels: ``(batch, 1, H, W)`` or ``(..., 1)``.
    """

    values: torch.Tensor
    offset: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None


class WeightRule(nn.Module):
    """How weights are approximated; called with the weights of a layer."""

    def initialise(self, weight: torch.Tensor) -> None:
        """Start what the rule learns from the weights of its layer."""


class InputRule(nn.Module):
    """How activations are approximated; called with the input of a layer."""

    def initialise(self, samples: torch.Tensor) -> None:
        """Start what the rule learns from ``samples`` of activations, ``(count, channels)``."""

    def forward(self, x: torch.Tensor) -> Approximated:
        raise NotImplementedError


class RivalLayer(nn.Module):
    """What :class:`RivalConv2d` and :class:`RivalLinear` share.

    Members
    -------
    scheme : :class:`~pa_nn.scheme.Scheme`
    weight_rule : :class:`WeightRule`
    input_rule : :class:`InputRule`, or None for activations in full precision
    """

    weight: torch.Tensor
    bias: Any  # a tensor or None

    def _initialise(
        self, scheme: Scheme, weight_rule: WeightRule, input_rule: InputRule | None
    ) -> None:
        self.scheme = scheme
        self.weight_rule = weight_rule
        self.input_rule = input_rule

    def _product(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        raise NotImplementedError

    def _magnify(self, y: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
        """``y`` times the mean of ``magnitude`` over what each output sees, plus bias."""
        raise NotImplementedError

    def approximated_weight(self) -> torch.Tensor:
        """The weights that the layer computes with, like ``weight``."""
        return self.weight_rule(self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Product of approximated activations and weights, plus bias."""
        weight = self.approximated_weight()
        values, offset, magnitude = (
            Approximated(x) if self.input_rule is None else self.input_rule(x)
        )
        if magnitude is not None:
            return self._magnify(self._product(values, weight, None), magnitude)
        bias = self.bias
        if offset is not None:
            shift = offset * weight.flatten(1).sum(1)
            bias = shift if bias is None else bias + shift
        return self._product(values, weight, bias)


class RivalConv2d(RivalLayer, nn.Conv2d):
    """Convolution; takes :class:`torch.nn.Conv2d`'s arguments, a scheme and its rules."""

    def __init__(
        self,
        *args: Any,
        scheme: Scheme,
        weight_rule: WeightRule,
        input_rule: InputRule | None,
        **kwargs: Any,
    ) -> None:
        nn.Conv2d.__init__(self, *args, **kwargs)
        self._initialise(scheme, weight_rule, input_rule)

    def _product(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        return self._conv_forward(x, weight, bias)

    def _magnify(self, y: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
        height, width = self.kernel_size
        box = magnitude.new_full((1, 1, height, width), 1 / (height * width))
        if self.padding_mode == "zeros":
            spread = F.conv2d(magnitude, box, None, self.stride, self.padding, self.dilation)
        else:
            magnitude = F.pad(magnitude, self._reversed_padding_repeated_twice, self.padding_mode)
            spread = F.conv2d(magnitude, box, None, self.stride, 0, self.dilation)
        y = y * spread
        return y if self.bias is None else y + self.bias.view(-1, 1, 1)

    def extra_repr(self) -> str:
        return f"{nn.Conv2d.extra_repr(self)}, scheme={self.scheme}"


class RivalLinear(RivalLayer, nn.Linear):
    """Linear layer; takes :class:`torch.nn.Linear`'s arguments, a scheme and its rules."""

    def __init__(
        self,
        *args: Any,
        scheme: Scheme,
        weight_rule: WeightRule,
        input_rule: InputRule | None,
        **kwargs: Any,
    ) -> None:
        nn.Linear.__init__(self, *args, **kwargs)
        self._initialise(scheme, weight_rule, input_rule)

    def _product(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        return F.linear(x, weight, bias)

    def _magnify(self, y: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
        y = y * magnitude
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{nn.Linear.extra_repr(self)}, scheme={self.scheme}"
