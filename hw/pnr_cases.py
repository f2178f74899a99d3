"""Engines to place and route: the layer that all area figures are about, on any datapath."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.dot import DATAPATHS
from pa_hdl.gen import generate
from pa_hdl.parameters import LayerParameters

from .designs import SEED
from .dot_designs import dot_design
from .flow import Design

__all__ = ["LAYER", "UNITS", "PnrCase"]

LAYER = {"in_channels": 64, "out_channels": 64, "height": 16, "width": 16}
"""3x3, stride 1, padding 1: 576 taps an output."""

UNITS = ("engine", "dot")
"""What can be placed: a whole engine, or its dot product alone."""


@dataclass(frozen=True, kw_only=True)
class PnrCase:
    """One engine, or its dot product alone.

    Parameters
    ----------
    unit : :class:`str`
        One of :data:`UNITS`.
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine; accumulators are bounded exactly by :meth:`of`.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`
        What is baked in; ``None`` for a loadable engine.
    fold : :class:`int` or ``None``
        Folds of the one pixel that the layer is; ``None`` for :data:`LAYER`.
    """

    unit: str
    config: EngineConfig
    parameters: LayerParameters | None
    fold: int | None = None

    @classmethod
    def of(
        cls,
        unit: str,
        *,
        simd: int,
        pe: int,
        loadable: bool = False,
        fold: int | None = None,
        **options: Any,
    ) -> PnrCase:
        """The case of a datapath, ``m`` and ``n``, for :data:`LAYER` or a 1x1 layer of few folds.

        Raises
        ------
        TypeError, ValueError
            If there is no such engine.
        """
        layer: dict[str, Any] = LAYER
        if fold is not None:
            channels = {"in_channels": simd * fold, "out_channels": pe}
            layer = {**LAYER, **channels, "kernel": (1, 1), "pad": (0, 0, 0, 0)}
        config = EngineConfig(**layer, simd=simd, pe=pe, loadable=loadable, **options)
        if loadable:
            return cls(unit=unit, config=config, parameters=None, fold=fold)
        parameters = LayerParameters.seeded(config, SEED)
        lowest, highest = parameters.acc_range()
        config = replace(config, acc_min=lowest, acc_max=highest)
        return cls(unit=unit, config=config, parameters=parameters, fold=fold)

    @property
    def name(self) -> str:
        """Name of its files and rows."""
        config = self.config
        kind = f"{config.datapath}{'-loadable' if config.loadable else ''}"
        shape = f"m{config.m}n{config.n}p{config.phi_bits}-{config.simd}x{config.pe}"
        return f"{self.unit}-{kind}-{shape}" + (f"-fold{self.fold}" if self.fold else "")

    @property
    def latency(self) -> int:
        """Cycles from a fold to its accumulator, or from a frame's first beat to its result's."""
        if self.unit == "dot":
            return DATAPATHS[self.config.datapath].latency(self.config)
        return generate(self.config, self.parameters, name="pa_engine").metadata["latency_cycles"]

    def design(self) -> Design:
        """Its Verilog."""
        if self.unit == "dot":
            return replace(dot_design(self.config, self.parameters), name=self.name)
        name = "pa_engine"
        made = generate(self.config, self.parameters, name=name)
        return Design(
            name=self.name,
            top=name,
            verilog=made.verilog,
            memories=made.memories,
            units={"engine": name},
            keep=f"{name}_(pe|and_popcount_[0-9]+)",
            block_rams=f"{name}_weights",
        )
