"""AND-popcount lane of LUTs with six inputs and nothing else: counters of six bits, as gates.

Three pairs are six inputs: two LUTs count them. Six bits of a column are counted by three LUTs, and
the counts of no more than two bits a column are added by full adders.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from amaranth.hdl import Module, Signal, Value

from pa_hdl.cells.popcount import Columns, Costs, Plan, compress, heights, plan
from pa_hdl.config import unsigned_bits
from pa_hdl.popcount import AndPopcount, add_columns

__all__ = ["LutAndPopcount"]

_COSTS = Costs(most=6, least=4, large=3, small=2, position=2, passes=3, position_luts=2)


class LutAndPopcount(AndPopcount):
    """Count positions set in both operands, one pair per cycle, :attr:`latency` cycles late.

    In gates, for devices without carry chains: 1.4 LUTs of six inputs a bit pair.

    ::

        pairs ─▶ counters of three pairs ─▶ counters of six ─ ... ─▶ full adders ─▶ o

    Parameters and members are those of :class:`~pa_hdl.popcount.AndPopcount`.
    """

    @classmethod
    def _planned(cls, bits: int) -> Plan:
        groups = [min(cls.GROUP, bits - start) for start in range(0, bits, cls.GROUP)]
        carries = sum(group > 1 for group in groups)
        return plan(heights([(0, len(groups)), (1, carries)], unsigned_bits(bits)), _COSTS)

    @classmethod
    def latency_of(cls, bits: int) -> int:
        """Latency for operands of `bits` bits."""
        return 1 + cls._planned(bits).cycles

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pairs, columns = Signal(self.bits), Columns(len(self.o))
        m.d.comb += pairs.eq(self.pair(self.act, self.weight))
        for start in range(0, self.bits, self.GROUP):
            counted = _count(m, f"pairs_{start}", pairs[start : start + self.GROUP])
            for column, bit in enumerate(counted):
                columns.add(column, bit)
        columns = columns.registered(m, "pairs")
        columns = compress(m, columns, self._planned(self.bits), _count, partial(_add_up, m))
        m.d.comb += self.o.eq(columns.value())
        return m


def _count(m: Module, name: str, bits: Sequence[Value]) -> Sequence[Value]:
    return list(add_columns(m, name, [list(bits)]))


def _add_up(m: Module, columns: Columns) -> Columns:
    """The last adder."""
    width = len(columns.heights)
    left = [columns.take(column, height) for column, height in enumerate(columns.heights)]
    total = Columns(width)
    for column, bit in enumerate(add_columns(m, "last", left)):
        total.add(column, bit)
    return total
