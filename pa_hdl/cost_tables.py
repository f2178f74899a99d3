"""What sums of table lookups are made of, counted by structure: a rule for each form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import ceil_div, signed_bits, unsigned_bits

__all__ = ["SUMS", "SumShape", "different_bits", "mapped_luts", "sum_features"]

Counts = Mapping[str, float]
Table = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SumShape:
    """What a :class:`~pa_hdl.datapaths.table_sum.TableSum` is built from.

    Parameters
    ----------
    tables : tuple of tuples of :class:`int`
        A table for each term, entries not negative.
    acc_bits, start : :class:`int`
        Width of the accumulator, and what it starts from.
    correction : pair of :class:`int` or ``None``
        Range of a further addend.
    """

    tables: tuple[Table, ...]
    acc_bits: int
    start: int = 0
    correction: tuple[int, int] | None = None

    @property
    def index_bits(self) -> int:
        """Bits of an index."""
        return (len(self.tables[0]) - 1).bit_length()

    @property
    def correction_bits(self) -> int:
        """Bits of the further addend."""
        return 0 if self.correction is None else signed_bits(*self.correction)


def _bits(table: Table) -> int:
    return unsigned_bits(max(table))


def different_bits(table: Table) -> int:
    """Result bits that are neither constant, nor alike, nor a bit of the index."""
    values = np.asarray(table)
    count = signed_bits(min(table), max(table)) if min(table) < 0 else _bits(table)
    columns = {tuple((values >> bit) & 1) for bit in range(count)}
    size = len(table)
    wires = {tuple((np.arange(size) >> bit) & 1) for bit in range((size - 1).bit_length())}
    return len(columns - wires - {(0,) * size, (1,) * size})


def mapped_luts(table: Table, inputs: int) -> int:
    """LUTs of a table in logic: bits split at some index bits, equal parts of all bits shared.

    The index bits to split at are those that leave the fewest LUTs.
    """
    values = np.asarray(table)
    index_bits = (len(table) - 1).bit_length()
    columns = np.stack([(values >> bit) & 1 for bit in range(_bits(table))])
    cube = columns.reshape(-1, *(2,) * index_bits)
    counts = []
    for chosen in combinations(range(1, index_bits + 1), max(0, index_bits - inputs)):
        turned = np.moveaxis(cube, chosen, range(1, len(chosen) + 1))
        flat = turned.reshape(len(columns), 1 << len(chosen), -1)
        counts.append(_nodes(flat))
    return min(counts)


def _nodes(parts: NDArray[np.int64]) -> int:
    """Different functions among the parts of each bit, and of what chooses among them."""
    size = parts.shape[2]
    weights = [1 << place for place in range(size)]
    rows = parts.astype(object) @ np.array(weights, dtype=object)
    trivial = {0, (1 << size) - 1} | {
        sum(1 << at for at in range(size) if at >> bit & 1) for bit in range(size.bit_length() - 1)
    }
    level: list[list[Any]] = [[int(value) for value in row] for row in rows]
    made = {value for row in level for value in row} - trivial
    found = len(made)
    # Choices are told apart by what they choose among.
    known: set[Any] = set()
    while len(level[0]) > 1:
        chosen = []
        for row in level:
            half = len(row) // 2
            pairs = zip(row[:half], row[half:], strict=True)
            chosen.append([low if low == high else ("choice", low, high) for low, high in pairs])
        new = {value for row in chosen for value in row if isinstance(value, tuple)}
        new -= known
        known |= new
        ends = {0, (1 << size) - 1}
        found += sum(not (value[1] in ends and value[2] in ends) for value in new)
        level = chosen
    return found


def _per_table(shape: SumShape, count: Callable[[Table], int]) -> int:
    known = {table: count(table) for table in set(shape.tables)}
    return sum(known[table] for table in shape.tables)


def _pair_widths(shape: SumShape) -> list[tuple[int, int]]:
    """Operand and result bits of each addition of a balanced tree, the narrowest first."""
    found = sorted(max(table) for table in shape.tables)
    additions = []
    while len(found) > 1:
        pairs = list(zip(found[::2], found[1::2], strict=False))
        rest = found[-1:] if len(found) % 2 else []
        for low, high in pairs:
            operand = min(unsigned_bits(low), unsigned_bits(high), shape.acc_bits)
            additions.append((operand, min(unsigned_bits(low + high), shape.acc_bits)))
        found = sorted([low + high for low, high in pairs] + rest)
    return additions


def _even(bits: int) -> int:
    return 2 * ceil_div(bits, 2)


def portable(shape: SumShape, *, inputs: int) -> tuple[Counts, Counts]:
    """Tables in logic, a tree of adders of two, registers behind each."""
    additions = _pair_widths(shape)
    looked_up = _per_table(shape, different_bits)
    large = shape.index_bits > inputs
    luts = _per_table(shape, lambda table: mapped_luts(table, inputs)) if large else looked_up
    lut = {
        "split table" if large else "table": luts,
        "adder": sum(operand for operand, _ in additions),
        "correction": 0 if shape.correction is None else _corrected_bits(shape),
        "acc": shape.acc_bits,
    }
    ff = {
        "term": looked_up,
        "adder": sum(result for _, result in additions),
        "correction": shape.correction_bits,
        "acc": shape.acc_bits,
    }
    return lut, ff


def ecp5(shape: SumShape) -> tuple[Counts, Counts]:
    """LUT4s for the parts of each table, CCU2Cs of two bits for each addition."""
    looked_up = _per_table(shape, lambda table: _ecp5_lookups(table)[0])
    held = _per_table(shape, lambda table: _ecp5_lookups(table)[1])
    additions = [result for _, result in _pair_widths(shape)]
    if shape.correction is not None:
        additions.append(_corrected_bits(shape))
    name = "placed" if shape.index_bits <= 6 else "split table"
    lut = {
        name: looked_up,
        "adder": sum(map(_even, additions)),
        "acc": _even(shape.acc_bits),
    }
    ff = {
        "term": held,
        "adder": sum(additions),
        "acc": shape.acc_bits,
        "correction": shape.correction_bits * (1 + (len(shape.tables) - 1).bit_length()),
    }
    return lut, ff


def _corrected_bits(shape: SumShape) -> int:
    """Bits of the sum of all terms and the correction."""
    low, high = shape.correction or (0, 0)
    highest = sum(map(max, shape.tables)) + high
    return min(shape.acc_bits, signed_bits(low, highest) if low < 0 else unsigned_bits(highest))


def _davio(values: Table) -> tuple[Table, Table]:
    """Halves that stand whatever the highest index bit is, and only while it is 0."""
    half = len(values) // 2
    low, high = values[:half], values[half:]
    return high, tuple(one ^ other for one, other in zip(low, high, strict=True))


def _ecp5_lookups(table: Table) -> tuple[int, int]:
    """LUTs of a table, and registers behind them. Equal bits of a part share what they take."""
    bits, index_bits = _bits(table), (len(table) - 1).bit_length()
    if index_bits > 6:
        return mapped_luts(table, 4), bits
    if index_bits < 5:
        return _columns(table), _columns(table)
    if index_bits == 5:
        parts = sum(map(_columns, _davio(table)))
        return parts, parts
    first, second = map(_davio, _davio(table))
    three = [_columns(part) for part in (*first, second[0])]
    fourth = _columns(second[1])
    joined = bits if sum(map(bool, three)) > 1 else 0
    return sum(three) + joined + fourth, sum(three) + bits + 2 * fourth


def _columns(table: Table) -> int:
    """Different bits of the entries, but for those that are always 0."""
    values = np.asarray(table)
    columns = {tuple((values >> bit) & 1) for bit in range(_bits(table))}
    return len(columns - {(0,) * len(table)})


def xc7(shape: SumShape) -> tuple[Counts, Counts]:
    """LUT6_2s as the plan of the heap has them."""
    from pa_hdl.datapaths.table_sum_xc7 import Xc7TableSum

    made = Xc7TableSum(
        tables=shape.tables,
        acc_bits=shape.acc_bits,
        start=shape.start,
        correction=shape.correction,
    )
    made._MustUse__used = True  # it is asked for its plan alone
    bits = _per_table(shape, _bits)
    large = shape.index_bits > 6
    lut = {
        "placed": made.luts,
        "split table": _per_table(shape, lambda table: mapped_luts(table, 6)) if large else 0,
    }
    return lut, {"term": bits, "placed": made.luts, "acc": shape.acc_bits}


SUMS: dict[str, Callable[[SumShape], tuple[Counts, Counts]]] = {
    "generic": partial(portable, inputs=6),
    "xc7": xc7,
    "ecp5": ecp5,
    "ice40": partial(portable, inputs=4),
}
"""Features of the sum of lookups that each target is built with."""


@cache
def sum_features(target: str, shape: SumShape) -> tuple[Counts, Counts]:
    """Things that take LUTs, and things that take flip-flops."""
    return SUMS[target](shape)
