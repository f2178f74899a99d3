"""Leaf cells of the ECP5: lookups in LUT4s, and additions whose carry cells look up as well.

Half a CCU2C gives ``sum = LUT4(A, B, C, D) ^ carry`` and passes on ``LUT4 ? carry : LUT2(A, B)``,
where LUT2 is the LUT4 at C = D = 0. An addition ``x + y`` needs ``LUT4 = x ^ y``, and ``LUT2 = x``
wherever the LUT4 is 0: so ``x`` may be any function of A and B, and ``y`` any function of B, C and
D that is 0 at C = D = 0. Each operand can be the exclusive or of two signals at no cost, which is
where registers that hold the parts of a lookup of more than four inputs meet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any

from amaranth.hdl import (
    Cat,
    Const,
    Instance,
    Module,
    Mux,
    Shape,
    ShapeLike,
    Signal,
    Value,
    unsigned,
)
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.geometry import check_integer
from pa_hdl.popcount import add_lookup

__all__ = [
    "Ecp5StartAdder",
    "Ecp5XorAdder",
    "Lookup4",
    "StartAdder",
    "XorAdder",
    "place_lookup",
]


def _init(function: Callable[[int], int]) -> int:
    """Contents of a LUT4: bit 0 of ``function`` of its inputs, A least significant."""
    return sum((function(inputs) & 1) << inputs for inputs in range(16))


_PARITY = _init(lambda at: at ^ (at >> 1) ^ (at >> 2) ^ (at >> 3))
_START_AT_0 = _init(lambda at: (0 if at & 2 else at) ^ (at >> 2) ^ (at >> 3))
_START_AT_1 = _init(lambda at: (1 if at & 2 else at) ^ (at >> 2) ^ (at >> 3))


@dataclass(frozen=True)
class Lookup4:
    """A LUT4 that is still to be placed: by itself, or in a half of a CCU2C that adds nothing.

    Parameters
    ----------
    init : :class:`int`
        Its contents.
    inputs : four bits
        Its inputs, A first.
    out : one bit
        Its output.
    """

    init: int
    inputs: tuple[Value, ...]
    out: Signal

    def place(self, m: Module) -> None:
        """As a cell of its own."""
        pins = zip("ABCD", self.inputs, strict=True)
        m.submodules[f"{self.out.name}_lut"] = Instance(
            "LUT4",
            ("p", "INIT", Const(self.init, 16)),
            *(("i", pin, value) for pin, value in pins),
            ("o", "Z", self.out),
        )


def place_lookup(
    m: Module,
    name: str,
    index: Value,
    values: Sequence[int],
    bits: int,
    waiting: list[Lookup4] | None = None,
) -> Value:
    """Combinational table ``values[index]`` of at most four index bits, one LUT4 for each bit.

    A bit that is constant, equal to another or to one of the index bits takes none. LUTs are added
    to those that are waiting, if there is such a list.

    Raises
    ------
    ValueError
        If there is not one entry for each index.
    """
    if len(values) != 1 << len(index) or len(index) > 4:
        raise ValueError(
            "values must be one for each index of at most 4 bits, "
            f"not {len(values)} for {len(index)} bits"
        )
    inputs = (*index, *[Const(0, 1)] * (4 - len(index)))
    known: dict[int, Value] = {0x0000: Const(0, 1), 0xFFFF: Const(1, 1)}
    known |= dict(zip((0xAAAA, 0xCCCC, 0xF0F0, 0xFF00), index, strict=False))
    found: list[Value] = []
    for bit in range(bits):
        init = _init(lambda at, bit=bit: values[at % len(values)] >> bit)  # type: ignore[misc]
        if init not in known:
            known[init] = out = Signal(name=f"{name}_{bit}")
            lookup = Lookup4(init, inputs, out)
            if waiting is None:
                lookup.place(m)
            else:
                waiting.append(lookup)
        found.append(known[init])
    return Cat(*found)


def _place_chain(
    m: Module, halves: Sequence[tuple[Any, ...]], out: Value, spare: tuple[Any, ...] | None = None
) -> None:
    """Carry chain from ``(INIT, A, B, C, D)`` of each bit to the bits of ``out``.

    If their number is odd, ``spare`` is looked up behind them, without the carry.
    """
    carry: Value = Const(0, 1)
    for place in range(0, len(halves), 2):
        pair = [*halves[place : place + 2], spare or (0, *Const(0, 4))][:2]
        ports: list[tuple[str, str, Any]] = [("i", "CIN", carry)]
        for half, (init, *pins) in enumerate(pair):
            apart = place + half == len(halves)
            ports += [("p", f"INIT{half}", Const(init, 16))]
            ports += [("p", f"INJECT1_{half}", "YES" if apart else "NO")]
            named = zip("ABCD", pins, strict=True)
            ports += [("i", f"{pin}{half}", value) for pin, value in named]
        sums, carry = Signal(2, name=f"sum_{place}"), Signal(name=f"carry_{place}")
        outputs = [("o", "S0", sums[0]), ("o", "S1", sums[1]), ("o", "COUT", carry)]
        m.submodules[f"bits_{place}"] = Instance("CCU2C", *ports, *outputs)
        m.d.comb += out[place : place + 2].eq(sums)


def _two_parts(m: Module, name: str, parts: Any, bits: int) -> list[Value]:
    """The parts of an operand, extended to ``bits``; 0 for the second if there is one only."""
    wide: list[Value] = []
    for index, part in enumerate(parts):
        out = Signal(bits, name=f"{name}_{index}")
        m.d.comb += out.eq(part)
        wide.append(out)
    return [*wide, Const(0, bits)][:2]


class XorAdder(wiring.Component):
    """Sum of two operands, each the exclusive or of its parts. Combinational.

    Parameters
    ----------
    a, b : shape
        Of the parts of each operand.
    a_parts, b_parts : :class:`int`
        Parts of each operand, 1 or 2.
    bits : :class:`int`
        Width of the sum, which wraps around.
    spare : :class:`int`, optional
        Contents of a LUT4 that has nothing to do with the sum; only if its width is odd.

    Members
    -------
    a, b : the parts
    o : the sum
    spare_i, spare_o : inputs and output of the LUT4; only if there is one

    Raises
    ------
    TypeError, ValueError
        If a number of parts or bits is out of range.
    """

    def __init__(
        self,
        *,
        a: ShapeLike,
        b: ShapeLike,
        bits: int,
        a_parts: int = 1,
        b_parts: int = 1,
        spare: int | None = None,
    ) -> None:
        self.bits = check_integer("bits", bits, 1, 64)
        self.a_shape, self.b_shape = Shape.cast(a), Shape.cast(b)
        self.a_parts = check_integer("a_parts", a_parts, 1, 2)
        self.b_parts = check_integer("b_parts", b_parts, 1, 2)
        if spare is not None:
            check_integer("spare", spare, 0, 0xFFFF)
            if bits % 2 == 0:
                raise ValueError(f"bits must be odd beside a spare LUT4, not {bits!r}")
        self.spare = spare
        members: dict[str, Any] = {
            "a": In(data.ArrayLayout(self.a_shape, a_parts)),
            "b": In(data.ArrayLayout(self.b_shape, b_parts)),
            "o": Out(bits),
        }
        if spare is not None:
            members |= {"spare_i": In(4), "spare_o": Out(1)}
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.a_shape, self.b_shape, self.bits, self.a_parts, self.b_parts, self.spare)

    @property
    def module_name(self) -> str:
        return f"add_{self.bits}"

    def model(self, a: Sequence[int], b: Sequence[int]) -> int:
        """Sum of the exclusive ors of `a` and of `b`."""
        return (reduce(xor, a) + reduce(xor, b)) & ((1 << self.bits) - 1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        a, b = Signal(self.a_shape), Signal(self.b_shape)
        m.d.comb += [
            a.eq(reduce(xor, self.a, Const(0))),
            b.eq(reduce(xor, self.b, Const(0))),
            self.o.eq(a + b),
        ]
        if self.spare is not None:
            values = [(self.spare >> at) & 1 for at in range(16)]
            m.d.comb += self.spare_o.eq(add_lookup(m, "spare", self.spare_i, values, unsigned(1)))
        return m


class Ecp5XorAdder(XorAdder):
    """:class:`XorAdder` of one CCU2C for two bits: its LUTs hold the exclusive ors."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        operands = [
            *_two_parts(m, "a", self.a, self.bits),
            *_two_parts(m, "b", self.b, self.bits),
        ]
        halves = [(_PARITY, *bits) for bits in zip(*operands, strict=True)]
        if self.spare is None:
            _place_chain(m, halves, self.o)
        else:
            out = Cat(self.o, self.spare_o)
            _place_chain(m, halves, out, spare=(self.spare, *self.spare_i))
        return m


