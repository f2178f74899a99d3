"""Trees of additions, and an accumulator, of cells whose operands come in up to two parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Shape, Signal, Value, unsigned

from pa_hdl.cells.ecp5 import Ecp5StartAdder, Ecp5XorAdder, Lookup4, StartAdder, XorAdder
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import range_shape, tree_levels

__all__ = ["ECP5", "PORTABLE", "Adders", "Operand", "accumulate", "add_pair", "add_tree"]


class Adders(NamedTuple):
    """Components that a tree and an accumulator are built of."""

    pair: type[XorAdder]
    start: type[StartAdder]


PORTABLE = Adders(XorAdder, StartAdder)
"""Adders that synthesis maps."""

ECP5 = Adders(Ecp5XorAdder, Ecp5StartAdder)
"""Adders of placed CCU2Cs."""


@dataclass(frozen=True)
class Operand:
    """A number from ``lowest`` to ``highest``, the exclusive or of its parts; 0 without parts."""

    parts: tuple[Value, ...] = ()
    lowest: int = 0
    highest: int = 0

    @property
    def shape(self) -> Shape:
        """The narrowest number that holds its range."""
        return range_shape(self.lowest, self.highest)


def _within(shape: Shape, bits: int) -> Shape:
    """The shape, or as many bits as matter modulo ``2**bits``."""
    return shape if shape.width < bits else unsigned(bits)


def add_pair(
    m: Module,
    platform: Any,
    name: str,
    a: Operand,
    b: Operand,
    *,
    bits: int,
    adders: Adders,
    waiting: list[Lookup4] | None = None,
) -> Operand:
    """Registered sum of two operands modulo ``2**bits``, one cycle later.

    A sum of odd width takes in one of the lookups that are waiting.
    """
    if not a.parts and not b.parts:
        return Operand()
    lowest, highest = a.lowest + b.lowest, a.highest + b.highest
    shape = _within(range_shape(lowest, highest), bits)
    out = Signal(shape, name=name, reset_less=True)
    if len(a.parts) + len(b.parts) < 2:
        m.d.sync += out.eq((a.parts or b.parts)[0])
        return Operand((out,), lowest, highest)
    spare = waiting.pop() if waiting and shape.width % 2 else None
    adder = adders.pair(
        a=_within(a.shape, bits),
        b=_within(b.shape, bits),
        a_parts=max(1, len(a.parts)),
        b_parts=max(1, len(b.parts)),
        bits=shape.width,
        spare=spare.init if spare else None,
    )
    add_submodule(m, platform, f"{name}_adder", adder)
    for ports, operand in ((adder.a, a), (adder.b, b)):
        m.d.comb += [port.eq(part) for port, part in zip(ports, operand.parts, strict=False)]
    m.d.sync += out.eq(adder.o)
    if spare:
        m.d.comb += [adder.spare_i.eq(Cat(*spare.inputs)), spare.out.eq(adder.spare_o)]
    return Operand((out,), lowest, highest)


def add_tree(
    m: Module,
    platform: Any,
    operands: Sequence[Operand],
    *,
    bits: int,
    adders: Adders,
    waiting: list[Lookup4] | None = None,
) -> Operand:
    """Sum of operands modulo ``2**bits``, :func:`~pa_hdl.popcount.tree_levels` cycles later.

    Operands of similar width are added first: each addition is as narrow as it can be.
    """
    found = list(operands)
    for level in range(tree_levels(len(operands))):
        found.sort(key=lambda operand: (operand.shape.width, operand.highest))
        if len(found) % 2:
            found.append(Operand())
        options: dict[str, Any] = {"bits": bits, "adders": adders, "waiting": waiting}
        found = [
            add_pair(m, platform, f"sum_{level + 1}_{place}", *pair, **options)
            for place, pair in enumerate(zip(found[::2], found[1::2], strict=True))
        ]
    return found[0]


def accumulate(
    m: Module,
    platform: Any,
    total: Operand,
    *,
    first: Value,
    valid: Value,
    bits: int,
    start: int,
    adders: Adders,
) -> Signal:
    """Accumulator modulo ``2**bits`` that adds a sum when it is valid, one cycle later.

    When it is the first, it is added to `start` instead.
    """
    acc = Signal(bits, reset_less=True)
    adder = adders.start(
        i=_within(total.shape, bits),
        i_parts=max(1, len(total.parts)),
        bits=bits,
        start=start % (1 << bits),
    )
    add_submodule(m, platform, "accumulate", adder)
    m.d.comb += [adder.acc.eq(acc), adder.first.eq(first)]
    m.d.comb += [port.eq(part) for port, part in zip(adder.i, total.parts, strict=False)]
    with m.If(valid):
        m.d.sync += acc.eq(adder.o)
    return acc
