"""Uniform quantisation without training, as piecewise approximation with even levels.

A uniform quantiser is the special case whose levels are multiples of one step, so it runs through
the same layers, calibration and export.  Weights of ``k`` bits are -2^(k-1)..2^(k-1) - 1 times a
step (Esser et al., "Learned step size quantization", ICLR 2020, without learning), those of 8 bits
-127..127 times it; activations of ``k`` bits 0..2^k - 1 times a step.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from pa_nn.conversion import convert
from pa_nn.layers import PALayer
from pa_nn.levels import fit_even_levels

__all__ = ["MAX_WEIGHT_BITS", "quantise_uniformly", "uniform_levels"]

MAX_WEIGHT_BITS = 8
MAX_ACTIVATION_BITS = 7


def uniform_levels(weight: torch.Tensor, bits: int, groups: int = 1) -> torch.Tensor:
    """Levels of least squared error for each group, as ``alpha`` of a layer holds them.

    The highest level stands twice, since there are more negative ones than positive ones: float32
    ``(groups, 2^bits)``, or ``(groups, 254)`` for 8 bits.
    """
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if bits == MAX_WEIGHT_BITS:
        low = -high
    integers = [*range(low, 0), *range(1, high + 1), *[high] * (-low - high)]
    return fit_even_levels(weight, integers, groups)


def _check_bits(what: str, bits: int | None, low: int, high: int) -> None:
    if bits is not None and not (type(bits) is int and low <= bits <= high):
        raise ValueError(f"{what} bits must be from {low} to {high}, not {bits!r}")


@torch.no_grad()
def quantise_uniformly(
    model: nn.Module,
    weight_bits: int,
    activation_bits: int | None,
    *,
    calibration: Iterable[Any],
    channel: bool = False,
    keep: Iterable[str] | None = None,
) -> nn.Module:
    """A copy of ``model`` whose convolutions and linear layers are quantised uniformly.

    Parameters
    ----------
    model : module
        As for :func:`pa_nn.convert`; the same layers stay as they are.
    weight_bits : int
        From 2 to 8.
    activation_bits : int or None
        From 1 to 7, or None for activations in full precision.
    calibration : batches
        The step of a layer's activations has least squared error on the rectified inputs that these
        images give it; no labels are needed.
    channel : bool
        One step for each output channel of a layer's weights, in place of one for the layer.
    keep : paths, optional
        As for :func:`pa_nn.convert`.

    Raises
    ------
    ValueError
        Bits out of range; otherwise as :func:`pa_nn.convert`.
    """
    _check_bits("Weight", weight_bits, 2, MAX_WEIGHT_BITS)
    _check_bits("Activation", activation_bits, 1, MAX_ACTIVATION_BITS)
    quantised = convert(
        model,
        min(1 << weight_bits, 254),
        None if activation_bits is None else (1 << activation_bits) - 1,
        calibration=calibration,
        levels="channel" if channel else "trained",
        start="uniform",
        keep=keep,
    )
    for layer in quantised.modules():
        if isinstance(layer, PALayer) and layer.alpha is not None:
            layer.alpha.copy_(uniform_levels(layer.weight, weight_bits, len(layer.alpha)))
    return quantised
