"""The dot product whose products are made once for all PEs: each PE selects by its weights.

``phi[w][a]`` of one activation is the same for every PE. All ``m`` of them are made beside the PEs,
from constants or from loaded coefficients, and a PE needs no more than a multiplexer for each
weight. It pays where many PEs share an activation, and where coefficients are loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.cells.ecp5_tree import ECP5, PORTABLE, Operand, accumulate, add_tree
from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.choice import choose
from pa_hdl.datapaths.popcount import check_zeros
from pa_hdl.datapaths.shared_products import CoefficientStore, Products, Table, product_range
from pa_hdl.datapaths.signature import control, dot_signature
from pa_hdl.emit import add_submodule
from pa_hdl.parameters import LayerParameters, weight_words
from pa_hdl.popcount import range_shape, tree_levels

__all__ = ["SharedDot", "SharedPe"]


class SharedPe(wiring.Component):
    """One output channel: select a product for each weight, add up, accumulate.

    One fold per cycle; ``acc`` is complete :attr:`latency` cycles after the products of the last
    fold came in. Weight codes whose highest bit is set are selected apart from the others; each of
    the two registers behind is reset while it is not meant, so no bit needs a gate.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    limits : pair of :class:`int`
        Lowest and highest product, 0 included.

    Members
    -------
    weight : SIMD weight codes
    products : for each SIMD lane, the products of weight codes ``1..m``
    valid, first : ``latency - 1`` cycles after the weight codes: accumulate, start from 0
    acc : the accumulator
    """

    def __init__(self, *, config: EngineConfig, limits: tuple[int, int]) -> None:
        self.config = config
        self.limits = limits
        self.placed = config.target == "ecp5"
        lane = data.ArrayLayout(range_shape(*limits), config.m)
        super().__init__(
            {
                "weight": In(data.ArrayLayout(config.weight_code_bits, config.simd)),
                "products": In(data.ArrayLayout(lane, config.simd)),
                "valid": In(1),
                "first": In(1),
                "acc": Out(signed(config.acc_bits)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.limits)

    @property
    def module_name(self) -> str:
        return "pe"

    @staticmethod
    def latency(config: EngineConfig) -> int:
        """Cycles from the products of a fold to the accumulator that includes it."""
        return 1 + tree_levels(config.simd) + 1

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> int:
        """Accumulator of ``(weight codes, products)`` folds."""
        return sum(
            (0, *products)[weight]
            for weights, lanes in folds
            for weight, products in zip(weights, lanes, strict=True)
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        adders = ECP5 if self.placed else PORTABLE
        terms = [self._term(m, f"term_{lane}", lane) for lane in range(self.config.simd)]
        bits = self.config.acc_bits
        total = add_tree(m, platform, terms, bits=bits, adders=adders)
        sync = {"first": self.first, "valid": self.valid}
        acc = accumulate(m, platform, total, bits=bits, start=0, adders=adders, **sync)
        m.d.comb += self.acc.eq(acc)
        return m

    def _term(self, m: Module, name: str, lane: int) -> Operand:
        """The product that a weight selects, in two registers of which one is 0."""
        weight, products = self.weight[lane], self.products[lane]
        bits = (self.config.m - 1).bit_length()
        half = (1 << bits) >> 1
        top = weight[bits - 1] if bits else Const(0, 1)
        shape = range_shape(*self.limits)
        none = Const(0, shape)
        options = [none, *products, *[none] * ((1 << bits) - 1 - self.config.m)]
        sides = {"low": (options[: half or 1], top), "high": (options[half : 2 * half], ~top)}
        if self.config.m == 1 << bits:
            # Without its highest bit, the highest code is spelled as code 0 is.
            empty = Signal(name=f"{name}_empty")
            m.d.comb += empty.eq((weight == 0) | top)
            sides["low"] = ([options[-1], *options[1 : half or 1]], empty)
        parts = []
        for side, (choice, other) in sides.items():
            if choice:
                part = Signal(shape, name=f"{name}_{side}", reset_less=True)
                select = weight[: max(0, bits - 1)]
                m.d.sync += part.eq(choose(m, f"{name}_{side}", choice, select, self.placed))
                with m.If(other):
                    m.d.sync += part.eq(0)
                parts.append(part)
        return Operand(tuple(parts), *self.limits)


class SharedDot(wiring.Component):
    """``acc = sum_k phi[w_k][a_k]`` with products that all PEs share, one fold per cycle.

    ::

        act ─▶ products of each activation ─┬▶ pe_0: select by weight, tree ─▶ acc
                                            └▶ pe_1 ...

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        The layer whose phi is baked in; ``None`` for a loadable engine.

    Members
    -------
    Those of :func:`~pa_hdl.datapaths.signature.dot_signature`.

    Raises
    ------
    ValueError
        If row or column 0 of phi is not zero.
    """

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters | None = None) -> None:
        self.check(config, parameters)
        self.config = config
        self.table: Table | None = None
        if parameters is not None:
            self.table = tuple(tuple(row) for row in parameters.phi[1:, 1:].tolist())
        super().__init__(dot_signature(config))

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.table)

    @property
    def module_name(self) -> str:
        return "dot"

    @staticmethod
    def latency(config: EngineConfig) -> int:
        """Cycles from the last fold of an output element to its accumulator."""
        return 1 + SharedPe.latency(config)

    @classmethod
    def check(cls, config: EngineConfig, parameters: LayerParameters | None) -> None:
        """Refuse a table whose zero weight or zero activation is none."""
        check_zeros(config, parameters)

    @classmethod
    def weight_words(cls, config: EngineConfig, parameters: LayerParameters) -> list[int]:
        """Words of the weight memory, in address order."""
        return weight_words(config, parameters)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[int]:
        """Accumulator of each PE after ``(activation codes, weight codes)`` folds."""
        if self.table is None:
            raise ValueError("a loadable dot product has no table of its own")
        simd, phi = self.config.simd, [[0, *row] for row in ((0,) * self.config.n, *self.table)]
        return [
            sum(
                phi[w][a]
                for acts, ws in folds
                for w, a in zip(ws[at : at + simd], acts, strict=True)
            )
            for at in range(0, self.config.pe * simd, simd)
        ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        valid, first = control(m, self, self.latency(config))
        weight = Signal.like(self.weight.as_value(), reset_less=True)
        m.d.sync += weight.eq(self.weight)
        made = self._products(m, platform)
        limits = product_range(config, self.table)

        def add_pe(index: int) -> None:
            pe = SharedPe(config=config, limits=limits)
            add_submodule(m, platform, f"pe_{index}", pe)
            width = len(pe.weight.as_value())
            m.d.comb += [
                pe.weight.eq(weight[index * width : (index + 1) * width]),
                pe.products.as_value().eq(made),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]

        for index in range(config.pe):
            add_pe(index)
        return m

    def _products(self, m: Module, platform: Any) -> Value:
        """Products of every lane."""
        if self.table is None:
            store = CoefficientStore(config=self.config)
            add_submodule(m, platform, "coefficients", store)
            m.d.comb += [
                store.en.eq(self.phi_en),
                store.index.eq(self.phi_index),
                store.data.eq(self.phi_data),
            ]
        found: list[Value] = []
        for lane in range(self.config.simd):
            products = Products(config=self.config, table=self.table)
            add_submodule(m, platform, f"products_{lane}", products)
            m.d.comb += products.act.eq(self.act[lane])
            if self.table is None:
                m.d.comb += products.phi.eq(store.o)
            found.append(products.o.as_value())
        everything = Signal(sum(map(len, found)), name="products")
        m.d.comb += everything.eq(Cat(found))
        return everything
