"""Sums of lookups for the ECP5: four-input lookups, and carry cells that put their parts together.

A table of five or six index bits is split by the Davio expansion ``f = f1 ^ (~s & (f0 ^ f1))``: the
registers behind the two lookups hold ``f1`` and ``f0 ^ f1``, the second one reset while ``s`` is
set, which costs nothing. The adder behind them takes the exclusive or in its own LUTs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import xor
from typing import Any

from amaranth.hdl import Module, Signal, Value, unsigned

from pa_hdl.cells.ecp5 import Lookup4, place_lookup
from pa_hdl.cells.ecp5_tree import ECP5, Operand, accumulate, add_pair, add_tree
from pa_hdl.config import unsigned_bits
from pa_hdl.datapaths.table_sum import TableSum
from pa_hdl.popcount import add_lookup, delay, tree_levels

__all__ = ["Ecp5TableSum"]


def _davio(values: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Halves of a table that stand whatever its highest index bit is, and only while it is 0."""
    half = len(values) // 2
    low, high = tuple(values[:half]), tuple(values[half:])
    return high, tuple(map(xor, low, high))


class Ecp5TableSum(TableSum):
    """Accumulate a sum of table lookups, one fold per cycle, in LUT4s and CCU2Cs.

    A table of up to four index bits takes one LUT4 for each result bit, of five bits two, of six
    bits five; each addition takes half a CCU2C for each bit. Larger tables are left to synthesis.

    ::

        index ─▶ LUT4s ─▶ registers ─┬▶ CCU2C ─▶ register ─ ... ─▶ CCU2C ─▶ acc
                 LUT4s ─▶ registers ─┘

    Parameters and members are those of :class:`~pa_hdl.datapaths.table_sum.TableSum`.
    """

    @classmethod
    def latency_of(cls, *, terms: int, index_bits: int, correction: bool) -> int:
        """Cycles from an index to the accumulator that includes it."""
        lookup = 2 if index_bits == 6 else 1
        return lookup + tree_levels(terms) + correction + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        waiting: list[Lookup4] = []
        terms = [self._lookup(m, f"term_{term}", term, waiting) for term in range(self.terms)]
        options: dict[str, Any] = {"bits": self.acc_bits, "adders": ECP5}
        total = add_tree(m, platform, terms, waiting=waiting, **options)
        if self.correction_range is not None:
            late = Operand()
            if any(self.correction_range):
                value = delay(m, "correction", self.correction, self.latency - 2)
                late = Operand((value,), *self.correction_range)
            total = add_pair(m, platform, "corrected", total, late, waiting=waiting, **options)
        for lookup in waiting:
            lookup.place(m)
        acc = accumulate(
            m,
            platform,
            total,
            first=self.first,
            valid=self.valid,
            start=self.start,
            **options,
        )
        m.d.comb += self.acc.eq(acc)
        return m

    def _lookup(self, m: Module, name: str, term: int, waiting: list[Lookup4]) -> Operand:
        """A term, in the parts that the registers behind its lookups hold."""
        table, index = self.tables[term], self.index[term]
        bits = min(unsigned_bits(max(table)), self.acc_bits)

        def register(part: str, value: Value, reset: Value | None = None) -> Signal:
            out = Signal(bits, name=f"{name}_{part}", reset_less=True)
            m.d.sync += out.eq(value)
            if reset is not None:
                with m.If(reset):
                    m.d.sync += out.eq(0)
            return out

        def look(part: str, values: Sequence[int], reset: Value | None = None) -> list[Value]:
            if not any(values):
                return []
            found = place_lookup(m, f"{name}_{part}_look", index[:4], values, bits, waiting)
            return [register(part, found, reset)]

        if self.index_bits > 6:
            found = add_lookup(m, f"{name}_look", index, table, unsigned(bits))
            parts = [register("all", found)]
        elif self.index_bits < 5:
            parts = look("all", table)
        elif self.index_bits == 5:
            always, gated = _davio(table)
            parts = look("always", always) + look("gated", gated, index[4])
        else:
            (always, gated_4), (gated_5, gated_both) = map(_davio, _davio(table))
            three = look("always", always) + look("gated_4", gated_4, index[4])
            three += look("gated_5", gated_5, index[5])
            parts = [register("three", reduce(xor, three))] if three else []
            for early in look("gated_both", gated_both, index[4]):
                parts.append(register("fourth", early, delay(m, f"{name}_5", index[5], 1)))
        return Operand(tuple(parts), 0, max(table))
