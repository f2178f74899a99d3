"""AND-popcount lane of the 7-series: full adders of bit pairs, counters on short carry chains.

A LUT6_2 with five inputs adds two ANDed pairs and one more bit: the AND costs nothing. Its sum is
the third bit of the next such LUT, so every two pairs leave one bit worth two behind. Those are
counted by seven: ``S`` of the first position of a carry chain is the parity of six bits, ``DI``
that of the first five, which is the sixth whenever the parity is even; what remains to be added one
position higher is half of the first five, 0 to 2. The seventh bit is the carry in. What is left is
added by positions of four bits each: one goes through ``DI``, the majority of the others to the
next position.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from pa_hdl.cells.popcount import Columns, Costs, Plan, compress, heights, lowest, plan
from pa_hdl.config import unsigned_bits
from pa_hdl.popcount import AndPopcount

__all__ = ["Xc7AndPopcount"]

_ZERO, _ONE = Const(0, 1), Const(1, 1)
_COSTS = Costs(most=7, least=5, large=2, small=1, position=4, passes=3, position_luts=1)


def _table(function: Callable[..., int], inputs: int) -> int:
    """Contents for five inputs of a function of the first few."""
    return sum((function(*(at >> pin & 1 for pin in range(inputs))) & 1) << at for at in range(32))


def _lut6_2(
    m: Module,
    name: str,
    inputs: Sequence[Value],
    o5: Callable[..., int],
    o6: Callable[..., int],
    last: Value = _ONE,
) -> tuple[Signal, Signal]:
    """Two functions of up to five inputs; where ``last`` is 0, O6 is O5."""
    low, high = (_table(function, len(inputs)) for function in (o5, o6))
    outputs = Signal(name=f"{name}_o5"), Signal(name=f"{name}_o6")
    pins = [*inputs, *[_ZERO] * (5 - len(inputs)), last]
    m.submodules[name] = Instance(
        "LUT6_2",
        ("p", "INIT", Const(high << 32 | low, 64)),
        *(("i", f"I{pin}", value) for pin, value in enumerate(pins)),
        ("o", "O5", outputs[0]),
        ("o", "O6", outputs[1]),
    )
    return outputs


def _chain(
    m: Module, name: str, select: Sequence[Value], other: Sequence[Value], start: Value = _ZERO
) -> list[Value]:
    """Sums of a carry chain from S and DI of each position, and its carry out."""
    carry, sums = start, []
    for place in range(0, len(select), 4):
        s, di = (list(values[place : place + 4]) for values in (select, other))
        used = len(s)
        o, co = Signal(4, name=f"{name}_o_{place}"), Signal(4, name=f"{name}_co_{place}")
        m.submodules[f"{name}_{place}"] = Instance(
            "CARRY4",
            ("i", "CI", carry if place else _ZERO),
            ("i", "CYINIT", _ZERO if place else carry),
            ("i", "S", Cat(*s, *[_ZERO] * (4 - used))),
            ("i", "DI", Cat(*di, *[_ZERO] * (4 - used))),
            ("o", "O", o),
            ("o", "CO", co),
        )
        sums += list(o[:used])
        carry = co[used - 1]
    return [*sums, carry]


def _sum(*bits: int) -> int:
    return sum(bits)


def _half(*bits: int) -> int:
    return sum(bits) >> 1


def _quarter(*bits: int) -> int:
    return sum(bits) >> 2


def _count(m: Module, name: str, bits: Sequence[Value]) -> list[Value]:
    """Number of set bits among up to seven, three in one LUT and more in two."""
    if len(bits) == 3:
        carry, total = _lut6_2(m, name, bits, _half, _sum)
        return [total, carry]
    start, last, *shared = bits if len(bits) == _COSTS.most else [_ZERO, *bits]
    other, select = _lut6_2(m, f"{name}_one", shared, _sum, lambda *i: 1 ^ _sum(*i), last)
    twos = _lut6_2(m, f"{name}_two", shared, _quarter, _half)
    return _chain(m, f"{name}_chain", [select, twos[1]], [other, twos[0]], start)


def _add_up(m: Module, columns: Columns) -> Columns:
    """The last adder."""
    low = lowest(columns.heights)
    select: list[Value] = []
    other: list[Value] = []
    passed: list[Value] = []
    for column in range(low, low + (_COSTS.positions(columns.heights) or 0)):
        # What the position below passes on goes through DI: it comes from another LUT.
        bits = [*columns.take(column, _COSTS.position), *passed] or [_ZERO]
        majority, parity = _lut6_2(m, f"last_{column}", bits, lambda *i: sum(i[:-1]) >> 1, _sum)
        select.append(parity)
        other.append(bits[-1])
        passed = [majority] if len(bits) > 2 else []
    for column, bit in enumerate(_chain(m, "last_chain", select, other), start=low):
        columns.add(column, bit)
    return columns


class Xc7AndPopcount(AndPopcount):
    """Count positions set in both operands, one pair per cycle, :attr:`latency` cycles late.

    In LUT6_2 and CARRY4 cells: 0.86 LUTs a bit pair at 64 bits, 0.84 at 128.

    ::

        pairs ─▶ chains of full adders ─▶ counters of seven ─ ... ─▶ one adder ─▶ o

    Parameters and members are those of :class:`~pa_hdl.popcount.AndPopcount`.
    """

    DEPTH = 3
    """Full adders from one register to the next."""

    @classmethod
    def _chains(cls, bits: int) -> list[list[int]]:
        """Bit pairs that each full adder of each chain takes."""
        adders = [2] * (bits // 2) + [1] * (bits % 2)
        return [adders[start : start + cls.DEPTH] for start in range(0, len(adders), cls.DEPTH)]

    @classmethod
    def _planned(cls, bits: int) -> Plan:
        chains = cls._chains(bits)
        # A pair that nothing is added to carries nothing.
        carries = sum(len(chain) - (chain[0] == 1) for chain in chains)
        return plan(heights([(0, len(chains)), (1, carries)], unsigned_bits(bits)), _COSTS)

    @classmethod
    def latency_of(cls, bits: int) -> int:
        """Latency for operands of `bits` bits."""
        return 1 + cls._planned(bits).cycles

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self._add_pairs(m).registered(m, "pairs")
        columns = compress(m, columns, self._planned(self.bits), _count, partial(_add_up, m))
        m.d.comb += self.o.eq(columns.value())
        return m

    def _add_pairs(self, m: Module) -> Columns:
        """Chains of full adders of two ANDed pairs and the sum before."""
        columns = Columns(len(self.o))
        pairs = zip(self.act, self.weight, strict=True)
        for chain, adders in enumerate(self._chains(self.bits)):
            total: Value = _ZERO
            for place, count in enumerate(adders):
                taken = [bit for pair in itertools.islice(pairs, count) for bit in pair]
                inputs = [total, *taken, *[_ZERO] * (4 - len(taken))]
                carry, total = _lut6_2(
                    m,
                    f"add_{chain}_{place}",
                    inputs,
                    lambda x, a, b, c, d: (x + self.pair(a, b) + self.pair(c, d)) >> 1,
                    lambda x, a, b, c, d: x + self.pair(a, b) + self.pair(c, d),
                )
                if place or count == 2:
                    columns.add(1, carry)
            columns.add(0, total)
        return columns
