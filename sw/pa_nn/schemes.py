"""Piecewise approximation and what it is compared with, under one interface."""

import copy
from collections.abc import Iterable
from typing import Any

from torch import nn

from pa_nn.conversion import convert
from pa_nn.layers import PALayer
from pa_nn.rivals.conversion import convert_rival
from pa_nn.rivals.layers import RivalLayer
from pa_nn.scheme import NAMES, Scheme

__all__ = ["NAMES", "Scheme", "apply_scheme"]


def apply_scheme(
    model: nn.Module,
    scheme: Scheme,
    *,
    keep: Iterable[str] | None = None,
    calibration: Iterable[Any] | None = None,
    **options: Any,
) -> nn.Module:
    """Return a copy of ``model`` whose layers are approximated by ``scheme``.

    Parameters
    ----------
    model : module
        In full precision; left as it is.
    scheme : Scheme
    keep : paths, optional
        Layers that stay as they are; by default those of :func:`~pa_nn.conversion.convert`, for
        every scheme: the first convolution, the last linear layer, and convolutions in groups.
    calibration : batches, optional
        Input tensors, or tuples that start with one, from which learnt parameters start.
    options
        Of ``pa`` alone: as :func:`~pa_nn.conversion.convert` takes them.

    Raises
    ------
    TypeError, ValueError
        As :func:`~pa_nn.conversion.convert`; options for a scheme that has none; a model whose
        layers are approximated already.
    """
    for path, layer in model.named_modules():
        if isinstance(layer, PALayer | RivalLayer) and scheme.name != "full":
            kind = layer.scheme if isinstance(layer, RivalLayer) else "pa"
            raise ValueError(f"{path}: is of scheme {kind} already and cannot become {scheme}")
    if scheme.name == "pa":
        assert scheme.m is not None
        return convert(model, scheme.m, scheme.n, keep=keep, calibration=calibration, **options)
    if options:
        raise ValueError(f"Scheme {scheme} takes no {next(iter(options))}")
    if scheme.name == "full":
        return copy.deepcopy(model)
    return convert_rival(model, scheme, keep=keep, calibration=calibration)
