"""One output channel as a sum of table lookups: what the cheap datapaths have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import signed_bits
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import SumTree, add_lookup, delay, range_shape, tree_levels

__all__ = ["PortableTableSum", "TableSum"]


class TableSum(wiring.Component):
    """Add up one table lookup a term, and accumulate the sums of folds, one fold per cycle.

    ``acc = start + sum over folds (correction + sum_k tables[k][index_k])``, modulo
    ``2**acc_bits``, :attr:`latency` cycles after the last index. Subclasses bring the hardware.

    Parameters
    ----------
    tables : tuple of tuples of :class:`int`
        For each term the entries of its table, ``2**index_bits`` of them, none negative.
    acc_bits : :class:`int`
        Width of the accumulator.
    start : :class:`int`
        What an accumulation starts from.
    correction : pair of :class:`int`, optional
        Lowest and highest value of a further addend; without it there is none.

    Members
    -------
    index : an index for each term
    correction : the further addend; only if there is one
    valid, first : ``latency - 1`` cycles after the index: accumulate, start from `start`
    acc : the accumulator

    Raises
    ------
    ValueError
        If tables are of different or odd lengths, or an entry is negative.
    """

    def __init__(
        self,
        *,
        tables: tuple[tuple[int, ...], ...],
        acc_bits: int,
        start: int = 0,
        correction: tuple[int, int] | None = None,
    ) -> None:
        lengths = sorted({len(table) for table in tables})
        if len(lengths) != 1 or lengths[0] & (lengths[0] - 1) or lengths[0] < 2:
            raise ValueError(f"tables must have one length, a power of two, not {lengths!r}")
        lowest = min(map(min, set(tables)))
        if lowest < 0:
            raise ValueError(f"table entries must be at least 0, not {lowest!r}")
        if acc_bits < 1:
            raise ValueError(f"acc_bits must be at least 1, not {acc_bits!r}")
        self.tables = tables
        self.terms = len(tables)
        self.index_bits = lengths[0].bit_length() - 1
        self.acc_bits = acc_bits
        self.start = start
        self.correction_range = correction
        members: dict[str, Any] = {
            "index": In(data.ArrayLayout(unsigned(self.index_bits), self.terms)),
            "valid": In(1),
            "first": In(1),
            "acc": Out(signed(acc_bits)),
        }
        if correction is not None:
            members["correction"] = In(signed(signed_bits(*correction)))
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.tables, self.acc_bits, self.start, self.correction_range)

    @property
    def module_name(self) -> str:
        return "table_sum"

    @classmethod
    def latency_of(cls, *, terms: int, index_bits: int, correction: bool) -> int:
        """Cycles from an index to the accumulator that includes it."""
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """Cycles from an index to the accumulator that includes it."""
        return self.latency_of(
            terms=self.terms,
            index_bits=self.index_bits,
            correction=self.correction_range is not None,
        )

    def model(self, folds: Iterable[tuple[Sequence[int], int]]) -> int:
        """Accumulator of ``(indices, correction)`` folds."""
        total = self.start
        for indices, correction in folds:
            total += correction
            total += sum(table[i] for table, i in zip(self.tables, indices, strict=True))
        half = 1 << (self.acc_bits - 1)
        return (total + half) % (2 * half) - half


class PortableTableSum(TableSum):
    """Accumulate a sum of table lookups, one fold per cycle, in plain logic.

    Tables as multiplexers, a balanced tree of adders of two, each level registered.

    Parameters and members are those of :class:`TableSum`.
    """

    @classmethod
    def latency_of(cls, *, terms: int, index_bits: int, correction: bool) -> int:
        """Cycles from an index to the accumulator that includes it."""
        return 1 + tree_levels(terms) + correction + 1

    def _bound(self, start: int, end: int) -> tuple[int, int]:
        return 0, min(sum(map(max, self.tables[start:end])), (1 << self.acc_bits) - 1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        tree = SumTree(terms=self.terms, bound=self._bound)
        add_submodule(m, platform, "tree", tree)
        for term, table in enumerate(self.tables):
            shape = range_shape(0, max(table))
            value = add_lookup(m, f"entry_{term}", self.index[term], table, shape)
            m.d.comb += tree.i[str(term)].eq(delay(m, f"term_{term}", value, 1))
        total: Value = tree.o
        if self.correction_range is not None:
            lowest, highest = self.correction_range
            low, high = self._bound(0, self.terms)
            bits = min(self.acc_bits, signed_bits(low + lowest, high + highest))
            late = delay(m, "late_correction", self.correction, self.latency - 2)
            corrected = Signal(Shape(bits, signed=True), name="corrected", reset_less=True)
            m.d.sync += corrected.eq(total + late)
            total = corrected
        acc = Signal(signed(self.acc_bits), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, self.start, acc) + total)
        m.d.comb += self.acc.eq(acc)
        return m
