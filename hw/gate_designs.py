"""What is mapped onto the paper's two gates: lanes of bits, and operations on numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import unsigned_bits

__all__ = ["KINDS", "OPERATIONS", "GateLane", "GateOperation"]

KINDS = ("and", "xnor")
"""How a pair of bits is multiplied: as 0 and 1, or as -1 and +1."""

OPERATIONS = ("count", "add", "multiply", "compare")
"""What a :class:`GateOperation` does."""


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")
    return value


class GateLane(wiring.Component):
    """Multiply pairs of bits, and count the products that are 1, without a register.

    Parameters
    ----------
    kind : :class:`str`
        ``and`` for bits that stand for 0 and 1, ``xnor`` for bits that stand for -1 and +1.
    pairs : :class:`int`
        Pairs of bits, at least 1.
    count : :class:`bool`
        Whether the products are counted, or are the result themselves.

    Members
    -------
    act, weight : the operands
    o : number of products that are 1, or the products

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, or the number of pairs is not a positive integer.
    """

    def __init__(self, *, kind: str, pairs: int, count: bool = True) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        self.kind = kind
        self.pairs = _positive("pairs", pairs)
        self.count = bool(count)
        width = unsigned_bits(pairs) if count else pairs
        super().__init__({"act": In(pairs), "weight": In(pairs), "o": Out(width)})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.kind, self.pairs, self.count)

    @property
    def module_name(self) -> str:
        return f"{self.kind}_{self.pairs}"

    def model(self, act: int, weight: int) -> int:
        """Number of products that are 1, or the products."""
        mask = (1 << self.pairs) - 1
        products = act & weight if self.kind == "and" else ~(act ^ weight) & mask
        return products.bit_count() if self.count else products

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        products = Signal(self.pairs)
        both = self.act & self.weight if self.kind == "and" else ~(self.act ^ self.weight)
        m.d.comb += products.eq(both)
        if not self.count:
            m.d.comb += self.o.eq(products)
            return m
        bits: list[Value] = list(products)
        for weight in range(len(self.o)):
            carries: list[Value] = []
            while len(bits) > 1:
                taken, bits = bits[:3], bits[3:]
                total, carry = _add(m, f"{weight}_{len(carries)}", taken)
                bits.append(total)
                carries.append(carry)
            m.d.comb += self.o[weight].eq(bits[0])
            bits = carries
        return m


def _add(m: Module, name: str, bits: Sequence[Value]) -> tuple[Value, Value]:
    """Sum and carry of two or three bits.

    Three take four XNOR and two AND gates: with ``p = XNOR(a, b)`` the sum is ``XNOR(p, c)``, and
    the carry ``ab + c(a xor b)`` is ``ab xor c xor cp``, of which each XOR is an XNOR as there are
    two of them.
    """
    total, carry = Signal(name=f"sum_{name}"), Signal(name=f"carry_{name}")
    a, b, *rest = bits
    if not rest:
        m.d.comb += [total.eq(a ^ b), carry.eq(a & b)]
        return total, carry
    [c] = rest
    equal = Signal(name=f"equal_{name}")
    m.d.comb += [
        equal.eq(~(a ^ b)),
        total.eq(~(equal ^ c)),
        carry.eq(~(~((a & b) ^ c) ^ (c & equal))),
    ]
    return total, carry


class GateOperation(wiring.Component):
    """One operation on unsigned numbers, without a register, as synthesis builds it by itself.

    Parameters
    ----------
    kind : :class:`str`
        ``count`` (one more bit), ``add``, ``multiply`` or ``compare`` (``>=``).
    bits : :class:`int`
        Width of the operands, at least 1; the bit that is counted has one.

    Members
    -------
    a, b : the operands
    o : the result

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, or the width is not a positive integer.
    """

    def __init__(self, *, kind: str, bits: int) -> None:
        if kind not in OPERATIONS:
            raise ValueError(f"kind must be one of {', '.join(OPERATIONS)}, not {kind!r}")
        self.kind = kind
        self.bits = _positive("bits", bits)
        width = {"compare": 1, "multiply": 2 * bits}.get(kind, bits + 1)
        members = {"a": In(bits), "b": In(1 if kind == "count" else bits), "o": Out(width)}
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.kind, self.bits)

    @property
    def module_name(self) -> str:
        return f"{self.kind}_{self.bits}"

    def model(self, a: int, b: int) -> int:
        """The result."""
        return {"compare": int(a >= b), "multiply": a * b}.get(self.kind, a + b)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        a, b = self.a, self.b
        results = {"compare": a >= b, "multiply": a * b}
        m.d.comb += self.o.eq(results.get(self.kind, a + b))
        return m
