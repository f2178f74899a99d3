"""The plain dot product of networks whose weights and activations are +1 or -1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import unsigned_bits
from pa_hdl.datapaths.signature import control
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import AndPopcount

__all__ = ["XnorDot", "XnorPe"]


class XnorPe(wiring.Component):
    """Count equal signs of one output channel, one fold per cycle, :attr:`latency` cycles late.

    The sum of products of signs is ``2 * acc - taps``: the comparators behind it take that in.
    Three pairs of signs are six inputs of one LUT, as in :class:`~pa_hdl.popcount.AndPopcount`.

    Parameters
    ----------
    simd : :class:`int`
        Pairs of signs in one cycle, at least 1.
    taps : :class:`int`
        Pairs of an output element.

    Members
    -------
    weight, act : a sign for each lane
    valid, first : ``latency - 1`` cycles after the signs: accumulate, start from 0
    acc : the accumulator
    """

    def __init__(self, *, simd: int, taps: int) -> None:
        self.simd = simd
        self.taps = taps
        acc = unsigned_bits(taps)
        super().__init__(
            {"weight": In(simd), "act": In(simd), "valid": In(1), "first": In(1), "acc": Out(acc)}
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.simd, self.taps)

    @property
    def module_name(self) -> str:
        return "pe"

    @property
    def latency(self) -> int:
        """Cycles from the signs of a fold to the accumulator that includes it."""
        return AndPopcount.latency_of(self.simd) + 1

    def model(self, folds: Sequence[tuple[int, int]]) -> int:
        """Accumulator of ``(activation signs, weight signs)`` folds."""
        mask = (1 << self.simd) - 1
        return sum((~(act ^ weight) & mask).bit_count() for act, weight in folds)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Dissolved into the PE, so that XNOR and the first count share a LUT.
        m.submodules.lane = lane = AndPopcount(bits=self.simd)
        m.d.comb += [lane.act.eq(~(self.act ^ self.weight)), lane.weight.eq(~0)]
        acc = Signal(self.acc.shape(), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, 0, acc) + lane.o)
        m.d.comb += self.acc.eq(acc)
        return m


class XnorDot(wiring.Component):
    """PE counts of equal signs, one fold per cycle.

    Parameters
    ----------
    simd, pe : :class:`int`
        Lanes, and output channels, worked on in one cycle.
    taps : :class:`int`
        Pairs of an output element.

    Members
    -------
    valid, first, last : one fold arrives; it is the first, the last of an output element
    act : a sign for each lane, shared by all PEs
    weight : a sign for each lane of each PE
    o_valid, acc : a count for each PE, :attr:`latency` cycles after its last fold
    """

    def __init__(self, *, simd: int, pe: int, taps: int) -> None:
        for name, value in (("simd", simd), ("pe", pe), ("taps", taps)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
        self.simd = simd
        self.pe = pe
        self.taps = taps
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "act": In(simd),
                "weight": In(data.ArrayLayout(simd, pe)),
                "o_valid": Out(1),
                "acc": Out(data.ArrayLayout(unsigned_bits(taps), pe)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.simd, self.pe, self.taps)

    @property
    def module_name(self) -> str:
        return "xnor_dot"

    @property
    def latency(self) -> int:
        """Cycles from the last fold of an output element to its count."""
        return AndPopcount.latency_of(self.simd) + 1

    def model(self, folds: Sequence[tuple[int, Sequence[int]]]) -> list[int]:
        """Count of each PE after ``(activation signs, weight signs of each PE)`` folds."""
        mask = (1 << self.simd) - 1
        return [
            sum((~(act ^ weight[index]) & mask).bit_count() for act, weight in folds)
            for index in range(self.pe)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid, first = control(m, self, self.latency)
        for index in range(self.pe):
            pe = XnorPe(simd=self.simd, taps=self.taps)
            add_submodule(m, platform, f"pe_{index}", pe)
            m.d.comb += [
                pe.act.eq(self.act),
                pe.weight.eq(self.weight[index]),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]
        return m
