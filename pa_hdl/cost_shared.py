"""What the datapath of shared products is made of, counted by structure."""

from __future__ import annotations

from pa_hdl.config import ceil_div, unsigned_bits
from pa_hdl.cost_features import Features, Site, sum_of
from pa_hdl.cost_tables import Counts, different_bits
from pa_hdl.popcount import range_shape, tree_levels

__all__ = ["shared_features"]


def shared_features(site: Site) -> Features:
    """Tables of products for each lane; for each weight a choice among them, a tree of sums."""
    config = site.config
    table: list[list[int]] = []
    limits = -config.phi_limit, config.phi_limit
    if site.parameters is not None:
        table = site.parameters.phi[1:, 1:].tolist()
        entries = [0, *(entry for row in table for entry in row)]
        limits = min(entries), max(entries)
    bits = range_shape(*limits).width
    choices = _choices(config.m)
    additions = _additions(site, limits)
    even = [2 * ceil_div(width, 2) for width in additions]
    pe: Counts = {
        "reset": config.simd,
        "adder": sum(even if config.target == "ecp5" else additions),
        "acc": config.acc_bits,
    }
    for options in choices:
        pe = sum_of(pe, {f"choice {options}": config.simd * bits})
    size = 1 << config.code_bits
    rows = [tuple((0, *row, *[0] * size)[:size]) for row in table]
    if rows:
        made = {"products": config.simd * sum(map(different_bits, rows))}
    else:
        made = {"loaded products": config.simd * config.m * bits * config.n}
    ff = {
        "one": 1,
        "products": config.simd * config.m * bits,
        "terms": config.pe * config.simd * len(choices) * bits,
        "adder": config.pe * sum(additions),
        "acc": config.pe * config.acc_bits,
        "loaded": 0 if rows else config.m * config.n * config.phi_bits,
    }
    lut = sum_of({"one": 1}, made, sum_of(pe, times=config.pe))
    return Features(lut=lut, ff=ff, depth={"one": 1, "choice": unsigned_bits(max(choices))})


def _choices(m: int) -> list[int]:
    """How many products each of the registers behind a weight chooses among.

    Codes whose highest bit is set are chosen apart. Code 0 stands for no product, unless ``m`` is a
    power of two: then the highest code is spelled so.
    """
    half = (1 << (m - 1).bit_length()) >> 1
    if not half:
        return [1]
    low = half - (m < 2 * half)
    return [options for options in (low, m - low) if options]


def _additions(site: Site, limits: tuple[int, int]) -> list[int]:
    """Result bits of each addition of the tree of a PE."""
    config = site.config
    widths = []
    terms = config.simd
    covered = 1
    for _level in range(tree_levels(config.simd)):
        terms, covered = ceil_div(terms, 2), covered * 2
        width = range_shape(limits[0] * covered, limits[1] * covered).width
        widths += [min(config.acc_bits, width)] * terms
    return widths
