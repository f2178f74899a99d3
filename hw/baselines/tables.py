"""Rivals as tables: the same tricks for them as for PA.

A weight and an activation of few levels are codes like PA's, and their product is an entry of a
table: every datapath that takes any table serves them. Integers are two's complement weights and
unsigned activations (a ReLU stands before them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig, signed_bits
from pa_hdl.parameters import LayerParameters

__all__ = [
    "TABLES",
    "abc_scales",
    "abc_table",
    "integer_table",
    "rival_layer",
    "sign_table",
    "ternary_table",
    "weight_levels",
]


def weight_levels(bits: int) -> NDArray[np.int64]:
    """Value of each weight code: the bits of the code read as two's complement.

    Code 0 is the value 0, as the ``gated`` datapath needs it.
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"bits must be 1 to 8, not {bits!r}")
    codes = np.arange(1 << bits)
    return np.where(codes < 1 << (bits - 1), codes, codes - (1 << bits))


def integer_table(bits: int, act_bits: int | None = None) -> NDArray[np.int64]:
    """Products of weights of ``bits`` and unsigned activations of ``act_bits``, by their codes."""
    return np.outer(weight_levels(bits), np.arange(1 << (bits if act_bits is None else act_bits)))


def ternary_table(act_bits: int) -> NDArray[np.int64]:
    """Products of the weights 0, +1, -1 (codes 0, 1, 2) and unsigned activations."""
    return np.outer([0, 1, -1], np.arange(1 << act_bits))


def sign_table() -> NDArray[np.int64]:
    """Products of two signs: code 0 is -1, code 1 is +1."""
    return np.array([[1, -1], [-1, 1]])


def abc_scales(count: int, seed: int) -> NDArray[np.float64]:
    """Scales of so many bases of ABC-Net as if they were trained: none small, none equal."""
    return np.random.default_rng(seed).uniform(0.3, 1, count)


def abc_table(m: int, n: int, phi_bits: int = 8) -> NDArray[np.int64]:
    """The sums of ABC-Net with ``m`` and ``n`` bases of +1 and -1 as a table of their levels.

    The bases of either side are thresholds of one value, so code ``c`` means that ``c`` of them are
    +1. Activations count from their lowest level, ``a - a_0``: what ``a_0`` adds depends on the
    weights alone and is an offset of the output channel. Padding is the lowest level, as where
    signs are counted.
    """
    weight, act = (_steps(abc_scales(count, seed)) for count, seed in ((m, 1), (n, 2)))
    product = np.outer(weight, act - act[0])
    largest = (1 << (phi_bits - 1)) - 1
    return np.rint(product / np.abs(product).max() * largest).astype(np.int64)


def _steps(scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of scales times signs, the first ``c`` of which are +1, for each ``c``."""
    return 2 * np.concatenate([[0.0], np.cumsum(scales)]) - scales.sum()


TABLES: dict[str, Callable[[], NDArray[np.int64]]] = {
    "int2": lambda: integer_table(2),
    "int3": lambda: integer_table(3),
    "int4": lambda: integer_table(4),
    "w3a2": lambda: integer_table(3, 2),
    "w4a3": lambda: integer_table(4, 3),
    "w8a3": lambda: integer_table(8, 3),
    "ternary2": lambda: ternary_table(2),
    "ternary3": lambda: ternary_table(3),
    "abc3x3": lambda: abc_table(3, 3),
    "abc5x5": lambda: abc_table(5, 5),
    "abc7x7": lambda: abc_table(7, 7),
}
"""Tables of the rivals: integers of equal bits, and of other bits of weights (w) and
activations (a); ternary weights by integers of 2 and 3 bits; ABC-Net of so many bases."""


def rival_layer(
    kind: str, *, seed: int = 1, **options: Any
) -> tuple[EngineConfig, LayerParameters]:
    """A layer whose table is one of :data:`TABLES`, its weights drawn from all levels alike.

    ``options`` are further fields of :class:`~pa_hdl.config.EngineConfig`. Accumulators have the
    exact bound of the weights, as PA's have.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    if kind not in TABLES:
        raise ValueError(f"kind must be one of {', '.join(TABLES)}, not {kind!r}")
    table = TABLES[kind]()
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
