"""Integer layers as tables: the same tricks for rivals as for PA.

A weight of two's complement and an unsigned activation (a ReLU stands before it) are codes like
PA's, and their product is an entry of a table: every datapath that takes any table serves them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig, signed_bits
from pa_hdl.parameters import LayerParameters

__all__ = ["integer_layer", "integer_table", "sign_table", "weight_levels"]


def weight_levels(bits: int) -> NDArray[np.int64]:
    """Value of each weight code: the bits of the code read as two's complement.

    Code 0 is the value 0, as the ``gated`` datapath needs it.
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"bits must be 1 to 8, not {bits!r}")
    codes = np.arange(1 << bits)
    return np.where(codes < 1 << (bits - 1), codes, codes - (1 << bits))


def integer_table(bits: int) -> NDArray[np.int64]:
    """Products of weights and unsigned activations of so many bits, by their codes."""
    return np.outer(weight_levels(bits), np.arange(1 << bits))


def sign_table() -> NDArray[np.int64]:
    """Products of two signs: code 0 is -1, code 1 is +1."""
    return np.array([[1, -1], [-1, 1]])


def integer_layer(
    bits: int, *, seed: int = 1, **options: Any
) -> tuple[EngineConfig, LayerParameters]:
    """A layer of ``bits`` by ``bits``, its weights drawn from all levels alike.

    ``options`` are further fields of :class:`~pa_hdl.config.EngineConfig`. Accumulators have the
    exact bound of the weights, as PA's have.
    """
    table = integer_table(bits)
    config = EngineConfig(
        m=table.shape[0] - 1,
        n=table.shape[1] - 1,
        phi_bits=signed_bits(int(table.min()), int(table.max())),
        loadable=False,
        **options,
    )
    drawn = LayerParameters.seeded(config, seed)
    parameters = replace(drawn, phi=table)
    lowest, highest = parameters.acc_range()
    return replace(config, acc_min=lowest, acc_max=highest), parameters
