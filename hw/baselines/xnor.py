# amaranth: UnusedElaboratable=no
"""The plain dot product of networks whose weights and activations are +1 or -1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.cells.popcounts import LANES
from pa_hdl.config import unsigned_bits
from pa_hdl.datapaths.signature import control
from pa_hdl.emit import add_submodule

__all__ = ["XnorDot", "XnorPe"]


class XnorPe(wiring.Component):
    """Count equal signs of one output channel, one fold per cycle, :attr:`latency` cycles late.

    The sum of products of signs is ``2 * acc - taps``: the comparators behind it take that in. The
    lane is that of PA on the same target, with an exclusive or in place of its AND.

    Parameters
    ----------
    simd : :class:`int`
        Pairs of signs in one cycle, at least 1.
    taps : :class:`int`
        Pairs of an output element.
    target : :class:`str`
        Device whose lane counts.

    Members
    -------
    weight, act : a sign for each lane, that of the weight as its opposite
    valid, first : ``latency - 1`` cycles after the signs: accumulate, start from 0
    acc : the accumulator
    """

    def __init__(self, *, simd: int, taps: int, target: str = "generic") -> None:
        self.simd = simd
        self.taps = taps
        self.lane = LANES[target](bits=simd, exclusive=True)
        acc = unsigned_bits(taps)
        super().__init__(
            {"weight": In(simd), "act": In(simd), "valid": In(1), "first": In(1), "acc": Out(acc)}
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.simd, self.taps, self.lane.module_key)

    @property
    def module_name(self) -> str:
        return "pe"

    @property
    def latency(self) -> int:
        """Cycles from the signs of a fold to the accumulator that includes it."""
        return self.lane.latency + 1

    def model(self, folds: Sequence[tuple[int, int]]) -> int:
        """Accumulator of ``(activation signs, opposite weight signs)`` folds."""
        return sum(self.lane.model(act, weight) for act, weight in folds)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        add_submodule(m, platform, "lane", self.lane)
        m.d.comb += [self.lane.act.eq(self.act), self.lane.weight.eq(self.weight)]
        acc = Signal(self.acc.shape(), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, 0, acc) + self.lane.o)
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
    target : :class:`str`
        Device whose lanes count.

    Members
    -------
    valid, first, last : one fold arrives; it is the first, the last of an output element
    act : a sign for each lane, shared by all PEs
    weight : the opposite sign for each lane of each PE: a memory holds it as well as the sign
    o_valid, acc : a count for each PE, :attr:`latency` cycles after its last fold
    """

    def __init__(self, *, simd: int, pe: int, taps: int, target: str = "generic") -> None:
        for name, value in (("simd", simd), ("pe", pe), ("taps", taps)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
        self.simd = simd
        if target not in LANES:
            raise ValueError(f"target must be one of {', '.join(LANES)}, not {target!r}")
        self.pe = pe
        self.taps = taps
        self.target = target
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
        return (self.simd, self.pe, self.taps, self.target)

    @property
    def module_name(self) -> str:
        return "xnor_dot"

    @property
    def latency(self) -> int:
        """Cycles from the last fold of an output element to its count."""
        return LANES[self.target].latency_of(self.simd) + 1

    def model(self, folds: Sequence[tuple[int, Sequence[int]]]) -> list[int]:
        """Count of each PE after ``(activation signs, opposite weight signs of each PE)`` folds."""
        return [
            sum((act ^ weight[index]).bit_count() for act, weight in folds)
            for index in range(self.pe)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid, first = control(m, self, self.latency)
        for index in range(self.pe):
            pe = XnorPe(simd=self.simd, taps=self.taps, target=self.target)
            add_submodule(m, platform, f"pe_{index}", pe)
            m.d.comb += [
                pe.act.eq(self.act),
                pe.weight.eq(self.weight[index]),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]
        return m
