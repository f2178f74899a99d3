"""The dot product that has its weights inside its tables, and no weight memory.

A layer that is folded few ways looks each product up by the index of the fold and the activation
code. The number of weight levels costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig, unsigned_bits
from pa_hdl.datapaths.signature import check_baked, control, dot_signature
from pa_hdl.datapaths.table_dot import lookup_table
from pa_hdl.datapaths.table_sums import TABLE_SUMS
from pa_hdl.emit import add_submodule
from pa_hdl.parameters import LayerParameters, blank_column, weight_folds

__all__ = ["MOST_FOLDS", "InsideDot", "InsidePe"]

MOST_FOLDS = 8
"""Folds of a pixel up to which weights may stand inside."""


class InsidePe(wiring.Component):
    """One output channel: look products up by fold and activation, accumulate a fold per cycle.

    ``acc`` is complete :meth:`latency` cycles after the last fold, provided that every fold of a
    pixel is taken once: what entries are shifted by, to start at 0, is what the sum starts from.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    products : tuple of tuples of tuples of :class:`int`
        For each fold and SIMD lane the products of activation codes.
    groups : tuple of tuples of :class:`int`
        Folds that make up one output element each.

    Members
    -------
    fold : index of the fold
    act : SIMD activation codes
    valid, first : ``latency - 1`` cycles later: accumulate, start anew
    acc : the accumulator
    """

    def __init__(
        self, *, config: EngineConfig, products: tuple[tuple[tuple[int, ...], ...], ...]
    ) -> None:
        self.config = config
        self.products = products
        super().__init__(
            {
                "fold": In(range(max(2, len(products)))),
                "act": In(data.ArrayLayout(config.code_bits, config.simd)),
                "valid": In(1),
                "first": In(1),
                "acc": Out(signed(config.acc_bits)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.products)

    @property
    def module_name(self) -> str:
        return "pe"

    @staticmethod
    def latency(config: EngineConfig) -> int:
        """Cycles from a fold to the accumulator that includes it."""
        index_bits = unsigned_bits(config.folds_per_pixel - 1) + config.code_bits
        kind = TABLE_SUMS[config.target]
        return 1 + kind.latency_of(terms=config.simd, index_bits=index_bits, correction=False)

    def model(self, folds: Sequence[tuple[int, Sequence[int]]]) -> int:
        """Accumulator of ``(index, activation codes)`` folds."""
        return sum(
            products[act]
            for fold, acts in folds
            for products, act in zip(self.products[fold], acts, strict=True)
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        products = np.array(self.products)
        lowest = products.min(axis=2)
        # An output element takes some of the folds only; their shifts must come to the same.
        of_output = lowest.sum(axis=1).reshape(config.out_folds, -1).sum(axis=1)
        start = int(of_output.min())
        lowest[:: config.folds_per_output, 0] += start - of_output
        entries = products - lowest[..., None]
        tables = tuple(
            lookup_table(entries[:, lane], config.code_bits) for lane in range(config.simd)
        )
        total = TABLE_SUMS[config.target](tables=tables, acc_bits=config.acc_bits, start=start)
        add_submodule(m, platform, "sum", total)
        fold = Signal(unsigned_bits(config.folds_per_pixel - 1), reset_less=True)
        m.d.sync += fold.eq(self.fold)
        for lane in range(config.simd):
            act = Signal(config.code_bits, name=f"act_{lane}", reset_less=True)
            m.d.sync += act.eq(self.act[lane])
            m.d.comb += total.index[lane].eq(Cat(act, fold))
        m.d.comb += [
            total.valid.eq(self.valid),
            total.first.eq(self.first),
            self.acc.eq(total.acc),
        ]
        return m


class InsideDot(wiring.Component):
    """``acc = sum_k phi[w_k][a_k]`` with constant weights, one fold per cycle.

    ::

        fold, act ─┬▶ pe_0: tables of its weights ─▶ tree ─▶ acc
                   └▶ pe_1 ...

    Serves any table, in layers of at most :data:`MOST_FOLDS` folds a pixel.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`
        The layer whose weights and phi are baked in.

    Members
    -------
    Those of :func:`~pa_hdl.datapaths.signature.dot_signature`.

    Raises
    ------
    ValueError
        If the datapath cannot serve the layer.
    """

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters | None = None) -> None:
        self.check(config, parameters)
        assert parameters is not None
        self.config = config
        self.products = _products(config, parameters)
        super().__init__(dot_signature(config))

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.products.tobytes())

    @property
    def module_name(self) -> str:
        return "dot"

    @staticmethod
    def latency(config: EngineConfig) -> int:
        """Cycles from the last fold of an output element to its accumulator."""
        return InsidePe.latency(config)

    @classmethod
    def check(cls, config: EngineConfig, parameters: LayerParameters | None) -> None:
        """Refuse a layer that is loaded, or folded too often.

        Raises
        ------
        ValueError
            Naming what is allowed.
        """
        check_baked(config, parameters, "its weights are")
        if config.folds_per_pixel > MOST_FOLDS:
            raise ValueError(
                f"folds of a pixel must be at most {MOST_FOLDS} for the inside datapath, "
                f"not {config.folds_per_pixel}: raise simd or pe"
            )

    @classmethod
    def weight_words(cls, config: EngineConfig, parameters: LayerParameters) -> None:
        """There is no weight memory."""

    def model(self, folds: Sequence[tuple[Sequence[int], int]]) -> list[int]:
        """Accumulator of each PE after ``(activation codes, index)`` folds."""
        return [
            sum(
                int(self.products[fold, pe, lane, act])
                for acts, fold in folds
                for lane, act in enumerate(acts)
            )
            for pe in range(self.config.pe)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid, first = control(m, self, self.latency(self.config))

        def add_pe(index: int) -> None:
            own = self.products[:, index].tolist()
            products = tuple(tuple(tuple(lane) for lane in fold) for fold in own)
            pe = InsidePe(config=self.config, products=products)
            add_submodule(m, platform, f"pe_{index}", pe)
            m.d.comb += [
                pe.fold.eq(self.fold),
                pe.act.eq(self.act),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]

        for index in range(self.config.pe):
            add_pe(index)
        return m


def _products(config: EngineConfig, parameters: LayerParameters) -> NDArray[np.int64]:
    """Products by fold, PE, SIMD lane and activation code."""
    return blank_column(config, parameters.phi)[weight_folds(config, parameters)]
