"""What the popcount datapath is made of, counted by structure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig, unsigned_bits
from pa_hdl.cost_features import Features, Site, sum_of
from pa_hdl.datapaths.popcount import Plan
from pa_hdl.luts import adder_luts, pair_luts
from pa_hdl.parameters import coefficients
from pa_hdl.popcount import AndPopcount, range_shape

__all__ = ["compressor_features", "popcount_features"]


def popcount_features(site: Site) -> Features:
    """Decoders, lanes, tables that multiply counts by phi, a tree, an accumulator."""
    return _features(site, _lanes(site.config))


def compressor_features(site: Site) -> Features:
    """The same with lanes of the target's compressors, which take about as much for each pair."""
    lanes = site.config.m * site.config.n
    return _features(site, {"lane pairs": lanes * site.config.simd, "lanes": lanes})


def _features(site: Site, lanes: dict[str, float]) -> Features:
    config = site.config
    table = None
    if site.parameters is not None:
        rows = coefficients(site.parameters.phi, config.base).tolist()
        table = tuple(tuple(row) for row in rows)
    behind = _behind_lanes(config.m, config.n, config.phi_bits, config.base, config.simd, table)
    lut = sum_of(
        {"decoded": config.m * config.simd if config.m > 1 else 0, "acc": config.acc_bits},
        lanes,
        behind.lut,
        times=config.pe,
    )
    shared = {"one": 1, "decoded": config.n * config.simd if config.n > 1 else 0}
    ff = {
        "one": 1,
        "bases": config.n * config.simd,
        "weight bases": config.pe * config.m * config.simd,
        "lanes": config.pe * config.m * config.n * _lane_registers(config.simd),
        "acc": config.pe * config.acc_bits,
        **sum_of(behind.ff, times=config.pe),
    }
    if table is None:
        multiples = config.m * config.n * (config.coefficient_bits + 1)
        shared["multiples"] = multiples
        ff["multiples"] = 3 * multiples
    groups = min(config.simd, AndPopcount.GROUP**2)
    depth = {"one": 1, "group": groups.bit_length()}
    return Features(lut=sum_of(lut, shared), ff=ff, depth=depth)


@cache
def _behind_lanes(
    m: int, n: int, phi_bits: int, base: str, simd: int, table: tuple[tuple[int, ...], ...] | None
) -> Features:
    """Products and their tree, of one PE."""
    config = EngineConfig(
        in_channels=simd,
        out_channels=1,
        height=1,
        width=1,
        kernel=(1, 1),
        pad=(0, 0, 0, 0),
        m=m,
        n=n,
        phi_bits=phi_bits,
        base=base,
        simd=simd,
        pe=1,
        loadable=table is None,
    )
    plan = Plan(config, table)
    ff: dict[str, float] = {"tree": _tree_registers(plan)}
    if table is None:
        chosen = sum(range_shape(*plan.term_range(term)).width for term in range(plan.terms))
        widths = [[range_shape(*plan.bound(*span)) for span in level] for level in _spans(plan)]
        tree = sum(
            adder_luts(*pair)
            for level in widths
            for pair in zip(level[::2], level[1::2], strict=False)
        )
        return Features(lut={"chosen": chosen, "tree": tree}, ff={**ff, "terms": chosen})
    columns = [_columns(plan, term) for term in range(plan.terms)]
    lut = {**_products(plan, columns), "tree": _tree(plan, columns)}
    terms = sum(len([bit for bit in term if bit]) for term in columns)
    return Features(lut=lut, ff={**ff, "terms": terms})


def _lanes(config: EngineConfig) -> dict[str, float]:
    pairs, adders = pair_luts(config.simd)
    whole = config.simd // AndPopcount.GROUP**2
    rest, _ = pair_luts(config.simd % AndPopcount.GROUP**2) if whole else (pairs, 0)
    lanes = config.m * config.n
    return {
        "groups": lanes * (pairs - rest),
        "rest of groups": lanes * rest,
        "lane adders": lanes * adders,
    }


def _lane_registers(simd: int) -> int:
    """Registers of a lane: counts of groups, and every level of their tree."""
    size = AndPopcount.GROUP**2
    counts = [min(size, simd - start) for start in range(0, simd, size)]
    total = sum(map(unsigned_bits, counts))
    while len(counts) > 1:
        counts = [sum(counts[at : at + 2]) for at in range(0, len(counts), 2)]
        total += sum(map(unsigned_bits, counts))
    return total


def _columns(plan: Plan, term: int) -> list[bytes]:
    """Each bit of a product as a truth table over its digit of the count; constant bits empty."""
    lane, digit = divmod(term, plan.digits)
    count_bits = unsigned_bits(plan.config.simd) - digit * plan.digit_bits
    counts = np.arange(1 << min(count_bits, plan.digit_bits))
    factor = plan.coefficient_range(lane)[0]
    values = factor * np.minimum(counts, plan.digit_range(digit)[-1])
    return [_bit(values, bit) for bit in range(range_shape(*plan.term_range(term)).width)]


def _bit(values: NDArray[np.int64], bit: int) -> bytes:
    bits = (values >> bit) & 1
    return bytes(bits.tolist()) if bits.any() and not bits.all() else b""


def _products(plan: Plan, columns: Sequence[Sequence[bytes]]) -> dict[str, float]:
    """A table for each distinct bit of a product that is not a bit of the count itself."""
    found: dict[str, float] = {}
    for bits in columns:
        distinct = {bit for bit in bits if bit}
        size = max((len(bit) for bit in distinct), default=1)
        inputs = size.bit_length() - 1
        name = f"table {max(4, inputs)}"
        tables = len(distinct - {_bit(np.arange(size), place) for place in range(inputs)})
        found[name] = found.get(name, 0) + tables
    return found


def _spans(plan: Plan) -> list[list[tuple[int, int]]]:
    """Terms that each sum of each level of the tree covers."""
    spans = [[(term, term + 1) for term in range(plan.terms)]]
    while len(spans[-1]) > 1:
        last = spans[-1]
        pairs = [last[at : at + 2] for at in range(0, len(last), 2)]
        spans.append([(pair[0][0], pair[-1][1]) for pair in pairs])
    return spans


def _tree_registers(plan: Plan) -> int:
    return sum(
        range_shape(*plan.bound(*span)).width for level in _spans(plan)[1:] for span in level
    )


def _tree(plan: Plan, columns: Sequence[Sequence[bytes]]) -> int:
    """Adders over the products. Bits of a product that are equal make equal LUTs of a sum."""
    luts = 0
    for level, _next in pairwise(_spans(plan)):
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        for one, other in (pair for pair in pairs if len(pair) == 2):
            if one[1] - one[0] == 1:
                luts += _pairs_of_bits(plan, columns, one[0], other[0])
            else:
                shapes = [range_shape(*plan.bound(*span)) for span in (one, other)]
                luts += adder_luts(*shapes)
    return luts


def _pairs_of_bits(plan: Plan, columns: Sequence[Sequence[bytes]], first: int, second: int) -> int:
    width = max(len(columns[first]), len(columns[second]))
    extended = []
    for term in (first, second):
        bits = list(columns[term])
        top = bits[-1] if bits and plan.term_range(term)[0] < 0 else b""
        extended.append(bits + [top] * (width - len(bits)))
    return len({pair for pair in zip(*extended, strict=True) if all(pair)})
