# amaranth: UnusedElaboratable=no
"""The plain dot product of integer networks: ``a * b``, a tree, an accumulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.nodes.multiply_dot import MultiplyDot

__all__ = ["multiply_dot"]


def multiply_dot(
    *,
    bits: int,
    act_bits: int | None = None,
    simd: int,
    pe: int,
    channels: int = 64,
    seed: int = 1,
) -> MultiplyDot:
    """Weights of ``bits`` in two's complement times unsigned activations of ``act_bits``.

    Without ``act_bits`` both have as many bits.

    Activations are unsigned because a ReLU stands before them. The layer is 3x3, from ``channels``
    to ``channels``; accumulators have the exact bound of its seeded weights, as PA's have.
    """
    config = MultiplyConfig(
        in_channels=channels,
        out_channels=channels,
        height=16,
        width=16,
        simd=simd,
        pe=pe,
        weight_bits=bits,
        act_bits=bits if act_bits is None else act_bits,
    )
    limit = 1 << (bits - 1)
    weight = np.random.default_rng(seed).integers(-limit, limit, config.weight_shape)
    lowest, highest = config.exact_acc_range(weight)
    return MultiplyDot(config=replace(config, acc_min=lowest, acc_max=highest))
