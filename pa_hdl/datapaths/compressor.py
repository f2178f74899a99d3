"""The paper's dot product with the decoders and lanes of a device.

A baked coefficient times a count is a table of the count. On 7-series what is left is a sum of such
tables: counts are cut into digits of as many bits as both halves of a LUT see, and the bits beyond
full digits share tables with those of other lanes. Elsewhere counts are multiplied as in plain
logic, whose tree knows that an element is counted in one lane only.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module

from pa_hdl.bases import BaseDecoder
from pa_hdl.cells.bases_xc7 import Xc7BaseDecoder
from pa_hdl.cells.popcounts import LANES
from pa_hdl.config import EngineConfig, unsigned_bits
from pa_hdl.datapaths.popcount import PopcountDot, PopcountPe
from pa_hdl.datapaths.table_sum_xc7 import Xc7TableSum
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import AndPopcount

__all__ = ["CompressorDot", "CompressorPe"]

_DIGIT_BITS = 5
"""Bits of a count that a table takes: both outputs of a LUT6_2 see them."""


class CompressorPe(PopcountPe):
    """One output channel: count each pair of bases, look the counts up, add up, accumulate.

    One fold per cycle; ``acc`` is complete :meth:`latency` cycles after the last fold came in.
    Tables are shifted so that their entries start at 0; what the shifts come to is a term of its
    own. Loaded coefficients are multiplied, as in a
    :class:`~pa_hdl.datapaths.popcount.PopcountPe`, and so are all but those of the 7-series.

    ::

        weight ─▶ bases ─┬▶ lane_1_1 ─┐
        act bases ───────┼▶   ...     ├▶ sum of tables ─▶ acc
                         └▶ lane_M_N ─┘

    Parameters and members are those of :class:`~pa_hdl.datapaths.popcount.PopcountPe`.
    """

    @classmethod
    def lane(cls, config: EngineConfig) -> type[AndPopcount]:
        """The AND-popcount of the target."""
        return LANES[config.target]

    @classmethod
    def decoder(cls, config: EngineConfig) -> type[BaseDecoder]:
        """The decoder of the target."""
        return Xc7BaseDecoder if config.target == "xc7" else BaseDecoder

    @classmethod
    def latency(cls, config: EngineConfig) -> int:
        """Cycles from the weight codes of a fold to the accumulator that includes it."""
        if not looks_up(config):
            return super().latency(config)
        digits = count_digits(config)
        total = Xc7TableSum.latency_of(
            terms=len(digits) + 1, index_bits=len(digits[0]), correction=False
        )
        return BaseDecoder.latency + cls.lane(config).latency_of(config.simd) + total

    def elaborate(self, platform: Any) -> Module:
        if not looks_up(self.config):
            return super().elaborate(platform)
        m = Module()
        config, digits = self.config, count_digits(self.config)
        counts = self.add_lanes(m, platform)
        entries = [self._entries(digit) for digit in digits]
        shift = sum(map(min, entries)) % (1 << config.acc_bits)
        tables = [tuple(entry - min(table) for entry in table) for table in entries]
        total = Xc7TableSum(tables=(*tables, (shift,) * len(entries[0])), acc_bits=config.acc_bits)
        add_submodule(m, platform, "sum", total)
        for place, digit in enumerate(digits):
            m.d.comb += total.index[place].eq(Cat(*(counts[lane][bit] for lane, bit in digit)))
        m.d.comb += [
            total.valid.eq(self.valid),
            total.first.eq(self.first),
            self.acc.eq(total.acc),
        ]
        return m

    def _entries(self, digit: list[tuple[int, int]]) -> list[int]:
        """Product of some bits of counts, by their value; all tables have as many index bits."""
        assert self.table is not None
        lanes = [coefficient for row in self.table for coefficient in row]
        bits = len(count_digits(self.config)[0])
        return [
            sum(lanes[lane] << bit for at, (lane, bit) in enumerate(digit) if value >> at & 1)
            for value in range(1 << bits)
        ]


def looks_up(config: EngineConfig) -> bool:
    """Whether counts are looked up rather than multiplied."""
    return config.target == "xc7" and not config.loadable


def count_digits(config: EngineConfig) -> list[list[tuple[int, int]]]:
    """Lane, and bit of its count, that each index bit of each table is; the last may have fewer."""
    count_bits = unsigned_bits(config.simd)
    digit = min(count_bits, _DIGIT_BITS)
    whole = count_bits - count_bits % digit
    lanes = range(config.m * config.n)
    digits = [
        [(lane, bit) for bit in range(start, start + digit)]
        for lane in lanes
        for start in range(0, whole, digit)
    ]
    rest = [(lane, bit) for lane in lanes for bit in range(whole, count_bits)]
    return digits + [rest[start : start + digit] for start in range(0, len(rest), digit)]


class CompressorDot(PopcountDot):
    """The paper's dot product, ``acc = sum_ij phi_ij * popcount(T_i & V_j)``, with device lanes.

    One fold per cycle. Parameters and members are those of
    :class:`~pa_hdl.datapaths.popcount.PopcountDot`.
    """

    pe = CompressorPe
