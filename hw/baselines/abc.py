# amaranth: UnusedElaboratable=no
"""The dot product of ABC-Net taken literally: an XNOR-popcount lane for each pair of bases.

Lin, Zhao, Pan, "Towards Accurate Binary Convolutional Neural Network", 2017: weights are
``sum_i alpha_i B_i`` and activations ``sum_j beta_j H_j``, with ``M`` and ``N`` bases of +1 and -1,
so a convolution is ``M * N`` convolutions of signs, each times ``alpha_i * beta_j``. The bases of
either side are thresholds of one value: ``M`` of them have ``M + 1`` levels together, and
:func:`~hw.baselines.tables.abc_table` is the same sum as one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.bases import BaseDecoder
from pa_hdl.config import EngineConfig, signed_bits
from pa_hdl.datapaths.compressor import CompressorPe, looks_up
from pa_hdl.datapaths.signature import control
from pa_hdl.emit import add_submodule
from pa_hdl.popcount import SumTree, add_lookup, delay, range_shape, tree_levels

__all__ = ["AbcDot", "AbcPe"]

Coefficients = tuple[tuple[int, ...], ...]


def _config(simd: int, pe: int, taps: int, table: Coefficients, target: str) -> EngineConfig:
    """The engine of as many PA bases and taps: its widths, and what its device looks up."""
    most = sum(map(sum, table))
    return EngineConfig(
        in_channels=taps,
        out_channels=pe,
        height=1,
        width=1,
        kernel=(1, 1),
        pad=(0, 0, 0, 0),
        m=len(table),
        n=len(table[0]),
        simd=simd,
        pe=pe,
        phi_bits=signed_bits(0, most),
        target=target,
        loadable=False,
        acc_min=0,
        acc_max=taps * most,
    )


class AbcPe(CompressorPe):
    """Weighed counts of equal signs of one output channel, one fold per cycle.

    As a :class:`~pa_hdl.datapaths.compressor.CompressorPe`, but signs arrive as they are (there are
    no codes to decode) and lanes count exclusive ors. The sum of products of signs is
    ``2 * acc - taps * sum(coefficients)``: the comparators behind it take that in.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        Lanes, bases, target and accumulators.
    table : tuple of tuples of :class:`int`
        ``alpha_i * beta_j`` as positive integers, a row for each weight base.

    Members
    -------
    weight : the opposite sign for each base and lane
    act_bases : a sign for each base and lane
    valid, first : ``latency - 1`` cycles after the signs: accumulate, start from 0
    acc : the accumulator
    """

    table: Coefficients

    def __init__(self, *, config: EngineConfig, table: Coefficients) -> None:
        self.config = config
        self.table = table
        wiring.Component.__init__(
            self,
            {
                "weight": In(data.ArrayLayout(config.simd, config.m)),
                "act_bases": In(data.ArrayLayout(config.simd, config.n)),
                "valid": In(1),
                "first": In(1),
                "acc": Out(signed(config.acc_bits)),
            },
        )

    @classmethod
    def latency(cls, config: EngineConfig) -> int:
        """Cycles from the signs of a fold to the accumulator that includes it."""
        if looks_up(config):
            return super().latency(config) - BaseDecoder.latency
        lanes = cls.lane(config).latency_of(config.simd)
        return lanes + 1 + tree_levels(config.m * config.n) + 1

    def add_lanes(self, m: Module, platform: Any) -> list[Value]:
        """Count each pair of bases, rows of the table one after another."""
        counts: list[Value] = []
        for i in range(self.config.m):
            for j in range(self.config.n):
                lane = self.lane(self.config)(bits=self.config.simd, exclusive=True)
                add_submodule(m, platform, f"lane_{i + 1}_{j + 1}", lane)
                m.d.comb += [lane.weight.eq(self.weight[i]), lane.act.eq(self.act_bases[j])]
                counts.append(lane.o)
        return counts

    def elaborate(self, platform: Any) -> Module:
        if looks_up(self.config):
            return super().elaborate(platform)
        m = Module()
        simd = self.config.simd
        factors = [factor for row in self.table for factor in row]

        def bound(start: int, end: int) -> tuple[int, int]:
            # Other than PA's bases, several of an element's are set at a time.
            return 0, simd * sum(factors[start:end])

        tree = SumTree(terms=len(factors), bound=bound)
        add_submodule(m, platform, "tree", tree)
        for term, count in enumerate(self.add_lanes(m, platform)):
            # Counts beyond the lanes never occur.
            values = [factors[term] * min(value, simd) for value in range(1 << len(count))]
            shape = range_shape(*bound(term, term + 1))
            product = add_lookup(m, f"product_{term}", count, values, shape)
            m.d.comb += tree.i[str(term)].eq(delay(m, f"term_{term}", product, 1))
        acc = Signal(signed(self.config.acc_bits), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, 0, acc) + tree.o)
        m.d.comb += self.acc.eq(acc)
        return m


class AbcDot(wiring.Component):
    """PE weighed counts of equal signs, one fold per cycle.

    Parameters
    ----------
    simd, pe : :class:`int`
        Lanes, and output channels, worked on in one cycle.
    taps : :class:`int`
        Pairs of an output element.
    table : tuple of tuples of :class:`int`
        ``alpha_i * beta_j`` as positive integers, a row for each weight base.
    target : :class:`str`
        Device whose lanes count.

    Members
    -------
    valid, first, last : one fold arrives; it is the first, the last of an output element
    act : a sign for each base and lane, shared by all PEs
    weight : the opposite sign for each base and lane of each PE
    o_valid, acc : a weighed count for each PE, :attr:`latency` cycles after its last fold

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong and what is allowed.
    """

    def __init__(
        self, *, simd: int, pe: int, taps: int, table: Coefficients, target: str = "generic"
    ) -> None:
        if len({len(row) for row in table}) != 1 or any(v < 1 for row in table for v in row):
            raise ValueError(f"table must hold positive integers, equally many a row, not {table}")
        self.config = _config(simd, pe, taps, table, target)
        self.table = table
        signs = data.ArrayLayout(data.ArrayLayout(simd, self.config.m), pe)
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "act": In(data.ArrayLayout(simd, self.config.n)),
                "weight": In(signs),
                "o_valid": Out(1),
                "acc": Out(data.ArrayLayout(signed(self.config.acc_bits), pe)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.table)

    @property
    def module_name(self) -> str:
        return "abc_dot"

    @property
    def latency(self) -> int:
        """Cycles from the last fold of an output element to its weighed count."""
        return AbcPe.latency(self.config)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> list[int]:
        """Weighed count of each PE after ``(activations, opposite weights of each PE)`` folds."""
        return [
            sum(
                coefficient * (t ^ v).bit_count()
                for act, weights in folds
                for t, row in zip(weights[index], self.table, strict=True)
                for v, coefficient in zip(act, row, strict=True)
            )
            for index in range(self.config.pe)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid, first = control(m, self, self.latency)
        for index in range(self.config.pe):
            pe = AbcPe(config=self.config, table=self.table)
            add_submodule(m, platform, f"pe_{index}", pe)
            m.d.comb += [
                pe.act_bases.eq(self.act),
                pe.weight.eq(self.weight[index]),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]
        return m
