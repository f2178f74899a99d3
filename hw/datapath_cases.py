"""What ``make synth`` puts side by side: datapaths, rivals and whole engines.

The layer is 3x3, from 64 to 64 channels, with seeded parameters, 8-bit phi unless said otherwise
and accumulators of its exact bound. Weights come from memory, except where they stand inside the
tables: such a layer is as small as the number of its folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pa_hdl import cost
from pa_hdl.config import EngineConfig
from pa_hdl.dot import DATAPATHS
from pa_hdl.gen import generate
from pa_hdl.parameters import LayerParameters

from .baselines.abc import AbcDot
from .baselines.multiply import multiply_dot
from .baselines.tables import abc_scales, rival_layer
from .baselines.xnor import XnorDot
from .designs import SEED
from .dot_designs import component_design, dot_design
from .flow import Design
from .lane_designs import lane_design, lane_of

__all__ = [
    "BASES",
    "LAYER",
    "SHAPE",
    "Abc",
    "Built",
    "DatapathCase",
    "Lane",
    "Multiply",
    "Pa",
    "Table",
    "Xnor",
]

LAYER: dict[str, Any] = {"in_channels": 64, "out_channels": 64, "height": 16, "width": 16}
TAPS = 576

BASES = ((4, 3), (4, 5), (4, 7), (6, 7), (8, 7))
"""(M, N) of every datapath."""

SHAPE = {"xc7": (32, 2), "ecp5": (16, 8), "ice40": (16, 8), "generic": (32, 2)}
"""SIMD and PE of dot products on each target."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What one case is synthesised as.

    Parameters
    ----------
    design : :class:`Design`
        Its Verilog, with one unit.
    latency : :class:`int`
        Cycles from the last fold to its accumulator, or from the first beat in to the first out.
    acc_bits : :class:`int`
        Width of an accumulator.
    predicted : :class:`int` or ``None``
        LUTs by the cost model, where it has something to say.
    """

    design: Design
    latency: int
    acc_bits: int
    predicted: int | None = None


def folded(folds: int | None, simd: int, pe: int) -> dict[str, Any]:
    """The layer, or the one whose outputs take so many folds, all of one output channel a PE."""
    if folds is None:
        return {**LAYER, "simd": simd, "pe": pe}
    point = {"kernel": (1, 1), "pad": (0, 0, 0, 0), "height": 16, "width": 16}
    return {**point, "in_channels": simd * folds, "out_channels": pe, "simd": simd, "pe": pe}


@dataclass(frozen=True, kw_only=True)
class DatapathCase:
    """One row of the report. Subclasses say how it is built.

    Parameters
    ----------
    target : :class:`str`
        Device family, with ``-dsp`` behind it where multiplier blocks are allowed.
    simd, pe : :class:`int`
        Lanes, and output channels, worked on in one cycle.
    """

    target: str
    simd: int
    pe: int

    unit = "dot"
    m: int | None = None
    n: int | None = None
    fold: int | None = None
    phi_bits: int | None = None

    @property
    def datapath(self) -> str:
        """What the row calls its hardware."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What the row is called; on one target no other is."""
        raise NotImplementedError

    def build(self) -> Built:
        """Generate its Verilog."""
        raise NotImplementedError

    def row(self, built: Built, flags: str, figures: dict[str, int]) -> dict[str, Any]:
        """A row of the report, without its clock rate.

        Parameters
        ----------
        built : :class:`Built`
            What was synthesised.
        flags : :class:`str`
            How.
        figures : :class:`dict`
            ``lut``, ``ff``, ``carry``, ``bram``, ``dsp`` and ``depth`` that were found.
        """
        shape = {name: getattr(self, name) for name in ("m", "n", "phi_bits", "simd", "pe", "fold")}
        return {
            "name": self.name,
            "unit": self.unit,
            "datapath": self.datapath,
            **shape,
            "target": self.target.removesuffix("-dsp"),
            "flags": flags,
            **figures,
            "lut_per_mac": round(figures["lut"] / (self.simd * self.pe), 3),
            "fmax_mhz": None,
            "latency_cycles": built.latency,
        }


