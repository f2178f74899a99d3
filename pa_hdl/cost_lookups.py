"""What the datapaths that look products up are made of, counted by structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig, signed_bits
from pa_hdl.cost_features import Features, Site, sum_of
from pa_hdl.cost_tables import Counts, SumShape, sum_features
from pa_hdl.datapaths.table_dot import Coding, GatedDot, LookupDot, lookup_table, weight_layout
from pa_hdl.parameters import LayerParameters, blank_column, weight_folds

__all__ = ["inside_features", "table_features", "weight_word_bits"]

_MEASURED_PES = 4
"""How many different PEs are counted; others are like them."""


def _coding(config: EngineConfig, parameters: LayerParameters) -> Coding:
    kind = GatedDot if config.datapath == "gated" else LookupDot
    return kind.coding_of(config, parameters)


def weight_word_bits(site: Site) -> int:
    """Width of the weight memory; 0 where there is none."""
    config, parameters = site.config, site.parameters
    if config.datapath == "inside":
        return 0
    if config.datapath in ("lookup", "gated") and parameters is not None:
        return config.pe * weight_layout(config, _coding(config, parameters)).size
    return config.weight_word_bits


def table_features(site: Site) -> Features:
    """A register for each field and activation, one table for all terms, a correction."""
    config, parameters = site.config, site.parameters
    if parameters is None:
        raise ValueError(f"there is no loadable {config.datapath} datapath")
    coding = _coding(config, parameters)
    correction = coding.correction_range(config.simd)
    lut, ff = sum_features(
        config.target,
        SumShape(
            tables=(coding.table,) * config.simd, acc_bits=config.acc_bits, correction=correction
        ),
    )
    held = config.simd * (coding.row_bits + config.code_bits) + signed_bits(*correction)
    gates = {"gate": config.simd if coding.gated else 0}
    return _features(config, sum_of(lut, gates), sum_of(ff, {"held": held}), config.pe, 0)


def inside_features(site: Site) -> Features:
    """Tables of each PE's own weights; a register for each activation and for the fold."""
    config, parameters = site.config, site.parameters
    if parameters is None:
        raise ValueError(f"there is no loadable {config.datapath} datapath")
    products = blank_column(config, parameters.phi)[weight_folds(config, parameters)]
    measured = min(config.pe, _MEASURED_PES)
    lut: Counts = {}
    ff: Counts = {}
    for pe in range(measured):
        shape = SumShape(tables=_tables(config, products[:, pe]), acc_bits=config.acc_bits)
        luts, registers = sum_features(config.target, shape)
        lut, ff = sum_of(lut, luts), sum_of(ff, registers)
    share = config.pe / measured
    held = config.simd * config.code_bits + (config.folds_per_pixel - 1).bit_length()
    return _features(config, lut, ff, share, held)


def _tables(config: EngineConfig, products: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    """Tables of the lanes of a PE by fold and activation code, entries shifted to start at 0."""
    entries = products - products.min(axis=2, keepdims=True)
    return tuple(lookup_table(entries[:, lane], config.code_bits) for lane in range(config.simd))


def _features(config: EngineConfig, lut: Counts, ff: Counts, times: float, held: int) -> Features:
    lut = {name: count * times for name, count in lut.items()}
    ff = {name: count * times for name, count in ff.items()}
    return Features(
        lut=sum_of(lut, {"one": 1, "pe": config.pe}),
        ff=sum_of(ff, {"one": 1, "held": held}),
        depth={"one": 1, "code": config.code_bits},
    )
