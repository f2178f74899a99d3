"""Sums of lookups for the 7-series: two table bits in a LUT, and four bits of a column in another.

A table of up to five index bits costs half a LUT a bit for the lookup, and half a LUT a bit for the
addition: :class:`~pa_hdl.cells.xc7.CarrySave` turns four bits into two. A table of an odd number of
bits leaves half a LUT unused; its odd bit is looked up in the LUT of an adder instead. Which bits
meet where is planned by :mod:`pa_hdl.datapaths.bit_heap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Value

from pa_hdl.cells.xc7 import Lookups, Xc7Lookups, widened
from pa_hdl.cells.xc7_adders import (
    CarrySave,
    Position,
    TernaryAccumulator,
    Xc7CarrySave,
    Xc7TernaryAccumulator,
)
from pa_hdl.config import ceil_div, unsigned_bits
from pa_hdl.datapaths.bit_heap import Chain, Plan, plan_heap, stages_of
from pa_hdl.datapaths.table_split import Single, TermSplit, merged, terms_per_lookup
from pa_hdl.datapaths.table_sum import TableSum
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import add_lookup, delay, range_shape

__all__ = ["Cells", "Xc7TableSum"]

_LUT_BITS = 6


class Cells(NamedTuple):
    """Components that a sum is made of: portable ones, or those of the device."""

    lookups: type[Lookups]
    carry_save: type[CarrySave]
    accumulator: type[TernaryAccumulator]


class _Bit(NamedTuple):
    """A bit of the heap, and how many cycles after the index it is there."""

    value: Value
    ready: int


@dataclass(frozen=True)
class _Sum:
    """How every table is looked up, and what becomes of the bits.

    Parameters
    ----------
    terms : list of :class:`TermSplit`
        Each table; empty where synthesis is to look it up.
    ones : list of :class:`int`
        Columns of constant bits.
    singles : list of lists
        For each column, the terms and the bits of theirs that adders look up.
    plan : :class:`~pa_hdl.datapaths.bit_heap.Plan`
        Chains of adders.
    """

    terms: list[TermSplit]
    ones: list[int]
    singles: list[list[tuple[int, Single]]]
    plan: Plan

    @property
    def luts(self) -> int:
        """LUTs of lookups and chains."""
        return self.plan.luts + sum(len(term.groups) for term in self.terms)


class Xc7TableSum(TableSum):
    """Accumulate a sum of table lookups, one fold per cycle, in LUT6_2s and CARRY4s.

    ::

        index ─▶ Lookups ─▶ CarrySave ─▶ ... ─▶ CarrySave ─▶ TernaryAccumulator ─▶ acc
           └──────────────────▲

    Tables of up to three index bits are merged first: one lookup gives the sum of several terms.
    Tables of more than six are left to synthesis.

    Parameters and members are those of :class:`~pa_hdl.datapaths.table_sum.TableSum`.
    """

    cells = Cells(Xc7Lookups, Xc7CarrySave, Xc7TernaryAccumulator)

    @classmethod
    def latency_of(cls, *, terms: int, index_bits: int, correction: bool) -> int:
        """Cycles from an index to the accumulator that includes it."""
        rows = ceil_div(terms, terms_per_lookup(index_bits)) + correction
        return 1 + stages_of(rows) + 1

    @cached_property
    def _tables(self) -> list[tuple[int, ...]]:
        """The tables, merged."""
        step = terms_per_lookup(self.index_bits)
        return [merged(self.tables[at : at + step]) for at in range(0, self.terms, step)]

    @cached_property
    def _correction(self) -> tuple[int, bool]:
        """Bits of the correction below its sign, and whether it can be negative."""
        if self.correction_range is None:
            return 0, False
        shape = range_shape(*self.correction_range)
        return shape.width - shape.signed, shape.signed

    @cached_property
    def _sum(self) -> _Sum:
        plans = [self._planned(eighths) for eighths in (8, 6, 5, 4, 3, 0)]
        return min((plan for plan in plans if plan), key=lambda plan: plan.luts)

    def _planned(self, eighths: int) -> _Sum | None:
        """A plan in which that many of eight terms leave a bit to an adder, if it has one."""
        width, negative = self._correction
        highest = sum(map(max, self._tables)) + (1 << width) - 1
        columns = self.acc_bits if negative else min(self.acc_bits, unsigned_bits(highest))
        ones: list[int] = []
        singles: list[list[tuple[int, Single]]] = [[] for _ in range(columns)]
        terms: list[TermSplit] = []
        heights = [int(column < width or negative) for column in range(columns)]
        for place, table in enumerate(self._tables):
            if self.index_bits > _LUT_BITS:
                for column in range(min(columns, unsigned_bits(max(table)))):
                    heights[column] += 1
                continue
            split = TermSplit.of(table, columns, [len(column) for column in singles])
            if place * eighths // 8 == (place + 1) * eighths // 8:
                split = split.without_singles((len(table) - 1).bit_length())
            for single in split.singles:
                singles[single.column].append((place, single))
            terms.append(split)
            ones += split.constants
            for column in split.columns:
                heights[column] += 1
        for column in ones:
            heights[column] += 1
        plan = plan_heap(tuple(heights), tuple(map(len, singles)), self.latency - 2)
        return None if plan is None else _Sum(terms, ones, singles, plan)

    @property
    def luts(self) -> int:
        """LUTs of the whole sum, with tables that are left to synthesis not counted."""
        return self._sum.luts + self.acc_bits

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        heap: list[list[_Bit]] = [[] for _ in self._sum.plan.heights]
        indices = self._indices(m)
        for place, index in enumerate(indices):
            self._look_up(m, platform, place, index, heap)
        for column in self._sum.ones:
            heap[column].append(_Bit(Const(1, 1), 1))
        width, negative = self._correction
        if width or negative:
            # Sign bits above cost nothing: the last adder has room for them.
            value = delay(m, "correction_1", self.correction, 1)
            for column in range(len(heap) if negative else min(width, len(heap))):
                heap[column].append(_Bit(value[min(column, width)], 1))
        for number, chain in enumerate(self._sum.plan.chains):
            self._add(m, platform, f"adder_{number}", chain, heap, indices)
        self._accumulate(m, platform, heap)
        return m

    def _indices(self, m: Module) -> list[Value]:
        """Index of each merged table."""
        step = terms_per_lookup(self.index_bits)
        terms = [self.index[term] for term in range(self.terms)]
        return [Cat(*terms[at : at + step]) for at in range(0, self.terms, step)]

    def _look_up(
        self, m: Module, platform: Any, place: int, index: Value, heap: list[list[_Bit]]
    ) -> None:
        """Bits of one table, registered."""
        if self.index_bits > _LUT_BITS:
            shape = range_shape(0, max(self._tables[place]))
            value = add_lookup(m, f"value_{place}", index, self._tables[place], shape)
            found = delay(m, f"term_{place}", value, 1)
            columns: tuple[int, ...] = tuple(range(min(len(found), len(heap))))
        else:
            split = self._sum.terms[place]
            if not split.groups:
                return
            cell = self.cells.lookups(index_bits=len(index), groups=split.groups)
            add_submodule(m, platform, f"lookups_{place}", cell)
            m.d.comb += cell.index.eq(index)
            found, columns = cell.o, split.columns
        for bit, column in enumerate(columns):
            heap[column].append(_Bit(found[bit], 1))

    def _add(
        self,
        m: Module,
        platform: Any,
        name: str,
        chain: Chain,
        heap: list[list[_Bit]],
        indices: list[Value],
    ) -> None:
        """Put a chain of adders in place of the bits that it takes."""
        time = 1 + chain.stage
        positions, bits, chosen = [], [], []
        for place, column in enumerate(chain.columns):
            at = chain.lowest + place
            heap[at].sort(key=lambda bit: bit.ready)
            taken = [heap[at].pop(0) for _ in range(column.taken)]
            bits += [self._late(m, f"{name}_{place}_{n}", b, time) for n, b in enumerate(taken)]
            function = None
            if column.single:
                term, single = self._sum.singles[at].pop()
                function = widened(single.function, len(single.chosen))
                index = Cat(*(indices[term][bit] for bit in single.chosen))
                chosen.append(delay(m, f"{name}_{place}_index", index, time, reset=True))
            positions.append(Position(column.bits, function, column.starts))
        cell = self.cells.carry_save(positions=tuple(positions))
        add_submodule(m, platform, name, cell)
        m.d.comb += cell.bits.eq(Cat(*bits))
        for number, index in enumerate(chosen):
            m.d.comb += cell.index[number].eq(index)
        outputs = [(chain.lowest + place, cell.sums[place]) for place in range(len(positions))]
        above = [chain.lowest + place + 1 for place, each in enumerate(positions) if each.high]
        outputs += [(at, cell.high[number]) for number, at in enumerate(above)]
        outputs.append((chain.lowest + len(positions), cell.carry))
        for at, bit in outputs:
            if at < len(heap):
                heap[at].append(_Bit(bit, time + 1))

    def _accumulate(self, m: Module, platform: Any, heap: list[list[_Bit]]) -> None:
        rows = [len(column) for column in heap] + [0] * (self.acc_bits - len(heap))
        cell = self.cells.accumulator(rows=tuple(rows), start=self.start % (1 << self.acc_bits))
        add_submodule(m, platform, "accumulator", cell)
        bits = [
            self._late(m, f"row_{number}_{column}", bit, self.latency - 1)
            for column, found in enumerate(heap)
            for number, bit in enumerate(found)
        ]
        if bits:
            m.d.comb += cell.bits.eq(Cat(*bits))
        m.d.comb += [cell.valid.eq(self.valid), cell.first.eq(self.first), self.acc.eq(cell.acc)]

    def _late(self, m: Module, name: str, bit: _Bit, time: int) -> Value:
        """A bit when it is needed. With a reset, synthesis spends no LUTs on shift registers."""
        if isinstance(bit.value, Const):
            return bit.value
        return delay(m, name, bit.value, time - bit.ready, reset=True)
