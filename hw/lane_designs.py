# amaranth: UnusedElaboratable=no
"""Lanes by themselves: the popcounts that a paper's dot product is made of, and a rival."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.cells.popcounts import LANES
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import AndPopcount

from .dot_designs import component_design
from .flow import Design

__all__ = ["KINDS", "XnorPopcount", "lane_design", "lane_of"]

KINDS = ("popcount", "compressor", "xnor")
"""Lanes that synthesis maps, lanes of the cells of a device, and plain counts of equal signs."""


class XnorPopcount(wiring.Component):
    """Count positions that are equal in both operands, one pair per cycle.

    The lane of networks whose weights and activations are signs, as a rival;
    :attr:`latency` cycles late. Three pairs are six inputs of a LUT, as in an AND lane.

    Parameters
    ----------
    bits : :class:`int`
        Bit pairs of an operand, at least 1.

    Members
    -------
    act, weight : the operands
    o : number of equal positions
    """

    def __init__(self, *, bits: int) -> None:
        self._count = AndPopcount(bits=bits)
        self.bits = bits
        super().__init__({"act": In(bits), "weight": In(bits), "o": Out(len(self._count.o))})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.bits,)

    @property
    def module_name(self) -> str:
        return f"xnor_popcount_{self.bits}"

    @property
    def latency(self) -> int:
        """Cycles from operands to count."""
        return self._count.latency

    def model(self, act: int, weight: int) -> int:
        """Number of positions that are equal in both operands."""
        return self.bits - (act ^ weight).bit_count()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        add_submodule(m, platform, "count", self._count)
        m.d.comb += [
            self._count.act.eq(~(self.act ^ self.weight)),
            self._count.weight.eq(Const(-1, self.bits)),
            self.o.eq(self._count.o),
        ]
        return m


def lane_of(target: str, bits: int, kind: str) -> AndPopcount | XnorPopcount:
    """The lane of a kind.

    Raises
    ------
    ValueError
        If the kind is unknown, or the target has no lane.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if target not in LANES:
        raise ValueError(f"target must be one of {', '.join(LANES)}, not {target!r}")
    if kind == "xnor":
        return XnorPopcount(bits=bits)
    return (LANES[target] if kind == "compressor" else AndPopcount)(bits=bits)


def lane_design(target: str, bits: int, kind: str) -> Design:
    """A lane with nothing around it, as the unit ``lane``."""
    name = f"{kind}_lane_{bits}"
    design = component_design(lane_of(target, bits, kind), name=name, unit="lane")
    return replace(design, keep="")
