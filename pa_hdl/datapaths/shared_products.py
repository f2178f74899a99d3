"""Products of one activation with every weight level, of constant or of loaded coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.cells.ecp5 import place_lookup
from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.choice import choose
from pa_hdl.popcount import add_lookup, range_shape

__all__ = ["CoefficientStore", "Products", "Table", "product_range"]

Table = tuple[tuple[int, ...], ...]
"""``m`` rows of ``n`` coefficients."""


def product_range(config: EngineConfig, table: Table | None) -> tuple[int, int]:
    """Lowest and highest product, 0 included."""
    if table is None:
        return -config.phi_limit, config.phi_limit
    entries = [entry for row in table for entry in row]
    return min(0, *entries), max(0, *entries)


class CoefficientStore(wiring.Component):
    """Loaded coefficients, one cycle after each write.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.

    Members
    -------
    en, index, data : write one entry of the one-hot table
    o : all entries
    """

    def __init__(self, *, config: EngineConfig) -> None:
        self.config = config
        entries = config.m * config.n
        super().__init__(
            {
                "en": In(1),
                "index": In(range(max(2, entries))),
                "data": In(signed(config.phi_bits)),
                "o": Out(data.ArrayLayout(signed(config.phi_bits), entries)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config,)

    @property
    def module_name(self) -> str:
        return "coefficients"

    def model(self, entries: Sequence[int]) -> list[int]:
        """The entries, once they have been written."""
        return list(entries)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        entries = []
        for place in range(self.config.m * self.config.n):
            entry = Signal(signed(self.config.phi_bits), name=f"phi_{place}", reset_less=True)
            with m.If(self.en & (self.index == place)):
                m.d.sync += entry.eq(self.data)
            entries.append(entry)
        m.d.comb += self.o.as_value().eq(Cat(entries))
        return m


class Products(wiring.Component):
    """Products of one activation with each weight level, one cycle late.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    table : tuple of tuples of :class:`int`, optional
        ``m`` rows of ``n`` coefficients; ``None`` when they are loaded.

    Members
    -------
    act : the activation code
    phi : the loaded coefficients; only when there is no table
    o : the products of weight codes ``1..m``
    """

    def __init__(self, *, config: EngineConfig, table: Table | None = None) -> None:
        self.config = config
        self.table = table
        self.placed = config.target == "ecp5"
        shape = range_shape(*product_range(config, table))
        members: dict[str, Any] = {
            "act": In(config.code_bits),
            "o": Out(data.ArrayLayout(shape, config.m)),
        }
        if table is None:
            entries = config.m * config.n
            members["phi"] = In(data.ArrayLayout(signed(config.phi_bits), entries))
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.table)

    @property
    def module_name(self) -> str:
        return "products"

    def model(self, act: int, table: Table) -> list[int]:
        """Products of weight codes ``1..m``."""
        return [row[act - 1] if act else 0 for row in table]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        products = []
        for level in range(self.config.m):
            shape = self.o[level].shape()
            product = Signal(shape, name=f"product_{level + 1}", reset_less=True)
            m.d.sync += product.eq(self._product(m, level, shape))
            products.append(product)
        m.d.comb += self.o.as_value().eq(Cat(products))
        return m

    def _product(self, m: Module, level: int, shape: Shape) -> Value:
        n, codes = self.config.n, 1 << self.config.code_bits
        name = f"row_{level + 1}"
        if self.table is None:
            none = [Const(0, shape)] * (codes - n)
            row = [self.phi[level * n + place] for place in range(n)]
            return choose(m, name, [*none[:1], *row, *none[1:]], self.act, self.placed)
        values = [0, *self.table[level], *[0] * (codes - n - 1)]
        if self.placed and self.config.code_bits <= 4:
            return place_lookup(m, name, self.act, values, shape.width)
        return add_lookup(m, name, self.act, values, shape)