class StartAdder(wiring.Component):
    """Next value of an accumulator: a sum that starts from a constant. Combinational.

    Parameters
    ----------
    i : shape
        Of the parts of what is added.
    i_parts : :class:`int`
        Parts of what is added, their exclusive or, 1 or 2.
    bits : :class:`int`
        Width of the accumulator, which wraps around.
    start : :class:`int`
        Where a sum starts, modulo ``2**bits``.

    Members
    -------
    acc, i : the accumulator, and the parts of what is added to it
    first : add to the start instead
    o : the sum

    Raises
    ------
    TypeError, ValueError
        If the number of bits or parts or the start is out of range.
    """

    def __init__(self, *, i: ShapeLike, bits: int, start: int = 0, i_parts: int = 1) -> None:
        self.bits = check_integer("bits", bits, 1, 64)
        self.start = check_integer("start", start, 0, (1 << bits) - 1)
        self.i_parts = check_integer("i_parts", i_parts, 1, 2)
        self.i_shape = Shape.cast(i)
        super().__init__(
            {
                "acc": In(bits),
                "i": In(data.ArrayLayout(self.i_shape, i_parts)),
                "first": In(1),
                "o": Out(bits),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.i_shape, self.bits, self.start, self.i_parts)

    @property
    def module_name(self) -> str:
        return "accumulate"

    def model(self, acc: int, i: Sequence[int], first: bool) -> int:
        """Exclusive or of `i` added to the accumulator, or to the start."""
        return ((self.start if first else acc) + reduce(xor, i)) & ((1 << self.bits) - 1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i = Signal(self.i_shape)
        m.d.comb += i.eq(reduce(xor, self.i, Const(0)))
        m.d.comb += self.o.eq(Mux(self.first, self.start, self.acc) + i)
        return m


class Ecp5StartAdder(StartAdder):
    """:class:`StartAdder` of one CCU2C for two bits: its LUTs choose the start."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first, second = _two_parts(m, "i", self.i, self.bits)
        halves = [
            (
                _START_AT_1 if (self.start >> bit) & 1 else _START_AT_0,
                *(self.acc[bit], self.first, first[bit], second[bit]),
            )
            for bit in range(self.bits)
        ]
        _place_chain(m, halves, self.o)
        return m