@dataclass(frozen=True, kw_only=True)
class Pa(DatapathCase):
    """A PA dot product, or the whole engine around it."""

    m: int
    n: int
    path: str
    phi_bits: int = 8
    fold: int | None = None
    unit: str = "dot"

    @property
    def datapath(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        folds = f"-fold{self.fold}" if self.fold else ""
        shape = f"m{self.m}n{self.n}p{self.phi_bits}-{self.simd}x{self.pe}"
        return f"{self.unit}-{self.path}-{shape}{folds}"

    def layer(self) -> tuple[EngineConfig, LayerParameters]:
        """Its engine, and what is baked in."""
        config = EngineConfig(
            **folded(self.fold, self.simd, self.pe),
            m=self.m,
            n=self.n,
            phi_bits=self.phi_bits,
            datapath=self.path,
            target=self.target,
            loadable=False,
        )
        parameters = LayerParameters.seeded(config, SEED)
        lowest, highest = parameters.acc_range()
        return replace(config, acc_min=lowest, acc_max=highest), parameters

    def build(self) -> Built:
        config, parameters = self.layer()
        if self.unit == "dot":
            return Built(
                design=replace(dot_design(config, parameters), name=self.name),
                latency=DATAPATHS[config.datapath].latency(config),
                acc_bits=config.acc_bits,
                predicted=cost.dot_cost(config, parameters).lut,
            )
        top = "pa_engine"
        made = generate(config, parameters, name=top)
        design = Design(
            name=self.name,
            top=top,
            verilog=made.verilog,
            memories=made.memories,
            units={"engine": top},
            keep=f"{top}_(dot|pe|and_popcount_[0-9]+)",
            block_rams=f"{top}_weights",
        )
        return Built(
            design=design,
            latency=made.metadata["latency_cycles"],
            acc_bits=config.acc_bits,
            predicted=cost.estimate(config, parameters).lut,
        )


@dataclass(frozen=True, kw_only=True)
class Table(DatapathCase):
    """A rival of few levels as a table (``kind`` of :data:`TABLES`), on one of PA's datapaths."""

    kind: str
    path: str
    fold: int | None = None

    @property
    def datapath(self) -> str:
        return f"{self.kind}-{self.path}"

    @property
    def name(self) -> str:
        folds = f"-fold{self.fold}" if self.fold else ""
        return f"dot-{self.datapath}-{self.simd}x{self.pe}{folds}"

    def layer(self) -> tuple[EngineConfig, LayerParameters]:
        """Its engine, and what is baked in."""
        options = folded(self.fold, self.simd, self.pe)
        return rival_layer(self.kind, **options, datapath=self.path, target=self.target)

    def build(self) -> Built:
        config, parameters = self.layer()
        return Built(
            design=replace(dot_design(config, parameters), name=self.name),
            latency=DATAPATHS[config.datapath].latency(config),
            acc_bits=config.acc_bits,
            predicted=cost.dot_cost(config, parameters).lut,
        )

    def row(self, built: Built, flags: str, figures: dict[str, int]) -> dict[str, Any]:
        return super().row(built, flags, figures) | {"phi_bits": self.layer()[0].phi_bits}


@dataclass(frozen=True, kw_only=True)
class Multiply(DatapathCase):
    """Integers of ``bits`` by ``bits``, or by ``act_bits``, as ``a * b``."""

    bits: int
    act_bits: int | None = None

    @property
    def datapath(self) -> str:
        kind = f"int{self.bits}" if self.act_bits is None else f"w{self.bits}a{self.act_bits}"
        return f"{kind}-multiply"

    @property
    def name(self) -> str:
        blocks = "-dsp" if self.target.endswith("-dsp") else ""
        return f"dot-{self.datapath}{blocks}-{self.simd}x{self.pe}"

    def build(self) -> Built:
        dot = multiply_dot(bits=self.bits, act_bits=self.act_bits, simd=self.simd, pe=self.pe)
        return Built(
            design=replace(component_design(dot, name="dot"), name=self.name),
            latency=dot.latency(dot.config),
            acc_bits=dot.config.acc_bits,
        )


@dataclass(frozen=True, kw_only=True)
class Xnor(DatapathCase):
    """Signs by signs, counted."""

    @property
    def datapath(self) -> str:
        return "xnor"

    @property
    def name(self) -> str:
        return f"dot-xnor-{self.simd}x{self.pe}"

    def build(self) -> Built:
        dot = XnorDot(simd=self.simd, pe=self.pe, taps=TAPS, target=self.target)
        return Built(
            design=replace(component_design(dot, name="dot"), name=self.name),
            latency=dot.latency,
            acc_bits=len(dot.acc[0]),
        )


@dataclass(frozen=True, kw_only=True)
class Abc(DatapathCase):
    """ABC-Net as printed: an XNOR-popcount lane for each of ``m * n`` pairs of bases.

    ``m`` and ``n`` of its row are left out: its bases are not PA's.
    """

    bases: tuple[int, int]

    @property
    def datapath(self) -> str:
        return f"abc{self.bases[0]}x{self.bases[1]}-xnor"

    @property
    def name(self) -> str:
        return f"dot-{self.datapath}-{self.simd}x{self.pe}"

    def build(self) -> Built:
        products = np.outer(
            *(abc_scales(n, seed) for n, seed in zip(self.bases, (1, 2), strict=True))
        )
        scaled = np.rint(products / products.max() * 127).astype(int)
        table = tuple(tuple(row) for row in scaled.tolist())
        dot = AbcDot(simd=self.simd, pe=self.pe, taps=TAPS, table=table, target=self.target)
        return Built(
            design=replace(component_design(dot, name="dot"), name=self.name),
            latency=dot.latency,
            acc_bits=len(dot.acc[0]),
        )


@dataclass(frozen=True, kw_only=True)
class Lane(DatapathCase):
    """One lane alone: ``simd`` pairs of bits, of one base each, and how many are set in both."""

    kind: str
    pe: int = 1

    unit = "lane"

    @property
    def datapath(self) -> str:
        return self.kind

    @property
    def name(self) -> str:
        return f"lane-{self.kind}-{self.simd}"

    def build(self) -> Built:
        lane = lane_of(self.target, self.simd, self.kind)
        return Built(
            design=lane_design(self.target, self.simd, self.kind),
            latency=lane.latency,
            acc_bits=len(lane.o),
        )

    def row(self, built: Built, flags: str, figures: dict[str, int]) -> dict[str, Any]:
        bases = None if self.kind.startswith("xnor") else 1
        return super().row(built, flags, figures) | {"m": bases, "n": bases}
