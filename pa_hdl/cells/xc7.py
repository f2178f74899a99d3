"""Leaf cells of the 7-series: LUTs, carry chains, and lookups made of them.

A LUT6_2 gives two functions of five shared inputs, or one of six. A bit of a carry chain gives
``sum = S ^ carry`` and passes on ``S ? carry : DI``, where S must come from its own LUT. Cells that
are components have a portable form, the class itself, and a device form, its subclass whose name
starts with ``Xc7``; both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.geometry import check_integer

__all__ = [
    "ONE",
    "ZERO",
    "Lookups",
    "Xc7Lookups",
    "half_init",
    "place_carry_chain",
    "place_lut6_2",
    "reduced",
    "support",
    "widened",
]

_PINS = ("I0", "I1", "I2", "I3", "I4", "I5")
ZERO, ONE = Const(0, 1), Const(1, 1)
_SHARED = 5
"""Inputs that both outputs of a LUT6_2 see."""


def support(function: int, index_bits: int) -> tuple[int, ...]:
    """Index bits that a function depends on; bit ``i`` of ``function`` is its value at ``i``."""
    size = 1 << index_bits
    return tuple(
        bit
        for bit in range(index_bits)
        if any((function >> at ^ function >> (at ^ 1 << bit)) & 1 for at in range(size))
    )


def reduced(function: int, chosen: Sequence[int]) -> int:
    """The same function of the chosen index bits alone, ``chosen[0]`` least significant."""
    return sum(
        (function >> sum((at >> place & 1) << bit for place, bit in enumerate(chosen)) & 1) << at
        for at in range(1 << len(chosen))
    )


def half_init(function: Callable[[int, int, int, int, int], int]) -> int:
    """Half of the contents of a LUT6_2: a function of I0 to I4."""
    return sum((function(*(at >> pin & 1 for pin in range(5))) & 1) << at for at in range(32))


def widened(function: int, inputs: int) -> int:
    """Contents for five inputs of a function of fewer, the others ignored."""
    for unused in range(inputs, _SHARED):
        function |= function << (1 << unused)
    return function


def place_lut6_2(
    m: Module, name: str, low: int, high: int, inputs: Sequence[Value], last: Value = ONE
) -> tuple[Signal, Signal]:
    """O5 and O6: ``low`` of I0 to I4, and ``high`` of the same where ``last`` is 1, else O5."""
    outputs = Signal(name=f"{name}_o5"), Signal(name=f"{name}_o6")
    pins = [*inputs, *[ZERO] * (_SHARED - len(inputs)), last]
    m.submodules[name] = Instance(
        "LUT6_2",
        ("p", "INIT", Const(high << 32 | low, 64)),
        *(("i", pin, value) for pin, value in zip(_PINS, pins, strict=True)),
        ("o", "O5", outputs[0]),
        ("o", "O6", outputs[1]),
    )
    return outputs


def place_carry_chain(
    m: Module, select: Sequence[Value], other: Sequence[Value], start: Value = ZERO
) -> tuple[Value, Value]:
    """Sums, and the carry out, of a carry chain with inputs S and DI at each bit."""
    length = len(select)
    sums, carries = Signal(length, name="chain_sum"), Signal(length, name="chain_carry")
    for place in range(0, length, 4):
        used = min(4, length - place)
        o, co = Signal(4, name=f"chain_o_{place}"), Signal(4, name=f"chain_co_{place}")
        pad = [ZERO] * (4 - used)
        m.submodules[f"chain_{place}"] = Instance(
            "CARRY4",
            ("i", "CI", carries[place - 1] if place else ZERO),
            ("i", "CYINIT", ZERO if place else start),
            ("i", "S", Cat(*select[place : place + used], *pad)),
            ("i", "DI", Cat(*other[place : place + used], *pad)),
            ("o", "O", o),
            ("o", "CO", co),
        )
        m.d.comb += [
            sums[place : place + used].eq(o[:used]),
            carries[place : place + used].eq(co[:used]),
        ]
    return sums, carries[-1]


class Lookups(wiring.Component):
    """Functions of an index, one index per cycle, one cycle late; two in a LUT where they fit.

    Parameters
    ----------
    index_bits : :class:`int`
        1 to 6.
    groups : tuple of tuples of :class:`int`
        Functions that share a LUT: one, or two that depend on at most five index bits together.
        Bit ``i`` of a function is its value at index ``i``.

    Members
    -------
    index : the index
    o : the functions in the order of the groups
    """

    def __init__(self, *, index_bits: int, groups: tuple[tuple[int, ...], ...]) -> None:
        check_integer("index_bits", index_bits, 1, 6)
        for group in groups:
            for function in group:
                check_integer("function", function, 0, (1 << (1 << index_bits)) - 1)
            shared = self._support(group, index_bits)
            if not 1 <= len(group) <= 2 or (len(group) == 2 and len(shared) > _SHARED):
                raise ValueError(
                    "a group must be one function, or two of at most 5 index bits together, "
                    f"not {group!r}"
                )
        self.index_bits = index_bits
        self.groups = groups
        super().__init__({"index": In(index_bits), "o": Out(sum(map(len, groups)))})

    @staticmethod
    def _support(group: Sequence[int], index_bits: int) -> tuple[int, ...]:
        return tuple(sorted({bit for each in group for bit in support(each, index_bits)}))

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.index_bits, self.groups)

    @property
    def module_name(self) -> str:
        return "lookups"

    def model(self, index: int) -> int:
        """The functions at ``index``, the first least significant."""
        functions = [function for group in self.groups for function in group]
        return sum((function >> index & 1) << place for place, function in enumerate(functions))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        o = Signal.like(self.o, name="o_now", reset_less=True)
        m.d.comb += self.o.eq(o)
        place = 0
        for number, group in enumerate(self.groups):
            values = self._place(m, f"lut_{number}", group)
            m.d.sync += o[place : place + len(group)].eq(Cat(*values))
            place += len(group)
        return m

    def _place(self, m: Module, name: str, group: Sequence[int]) -> Sequence[Value]:
        size = 1 << self.index_bits
        return [Const(function, size).bit_select(self.index, 1) for function in group]


class Xc7Lookups(Lookups):
    """:class:`Lookups` in one LUT6 or LUT6_2 for each group."""

    def _place(self, m: Module, name: str, group: Sequence[int]) -> Sequence[Value]:
        shared = self._support(group, self.index_bits)
        inputs = [self.index[bit] for bit in shared]
        if len(shared) <= _SHARED:
            inits = [widened(reduced(function, shared), len(shared)) for function in group]
            return place_lut6_2(m, name, inits[0], inits[-1], inputs)[: len(group)]
        found = Signal(name=name)
        m.submodules[f"{name}_lut"] = Instance(
            "LUT6",
            ("p", "INIT", Const(group[0], 64)),
            *(("i", pin, value) for pin, value in zip(_PINS, inputs, strict=True)),
            ("o", "O", found),
        )
        return [found]
