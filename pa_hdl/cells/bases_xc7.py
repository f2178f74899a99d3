"""Codes spelled out as bases on the 7-series: two bases in one LUT6_2."""

from typing import Any

from amaranth.hdl import Module, Signal

from pa_hdl.bases import BaseDecoder
from pa_hdl.cells.xc7 import Xc7Lookups
from pa_hdl.emit import add_submodule

__all__ = ["Xc7BaseDecoder"]

_SHARED = 5
"""Code bits that both outputs of a LUT6_2 see."""


class Xc7BaseDecoder(BaseDecoder):
    """Decode codes into bases, one word of codes per cycle, one cycle late.

    Half a LUT a bit, for codes of up to five bits. Parameters and members are those of
    :class:`~pa_hdl.bases.BaseDecoder`.
    """

    def elaborate(self, platform: Any) -> Module:
        bits = len(self.i[0])
        if bits > _SHARED:
            return super().elaborate(platform)
        m = Module()
        functions = [0] * self.count
        for code in range(1 << bits):
            for index, hit in enumerate(self.model([code])):
                functions[index] |= hit << code
        groups = tuple(tuple(functions[at : at + 2]) for at in range(0, self.count, 2))
        words = [Signal(self.lanes, name=f"base_{index + 1}") for index in range(self.count)]
        for lane in range(self.lanes):
            cell = Xc7Lookups(index_bits=bits, groups=groups)
            add_submodule(m, platform, f"lane_{lane}", cell)
            m.d.comb += cell.index.eq(self.i[lane])
            m.d.comb += [word[lane].eq(cell.o[index]) for index, word in enumerate(words)]
        m.d.comb += [out.eq(word) for out, word in zip(self.o, words, strict=True)]
        return m
