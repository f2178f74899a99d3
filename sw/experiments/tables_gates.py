"""Table 2: XNOR and AND, as gates, as lanes of these gates, and as lanes of an FPGA."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from experiments.tables_paper import TABLE_2, TABLE_2_RATIO
from experiments.tables_rows import Row
from hw.flow import synthesise
from hw.gate_designs import GateLane
from hw.gates import GateFigures, figures_of
from hw.lane_designs import lane_design

__all__ = ["PAIRS", "PLACED", "TARGETS", "rows"]

PAIRS = 64
"""Pairs of bits of a lane."""

TARGETS = ("generic", "xc7", "ecp5", "ice40")
"""FPGAs that lanes are mapped to."""

PLACED = ("xc7", "ecp5")
"""FPGAs that have lanes of their own cells, placed by the design."""

_TABLE = 2
_COLUMNS = {
    "delay_ps": "Propagation delay [ps]",
    "area_nm2": "Active area [nm^2]",
    "power_nw": "Power [nW]",
}


def rows(cache: Path, *, pairs: int = PAIRS) -> Iterator[Row]:
    """Every number of the table; then what is left of the factor of two in a lane.

    Results of FPGA synthesis are kept in ``cache``.
    """
    products = {kind: _lane(kind, pairs, count=False) for kind in TABLE_2}
    for kind, figures in products.items():
        # All products of a lane are made at once.
        per_pair = {
            "delay_ps": figures.delay_ps,
            "area_nm2": figures.area_nm2 / pairs,
            "power_nw": figures.power_nw / pairs,
        }
        for key, column in _COLUMNS.items():
            yield _row(kind, column, TABLE_2[kind][key], per_pair[key], None)
    lanes = {kind: _lane(kind, pairs) for kind in TABLE_2}
    for kind, figures in lanes.items():
        for key, column in _COLUMNS.items():
            reason = f"not in the paper: {pairs} products and their popcount, of the same two gates"
            yield _row(f"{kind} lane of {pairs}", column, None, getattr(figures, key), reason)
    yield from _ratio_rows(products, lanes, pairs)
    yield from _fpga_rows(cache, pairs)


def _lane(kind: str, pairs: int, *, count: bool = True) -> GateFigures:
    return figures_of(GateLane(kind=kind.lower(), pairs=pairs, count=count))


def _row(model: str, column: str, paper: float | None, ours: float, reason: str | None) -> Row:
    return Row(table=_TABLE, model=model, column=column, paper=paper, ours=ours, reason=reason)


def _ratio_rows(
    products: dict[str, GateFigures], lanes: dict[str, GateFigures], pairs: int
) -> Iterator[Row]:
    for key in ("area_nm2", "power_nw"):
        column = _COLUMNS[key]
        alone = getattr(products["XNOR"], key) / getattr(products["AND"], key)
        yield _row("XNOR / AND, products alone", column, TABLE_2_RATIO, alone, None)
        counted = getattr(lanes["XNOR"], key) / getattr(lanes["AND"], key)
        share = getattr(products["AND"], key) / getattr(lanes["AND"], key)
        reason = (
            f'the popcount is the same for both, and all but {share:.0%} of the AND lane: "except '
            'for bitcount" leaves most of it out'
        )
        yield _row(f"XNOR / AND, lanes of {pairs}", column, TABLE_2_RATIO, counted, reason)


def _fpga_rows(cache: Path, pairs: int) -> Iterator[Row]:
    for target in TARGETS:
        yield from _lut_rows(cache, target, pairs, "", {"XNOR": "xnor", "AND": "popcount"})
    for target in PLACED:
        kinds = {"XNOR": "xnor-compressor", "AND": "compressor"}
        yield from _lut_rows(cache, target, pairs, ", cells placed", kinds)


def _lut_rows(
    cache: Path, target: str, pairs: int, how: str, kinds: Mapping[str, str]
) -> Iterator[Row]:
    column = f"LUT, {target}{how}"
    luts = {
        name: synthesise(lane_design(target, pairs, kind), target, cache)["lane"].uses.lut
        for name, kind in kinds.items()
    }
    for name, count in luts.items():
        reason = "not in the paper: LUTs of products and popcount"
        yield _row(f"{name} lane of {pairs}", column, None, count, reason)
    reason = "a LUT takes either gate in with the first step of the count"
    ratio = luts["XNOR"] / luts["AND"]
    yield _row(f"XNOR / AND, lanes of {pairs}", column, TABLE_2_RATIO, ratio, reason)
