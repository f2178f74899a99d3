"""Adders of many operands for the 7-series, on the carry chain.

Each cell has a portable form, the class itself, and a device form, its subclass whose name starts
with ``Xc7``; both give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.cells.xc7 import ZERO, half_init, place_carry_chain, place_lut6_2
from pa_hdl.geometry import check_integer

__all__ = [
    "CarrySave",
    "Position",
    "TernaryAccumulator",
    "Xc7CarrySave",
    "Xc7TernaryAccumulator",
]

_WIDE = 5
"""Fewest bits that are counted by two positions."""


@dataclass(frozen=True)
class Position:
    """One column of a :class:`CarrySave`, and the LUT that it takes.

    Parameters
    ----------
    bits : :class:`int`
        Bits to add, and one more at the start of a chain: 1 to 4; 5 or 6, when the next position
        has none; 1 with a function.
    function : :class:`int` or ``None``
        A function of five index bits that is looked up and added as well.
    starts : :class:`bool`
        Whether there is one bit more, which starts the chain.
    """

    bits: int
    function: int | None = None
    starts: bool = False

    @property
    def high(self) -> bool:
        """Whether the column gives a bit of twice its weight beside its sum."""
        return self.function is None and 2 < self.bits < _WIDE


class CarrySave(wiring.Component):
    """Reduce several bits a column to one or two, one set of bits per cycle, one cycle late.

    A LUT a column. Of up to four bits, three make a full adder, whose carry leaves as ``high``; its
    sum, the fourth bit and the carry of the column below are added on the carry chain (a 4:2
    compressor to Kumm and Zipf). A function of five index bits shares the LUT with the one bit that
    it is added to. Five or six bits and the carry leave one sum bit in their column and one in the
    next, whose LUT adds half the count of the first five.

    Parameters
    ----------
    positions : tuple of :class:`Position`
        The columns, least significant first.

    Members
    -------
    bits : the bits of each column, least significant column first, the starting bit last
    index : five index bits for each function
    sums : a bit for each column
    high : a bit of twice the weight for each column that has one
    carry : a bit of twice the weight of the last column
    """

    def __init__(self, *, positions: tuple[Position, ...]) -> None:
        if not positions:
            raise ValueError("positions must not be empty")
        wide = False
        for place, each in enumerate(positions):
            if each.function is not None:
                check_integer("function", each.function, 0, (1 << 32) - 1)
            most = 0 if wide else 6 if each.function is None else 1
            check_integer("bits", each.bits, 0 if wide else 1, most)
            if each.starts and (place or (each.function is None and 2 < each.bits < _WIDE)):
                raise ValueError(f"a chain cannot start with a bit at position {place}: {each!r}")
            wide = each.bits >= _WIDE
        if wide:
            raise ValueError(f"a position of no bits must follow {positions[-1]!r}")
        self.positions = positions
        members = {
            "bits": In(sum(each.bits + each.starts for each in positions)),
            "sums": Out(len(positions)),
            "carry": Out(1),
        }
        highs = sum(each.high for each in positions)
        if highs:
            members["high"] = Out(highs)
        functions = sum(each.function is not None for each in positions)
        if functions:
            members["index"] = In(data.ArrayLayout(5, functions))
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.positions,)

    @property
    def module_name(self) -> str:
        return f"carry_save_{len(self.positions)}"

    def model(self, bits: int, index: Sequence[int] = ()) -> int:
        """What all outputs are worth together."""
        total, given = 0, iter(index)
        for place, each in enumerate(self.positions):
            count = each.bits + each.starts
            total += (bits & ((1 << count) - 1)).bit_count() << place
            bits >>= count
            if each.function is not None:
                total += (each.function >> next(given) & 1) << place
        return total

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        start: Value = ZERO
        select: list[Value] = []
        other: list[Value] = []
        high: list[Value] = []
        taken = functions = 0
        counted: list[Value] = []
        for place, each in enumerate(self.positions):
            bits: list[Value] = list(self.bits[taken : taken + each.bits])
            taken += each.bits
            if each.starts:
                start = self.bits[taken]
                taken += 1
            if counted:
                found = self._half(m, f"half_{place}", counted)
            elif each.bits >= _WIDE:
                found = self._count(m, f"count_{place}", bits)
            elif each.function is not None:
                index = self.index[functions]
                functions += 1
                found = self._absorb(m, f"absorb_{place}", bits[0], each.function, index)
            else:
                *found, above = self._add(m, f"add_{place}", bits, each.starts)
                if each.high:
                    high.append(above)
            counted = bits[:5] if each.bits >= _WIDE else []
            select.append(found[0])
            other.append(found[1])
        sums, carry = self._chain(m, select, other, start)
        registers = {"sums": sums, "carry": carry} | ({"high": Cat(*high)} if high else {})
        for name, value in registers.items():
            port = getattr(self, name)
            register = Signal(len(port), name=f"{name}_now", reset_less=True)
            m.d.sync += register.eq(value)
            m.d.comb += port.eq(register)
        return m

    def _named(self, m: Module, name: str, *values: Value) -> list[Value]:
        signals = [Signal(name=f"{name}_{place}") for place in range(len(values))]
        m.d.comb += [signal.eq(value) for signal, value in zip(signals, values, strict=True)]
        return [*signals]

    def _chain(
        self, m: Module, select: Sequence[Value], other: Sequence[Value], carry: Value
    ) -> tuple[Value, Value]:
        """Sums, and the last carry."""
        sums = []
        for place, (s, di) in enumerate(zip(select, other, strict=True)):
            total, carry = self._named(m, f"chain_{place}", s ^ carry, Mux(s, carry, di))
            sums.append(total)
        return Cat(*sums), carry

    def _add(self, m: Module, name: str, bits: Sequence[Value], _starts: bool) -> list[Value]:
        """S, DI and the majority of the first three of up to four bits."""
        *front, last = bits
        a, b, c = (*front, ZERO, ZERO, ZERO)[:3]
        other = last if front else ZERO
        return self._named(m, name, a ^ b ^ c ^ last, other, a & b | c & (a | b))

    def _absorb(self, m: Module, name: str, bit: Value, function: int, index: Value) -> list[Value]:
        """S and DI that add a function to a bit."""
        found = Const(function, 32).bit_select(index, 1)
        return self._named(m, name, found ^ bit, found)

    def _count(self, m: Module, name: str, bits: Sequence[Value]) -> list[Value]:
        """S and DI that add the parity of the first five bits to the sixth."""
        five = Cat(*bits[:5]).xor()
        return self._named(m, name, five ^ Cat(*bits[5:]).any(), five)

    def _half(self, m: Module, name: str, bits: Sequence[Value]) -> list[Value]:
        """S and DI that add half the count of five bits: 0, 1 or 2."""
        count = Signal(3, name=f"{name}_count")
        m.d.comb += count.eq(sum(bits[1:], bits[0]))
        return self._named(m, name, count[1], count[2])


_PARITY = half_init(lambda *bits: sum(bits))
_MAJORITY = half_init(lambda a, b, c, _d, _e: a & b | c & (a | b))
_BOTH = half_init(lambda a, b, *_: a & b)
_FIRST_INPUT = half_init(lambda a, *_: a)
_TWO = half_init(lambda *bits: sum(bits) >> 1)
_FOUR = half_init(lambda *bits: sum(bits) >> 2)


class Xc7CarrySave(CarrySave):
    """:class:`CarrySave` in one LUT6_2 a column and CARRY4 cells.

    The carry chain takes the fourth bit past the LUT. Where the first column starts the chain with
    a bit (CYINIT, which uses up that way), or five bits or a function stand behind O5, DI is O5.
    """

    def _chain(
        self, m: Module, select: Sequence[Value], other: Sequence[Value], carry: Value
    ) -> tuple[Value, Value]:
        return place_carry_chain(m, select, other, carry)

    def _add(self, m: Module, name: str, bits: Sequence[Value], starts: bool) -> list[Value]:
        low = {3: _BOTH, 4: _MAJORITY}.get(len(bits), _FIRST_INPUT)
        o5, o6 = place_lut6_2(m, name, low, _PARITY, bits)
        return [o6, o5 if starts else bits[-1] if len(bits) > 1 else ZERO, o5]

    def _absorb(self, m: Module, name: str, bit: Value, function: int, index: Value) -> list[Value]:
        flipped = function ^ 0xFFFF_FFFF
        return list(place_lut6_2(m, name, function, flipped, list(index), bit))[::-1]

    def _count(self, m: Module, name: str, bits: Sequence[Value]) -> list[Value]:
        last = bits[5] if len(bits) > 5 else ZERO
        flipped = _PARITY ^ 0xFFFF_FFFF
        return list(place_lut6_2(m, name, _PARITY, flipped, bits[:5], last))[::-1]

    def _half(self, m: Module, name: str, bits: Sequence[Value]) -> list[Value]:
        return list(place_lut6_2(m, name, _FOUR, _TWO, bits))[::-1]


class TernaryAccumulator(wiring.Component):
    """Add two numbers a cycle to an accumulator, which may start anew; one cycle late.

    Parameters
    ----------
    rows : tuple of :class:`int`
        How many bits to add in each column of the accumulator, 0 to 2, least significant first.
    start : :class:`int`
        What an accumulation starts from, modulo 2 to the number of columns.

    Members
    -------
    bits : the bits of each column, least significant column first
    valid, first : add this cycle; add to the start instead of what is in the accumulator
    acc : the accumulator
    """

    def __init__(self, *, rows: tuple[int, ...], start: int) -> None:
        if not rows:
            raise ValueError("rows must not be empty")
        for bits in rows:
            check_integer("row", bits, 0, 2)
        self.rows = rows
        self.start = check_integer("start", start, 0, (1 << len(rows)) - 1)
        members = {"valid": In(1), "first": In(1), "acc": Out(len(rows))}
        if any(rows):
            members["bits"] = In(sum(rows))
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.rows, self.start)

    @property
    def module_name(self) -> str:
        return "accumulator"

    def model(self, acc: int, bits: int, first: bool) -> int:
        """The accumulator after one addition."""
        total = self.start if first else acc
        for column, count in enumerate(self.rows):
            total += (bits & ((1 << count) - 1)).bit_count() << column
            bits >>= count
        return total % (1 << len(self.rows))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        acc = Signal(len(self.rows), name="acc_now", reset_less=True)
        columns: list[list[Value]] = []
        taken = 0
        for count in self.rows:
            columns.append([self.bits[taken + place] for place in range(count)])
            taken += count
        total = self._place(m, acc, columns)
        with m.If(self.valid):
            m.d.sync += acc.eq(total)
        m.d.comb += self.acc.eq(acc)
        return m

    def _place(self, m: Module, acc: Signal, columns: Sequence[Sequence[Value]]) -> Value:
        operands = [Cat(*(Cat(*c, 0, 0)[row] for c in columns)) for row in range(2)]
        return Mux(self.first, self.start, acc) + operands[0] + operands[1]


class Xc7TernaryAccumulator(TernaryAccumulator):
    """:class:`TernaryAccumulator` in one LUT6_2 a column and CARRY4 cells.

    A column with two bits hands the majority of them and of the accumulator to the next column,
    through O5; the choice between start and accumulator is the fifth input of each LUT.
    """

    def _place(self, m: Module, acc: Signal, columns: Sequence[Sequence[Value]]) -> Value:
        select: list[Value] = []
        other: list[Value] = []
        below: list[Value] = []
        for column, bits in enumerate(columns):
            given = [*bits, *below]
            below, last = [], (given or [ZERO])[-1]
            start = self.start >> column & 1
            inputs = [acc[column], self.first, *given]
            parity = half_init(lambda a, f, *x, s=start: (s if f else a) ^ x[0] ^ x[1] ^ x[2])  # type: ignore[misc]
            low = 0
            if len(given) > 1:
                pair = len(given) == 2
                low = half_init(
                    lambda a, f, b, c, _, s=start, p=pair: _major(s if f else a, b, 0 if p else c)  # type: ignore[misc]
                )
            o5, o6 = place_lut6_2(m, f"lut_{column}", low, parity, inputs)
            if len(given) > 1:
                below = [o5]
            select.append(o6)
            other.append(last)
        return place_carry_chain(m, select, other)[0]


def _major(a: int, b: int, c: int) -> int:
    return a & b | c & (a | b)
